"""The audit of what is sealed: each opening opens its commitment, and what cannot be opened was erased, on record.

An erasure is on record as `erasure:performed`: the public leaf names the destroyed keys by digest, and a sealed section
lists the entries that lost an opening. Only with the vault's master key can that section be made, and it opens at its
own leaf only: so a leaf that somebody else inserted explains nothing. Which of its sections an entry lost is on no
record, so it is not checked.
"""

import hmac
import json
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from ledger import journal, keys, log, vault
from ledger.broken import Broken
from ledger.events import EventType
from ledger.models import Checkpoint, Entry, SealedSection

_KEY_ID: Final = 16
_KEPT: Final = 20_000


@dataclass(frozen=True)
class Committed:
    """An entry and its commitments: section name → base64."""

    index: int
    pk: int
    leaf_hash: bytes
    commitments: dict[str, str]


@dataclass(frozen=True)
class _Erasure:
    """indices: of the entries that it says lost an opening; None where the list cannot be read. count: how many the
    leaf says they are. partial: it says itself that its list lacks some (`ledger.erasures`).
    """

    entry: Entry
    keys: frozenset[str]
    indices: frozenset[int] | None
    count: int
    partial: bool

    def is_silent(self, ranges: "_Ranges") -> bool:
        """Whether any entry before it may have lost an opening to it. Raises Broken when its list went unexplained."""
        if self.indices is not None or not self.count:
            return self.indices is not None and self.partial
        index = self.entry.index
        if index is None or not _within(index, ranges):
            raise Broken(
                f"entry row {self.entry.pk}: the list of the {self.count} entries that this erasure concerns is gone"
            )
        return True


_Ranges = Sequence[tuple[int, int]]


class Sections:
    """opened: sections that opened to what their leaf committed to. gone: commitments without an opening."""

    def __init__(self) -> None:
        self.opened = 0
        self.gone = 0
        # Index → row id of the entries that lack an opening; digest of a key that is gone → an entry it sealed for.
        self._lacking: dict[int, int] = {}
        self._shut: dict[str, int] = {}
        self._known: dict[bytes, tuple[str, vault.SealingKey]] = {}

    def check(self, entries: Sequence[Committed]) -> None:
        """The sections of a run of entries without a gap. Raises Broken."""
        opened = dict.fromkeys((entry.pk for entry in entries), 0)
        self._open(entries, opened)
        for entry in entries:
            lacking = len(entry.commitments) - opened[entry.pk]
            if lacking:
                self._lacking[entry.index] = entry.pk
                self.gone += lacking

    def _open(self, entries: Sequence[Committed], opened: dict[int, int]) -> None:
        by_pk = {entry.pk: entry for entry in entries}
        between = {"entry__sequence__index__gte": entries[0].index, "entry__sequence__index__lte": entries[-1].index}
        found = SealedSection.objects.filter(**between).values_list("entry_id", "name", "person", "ciphertext")
        rows = [(pk, name, person, bytes(blob)) for pk, name, person, blob in found]
        self._learn([blob for *_, blob in rows])
        for pk, name, person, blob in rows:
            if self._opens(by_pk[pk], name, person, blob):
                opened[pk] += 1
                self.opened += 1

    def _learn(self, blobs: list[bytes]) -> None:
        """The keys of these blobs, each unwrapped once, as long as there are not too many."""
        if len(self._known) > _KEPT:
            self._known.clear()
        try:
            rows = vault.keys_of(blob for blob in blobs if vault.key_id(blob) not in self._known)
            self._known |= {key.id.bytes: (person, key) for person, key in vault.unwrapped(rows.values())}
        except keys.KeyStoreAway:
            raise
        except (vault.VaultError, keys.KeyMissing, keys.BadKey) as error:
            raise Broken(f"the vault: {error}") from error

    def _opens(self, entry: Committed, name: str, person: str, blob: bytes) -> bool:
        """False for one whose key was destroyed."""
        where, held = f"section {name} of entry {entry.index}", vault.key_id(blob)
        if name not in entry.commitments:
            raise Broken(f"{where}: the leaf commits to no section of this name")
        owner, key = self._known.get(held, ("", None))
        if key is None and len(held) == _KEY_ID:
            self._shut[journal.key_digest(uuid.UUID(bytes=held))] = entry.index
            return False
        if key is None or owner != person:
            raise Broken(f"{where}: it is sealed for another person, or not at all")
        try:
            value = key.open(blob, log.section_context(entry.leaf_hash, name))
        except vault.VaultError as error:
            raise Broken(f"{where}: {error}") from error
        made = log.commitment(value[: log.SALT_BYTES], value[log.SALT_BYTES :])
        if not hmac.compare_digest(made, entry.commitments[name]):
            raise Broken(f"{where}: it does not open the commitment in the leaf")
        return True

    def explain(self, unchecked: list[str]) -> None:
        """What is gone was erased, on record. Called last, so that an erasure meanwhile is seen. Raises Broken."""
        rows = Entry.objects.filter(type=EventType.ERASURE_PERFORMED).select_related("sequence").order_by("pk")
        performed, ranges = [_erasure(entry) for entry in rows], _recovered()
        silent = max((one.entry.pk for one in performed if one.is_silent(ranges)), default=0)
        listed = frozenset[int]().union(*(one.indices for one in performed if one.indices is not None))
        self._explain_keys(frozenset[str]().union(*(one.keys for one in performed)), silent)
        explained = listed | self._explain_recovered(ranges, unchecked)
        unlisted = [(index, pk) for index, pk in self._lacking.items() if index not in explained]
        if not unlisted:
            return
        may_have_waited = _waiting(performed)
        for index, pk in unlisted:
            if pk > silent and not may_have_waited(index, pk):
                raise Broken(f"entry {index}: a section has no opening, and no recorded erasure explains it")
        unchecked.append(
            f"{len(unlisted)} entries lack a section before an erasure that does not list them, because its list was"
            " lost and it was made again from journal or copy, or because they had no index yet."
        )

    def _explain_recovered(self, ranges: _Ranges, unchecked: list[str]) -> frozenset[int]:
        """Leaves that came back from a published copy (`ledger.recovery`) came without their openings."""
        lost = frozenset(index for index in self._lacking if _within(index, ranges))
        if lost:
            unchecked.append(f"{len(lost)} entries came back from a published copy, without their sealed sections.")
        return lost

    def _explain_keys(self, named: Iterable[str], silent: int) -> None:
        for digest, index in self._shut.items():
            if digest not in named and self._lacking[index] > silent:
                raise Broken(f"entry {index}: the key of a section is gone, and no recorded erasure names it")


def _waiting(performed: Sequence[_Erasure]) -> Callable[[int, int], bool]:
    """Whether an entry (index, row id) may have had no index yet when a later erasure made its list (PostgreSQL)."""
    listing = [one.entry for one in performed if one.indices is not None]
    signed = [_signed_before(entry) for entry in listing]
    # The least that was signed before any erasure from this one on.
    least = list(accumulate(reversed(signed), min))[::-1]
    rows = [entry.pk for entry in listing]

    def may_have_waited(index: int, pk: int) -> bool:
        later = bisect_right(rows, pk)
        return later < len(rows) and index >= least[later]

    return may_have_waited


def _signed_before(entry: Entry) -> int:
    newest = Checkpoint.objects.filter(created_at__lte=entry.created_at).order_by("-size").first()
    return newest.size if newest else 0


def _recovered() -> _Ranges:
    """(first, size) of the leaves that came back from a published copy."""
    found = Entry.objects.filter(type=EventType.LOG_RECOVERED).order_by("pk")
    stated = [(entry.pk, _facts(entry)) for entry in found]
    for pk, facts in stated:
        if not all(isinstance(facts.get(name), int) for name in ("first", "size")):
            raise Broken(f"entry row {pk}: it does not say which leaves were recovered")
    return [(facts["first"], facts["size"]) for _, facts in stated]


def _within(index: int, ranges: _Ranges) -> bool:
    return any(first <= index < size for first, size in ranges)


def _erasure(entry: Entry) -> _Erasure:
    facts, indices = _facts(entry), _listed(entry)
    named, count = facts.get("keys", []), facts.get("count", 0)
    if not isinstance(count, int) or not isinstance(named, list) or not all(isinstance(key, str) for key in named):
        raise Broken(f"entry row {entry.pk}: the erasure does not say what it destroyed")
    if indices is not None and count != len(indices):
        raise Broken(f"entry row {entry.pk}: the erasure lists {len(indices)} entries and counts {count}")
    return _Erasure(entry, frozenset(named), indices, count, bool(facts.get("unlisted")))


def _facts(entry: Entry) -> dict[str, Any]:
    """Of an entry that may still wait for its index, so that nothing is known about its leaf. Raises Broken."""
    try:
        fields = json.loads(bytes(entry.leaf))
    except ValueError:
        fields = None
    facts = fields.get("facts", {}) if isinstance(fields, dict) else None
    if not isinstance(facts, dict):
        raise Broken(f"entry row {entry.pk}: the leaf is not one of type {entry.type}")
    return facts


def _listed(entry: Entry) -> frozenset[int] | None:
    section = SealedSection.objects.filter(entry=entry, name="indices").first()
    if section is None:
        return None
    try:
        context = log.section_context(bytes(entry.leaf_hash), section.name)
        value = vault.unseal(section.person, bytes(section.ciphertext), context)
    except vault.Erased:
        return None
    except keys.KeyStoreAway:
        raise
    except (vault.VaultError, keys.KeyMissing, keys.BadKey) as error:
        raise Broken(f"section indices of entry row {entry.pk}: {error}") from error
    return frozenset(json.loads(value[log.SALT_BYTES :]))
