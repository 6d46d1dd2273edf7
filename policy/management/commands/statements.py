"""manage.py statements export: records for the EU's transparency database, in files of at most 100."""

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from core.problems import Problem
from policy.deciding import tdb_export


class Command(BaseCommand):
    help = "Statements of reasons for the DSA transparency database (export)."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        export = verbs.add_parser("export", help="write one JSON file for each call of the database's API")
        export.add_argument("--by", required=True, help="e-mail address of the lead reviewer or operator who exports")
        export.add_argument("--since", type=_day, help="first day (UTC), like 2026-05-19")
        export.add_argument("--until", type=_day, help="last day (UTC), like 2026-05-31")
        export.add_argument("--out", type=Path, required=True, help="folder; made if it is not there")
        export.add_argument("--again", action="store_true", help="also what was exported before")

    def handle(self, *args: Any, **options: Any) -> None:
        until = options["until"]
        rows = tdb_export.statements(
            since=options["since"],
            until=until + dt.timedelta(days=1) if until else None,
            again=options["again"],
        )
        _refuse_used(options["out"])
        try:
            made = self._write(tdb_export.calls(rows, account(options["by"])), options["out"])
        except Problem as problem:
            raise CommandError(_words(problem)) from problem
        self.stdout.write(f"{made} statements exported to {options['out']}" if made else "Nothing to export.")

    def _write(self, calls: Any, folder: Path) -> int:
        made = 0
        for n, call in enumerate(calls, 1):
            path = folder / f"statements-{n:04}.json"
            path.write_text(json.dumps(call, ensure_ascii=False, indent=1) + "\n")
            made += len(call["statements"])
        return made


def _refuse_used(folder: Path) -> None:
    """Before anything is marked as exported: a folder that can be written to, and no earlier export in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{folder} cannot be made: {error.strerror}.") from error
    if any(folder.glob("statements-*.json")):
        raise CommandError(f"An export is in {folder} already: name an empty folder.")
    if not os.access(folder, os.W_OK):
        raise CommandError(f"{folder} cannot be written to.")


def _day(text: str) -> dt.datetime:
    return dt.datetime.combine(dt.date.fromisoformat(text), dt.time.min, dt.UTC)


def _words(problem: Problem) -> str:
    errors = problem.extra.get("errors")
    lines = [f"{problem.title}: {problem.detail}"]
    if isinstance(errors, dict):
        lines += [f"  {puid}: {json.dumps(wrong, ensure_ascii=False)}" for puid, wrong in errors.items()]
    return "\n".join([*lines, problem.next_step]).strip()
