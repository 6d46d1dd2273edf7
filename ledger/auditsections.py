"""The audit of what is sealed: each opening opens its commitment, and what cannot be opened was erased, on record.

An erasure is on record as `erasure:performed`: the public leaf names the destroyed keys by digest, and a sealed section
lists the entries that lost an opening. Which of its sections an entry lost is on no record, so it is not checked.
"""

import hmac
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

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
    """indices: of the entries that it says lost an opening; None where its list was never made or cannot be read."""

    entry: Entry
    keys: frozenset[str]
    indices: frozenset[int] | None

    def may_have_met_waiting(self, entry_pk: int, index: int) -> bool:
        """Whether that entry may have had no index yet, so that the list could not name it (PostgreSQL)."""
        before = Checkpoint.objects.filter(created_at__lte=self.entry.created_at).order_by("-size").first()
        return entry_pk < self.entry.pk and index >= (before.size if before else 0)


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
        except (vault.VaultError, keys.KeyMissing, keys.BadKey) as error:
            raise Broken(f"the vault: {error}") from error

    def _opens(self, entry: Committed, name: str, person: str, blob: bytes) -> bool:
        """False for one whose key was destroyed."""
        where, held = f"section {name} of entry {entry.index}", vault.key_id(blob)
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
        if not hmac.compare_digest(made, entry.commitments.get(name, "")):
            raise Broken(f"{where}: it does not open the commitment in the leaf")
        return True

    def explain(self, unchecked: list[str]) -> None:
        """What is gone was erased, on record. Called last, so that an erasure meanwhile is seen. Raises Broken."""
        performed = [_erasure(entry) for entry in Entry.objects.filter(type=EventType.ERASURE_PERFORMED).order_by("pk")]
        silent = max((one.entry.pk for one in performed if one.indices is None), default=0)
        listed = frozenset[int]().union(*(one.indices for one in performed if one.indices is not None))
        self._explain_keys(frozenset[str]().union(*(one.keys for one in performed)), silent)
        recovered = self._explain_recovered(unchecked)
        unlisted = [(index, pk) for index, pk in self._lacking.items() if index not in listed | recovered]
        for index, pk in unlisted:
            if pk > silent and not any(one.may_have_met_waiting(pk, index) for one in performed):
                raise Broken(f"entry {index}: a section has no opening, and no recorded erasure explains it")
        if unlisted:
            unchecked.append(
                f"{len(unlisted)} entries lack a section before an erasure that does not list them, because it was made"
                " before lists were kept, its list cannot be read, or they had no index yet."
            )

    def _explain_recovered(self, unchecked: list[str]) -> frozenset[int]:
        """Leaves that came back from a published copy (`ledger.recovery`) came without their openings."""
        found = Entry.objects.filter(type=EventType.LOG_RECOVERED).order_by("pk").values_list("leaf", flat=True)
        ranges = [json.loads(bytes(leaf))["facts"] for leaf in found]
        lost = frozenset(i for i in self._lacking if any(one["first"] <= i < one["size"] for one in ranges))
        if lost:
            unchecked.append(f"{len(lost)} entries came back from a published copy, without their sealed sections.")
        return lost

    def _explain_keys(self, named: Iterable[str], silent: int) -> None:
        for digest, index in self._shut.items():
            if digest not in named and self._lacking[index] > silent:
                raise Broken(f"entry {index}: the key of a section is gone, and no recorded erasure names it")


def _erasure(entry: Entry) -> _Erasure:
    facts = json.loads(bytes(entry.leaf)).get("facts", {})
    indices = _listed(entry)
    if indices is not None and facts.get("count") != len(indices):
        raise Broken(f"entry row {entry.pk}: the erasure lists {len(indices)} entries and counts {facts.get('count')}")
    return _Erasure(entry, frozenset(facts.get("keys", ())), indices)


def _listed(entry: Entry) -> frozenset[int] | None:
    section = SealedSection.objects.filter(entry=entry, name="indices").first()
    if section is None:
        return None
    try:
        context = log.section_context(bytes(entry.leaf_hash), section.name)
        value = vault.unseal(section.person, bytes(section.ciphertext), context)
    except vault.Erased:
        return None
    except (vault.VaultError, keys.KeyMissing, keys.BadKey) as error:
        raise Broken(f"section indices of entry row {entry.pk}: {error}") from error
    return frozenset(json.loads(value[log.SALT_BYTES :]))
