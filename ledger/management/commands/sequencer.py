"""`manage.py sequencer`: the process that gives entries their index and signs checkpoints, until told to stop."""

import signal
import threading
from argparse import ArgumentParser

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, close_old_connections

from ledger import sequencer
from ledger.head import HeadMismatch
from ledger.keys import BadKey, KeyMissing

log = structlog.get_logger()


class Command(BaseCommand):
    help = "Sequence and sign what was appended to the log, every 200 ms, until SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--interval", type=float, default=0.2, help="seconds between two checkpoints")
        parser.add_argument("--once", action="store_true", help="sign what waits now, then stop")
        parser.add_argument(
            "--adopt-head",
            action="store_true",
            help="you vouch that the newest checkpoint in this database is the newest ever published",
        )

    def handle(self, *, interval: float, once: bool, adopt_head: bool, **options: object) -> None:
        try:
            if adopt_head:
                self.stdout.write(f"Adopted size {sequencer.adopt_head().size} as the head of the log.")
            elif once:
                sequencer.tick()
            else:
                self._loop(interval)
        except (HeadMismatch, KeyMissing, BadKey) as error:
            raise CommandError(str(error)) from error

    def _loop(self, interval: float) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            try:
                sequencer.tick()
            except OperationalError as error:
                # The database is away for a moment; what waits stays in its outbox.
                log.warning("sequencer waits for the database", error=str(error))
                close_old_connections()
            stop.wait(interval)
