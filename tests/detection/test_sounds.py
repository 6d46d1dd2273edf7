"""Sound of any kind is decoded within bounds, and the gates say what it can still tell."""

import io
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.problems import Problem
from detection import sound_gates, sounds
from detection.detectors import Answer, Media
from detection.detectors.sound_quality import detector
from detection.evaluation.sound_quality import encoded
from detection.reasons import Reason
from tests.detection import media
from tests.provenance.media_made import make

RATE = 44_100


def speech(seconds: float = 4.0, rate: int = RATE, seed: int = 1) -> np.ndarray:
    """Bursts of coloured noise with pauses: levels and band of speech, nothing said."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=int(seconds * rate))
    spectrum = np.fft.rfft(noise)
    frequencies = np.fft.rfftfreq(len(noise), 1 / rate)
    shaped = np.fft.irfft(spectrum / (1 + (frequencies / 1500) ** 1.2), len(noise))
    syllables = np.sin(2 * np.pi * 2.5 * np.arange(len(noise)) / rate).clip(0) ** 2
    quiet = rng.normal(size=len(noise)) * 1e-4
    loud: np.ndarray = (0.3 * shaped / np.abs(shaped).max() * syllables + quiet).astype(np.float32)
    return loud


def wav(samples: np.ndarray, rate: int = RATE, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat((samples * 32_767).astype("<i2")[:, None], channels, 1).tobytes())
    return out.getvalue()


Heard = Callable[..., sounds.Sound]


@pytest.fixture
def heard(tmp_path: Path) -> Heard:
    def hear(data: bytes, media_type: str, **options: object) -> sounds.Sound:
        path = tmp_path / "sound"
        path.write_bytes(data)
        return sounds.read_sound(path, media_type, **options)  # type: ignore[arg-type]

    return hear


@pytest.mark.parametrize(
    ("media_type", "muxer", "codec"),
    [
        ("audio/wav", "wav", "pcm_s16le"),
        ("audio/mpeg", "mp3", "libmp3lame"),
        ("audio/flac", "flac", "flac"),
        ("audio/mp4", "ipod", "aac"),
        ("audio/aiff", "aiff", "pcm_s24be"),
        ("audio/wav", "wav", "pcm_f32le"),
    ],
)
def test_every_kind_of_sound_becomes_mono_floats_at_sixteen_kilohertz(
    heard: Heard, media_type: str, muxer: str, codec: str
) -> None:
    original = speech(3.0)
    sound = heard(encoded(original, muxer, codec), media_type)
    assert sound.rate == 16_000 and sound.samples.dtype == np.float32 and sound.whole
    assert sound.heard == pytest.approx(3.0, abs=0.1)
    assert np.sqrt((sound.samples**2).mean()) == pytest.approx(np.sqrt((original**2).mean()), rel=0.1)


@pytest.mark.parametrize("channels", [1, 2, 3, 8, 12])
def test_any_number_of_channels_is_averaged(heard: Heard, channels: int) -> None:
    sound = heard(wav(speech(1.0), channels=channels), "audio/wav")
    assert sound.track.channels == channels and sound.heard == pytest.approx(1.0, abs=0.01)
    assert np.abs(sound.samples).max() > 0.1


def test_a_long_recording_is_heard_in_stretches_spread_over_it(heard: Heard) -> None:
    rising = np.repeat(np.linspace(0.05, 0.9, 60, dtype=np.float32), 8000) * np.tile([1, -1], 240_000)
    sound = heard(wav(rising, rate=8000), "audio/wav", most=6.0, stretch=1.0)
    assert not sound.whole and sound.heard == pytest.approx(6.0, abs=0.1)
    assert [one.start for one in sound.stretches] == pytest.approx([0, 11.8, 23.6, 35.4, 47.2, 59.0])
    levels = [float(np.abs(one.samples).mean()) for one in sound.stretches]
    assert levels == sorted(levels) and levels[-1] > 5 * levels[0]


def test_windows_stay_inside_a_stretch_and_a_short_one_is_repeated() -> None:
    track = sounds.Track("pcm_s16le", 10, 1, 0.0, 0)
    whole, short = np.arange(50, dtype=np.float32), np.arange(5, dtype=np.float32)
    sound = sounds.Sound((sounds.Stretch(0, whole), sounds.Stretch(100, short)), 10, track, False)
    found = list(sound.windows(2.0, 1.0))
    assert [start for start, _ in found] == [0, 1, 2, 3, 100]
    assert all(len(samples) == 20 for _, samples in found)
    assert found[-1][1][:6].tolist() == [0, 1, 2, 3, 4, 0]


def test_what_has_no_sound_is_refused_in_words(heard: Heard, photo: bytes) -> None:
    silent_film = media.video([media.photograph(photo).resize((320, 208))] * 3)
    for data, media_type in ((silent_film, "video/mp4"), (photo, "image/jpeg")):
        with pytest.raises(Problem) as refused:
            heard(data, media_type)
        assert refused.value.code == "detection.no_sound"
    with pytest.raises(Problem) as refused:
        heard(b"RIFF" + b"\0" * 200, "audio/wav")
    assert refused.value.code == "detection.unreadable_sound"


def test_a_recording_that_is_cut_off_is_heard_as_far_as_it_goes(heard: Heard) -> None:
    data = encoded(speech(6.0), "mp3", "libmp3lame", bit_rate=64_000)
    assert 1.0 < heard(data[: len(data) // 2], "audio/mpeg").heard < 5.0


def test_the_sound_of_a_video_is_read(heard: Heard) -> None:
    assert heard(make("audio/mp4"), "audio/mp4").heard > 0.5


def test_clear_speech_passes_every_gate() -> None:
    assert sound_gates.gates(sound_gates.quality_of(speech(4.0, 16_000), 16_000)) == []


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        (lambda x: x[:4000], Reason.TOO_SHORT),
        (lambda x: x * 1e-5, Reason.SILENT),
        (lambda x: x + np.random.default_rng(0).normal(size=len(x)).astype(np.float32) * 0.1, Reason.NOISY),
        (lambda x: (x * 50).clip(-1, 1), Reason.NOISY),
        (lambda x: _narrow(x, 3_400), Reason.BAND_LIMITED),
    ],
)
def test_what_spoils_a_recording_is_named(spoilt: Callable[[np.ndarray], np.ndarray], reason: Reason) -> None:
    measured = sound_gates.quality_of(spoilt(speech(4.0, 16_000)), 16_000)
    assert reason in sound_gates.gates(measured)


def _narrow(samples: np.ndarray, highest: float) -> np.ndarray:
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / 16_000) > highest] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def test_the_bandwidth_of_a_telephone_is_measured() -> None:
    measured = sound_gates.quality_of(_narrow(speech(4.0, 16_000), 3_400), 16_000)
    assert measured.bandwidth == pytest.approx(3_400, abs=200)
    assert measured.ceiling == pytest.approx(3_400, abs=200)


def test_a_strongly_compressed_voice_is_not_scored(heard: Heard) -> None:
    data = encoded(speech(3.0, 16_000), "mp3", "libmp3lame", rate=16_000, bit_rate=8_000, of=16_000)
    assert Reason.TOO_COMPRESSED in sound_gates.gates(sound_gates.quality(heard(data, "audio/mpeg")))


def test_a_wav_made_from_an_mp3_is_seen_and_one_that_was_always_whole_is_not(tmp_path: Path) -> None:
    first = speech(4.0)
    path = tmp_path / "sound.mp3"
    path.write_bytes(encoded(first, "mp3", "libmp3lame", bit_rate=64_000))
    after = sounds.read_sound(path, "audio/mpeg", rate=None).samples
    answers = []
    for samples in (first, after):
        path.write_bytes(wav(samples))
        found = {one.signal: one for one in detector.analyze(Media(path, "audio/wav", tmp_path))}
        answers.append(found["band_breaks_off"].answer)
    assert answers == [Answer.NO_SIGNALS, Answer.SIGNALS]


def test_an_mp3_is_not_held_against_itself(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp3"
    path.write_bytes(encoded(speech(4.0), "mp3", "libmp3lame", bit_rate=64_000))
    found = {one.signal: one for one in detector.analyze(Media(path, "audio/mpeg", tmp_path))}
    assert found["band_breaks_off"].answer is Answer.NO_SIGNALS
    assert found["sound_usable"].details["codec"] == "mp3"


def test_a_recording_too_poor_for_a_voice_says_why(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(wav(_narrow(speech(4.0, 16_000), 3_400), rate=16_000))
    found = {one.signal: one for one in detector.analyze(Media(path, "audio/wav", tmp_path))}["sound_usable"]
    assert found.answer is Answer.CANT_SAY and found.reason == "band_limited"
    assert "as after a telephone" in found.statement


def test_a_silent_film_is_nothing_wrong_and_a_steady_tone_is_not_called_a_voice(tmp_path: Path, photo: bytes) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(media.video([media.photograph(photo).resize((320, 208))] * 3))
    [found] = detector.examine(str(path), "video/mp4", str(tmp_path), lambda percent, note="": None)["findings"]
    assert (found["answer"], found["reason"]) == (Answer.CANT_SAY, "no_sound")
    path.write_bytes(wav(np.sin(np.arange(4 * RATE) / 9).astype(np.float32) * 0.5))
    usable = detector.analyze(Media(path, "audio/wav", tmp_path))[0]
    assert usable.answer is Answer.CANT_SAY and "dB apart" in usable.statement
