"""`manage.py create_person EMAIL --role reviewer --organisation NAME`: make an account and a link to enter it."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.links import make_login_link
from accounts.models import Role
from accounts.people import create_person
from core.problems import Problem


class Command(BaseCommand):
    help = "Create a person with roles at an organisation and print a one-time login link."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="As colleagues should see it.")
        parser.add_argument("--role", action="append", choices=Role.values, required=True, help="May be repeated.")
        parser.add_argument("--organisation", default=settings.ASSAY_OFFICE_NAME, help="Default: the office itself.")
        parser.add_argument("--base", default=settings.ASSAY_URL, help="The office's address (default ASSAY_URL).")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = create_person(
                options["email"], options["name"], roles=options["role"], organisation=options["organisation"]
            )
        except Problem as problem:
            raise CommandError(problem.detail or problem.title) from problem
        self.stdout.write(f"{user.email}: {', '.join(sorted(user.roles))} at {options['organisation']}")
        self.stdout.write(options["base"].rstrip("/") + make_login_link(user))
