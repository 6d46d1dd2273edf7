"""`manage.py verify FILE...`: what this office can say about files on this machine."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandParser

from core import storage
from core.problems import Problem
from provenance.verification import Report, verify_file

VALID, INVALID, NONE, USAGE, NO_INPUT = 0, 1, 2, 64, 66


class _Parser(CommandParser):
    """2 is an answer here, so wrong usage ends with sysexits' 64."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


class Command(BaseCommand):
    help = (
        "Print what this office can say about files: credential, reasons, raw codes, register, ledger. "
        "Exit codes: 0 every credential is valid; 1 one is invalid; 2 one is missing or unreadable, or the file is "
        "refused; 64 wrong usage; 66 a file cannot be opened."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.__class__ = _Parser
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument("--json", action="store_true", help="One JSON object a line.")

    def handle(self, *args: Any, **options: Any) -> None:
        codes = {self._one(Path(name), as_json=options["json"]) for name in options["files"]}
        worst = next((code for code in (NO_INPUT, INVALID, NONE) if code in codes), VALID)
        if worst != VALID:
            sys.exit(worst)

    def _one(self, path: Path, *, as_json: bool) -> int:
        try:
            sha256, _ = storage.digest(path)
            report = verify_file(path, sha256, filename=path.name)
        except OSError as error:
            self._print(path, as_json, {"error": error.strerror or "cannot be opened"}, [error.strerror or ""])
            return NO_INPUT
        except Problem as problem:
            self._print(path, as_json, {"problem": problem.as_dict()}, [problem.title, problem.detail])
            return NONE
        self._print(path, as_json, report.as_dict(), _lines(report))
        return {"valid": VALID, "invalid": INVALID}.get(report.credential.state, NONE)

    def _print(self, path: Path, as_json: bool, facts: dict[str, Any], lines: list[str]) -> None:
        if as_json:
            self.stdout.write(json.dumps({"path": str(path), **facts}, ensure_ascii=False))
        else:
            self.stdout.write(f"{path}\n" + "\n".join(f"  {line}" for line in lines if line))


def _lines(report: Report) -> list[str]:
    credential = report.credential
    lines = [f"credential: {credential.state}" + (f", {credential.trust}" if credential.trust else "")]
    lines += [f"  {reason}" for reason in (*credential.reasons, *credential.warnings)]
    if credential.signer:
        lines.append(credential.signer["statement"])
    lines += [f"  it {one['words']}" for one in credential.actions]
    lines.append(f"codes: {' '.join(credential.codes) or 'none'}")
    lines.append(f"sha256: {report.sha256}")
    if report.exact:
        lines.append(f"register: the {report.exact_role} file of “{report.exact.title}”, {report.exact.pk}")
    else:
        lines.append("register: these bytes are not registered")
    lines += [f"  {one.tier}: “{one.title}”, {one.asset_id}, distance {one.distance:.3f}" for one in report.matches]
    if report.receipt:
        lines.append(f"ledger: entry {report.receipt['index']}, leaf {report.receipt['leaf_hash']}")
    elif report.exact:
        lines.append("ledger: recorded; the next checkpoint is not signed yet")
    return [*lines, *report.notes]
