"""The members of a bundle, written by `ledger.bundle` and read by `ledger.verify` (`docs/formats.md`). Pure."""

import base64
import csv
import hashlib
import hmac
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ledger import jcs, merkle

FORMAT: Final = "assay-bundle/1"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
README: Final = "README.md"
CHECKPOINT: Final = "checkpoint"
KEYS: Final = "key.txt"
LEAVES: Final = "leaves.jsonl"
CSV: Final = "entries.csv"
DISCLOSURES: Final = "disclosures.jsonl"
FIXED: Final = (README, CHECKPOINT, KEYS, LEAVES, CSV, DISCLOSURES)

CSV_COLUMNS: Final = ("index", "time", "type", "role", "object", "facts", "refs", "disclosed", "leaf_hash")


def proof_name(index: int) -> str:
    return f"proofs/{index}.tlog-proof"


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


def commits(fields: Mapping[str, Any], disclosure: Mapping[str, Any]) -> bool:
    """Whether the leaf with these fields commits to this disclosure (name, salt, value)."""
    salt = base64.b64decode(disclosure["salt"], validate=True)
    made = hmac.new(salt, jcs.encode(disclosure["value"]), hashlib.sha256).digest()
    stated = fields.get("commitments", {}).get(disclosure["name"])
    return isinstance(stated, str) and hmac.compare_digest(base64.b64encode(made).decode(), stated)


def entries_csv(first: int, leaves: Sequence[bytes], disclosures: Iterable[Mapping[str, Any]]) -> bytes:
    """The leaves as a table (RFC 4180, UTF-8), one row an entry. Derived: the leaves decide."""
    opened: dict[int, dict[str, Any]] = {}
    for disclosure in disclosures:
        opened.setdefault(disclosure["index"], {})[disclosure["name"]] = disclosure["value"]
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for index, leaf in enumerate(leaves, first):
        writer.writerow(_row(index, leaf, opened.get(index)))
    return table.getvalue().encode("utf-8")


def _row(index: int, leaf: bytes, opened: Mapping[str, Any] | None) -> list[str]:
    fields = jcs.decode(leaf)
    texts = [str(fields.get(name, "")) for name in ("ts", "type", "role", "object")]
    # A cell that holds JSON begins with a brace, so that no spreadsheet takes what a person wrote for a formula.
    facts = jcs.encode(fields.get("facts", {})).decode()
    shown = jcs.encode(dict(opened)).decode() if opened else ""
    return [str(index), *texts, facts, " ".join(map(str, fields.get("refs", []))), shown, merkle.leaf_hash(leaf).hex()]
