"""The value of a soft binding: one form, the one of IEP-0020."""

import base64

import iscc_lib
import pytest

from provenance.models import Fingerprint
from provenance.softbinding import codes_in, value_of

IMAGE, AUDIO = Fingerprint.Algorithm.ISCC_IMAGE, Fingerprint.Algorithm.ISCC_AUDIO


def _unit(iscc: str) -> bytes:
    """An ISCC as text, as bytes: base32 without padding after the prefix."""
    text = iscc.removeprefix("ISCC:")
    return base64.b32decode(text + "=" * (-len(text) % 8))


def _image_unit() -> bytes:
    pixels = bytes(range(256)) * 4
    return _unit(iscc_lib.gen_image_code_v0(pixels, bits=256).iscc)


def _audio_unit() -> bytes:
    return _unit(iscc_lib.gen_audio_code_v0(list(range(400)), bits=256).iscc)


def test_an_image_code_is_written_as_the_iscc_library_writes_it() -> None:
    unit = _image_unit()
    assert value_of({IMAGE: unit[2:]}) == unit


def test_an_audio_code_is_written_as_the_iscc_library_writes_it() -> None:
    unit = _audio_unit()
    assert value_of({AUDIO: unit[2:]}) == unit


def test_what_is_written_is_read() -> None:
    codes: dict[str, bytes] = {IMAGE: bytes(range(32)), AUDIO: bytes(range(32, 64))}
    assert codes_in(value_of(codes)) == codes


def test_codes_that_are_no_content_codes_stay_out() -> None:
    assert value_of({Fingerprint.Algorithm.DHASH: bytes(8), Fingerprint.Algorithm.FRAMES: bytes(32)}) == b""


def test_units_of_other_kinds_are_passed_over() -> None:
    meta = _unit(iscc_lib.gen_meta_code_v0("Harbour at noon", bits=256).iscc)
    short = _unit(iscc_lib.gen_image_code_v0(bytes(1024), bits=64).iscc)
    unit = _image_unit()
    assert codes_in(meta + short + unit) == {IMAGE: unit[2:]}
    assert codes_in(meta) == {}


def test_of_two_codes_of_a_kind_the_first_counts() -> None:
    first, second = value_of({IMAGE: bytes(32)}), value_of({IMAGE: b"\xff" * 32})
    assert codes_in(first + second) == {IMAGE: bytes(32)}


@pytest.mark.parametrize(
    "rejected",
    [
        "",  # no unit at all
        "20",  # half a header
        "28000100000000",  # a nibble that begins a longer number
        "200800" + "00" * 36,  # a length beyond 256 bits
        "3000000000",  # a body that is cut off
        "30000000000000",  # bytes after the last unit
        "5005578c7c8fbfbdb58fa88248c53a852c8d05b41f3472493225a522af4a2c9cbf6a",  # a whole ISCC-CODE
        "60100000000000000000",  # an ISCC-ID
    ],
)
def test_what_iep_0020_rejects_is_rejected(rejected: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)unit"):
        codes_in(bytes.fromhex(rejected))
