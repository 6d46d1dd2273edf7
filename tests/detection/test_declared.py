"""What the file itself declares: read where it stands, quoted, and never trusted as text."""

import io
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from detection.detectors.declared import detector, places
from detection.detectors.declared.detector import SYNTHETIC as OURS
from provenance.vocabulary import SYNTHETIC
from tests.detection import media

AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def read(tmp_path: Path, data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    path = tmp_path / "file"
    path.write_bytes(data)
    findings = detector.examine(str(path), media_type, str(tmp_path), lambda percent, note="": None)["findings"]
    assert len(findings) == 1
    finding: dict[str, Any] = findings[0]
    return finding


@pytest.fixture
def small() -> Image.Image:
    return Image.linear_gradient("L").convert("RGB")


def test_a_photograph_that_declares_nothing_gives_no_signal_and_says_what_that_is_worth(
    tmp_path: Path, photo: bytes
) -> None:
    finding = read(tmp_path, photo, "image/jpeg")
    assert finding["strength"] == "none"
    assert "absence proves nothing" in finding["statement"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("parameters", "a fox in the snow\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"),
        ("prompt", '{"3": {"class_type": "KSampler"}}'),
        ("workflow", '{"nodes": []}'),
        ("Dream", '"a fox" -s 50'),
        ("Software", "NovelAI"),
    ],
)
def test_the_png_text_of_a_generator_is_a_declaration_quoted_with_its_place(
    tmp_path: Path, small: Image.Image, name: str, value: str
) -> None:
    finding = read(tmp_path, media.png(small, **{name: value}))
    assert finding["strength"] == "strong"
    [said] = finding["details"]["declarations"]
    assert said["where"].startswith("PNG ") and said["name"] == name
    assert said["value"] == " ".join(value.split())


def test_an_ordinary_program_is_named_and_is_no_signal(tmp_path: Path, small: Image.Image) -> None:
    finding = read(tmp_path, media.png(small, Software="GIMP 3.0"))
    assert finding["strength"] == "none"
    assert finding["details"]["declarations"][0]["meaning"] == "program"


def test_a_caption_that_names_a_generator_is_a_mention_and_only_weak(tmp_path: Path, small: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Visitors at an exhibition about Midjourney and its users"
    finding = read(tmp_path, media.jpeg(small, exif=exif), "image/jpeg")
    assert finding["strength"] == "weak"
    assert "A mention is not a declaration" in finding["statement"]


def test_the_exif_software_field_of_a_generator_is_a_declaration(tmp_path: Path, small: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0131] = "Adobe Firefly"
    assert read(tmp_path, media.jpeg(small, exif=exif), "image/jpeg")["strength"] == "strong"


def test_generation_parameters_in_the_exif_user_comment_are_found_in_utf_16(tmp_path: Path, small: Image.Image) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "fox Steps: 20, Sampler: Euler, CFG scale: 7".encode("utf-16-be")
    finding = read(tmp_path, media.jpeg(small, exif=exif), "image/jpeg")
    assert finding["strength"] == "strong"
    assert "Sampler" in finding["details"]["declarations"][0]["value"]


@pytest.mark.parametrize("form", ['Iptc4xmpExt:DigitalSourceType="{}"', "Iptc4xmpExt:DigitalSourceType = '{}'"])
def test_the_iptc_source_type_in_xmp_is_a_declaration(tmp_path: Path, small: Image.Image, form: str) -> None:
    data = media.jpeg(small, xmp=media.xmp(form.format(AI)))
    finding = read(tmp_path, data, "image/jpeg")
    assert finding["strength"] == "strong"
    assert "created by a generative model" in finding["statement"]


def test_xmp_written_as_an_element_is_read_too(tmp_path: Path, small: Image.Image) -> None:
    packet = media.xmp("").replace(b"</rdf:RDF>", f"<a:DigitalSourceType>{AI}</a:DigitalSourceType></rdf:RDF>".encode())
    assert read(tmp_path, media.jpeg(small, xmp=packet), "image/jpeg")["strength"] == "strong"


def test_a_source_type_that_says_camera_is_reported_and_is_no_signal(tmp_path: Path, small: Image.Image) -> None:
    camera = AI.replace("trainedAlgorithmicMedia", "digitalCapture")
    finding = read(tmp_path, media.jpeg(small, xmp=media.xmp(f'a:DigitalSourceType="{camera}"')), "image/jpeg")
    assert finding["strength"] == "none"
    assert "digitalCapture" in finding["statement"] and "anyone can write that" in finding["statement"]


def test_mp4_tags_are_read(tmp_path: Path, small: Image.Image) -> None:
    data = media.video([small] * 3, comment="Made with Google AI")
    finding = read(tmp_path, data, "video/mp4")
    assert finding["strength"] == "strong"
    assert finding["details"]["declarations"][0]["where"] == "MP4"


def test_content_credentials_are_followed_through_their_ingredients() -> None:
    from detection.detectors.declared.credential import declarations

    def manifest(source: str, *parents: str) -> dict[str, Any]:
        actions = {"actions": [{"action": "c2pa.created", "digitalSourceType": source}]}
        return {
            "assertions": [{"label": "c2pa.actions.v2", "data": actions}],
            "ingredients": [{"active_manifest": parent} for parent in parents],
        }

    loop = {"a": manifest("digitalCapture", "b"), "b": manifest(AI, "a", "b")}
    said = list(declarations({"active_manifest": "a", "manifests": loop}))
    assert [(one.where, one.value) for one in said] == [
        ("C2PA active manifest", "digitalCapture"),
        ("C2PA ingredient", AI),
    ]
    assert detector.meaning_of(said[1]) == "synthetic"


@pytest.mark.parametrize(
    "store", [{}, {"active_manifest": 3, "manifests": []}, {"active_manifest": "a", "manifests": {"a": 1}}]
)
def test_a_manifest_store_of_the_wrong_shape_says_nothing(store: dict[str, Any]) -> None:
    from detection.detectors.declared.credential import declarations

    assert list(declarations(store)) == []


def test_hostile_text_is_bounded_and_shown_without_what_is_unseen(tmp_path: Path, small: Image.Image) -> None:
    value = "\u202eevil\u0007<script>alert(1)</script>" + "A" * 100_000
    finding = read(tmp_path, media.png(small, prompt=value))
    shown = finding["details"]["declarations"][0]["value"]
    assert len(shown) == 500 and shown.endswith("…")
    assert "\u202e" not in shown and "\u0007" not in shown and shown.startswith("\ufffdevil\ufffd")
    assert len(finding["statement"]) < 300


def test_a_compressed_text_bomb_is_read_no_further_than_its_limit(tmp_path: Path, small: Image.Image) -> None:
    bomb = zlib.compress(b"A" * (64 << 20), 9)
    path = tmp_path / "bomb.png"
    path.write_bytes(media.with_chunk(media.png(small), b"zTXt", b"prompt\0\0" + bomb))
    [said] = places.png_text(path)
    assert len(said.value) == places.MAX_VALUE


@pytest.mark.parametrize(
    ("kind", "body"),
    [(b"tEXt", b"no separator"), (b"zTXt", b"prompt\0\0not zlib"), (b"iTXt", b"prompt\0"), (b"iTXt", b"prompt\0\1\0")],
)
def test_a_damaged_text_chunk_is_passed_over(tmp_path: Path, small: Image.Image, kind: bytes, body: bytes) -> None:
    path = tmp_path / "damaged.png"
    path.write_bytes(media.with_chunk(media.png(small, Software="NovelAI"), kind, body))
    assert [one.value for one in places.png_text(path)] == ["NovelAI"]


def test_an_xmp_packet_full_of_openings_takes_no_time_and_no_harm(tmp_path: Path) -> None:
    hostile = (
        b"<x:xmpmeta" + b'a:DigitalSourceType="' * 200_000 + b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
    )
    path = tmp_path / "x"
    path.write_bytes(hostile)
    assert all(len(one.value) <= 4000 for one in places.xmp(path))


def test_a_file_cut_anywhere_still_gets_an_answer(tmp_path: Path, small: Image.Image) -> None:
    whole = media.png(small, prompt="a fox", Software="ComfyUI")
    for length in (9, 30, 60, 90, len(whole) // 2):
        assert read(tmp_path, whole[:length])["strength"] in ("none", "strong")


def test_the_synthetic_source_types_are_those_of_the_house_vocabulary() -> None:
    assert set(OURS) == {kind.value for kind in SYNTHETIC}


def test_pillow_is_never_asked_to_decode_the_picture(tmp_path: Path, small: Image.Image) -> None:
    buffer = io.BytesIO(media.jpeg(small))
    header_only = buffer.getvalue()[: buffer.getvalue().index(b"\xff\xda")]
    assert read(tmp_path, header_only, "image/jpeg")["strength"] == "none"


@pytest.mark.parametrize(
    ("media_type", "muxer", "codec"), [("audio/mpeg", "mp3", "libmp3lame"), ("audio/mp4", "ipod", "aac")]
)
def test_the_tags_of_a_sound_are_read_and_named_after_its_format(
    tmp_path: Path, media_type: str, muxer: str, codec: str
) -> None:
    out = io.BytesIO()
    with av.open(out, "w", format=muxer) as container:
        container.metadata["comment"] = "Made with Google AI"
        stream: Any = container.add_stream(codec, rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    finding = read(tmp_path, out.getvalue(), media_type)
    assert finding["strength"] == "strong"
    assert finding["details"]["declarations"][0]["where"] == {"audio/mpeg": "MP3", "audio/mp4": "M4A"}[media_type]
