"""The time-stamp in a manifest that the library has signed. Used in guarded children alone; knows no Django.

The library asks time-stamp authorities itself, by an HTTP client that no setting and no resolver closes, and a guarded
child has no network. So it signs without, and the stamp is put in here: into the unprotected header of the COSE
signature, which is not signed, in place of the padding that the library leaves there. Nothing moves. What comes of it
is read back by the library before anybody relies on it (provenance.signing).
"""

import base64
import hashlib
import mmap
import secrets
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from asn1crypto import algos, tsp

# C2PA 2.4 §10.3.2.5: `sigTst2` holds TimeStampTokens over the signature.
_HEADER: Final = b"\x67sigTst2\xa1\x69tstTokens\x81\xa1\x63val"
_SIGNATURE_BOX: Final = b"c2pa.signature\0"
_COSE_SIGN1: Final = b"\xd2\x84"  # tag 18, an array of four (RFC 9052 §4.2)
_PADDED: Final = b"\xa1\x63pad"  # a map of one: "pad"
_LEAST_PAD: Final = 256  # below, its length would be written in fewer bytes

_PREFIX: Final = 64  # bytes by which a store is found in a file
_MOST_FRAMING: Final = 32  # bytes between two pieces of a store: a segment's or a block's head
_NEAR: Final = 8 << 20  # where stores are, from either end of a file


class NotStampable(Exception):
    """The library wrote something else than this module knows."""


def stamped(store: bytes, ask: Callable[[bytes], bytes]) -> bytes:
    """The manifest store (JUMBF bytes), as long as before, with a time-stamp on the signature of its last manifest.

    ask: TimeStampReq to TimeStampResp, DER. Raises NotStampable.
    """
    begin = _signature_at(store)
    protected, at = _byte_string(store, begin + len(_COSE_SIGN1))
    if not protected or not store.startswith(_PADDED, at):
        raise NotStampable("the signature has other headers")
    pad, after = _byte_string(store, at + len(_PADDED))
    if any(pad) or store[after : after + 1] != b"\xf6":  # null: the claim is the detached payload
        raise NotStampable("the signature has no padding")
    signature, end = _byte_string(store, after + 1)
    if end != len(store):
        raise NotStampable("the signature is not the last thing in the store")
    token = _token(ask(_request(_countersigned(protected, signature))))
    header = _HEADER + _encoded(token)
    left = len(pad) - len(header)
    if left < _LEAST_PAD:
        raise NotStampable("the time-stamp is too large")
    unprotected = b"\xa2" + header + _PADDED[1:] + _encoded(bytes(left))
    return store[:at] + unprotected + store[after:]


def _countersigned(protected: bytes, signature: bytes) -> bytes:
    """What the stamp is over: the Sig_structure of a countersignature (RFC 9052 §4.4) whose payload is the signature,
    as a CBOR byte string, under the protected headers of the claim's own."""
    return b"\x84\x70CounterSignature" + _encoded(protected) + _encoded(b"") + _encoded(_encoded(signature))


def _signature_at(store: bytes) -> int:
    """Where the COSE signature of the last manifest, which is the active one, begins (C2PA 2.4 §11.1)."""
    label = store.rfind(_SIGNATURE_BOX)
    box = label + len(_SIGNATURE_BOX)
    length = int.from_bytes(store[box : box + 4], "big")
    content = box + 8
    if label < 0 or store[box + 4 : content] != b"cbor" or box + length != len(store):
        raise NotStampable("the store does not end with a signature")
    if not store.startswith(_COSE_SIGN1, content):
        raise NotStampable("the signature is no COSE_Sign1")
    return content


def _byte_string(data: bytes, at: int) -> tuple[bytes, int]:
    """A CBOR byte string (RFC 8949 §3.1), and where it ends."""
    head = data[at] if at < len(data) else 0
    size, lengths = 0, {0x58: 1, 0x59: 2, 0x5A: 4}
    if 0x40 <= head <= 0x57:
        size, begin = head - 0x40, at + 1
    elif head in lengths:
        begin = at + 1 + lengths[head]
        size = int.from_bytes(data[at + 1 : begin], "big")
    else:
        raise NotStampable("the signature is built in another way")
    return data[begin : begin + size], begin + size


def _encoded(data: bytes) -> bytes:
    """A CBOR byte string, its length written as short as can be."""
    size = len(data)
    if size < 24:
        return bytes([0x40 + size]) + data
    if size < 256:
        return bytes([0x58, size]) + data
    return b"\x59" + size.to_bytes(2, "big") + data


def _request(message: bytes) -> bytes:
    """RFC 3161 §2.4.1, over the SHA-256 of `message`, asking for the certificate."""
    imprint = {
        "hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
        "hashed_message": hashlib.sha256(message).digest(),
    }
    asked = {"version": "v1", "message_imprint": imprint, "nonce": secrets.randbits(63), "cert_req": True}
    return bytes(tsp.TimeStampReq(asked).dump())


def _token(response: bytes) -> bytes:
    """The TimeStampToken of a TimeStampResp that the parent has checked already."""
    try:
        return bytes(tsp.TimeStampResp.load(response)["time_stamp_token"].dump())
    except (ValueError, TypeError, KeyError) as error:
        raise NotStampable("the answer is no time-stamp") from error


# --- In a file -------------------------------------------------------------------------------------------------------


def put(path: Path, old: bytes, new: bytes) -> None:
    """Replace the manifest store `old` in the file by `new`, of the same length, in whatever way the format holds it.

    In one piece in most; in segments in JPEG, in blocks in GIF, with a checksum in PNG, as base64 in SVG. Raises
    NotStampable.
    """
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        begin = _find(data, old[:_PREFIX])
        if begin < 0:
            _put_text(data, old, new)
            return
        for at, since, size in _pieces(data, begin, old):
            data[at : at + size] = new[since : since + size]
        if data[begin - 4 : begin] == b"caBX":
            _checksum(data, begin, len(new))


def _find(data: mmap.mmap, what: bytes) -> int:
    """Near the ends first: a video has a gigabyte between them."""
    for begin, end in ((0, _NEAR), (max(0, len(data) - _NEAR), len(data)), (0, len(data))):
        if (found := data.find(what, begin, end)) >= 0:
            return found
    return -1


def _pieces(data: mmap.mmap, at: int, old: bytes) -> Iterator[tuple[int, int, int]]:
    """(where in the file, where in the store, how long): each piece goes as far as file and store agree."""
    since = 0
    while True:
        size = _agreement(data, at, old, since)
        yield at, since, size
        at, since = at + size, since + size
        if since == len(old):
            return
        wanted = old[since : since + _PREFIX]
        framing = (skip for skip in range(1, _MOST_FRAMING) if data[at + skip : at + skip + len(wanted)] == wanted)
        skipped = next(framing, 0)
        if not skipped:
            raise NotStampable("the store is held in another way")
        at += skipped


def _agreement(data: mmap.mmap, at: int, old: bytes, since: int) -> int:
    """How many bytes of the file from `at` are those of the store from `since`."""
    low, high = 0, min(len(old) - since, len(data) - at)
    while low < high:
        middle = (low + high + 1) // 2
        if data[at + low : at + middle] == old[since + low : since + middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _checksum(data: mmap.mmap, begin: int, size: int) -> None:
    """PNG §5.3: over the type and the content of the chunk."""
    if int.from_bytes(data[begin - 8 : begin - 4], "big") != size:
        raise NotStampable("the store does not fill its chunk")
    data[begin + size : begin + size + 4] = zlib.crc32(data[begin - 4 : begin + size]).to_bytes(4, "big")


def _put_text(data: mmap.mmap, old: bytes, new: bytes) -> None:
    held, wanted = base64.b64encode(old), base64.b64encode(new)
    begin = data.find(held)
    if begin < 0:
        raise NotStampable("the store is not in the file")
    data[begin : begin + len(held)] = wanted
