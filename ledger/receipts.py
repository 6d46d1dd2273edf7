"""The receipt of an entry: its leaf, the path to a signed root, and what the holder may see of its sealed sections.

As JSON, as C2SP tlog-proof and as COSE (`docs/formats.md`, “Receipt”). What is given out before an entry has an index
is an acknowledgement (`ledger.acknowledgements`).
"""

import base64
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from django.conf import settings

from core.canonical import Json, canonical_json
from core.problems import Problem
from ledger import bundleformat, cose, custody, keys, log, merkle, notes, proofs, reading, vault
from ledger.models import Checkpoint, Entry, SealedSection

COSIGNED: Final = "cosigned"


@dataclass(frozen=True)
class Disclosure:
    """One opened section: HMAC-SHA256(salt, canonical value) is the commitment called `name` in the leaf."""

    name: str
    salt: bytes
    value: Json

    def as_dict(self) -> dict[str, Json]:
        return {"name": self.name, "salt": base64.b64encode(self.salt).decode(), "value": self.value}


@dataclass(frozen=True)
class Receipt:
    """index: place in the log. leaf: its exact bytes. proof: inclusion path. checkpoint: the signed note with its
    cosignatures, as text. disclosures: by name.
    """

    index: int
    leaf: bytes
    proof: list[bytes]
    checkpoint: str
    disclosures: tuple[Disclosure, ...] = ()

    @cached_property
    def policy(self) -> str:
        """The office's tlog-policy. Raises Problem (503)."""
        return reading.policy().text()

    @cached_property
    def rotations(self) -> list[str]:
        """The signed statements that tie the log's keys together, oldest first."""
        return custody.rotations()

    @property
    def head(self) -> notes.TreeHead:
        """The tree head that the checkpoint signs."""
        return notes.parse_tree_head(notes.parse(self.checkpoint).text)

    def as_tlog_proof(self) -> str:
        """c2sp.org/tlog-proof@v1, verifiable with the log's key and the leaf alone."""
        return str(notes.LoggedProof(self.index, tuple(self.proof), self.checkpoint))

    def as_dict(self) -> dict[str, Json]:
        """The receipt as JSON; `leaf` is base64 of the bytes that are hashed, `entry` the same for reading.

        Raises Problem (503) when the office's policy cannot be read.
        """
        return {
            "format": bundleformat.RECEIPT_FORMAT,
            "index": self.index,
            "leaf": base64.b64encode(self.leaf).decode(),
            "leaf_hash": merkle.leaf_hash(self.leaf).hex(),
            "entry": json.loads(self.leaf),
            "disclosures": [one.as_dict() for one in self.disclosures],
            "proof": [base64.b64encode(value).decode() for value in self.proof],
            "checkpoint": self.checkpoint,
            "tlog_proof": self.as_tlog_proof(),
            "policy": self.policy,
            "rotations": self.rotations,
        }

    def as_json(self) -> bytes:
        """The file: canonical JSON (RFC 8785)."""
        return canonical_json(self.as_dict())

    def as_cose(self) -> bytes:
        """The same proof as RFC 9942. Raises BadNote if the checkpoint is not one of this log; Problem (409, 503)."""
        # The log's key signs a root here, so only one that it has signed in a checkpoint before.
        if self.head.origin != settings.ASSAY_LOG_ORIGIN:
            raise Problem(
                "receipt.former_log",
                "This form of the receipt cannot be made yet",
                status=409,
                detail=f"This tree was signed as {self.head.origin}, which has ended; its key signs nothing more.",
                next_step="Take the receipt as JSON or tlog-proof, or ask again when a newer tree is signed.",
            )
        tree = notes.open_checkpoint(self.checkpoint, settings.ASSAY_LOG_ORIGIN, custody.all_verifiers())
        try:
            key_id, signature = _signed_root(tree.root, custody.log_verifier().key_id)
        except (keys.KeyMissing, keys.BadKey) as error:
            raise Problem(
                "receipt.no_key",
                "This form of the receipt cannot be made here",
                status=503,
                detail="A COSE receipt is signed anew, and the log’s key is not at hand where this page is made.",
                next_step="Take the receipt as JSON or tlog-proof; both prove the same.",
            ) from error
        return cose.receipt(self.index, tree.size, self.proof, key_id, signature)


@lru_cache(maxsize=64)
def _signed_root(root: bytes, current: int) -> tuple[int, bytes]:
    """The current log key's id and its signature for COSE over this root: made once, it serves all its entries."""
    signer = custody.log_signer()
    return signer.key_id, signer.sign(cose.signed_bytes(root, signer.key_id))


def receipt_for(entry: Entry, *, checkpoint: Checkpoint | None = None, holder: str = "") -> Receipt | None:
    """The entry's receipt under `checkpoint` (the newest by default); None until a checkpoint covers it.

    holder: the actor it is given to; what is sealed under their own key is disclosed to them. Raises Problem.
    """
    checkpoint = checkpoint or reading.latest_checkpoint()
    index = entry.index
    if checkpoint is None or index is None or index >= checkpoint.size:
        return None
    return Receipt(
        index,
        bytes(entry.leaf),
        _proved(bytes(entry.leaf), index, checkpoint),
        reading.checkpoint_text(checkpoint),
        tuple(disclosures_to(holder, entry)) if holder else (),
    )


def cosigned_receipt_for(entry: Entry, *, holder: str = "") -> Receipt:
    """The receipt under the newest checkpoint that the policy's witnesses cosigned. Raises Problem (404)."""
    checkpoint = reading.latest_cosigned()
    found = checkpoint and receipt_for(entry, checkpoint=checkpoint, holder=holder)
    if not found:
        raise Problem(
            "receipt.not_cosigned",
            "There is no cosigned receipt yet",
            status=404,
            detail="No checkpoint with this entry is cosigned by a quorum of witnesses yet, or this office has none.",
            next_step="Take the receipt under the newest checkpoint, and ask for the cosigned one later.",
        )
    return found


def _proved(leaf: bytes, index: int, checkpoint: Checkpoint) -> list[bytes]:
    """The inclusion path, which is not given out unless it leads to the signed root."""
    for _ in range(2):
        path = proofs.path_to_root(index, proofs.nodes(checkpoint.size))
        try:
            merkle.verify_inclusion(merkle.leaf_hash(leaf), index, checkpoint.size, path, bytes(checkpoint.root))
        except merkle.ProofError:
            proofs.forget()  # the database under a running process was replaced; or it is damaged, and fails again
        else:
            return path
    raise Problem(
        "log.damaged",
        "This entry cannot be proved just now",
        status=503,
        detail="The stored tree does not lead to the signed root.",
        next_step="Tell the operator: `manage.py check_log` says what is wrong.",
    )


def disclosures_for(
    entry: Entry, names: Collection[str] | None = None, known: vault.Keys | None = None
) -> list[Disclosure]:
    """The sections of this entry that are not erased, opened, by name; only those in `names` if given.

    known: `vault.keys_of` the sections, when many entries with prefetched `sections` are opened at once.
    Raises vault.VaultError when a stored section was tampered with. Who may see them is the caller's question.
    """
    wanted = [section for section in entry.sections.all() if names is None or section.name in names]
    return _opened(entry, wanted, known)


def disclosures_to(holder: str, entry: Entry) -> list[Disclosure]:
    """The sections that are sealed under this actor's own key, opened, by name."""
    return _opened(entry, entry.sections.filter(person=holder))


def _opened(entry: Entry, sections: Iterable[SealedSection], known: vault.Keys | None = None) -> list[Disclosure]:
    opened = []
    for section in sorted(sections, key=lambda section: section.name):
        try:
            context = log.section_context(bytes(entry.leaf_hash), section.name)
            blob = vault.unseal(section.person, bytes(section.ciphertext), context, known)
        except vault.Erased:
            continue
        opened.append(Disclosure(section.name, blob[: log.SALT_BYTES], json.loads(blob[log.SALT_BYTES :])))
    return opened
