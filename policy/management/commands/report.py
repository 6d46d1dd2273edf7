"""`manage.py report make|write|freeze|publish|send-back|rerun|list`: transparency reports, at the command line."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from core.problems import Problem
from policy.models import TransparencyReport
from policy.transparency import reports


class Command(BaseCommand):
    help = (
        "Make, count and publish transparency reports, and count published ones again (exit status 1 if one differs)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        new = verbs.add_parser("make", help="begin one; prints its id")
        new.add_argument("--since", type=dt.date.fromisoformat, required=True, help="first day (UTC), like 2026-01-01")
        new.add_argument("--until", type=dt.date.fromisoformat, required=True, help="last day (UTC), like 2026-06-30")
        words = verbs.add_parser("write", help="what is told in words")
        words.add_argument("file", type=Path, help="JSON: {question: text}")
        correction = verbs.add_parser("correct", help="begin the next version of a published one; prints its id")
        correction.add_argument("--why", required=True, help="what was wrong; published")
        others = [verbs.add_parser("freeze", help="count its figures"), verbs.add_parser("publish")]
        others.append(verbs.add_parser("send-back", help="make it a draft again"))
        again = verbs.add_parser("rerun", help="ask every stored query again")
        again.add_argument("report", nargs="?", help="its id; all that are published by default")
        for verb in (words, correction, *others):
            verb.add_argument("report", help="its id, as `report list` says it")
        for verb in (new, words, correction, *others):
            verb.add_argument("--by", required=True, help="e-mail address of who does it")
        verbs.add_parser("list")

    def handle(self, *, verb: str, **options: Any) -> None:
        verbs = {"make": self._make, "write": self._words, "correct": self._correct}
        verbs |= {"rerun": self._rerun, "list": self._list}
        steps = {"freeze": reports.freeze, "publish": reports.publish, "send-back": reports.send_back}
        try:
            if verb in steps:
                report = _report(options["report"])
                steps[verb](report, account(options["by"]))
                self.stdout.write(f"{report}: {report.get_state_display()}")
            else:
                verbs[verb](options)
        except Problem as problem:
            raise CommandError(_said(problem)) from problem

    def _make(self, options: dict[str, Any]) -> None:
        self.stdout.write(str(reports.make(account(options["by"]), options["since"], options["until"]).pk))

    def _words(self, options: dict[str, Any]) -> None:
        try:
            words = json.loads(options["file"].read_text())
        except (OSError, ValueError) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from error
        if not isinstance(words, dict) or not all(isinstance(text, str) for text in words.values()):
            raise CommandError("The file is one JSON object of texts.")
        reports.write(_report(options["report"]), account(options["by"]), words)

    def _correct(self, options: dict[str, Any]) -> None:
        made = reports.correct(_report(options["report"]), account(options["by"]), options["why"])
        self.stdout.write(str(made.pk))

    def _rerun(self, options: dict[str, Any]) -> None:
        which = [_report(options["report"])] if options["report"] else list(reports.published())
        found = reports.rerun(which)
        for report in which:
            for one in found[report.pk]:
                gone = f"; {one.unreadable} sealed values cannot be read any more" if one.unreadable else ""
                self.stdout.write(f"{report}: {one.key} was {one.kept}, is {one.counted}{gone}")
            self.stdout.write(
                f"{report}: {len(found[report.pk])} figures differ" if found[report.pk] else f"{report}: same"
            )
        if any(not one.unreadable for differences in found.values() for one in differences):
            raise CommandError("A published figure is not what is counted now.")

    def _list(self, options: dict[str, Any]) -> None:
        for report in reports.for_desk():
            self.stdout.write(f"{report.pk}  {report}  {report.get_state_display()}")


def _report(pk: str) -> TransparencyReport:
    try:
        return reports.find(reports.for_desk(), pk=pk)
    except ValidationError as error:
        raise CommandError(f"{pk} is no id.") from error


def _said(problem: Problem) -> str:
    errors = problem.extra.get("errors")
    fields = [f"{name}: {' '.join(texts)}" for name, texts in errors.items()] if isinstance(errors, dict) else []
    return " ".join(filter(None, (problem.detail or problem.title, *fields, problem.next_step)))
