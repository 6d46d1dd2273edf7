"""`manage.py database_roles`: what the office's and the sequencer's PostgreSQL role may do, as GRANT and REVOKE."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from ledger import roles


class Command(BaseCommand):
    help = (
        "Print the GRANT and REVOKE statements that keep the log from the office's own database role, or run them."
        " Run it as the owner of the tables, again after each migration."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--app", required=True, help="the role in ASSAY_DATABASE_URL")
        parser.add_argument("--sequencer", required=True, help="the role in ASSAY_SEQUENCER_DATABASE_URL")
        parser.add_argument("--apply", action="store_true", help="run the statements, all or none")

    def handle(self, *, app: str, sequencer: str, apply: bool, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("SQLite has no roles: whoever may write the file may write all of it.")
        if app == sequencer:
            raise CommandError("Two roles are needed; with one, whoever appends could also sequence.")
        if not apply:
            self.stdout.write("\n".join(f"{statement};" for statement in roles.statements(app, sequencer)))
            return
        try:
            roles.apply(app, sequencer)
        except roles.BadRole as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{app} may append and erase, {sequencer} may give indices and sign; neither changes the log."
        )
