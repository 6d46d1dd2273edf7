"""`manage.py demo_people`: the demo's people, works and one-time login links. `manage.py up` calls it in demo mode."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.links import make_login_link
from web.demo.cast import CAST, ensure_basis, ensure_cast
from web.demo.seed import seed


class Command(BaseCommand):
    help = "Make the demo people and works where missing, and print a one-time login link for each person."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--base", default=settings.ASSAY_URL, help="Address of the office, for the links.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("Demo people exist in demo mode only; ASSAY_HOST or ASSAY_DEMO=false ended it.")
        people = ensure_cast()
        ensure_basis(people)
        seed(people)
        self.stdout.write("One-time login links, for 24 hours:\n")
        for character in CAST:
            link = options["base"].rstrip("/") + make_login_link(people[character.name])
            self.stdout.write(f"  {character.name:<6} {character.does}\n         {link}")
        self.stdout.write("\nMore links: .venv/bin/python manage.py demo_people\n")
        self.stdout.flush()
