"""manage.py statements: records for the EU's transparency database, as files of at most 100, or handed over to it."""

import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from core.problems import Problem
from policy.deciding import tdb_export
from policy.hooks import tdb_client


class Command(BaseCommand):
    help = "Statements of reasons for the DSA transparency database (export to files, or submit)."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        export = verbs.add_parser("export", help="write one JSON file for each call of the database's API")
        export.add_argument("--by", required=True, help="e-mail address of the lead reviewer or operator who exports")
        export.add_argument("--since", type=_day, help="first day (UTC), like 2026-05-19")
        export.add_argument("--until", type=_day, help="last day (UTC), like 2026-05-31")
        export.add_argument("--out", type=Path, required=True, help="folder; made if it is not there")
        export.add_argument(
            "--again", nargs="+", metavar="PUID", default=[], help="these alone, also if exported before"
        )
        submit = verbs.add_parser("submit", help="hand over what the database has not accepted yet: a rehearsal")
        submit.add_argument("--by", required=True, help="e-mail address of the lead reviewer or operator who submits")
        submit.add_argument("--really", action="store_true", help="send it, to ASSAY_TDB_URL")

    def handle(self, *args: Any, **options: Any) -> None:
        {"export": self._export, "submit": self._submit}[options["verb"]](options)

    def _submit(self, options: dict[str, Any]) -> None:
        try:
            told = tdb_client.submit(account(options["by"]), really=options["really"])
        except Problem as problem:
            raise CommandError(_words(problem)) from problem
        self._list(told.refused)
        if told.rehearsed:
            self.stdout.write(f"{len(told.rehearsed)} would be sent. Nothing was: say --really.")
        self.stdout.write(f"{len(told.accepted)} accepted, {len(told.refused)} refused.")

    def _export(self, options: dict[str, Any]) -> None:
        until = options["until"]
        rows = tdb_export.statements(
            since=options["since"],
            until=until + dt.timedelta(days=1) if until else None,
            named=options["again"],
        )
        _refuse_used(options["out"])
        try:
            made = self._write(tdb_export.calls(rows, account(options["by"])), options["out"])
        except Problem as problem:
            raise CommandError(_words(problem)) from problem
        self.stdout.write(f"{made} statements exported to {options['out']}" if made else "Nothing to export.")

    def _write(self, calls: Iterator[tdb_export.Taken], folder: Path) -> int:
        made = files = 0
        for call, refused in calls:
            self._list(refused)
            if call["statements"]:
                files += 1
                made += len(call["statements"])
                path = folder / f"statements-{files:04}.json"
                path.write_text(json.dumps(call, ensure_ascii=False, indent=1) + "\n")
        return made

    def _list(self, refused: Mapping[str, Any]) -> None:
        for puid, errors in refused.items():
            self.stdout.write(f"refused {puid}: {json.dumps(errors, ensure_ascii=False)}")


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
