"""`manage.py reviewer train|pause|resume|list`: the roster, for the operator at the command line."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from core.problems import Problem
from policy.desk import roster
from policy.models import Category, ReviewerProfile


class Command(BaseCommand):
    help = "Enter what a reviewer is trained for and reads, pause them, or list the roster."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        train = verbs.add_parser("train", help="enter or change somebody's entry; what is not named stays")
        train.add_argument("--for", dest="trained", nargs="+", metavar="CATEGORY", help="all of them, or “all”")
        train.add_argument("--languages", nargs="+", metavar="CODE", help="which they read, as en de")
        train.add_argument("--manager", metavar="EMAIL", help="whom they report to")
        train.add_argument("--budget", type=int, metavar="POINTS", help="exposure points a day")
        pause = verbs.add_parser("pause", help="no cases for now")
        resume = verbs.add_parser("resume", help="cases again")
        for verb in (train, pause, resume):
            verb.add_argument("email", help="of their account")
        verbs.add_parser("list", help="who is trained for what, and what nobody is")

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            {"train": self._train, "pause": self._pause, "resume": self._resume, "list": self._list}[verb](options)
        except Problem as problem:
            raise CommandError(_said(problem)) from problem

    def _train(self, options: dict[str, Any]) -> None:
        trained = list(Category.values) if options["trained"] == ["all"] else options["trained"]
        profile = roster.set_profile(
            account(options["email"]),
            by=None,
            trained=trained,
            languages=options["languages"],
            manager=account(options["manager"]) if options["manager"] else None,
            budget=options["budget"],
        )
        self.stdout.write(_line(profile))

    def _pause(self, options: dict[str, Any]) -> None:
        self.stdout.write(_line(roster.pause(account(options["email"]), by=None)))

    def _resume(self, options: dict[str, Any]) -> None:
        self.stdout.write(_line(roster.resume(account(options["email"]), by=None)))

    def _list(self, options: dict[str, Any]) -> None:
        for profile in roster.profiles():
            self.stdout.write(_line(profile))
        for user in roster.without_profile():
            self.stdout.write(f"{user.email}: not on the roster yet, so no cases")
        if missing := roster.untaught():
            self.stdout.write(f"Nobody is trained for: {', '.join(missing)}")


def _line(profile: ReviewerProfile) -> str:
    trained = ", ".join(profile.trained) or "nothing yet"
    paused = "; paused" if profile.paused else ""
    languages = ", ".join(profile.languages) or "no language"
    return f"{profile.user.email} ({profile.alias}): {trained}; reads {languages}; {profile.budget} a day{paused}"


def _said(problem: Problem) -> str:
    errors = problem.extra.get("errors")
    if isinstance(errors, dict):
        return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items())
    return f"{problem.detail or problem.title} {problem.next_step}".strip()
