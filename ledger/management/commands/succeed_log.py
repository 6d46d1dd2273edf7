"""`manage.py succeed_log`: after a log key was stolen, the tree goes on as another log."""

from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ledger import keys, roles, sequencer, succession
from ledger.head import HeadMismatch
from ledger.log import LogError
from ledger.rotation import RotationRefused


class Command(BaseCommand):
    help = "End a log whose key was stolen, and go on under the origin that ASSAY_LOG_ORIGIN names now (docs/keys.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        choice = parser.add_mutually_exclusive_group(required=True)
        choice.add_argument("--origin", help="the new origin: ASSAY_LOG_ORIGIN must say the same, for every process")
        choice.add_argument("--freeze", action="store_true", help="first of all: sign nothing more")
        choice.add_argument("--unfreeze", action="store_true", help="it was a false alarm: sign again")

    def handle(self, *, origin: str | None, freeze: bool, unfreeze: bool, **options: object) -> None:
        roles.become_sequencer()
        if freeze:
            succession.freeze()
            self.stdout.write("The log is frozen: entries are kept, nothing is signed. Go on with docs/keys.md.")
        elif unfreeze:
            succession.unfreeze()
            self.stdout.write("The log signs again.")
        else:
            self._succeed(origin or "")

    def _succeed(self, origin: str) -> None:
        if origin != settings.ASSAY_LOG_ORIGIN:
            raise CommandError(
                f"ASSAY_LOG_ORIGIN is {settings.ASSAY_LOG_ORIGIN}. Stop every process, set it to {origin} for all of"
                " them, then run this again."
            )
        try:
            done = succession.succeed()
            sequencer.tick()
        except (RotationRefused, HeadMismatch, keys.KeyMissing, keys.BadKey, LogError) as error:
            raise CommandError(str(error)) from error
        if done.repeated:
            self.stdout.write("This was done before; nothing was changed.")
        self.stdout.write(
            f"{done.old.origin} ended with {done.old.size} entries, root {done.old.root.hex()}.\n"
            f"{origin} goes on from there with the key\n{done.new.vkey}\nfingerprint {done.new.fingerprint}\n"
            "Start the office again. Tell whom docs/keys.md names, destroy the stolen key, and back the new one up."
        )
