"""`manage.py verify FILE...`: what this office can say about files on this machine."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError
from django.db import DatabaseError

from core import storage
from core.problems import Problem
from provenance.management.dates import as_of
from provenance.management.refusals import NO_INPUT, USAGE, FileCommand
from provenance.verification import Report, verify_file

VALID, INVALID, NONE, DOUBTFUL = 0, 1, 2, 3
NOT_SET_UP = 78  # EX_CONFIG of sysexits.h

# By verdict: what leaves a file intact, and yet not vouched for.
_DOUBTS: Final[Mapping[str, tuple[str, ...]]] = {
    "signer": ("unknown",),
    "time": ("not_yet",),
    "ingredients": ("damaged", "unchecked"),
    "whole_file": ("other_bytes", "unrecorded"),
}


class Command(FileCommand):
    help = (
        "Print what this office can say about files: each verdict with its reason and raw codes, the register, the "
        "ledger. Exit codes: 0 every credential is valid; 1 one is invalid; 2 one is missing or unreadable, or the "
        "file is refused; 3 one is intact, but not vouched for: an unknown signer, earlier files that failed or were "
        "not checked, other bytes than the register's, stamped after the date of judging, or only a fingerprint that "
        "somebody claimed; 64 wrong usage; 66 a file cannot be opened; 78 this office is not set up."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument("--json", action="store_true", help="One JSON object a line, in the shape of the API.")
        parser.add_argument(
            "--as-of",
            type=as_of,
            metavar="DATE",
            help="Judge by the trust lists, certificates and revocations of that day (its last second, UTC) or time.",
        )
        parser.add_argument(
            "--manifest", type=Path, metavar="FILE", help="A detached C2PA manifest (.c2pa) of the one FILE given."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        files, beside = options["files"], options["manifest"]
        if beside is not None and len(files) != 1:
            raise SystemExit(self._wrong("--manifest belongs to one file; name one."))
        try:
            codes = {self._one(Path(name), options) for name in files}
        except DatabaseError as error:
            raise CommandError(_NOT_SET_UP, returncode=NOT_SET_UP) from error
        worst = next((code for code in (NO_INPUT, INVALID, NONE, DOUBTFUL) if code in codes), VALID)
        if worst != VALID:
            sys.exit(worst)

    def _wrong(self, words: str) -> int:
        self.stderr.write(words)
        return USAGE

    def _one(self, path: Path, options: dict[str, Any]) -> int:
        as_json, beside = options["json"], options["manifest"]
        try:
            if beside is not None:
                beside.open("rb").close()
            sha256, _ = storage.digest(path)
            report = verify_file(path, sha256, filename=path.name, as_of=options["as_of"], manifest=beside)
        except OSError as error:
            self._print(path, as_json, {"error": error.strerror or "cannot be opened"}, [error.strerror or ""])
            return NO_INPUT
        except Problem as problem:
            self._print(path, as_json, {"problem": problem.as_dict()}, [problem.title, problem.detail])
            return NONE
        self._print(path, as_json, report.as_dict(), _lines(report))
        return _answer(report)

    def _print(self, path: Path, as_json: bool, facts: dict[str, Any], lines: list[str]) -> None:
        if as_json:
            self.stdout.write(json.dumps({"path": str(path), **facts}))
        else:
            self.stdout.write(_shown(str(path)) + "\n" + "\n".join(f"  {_shown(line)}" for line in lines if line))


_NOT_SET_UP: Final = "The database of this office cannot be asked. Run `manage.py migrate`, or set ASSAY_VAR."


def _answer(report: Report) -> int:
    states = {name: one.state for name, one in report.verdicts.items()}
    doubtful = any(states[name] in doubts for name, doubts in _DOUBTS.items())
    match report.credential.state:
        case "valid":
            return DOUBTFUL if doubtful else VALID
        case "invalid":
            later = states["time"] == "not_yet" and states["integrity"] == "intact"
            return DOUBTFUL if later and states["revocation"] != "revoked" else INVALID
    return DOUBTFUL if report.evidence.claimed else NONE


def _shown(words: str) -> str:
    """Names of files are strangers' words: what would move the cursor or turn the writing round is shown as a code."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)


def _lines(report: Report) -> list[str]:
    credential = report.credential
    return [
        f"credential: {credential.state}" + (f", {credential.trust}" if credential.trust else ""),
        *([f"judged as of: {report.as_of:%Y-%m-%d %H:%M %Z}"] if report.as_of else []),
        *_verdicts(report),
        *(f"it {one['words']}" for one in credential.actions),
        *(f"signal: {one.name}: {one.as_dict()['sentence']}" for one in report.signals),
        f"codes: {' '.join(credential.codes) or 'none'}",
        f"sha256: {report.sha256}",
        *_register(report),
        *report.notes,
    ]


def _verdicts(report: Report) -> Iterator[str]:
    for name, verdict in report.verdicts.items():
        yield f"{name}: {verdict.state}. {verdict.sentence}"
        if verdict.codes and verdict.next_step != "Nothing to do.":
            yield f"  → {verdict.next_step}"


def _register(report: Report) -> Iterator[str]:
    if report.exact:
        yield f"register: the {report.exact_role} file of “{report.exact.title}”, {report.exact.pk}"
    else:
        several = "claimed by several" if report.claims else "not registered"
        yield f"register: these bytes are {several}"
    for claim in report.claims:
        yield f"  claimed, file not shown: “{claim.title}”, {claim.pk}, {claim.created_at:%Y-%m-%d %H:%M} UTC"
    for one in report.matches:
        yield f"  {one.tier}: “{one.title}”, {one.asset_id}, distance {one.distance:.3f}, {one.how}"
    if report.receipt:
        yield f"ledger: entry {report.receipt['index']}, leaf {report.receipt['leaf_hash']}"
    elif report.exact:
        yield "ledger: recorded; the next checkpoint is not signed yet"
