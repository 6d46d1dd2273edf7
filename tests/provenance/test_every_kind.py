"""Every kind of file is registered with the credential its format takes, and handed out so that no browser runs it."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from django.test import Client

from accounts.models import User
from provenance import delivery
from provenance.models import Asset, Manifest
from provenance.verification import verify_file
from tests.provenance import media_made
from tests.provenance.conftest import Register, close_files

# Bytes and the engine are the same on both databases.
pytestmark = pytest.mark.only_on("sqlite")

Write = Callable[[str, bytes], Path]

DETACHED_KINDS = {
    "text/plain": "file", "application/zip": "file", "video/webm": "video", "video/x-matroska": "video",
    "audio/ogg": "audio",
}  # fmt: skip


def _picture(kind: str, mode: str = "RGB", **options: object) -> bytes:
    return media_made.saved(media_made.small(media_made.PHOTO.read_bytes(), 96).convert(mode), kind, **options)


def _mp3(behind: bytes = b"") -> bytes:
    """Without the tag before it. behind: what stands at the end."""
    sound = media_made.as_sound("audio/mpeg")
    return sound[sound.index(b"\xff\xf3") if b"\xff\xf3" in sound else 0 :] + behind


def _mp4(**options: str) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4", options=options) as container:
        media_made.pan(container, media_made.small(media_made.PHOTO.read_bytes(), 240), 12, size=(160, 120))
    return out.getvalue()


# Files as other programs write them: how they are made, and whether the credential goes inside.
VARIANTS: dict[str, tuple[Callable[[], bytes], bool]] = {
    "a bare jpeg xl codestream": (lambda: _picture("JXL", quality=80, effort=3, use_container=False), False),
    "a drawing in utf-16": (
        lambda: media_made.as_svg().decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        False,
    ),
    "a drawing after a byte order mark": (lambda: b"\xef\xbb\xbf" + media_made.as_svg(), True),
    "a quicktime without a brand": (lambda: media_made.make("video/quicktime").replace(b"ftyp", b"wide", 1), False),
    "a moving gif": (lambda: media_made.animated("GIF"), True),
    "a moving png": (lambda: media_made.animated("PNG"), True),
    "a moving webp": (lambda: media_made.animated("WEBP"), True),
    "a moving avif": (lambda: media_made.animated("AVIF"), True),
    "a tiff of pages": (lambda: media_made.animated("TIFF"), True),
    "a large tiff": (lambda: _picture("TIFF", big_tiff=True), True),
    "a cmyk jpeg": (lambda: _picture("JPEG", "CMYK"), True),
    "a progressive jpeg": (lambda: _picture("JPEG", progressive=True), True),
    "a lossless webp": (lambda: _picture("WEBP", lossless=True), True),
    "a png with transparency": (lambda: _picture("PNG", "RGBA"), True),
    "an mp3 without a tag": (_mp3, True),
    "an mp3 with an old tag": (lambda: _mp3(b"TAG" + bytes(125)), True),
    "an mp4 in fragments": (lambda: _mp4(movflags="frag_keyframe+empty_moov"), True),
    "sound in an mp4": (lambda: media_made.as_mp4(media_made.PHOTO.read_bytes(), audio_only=True), True),
    "a flac after a tag": (
        lambda: b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + media_made.as_sound("audio/flac"),
        True,
    ),
    "a document with something behind its end": (lambda: media_made.as_pdf() + b"\n" * 30, True),
}


@pytest.mark.parametrize("what", VARIANTS)
def test_files_as_other_programs_write_them_are_registered(
    what: str, alice: User, register: Register, signed_bytes: Callable[..., bytes], on_disk: Write
) -> None:
    make, inside = VARIANTS[what]
    data = make()
    asset = register(alice, data, title="A variant")
    assert asset.manifests.filter(form=Manifest.Form.DETACHED).count() == 1
    assert asset.manifests.filter(form=Manifest.Form.EMBEDDED).exists() is inside
    if inside:
        signed = signed_bytes(asset)
        report = verify_file(on_disk("signed", signed), hashlib.sha256(signed).hexdigest())
        assert (report.credential.state, report.media_type) == ("valid", asset.media_type)
    else:
        Asset.objects.filter(pk=asset.pk).update(restriction=Asset.Restriction.HIDDEN)  # so that nothing is beside it
        report = verify_file(on_disk("plain", data), hashlib.sha256(data).hexdigest())
        assert report.credential.state == "none"


def _work_with(alice: User, register: Register, data: bytes) -> Asset:
    return register(alice, data, title="A work")


@pytest.mark.parametrize("media_type", ["image/svg+xml", "application/pdf", "image/png", "audio/wav"])
def test_no_browser_takes_a_work_for_a_page(
    media_type: str, made: Callable[[str], bytes], alice: User, register: Register, client: Client
) -> None:
    asset = _work_with(alice, register, made(media_type))
    inline = delivery.deliver(asset, alice, attachment=False)
    shown = media_type in ("image/png", "audio/wav")
    assert inline["Content-Disposition"].startswith("inline" if shown else "attachment")
    assert inline["Content-Type"] == media_type
    assert inline["X-Content-Type-Options"] == "nosniff"
    assert inline["Content-Security-Policy"] == "sandbox; default-src 'none'"
    close_files(inline)
    page = client.get(f"/assets/{asset.pk}/file/")
    assert page["Content-Disposition"].startswith("attachment")
    assert page["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert page["X-Content-Type-Options"] == "nosniff"
    close_files(page)


def test_text_that_could_be_a_page_leaves_as_bytes(alice: User, register: Register) -> None:
    asset = _work_with(alice, register, b"<html><script>alert(1)</script></html>")
    response = delivery.deliver(asset, alice, role="original", attachment=False)
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")
    close_files(response)


def test_a_report_says_what_of_the_file_was_not_examined(
    made: Callable[[str], bytes], on_disk: Write, db: None
) -> None:
    data = made("application/pdf")
    report = verify_file(on_disk("paper.pdf", data), hashlib.sha256(data).hexdigest()).as_dict()
    assert any(note.startswith("not examined: Documents (PDF)") for note in report["file"]["notes"])
    text = b"hello\n"
    report = verify_file(on_disk("a.txt", text), hashlib.sha256(text).hexdigest()).as_dict()
    assert report["file"]["media_type"] == "text/plain"
    assert report["sections"]["findings"]["not_examined"][0].startswith("not examined: ")
