"""What was erased stays erased: after a restore, every key that journal or log say was destroyed is destroyed again.

The public entry `erasure:performed` is the truth; it commits with the erasure. The journal (`ledger.journal`) is
written after that commit, and completed from the log at start-up and every night, so a crash between the two heals.
Replaying appends nothing: the log says already that these keys were destroyed, and while the database is behind the
head guard nothing may be appended to its old end. (Triggers note that rows went, as any change: `ledger.changes`.)
Only where the log lost the entry, because it was neither signed nor in the backup, is it made again from the journal.
"""

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from core.health import Check
from ledger import (
    bundleformat,
    container,
    custody,
    head,
    journal,
    keys,
    merkle,
    notes,
    rotation,
    vault,
    verify_checks,
    verify_entries,
)
from ledger.events import EventType
from ledger.log import Sealed, append
from ledger.mirror import Mirror, Unreadable
from ledger.models import Checkpoint, Entry, PersonKey, SealedSection
from ledger.storedtree import stored_size

log = structlog.get_logger()

_CHUNK: Final = 2000
_DIGEST_LENGTH: Final = 64
# So many digests fit into a leaf.
_A_LEAF: Final = 500
# For whom the lists are sealed that are made here: nobody's key, never destroyed.
_OURS: Final = "system:erasures"
# A look at every key is not cheap: `/healthz` repeats it this often, in seconds.
_LOOK_AGAIN: Final = 600.0

_again: list[Callable[[str], object]] = []
_looked: dict[Path, tuple[float, int]] = {}


class Untrusted(ValueError):
    """What was given as a newer copy of the log is not one, in words; nothing was destroyed."""


@dataclass(frozen=True)
class Replayed:
    """noted: lines that the journal lacked. keys, sections: destroyed again because a restore had brought them back."""

    noted: int
    keys: int
    sections: int


def register(step: Callable[[str], object]) -> None:
    """Add what an upper room empties for an erased person (given as in `PersonKey.person`), in the same transaction."""
    _again.append(step)


def replay(newer: Collection[str] = ()) -> Replayed:
    """Destroy again every key the journal, the log or `newer` (digests) names. Safe to run at any time.

    Raises OSError when the journal cannot be read or written: better not to serve than to serve what was erased.
    """
    done = complete(newer)
    destroyed = [_destroy(person)[1] for _key, person in list(_brought_back(journal.read().keys))]
    found = Replayed(done.noted, done.keys + len(destroyed), done.sections + sum(destroyed))
    if found.keys:
        log.warning("erasures replayed after a restore", keys=found.keys, sections=found.sections)
    return found


def complete(newer: Collection[str] = ()) -> Replayed:
    """Note in the journal what the log's own entries, and `newer`, say was destroyed. What the log lost is destroyed
    and recorded again.
    """
    # The journal first: it is written after the commit, so the log read next has all that it has.
    known = journal.read().keys
    in_log = set(_of_log())
    lacking = {*newer, *in_log} - known
    journal.add(sorted(lacking))
    lost = sorted(known - in_log)
    destroyed = _record_again(lost) if lost and not _is_behind() else []
    return Replayed(len(lacking), len(destroyed), sum(destroyed))


def _is_behind() -> bool:
    """Whether this database holds less than was signed, or nobody knows."""
    guarded = head.last_signed()
    return Checkpoint.objects.exists() if guarded is None else guarded.size > stored_size()


def _record_again(digests: list[str]) -> list[int]:
    """Destroy what these keys seal, and record it in the same transaction. Returns how many sections each one lost."""
    sections = []
    with transaction.atomic():
        people = dict(_brought_back(frozenset(digests)))
        for at in range(0, len(digests), _A_LEAF):
            named = digests[at : at + _A_LEAF]
            done = [_destroy(people[digest]) for digest in named if digest in people]
            _record(named, sorted({index for indices, _count in done for index in indices}), len(named) - len(done))
            sections += [count for _indices, count in done]
    return sections


def _record(named: list[str], indices: list[int], unlisted: int) -> None:
    """unlisted: how many of the keys went while the database was behind, when nothing could be recorded: nobody knows
    any more what they sealed.
    """
    facts: dict[str, Any] = {"ground": "journal", "count": len(indices), "keys": named}
    if unlisted:
        facts["unlisted"] = unlisted
    sealed = {"indices": Sealed(list(indices), _OURS)}
    append(EventType.ERASURE_PERFORMED, actor="system", role="system", facts=facts, sealed=sealed)


def nightly() -> None:
    """Complete the journal; empty SQLite's write-ahead log, if a reader kept the last erasure from doing so."""
    complete()
    vault.leave_no_copy()


def named_in(source: str) -> set[str]:
    """The keys that a newer copy of this log says were destroyed. source: a bundle, or a published folder or address.

    Raises Untrusted unless every entry that is used is proved under a checkpoint signed by this log.
    """
    try:
        leaves = _of_bundle(Path(source)) if Path(source).is_file() else _of_mirror(Mirror(source))
        return {digest for leaf in leaves for digest in _keys_in(leaf)}
    except (Unreadable, ValueError, KeyError, TypeError) as error:  # of notes, proofs, zip, JSON
        raise Untrusted(f"{source} is no copy of this log that can be trusted: {error}") from error


def signed_head(checkpoint: str, later: Iterable[keys.LogVerifier] = ()) -> notes.TreeHead:
    """The head that this log signed with any of its keys; later: further ones (`rotation.follow`). Raises BadNote."""
    return notes.open_checkpoint(checkpoint, settings.ASSAY_LOG_ORIGIN, [*later, *custody.all_verifiers()])


def check() -> Check:
    """For `core.health`: the journal can be read, and no key it names is in the database."""
    known = journal.read()
    if known.damaged:
        detail = _("%(count)s lines of the journal of erasures cannot be read: run `manage.py replay_erasures`")
        return Check("erasures", False, detail % {"count": known.damaged})
    back = _count_brought_back(known.keys)
    if back:
        detail = _("%(count)s destroyed keys are back, from a backup: run `manage.py replay_erasures` before serving")
        return Check("erasures", False, detail % {"count": back})
    return Check("erasures", True, _("%(count)s keys destroyed, none of them back") % {"count": len(known.keys)})


def _count_brought_back(gone: frozenset[str]) -> int:
    at, found = _looked.get(journal.path(), (-_LOOK_AGAIN, 1))
    if found or time.monotonic() - at >= _LOOK_AGAIN:
        found = sum(1 for _each in _brought_back(gone))
        _looked[journal.path()] = time.monotonic(), found
    return found


def _brought_back(gone: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(digest of the key, person) of each destroyed key that is in the database."""
    if gone:
        for key, person in PersonKey.objects.values_list("pk", "person").iterator(_CHUNK):
            if (digest := journal.key_digest(key)) in gone:
                yield digest, person


def _destroy(person: str) -> tuple[list[int], int]:
    """Indices of the entries that lost a section, and how many sections went."""
    with transaction.atomic():
        sections = SealedSection.objects.filter(person=person).count()
        erasure = vault.destroy(person)
        for step in _again:
            step(person)
    return erasure.indices, sections


def _of_log() -> Iterator[str]:
    performed = Entry.objects.filter(type=EventType.ERASURE_PERFORMED).order_by("pk")
    for leaf in performed.values_list("leaf", flat=True).iterator(_CHUNK):
        yield from _keys_in(bytes(leaf))


def _keys_in(leaf: bytes) -> Iterable[str]:
    """The digests in an `erasure:performed` leaf; of any other leaf, and of those before they named keys, none."""
    if b'"erasure:performed"' not in leaf:
        return []
    # A row that no verb of ours appended must not keep the office from starting; the audit names it.
    match _parsed(leaf):
        case {"type": EventType.ERASURE_PERFORMED, "facts": {"keys": [*named]}}:
            return [key for key in named if isinstance(key, str) and len(key) == _DIGEST_LENGTH]
    return []


def _parsed(leaf: bytes) -> Any:
    try:
        return json.loads(leaf)
    except (ValueError, RecursionError):
        return None


def _of_mirror(mirror: Mirror) -> list[bytes]:
    """The leaves about erasures, once all leaves were found to lead to the signed root."""
    later = [step.new for _, step in rotation.follow(mirror.rotations())]
    signed, tree, found = signed_head(mirror.checkpoint(), later), merkle.Frontier(), []
    for leaf in chain.from_iterable(mirror.bundles(0, signed.size)):
        tree.add(merkle.leaf_hash(leaf))
        if b'"erasure:performed"' in leaf:
            found.append(leaf)
    if tree.root() != signed.root:
        raise Unreadable("its entries do not lead to the root of its checkpoint")
    return found


def _of_bundle(path: Path) -> list[bytes]:
    """The leaves about erasures, once all leaves of the bundle were found to lead to the signed root."""
    with path.open("rb") as file:
        archive, found = container.scan(file), []
        try:
            signed = signed_head(verify_entries.whole(archive, bundleformat.CHECKPOINT).decode("utf-8", "replace"))
            proof = bundleformat.parse_hashes(verify_entries.whole(archive, bundleformat.RANGE_PROOF))
            scope = json.loads(verify_entries.whole(archive, bundleformat.MANIFEST))["range"]
            tree = merkle.RangeFold(int(scope["first"]), int(scope["count"]), signed.size, proof)
            for leaf in verify_entries.lines(archive, bundleformat.LEAVES):
                tree.add(merkle.leaf_hash(leaf))
                if b'"erasure:performed"' in leaf:
                    found.append(leaf)
        except verify_checks.Failed as error:
            raise Unreadable(str(error)) from error
        if found and tree.root() != signed.root:
            raise Unreadable("its entries do not lead to the root of its checkpoint")
    return found
