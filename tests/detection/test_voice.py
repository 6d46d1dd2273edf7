"""The voice detector on files, as the guarded child calls it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.problems import Problem
from detection import calibration
from detection.detectors import Answer, Media, Reading, Region
from detection.detectors.voice.detector import FOLDER, analyze
from provenance import media
from tests.detection.voices import RATE, voice, wav


def _reading(tmp_path: Path, sound: np.ndarray, region: Region | None = None, **how: int) -> Reading:
    path = tmp_path / "sound"
    path.write_bytes(wav(sound, **how))
    (reading,) = analyze(Media(path, media.WAV, tmp_path, model=_version(tmp_path)), region)
    return reading


def _version(tmp_path: Path) -> Path:
    """A version of the model whose calibration says something of everything, so that what follows can be looked at."""
    folder = tmp_path / "version"
    if not folder.exists():
        shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        logits = np.linspace(-3, 3, 40)
        calibration.fit(logits, np.arange(40) >= 20, ["alice", "bob", "espeak", "piper"] * 10).write(
            folder / "calibration.json"
        )
    return folder


def test_one_reading_with_a_time_line_over_the_whole_recording(tmp_path: Path) -> None:
    reading = _reading(tmp_path, voice(6.0))
    assert reading.signal == "synthetic_voice"
    assert isinstance(reading.answer, Answer)
    assert reading.calibration.startswith("cal-")
    starts = [span.start for span in reading.timeline]
    assert len(starts) >= 3
    assert starts == sorted(starts)
    assert all(0 <= span.start < span.end <= 6.01 for span in reading.timeline)
    assert (tmp_path / reading.heatmap).read_bytes().startswith(b"\x89PNG")
    assert reading.details["picture"] == "spectrogram" and "Spectrogram" in reading.details["alternative"]


def test_a_calibration_that_found_chance_says_nothing_rather_than_no_signals(tmp_path: Path) -> None:
    blind = calibration.fit(np.linspace(3, -3, 40), np.arange(40) >= 20, ["alice", "bob", "espeak", "piper"] * 10)
    assert blind.slope == 0
    blind.write(_version(tmp_path) / "calibration.json")
    reading = _reading(tmp_path, voice(4.0))
    assert (reading.answer, reading.reason, reading.llr) == (Answer.CANT_SAY, "undecided", "")


def test_with_what_it_says_stand_the_error_rates_that_were_measured(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(wav(voice(4.0)))
    (reading,) = analyze(Media(path, media.WAV, tmp_path))
    told = {rate["held_out"] for rate in reading.details["error_rates"]}
    assert told >= {"asterisk", "tuxpaint", "kde", "kokoro", "piper", "espeak", "world"}


def test_of_telephone_sound_it_cannot_say(tmp_path: Path) -> None:
    from scipy import signal

    narrow = signal.sosfilt(signal.butter(8, [300, 3400], "bandpass", fs=RATE, output="sos"), voice(5.0))
    reading = _reading(tmp_path, narrow.astype(np.float32))
    assert (reading.answer, reading.reason, reading.llr) == (Answer.CANT_SAY, "band_limited", "")


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros(3 * RATE, np.float32), "silent"),
        (voice(5.0)[: RATE // 2], "too_short"),
    ],
)
def test_where_there_is_nothing_to_hear_it_cannot_say(tmp_path: Path, sound: np.ndarray, reason: str) -> None:
    reading = _reading(tmp_path, sound)
    assert (reading.answer, reading.reason) == (Answer.CANT_SAY, reason)
    assert not reading.spans


def test_a_steady_tone_is_no_voice(tmp_path: Path) -> None:
    tone = sum(np.sin(2 * np.pi * f * np.arange(5 * RATE) / RATE) for f in range(200, 7000, 200))
    reading = _reading(tmp_path, (0.01 * np.asarray(tone)).astype(np.float32))
    assert reading.answer is Answer.CANT_SAY
    assert reading.reason in ("out_of_domain", "noisy")


def test_eight_channels_are_heard_as_one(tmp_path: Path) -> None:
    one, eight = (_reading(tmp_path, voice(4.0), channels=count) for count in (1, 8))
    assert (one.answer, one.reason) == (eight.answer, eight.reason)


def test_a_region_chooses_a_part_of_the_time(tmp_path: Path) -> None:
    sound = np.concatenate([voice(4.0), np.zeros(4 * RATE, np.float32)])
    reading = _reading(tmp_path, sound, Region(0.5, 0.0, 0.5, 1.0))
    assert (reading.answer, reading.reason) == (Answer.CANT_SAY, "silent")


def test_the_times_of_a_region_are_those_of_the_whole_recording(tmp_path: Path) -> None:
    reading = _reading(tmp_path, voice(8.0), Region(0.5, 0.0, 0.5, 1.0))
    assert reading.timeline
    assert all(3.9 <= span.start < span.end <= 8.01 for span in reading.timeline)


def test_what_is_no_sound_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(b"RIFF\x00\x00\x00\x00WAVEjunk")
    with pytest.raises(Problem) as caught:
        analyze(Media(path, media.WAV, tmp_path))
    assert caught.value.code in ("detection.unreadable_sound", "detection.no_sound")
