"""`manage.py login_link EMAIL`: let somebody in once."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.links import make_login_link
from accounts.models import User


class Command(BaseCommand):
    help = "Print a login link for a person that works once, within 24 hours."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="The person's e-mail address.")
        parser.add_argument("--base", default=settings.ASSAY_URL, help="The office's address (default ASSAY_URL).")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"], is_active=True).first()
        if user is None:
            raise CommandError(f"nobody here has the address {options['email']}; see manage.py create_person")
        self.stdout.write(options["base"].rstrip("/") + make_login_link(user))
