"""`manage.py retention [--dry-run]`: let go of what is past, or say what would go. Beat does it once a day."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from policy.rights import retained, retention


class Command(BaseCommand):
    help = "Delete what is past its time by the rules for keeping, respecting legal holds. At most 500 rows a line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *, dry_run: bool, **_: Any) -> None:
        for done in retention.run(retained.TABLE, dry=dry_run):
            ground = (
                ", ".join(sorted(rule.id for rule in retention.rules_of(done.keeping.event))) or "no rule: it stays"
            )
            verb = "would go" if dry_run else "went"
            more = f"; {done.held} kept by a hold" if done.held else ""
            more += f"; {done.colliding} kept by a rule against another" if done.colliding else ""
            self.stdout.write(f"{done.keeping.what}: {done.count} {verb}{more}  ({ground})")
