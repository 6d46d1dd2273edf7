"""`manage.py states`: the transition tables of this room, for `docs/due-process.md`."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from policy import state_diagrams

DOCUMENT = Path(settings.BASE_DIR) / "docs" / "due-process.md"


class Command(BaseCommand):
    help = "Print the state machines as Markdown; --write puts them into docs/due-process.md."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true")

    def handle(self, *, write: bool, **options: Any) -> None:
        if write:
            DOCUMENT.write_text(state_diagrams.written(DOCUMENT.read_text()))
        else:
            self.stdout.write(state_diagrams.whole())
