"""The members of a bundle, written by `ledger.bundle` and read by `ledger.verify` (`docs/formats.md`). Pure."""

import base64
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger import jcs, notes

FORMAT: Final = "assay-bundle/2"
LEAVES: Final = "leaves.jsonl"
DISCLOSURES: Final = "disclosures.jsonl"
CSV: Final = "entries.csv"
RANGE_PROOF: Final = "range-proof"
CHECKPOINT: Final = "checkpoint"
POLICY: Final = "policy"
ROTATIONS: Final = "rotations"
README: Final = "README.md"
SCHEMA: Final = "schema.json"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
# Optional: the first alone; both of the pair; all of the group; any number of files.
SELECTED: Final = "selected.jsonl"
PREVIOUS_CHECKPOINT: Final = "previous/checkpoint"
PREVIOUS_CONSISTENCY: Final = "previous/consistency"
STAMPS_CHECKPOINT: Final = "stamps/checkpoint"
STAMPS_CONSISTENCY: Final = "stamps/consistency"
FILES: Final = "files/"

# What a reader holds at once: a line, or a whole member of those that are not read line by line.
MAX_LINE: Final = 1 << 24
MAX_WHOLE: Final = 1 << 24

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
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", re.ASCII)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def stamp_name(authority: str) -> str:
    """authority: matches `[A-Za-z0-9][A-Za-z0-9._-]*`."""
    return f"stamps/{authority}.tsr"


def authorities(members: Iterable[str]) -> list[str]:
    """Whose time stamps are among these members, by name."""
    return sorted(match[1] for match in map(_STAMP.fullmatch, members) if match)


def member_order(*, selected: bool, previous: bool, authorities: Iterable[str], files: Iterable[str]) -> list[str]:
    """Every member before `manifest.json` and `manifest.sig`, in the order of the format. files: whole names."""
    names = [LEAVES, DISCLOSURES, CSV, *([SELECTED] if selected else []), RANGE_PROOF, CHECKPOINT, POLICY, ROTATIONS]
    if previous:
        names += [PREVIOUS_CHECKPOINT, PREVIOUS_CONSISTENCY]
    stamps = [stamp_name(authority) for authority in sorted(authorities)]
    if stamps:
        names += [STAMPS_CHECKPOINT, STAMPS_CONSISTENCY, *stamps]
    return [*names, README, SCHEMA, *sorted(files)]


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


def hash_lines(proof: Iterable[bytes]) -> bytes:
    """A consistency or range proof, one base64 hash a line; empty for an empty proof."""
    return join_lines(base64.b64encode(value) for value in proof)


def parse_hashes(data: bytes) -> list[bytes]:
    """Raises ValueError."""
    lines = split_lines(data)
    if len(lines) > notes.MAX_PROOF_LINES * 2:
        raise ValueError("the proof is too long")
    return [unb64(line.decode("ascii")) for line in lines]


def parse_time(text: object) -> int | None:
    """Microseconds since 1970 of `YYYY-MM-DDThh:mm:ss.ffffffZ`; None for anything else."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        return (dt.datetime.fromisoformat(text) - _EPOCH) // dt.timedelta(microseconds=1)
    except ValueError:
        return None


@dataclass(frozen=True)
class Query:
    """Which entries were asked for: of [since, until), as leaves write their times, and of these types, any if none.

    Times have one form, so that their order is that of their texts.
    """

    since: str | None = None
    until: str | None = None
    types: tuple[str, ...] = ()

    @property
    def dated(self) -> bool:
        return self.since is not None or self.until is not None

    def matches(self, fields: Mapping[str, Any]) -> bool:
        """Whether the leaf with these fields was asked for."""
        if self.types and fields.get("type") not in self.types:
            return False
        at = fields.get("ts")
        if not self.dated:
            return True
        if not isinstance(at, str):
            return False
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


def unb64(text: str) -> bytes:
    """Base64 in its one canonical form. Raises ValueError."""
    return notes.unb64(text)


def commits(fields: Mapping[str, Any], disclosure: Mapping[str, Any]) -> bool:
    """Whether the leaf with these fields commits to this disclosure (name, salt, value)."""
    made = hmac.new(unb64(disclosure["salt"]), jcs.encode(disclosure["value"]), hashlib.sha256).digest()
    commitments = fields.get("commitments")
    stated = commitments.get(disclosure["name"]) if isinstance(commitments, dict) else None
    return isinstance(stated, str) and hmac.compare_digest(base64.b64encode(made), stated.encode())


CSV_HEADER: Final = b",".join(name.encode() for name in CSV_COLUMNS) + b"\r\n"


def csv_row(index: int, leaf: bytes, digest: bytes, fields: Mapping[str, Any], opened: Mapping[str, Any]) -> bytes:
    """One leaf as a row of the table (RFC 4180, UTF-8). Derived: the leaves decide.

    digest: the leaf's hash. fields: the leaf, read. opened: the values disclosed of it, by name. A cell is quoted only
    when it holds a comma, a quotation mark or a line break, so that the table has one form.
    """
    texts = [_shown(fields.get(name, "")) for name in ("ts", "type", "role", "object")]
    facts = jcs.encode_within(fields.get("facts", {}), leaf).decode()
    shown = jcs.encode(dict(opened)).decode() if opened else ""
    refs = fields.get("refs", [])
    joined = " ".join(refs) if isinstance(refs, list) and all(isinstance(ref, str) for ref in refs) else _shown(refs)
    cells = (str(index), *texts, facts, joined, shown, digest.hex())
    return (",".join(map(_cell, cells)) + "\r\n").encode("utf-8")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else jcs.encode(value).decode()


def _cell(text: str) -> str:
    # A spreadsheet takes what begins like this for a formula, which could send the table anywhere; after an apostrophe
    # it is text (OWASP, CSV injection).
    safe = f"'{text}" if text.startswith(_FORMULA) else text
    return '"' + safe.replace('"', '""') + '"' if not _QUOTED.isdisjoint(safe) else safe
