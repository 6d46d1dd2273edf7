"""The vault: values sealed under a key per person. Destroying the key and the sealed sections is erasure.

A person is any opaque string ("user:…", "person:…", "notice:…"). A sealed blob is
`0x01 || id of the person's key (16 bytes) || nonce (24 bytes) || XChaCha20-Poly1305`, its context being authenticated.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from django.db import connection, transaction

from ledger import custody, head, journal, keys
from ledger.models import PersonKey, SealedSection, Sequence

log = structlog.get_logger()

Keys = Mapping[uuid.UUID, PersonKey]

_FORMAT = b"\x01"
_HEADER = len(_FORMAT) + 16
_TRIES = 5
_SELECT = "SELECT id, person, wrapped, version FROM ledger_personkey"


class VaultError(ValueError):
    """The blob was changed, or belongs to another person or context."""


class Erased(Exception):
    """The key that sealed this was destroyed: the value is gone for ever."""


@dataclass(frozen=True)
class SealingKey:
    """A person's key, unwrapped: kept no longer than the transaction that seals with it."""

    id: uuid.UUID
    key: bytes = field(repr=False)  # or tracebacks would print it

    def seal(self, value: bytes, context: str) -> bytes:
        return _FORMAT + self.id.bytes + keys.encrypt(self.key, value, context.encode())

    def open(self, blob: bytes, context: str) -> bytes:
        """As `unseal`, when many blobs are opened under one key. Raises VaultError."""
        if blob[:_HEADER] != _FORMAT + self.id.bytes:
            raise VaultError("not a value sealed under this key")
        try:
            return keys.decrypt(self.key, blob[_HEADER:], context.encode())
        except keys.CannotOpen as error:
            raise VaultError(str(error)) from error


def seal(person: str, value: bytes, context: str) -> bytes:
    """`value` under the person's key, which is made when there is none; `context` must be given again to unseal.

    Call it in the transaction that stores the blob. Raises keys.KeyMissing when the master key file is lost.
    """
    return sealing_keys([person])[person].seal(value, context)


def sealing_keys(persons: Iterable[str]) -> dict[str, SealingKey]:
    """The key of each person, made when there is none, and held until the caller's transaction ends.

    Held: a `destroy` meanwhile waits for that end, and then sees what was sealed; one that came first is waited for,
    and a new key is made. So no blob is ever stored under a key that is already gone. Raises keys.KeyMissing.
    """
    wanted = sorted(set(persons))
    if not all(wanted):
        raise ValueError("a value is sealed for somebody")
    for _ in range(_TRIES):
        held = _hold(wanted)
        missing = [person for person in wanted if person not in held]
        if not missing:
            return held
        # Two who make the first key of one person: the second waits here for the first, and then reads that key.
        PersonKey.objects.bulk_create((_fresh(person) for person in missing), ignore_conflicts=True)
    raise RuntimeError("a person's key was destroyed as often as it was made; try again")


def unseal(person: str, blob: bytes, context: str, known: Keys | None = None) -> bytes:
    """Raises Erased when the key was destroyed; VaultError when the blob or context is not what was sealed.

    known: from `keys_of`, when many blobs are opened at once.
    """
    blob = bytes(blob)
    if len(blob) < _HEADER or blob[:1] != _FORMAT:
        raise VaultError("not a sealed value")
    key_id = uuid.UUID(bytes=blob[1:_HEADER])
    row = PersonKey.objects.filter(pk=key_id).first() if known is None else known.get(key_id)
    if row is None:
        raise Erased("the key that sealed this value was destroyed")
    if row.person != person:
        raise VaultError("sealed for another person")
    try:
        return keys.decrypt(_unwrap(row), blob[_HEADER:], context.encode())
    except keys.CannotOpen as error:
        raise VaultError(str(error)) from error


def keys_of(blobs: Iterable[bytes]) -> Keys:
    """The keys, still wrapped, that sealed these blobs, by a query for each thousand of them."""
    ids = sorted({uuid.UUID(bytes=blob[1:_HEADER]) for blob in blobs if len(blob) >= _HEADER})
    parts = [ids[at : at + 1000] for at in range(0, len(ids), 1000)]
    return {row.pk: row for part in parts for row in PersonKey.objects.filter(pk__in=part)}


def unwrapped(rows: Iterable[PersonKey]) -> list[tuple[str, SealingKey]]:
    """(person, key) of each row; each master key is read once. Raises VaultError, keys.KeyMissing, keys.BadKey."""
    held = list(rows)
    masters = {version: custody.master_key(version) for version in {row.version for row in held}}
    return [(row.person, SealingKey(row.pk, _open(masters[row.version], bytes(row.wrapped), row.pk))) for row in held]


def key_id(blob: bytes) -> bytes:
    """Of the key that sealed it (16 bytes); shorter if this is no sealed value."""
    return blob[len(_FORMAT) : _HEADER]


def has_key(person: str) -> bool:
    return PersonKey.objects.filter(person=person).exists()


@dataclass(frozen=True)
class Erasure:
    """What `erasure:performed` records.

    indices: of the entries that lost a section, ascending; one that has no index yet (PostgreSQL, within the
    sequencer's interval) is not listed. keys: digests of the destroyed keys (`ledger.journal`), hex.
    """

    indices: list[int]
    keys: list[str]


def destroy(person: str) -> Erasure:
    """Delete every section sealed for this person, and their key. Irrevocable once the caller's transaction commits.

    Three statements, however many entries. What the public log keeps of it: docs/decisions/0005.
    """
    with transaction.atomic():
        # The key first: of two who destroy, or one who destroys and one who seals, one waits for the other.
        held = list(PersonKey.objects.select_for_update().filter(person=person).values_list("pk", flat=True))
        sealed = Sequence.objects.filter(entry__sections__person=person)
        indices = list(sealed.order_by("index").values_list("index", flat=True).distinct())
        SealedSection.objects.filter(person=person).delete()
        PersonKey.objects.filter(pk__in=held).delete()
        digests = [journal.key_digest(key) for key in held]
        # After the commit: a line for an erasure that was rolled back would destroy, after a restore, what nobody
        # asked to be erased. A line that a crash kept from being written comes from the log (`erasures.complete`).
        transaction.on_commit(lambda: _note(digests))
        transaction.on_commit(leave_no_copy)
    return Erasure(indices, digests)


def _note(digests: list[str]) -> None:
    try:
        journal.add(digests)
    except OSError as error:  # what was erased is erased, whether or not it can be noted here
        log.error("erasure not in the journal; it will be completed from the log", error=str(error))


def leave_no_copy() -> None:
    """SQLite's write-ahead log still holds the rows as they were; move it into the database and empty it.

    Freed pages are overwritten by `PRAGMA secure_delete`. PostgreSQL forgets with its next vacuum and recycled WAL.
    While somebody reads it cannot be done; nobody waits for that, and the sequencer tries again until it is.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        patience = cursor.fetchone()[0]
        try:
            cursor.execute("PRAGMA busy_timeout = 0")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy = cursor.fetchone()[0]
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {patience}")
    if busy:
        _copy_left().touch(mode=0o600)
        log.warning("vault.wal_not_emptied")
    else:
        _copy_left().unlink(missing_ok=True)


def finish_erasures() -> None:
    """What an erasure had to leave in SQLite's write-ahead log, because somebody was reading, goes now."""
    if _copy_left().exists():
        leave_no_copy()


def _copy_left() -> Path:
    """Exists while the write-ahead log still holds something that was erased."""
    return head.head_path().with_name("erased-bytes-left")


def _hold(persons: list[str]) -> dict[str, SealingKey]:
    # KEY SHARE is the weakest lock that a DELETE waits for; many may hold it, and re-wrapping a key goes on beside it.
    # On SQLite the one writer has locked the database. In order, so that two who seal for the same people never wait
    # for each other in a circle.
    lock = "" if connection.vendor == "sqlite" else " FOR KEY SHARE"
    places = ", ".join(["%s"] * len(persons))
    with connection.cursor() as cursor:
        cursor.execute(f"{_SELECT} WHERE person IN ({places}) ORDER BY person{lock}", persons)
        rows = [(_uuid(id), person, bytes(wrapped), version) for id, person, wrapped, version in cursor.fetchall()]
    masters = {version: custody.master_key(version) for version in {row[3] for row in rows}}
    return {person: SealingKey(id, _open(masters[version], wrapped, id)) for id, person, wrapped, version in rows}


def _uuid(value: uuid.UUID | str) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def _fresh(person: str) -> PersonKey:
    id, version = uuid.uuid4(), custody.newest_version()
    wrapped = keys.encrypt(custody.master_key(version), keys.new_key(), custody.wrapping_context(id))
    return PersonKey(id=id, person=person, wrapped=wrapped, version=version)


def _unwrap(row: PersonKey) -> bytes:
    return _open(custody.master_key(row.version), bytes(row.wrapped), row.id)


def _open(master: bytes, wrapped: bytes, id: uuid.UUID) -> bytes:
    try:
        return keys.decrypt(master, wrapped, custody.wrapping_context(id))
    except keys.CannotOpen as error:
        raise VaultError("a person's key was not wrapped by this office's master key") from error
