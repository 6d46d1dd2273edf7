"""The vault: values sealed under a key per person. Destroying the key and the sealed sections is erasure.

A person is any opaque string ("user:…", "person:…", "notice:…"). A sealed blob is
`0x01 || id of the person's key (16 bytes) || nonce (24 bytes) || XChaCha20-Poly1305`, its context being authenticated.
"""

import uuid
from collections.abc import Iterable, Mapping

import structlog
from django.db import connection, transaction

from ledger import custody, keys
from ledger.models import PersonKey, SealedSection

log = structlog.get_logger()

Keys = Mapping[uuid.UUID, PersonKey]

_FORMAT = b"\x01"
_HEADER = len(_FORMAT) + 16


class VaultError(ValueError):
    """The blob was changed, or belongs to another person or context."""


class Erased(Exception):
    """The key that sealed this was destroyed: the value is gone for ever."""


def seal(person: str, value: bytes, context: str) -> bytes:
    """`value` under the person's key, which is made when there is none; `context` must be given again to unseal.

    Raises keys.KeyMissing when the office's master key file is lost.
    """
    row, key = _key_for_sealing(person)
    return _FORMAT + row.id.bytes + keys.encrypt(key, value, context.encode())


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


def has_key(person: str) -> bool:
    return PersonKey.objects.filter(person=person).exists()


def destroy(person: str) -> list[int]:
    """Delete every section sealed for this person, and their key. Irrevocable once the caller's transaction commits.

    Returns the indices of the entries that lost a section, ascending: what `erasure:performed` records. An entry that
    has no index yet (PostgreSQL, within the sequencer's interval) loses its section and is not listed.
    """
    with transaction.atomic():
        # The key first: of two who destroy, one waits. A section that another transaction seals meanwhile under the
        # key it has read may stay as a row, and never opens again (`Erased`).
        list(PersonKey.objects.select_for_update().filter(person=person))
        sections = SealedSection.objects.filter(person=person)
        indices = sections.filter(entry__sequence__isnull=False).values_list("entry__sequence__index", flat=True)
        affected = sorted(set(indices))
        sections.delete()
        PersonKey.objects.filter(person=person).delete()
        transaction.on_commit(_leave_no_copy)
    return affected


def _leave_no_copy() -> None:
    """SQLite's write-ahead log still holds the rows as they were; move it into the database and empty it.

    Freed pages are overwritten by `PRAGMA secure_delete`. PostgreSQL forgets with its next vacuum and recycled WAL.
    """
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy = cursor.fetchone()[0]
        if busy:  # a reader holds it: the next checkpoint overwrites it
            log.warning("vault.wal_not_emptied")


def _key_for_sealing(person: str) -> tuple[PersonKey, bytes]:
    if not person:
        raise ValueError("a value is sealed for somebody")
    row = PersonKey.objects.filter(person=person).first()
    if row is not None:
        return row, _unwrap(row)
    key, fresh = keys.new_key(), uuid.uuid4()
    wrapped = keys.encrypt(custody.master_key(), key, _wrapping_context(fresh))
    version = custody.MASTER_KEY_VERSION
    row, created = PersonKey.objects.get_or_create(
        person=person, defaults={"id": fresh, "wrapped": wrapped, "version": version}
    )
    return row, key if created else _unwrap(row)


def _unwrap(row: PersonKey) -> bytes:
    try:
        return keys.decrypt(custody.master_key(row.version), bytes(row.wrapped), _wrapping_context(row.id))
    except keys.CannotOpen as error:
        raise VaultError("a person's key was not wrapped by this office's master key") from error


def _wrapping_context(key_id: uuid.UUID) -> bytes:
    return b"person-key:" + key_id.bytes
