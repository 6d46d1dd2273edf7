"""The acknowledgement of an entry: what is handed out at once, before the entry has an index.

A signed promise that the entry will be in the tree within the maximum merge delay. If it is not, the promise and a
later checkpoint's complete leaves prove that the office withheld it. Format: `docs/formats.md`, “Acknowledgement”.
"""

import base64
import json
from dataclasses import dataclass

import structlog
from django.conf import settings

from core.canonical import Json, canonical_json
from core.problems import NotFound, Problem
from ledger import bundleformat, custody, keys, notes
from ledger.log import in_transaction
from ledger.models import Entry

log = structlog.get_logger()


class NotCommitted(RuntimeError):
    """A promise for an entry that may still be rolled back could be broken by no fault of anybody's."""


@dataclass(frozen=True)
class Acknowledgement:
    """entry: the row's id, for asking later. leaf_hash: 32 bytes. promise, promise_key: signed notes."""

    entry: int
    leaf_hash: bytes
    promise: str
    promise_key: str

    def as_dict(self) -> dict[str, Json]:
        return {
            "format": bundleformat.ACKNOWLEDGEMENT_FORMAT,
            "entry": self.entry,
            "leaf_hash": self.leaf_hash.hex(),
            "promise": self.promise,
            "promise_key": self.promise_key,
        }

    def as_json(self) -> bytes:
        """The file: canonical JSON (RFC 8785)."""
        return canonical_json(self.as_dict())


def acknowledge(entry: Entry) -> Acknowledgement:
    """The acknowledgement of a committed entry; for one entry it is always the same.

    Raises NotCommitted inside a transaction; Problem (503) when there is no key to promise with.
    """
    if in_transaction():
        raise NotCommitted("acknowledge after the transaction of the entry has committed")
    leaf_hash = bytes(entry.leaf_hash)
    text = promise_text(leaf_hash, str(json.loads(bytes(entry.leaf))["ts"]), settings.ASSAY_LOG_MMD)
    try:
        promise = str(notes.sign(text, custody.promise_signer()))
        return Acknowledgement(entry.pk, leaf_hash, promise, custody.promise_attestation())
    except (keys.KeyMissing, keys.BadKey) as error:
        log.error("acknowledgement.no_key", error=str(error))
        raise Problem(
            "log.no_promise",
            "The promise cannot be signed just now",
            status=503,
            detail="The entry is written and waits for its index; only the key that signs promises is missing.",
            next_step="Ask for the receipt in a few seconds.",
        ) from error


def acknowledgement_of(entry_id: int) -> Acknowledgement:
    """That of the entry with this row id. Raises NotFound."""
    entry = Entry.objects.filter(pk=entry_id).first()
    if entry is None:
        raise NotFound("entry in the log")
    return acknowledge(entry)


def promise_text(leaf_hash: bytes, ts: str, delay: int) -> str:
    """What the promise key signs. ts: the leaf's. delay: maximum merge delay in seconds."""
    lines = (bundleformat.PROMISE, settings.ASSAY_LOG_ORIGIN, base64.b64encode(leaf_hash).decode(), ts, str(delay))
    return "".join(f"{line}\n" for line in lines)
