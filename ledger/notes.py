"""Signed notes, checkpoints and inclusion proofs as text. Pure; signing and verifying are passed in.

Formats: https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-proof,
https://c2sp.org/tlog-cosignature. The parsers accept only what the writers here would write: one text, one meaning.
"""

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ledger.merkle import HASH_SIZE

MAX_NOTE_BYTES = 1 << 20
# The spec asks verifiers to accept at least 16 and to have a limit.
MAX_SIGNATURES = 64
ED25519 = 0x01
COSIGNATURE = 0x04

_PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
# No path in a tree of 2^63 leaves is longer.
MAX_PROOF_LINES = 63


class BadNote(ValueError):
    """A text that is not in the canonical form of its format, or not signed by whom it must be."""


class Signer(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def key_id(self) -> int: ...

    def sign(self, text: bytes) -> bytes: ...


class Verifier(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def key_id(self) -> int: ...

    def verifies(self, text: bytes, signature: bytes) -> bool: ...


@dataclass(frozen=True)
class Signature:
    name: str
    key_id: int
    signature: bytes

    def line(self) -> str:
        return f"— {self.name} {_b64(self.key_id.to_bytes(4, 'big') + self.signature)}\n"


@dataclass(frozen=True)
class Note:
    """text: ends with a newline. signatures: in the order they were written."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(signature.line() for signature in self.signatures)


@dataclass(frozen=True)
class TreeHead:
    """The body of a checkpoint: the log's origin, its size and its root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{_b64(self.root)}\n"


@dataclass(frozen=True)
class LoggedProof:
    """A tlog-proof: leaf index, inclusion path, signed checkpoint (as it was written)."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str = field(repr=False)

    def __str__(self) -> str:
        lines = [_PROOF_HEADER, f"index {self.index}", *(_b64(value) for value in self.path), "", ""]
        return "\n".join(lines) + self.checkpoint


def key_id(name: str, public_key: bytes, algorithm: int = ED25519) -> int:
    """The first four bytes of SHA-256(name || 0x0A || algorithm || public key)."""
    return int.from_bytes(hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public_key).digest()[:4], "big")


def check_key_name(name: str) -> str:
    """Raises BadNote for a name that is empty or has a space, a plus or a control character."""
    if not name or "+" in name or any(c.isspace() or unicodedata.category(c) in ("Cc", "Zs", "Zl", "Zp") for c in name):
        raise BadNote("a key name is not empty and has no space, plus or control character")
    return name


def cosigned_message(text: bytes | str, timestamp: int) -> str:
    """What a witness signs (cosignature/v1): a header, the POSIX time in seconds, the body of the checkpoint."""
    body = text if isinstance(text, str) else text.decode()
    return f"cosignature/v1\ntime {timestamp}\n{body}"


def with_signatures(note: Note, lines: Sequence[str]) -> Note:
    """The same note with further signature lines, each ended by a newline; those it has already are left out.

    Raises BadNote for a line that is not in its form.
    """
    have = {(signature.name, signature.key_id) for signature in note.signatures}
    more = [parse_signature(line) for line in lines]
    return Note(note.text, (*note.signatures, *(s for s in more if (s.name, s.key_id) not in have)))


def parse_signature(line: str) -> Signature:
    """One signature line with its newline. Raises BadNote."""
    if not line.endswith("\n"):
        raise BadNote("a signature line ends with a newline")
    return _signature(line[:-1])


def sign(text: str, *signers: Signer) -> Note:
    _check_text(text)
    signatures = (Signature(check_key_name(s.name), s.key_id, s.sign(text.encode())) for s in signers)
    return Note(text, tuple(signatures))


def parse(data: bytes | str) -> Note:
    """The note, its signatures not yet verified. Raises BadNote."""
    raw = data.encode() if isinstance(data, str) else data
    if len(raw) > MAX_NOTE_BYTES:
        raise BadNote("the note is too long")
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadNote("the note is not UTF-8") from error
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise BadNote("a note is a text, an empty line and signature lines, each ended by a newline")
    note = Note(text + "\n", tuple(_signature(line) for line in lines[:-1].split("\n")))
    _check_text(note.text)
    if len(note.signatures) > MAX_SIGNATURES:
        raise BadNote("the note has too many signatures")
    if len({(s.name, s.key_id) for s in note.signatures}) != len(note.signatures):
        raise BadNote("the note is signed twice by one key")
    if str(note) != whole:
        raise BadNote("the note is not in canonical form")
    return note


def open_note(data: bytes | str, verifiers: Sequence[Verifier]) -> Note:
    """The note, signed by at least one of `verifiers`; unknown keys are ignored. Raises BadNote."""
    note = parse(data)
    known = _by_id(verifiers)
    verified = False
    for signature in note.signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is None:
            continue
        if not verifier.verifies(note.text.encode(), signature.signature):
            raise BadNote(f"the signature by {signature.name} is wrong")
        verified = True
    if not verified:
        raise BadNote("the note is not signed by a key that was asked for")
    return note


def _by_id(verifiers: Sequence[Verifier]) -> dict[tuple[str, int], Verifier]:
    known: dict[tuple[str, int], Verifier] = {}
    for verifier in verifiers:
        # 32 bits: two keys with one id can be made in a minute, and a line does not say which of them it is by.
        if known.setdefault((verifier.name, verifier.key_id), verifier) != verifier:
            raise BadNote(f"two keys of {verifier.name} have the same key id")
    return known


def parse_tree_head(text: str) -> TreeHead:
    """The body of a checkpoint. Extension lines are refused: this log writes none. Raises BadNote."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0]:
        raise BadNote("a checkpoint has exactly three lines: origin, size, root")
    root = unb64(lines[2])
    if len(root) != HASH_SIZE:
        raise BadNote("the root of a checkpoint has 32 bytes")
    return TreeHead(lines[0], decimal(lines[1]), root)


def open_checkpoint(data: bytes | str, origin: str, verifiers: Sequence[Verifier]) -> TreeHead:
    """The tree head signed in this note by one of `verifiers` for this `origin`. Raises BadNote."""
    head = parse_tree_head(open_note(data, verifiers).text)
    if head.origin != origin:
        raise BadNote(f"the checkpoint is of another log: {head.origin}")
    return head


def _signature(line: str) -> Signature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise BadNote("a signature line is an em dash, a key name and base64, with single spaces")
    raw = unb64(parts[2])
    if len(raw) < 5:
        raise BadNote("a signature is too short")
    return Signature(check_key_name(parts[1]), int.from_bytes(raw[:4], "big"), raw[4:])


def _check_text(text: str) -> None:
    if not text.endswith("\n") or text == "\n":
        raise BadNote("the text of a note is not empty and ends with a newline")
    if any(character < " " and character != "\n" for character in text):
        raise BadNote("a note has no control characters")


def decimal(text: str) -> int:
    """A size or an index below 2^63, without leading zeros. Raises BadNote."""
    if not _DECIMAL.fullmatch(text) or int(text) >= 1 << 63:
        raise BadNote(f"not a canonical decimal: {text!r}")
    return int(text)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unb64(text: str) -> bytes:
    """Base64 in its one canonical form; Python's own decoder accepts non-zero padding bits."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote(f"not base64: {text[:60]!r}") from error
    if _b64(data) != text:
        raise BadNote(f"not canonical base64: {text[:60]!r}")
    return data
