"""Every format: told by its content, decoded as far as the office can, refused when a part of it is missing."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from core.problems import Problem
from provenance import containers, media
from tests.provenance import media_made
from tests.provenance.conftest import Describe, refused

Write = Callable[[str, bytes], Path]

PICTURES = [one for one in media_made.EMBEDDABLE if one.startswith("image/") and one != "image/svg+xml"]
VIDEOS = [one for one in media_made.EMBEDDABLE if one.startswith("video/")]
SOUNDS = [one for one in media_made.EMBEDDABLE if one.startswith("audio/")]
NEVER_DRAWN = ["image/svg+xml", "application/pdf"]
KINDS = {"application/pdf": "document", "text/plain": "file", "application/zip": "file"}


# --- Told by content -----------------------------------------------------------------------------------------------


def test_the_makers_and_the_office_agree_on_what_takes_a_credential_inside() -> None:
    assert set(media_made.EMBEDDABLE) == media.EMBEDDABLE
    assert len(media.EMBEDDABLE) == 17


@pytest.mark.parametrize("media_type", [*media_made.EMBEDDABLE, *media_made.DETACHED, "image/bmp"])
def test_the_content_tells_the_format(media_type: str, made: Callable[[str], bytes], on_disk: Write) -> None:
    path = on_disk("anything.bin", made(media_type))
    assert media.sniff(path) == media_type
    assert media.kind_of(media_type) == KINDS.get(media_type, media_type.partition("/")[0])
    assert media.embeds(path, media_type) is (media_type in media_made.EMBEDDABLE)
    media.check_name(f"work{media.suffix(media_type)}", media_type)


OTHERS = {
    "one byte": (b"\xff", "application/octet-stream"),
    "zeros": (bytes(5000), "application/octet-stream"),
    "a program": (b"\x7fELF" + bytes(40), "application/octet-stream"),
    "text in utf-16": ("Grüße".encode("utf-16"), "text/plain"),
    "text cut in the middle of a letter": ("ä".encode() * 40_000, "text/plain"),
    "a page": (b"<!DOCTYPE html>\n<title>x</title>", "text/html"),
    "a page with a drawing in it": (b"<html><body><svg onload='x()'/></body></html>", "text/html"),
    "a drawing after a byte order mark": (b"\xef\xbb\xbf \n<svg/>", "image/svg+xml"),
    "a drawing in utf-16": ("<svg xmlns='x'/>".encode("utf-16"), "image/svg+xml"),
    "a drawing with a prefix": (b"<?xml version='1.0'?><!-- <html> --><s:svg xmlns:s='x'/>", "image/svg+xml"),
    "a drawing after its document type": (b"<!DOCTYPE svg [<!ELEMENT svg ANY>]>\n<svg/>", "image/svg+xml"),
    "other xml": (b"<?xml version='1.0'?><rss/>", "application/xml"),
    "a million comments": (b"<!-- x -->" * 6000 + b"<", "text/plain"),
    "mp3 after a tag": (b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + b"\xff\xfb\x90\x64" + bytes(413), "audio/mpeg"),
    "flac after a tag": (b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + b"fLaC", "audio/flac"),
    "heif of another codec": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "image/avif"),
    "a brand nobody knows": (b"\0\0\0\x14ftypxxxx\0\0\0\0yyyy", "application/octet-stream"),
    "quicktime without a brand": (b"\0\0\0\x08wide\0\0\0\x08mdat", "video/quicktime"),
    "a bare jpeg xl codestream": (b"\xff\x0a" + bytes(30), "image/jxl"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_content_is_called_what_it_is(what: str, on_disk: Write) -> None:
    data, media_type = OTHERS[what]
    assert media.sniff(on_disk("x", data)) == media_type


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("image/jxl", b"\xff\x0a" + bytes(30)),
        ("video/quicktime", b"\0\0\0\x08wide\0\0\0\x08mdat"),
        ("image/svg+xml", "<svg/>".encode("utf-16")),
        ("application/pdf", media_made.as_pdf().replace(b"/Root", b"/Encrypt 9 0 R /Root")),
    ],
)
def test_variants_that_cannot_carry_a_credential_are_told_apart(media_type: str, data: bytes, on_disk: Write) -> None:
    assert not media.embeds(on_disk("x", data), media_type)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.mov", "video/mp4"), ("a.mp4", "audio/mp4"), ("a.heif", "image/heic"), ("a.opus", "audio/ogg"),
     ("a.csv", "text/plain"), ("a.docx", "application/zip"), ("a.ts", "text/plain"), ("a", "image/gif")],
)  # fmt: skip
def test_names_that_may_stand_for_the_content_are_accepted(name: str, media_type: str) -> None:
    media.check_name(name, media_type)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.pdf", "text/html"), ("a.txt", "image/png"), ("a.mp3", "application/octet-stream"), ("a.svg", "text/html"),
     ("a.wav", "audio/flac"), ("a.jpg", "application/x-anything")],
)  # fmt: skip
def test_names_that_promise_something_else_are_refused(name: str, media_type: str) -> None:
    with pytest.raises(Problem) as refusal:
        media.check_name(name, media_type)
    assert refusal.value.code == "media.name_mismatch"


def test_a_media_type_as_somebody_wrote_it_is_cleaned_or_refused() -> None:
    assert media.checked_type(" Text/Plain; charset=utf-8") == "text/plain"
    assert media.checked_type("") == "application/octet-stream"
    for said in ("jpeg", "image/", "../../etc", "image/<b>", "a/" + "b" * 90):
        with pytest.raises(Problem) as refusal:
            media.checked_type(said)
        assert refusal.value.code == "media.type_malformed"


# --- Decoded -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("media_type", PICTURES)
def test_a_picture_is_decoded_and_has_a_preview_and_fingerprints(
    media_type: str, made: Callable[[str], bytes], describe: Describe, tmp_path: Path
) -> None:
    told = describe(made(media_type))
    assert (told.kind, told.width, told.height, told.seconds, told.notes) == ("image", 128, 85, None, [])
    assert {"iscc-image-256", "dhash-64"} <= set(told.fingerprints)
    with Image.open(tmp_path / "preview.jpg", formats=("JPEG",)) as preview:
        assert preview.size == (told.preview_width, told.preview_height) == (128, 85)


def test_all_formats_of_one_picture_have_near_fingerprints(made: Callable[[str], bytes], describe: Describe) -> None:
    codes = [int.from_bytes(describe(made(one)).fingerprints["iscc-image-256"], "big") for one in PICTURES]
    assert max((codes[0] ^ code).bit_count() for code in codes) < 26  # a tenth of 256 bits


@pytest.mark.parametrize("media_type", [*VIDEOS, "video/webm", "video/x-matroska"])
def test_a_video_is_decoded_and_has_a_still_picture(
    media_type: str, made: Callable[[str], bytes], describe: Describe, tmp_path: Path
) -> None:
    told = describe(made(media_type))
    assert (told.kind, told.width, told.height, told.notes) == ("video", 160, 120, [])
    assert told.seconds is not None and 0.4 < told.seconds < 0.6
    assert {"iscc-image-256", "frames-256"} <= set(told.fingerprints)
    assert (tmp_path / "preview.jpg").exists()


@pytest.mark.parametrize("media_type", [*SOUNDS, "audio/ogg"])
def test_a_sound_is_decoded_and_drawn(
    media_type: str, made: Callable[[str], bytes], describe: Describe, tmp_path: Path
) -> None:
    told = describe(made(media_type))
    assert (told.kind, told.width, told.height, told.notes) == ("audio", None, None, [])
    assert told.seconds is not None and 0.95 < told.seconds < 1.2
    with Image.open(tmp_path / "preview.jpg", formats=("JPEG",)) as drawn:
        assert drawn.size == (told.preview_width, told.preview_height) == (960, 240)
        assert np.asarray(drawn.convert("L")).std() > 10


def test_sound_alone_in_a_video_container_is_sound(photo: bytes, describe: Describe) -> None:
    told = describe(media_made.as_mp4(photo, audio_only=True))
    assert (told.kind, told.width) == ("audio", None)


def test_the_cover_of_a_piece_of_music_is_no_video(describe: Describe) -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        cover = container.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture: av.VideoFrame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
        container.mux(cover.encode(picture))
        frame = av.AudioFrame.from_ndarray(media_made.melody(1.0)[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    assert describe(out.getvalue()).kind == "audio"


@pytest.mark.parametrize("media_type", NEVER_DRAWN)
def test_drawings_and_documents_are_never_rendered_and_the_office_says_so(
    media_type: str, made: Callable[[str], bytes], describe: Describe, tmp_path: Path
) -> None:
    told = describe(made(media_type))
    assert (told.preview_width, told.fingerprints) == (None, {})
    assert told.notes[0].startswith("not examined: ")
    assert not (tmp_path / "preview.jpg").exists()


@pytest.mark.parametrize(
    "data", [b"hello\n", bytes(100), b"<html><script>1</script></html>", b"PK\x03\x04" + bytes(60)]
)
def test_files_of_other_kinds_are_not_opened_and_the_office_says_so(data: bytes, describe: Describe) -> None:
    told = describe(data)
    assert (told.kind, told.preview_width) == ("file", None)
    assert told.notes[0].startswith("not examined: This office does not open files of this kind")


def test_a_broken_file_of_a_kind_that_takes_no_credential_inside_is_kept_as_it_is_and_noted(
    made: Callable[[str], bytes], describe: Describe
) -> None:
    told = describe(made("video/webm")[:300])
    assert told.kind == "video"
    assert told.preview_width is None
    assert told.notes == ["not examined: This WebM ends or breaks before its content is complete."]


def test_codes_to_search_with_come_when_asked_for(made: Callable[[str], bytes], describe: Describe) -> None:
    assert describe(made("image/png")).queries == {}
    queries = describe(made("image/png"), search=True).queries
    assert {"as it is", "mirrored", "turned by 90°"} <= {how for how, _ in queries["iscc-image-256"]}
    assert all(len(code) == 32 for _, code in queries["iscc-image-256"])


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_a_moving_picture_is_its_first_frame_and_needs_all_others(kind: str, describe: Describe) -> None:
    whole = media_made.animated(kind)
    told = describe(whole)
    assert (told.kind, told.width) == ("image", 64)
    assert refused(describe, whole[: len(whole) * 9 // 10]).code == "media.truncated"


def _with_orientation(media_type: str) -> bytes:
    """EXIF orientation 6, the camera was held upright: 128 × 85 stored is 85 × 128 shown."""
    exif = Image.Exif()
    exif[0x0112] = 6
    kind, options = media_made.PICTURES[media_type]
    out = io.BytesIO()
    media_made.small(media_made.PHOTO.read_bytes(), 128).save(out, kind, exif=exif.tobytes(), **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "media_type", ["image/heic", "image/avif", "image/tiff", "image/jpeg", "image/png", "image/webp"]
)
def test_a_picture_turned_by_its_metadata_is_shown_upright_once(
    media_type: str, describe: Describe, tmp_path: Path
) -> None:
    told = describe(_with_orientation(media_type))
    assert (told.width, told.height) == (85, 128)
    with Image.open(tmp_path / "preview.jpg") as preview:
        assert preview.size == (85, 128)


def test_a_jpeg_packed_into_jpeg_xl_is_shown_as_the_jpeg_it_was(describe: Describe, tmp_path: Path) -> None:
    """ISO 18181-2 §9.8: Exif does not turn a JPEG XL picture; one made of a JPEG has the JPEG's orientation itself."""
    jpeg = media_made.written(tmp_path, "turned.jpg", _with_orientation("image/jpeg"))
    packed = tmp_path / "packed.jxl"
    with Image.open(jpeg) as opened:
        opened.save(packed, "JXL", lossless_jpeg=True, exif=opened.info["exif"])
    told = describe(packed.read_bytes())
    assert (told.width, told.height) == (85, 128)
    plain = describe(_with_orientation("image/jxl"))
    assert (plain.width, plain.height) == (128, 85)


# --- Whole or refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.34, 0.5, 0.9])
@pytest.mark.parametrize("media_type", media_made.EMBEDDABLE)
def test_a_part_of_a_file_is_refused(
    media_type: str, share: float, made: Callable[[str], bytes], describe: Describe
) -> None:
    data = made(media_type)
    problem = refused(describe, data[: int(len(data) * share)], media_type)
    assert (problem.code, problem.status) == ("media.truncated", 422)
    assert media.name_of(media_type) in problem.detail


def test_half_a_recording_of_every_length_is_refused(describe: Describe) -> None:
    for media_type in SOUNDS:
        data = media_made.as_sound(media_type, seconds=6.0)
        for cut in (3_001, len(data) // 2, len(data) - 2_000):
            assert refused(describe, data[:cut], media_type).code == "media.truncated", (media_type, cut)


def test_an_mp3_without_a_count_of_frames_is_refused_when_its_last_frame_is_cut(describe: Describe) -> None:
    data = media_made.as_sound("audio/mpeg", seconds=3.0)
    at = next(place for place in range(len(data)) if media.mpeg_frame_length(data[place : place + 4]))
    plain = data[at + media.mpeg_frame_length(data[at : at + 4]) :]  # without the frame that counts the others
    assert describe(plain, "audio/mpeg").kind == "audio"
    assert refused(describe, plain[:-100], "audio/mpeg").code == "media.truncated"
    tagged = plain + b"TAG" + bytes(125)
    assert describe(tagged, "audio/mpeg").kind == "audio"


@pytest.mark.parametrize("media_type", media_made.EMBEDDABLE)
def test_a_file_that_is_nothing_but_its_first_bytes_is_refused(
    media_type: str, made: Callable[[str], bytes], describe: Describe
) -> None:
    assert refused(describe, made(media_type)[:40], media_type).code in ("media.truncated", "media.no_pixels")


# --- Limits --------------------------------------------------------------------------------------------------------


def _jxl_that_says(width: int, height: int) -> bytes:
    """ISO 18181-1 §D.2: not small, 30 bits for each side, no ratio; then nothing."""
    bits, at = 0, 0
    for value, count in ((0, 1), (3, 2), (height - 1, 30), (0, 3), (3, 2), (width - 1, 30)):
        bits, at = bits | value << at, at + count
    stream = b"\xff\x0a" + bits.to_bytes(10, "little")
    box = struct.pack(">I4s", 8 + len(stream), b"jxlc") + stream
    return b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x14ftypjxl \0\0\0\0jxl " + box


def _gif_that_says(width: int, height: int, frames: int) -> bytes:
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame * frames + b";"


BOMBS = {
    "a jpeg xl of 2³⁰ × 2³⁰": (_jxl_that_says(1 << 30, 1 << 30), "media.too_many_pixels"),
    "a gif of 60,000 × 60,000": (_gif_that_says(60_000, 60_000, 1), "media.too_many_pixels"),
    "a gif of 5,000 frames": (_gif_that_says(10, 10, 5_000), "media.too_many_frames"),
    "a gif of large frames": (_gif_that_says(8_000, 8_000, 40), "media.too_many_frames"),
    "a gif without frames": (_gif_that_says(10, 10, 0), "media.truncated"),
}


@pytest.mark.parametrize("what", BOMBS)
def test_bombs_are_refused_before_they_go_off(what: str, describe: Describe) -> None:
    data, code = BOMBS[what]
    assert refused(describe, data).code == code


def test_pixels_are_limited_for_every_picture(
    made: Callable[[str], bytes], describe: Describe, settings: object
) -> None:
    settings.ASSAY_MAX_PIXELS = 128 * 85 - 1  # type: ignore[attr-defined]
    for media_type in PICTURES:
        assert refused(describe, made(media_type)).code == "media.too_many_pixels", media_type


def test_length_is_limited_for_every_recording(
    made: Callable[[str], bytes], describe: Describe, settings: object
) -> None:
    settings.ASSAY_MAX_SECONDS = 0.3  # type: ignore[attr-defined]
    for media_type in (*VIDEOS, *SOUNDS):
        assert refused(describe, made(media_type)).code == "media.too_long", media_type


def test_tracks_are_limited(describe: Describe) -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        streams = [container.add_stream("aac", rate=16_000, layout="mono") for _ in range(17)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
            frame.sample_rate = 16_000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    problem = refused(describe, out.getvalue())
    assert problem.code == "media.too_many_tracks"
    assert "17 tracks" in problem.detail


def test_headers_that_lie_about_their_size_are_read_within_bounds(on_disk: Write) -> None:
    for data in (b"\xff\xd8\xff" + b"\xff" * 100, b"\xff\xd8" + b"\xff\xe0\x00\x00" * 20_000):
        with pytest.raises(Problem) as refusal:
            containers.check_dimensions(on_disk("x", data), media.JPEG, max_pixels=10**6)
        assert refusal.value.code == "media.truncated"
