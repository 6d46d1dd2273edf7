"""`manage.py sequencer`: the process that gives entries their index and signs checkpoints, until told to stop."""

import signal
import threading
from argparse import ArgumentParser
from contextlib import suppress

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, close_old_connections

from ledger import alarms, cosigning, roles, sequencer, vault
from ledger.head import HeadMismatch
from ledger.keys import BadKey, KeyMissing
from ledger.log import LogError
from ledger.notes import BadNote

log = structlog.get_logger()

# Seconds. While something is wrong, it is tried again after 1, 2, 4, … intervals, and never less often than this.
LONGEST_PAUSE = 30.0
# The alarm that a tick failed for a reason that has no alarm of its own: a full disk, a clock that went back.
FAILED = "sequencer"
WHY = (
    "The sequencer cannot go on: {error}. Entries are taken, and wait for their signature; it tries again every"
    " {pause:.0f} seconds. What to do: mend that (a full or read-only disk, rights of the data folder, the clock)."
    " This alarm ends by itself."
)


class Command(BaseCommand):
    help = "Sequence and sign what was appended to the log, every 200 ms, until SIGTERM."
    _told = True  # whether the alarm FAILED may be open: at first, that of a process before this one

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--interval", type=float, default=0.2, help="seconds between two checkpoints")
        parser.add_argument("--once", action="store_true", help="sign what waits now, then stop")
        parser.add_argument(
            "--adopt-head",
            action="store_true",
            help="you vouch that the newest checkpoint in this database is the newest ever published",
        )

    def handle(self, *, interval: float, once: bool, adopt_head: bool, **options: object) -> None:
        roles.become_sequencer()
        try:
            if adopt_head:
                self.stdout.write(f"Adopted size {sequencer.adopt_head().size} as the head of the log.")
            elif once:
                self._once()
            else:
                self._loop(interval)
        except (HeadMismatch, KeyMissing, BadKey, LogError, BadNote, OSError) as error:
            raise CommandError(str(error)) from error

    def _once(self) -> None:
        if sequencer.tick() is None and (alarm := alarms.halting()) is not None:
            raise CommandError(f"Nothing was signed, because of the alarm “{alarm.kind}”: {alarm.message}")

    def _loop(self, interval: float) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        cosigning.Cosigner().start()
        pause = interval
        while not stop.wait(pause):
            # The office goes on taking entries whatever happens here; they wait, and a person is told.
            pause = interval if self._works() else min(2 * pause, max(LONGEST_PAUSE, interval))

    def _works(self) -> bool:
        """One tick; whether nothing is wrong."""
        try:
            sequencer.tick()
        except HeadMismatch as error:  # its alarm was raised by the tick
            log.warning("sequencer does not sign", error=str(error))
        except (KeyMissing, BadKey) as error:
            self._tell(sequencer.KEY_MISSING, str(error))
        except (DatabaseError, InterfaceError) as error:
            # Away for a moment, or another sequencer was quicker; what waits stays in its outbox.
            log.warning("sequencer waits for the database", error=str(error))
            close_old_connections()
        except (LogError, BadNote, OSError) as error:
            self._tell(FAILED, WHY.format(error=error, pause=LONGEST_PAUSE), halts=False)
            self._told = True
        else:
            vault.finish_erasures()
            self._untell()
            return True
        return False

    def _tell(self, kind: str, why: str, *, halts: bool = True) -> None:
        log.warning("sequencer does not sign", alarm=kind, error=why)
        with suppress(DatabaseError, InterfaceError):
            alarms.raise_alarm(kind, why, halts=halts)

    def _untell(self) -> None:
        if self._told:
            with suppress(DatabaseError, InterfaceError):
                alarms.clear(FAILED)
                self._told = False
