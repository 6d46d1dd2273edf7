"""manage.py lumen: the public register of notices, as the Lumen database takes notices; one JSON object a line."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from policy.transparency import lumen


class Command(BaseCommand):
    help = "Write the public register of notices in the shape of the Lumen database. Sends nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, required=True, help="file; must not be there yet")
        parser.add_argument("--period", default="", help="one quarter, like 2026-Q4; all by default")

    def handle(self, *args: Any, **options: Any) -> None:
        written = 0
        try:
            with options["out"].open("x", encoding="utf-8") as file:
                for one in lumen.notices(options["period"]):
                    file.write(json.dumps(one, ensure_ascii=False) + "\n")
                    written += 1
        except OSError as error:
            raise CommandError(f"{options['out']} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{written} notices written to {options['out']}")
