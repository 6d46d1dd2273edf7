"""`manage.py freshness`: exit status 1 if a learning page, the charter or a measured figure is too old."""

import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.clock import now
from web.freshness import stale


class Command(BaseCommand):
    requires_system_checks = ()  # it looks at files alone, also where there is no database
    help = "Say which learning pages, charter or measured figures are older than 180 days or past their review."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--on", type=dt.date.fromisoformat, help="Judge as of this day instead of today.")

    def handle(self, *args: Any, **options: Any) -> None:
        day = options["on"] or now().date()
        if old := stale(day):
            raise CommandError("\n".join(old))
        self.stdout.write(f"Every page and every figure is fresh on {day}.")
