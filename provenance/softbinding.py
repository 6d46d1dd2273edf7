"""The value of a soft binding `io.iscc.v0` (C2PA soft binding algorithm list, 3): an ISCC-SEQ after IEP-0020.

ISCC-UNITs of ISO 24138, one after another: two bytes of header (main type, subtype, version, length: a nibble each),
then the code. The same bytes stand in the `c2pa.soft-binding` assertion of a manifest and, in base64, in a query to a
Soft Binding Resolution API. Pure.
"""

from collections.abc import Mapping

ALG = "io.iscc.v0"

# Content-Codes, version 0, 256 bits; the names are those of provenance.models.Fingerprint. The code of a video is not
# among them: it is made of frame vectors of our own (provenance.framevectors), so nobody else could compare it.
_HEADERS = {"iscc-image-256": b"\x21\x07", "iscc-audio-256": b"\x22\x07"}
_NAMES = {header: name for name, header in _HEADERS.items()}
_LAST_UNIT = 4  # main types: META, SEMANTIC, CONTENT, DATA, INSTANCE; what follows are composed codes and identifiers


def value_of(fingerprints: Mapping[str, bytes]) -> bytes:
    """The ISCC-SEQ of the Content-Codes among `fingerprints`; empty when there is none."""
    return b"".join(header + fingerprints[name] for name, header in _HEADERS.items() if name in fingerprints)


def codes_in(value: bytes) -> dict[str, bytes]:
    """The codes in an ISCC-SEQ that this office can look up, by name; of two of a kind the first.

    Units of other kinds or lengths are passed over, as IEP-0020 asks. Raises ValueError for what is no ISCC-SEQ.
    """
    found: dict[str, bytes] = {}
    at = 0
    while at < len(value):
        header = value[at : at + 2]
        end = at + 2 + _body_length(header)
        if end > len(value):
            raise ValueError("the last unit is cut off")
        if header in _NAMES:
            found.setdefault(_NAMES[header], value[at + 2 : end])
        at = end
    if not value:
        raise ValueError("there is no unit in it")
    return found


def _body_length(header: bytes) -> int:
    """Bytes that follow. A nibble above 7 begins a longer number, which no unit of 256 bits or less has."""
    if len(header) < 2 or header[0] & 0x88 or header[1] & 0x88 or header[0] >> 4 > _LAST_UNIT:
        raise ValueError("it does not begin with the header of an ISCC-UNIT")
    return 4 * ((header[1] & 0x07) + 1)
