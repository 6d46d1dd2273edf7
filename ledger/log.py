"""`append`: one more leaf, inside the transaction of the change it records. Both commit, or neither does.

The leaf's exact format is in `docs/formats.md`. Personal data never enters a leaf: what belongs to a person is a
sealed section, present in the leaf only as HMAC-SHA256(salt, section).
"""

import base64
import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.db.models import Max

from core.canonical import Json, canonical_json
from core.clock import now
from ledger import merkle, models, vault
from ledger.events import EventType
from ledger.models import Entry, Outbox, SealedSection

LEAF_VERSION: Final = 1
# Below the 65,535 bytes of an entry bundle, so that the sequencer can never be stopped by a leaf it cannot publish.
MAX_LEAF_BYTES: Final = 60_000
SALT_BYTES: Final = 32

_OBJECT = re.compile(r"[a-z][a-z0-9_]*:[A-Za-z0-9._:/-]{1,200}", re.ASCII)
_SECTION = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_ROLE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_PERSON = re.compile(r"\b(?:user|person):", re.ASCII)
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[A-Za-z]{2,}")
_MAX_FACT = 400


class LogError(Exception):
    """A caller's mistake: nothing was appended, and the caller's transaction should not commit."""


class NotInTransaction(LogError):
    """An entry must share the transaction of the change it records."""


class UnknownEventType(LogError):
    """Only types of `ledger.events` can be appended."""


class LeafTooLarge(LogError):
    """The leaf has more than 60,000 bytes; commit to a digest and keep the payload elsewhere."""


class PersonalData(LogError):
    """A person's id, an e-mail address or free text would have entered the public leaf: seal it instead."""


class BadLeaf(LogError):
    """An object, role, section name or reference is not in its form."""


@dataclass(frozen=True)
class Sealed:
    """A value the log commits to without showing it.

    person: whose key seals it ("user:…", "person:…", "notice:…"); destroying that key erases it.
    """

    value: Json
    person: str


def append(
    type: EventType,
    *,
    actor: str,
    role: str,
    object: str = "",
    refs: Sequence[Entry] = (),
    facts: Mapping[str, Json] | None = None,
    sealed: Mapping[str, Sealed] | None = None,
) -> Entry:
    """Add an entry in the caller's transaction.

    actor: who did it; sealed under their own key as section "actor", except "system…", which becomes a fact.
    object: "asset:<uuid>", "case:<uuid>", …: the opaque id of a thing, never of a person.
    refs: earlier entries about the same matter; they order what the index alone does not promise to order.
    facts: public for ever: enums, digests of public things, integers, rule ids.
    Raises LogError (its subclasses say what), core.canonical.NotCanonical for floats, keys.KeyMissing.
    """
    if not _in_transaction():
        raise NotInTransaction("call append inside transaction.atomic(), together with the change it records")
    public, hidden = dict(facts or {}), dict(sealed or {})
    _place_actor(actor, public, hidden)
    _check(type, role, object, public, hidden)
    at = now()
    sections = {name: secrets.token_bytes(SALT_BYTES) + canonical_json(hidden[name].value) for name in sorted(hidden)}
    leaf = canonical_json(
        {
            "v": LEAF_VERSION,
            "type": type.value,
            "ts": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            # Two equal events in one microsecond are still two leaves.
            "nonce": base64.b64encode(secrets.token_bytes(16)).decode(),
            "role": role,
            "object": object,
            "refs": [bytes(entry.leaf_hash).hex() for entry in refs],
            "facts": public,
            "commitments": {name: commitment(blob[:SALT_BYTES], blob[SALT_BYTES:]) for name, blob in sections.items()},
        }
    )
    if len(leaf) > MAX_LEAF_BYTES:
        raise LeafTooLarge(f"the leaf has {len(leaf)} bytes, more than {MAX_LEAF_BYTES}")
    entry = _insert(type, leaf, at)
    SealedSection.objects.bulk_create(
        SealedSection(
            entry=entry,
            name=name,
            person=hidden[name].person,
            ciphertext=vault.seal(hidden[name].person, blob, section_context(entry.pk, name)),
        )
        for name, blob in sections.items()
    )
    return entry


def commitment(salt: bytes, section: bytes) -> str:
    """Base64 of HMAC-SHA256(salt, canonical section)."""
    return base64.b64encode(hmac.new(salt, section, hashlib.sha256).digest()).decode()


def section_context(entry_id: int, name: str) -> str:
    """The authenticated context of a sealed section: it opens at its own entry and name only."""
    return f"entry:{entry_id}:{name}"


def _in_transaction() -> bool:
    # The transaction Django's TestCase wraps around a test does not count, or no test could see this mistake.
    blocks = connection.atomic_blocks
    return any(not getattr(block, "_from_testcase", False) for block in blocks)


def _place_actor(actor: str, facts: dict[str, Json], sealed: dict[str, Sealed]) -> None:
    if "actor" in facts or "actor" in sealed:
        raise BadLeaf("“actor” is the name of append's own section")
    if actor == "system" or actor.startswith("system:"):
        facts["actor"] = actor
    else:
        sealed["actor"] = Sealed(actor, actor)


def _check(type: EventType, role: str, object: str, facts: Mapping[str, Json], sealed: Mapping[str, Sealed]) -> None:
    if not isinstance(type, EventType):
        raise UnknownEventType(f"{type!r} is not in ledger.events")
    if not _ROLE.fullmatch(role):
        raise BadLeaf(f"not a role: {role!r}")
    if object and not _OBJECT.fullmatch(object):
        raise BadLeaf(f"not an object id: {object!r}")
    for text in _strings([object, facts]):
        _refuse_personal(text)
    for name, section in sealed.items():
        if not _SECTION.fullmatch(name):
            raise BadLeaf(f"not a section name: {name!r}")
        if not section.person:
            raise BadLeaf(f"section {name} is sealed for nobody")


def _strings(value: Json) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for key, item in value.items() for text in (key, *_strings(item))]
    if isinstance(value, Sequence):
        return [text for item in value for text in _strings(item)]
    return []


def _refuse_personal(text: str) -> None:
    if _PERSON.search(text) or _EMAIL.search(text):
        raise PersonalData("a person's id or e-mail address would have entered the public leaf; seal it instead")
    if len(text) > _MAX_FACT or "\n" in text:
        raise PersonalData("free text would have entered the public leaf; seal it instead")


def _insert(type: EventType, leaf: bytes, at: dt.datetime) -> Entry:
    entry = Entry.objects.create(leaf=leaf, leaf_hash=merkle.leaf_hash(leaf), type=type.value, created_at=at)
    if connection.vendor == "sqlite":
        # The one writer holds the database lock until it commits, so the next index is simply known.
        last = models.Sequence.objects.aggregate(last=Max("index"))["last"]
        models.Sequence.objects.create(index=0 if last is None else last + 1, entry=entry)
    else:
        Outbox.objects.create(entry=entry)
    return entry
