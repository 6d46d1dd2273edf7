"""The members of a bundle, written by `ledger.bundle` and read by `ledger.verify` (`docs/formats.md`). Pure."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ledger import jcs, merkle, notes

FORMAT: Final = "assay-bundle/1"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
README: Final = "README.md"
CHECKPOINT: Final = "checkpoint"
POLICY: Final = "policy"
ROTATIONS: Final = "rotations"
LEAVES: Final = "leaves.jsonl"
CSV: Final = "entries.csv"
DISCLOSURES: Final = "disclosures.jsonl"
FIXED: Final = (README, CHECKPOINT, POLICY, ROTATIONS, LEAVES, CSV, DISCLOSURES)
# Optional, after the fixed ones and before the proofs: both of the first pair, all of the second group, or none.
PREVIOUS_CHECKPOINT: Final = "previous/checkpoint"
PREVIOUS_CONSISTENCY: Final = "previous/consistency"
STAMPS_CHECKPOINT: Final = "stamps/checkpoint"
STAMPS_CONSISTENCY: Final = "stamps/consistency"

RECEIPT_FORMAT: Final = "assay-receipt/1"
ACKNOWLEDGEMENT_FORMAT: Final = "assay-acknowledgement/1"
# The first lines of signed statements that are not checkpoints.
ROTATION: Final = "assay-key-rotation/1"
PROMISE_KEY: Final = "assay-promise-key/1"
PROMISE: Final = "assay-promise/1"

# HMAC pads a shorter key with zeros, so only one length makes a salt unambiguous.
SALT_BYTES: Final = 32

CSV_COLUMNS: Final = ("index", "time", "type", "role", "object", "facts", "refs", "disclosed", "leaf_hash")
_STAMP: Final = re.compile(r"stamps/([A-Za-z0-9][A-Za-z0-9._-]*)\.tsr", re.ASCII)
_QUOTED: Final = frozenset(',"\r\n')


def proof_name(index: int) -> str:
    return f"proofs/{index}.tlog-proof"


def stamp_name(authority: str) -> str:
    """authority: matches `[A-Za-z0-9][A-Za-z0-9._-]*`."""
    return f"stamps/{authority}.tsr"


def authorities(members: Iterable[str]) -> list[str]:
    """Whose time stamps are among these members, by name."""
    return sorted(match[1] for match in map(_STAMP.fullmatch, members) if match)


def member_order(first: int, count: int, *, previous: bool, authorities: Iterable[str]) -> list[str]:
    """Every member after `manifest.json` and `manifest.sig`, in the order of the format."""
    names = list(FIXED)
    if previous:
        names += [PREVIOUS_CHECKPOINT, PREVIOUS_CONSISTENCY]
    stamps = [stamp_name(authority) for authority in sorted(authorities)]
    if stamps:
        names += [STAMPS_CHECKPOINT, STAMPS_CONSISTENCY, *stamps]
    return names + [proof_name(index) for index in range(first, first + count)]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def signed_text(manifest: bytes) -> str:
    """The text of `manifest.sig`. Its first line is no log's origin, so it can never be taken for a checkpoint."""
    return f"{FORMAT}\n{sha256(manifest)}\n"


def join_lines(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def split_lines(data: bytes) -> list[bytes]:
    """Raises ValueError when the last line is not ended or a line is empty."""
    if not data:
        return []
    lines = data.split(b"\n")
    if lines.pop() or not all(lines):
        raise ValueError("each line must be non-empty and ended by a newline")
    return lines


def join_notes(texts: Iterable[str]) -> bytes:
    """Signed notes one after another, each followed by an empty line (`rotations`)."""
    return "".join(f"{text}\n" for text in texts).encode()


def split_notes(data: bytes) -> list[str]:
    """The notes of `join_notes`; none of them may hold an empty line in its text. Raises ValueError."""
    parts = data.decode("utf-8").split("\n\n")
    if parts.pop() or len(parts) % 2:
        raise ValueError("each note must be a text, an empty line, its signatures and an empty line")
    return [f"{text}\n\n{signatures}\n" for text, signatures in zip(parts[::2], parts[1::2], strict=True)]


def consistency_bytes(proof: Iterable[bytes]) -> bytes:
    """A consistency proof, one base64 hash a line; empty for an empty proof."""
    return join_lines(base64.b64encode(value) for value in proof)


def parse_consistency(data: bytes) -> list[bytes]:
    """Raises ValueError."""
    lines = split_lines(data)
    if len(lines) > notes.MAX_PROOF_LINES * 2:
        raise ValueError("the consistency proof is too long")
    return [unb64(line.decode("ascii")) for line in lines]


def unb64(text: str) -> bytes:
    """Base64 in its one canonical form. Raises ValueError."""
    return notes.unb64(text)


def commits(fields: Mapping[str, Any], disclosure: Mapping[str, Any]) -> bool:
    """Whether the leaf with these fields commits to this disclosure (name, salt, value)."""
    made = hmac.new(unb64(disclosure["salt"]), jcs.encode(disclosure["value"]), hashlib.sha256).digest()
    commitments = fields.get("commitments")
    stated = commitments.get(disclosure["name"]) if isinstance(commitments, dict) else None
    return isinstance(stated, str) and hmac.compare_digest(base64.b64encode(made), stated.encode())


def entries_csv(first: int, leaves: Sequence[bytes], disclosures: Iterable[Mapping[str, Any]]) -> bytes:
    """The leaves as a table (RFC 4180, UTF-8), one row an entry. Derived: the leaves decide.

    A cell is quoted only when it holds a comma, a quotation mark or a line break, so that the table has one form.
    """
    opened: dict[int, dict[str, Any]] = {}
    for disclosure in disclosures:
        opened.setdefault(disclosure["index"], {})[disclosure["name"]] = disclosure["value"]
    rows: list[Sequence[str]] = [CSV_COLUMNS]
    rows += [_row(index, leaf, opened.get(index)) for index, leaf in enumerate(leaves, first)]
    return "".join(",".join(map(_cell, row)) + "\r\n" for row in rows).encode("utf-8")


def _row(index: int, leaf: bytes, opened: Mapping[str, Any] | None) -> list[str]:
    fields = jcs.decode(leaf)
    texts = [_shown(fields.get(name, "")) for name in ("ts", "type", "role", "object")]
    # A cell that holds JSON begins with a brace, so that no spreadsheet takes what a person wrote for a formula.
    facts = jcs.encode(fields.get("facts", {})).decode()
    shown = jcs.encode(dict(opened)).decode() if opened else ""
    refs = fields.get("refs", [])
    joined = " ".join(refs) if isinstance(refs, list) and all(isinstance(ref, str) for ref in refs) else _shown(refs)
    return [str(index), *texts, facts, joined, shown, merkle.leaf_hash(leaf).hex()]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else jcs.encode(value).decode()


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if not _QUOTED.isdisjoint(text) else text
