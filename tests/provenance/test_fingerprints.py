"""Fingerprints stay near under what happens to works on their way, and far between different works."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image, ImageEnhance

from core.problems import Problem
from provenance import checks, chromaprint, fingerprints, framevectors, marking
from provenance.fingerprints import DHASH, FRAMES, ISCC_AUDIO, ISCC_IMAGE
from provenance.matching import RECORDING_CANDIDATE, RECORDING_RE_ENCODED, distance
from tests.provenance import photographs_made, recordings_made
from tests.provenance.recordings_made import RATE

Write = Callable[[str, bytes], Path]

# --- Pictures --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return photographs_made.photograph(1)


def test_a_flat_picture_has_no_fingerprint() -> None:
    flat = Image.new("RGB", (300, 200), (90, 91, 92))
    assert fingerprints.of_image(flat) == {}
    assert fingerprints.queries(flat) == {}


def test_the_first_query_is_what_is_registered(picture: Image.Image) -> None:
    codes, queries = fingerprints.of_image(picture), fingerprints.queries(picture)
    assert {name: ways[0] for name, ways in queries.items()} == {name: ("as it is", it) for name, it in codes.items()}


def test_every_way_has_both_codes_and_a_name_of_its_own(picture: Image.Image) -> None:
    queries = fingerprints.queries(picture)
    hows = [how for how, _ in queries[ISCC_IMAGE]]
    assert hows == [how for how, _ in queries[DHASH]]
    assert len(hows) == len(set(hows)) == 46
    assert {"mirrored", "turned by 90°", "mirrored and turned by 270°", "centre crop 90%"} <= set(hows)
    assert {"mirrored, centre crop 80%", "edges continued 10%", "lower edge left out"} <= set(hows)
    assert len(fingerprints.queries(photographs_made.on_paper(picture))[ISCC_IMAGE]) == 54


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_turned_picture_is_told_by_the_way_it_was_turned(picture: Image.Image, degrees: int, mirror: bool) -> None:
    turned = photographs_made.turned(degrees)(photographs_made.mirrored(picture) if mirror else picture)
    how = f"mirrored and turned by {degrees}°" if mirror else f"turned by {degrees}°"
    queries, codes = fingerprints.queries(turned), fingerprints.of_image(picture)
    assert distance(dict(queries[ISCC_IMAGE])[how], codes[ISCC_IMAGE]) <= 0.05
    assert distance(dict(queries[DHASH])[how], codes[DHASH]) <= 0.05


def test_a_border_that_is_even_to_the_bit_changes_nothing_at_all(picture: Image.Image) -> None:
    """As ISO 24138 normalises pictures; the query variants are for borders that JPEG has touched."""
    framed = Image.new("RGB", (picture.width + 80, picture.height + 40), "black")
    framed.paste(picture, (40, 20))
    assert fingerprints.of_image(framed)[ISCC_IMAGE] == fingerprints.of_image(picture)[ISCC_IMAGE]


def test_what_is_transparent_counts_as_white(picture: Image.Image) -> None:
    on_white, clear = Image.new("RGB", (900, 700), "white"), Image.new("RGBA", (900, 700))
    on_white.paste(picture.crop((0, 0, 700, 500)), (100, 100))
    clear.paste(picture.crop((0, 0, 700, 500)), (100, 100))
    assert fingerprints.of_image(clear) == fingerprints.of_image(on_white)


# --- Sound -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tune() -> recordings_made.Sound:
    return recordings_made.tune(1)


@pytest.fixture
def heard(on_disk: Write) -> Callable[..., bytes]:
    def code(name: str, data: bytes) -> bytes:
        return fingerprints.of_sound(on_disk(name, data)).get(ISCC_AUDIO, b"")

    return code


Heard = Callable[[str, bytes], bytes]


def test_a_recording_stays_near_itself(tune: recordings_made.Sound, heard: Heard) -> None:
    registered = heard("a.wav", recordings_made.encoded(tune))
    noise = np.random.default_rng(5).normal(0, 0.01, len(tune))
    changed = {
        "mp3": heard("b.mp3", recordings_made.encoded(tune, "mp3", "libmp3lame", bit_rate=32_000)),
        "opus": heard("c.ogg", recordings_made.encoded(tune, "ogg", "libopus", rate=48_000, bit_rate=32_000)),
        "m4a": heard("d.m4a", recordings_made.encoded(tune, "ipod", "aac", bit_rate=48_000)),
        "flac": heard("e.flac", recordings_made.encoded(tune, "flac", "flac")),
        "quieter": heard("f.wav", recordings_made.encoded(tune / 2)),
        "noise": heard("g.wav", recordings_made.encoded(tune + noise)),
        "16 kHz": heard("h.wav", recordings_made.encoded(tune, rate=16_000)),
    }
    far = {name: distance(registered, code) for name, code in changed.items()}
    assert max(far.values()) <= RECORDING_RE_ENCODED, far
    shorter = distance(registered, heard("i.wav", recordings_made.encoded(tune[len(tune) // 10 :])))
    assert shorter <= RECORDING_CANDIDATE


def test_different_tunes_are_far_apart(heard: Heard) -> None:
    codes = [heard(f"{n}.wav", recordings_made.encoded(recordings_made.tune(n))) for n in range(12)]
    assert min(distance(one, other) for one, other in combinations(codes, 2)) > RECORDING_CANDIDATE


# `fpcalc -raw` (Chromaprint 1.5.1) of `tune(1, 12.0)` at 11,025 Hz, its first 48 numbers.
FPCALC = (
    "c2b89db3 869c99a0 868caaa0 8644aea0 95009660 9511a214 9c33a204 9c33e204 9c332224 dc323e24 dc323924 dd734824 "
    "fbd5c8f4 7ac4b8c7 7ac5a8c6 6ac6acc6 3e46b046 3e168006 37168016 34179036 30146023 20142820 24052920 64161a20 "
    "64974a21 64954ae3 66b6c682 669fc282 768cc382 36ccd0b2 7644f0a2 764570a2 7e0630e2 7e063023 7e063027 7e17213b "
    "7e14231b 24d42a1b 2497ea5b 64b69a8b 60b68a8a e0b48a8a e0ac8e8a e02483ba e024c3aa e02cd37a e03a722a e03a622b "
)


def test_the_vector_is_the_one_that_chromaprints_own_program_makes(on_disk: Write) -> None:
    sound = recordings_made.tune(1, 12.0)
    vector = chromaprint.of_file(on_disk("a.wav", recordings_made.encoded(sound, rate=11_025)), "wav")
    assert len(vector) == 75
    theirs = [int(number, 16) for number in FPCALC.split()]
    different = sum(((one & 0xFFFFFFFF) ^ other).bit_count() for one, other in zip(vector, theirs, strict=False))
    assert different <= 3  # of 1,536: another processor may round one sample another way


def test_silence_and_a_blink_of_sound_have_no_fingerprint(tune: recordings_made.Sound, heard: Heard) -> None:
    assert heard("a.wav", recordings_made.encoded(np.zeros(RATE * 10))) == b""
    assert heard("b.wav", recordings_made.encoded(tune[: 2 * RATE])) == b""
    assert heard("c.wav", recordings_made.encoded(tune[: 3 * RATE])) != b""


# --- Video -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def frames() -> list[Image.Image]:
    return recordings_made.scenes(1)


@pytest.fixture
def seen(on_disk: Write) -> Callable[..., bytes]:
    def code(name: str, data: bytes) -> bytes:
        return fingerprints.of_video(on_disk(name, data)).get(FRAMES, b"")

    return code


def test_a_video_stays_near_itself(frames: list[Image.Image], seen: Heard) -> None:
    registered = seen("a.mp4", recordings_made.filmed(frames))
    brighter = [ImageEnhance.Brightness(one).enhance(1.2) for one in frames]
    changed = {
        "crf 35": seen("b.mp4", recordings_made.filmed(frames, crf=35)),
        "half": seen("c.mp4", recordings_made.filmed([one.resize((160, 120)) for one in frames])),
        "webm": seen("d.webm", recordings_made.filmed(frames, "webm", "libvpx")),
        "15 fps": seen("e.mp4", recordings_made.filmed(list(recordings_made.at_fps(frames, 15)), fps=15)),
        "trimmed": seen("f.mp4", recordings_made.filmed(frames[len(frames) // 10 :])),
        "brighter": seen("g.mp4", recordings_made.filmed(brighter)),
    }
    far = {name: distance(registered, code) for name, code in changed.items()}
    assert max(far.values()) <= RECORDING_RE_ENCODED, far
    cut = [one.crop((8, 6, 312, 234)) for one in frames]
    assert distance(registered, seen("h.mp4", recordings_made.filmed(cut))) <= RECORDING_CANDIDATE


def test_different_videos_are_far_apart(seen: Heard) -> None:
    codes = [seen(f"{n}.mp4", recordings_made.filmed(recordings_made.scenes(n, 3.0))) for n in range(10)]
    assert min(distance(one, other) for one, other in combinations(codes, 2)) > RECORDING_CANDIDATE


def test_a_video_of_nothing_has_no_fingerprint(seen: Heard) -> None:
    assert seen("a.mp4", recordings_made.filmed([Image.new("RGB", (320, 240), "navy")] * 30)) == b""


def test_of_a_long_video_the_frames_that_stand_alone_are_looked_at(
    frames: list[Image.Image], seen: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framevectors, "WHOLE", 2.0)
    decoded: list[VideoFrame] = []
    grid = framevectors._grid

    def counted(frame: VideoFrame) -> framevectors.Floats:
        decoded.append(frame)
        return grid(frame)

    monkeypatch.setattr(framevectors, "_grid", counted)
    large = seen("a.mp4", recordings_made.filmed(frames))
    assert len(decoded) < 10  # of 150 frames, and 30 moments a fifth of a second apart
    small = seen("b.mp4", recordings_made.filmed([one.resize((160, 120)) for one in frames], crf=30))
    assert distance(large, small) <= RECORDING_RE_ENCODED


def test_sound_alone_is_no_video(tune: recordings_made.Sound, on_disk: Write) -> None:
    path = on_disk("a.wav", recordings_made.encoded(tune))
    assert fingerprints.of_video(path) == {}
    assert chromaprint.of_file(path, "wav")


# --- Watermark -----------------------------------------------------------------------------------------------------


def test_a_watermark_that_is_switched_on_and_not_installed_stops_the_office(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marking, "PARTS", ("no_such_library",))
    assert list(checks.check_watermark(None)) == []
    settings.ASSAY_WATERMARK = True
    (error,) = checks.check_watermark(None)
    assert error.id == "provenance.E001"
    assert "no_such_library" in error.msg
    refused = pytest.raises(Problem, match="no_such_library")
    with refused, marking.marked(Path("photo.jpg"), "image/jpeg", "asset:1"):
        pass
