"""`manage.py example choose|end`: the decided case that the public page “How we decide” walks through."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from core.problems import Problem
from policy.models import Case
from policy.transparency import example


class Command(BaseCommand):
    help = "Choose the decided case that everybody may read about, or show none."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        choose = verbs.add_parser("choose", help="show what happened in this case, without work, words and people")
        choose.add_argument("case", help="its id")
        choose.add_argument("--words", action="store_true", help="in demo mode: with its words and its work")
        for verb in (choose, verbs.add_parser("end", help="show none any more")):
            verb.add_argument("--by", required=True, help="e-mail address of the lead reviewer or lawyer")

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            if verb == "end":
                example.end(account(options["by"]))
                self.stdout.write("No example is shown any more.")
                return
            chosen = example.choose(_case(options["case"]), account(options["by"]), words=options["words"])
        except Problem as problem:
            raise CommandError(f"{problem.title}. {problem.detail}".strip()) from problem
        self.stdout.write(
            f"{chosen.case} is the example now. The log says that it was chosen, and nothing new about it."
        )


def _case(pk: str) -> Case:
    try:
        return Case.objects.get(pk=pk)
    except (Case.DoesNotExist, ValidationError) as error:
        raise CommandError("There is no such case.") from error
