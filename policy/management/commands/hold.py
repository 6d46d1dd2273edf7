"""`manage.py hold place|release|review|list`: legal holds, for the operator at the command line."""

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from core.problems import Problem
from policy.models import Hold
from policy.rights import holds


class Command(BaseCommand):
    help = "Place a legal hold, release it, review it, or list those that are in force. Erasures wait for them."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        place = verbs.add_parser("place", help="keep what concerns a person, an account, a case or a work")
        place.add_argument("subject", help="person:<id>, user:<id>, case:<id> or asset:<id>")
        place.add_argument("--basis", required=True, help="id of the rule that asks for it")
        place.add_argument("--review", required=True, type=dt.date.fromisoformat, help="YYYY-MM-DD: look at it again")
        release = verbs.add_parser("release", help="end it; erasures that waited for it are carried out")
        release.add_argument("hold", help="its id, as `hold list` says it")
        review = verbs.add_parser("review", help="it is still needed: look at it again on a later day")
        review.add_argument("hold", help="its id")
        review.add_argument("--review", required=True, type=dt.date.fromisoformat, help="YYYY-MM-DD")
        for verb in (place, release, review):
            verb.add_argument("--by", required=True, help="e-mail address of the lead reviewer or operator who decides")
        verbs.add_parser("list", help="those in force, the next to be reviewed first")

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            verbs = {"place": self._place, "release": self._release, "review": self._review, "list": self._list}
            verbs[verb](options)
        except Problem as problem:
            raise CommandError(_said(problem)) from problem

    def _place(self, options: dict[str, Any]) -> None:
        by = account(options["by"])
        hold = holds.place_hold(by, on=options["subject"], basis=options["basis"], review_date=options["review"])
        self.stdout.write(f"{hold.pk}: in force, to be reviewed by {hold.review_date}.")

    def _release(self, options: dict[str, Any]) -> None:
        hold = _hold(options)
        holds.release_hold(hold, account(options["by"]))
        self.stdout.write(f"{hold.pk}: released. What waited for it is erased now, unless another hold keeps it.")

    def _review(self, options: dict[str, Any]) -> None:
        hold = _hold(options)
        holds.review_hold(hold, account(options["by"]), review_date=options["review"])
        self.stdout.write(f"{hold.pk}: still in force, to be reviewed by {hold.review_date}.")

    def _list(self, options: dict[str, Any]) -> None:
        for hold in holds.in_force():
            due = "  (review is due)" if holds.overdue(hold) else ""
            self.stdout.write(f"{hold.pk}  {holds.subject_of(hold)}  {hold.basis}  review {hold.review_date}{due}")


def _hold(options: dict[str, Any]) -> Hold:
    try:
        return Hold.objects.get(pk=options["hold"])
    except (Hold.DoesNotExist, ValidationError) as error:
        raise CommandError("There is no such hold: see `manage.py hold list`.") from error


def _said(problem: Problem) -> str:
    errors = problem.extra.get("errors")
    if isinstance(errors, dict):
        return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items())
    return problem.detail or problem.title
