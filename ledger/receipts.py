"""The receipt of an entry: its leaf, the path to a signed root, and what the holder may see of its sealed sections."""

import base64
import json
from collections.abc import Collection
from dataclasses import dataclass

from core.canonical import Json
from ledger import log, merkle, notes, proofs, reading, vault
from ledger.models import Checkpoint, Entry


@dataclass(frozen=True)
class Receipt:
    """index: place in the log. leaf: its exact bytes. proof: inclusion path. checkpoint: the signed note, as text."""

    index: int
    leaf: bytes
    proof: list[bytes]
    checkpoint: str

    def as_tlog_proof(self) -> str:
        """c2sp.org/tlog-proof@v1, verifiable with the log's key and the leaf alone."""
        return str(notes.LoggedProof(self.index, tuple(self.proof), self.checkpoint))

    def as_dict(self) -> dict[str, Json]:
        """The receipt as JSON; `leaf` is base64 of the bytes that are hashed, `entry` the same for reading."""
        return {
            "format": "assay-receipt/1",
            "index": self.index,
            "leaf": base64.b64encode(self.leaf).decode(),
            "leaf_hash": merkle.leaf_hash(self.leaf).hex(),
            "entry": json.loads(self.leaf),
            "proof": [base64.b64encode(value).decode() for value in self.proof],
            "checkpoint": self.checkpoint,
            "tlog_proof": self.as_tlog_proof(),
        }


@dataclass(frozen=True)
class Disclosure:
    """One opened section: HMAC-SHA256(salt, canonical value) is the commitment called `name` in the leaf."""

    name: str
    salt: bytes
    value: Json

    def as_dict(self) -> dict[str, Json]:
        return {"name": self.name, "salt": base64.b64encode(self.salt).decode(), "value": self.value}


def receipt_for(
    entry: Entry, *, checkpoint: Checkpoint | None = None, node: merkle.Node | None = None
) -> Receipt | None:
    """The entry's receipt under `checkpoint` (the newest by default); None until a checkpoint covers it."""
    checkpoint = checkpoint or reading.latest_checkpoint()
    index = entry.index
    if checkpoint is None or index is None or index >= checkpoint.size:
        return None
    path = merkle.inclusion(node or proofs.nodes(), index, checkpoint.size)
    return Receipt(index, bytes(entry.leaf), path, checkpoint.note)


def disclosures_for(
    entry: Entry, names: Collection[str] | None = None, known: vault.Keys | None = None
) -> list[Disclosure]:
    """The sections of this entry that are not erased, opened, by name; only those in `names` if given.

    known: `vault.keys_of` the sections, when many entries with prefetched `sections` are opened at once.
    Raises vault.VaultError when a stored section was tampered with. Who may see them is the caller's question.
    """
    opened = []
    for section in sorted(entry.sections.all(), key=lambda section: section.name):
        if names is not None and section.name not in names:
            continue
        try:
            context = log.section_context(entry.pk, section.name)
            blob = vault.unseal(section.person, bytes(section.ciphertext), context, known)
        except vault.Erased:
            continue
        opened.append(Disclosure(section.name, blob[: log.SALT_BYTES], json.loads(blob[log.SALT_BYTES :])))
    return opened
