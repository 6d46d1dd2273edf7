"""`manage.py hold place|release|list`: legal holds, for the operator at the command line."""

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from core.clock import now
from core.problems import Problem
from policy import holds
from policy.models import Hold


class Command(BaseCommand):
    help = "Place a legal hold, release it, or list those that are in force. Erasures wait for them."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        place = verbs.add_parser("place", help="keep what concerns a person, an account, a case or a work")
        place.add_argument("subject", help="person:<id>, user:<id>, case:<id> or asset:<id>")
        place.add_argument("--basis", required=True, help="id of the rule that asks for it")
        place.add_argument("--review", required=True, type=dt.date.fromisoformat, help="YYYY-MM-DD: look at it again")
        release = verbs.add_parser("release", help="end it; erasures that waited for it are carried out")
        release.add_argument("hold", help="its id, as `hold list` says it")
        for verb in (place, release):
            verb.add_argument("--by", required=True, help="e-mail address of the lead reviewer or operator who decides")
        verbs.add_parser("list", help="those in force, the next to be reviewed first")

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            {"place": self._place, "release": self._release, "list": self._list}[verb](options)
        except Problem as problem:
            raise CommandError(_said(problem)) from problem

    def _place(self, options: dict[str, Any]) -> None:
        by = account(options["by"])
        hold = holds.place_hold(by, on=options["subject"], basis=options["basis"], review_date=options["review"])
        self.stdout.write(f"{hold.pk}: in force, to be reviewed by {hold.review_date}.")

    def _release(self, options: dict[str, Any]) -> None:
        try:
            hold = Hold.objects.get(pk=options["hold"])
        except (Hold.DoesNotExist, ValidationError) as error:
            raise CommandError("There is no such hold: see `manage.py hold list`.") from error
        holds.release_hold(hold, account(options["by"]))
        self.stdout.write(f"{hold.pk}: released. What waited for it is erased now, unless another hold keeps it.")

    def _list(self, options: dict[str, Any]) -> None:
        for hold in Hold.objects.filter(released_at=None).order_by("review_date", "pk"):
            due = "  (review is due)" if hold.review_date <= now().date() else ""
            self.stdout.write(f"{hold.pk}  {_subject(hold)}  {hold.basis}  review {hold.review_date}{due}")


def _subject(hold: Hold) -> str:
    kinds = {"person": hold.person_id, "user": hold.user_id, "case": hold.case_id, "asset": hold.asset_id}
    return next(f"{kind}:{pk}" for kind, pk in kinds.items() if pk)


def _said(problem: Problem) -> str:
    errors = problem.extra.get("errors")
    if isinstance(errors, dict):
        return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items())
    return problem.detail or problem.title
