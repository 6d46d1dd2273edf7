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
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from core import canonical
from core.canonical import Json, canonical_json
from core.clock import now
from ledger import keys, merkle, transactions, vault
from ledger.events import EventType
from ledger.models import Entry

LEAF_VERSION: Final = 1
# Below the 65,535 bytes of an entry bundle, so that the sequencer can never be stopped by a leaf it cannot publish.
MAX_LEAF_BYTES: Final = 60_000
SALT_BYTES: Final = 32
# Less than every reader follows (core.canonical.MAX_DEPTH), because receipts and disclosures hold leaves and sections.
MAX_DEPTH: Final = 60

_OBJECT = re.compile(r"[a-z][a-z0-9_]*:[A-Za-z0-9._:/-]{1,200}", re.ASCII)
_SECTION = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_ROLE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_PERSON = re.compile(r"\b(?:user|person):", re.ASCII)
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[A-Za-z]{2,}")
_MAX_FACT = 400
_MAX_PERSON = 120

# PostgreSQL: the whole append, one statement and one round trip. `newest` is the time of the newest checkpoint, a
# sequencer's interval ago: to ask for the newest entry itself would walk over every row that others are about to
# commit, which costs a third of the statement (measured with 32 writers).
_APPEND = """\
WITH entry AS (
  INSERT INTO ledger_entry (leaf, leaf_hash, type, created_at)
  VALUES (%(leaf)s, %(leaf_hash)s, %(type)s, %(at)s) RETURNING id
), waiting AS (
  INSERT INTO ledger_outbox (entry_id, transaction) SELECT id, pg_current_xact_id()::text FROM entry
){}
SELECT id, (SELECT created_at FROM ledger_checkpoint ORDER BY size DESC LIMIT 1) AS newest FROM entry"""
APPEND_POSTGRESQL: Final = _APPEND.format("")
# Apart, because to seal nothing would cost a tenth of the statement.
APPEND_SEALED_POSTGRESQL: Final = _APPEND.format(""", sections AS (
  INSERT INTO ledger_sealedsection (entry_id, name, person, ciphertext)
  SELECT entry.id, sealed.name, sealed.person, sealed.ciphertext FROM entry,
  unnest(%(names)s::text[], %(persons)s::text[], %(ciphertexts)s::bytea[]) AS sealed (name, person, ciphertext)
)""")

# SQLite: no round trips to save. The one writer holds the database lock until it commits, so the next index is known.
APPEND_SQLITE: Final = """\
INSERT INTO ledger_entry (leaf, leaf_hash, type, created_at) VALUES (%s, %s, %s, %s)
RETURNING id, (SELECT max(created_at) FROM ledger_entry)"""
SEQUENCE_SQLITE: Final = """\
INSERT INTO ledger_sequence ("index", entry_id)
VALUES (coalesce((SELECT max("index") FROM ledger_sequence) + 1, 0), %s)"""
_SECTIONS_SQLITE = "INSERT INTO ledger_sealedsection (entry_id, name, person, ciphertext) VALUES "

_FIELDS = ["id", "leaf", "leaf_hash", "type", "created_at"]

# Name → (person, ciphertext).
Sections = Mapping[str, tuple[str, bytes]]


class LogError(Exception):
    """A refusal: nothing was appended, and the caller's transaction can only be rolled back."""


class NotInTransaction(LogError):
    """An entry must share the transaction of the change it records."""


class UnknownEventType(LogError):
    """Only types of `ledger.events` can be appended."""


class LeafTooLarge(LogError):
    """The leaf has more than 60,000 bytes; commit to a digest and keep the payload elsewhere."""


class PersonalData(LogError):
    """A person's id, an e-mail address or free text would have entered the public leaf: seal it instead."""


class BadLeaf(LogError):
    """An object, role, section name, person or reference is not in its form."""


class BadValue(LogError, canonical.NotCanonical):
    """A fact or section has no exact canonical form (a float, an integer beyond 2^53, half a surrogate pair), or is
    nested too deep.
    """


class DuplicateKey(LogError, canonical.DuplicateKey):
    """Two facts, or two sections, have one name."""


class ClockWentBack(LogError):
    """This machine's clock is behind the newest entry."""


class VaultKeyMissing(LogError, keys.KeyMissing):
    """The master key that protects sealed sections is missing, or not this database's."""


@dataclass(frozen=True)
class Sealed:
    """A value the log commits to without showing it.

    person: whose key seals it ("user:…", "person:…", "notice:…"); destroying that key erases it.
    """

    value: Json = field(repr=False)  # or tracebacks would print it
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
    Raises LogError (its subclasses say what); then the transaction can no longer be committed, even by a caller who
    catches the error.
    """
    if not in_transaction():
        raise NotInTransaction("call append inside transaction.atomic(), together with the change it records")
    try:
        public, hidden = dict(facts or {}), _by_name(sealed or {})
        _place_actor(actor, public, hidden)
        _check(type, role, object, public, hidden)
        return _append(type, role, object, refs, public, hidden)
    except LogError:
        transaction.set_rollback(True)
        raise


def _append(
    type: EventType, role: str, object: str, refs: Sequence[Entry], facts: dict[str, Json], sealed: dict[str, Sealed]
) -> Entry:
    blobs = {name: secrets.token_bytes(SALT_BYTES) + _canonical(section.value) for name, section in sealed.items()}
    held = _sealing_keys(sealed)
    at = now()  # after the wait for a key, if there was one
    leaf = _canonical(
        {
            "v": LEAF_VERSION,
            "type": type.value,
            "ts": f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z",
            # Two equal events in one microsecond are still two leaves.
            "nonce": base64.b64encode(secrets.token_bytes(16)).decode(),
            "role": role,
            "object": object,
            "refs": [_reference(entry) for entry in refs],
            "facts": facts,
            "commitments": {name: commitment(blob[:SALT_BYTES], blob[SALT_BYTES:]) for name, blob in blobs.items()},
        }
    )
    if len(leaf) > MAX_LEAF_BYTES:
        raise LeafTooLarge(f"the leaf has {len(leaf)} bytes, more than {MAX_LEAF_BYTES}")
    leaf_hash = merkle.leaf_hash(leaf)
    sections = {
        name: (sealed[name].person, held[sealed[name].person].seal(blob, section_context(leaf_hash, name)))
        for name, blob in blobs.items()
    }
    insert = _insert_sqlite if connection.vendor == "sqlite" else _insert_postgresql
    entry_id, newest = insert(leaf, leaf_hash, type.value, at, sections)
    _refuse_earlier(at, newest)
    # Values in the order of the model's fields.
    return Entry.from_db(connection.alias, _FIELDS, (entry_id, leaf, leaf_hash, type.value, at))


def commitment(salt: bytes, section: bytes) -> str:
    """Base64 of HMAC-SHA256(salt, canonical section)."""
    return base64.b64encode(hmac.new(salt, section, hashlib.sha256).digest()).decode()


def section_context(leaf_hash: bytes, name: str) -> str:
    """The authenticated context of a sealed section: it opens at its own leaf and name only."""
    return f"leaf:{leaf_hash.hex()}:{name}"


def in_transaction() -> bool:
    """Whether what is written now may still be rolled back."""
    # The transaction Django's TestCase wraps around a test does not count, or no test could see this mistake.
    blocks = connection.atomic_blocks
    return any(not getattr(block, "_from_testcase", False) for block in blocks)


def _by_name(sealed: Mapping[str, Sealed]) -> dict[str, Sealed]:
    named: dict[str, Sealed] = {}
    for key, section in sealed.items():
        name = str.__str__(key)  # two objects of a subclass of str may be spelled the same and yet differ
        if name in named:
            raise DuplicateKey(f"section {name!r} is there twice")
        named[name] = section
    return named


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
    for text in _public_strings(object, facts):
        _refuse_personal(text)
    for name, section in sealed.items():
        if not _SECTION.fullmatch(name):
            raise BadLeaf(f"not a section name: {name!r}")
        if not 0 < len(section.person) <= _MAX_PERSON or not section.person.isprintable():
            raise BadLeaf(f"section {name} is sealed for nobody, or for no person's id")


def _public_strings(object: str, facts: Mapping[str, Json]) -> list[str]:
    try:
        return [object, *_strings(facts)]
    except RecursionError as error:
        raise BadValue("the facts are nested too deep") from error


def _strings(value: Json) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for item in value.items() for text in _strings(item)]
    if isinstance(value, Sequence):
        return [text for item in value for text in _strings(item)]
    return []


def _refuse_personal(text: str) -> None:
    if _PERSON.search(text) or _EMAIL.search(text):
        raise PersonalData("a person's id or e-mail address would have entered the public leaf; seal it instead")
    if len(text) > _MAX_FACT or "\n" in text:
        raise PersonalData("free text would have entered the public leaf; seal it instead")


def _canonical(value: Json) -> bytes:
    try:
        return canonical_json(value, MAX_DEPTH)
    except canonical.DuplicateKey as error:
        raise DuplicateKey(str(error)) from error
    except canonical.NotCanonical as error:
        raise BadValue(str(error)) from error


def _reference(entry: Entry) -> str:
    if len(entry.leaf_hash) != merkle.HASH_SIZE:
        raise BadLeaf("a reference is to an entry that was appended")
    return bytes(entry.leaf_hash).hex()


def _sealing_keys(sealed: Mapping[str, Sealed]) -> dict[str, vault.SealingKey]:
    if not sealed:
        return {}
    try:
        return vault.sealing_keys(section.person for section in sealed.values())
    except (keys.KeyMissing, keys.BadKey, vault.VaultError) as error:
        raise VaultKeyMissing(str(error)) from error


def _insert_postgresql(
    leaf: bytes, leaf_hash: bytes, type: str, at: dt.datetime, sections: Sections
) -> tuple[int, Any]:
    values: dict[str, Any] = {
        "leaf": leaf,
        "leaf_hash": leaf_hash,
        "type": type,
        "at": at,
        "names": list(sections),
        "persons": [person for person, _ in sections.values()],
        "ciphertexts": [ciphertext for _, ciphertext in sections.values()],
    }
    with connection.cursor() as cursor:
        cursor.execute(APPEND_SEALED_POSTGRESQL if sections else APPEND_POSTGRESQL, values)
        entry_id, newest = cursor.fetchone()
    return entry_id, newest


def _insert_sqlite(leaf: bytes, leaf_hash: bytes, type: str, at: dt.datetime, sections: Sections) -> tuple[int, Any]:
    with connection.cursor() as cursor:
        cursor.execute(APPEND_SQLITE, (leaf, leaf_hash, type, _stored(at)))
        entry_id, newest = cursor.fetchone()
        cursor.execute(SEQUENCE_SQLITE, (entry_id,))
        cursor.execute(transactions.MARK_SQLITE)  # the changes of this transaction have an entry
        if sections:
            rows = [value for name, (person, sealed) in sections.items() for value in (entry_id, name, person, sealed)]
            cursor.execute(_SECTIONS_SQLITE + ", ".join(["(%s, %s, %s, %s)"] * len(sections)), rows)
    return entry_id, newest


class _Latest:
    """The time of this process's newest append; None before the first."""

    appended: dt.datetime | None = None


def _stored(at: dt.datetime) -> Any:
    """A time as this database keeps it: on SQLite as text in UTC, whose order is that of time."""
    return connection.ops.adapt_datetimefield_value(at)


def _refuse_earlier(at: dt.datetime, newest: Any) -> None:
    """`newest`: on SQLite the newest entry's time, on PostgreSQL the newest checkpoint's, whoever made it on whichever
    host; there this process's own last entry counts, too. A restart or a second host changes nothing.

    What is forgiven is what NTP steps and the difference between well kept hosts come to.
    """
    if connection.vendor == "postgresql":
        newest = max(filter(None, (newest, _Latest.appended)), default=None)
        _Latest.appended = max(filter(None, (at, _Latest.appended)))
    forgiven = dt.timedelta(seconds=settings.ASSAY_LOG_CLOCK_TOLERANCE)
    if newest is None or newest <= _stored(at + forgiven):
        return
    raise ClockWentBack(
        f"This machine's clock says {at:%Y-%m-%d %H:%M:%S} UTC, but the log was written at {newest!s:.19}."
        " Nothing was changed. What to do: set the clock right. If the newest entry is the one with the wrong time, set"
        " ASSAY_LOG_CLOCK_TOLERANCE to the difference in seconds until that time has passed."
    )
