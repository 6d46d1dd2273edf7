"""`manage.py publish_log TARGET`: the log as static files, in a folder or a bucket, for any web server or CDN."""

import signal
import threading
from argparse import ArgumentParser

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, close_old_connections

from core.problems import Problem
from ledger import publication
from ledger.keys import BadKey, KeyMissing
from ledger.targets import Changed, Target, Unreachable, target_for

log = structlog.get_logger()


class Command(BaseCommand):
    help = (
        "Write the log as static files (C2SP tlog-tiles): a folder, or s3://bucket/prefix with the ASSAY_S3 settings."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("target", help="a folder, or s3://bucket/prefix")
        parser.add_argument("--every", type=float, metavar="SECONDS", help="go on publishing until SIGTERM")
        parser.add_argument("--all", action="store_true", help="look for every file again, not only for new ones")

    def handle(self, *, target: str, every: float | None, **options: object) -> None:
        try:
            place = target_for(target)
        except ValueError as error:
            raise CommandError(str(error)) from error
        everything = bool(options["all"])
        if every is None:
            self._once(place, target, everything)
        else:
            self._loop(place, target, everything, every)

    def _once(self, place: Target, target: str, everything: bool, *, again: bool = False) -> None:
        try:
            done = publication.publish(place, everything=everything)
        except (publication.Refused, Unreachable, Changed, KeyMissing, BadKey) as error:
            raise CommandError(f"Nothing was published to {target}. {error}") from error
        except Problem as error:
            raise CommandError(f"Nothing was published to {target}. {error.title}. {error.detail}") from error
        if done.written:
            self.stdout.write(
                f"{target}: {done.size} entries ({done.before} before); {done.written} files written, {done.kept} there"
            )
        elif not again:
            self.stdout.write(f"{target}: {done.size} entries; nothing new")

    def _loop(self, place: Target, target: str, everything: bool, every: float) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        again = False
        while not stop.is_set():
            try:
                self._once(place, target, everything, again=again)
            except OperationalError as error:
                log.warning("publishing waits for the database", error=str(error))
            except CommandError as error:
                # A history that was refused stays refused: that, a person must look at.
                if isinstance(error.__cause__, publication.Refused):
                    raise
                log.warning("publishing is tried again", error=str(error))
            close_old_connections()
            everything, again = False, True
            stop.wait(every)
