"""`manage.py charter list|adopt`: the promises of this office, signed with its key for rule packs."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from core.problems import Problem
from ledger.keys import BadKey, KeyMissing
from policy.law import charter


class Command(BaseCommand):
    help = "List the versions of the charter, or bind this office to one."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="which there are, and which is adopted")
        adopt = verbs.add_parser("adopt", help="sign it, and write that into the log")
        adopt.add_argument("version", type=int)
        adopt.add_argument("--by", required=True, help="e-mail address of the lawyer, policy editor or operator")

    def handle(self, *, verb: str, **options: Any) -> None:
        if verb == "list":
            self._list()
            return
        try:
            bound = charter.adopt(account(options["by"]), options["version"])
        except (KeyMissing, BadKey) as error:
            raise CommandError(f"The key for rule packs cannot be used: {error}") from error
        except Problem as problem:
            raise CommandError(f"{problem.title}. {problem.detail}".strip()) from problem
        self.stdout.write(f"Version {bound.version} binds this office, signed with {bound.signer}.")

    def _list(self) -> None:
        bound = charter.adopted()
        for version in charter.versions():
            state = "adopted" if bound and bound.holds and bound.version == version else "not in force"
            self.stdout.write(f"{version}: {charter.text(version, 'en').title}, {state}")
        if bound and not bound.holds:
            self.stdout.write(f"Version {bound.version} was adopted, and its signature does not fit the text any more.")
