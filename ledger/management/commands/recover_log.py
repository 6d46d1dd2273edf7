"""`manage.py recover_log --from COPY`: after a restore, bring the log's missing entries back from a published copy."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from ledger import erasures, recovery
from ledger.head import HeadMismatch
from ledger.keys import BadKey, KeyMissing
from ledger.mirror import Unreadable


class Command(BaseCommand):
    help = (
        "For a database that was restored from an older backup: put back the entries, indices and tiles it lacks, from"
        " a published copy of this log that ends at the very head that was signed last. All or nothing. Then erase"
        " again what was erased since. Stop the office first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="source", required=True, metavar="COPY", help="folder or http(s) address")
        parser.add_argument(
            "--adopt-head",
            action="store_true",
            help="the head guard is lost, too, and you vouch that the copy's checkpoint is the newest ever published",
        )

    def handle(self, *, source: str, adopt_head: bool = False, **options: object) -> None:
        try:
            done = recovery.recover(source, adopt_head=adopt_head, progress=self._progress)
            again = erasures.replay()
        except (recovery.CannotRecover, HeadMismatch, Unreadable, KeyMissing, BadKey) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"The log holds {done.size} entries again; the backup had {done.had}. {done.entries} came from the copy,"
            f" {done.waited} had waited in the backup. {done.later} were appended after the restore and come next."
        )
        self.stdout.write(f"Erased again: {again.keys} keys, {again.sections} sealed sections.")
        self.stdout.write(
            "Not in a published log, so not recovered: rows of the office newer than the backup, and the sealed"
            " openings of the entries that came back. Their receipts still verify. `manage.py check_log` lists entries"
            " without rows. The sequencer signs on when it next runs."
        )

    def _progress(self, done: int, of: int) -> None:
        if done == of or done % 65536 == 0:
            self.stderr.write(f"{done} of {of} entries read")
