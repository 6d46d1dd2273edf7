"""`manage.py check_log`: re-derive the whole log from its leaves and compare it with everything stored and signed."""

from django.core.management.base import BaseCommand, CommandError

from ledger.audit import Broken, check_log


class Command(BaseCommand):
    help = "Re-derive leaf hashes, sequence, tiles, roots, signatures and commitments. Exit 1 at the first break."

    def handle(self, **options: object) -> None:
        try:
            found = check_log()
        except Broken as error:
            raise CommandError(f"The log is broken: {error}") from error
        self.stdout.write(
            f"The log is whole: {found.entries} entries, {found.checkpoints} checkpoints, {found.tiles} tiles,"
            f" {found.sections} sealed sections, {found.erased} erased, {found.waiting} waiting for an index."
        )
        self.stdout.write(f"size {found.signed_size}\nroot {found.root}")
