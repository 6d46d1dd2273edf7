"""`manage.py detect FILE... [--json] [--region x,y,width,height]`: what the detectors see in files of this machine.

Nothing is registered, kept or sent anywhere; no row of the database is needed. With --json one object a line and file,
keys as in `detection.unregistered.as_dict`. Exit status: 0 every file was examined, 1 one could not be opened, 2 the
command was not understood.
"""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.problems import Problem
from detection import unregistered, wording
from detection.detectors import Region
from detection.hostile_text import readable
from detection.unregistered import Examined, Looked


class Command(BaseCommand):
    help = "Have every detector examine files of this machine; nothing is kept."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--json", action="store_true", help="one JSON object a line and file")
        parser.add_argument("--region", type=_region, help="x,y,width,height as shares 0…1 of the picture")

    def handle(self, *args: object, **options: Any) -> None:
        failed = 0
        for path in options["files"]:
            try:
                examined = unregistered.examine_file(path, options["region"])
            except (Problem, OSError) as error:
                failed += 1
                self._say(_refusal(path, _as_problem(error), options["json"]))
            else:
                told = json.dumps(unregistered.as_dict(examined), ensure_ascii=False)
                self._say([told] if options["json"] else list(_lines(examined)))
        if failed:
            raise CommandError(f"{failed} of {len(options['files'])} files could not be examined.", returncode=1)

    def _say(self, lines: list[str]) -> None:
        # A name that is no text is shown with its bytes escaped.
        self.stdout.write("\n".join(lines).encode("utf-8", "backslashreplace").decode())
        self.stdout.flush()


def _as_problem(error: Problem | OSError) -> Problem:
    if isinstance(error, Problem):
        return error
    return Problem("file.unreadable", "The file cannot be read", detail=f"The system says: {error.strerror}.")


def _refusal(path: Path, problem: Problem, as_json: bool) -> list[str]:
    if as_json:
        return [json.dumps(unregistered.refused(path, problem), ensure_ascii=False)]
    return [f"{readable(str(path))}: {problem.detail or problem.title}"]


def _lines(examined: Examined) -> Iterator[str]:
    """For people: the answer to each question, then every detector."""
    yield f"{readable(str(examined.path))} ({examined.media_type})"
    for one in examined.answers:
        weight = "" if one.llr is None else f" (log10 likelihood ratio {one.llr:+.2f})"
        because = f": {wording.why(one.reason)}" if one.reason else ""
        often_wrong = " (experimental: often wrong)" if examined.experimental else ""
        answer = wording.answer_words(one.answer)
        yield f"  {wording.question_words(one.question)} {answer}{because}{weight}{often_wrong}"
    for looked in examined.looked:
        yield from (f"    {line}" for line in _detector_lines(looked))


def _detector_lines(looked: Looked) -> Iterator[str]:
    name = f"{looked.info.name} {looked.info.version}" + (" (experimental)" if looked.info.experimental else "")
    if looked.why_not:
        yield f"{name}: {looked.why_not}"
    elif looked.refusal:
        yield f"{name}: {looked.refusal.detail or looked.refusal.title}"
    for reading in looked.readings:
        yield f"{name}: {reading.statement}"


def _region(told: str) -> Region:
    """Raises ValueError, which argparse turns into its own words and exit status 2."""
    x, y, width, height = (float(part) for part in told.split(","))
    if not (0 <= x < 1 and 0 <= y < 1 and 0 < width <= 1 - x + 1e-9 and 0 < height <= 1 - y + 1e-9):
        raise ValueError("not within the picture")
    return Region(x, y, width, height)
