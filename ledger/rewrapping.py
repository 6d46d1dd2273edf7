"""A new master key for the vault: every person's data key is wrapped again, while the office works.

What was sealed is not touched. Each row changes by one conditional UPDATE, so that a row that was erased or rewrapped
meanwhile is left alone, and a run that was killed goes on where it was.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import structlog
from django.db import transaction

from ledger import custody, keys, rotation
from ledger.models import PersonKey

logger = structlog.get_logger()

BATCH: Final = 500


class CannotRewrap(RuntimeError):
    """Some keys could not be unwrapped; they were left as they are. The message says what to do."""


@dataclass(frozen=True)
class Rewrapping:
    """version: of the master key that wraps everything now. changed: rows. unused: versions that no row names now."""

    version: int
    changed: int
    unused: list[int]


def rewrap(progress: Callable[[int, int], object] = lambda done, total: None) -> Rewrapping:
    """Wrap every person's key by a new master key; or, when older ones still wrap some, finish that.

    progress: called with rows done and rows in all. Raises CannotRewrap, keys.KeyMissing, keys.BadKey.
    """
    version = _target()
    old = PersonKey.objects.filter(version__lt=version)
    total, changed, seen = old.count(), 0, 0
    progress(0, total)
    # Twice: somebody who read the old version before the new one was there may have made a row meanwhile.
    for batch in chain(_batches(version), _batches(version)):
        changed += _rewrap(batch, version)
        seen += len(batch)
        progress(seen, max(total, seen))
    named = set(rotation.named_versions())
    unused = [one for one in custody.store().master_versions() if one < version and one not in named]
    logger.info("vault rewrapped", version=version, rows=changed)
    return Rewrapping(version, changed, unused)


def _target() -> int:
    """The newest version if older ones still wrap something, else the next one, which is made."""
    newest = custody.newest_version()
    if not PersonKey.objects.filter(version__lt=newest).exists():
        custody.master_key(newest)  # without it, its rows could never be rewrapped
        newest += 1
        custody.store().new_master_key(newest)
    custody.master_key(newest)
    return newest


def _batches(version: int) -> Iterator[list[PersonKey]]:
    """Rows under older master keys, in the order of their ids: a row that cannot be changed is passed once."""
    after = uuid.UUID(int=0)
    while batch := list(PersonKey.objects.filter(version__lt=version, pk__gt=after).order_by("pk")[:BATCH]):
        yield batch
        after = batch[-1].pk


def _rewrap(batch: list[PersonKey], version: int) -> int:
    ready = [(row, _rewrapped(row, version)) for row in batch]  # before the database is locked
    with transaction.atomic():
        return sum(
            PersonKey.objects.filter(pk=row.pk, version=row.version).update(wrapped=wrapped, version=version)
            for row, wrapped in ready
        )


def _rewrapped(row: PersonKey, version: int) -> bytes:
    try:
        return custody.wrap(custody.unwrap(row), row.pk, version)[0]
    except keys.CannotOpen as error:
        raise CannotRewrap(
            f"The master key {row.version} that is here does not open the key {row.pk}: another one wrapped it. What"
            " was rewrapped so far stays so, nothing else was changed. Put the right key back from its backup, then"
            " run this again."
        ) from error
