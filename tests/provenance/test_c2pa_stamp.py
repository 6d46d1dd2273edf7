"""The time-stamp is put where the library left room, in whatever way a format holds its manifest, and nothing moves."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core import storage
from provenance import c2pa_stamp, guarded, signing, stamping
from provenance.assertions import Statement
from provenance.c2pa_stamp import NotStampable
from tests.provenance import media_made, reading

# Bytes and the engine are the same on both databases.
pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]

Write = Callable[[str, bytes], Path]
JPEG = Statement("asset:1", "Rocket", "image/jpeg", "digitalCapture", "notAllowed")
SEGMENT = 65_535  # bytes a JPEG segment has at most


def _wordy(size: int) -> dict[str, str]:
    """Metadata of so many bytes."""
    return {f"dc:p{number}": "x" * min(2000, size - 2000 * number) for number in range(size // 2000 + 1)}


@pytest.mark.parametrize("beyond", range(1_000, 13_000, 1_500))
def test_a_manifest_in_several_segments_is_stamped_wherever_they_part(
    beyond: int, on_disk: Write, photo: bytes
) -> None:
    """The signature is the last 11 kB of a store: from no byte of it to all of it is in the second segment."""
    wordy = replace(JPEG, metadata=_wordy(SEGMENT - 14_500 + beyond))
    with storage.scratch_path(".jpg") as target:
        signed = signing.sign_file(on_disk("photo.jpg", photo), target, wordy)
        store = reading.read(target.read_bytes(), "image/jpeg")
    assert len(signed.store) > SEGMENT - 2_000
    assert store["validation_state"] == "Trusted"
    assert "timeStamp.trusted" in reading.codes(store, "success")


@pytest.mark.parametrize("media_type", ["image/gif", "image/png", "image/svg+xml", "image/webp"])
def test_a_large_manifest_is_stamped_in_formats_that_cut_sum_or_spell_it(media_type: str, on_disk: Write) -> None:
    wordy = replace(JPEG, media_type=media_type, metadata=_wordy(70_000))
    with storage.scratch_path() as target:
        signing.sign_file(on_disk("file", media_made.make(media_type)), target, wordy)
        store = reading.read(target.read_bytes(), media_type)
    assert store["validation_state"] == "Trusted"
    assert "timeStamp.trusted" in reading.codes(store, "success")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A manifest store as the library signs it."""
    really = guarded._signed
    monkeypatch.setattr(guarded, "_signed", lambda function, arguments, _: really(function, arguments, None))
    store = signing.sign_detached("ab" * 32, JPEG).store
    monkeypatch.undo()
    return store


def test_nothing_of_the_store_changes_but_the_padding(plain: bytes) -> None:
    stamped = c2pa_stamp.stamped(plain, stamping.authority().stamp)
    assert len(stamped) == len(plain)
    begin = plain.index(b"\x63pad", plain.rindex(b"c2pa.signature\0"))
    assert stamped[: begin - 1] == plain[: begin - 1]
    assert stamped[-66:] == plain[-66:], "the signature itself"
    assert b"sigTst2" in stamped[begin:]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda store: b"",
        lambda store: store[:-1],
        lambda store: store + b"\0",
        lambda store: store.replace(b"\x63pad", b"\x63dap"),
        lambda store: store.replace(b"\xd2\x84", b"\xd1\x84"),
        lambda store: store[:-5000] + b"\1" + store[-4999:],
        lambda store: store.replace(b"c2pa.signature\0", b"c2pa.signaturf\0"),
    ],
)
def test_a_store_built_in_another_way_is_left_alone(spoil: Callable[[bytes], bytes], plain: bytes) -> None:
    asked: list[bytes] = []

    def stamp(request: bytes) -> bytes:
        asked.append(request)
        return stamping.authority().stamp(request)

    with pytest.raises(NotStampable):
        c2pa_stamp.stamped(spoil(plain), stamp)
    assert asked == []


@pytest.mark.parametrize("answer", [b"", b"no", b"\x30\x03\x02\x01\x00"])
def test_an_answer_that_is_no_time_stamp_is_refused(answer: bytes, plain: bytes) -> None:
    with pytest.raises(NotStampable):
        c2pa_stamp.stamped(plain, lambda _: answer)


def test_a_time_stamp_that_does_not_fit_is_refused(plain: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c2pa_stamp, "_token", lambda response: bytes(12_000))
    with pytest.raises(NotStampable, match="too large"):
        c2pa_stamp.stamped(plain, lambda _: b"")


def test_a_store_that_is_not_in_the_file_is_not_replaced(on_disk: Write, plain: bytes, photo: bytes) -> None:
    path = on_disk("photo.jpg", photo)
    with pytest.raises(NotStampable):
        c2pa_stamp.put(path, plain, plain[::-1])
    assert path.read_bytes() == photo


def test_two_stamps_of_one_claim_ask_with_different_numbers(plain: bytes) -> None:
    """A time-stamp answers one request (RFC 3161 §2.4.1)."""
    asked: list[bytes] = []

    def stamp(request: bytes) -> bytes:
        asked.append(request)
        return stamping.authority().stamp(request)

    for _ in range(2):
        c2pa_stamp.stamped(plain, stamp)
    assert len(set(asked)) == 2
