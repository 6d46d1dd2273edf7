"""The COSE receipt of an entry, RFC 9942 with the tree algorithm RFC9162_SHA256; `docs/formats.md` has the bytes. Pure.

Its signature is over the root (detached payload), so that one signature serves every entry under one checkpoint. What
is signed begins with the CBOR array header 0x84, which begins no UTF-8 text: it can never be taken for a note.
The CBOR here is RFC 8949 section 4.2.1 (deterministic), as far as receipts need it: integers, byte and text strings,
arrays, maps, nil, tags. Sixty lines are less to trust than a general decoder, and a verifier needs nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger import merkle, notes

# The IANA registries of COSE (https://www.iana.org/assignments/cose) and RFC 9942 section 8.
SIGN1: Final = 18
ALG: Final = 1
EDDSA: Final = -8
KID: Final = 4
VDS: Final = 395
RFC9162_SHA256: Final = 1
VDP: Final = 396
INCLUSION: Final = -1

MEDIA_TYPE: Final = "application/cose"
_SIGNATURE_BYTES = 64
_MAX_DEPTH = 8


class BadCose(ValueError):
    """Not a COSE receipt in this form, or not one that holds; in words."""


@dataclass(frozen=True)
class Tag:
    """A tagged CBOR value."""

    number: int
    value: Any


@dataclass(frozen=True)
class Inclusion:
    """What a receipt says about one leaf, its signature not yet verified: its place, and the root it leads to."""

    index: int
    size: int
    path: tuple[bytes, ...]
    key_id: int
    signature: bytes


def signed_bytes(root: bytes, key_id: int) -> bytes:
    """The Sig_structure (RFC 9052 section 4.4) whose payload is the root of a signed checkpoint."""
    return encode(["Signature1", _protected(key_id), b"", root])


def receipt(index: int, size: int, path: Sequence[bytes], key_id: int, signature: bytes) -> bytes:
    """The receipt; `signature` is Ed25519 over `signed_bytes` of the root of the tree of `size` leaves."""
    proof = encode([size, index, list(path)])
    return encode(Tag(SIGN1, [_protected(key_id), {VDP: {INCLUSION: [proof]}}, None, signature]))


def parse(data: bytes) -> Inclusion:
    """Raises BadCose for anything that `receipt` would not write."""
    try:
        protected, unprotected, payload, signature = _is(decode(data), Tag).value
        header = decode(protected)
        size, index, path = decode(unprotected[VDP][INCLUSION][0])
        key = int.from_bytes(header[KID], "big")
        found = Inclusion(_is(index, int), _is(size, int), tuple(path), key, _is(signature, bytes))
        again = receipt(found.index, found.size, found.path, found.key_id, found.signature)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise BadCose(f"not a COSE receipt of the form in docs/formats.md ({error})") from error
    if payload is not None or again != data or len(found.signature) != _SIGNATURE_BYTES:
        raise BadCose("not a COSE receipt of the form in docs/formats.md: a header, the payload or a length is another")
    return found


def verify(data: bytes, leaf_hash: bytes, verifier: notes.Verifier) -> Inclusion:
    """That the log with this key signed a root that holds this leaf, and where. Raises BadCose, merkle.ProofError."""
    found = parse(data)
    if found.key_id != verifier.key_id:
        raise BadCose("the receipt is signed by another key")
    root = merkle.root_from_inclusion(leaf_hash, found.index, found.size, found.path)
    if not verifier.verifies(signed_bytes(root, found.key_id), found.signature):
        raise BadCose("the signature is not over the root that this entry and its path lead to")
    return found


def encode(value: Any) -> bytes:
    """Deterministic CBOR. Raises BadCose for what receipts do not hold."""
    if isinstance(value, bool) or not isinstance(value, int | bytes | str | list | dict | Tag | None):
        raise BadCose(f"not a value of a receipt: {type(value).__name__}")
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    return _head(6, value.number) + encode(value.value)


def decode(data: bytes) -> Any:
    """The value, if `data` is its deterministic form byte for byte. Raises BadCose."""
    value, end = _item(data, 0, 0)
    # Also refuses longer forms of a number, unsorted or repeated keys: none of them encodes to the same bytes.
    if end != len(data) or encode(value) != data:
        raise BadCose("not deterministic CBOR, or something follows it")
    return value


def _protected(key_id: int) -> bytes:
    return encode({ALG: EDDSA, KID: key_id.to_bytes(4, "big"), VDS: RFC9162_SHA256})


def _is(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise BadCose(f"a {kind.__name__} was expected")
    return value


def _head(major: int, number: int) -> bytes:
    """RFC 8949 section 3: the major type, and the number in as few bytes as hold it."""
    if number < 24:
        return bytes([major << 5 | number])
    for extra, length in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * length):
            return bytes([major << 5 | extra]) + number.to_bytes(length, "big")
    raise BadCose("a number is too large")


def _item(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _MAX_DEPTH:
        raise BadCose("too deep")
    if data[at : at + 1] == b"\xf6":
        return None, at + 1
    major, number, at = _read_head(data, at)
    if major < 2:
        return (number if major == 0 else -1 - number), at
    if major < 4:
        return _string(data, at, number, text=major == 3)
    if major == 6:
        value, at = _item(data, at, depth + 1)
        return Tag(number, value), at
    return (_array if major == 4 else _map)(data, at, number, lambda at: _item(data, at, depth + 1))


def _read_head(data: bytes, at: int) -> tuple[int, int, int]:
    first = _bytes(data, at, 1)[0]
    major, extra = first >> 5, first & 31
    if major == 7 or extra > 27:
        raise BadCose("a kind of value that receipts do not hold")
    if extra < 24:
        return major, extra, at + 1
    length = 1 << (extra - 24)
    return major, int.from_bytes(_bytes(data, at + 1, length), "big"), at + 1 + length


def _string(data: bytes, at: int, length: int, *, text: bool) -> tuple[bytes | str, int]:
    raw = _bytes(data, at, length)
    try:
        return (raw.decode("utf-8") if text else raw), at + length
    except UnicodeDecodeError as error:
        raise BadCose("a text that is not UTF-8") from error


_Read = Callable[[int], tuple[Any, int]]


def _array(data: bytes, at: int, length: int, item: _Read) -> tuple[list[Any], int]:
    values = []
    for _ in range(_fits(data, at, length)):
        value, at = item(at)
        values.append(value)
    return values, at


def _map(data: bytes, at: int, length: int, item: _Read) -> tuple[dict[Any, Any], int]:
    values = {}
    for _ in range(_fits(data, at, 2 * length) // 2):
        key, at = item(at)
        if not isinstance(key, int | str):
            raise BadCose("a map key that is no number and no text")
        values[key], at = item(at)
    return values, at


def _fits(data: bytes, at: int, items: int) -> int:
    """Each item takes a byte at least, so a longer claim is a lie and not worth a loop."""
    if items > len(data) - at:
        raise BadCose("the receipt ends inside a list")
    return items


def _bytes(data: bytes, at: int, length: int) -> bytes:
    if length > len(data) - at:
        raise BadCose("the receipt ends inside a value")
    return data[at : at + length]
