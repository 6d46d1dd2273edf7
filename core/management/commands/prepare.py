"""`manage.py prepare`: what `up` does before it starts anything, for those who start the processes themselves."""

from typing import Any

from django.core.management.base import BaseCommand

from core.preparation import prepare


class Command(BaseCommand):
    help = "Migrate, create the cache table and keys, collect static files, repair what a killed process left."

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        self.stdout.write("Ready.")
