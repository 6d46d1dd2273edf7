"""What happened to the entries of a bundle that does not verify: which was changed, left out, moved, or is there twice.

The table says of each row which leaf it is of, so it tells where the leaves were changed without it; whoever changes
both alike still cannot lead them to the signed root, but then the place cannot be told. Pure.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, Final

from ledger import bundleformat as form
from ledger import container, jcs, merkle

CHANGED: Final = "changed entries"
MISSING: Final = "missing entries"
ORDER: Final = "order"
DUPLICATES: Final = "duplicates"
GAPS: Final = "gaps"

_ROW: Final = re.compile(rb"([0-9]{1,16}),.*,([0-9a-f]{64})\r\n", re.ASCII | re.DOTALL)
# So many leaves are looked at for one that is there twice: some 60 MB, only for a bundle that does not verify.
_REMEMBERED: Final = 1_000_000

# A row of the table: its index, and the hash of its leaf in hex.
Row = tuple[int, str]


def what_happened(archive: container.Archive, first: int, count: int) -> dict[str, str]:
    """By the name of the check: what was done to which entry, as far as leaves and table still tell."""
    found: dict[str, str] = {}
    if gap := _gap(_rows(archive), first):
        found[GAPS] = gap
    if twice := _twice(_hashes(archive)):
        numbers = [number for number, digest in enumerate(_hashes(archive), first) if digest == twice][:2]
        found[DUPLICATES] = f"one entry is there twice, in the places {numbers[0]} and {numbers[1]}"
    kind, words = _difference(archive)
    if kind and not (kind == ORDER and twice):  # behind an entry that is there twice all others are moved
        found[kind] = words
    if not found:
        found |= _number(sum(1 for _ in _hashes(archive)), count)
    return found


def owner_of(archive: container.Archive, first: int, row: Mapping[str, Any]) -> int | None:
    """The entry that commits to the value of this disclosure; None if none here does."""
    try:
        made = hmac.new(form.unb64(row["salt"]), jcs.encode(row["value"]), hashlib.sha256).digest()
    except (ValueError, AttributeError, TypeError):
        return None
    wanted = jcs.encode({row["name"]: base64.b64encode(made).decode()})[1:-1]
    return next((index for index, leaf in enumerate(_lines(archive, form.LEAVES), first) if wanted in leaf), None)


def _number(here: int, count: int) -> dict[str, str]:
    if here == count:
        return {}
    return {MISSING if here < count else CHANGED: f"{here} entries are here, and the range has {count}"}


def _gap(rows: Iterable[Row], first: int) -> str:
    for expected, (index, _) in enumerate(rows, first):
        if index != expected:
            before = f"after entry {expected - 1} comes" if expected > first else f"instead of entry {first} there is"
            return f"{before} entry {index} in the table"
    return ""


def _twice(hashes: Iterable[str]) -> str:
    seen: set[bytes] = set()
    for digest in hashes:
        short = bytes.fromhex(digest[:16])
        if short in seen:
            return digest
        if len(seen) < _REMEMBERED:
            seen.add(short)
    return ""


def _difference(archive: container.Archive) -> tuple[str, str]:
    """What is wrong where leaves and table part first; two empty texts if they do not."""
    for digest, row in zip_longest(_hashes(archive), _rows(archive)):
        if row is None:
            return CHANGED, "an entry was added at the end: the table does not have it"
        if digest != row[1]:
            return _explained(archive, digest, row)
    return "", ""


def _explained(archive: container.Archive, digest: str | None, row: Row) -> tuple[str, str]:
    """The leaf in the place of `row` is that of another row, or of none."""
    index, wanted = row
    known = next((number for number, other in _rows(archive) if other == digest), None)
    elsewhere = wanted in _hashes(archive)
    if digest is None or (known is not None and not elsewhere):
        return MISSING, f"entry {index} is in the table, and not among the entries"
    if known is not None:
        return ORDER, f"entry {known} stands in the place of entry {index}"
    if elsewhere:
        return CHANGED, f"in the place of entry {index} there is one that the table does not have"
    return CHANGED, f"entry {index} was changed: it is not the one that the table names"


def _hashes(archive: container.Archive) -> Iterator[str]:
    return (merkle.leaf_hash(leaf).hex() for leaf in _lines(archive, form.LEAVES))


def _rows(archive: container.Archive) -> Iterator[Row]:
    for line in _raw(archive, form.CSV):
        if found := _ROW.fullmatch(line):
            yield int(found[1]), found[2].decode()


def _lines(archive: container.Archive, name: str) -> Iterator[bytes]:
    return (line.removesuffix(b"\n") for line in _raw(archive, name))


def _raw(archive: container.Archive, name: str) -> Iterator[bytes]:
    if name in archive.members:
        with archive.open(name) as part:
            while line := part.readline(form.MAX_LINE):
                yield line
