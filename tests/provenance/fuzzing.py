"""Broken files, made from good ones by numbers: the same number always breaks the file in the same way.

`batch` runs in a guarded child, like the parsers it tries; each file gets a time limit of its own, after which the
child is killed, and the number of the file being tried is reported before it is tried.
"""

import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.problems import Problem
from provenance import c2pa, parsing

SEED = "assay-4"
SECONDS_EACH = 30  # far below the office's own limit; these files have a few kilobytes
MAX_PIXELS, MAX_SECONDS = 4_000_000, 60


def broken(good: bytes, media_type: str, number: int) -> bytes:
    """The file number `number` of this format: one to four changes."""
    chance = random.Random(f"{SEED}:{media_type}:{number}")
    data = bytearray(good)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        chance.choice(_CHANGES)(data, chance)
    return bytes(data)


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 8))):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _overwrite(data: bytearray, chance: random.Random) -> None:
    at, length = chance.randrange(len(data) + 1), chance.choice((1, 2, 4, 16, 200))
    fill = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    data[at : at + length] = fill


def _overwrite_head(data: bytearray, chance: random.Random) -> None:
    """Headers and lengths stand near the beginning."""
    at = chance.randrange(min(256, len(data) + 1))
    data[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), chance.randbytes(4)))


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _remove(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    del data[at : at + chance.choice((1, 4, 64, 1000))]


def _insert(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.randbytes(chance.choice((1, 4, 64)))


def _repeat(data: bytearray, chance: random.Random) -> None:
    at, length = chance.randrange(len(data) + 1), chance.choice((8, 64, 512))
    data[at:at] = data[at : at + length] * chance.choice((1, 2, 20))


_CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _flip, _flip, _overwrite, _overwrite, _overwrite_head, _cut, _remove, _insert, _repeat,
)  # fmt: skip


def batch(
    good: str, media_type: str, work: str, *, first: int, end: int, step: int, report: Callable[..., None]
) -> dict[str, Any]:
    """Try the broken files range(first, end, step). good: the file to break. work: a file in the folder to write in.

    Returns {"outcomes": {what came of it: how often}, "escaped": [[number, error that no caller expects]]}.
    """
    whole, folder = Path(good).read_bytes(), Path(work).parent
    path = folder / "broken"
    outcomes: dict[str, int] = {}
    escaped: list[tuple[int, str]] = []
    for number in range(first, end, step):
        report(0, str(number))
        path.write_bytes(broken(whole, media_type, number))
        signal.setitimer(signal.ITIMER_REAL, SECONDS_EACH)
        for door in (_describe, _read):
            try:
                what = door(path, media_type)
            except Problem as problem:
                what = problem.code if 400 <= problem.status < 500 else f"status {problem.status}"
            except Exception as error:
                what = "escaped"
                escaped.append((number, f"{type(error).__name__}: {error}"[:200]))
            outcomes[what] = outcomes.get(what, 0) + 1
    return {"outcomes": outcomes, "escaped": escaped}


def _describe(path: Path, media_type: str) -> str:
    preview = path.with_name("preview.jpg")
    told = parsing.describe(str(path), media_type, preview=str(preview), max_pixels=MAX_PIXELS, max_seconds=MAX_SECONDS)
    return f"described as {told['kind']}"


def _read(path: Path, media_type: str) -> str:
    return f"credential {c2pa.read(path, media_type, anchors=[])['presence']}"


def abort_at(work: str, *, number: int, report: Callable[..., None]) -> None:
    """For the test of the batch itself: reports a number and dies."""
    report(0, str(number))
    signal.raise_signal(signal.SIGKILL)
