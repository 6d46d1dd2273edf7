"""What the voice network sees, and what it must not see."""

import numpy as np
import pytest

from detection.voice_features import FEWEST, MOST_WINDOWS, RATE, speech
from detection.voice_statistics import KINDS
from tests.detection.voices import voice


def test_how_loud_alice_speaks_does_not_reach_the_network() -> None:
    quiet, loud = speech(voice()), speech(voice() * 4)
    assert np.allclose(quiet.bands, loud.bands, atol=1e-4)


def test_the_pauses_alice_makes_do_not_reach_the_network() -> None:
    said = voice()
    silence = np.zeros(2 * RATE, np.float32)
    with_pause = speech(np.concatenate([said[: 2 * RATE], silence, said[2 * RATE :]]))
    without = speech(said)
    assert abs(len(with_pause.times) - len(without.times)) < 40  # of about 400 frames, and of 200 in the pause
    assert not ((with_pause.times > 2.3) & (with_pause.times < 3.7)).any()


def test_the_colour_of_alices_microphone_does_not_reach_the_network() -> None:
    said = voice()
    brighter = np.append(said[:1], said[1:] - 0.5 * said[:-1])
    plain, coloured = speech(said), speech(brighter)
    frames = min(len(plain.times), len(coloured.times))
    assert np.abs(plain.colour - coloured.colour).max() > 0.2
    assert np.abs(plain.bands[:, :frames] - coloured.bands[:, :frames]).mean() < 0.1


def test_neither_loudness_nor_colour_changes_the_statistics() -> None:
    said = voice()
    quiet, loud = (speech(said * by).windows()[0] for by in (1, 4))
    assert np.allclose(quiet, loud, atol=1e-2)
    brighter = np.append(said[:1], said[1:] - 0.3 * said[:-1])
    coloured = speech(brighter).windows()[0]
    assert np.corrcoef(quiet[0], coloured[0])[0, 1] > 0.95


def test_a_voice_that_moves_less_has_other_statistics() -> None:
    first, again = (speech(voice(seed=seed)).windows()[0][0] for seed in (0, 1))
    held = np.tile(voice(0.25), 16)
    even = speech(held.astype(np.float32)).windows()[0][0]
    assert np.median(np.abs(even - first)) > 2 * np.median(np.abs(again - first))


def test_each_window_knows_when_it_was_said() -> None:
    heard = speech(voice(9.0))
    windows, spans = heard.windows()
    assert windows.shape == (len(spans), sum(KINDS.values())) and len(spans) > 1
    assert all(0 <= start < end <= 9.0 for start, end in spans)
    assert spans == sorted(spans)


def test_of_an_hour_only_so_many_windows_are_looked_at() -> None:
    heard = speech(np.tile(voice(4.0), 60))
    windows, spans = heard.windows()
    assert len(windows) == MOST_WINDOWS
    assert spans[-1][1] > 230


def test_nothing_but_zeros_and_clicks_still_gives_numbers() -> None:
    clicks = np.zeros(4 * RATE, np.float32)
    clicks[::1600] = 0.5
    assert np.isfinite(speech(clicks).windows()[0]).all()


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.4])
def test_of_a_moment_of_speech_there_is_not_enough(seconds: float) -> None:
    heard = speech(voice(5.0)[: int(seconds * RATE)])
    assert not heard.enough
    assert len(heard.times) < FEWEST


def test_silence_has_no_speech() -> None:
    assert len(speech(np.zeros(RATE, np.float32)).times) == 0


def test_a_steady_tone_is_described_as_unlike_speech() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE).astype(np.float32)
    assert speech(voice()).described()[-1] > 5 * speech(tone).described()[-1]
