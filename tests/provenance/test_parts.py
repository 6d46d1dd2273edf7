"""Small files of very many parts: refused before anything reads the parts one by one."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from accounts.models import User
from core.problems import Problem
from provenance import guarded, media, parts, verification
from tests.provenance import media_made
from tests.provenance.conftest import Register

# Bytes and the engine are the same on both databases.
pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]

Write = Callable[[str, bytes], Path]
MANY = 40_000


def _box(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(data), kind) + data


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _with(media_type: str, at: int, part: bytes, count: int = MANY) -> bytes:
    good = media_made.make(media_type)
    return good[:at] + part * count + good[at:]


def _boxes(media_type: str) -> bytes:
    return media_made.make(media_type) + _box(b"free") * MANY


def _deep() -> bytes:
    return _box(b"ftyp", b"isom\0\0\0\0") + b"".join(struct.pack(">I4s", 8 * (90 - i), b"moov") for i in range(90))


def _wav() -> bytes:
    body = media_made.make("audio/wav")[8:] + b"LIST\0\0\0\0" * MANY
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp() -> bytes:
    body = media_made.make("image/webp")[8:] + b"XMP \0\0\0\0" * MANY
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _id3(media_type: str) -> bytes:
    size = 11 * MANY
    head = b"ID3\x03\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return head + b"TXXX\0\0\0\1\0\0a" * MANY + media_made.make(media_type)


def _tiff(directories: int, entries: int) -> bytes:
    size = 6 + 12 * entries
    entry = struct.pack("<HHII", 256, 4, 1, 8)
    return b"II*\0\x08\0\0\0" + b"".join(
        struct.pack("<H", entries) + entry * entries + struct.pack("<I", 8 + size * (number + 1))
        for number in range(directories)
    )


def _gif(blocks: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes(6) + blocks + b";"


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"'
HOSTILE: dict[str, Callable[[], bytes]] = {
    "boxes of an mp4": lambda: _boxes("video/mp4"),
    "boxes of a quicktime film": lambda: _boxes("video/quicktime"),
    "boxes of an m4a": lambda: _boxes("audio/mp4"),
    "boxes of an avif": lambda: _boxes("image/avif"),
    "boxes of a heic": lambda: _boxes("image/heic"),
    "boxes of a jpeg xl": lambda: _boxes("image/jxl"),
    "boxes in boxes": _deep,
    "chunks of a png": lambda: _with("image/png", 33, _chunk(b"tEXt", b"a\0")),
    "segments of a jpeg": lambda: _with("image/jpeg", 2, b"\xff\xfe\0\x03a"),
    "fill bytes of a jpeg": lambda: _with("image/jpeg", 2, b"\xff\xff"),
    "markers behind the first scan": lambda: (
        media_made.make("image/jpeg")[:-2] + b"\xff\xda\0\x02" * MANY + b"\xff\xd9"
    ),
    "blocks of a gif": lambda: _gif(b"\x21\xfe\0" * MANY),
    "pieces in one block of a gif": lambda: _gif(b"\x21\xfe" + b"\x01a" * MANY + b"\0"),
    "chunks of a wav": _wav,
    "chunks of a webp": _webp,
    "entries of a tiff": lambda: _tiff(1, MANY),
    "directories of a tiff": lambda: _tiff(MANY, 1),
    "blocks of a flac": lambda: b"fLaC" + b"\x04\0\0\0" * MANY + b"\x84\0\0\0",
    "frames in the tag of an mp3": lambda: _id3("audio/mpeg"),
    "frames in the tag of a flac": lambda: _id3("audio/flac"),
    "comments of a drawing": lambda: SVG + b">" + b"<!-- a -->" * 250_000 + b"</svg>",
    "attributes of an element": lambda: SVG + b"".join(b' a%d=""' % one for one in range(5_000)) + b"/>",
    "objects of a document": lambda: b"%PDF-1.7\n" + b"1 0 obj<<>>endobj\n" * 250_000 + b"startxref\n9\n%%EOF",
    "lists in lists of a document": lambda: b"%PDF-1.7\n1 0 obj" + b"[" * 5000 + b"]" * 5000 + b"startxref\n9\n%%EOF",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_of_too_many_parts_is_refused_before_its_credential_is_read(what: str, on_disk: Write) -> None:
    path = on_disk("hostile", HOSTILE[what]())
    for ask in (guarded.read_credential, _describe):
        with pytest.raises(Problem) as refusal:
            ask(path, media.sniff(path))
        assert (refusal.value.code, refusal.value.status) == ("media.too_many_parts", 422)
        assert refusal.value.next_step


def _describe(path: Path, media_type: str) -> guarded.Description:
    return guarded.describe(path, media_type, preview=path.with_name("preview.jpg"))


@pytest.mark.parametrize("media_type", media_made.EMBEDDABLE)
def test_honest_files_are_far_from_the_limit(media_type: str, on_disk: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MAX_PARTS", 150)
    parts.check_parts(on_disk("good", media_made.make(media_type)), media_type)


def test_a_large_honest_file_may_have_more_parts(on_disk: Write) -> None:
    """A film of two hours, in fragments of two seconds; a PNG of 400 MB is written in pieces of 8 KiB."""
    film = media_made.make("video/mp4") + (_box(b"moof") + _box(b"mdat", bytes(5000))) * 15_000
    parts.check_parts(on_disk("film", film), "video/mp4")


@pytest.mark.parametrize("media_type", [*media_made.EMBEDDABLE, "text/plain"])
def test_a_file_that_makes_no_sense_is_left_to_its_reader(media_type: str, on_disk: Write) -> None:
    good = media_made.make(media_type) if media_type in media_made.EMBEDDABLE else b"hello"
    for data in (b"", b"\0", b"\xff" * 50, good[:20], good[: len(good) // 2], bytes(reversed(good))):
        parts.check_parts(on_disk("odd", data), media_type)


def test_who_asks_about_a_file_gets_less_time_than_who_registers_one(
    photo: bytes, alice: User, register: Register, on_disk: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    really_call = guarded._nursery.call

    def call(function: str, arguments: dict[str, object], **options: object) -> object:
        given.append(options["limits"].cpu)  # type: ignore[attr-defined]
        return really_call(function, arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(guarded._nursery, "call", call)
    verification.verify_file(on_disk("photo.jpg", photo), "ab" * 32)
    assert given == [guarded.ASKED.cpu] * 2
    given.clear()
    register(alice, photo)
    assert guarded.LIMITS.cpu in given[:1]
    assert guarded.ASKED.cpu < guarded.LIMITS.cpu and guarded.ASKED.wall < guarded.LIMITS.wall


def test_a_picture_of_many_honest_pages_is_counted_as_such(on_disk: Write, tmp_path: Path) -> None:
    page, path = Image.new("1", (600, 800)), tmp_path / "pages.tiff"
    page.save(path, "TIFF", compression="group4", save_all=True, append_images=[page] * 800)
    parts.check_parts(path, "image/tiff")


# --- Programs in documents -------------------------------------------------------------------------------------------

JAVASCRIPT = b"/Type /Catalog /OpenAction<</S/JavaScript/JS(app.alert(1))>>"
PROGRAMS = {
    "javascript": JAVASCRIPT,
    "javascript in disguise": JAVASCRIPT.replace(b"/JavaScript", b"/J#61vaScrip#74"),
    "a program to start": b"/Type /Catalog /AA<</O<</S/Launch/F(calc.exe)>>>>",
}


def _document(catalogue: bytes) -> bytes:
    good = media_made.make("application/pdf")
    assert b"/Type /Catalog" in good
    return good.replace(b"/Type /Catalog", catalogue, 1)


@pytest.mark.parametrize("what", PROGRAMS)
def test_a_document_with_a_program_is_not_registered_and_whoever_asks_is_told(
    what: str, alice: User, register: Register, on_disk: Write
) -> None:
    data = _document(PROGRAMS[what])
    with pytest.raises(Problem) as refusal:
        register(alice, data, filename="a.pdf")
    assert (refusal.value.code, refusal.value.status) == ("media.active_content", 422)
    report = verification.verify_file(on_disk("a.pdf", data), "ab" * 32)
    assert any("names a program" in note for note in report.notes)


def test_a_document_that_opens_at_a_page_is_registered_and_remarked_on(on_disk: Write) -> None:
    told = _describe(on_disk("a.pdf", _document(b"/Type /Catalog /OpenAction[3 0 R /Fit]")), "application/pdf")
    assert any("when it is opened" in note for note in told.notes)
    plain = _describe(on_disk("b.pdf", _document(b"/Type /Catalog /JavaScriptures 1")), "application/pdf")
    assert not any("when it is opened" in note for note in plain.notes)
