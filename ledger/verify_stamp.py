"""What an RFC 3161 response says it stamped, read without any cryptography: its message imprint and its time. Pure.

The response is DER (ITU-T X.690 section 10): definite, shortest lengths. Its signature is for `openssl ts -verify`
and the authority's certificate.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_INTEGER, _OCTETS, _OID, _SEQUENCE, _TIME, _EXPLICIT = 0x02, 0x04, 0x06, 0x30, 0x18, 0xA0
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_TST_INFO = bytes.fromhex("2a864886f70d0109100104")
_SHA256 = bytes.fromhex("608648016503040201")


class BadStamp(ValueError):
    """Not a granted time stamp over SHA-256, in words."""


@dataclass(frozen=True)
class Stamp:
    """imprint: the SHA-256 that was stamped. time: as the authority wrote it, YYYYMMDDhhmmss[.f]Z."""

    imprint: bytes
    time: str


def read(response: bytes) -> Stamp:
    """The stamp of a TimeStampResp (RFC 3161 section 2.4.2). Raises BadStamp."""
    status, token = _start(_only(response, _SEQUENCE), _SEQUENCE, _SEQUENCE)
    granted = [*_items(status)][:1]  # all of it is read: what stands after the number must be whole, too
    if granted not in ([(_INTEGER, b"\0")], [(_INTEGER, b"\1")]):
        raise BadStamp("the authority did not grant this stamp")
    kind, content = _start(token, _OID, _EXPLICIT)
    _version, _digests, wrapped = _start(_only(content, _SEQUENCE), _INTEGER, 0x31, _SEQUENCE)
    inner, octets = _start(wrapped, _OID, _EXPLICIT)
    if (kind, inner) != (_SIGNED_DATA, _TST_INFO):
        raise BadStamp("the response holds no time stamp")
    info = _only(_only(octets, _OCTETS), _SEQUENCE)
    _version, _policy, imprint, _serial, time = _start(info, _INTEGER, _OID, _SEQUENCE, _INTEGER, _TIME)
    algorithm, digest = _start(imprint, _SEQUENCE, _OCTETS)
    if _start(algorithm, _OID) != [_SHA256] or len(digest) != 32:
        raise BadStamp("the stamp is not over a SHA-256")
    return Stamp(digest, time.decode("ascii", "replace"))


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of the DER values one after another."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise BadStamp("the stamp is cut short")
        tag, length, at = data[at], data[at + 1], at + 2
        if length >= 0x80:
            size = length - 0x80
            length = int.from_bytes(data[at : at + size], "big")
            at += size
            if not 1 <= size <= 4 or length < 0x80 or length >> (8 * (size - 1)) == 0:
                raise BadStamp("the stamp is not DER")
        if tag & 0x1F == 0x1F or at + length > len(data):
            raise BadStamp("the stamp is cut short or not DER")
        yield tag, data[at : at + length]
        at += length


def _start(data: bytes, *tags: int) -> list[bytes]:
    """The contents of the first values, which must have these tags; more may follow."""
    found = list(_items(data))[: len(tags)]
    if tuple(tag for tag, _ in found) != tags:
        raise BadStamp("the stamp has not the structure of RFC 3161")
    return [content for _, content in found]


def _only(data: bytes, tag: int) -> bytes:
    """The content of the single value of this tag."""
    found = list(_items(data))
    if len(found) != 1:
        raise BadStamp("the stamp has not the structure of RFC 3161")
    return _start(data, tag)[0]
