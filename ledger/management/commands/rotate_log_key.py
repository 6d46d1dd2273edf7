"""`manage.py rotate_log_key`: a new signing key for the log, with an overlap in which both keys sign."""

import datetime as dt
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ledger import keys, roles, rotation
from ledger.log import LogError


class Command(BaseCommand):
    help = "Give the log a new key. Both keys sign until the overlap ends; docs/keys.md says who must be told."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--overlap", type=int, default=30, help="days in which the old key signs, too")
        parser.add_argument("--end-overlap", action="store_true", help="the old key signs no further checkpoint")
        parser.add_argument("--make", type=Path, metavar="FILE", help="only write a new private key into this file")

    def handle(self, *, overlap: int, end_overlap: bool, make: Path | None, **options: object) -> None:
        if not 0 <= overlap <= 3650:
            raise CommandError("--overlap is a number of days, 0 to 3650.")
        roles.become_sequencer()
        try:
            if make is not None:
                self._make(make)
            elif end_overlap:
                self._end()
            else:
                self._rotate(dt.timedelta(days=overlap))
        except (rotation.RotationRefused, keys.KeyMissing, keys.BadKey, LogError) as error:
            raise CommandError(str(error)) from error

    def _make(self, path: Path) -> None:
        if path.exists():
            raise CommandError(f"{path} exists already: choose another name.")
        made = keys.new_log_signer(path, settings.ASSAY_LOG_ORIGIN)
        self.stdout.write(f"Wrote the private key of {made.verifier.vkey} to {path}. Nothing signs with it yet.")

    def _end(self) -> None:
        stopped = rotation.end_overlap()
        self.stdout.write(f"{stopped} key(s) stopped signing." if stopped else "Only one key signs.")
        self._say_what_to_destroy()

    def _rotate(self, overlap: dt.timedelta) -> None:
        done = rotation.rotate(overlap)
        if done.repeated:
            self.stdout.write("A rotation is under way; nothing was changed.")
        self.stdout.write(
            f"old key  {done.old.vkey}\nnew key  {done.new.vkey}\n         fingerprint {done.new.fingerprint}\n"
            f"Both sign until {done.ends:%Y-%m-%d %H:%M} UTC. Until then: tell everyone who has pinned the old key, and"
            " give the witnesses the new one (docs/keys.md). Back the new private key up now."
        )
        self._say_what_to_destroy()

    def _say_what_to_destroy(self) -> None:
        for path in rotation.retired_files():
            self.stdout.write(f"{path} signs no longer: destroy it, and its backups.")
