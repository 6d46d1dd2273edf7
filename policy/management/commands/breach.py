"""`manage.py breach open|list|tell-authority|tell-people|close`: breaches of personal data, at the command line."""

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from core.problems import Problem
from policy.models import Breach
from policy.rights import breaches


class Command(BaseCommand):
    help = "Record a breach of personal data, list those on record, and what was done: who was told, by when."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        new = verbs.add_parser("open", help="write one down; the deadline runs from --aware, now by default")
        new.add_argument("kind", choices=Breach.Kind.values)
        new.add_argument("--description", required=True, help="what happened, without names and addresses")
        new.add_argument("--risk", choices=Breach.Risk.values, default=Breach.Risk.UNKNOWN)
        new.add_argument("--affected", choices=list(breaches.AFFECTED), default="nobody")
        new.add_argument("--aware", type=_moment, help="ISO 8601 with a time zone: when the office learned of it")
        authority = verbs.add_parser("tell-authority", help="record that the authority was told, now")
        authority.add_argument("--reference", default="", help="the authority's")
        authority.add_argument("--late-because", default="")
        people = verbs.add_parser("tell-people", help="write to everybody whom a breach of high risk concerns")
        closing = verbs.add_parser("close")
        for verb in (authority, people, closing):
            verb.add_argument("breach", help="its id, as `breach list` says it")
        for verb in (new, authority, people, closing):
            verb.add_argument("--by", required=True, help="e-mail address of the lead reviewer or operator")
        verbs.add_parser("list", help="all, the ones whose authority waits first")

    def handle(self, *, verb: str, **options: Any) -> None:
        verbs = {"open": self._open, "list": self._list, "close": self._close}
        verbs |= {"tell-authority": self._authority, "tell-people": self._people}
        try:
            verbs[verb](options)
        except Problem as problem:
            raise CommandError(_said(problem)) from problem

    def _open(self, options: dict[str, Any]) -> None:
        said = {name: options[name] for name in ("kind", "description", "risk", "affected")}
        breach = breaches.open_breach(account(options["by"]), aware_at=options["aware"], **said)
        due = min(clock.due_at for clock in breach.clocks.all() if clock.due_at)
        self.stdout.write(f"{breach.pk}: on record. Tell the authority by {due:%Y-%m-%d %H:%M} UTC.")

    def _authority(self, options: dict[str, Any]) -> None:
        said = {name: options[name] for name in ("reference", "late_because")}
        breaches.tell_authority(_breach(options), account(options["by"]), **said)
        self.stdout.write("Recorded: the authority was told.")

    def _people(self, options: dict[str, Any]) -> None:
        count = breaches.tell_people(_breach(options), account(options["by"]))
        self.stdout.write(f"{count} people are written to now.")

    def _close(self, options: dict[str, Any]) -> None:
        breaches.close(_breach(options), account(options["by"]))
        self.stdout.write("Closed.")

    def _list(self, options: dict[str, Any]) -> None:
        for breach in breaches.for_desk():
            told = f"{breach.told} of {breach.people} people told"
            self.stdout.write(f"{breach.pk}  {breach.kind}  {breach.state}  risk {breach.risk}  {told}")


def _moment(text: str) -> dt.datetime:
    at = dt.datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("say the time zone")
    return at


def _breach(options: dict[str, Any]) -> Breach:
    try:
        return breaches.find(options["breach"])
    except ValidationError as error:
        raise CommandError("There is no such breach: see `manage.py breach list`.") from error


def _said(problem: Problem) -> str:
    errors = problem.extra.get("errors")
    if isinstance(errors, dict):
        return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items())
    return problem.detail or problem.title
