"""`manage.py flagger designate|suspend|resume|end|list`: trusted flaggers (DSA 22), for the operator."""

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Organisation
from accounts.people import account
from core.problems import Problem
from policy.filing import flaggers
from policy.models import Category, TrustedFlagger

STATES = {
    "suspend": TrustedFlagger.State.SUSPENDED,
    "resume": TrustedFlagger.State.ACTIVE,
    "end": TrustedFlagger.State.ENDED,
}


class Command(BaseCommand):
    help = "Enter who was designated as a trusted flagger, suspend, resume or end it, and list them with their figures."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        designate = verbs.add_parser("designate", help="enter a designation")
        designate.add_argument("organisation", help="its name, as its people have it")
        designate.add_argument("--authority", required=True, help="the coordinator that designated it")
        designate.add_argument("--jurisdiction", required=True, help="a place of the rules, as EU")
        designate.add_argument("--area", required=True, action="append", help=f"one of: {', '.join(Category.values)}")
        designate.add_argument("--from", required=True, dest="since", type=dt.date.fromisoformat, help="YYYY-MM-DD")
        designate.add_argument("--to", dest="until", type=dt.date.fromisoformat, help="YYYY-MM-DD, the last day")
        changes = [verbs.add_parser(verb, help=f"{verb} a designation") for verb in STATES]
        for change in changes:
            change.add_argument("flagger", help="its id, as `flagger list` says it")
        for each in (designate, *changes):
            each.add_argument("--by", required=True, help="e-mail address of the lead reviewer or operator who decides")
        verbs.add_parser("list", help="all, with what became of their notices")

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            match verb:
                case "designate":
                    self._designate(options)
                case "list":
                    self._list()
                case _:
                    self._change(verb, options)
        except Problem as problem:
            raise CommandError(_said(problem)) from problem

    def _designate(self, options: dict[str, Any]) -> None:
        organisation = Organisation.objects.filter(name=options["organisation"]).first()
        if organisation is None:
            raise CommandError(f"There is no organisation “{options['organisation']}”.")
        row = flaggers.designate(
            organisation,
            authority_name=options["authority"],
            jurisdiction=options["jurisdiction"],
            areas=options["area"],
            valid_from=options["since"],
            valid_to=options["until"],
            by=account(options["by"]),
        )
        self.stdout.write(f"{row.pk}: {organisation} is a trusted flagger for {', '.join(row.areas)}.")

    def _change(self, verb: str, options: dict[str, Any]) -> None:
        try:
            row = TrustedFlagger.objects.select_related("entry").get(pk=options["flagger"])
        except (TrustedFlagger.DoesNotExist, ValidationError) as error:
            raise CommandError("There is no such designation: see `manage.py flagger list`.") from error
        flaggers.change(row, STATES[verb], by=account(options["by"]))
        self.stdout.write(f"{row.pk}: {row.get_state_display()}.")

    def _list(self) -> None:
        rows = TrustedFlagger.objects.select_related("organisation").order_by("pk")
        for row, quality in flaggers.with_quality(rows):
            accepted = "none judged" if quality.accepted_percent is None else f"{quality.accepted_percent} % accepted"
            until = row.valid_to or "open"
            self.stdout.write(
                f"{row.pk}  {row.organisation}  {row.state}  {row.jurisdiction}  {','.join(row.areas)}  "
                f"{row.valid_from}..{until}  {quality.filed} filed, {accepted}, {quality.unfounded} unfounded"
            )


def _said(problem: Problem) -> str:
    errors = problem.extra.get("errors")
    if isinstance(errors, dict):
        return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items())
    return problem.detail or problem.title
