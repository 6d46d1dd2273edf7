"""`manage.py doctor`: look at everything the office stands on and say what to do about what is wrong."""

from typing import Any

from django.core.management.base import BaseCommand

from core.health import checks


class Command(BaseCommand):
    help = "Check database, storage, keys, queue and disk; exit 1 if something is wrong."

    def handle(self, *args: Any, **options: Any) -> None:
        results = checks()
        for result in results:
            mark = "ok   " if result.ok else "WRONG"
            self.stdout.write(f"{mark} {result.name}: {result.detail}")
        if not all(result.ok for result in results):
            raise SystemExit(1)
