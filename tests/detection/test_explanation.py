"""A map says where, a time line says when, and both say it in words too."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detection import explanation
from detection.detectors import Span


@pytest.fixture
def picture() -> np.ndarray:
    """Dark, with a bright stripe in the upper left quarter: (3, 64, 64)."""
    made = np.full((3, 64, 64), 20, np.float32)
    made[:, 8:24, 8:24] = np.indices((16, 16)).sum(axis=0) % 2 * 255
    return made


def test_occlusion_marks_what_the_score_rests_on_and_nothing_else() -> None:
    def contrast(batch: np.ndarray) -> np.ndarray:
        return np.asarray(batch[:, :, :32, :32].std(axis=(1, 2, 3)), dtype=np.float32)

    made = np.full((3, 64, 64), 20, np.float32)
    made[:, 8:24, 8:24] = np.indices((16, 16)).sum(axis=0) % 2 * 255
    heat = explanation.occlusion(contrast, made, cells=4)
    assert heat.shape == (4, 4)
    assert heat[:2, :2].min() > 0
    assert np.allclose(heat[2:], 0) and np.allclose(heat[:, 2:], 0)


def test_a_map_is_between_nothing_and_its_own_strongest_place() -> None:
    shown = explanation.normalised(np.array([[-3.0, 0.0], [2.0, 4.0]], np.float32))
    assert shown.tolist() == [[0, 0], [0.5, 1]]


@pytest.mark.parametrize("odd", [np.zeros((4, 4)), np.full((4, 4), -1.0), np.full((4, 4), np.nan)])
def test_a_map_without_evidence_is_empty_and_says_so(odd: np.ndarray) -> None:
    heat = odd.astype(np.float32)
    assert not explanation.normalised(heat).any()
    assert "empty" in explanation.described(heat)


def test_the_text_alternative_names_the_place_and_the_share() -> None:
    heat = np.zeros((9, 9), np.float32)
    heat[7:, 7:] = 1
    assert (
        explanation.described(heat)
        == "The map is strongest in the lower right of the picture; it marks 5% of its area."
    )
    assert "most of the picture" in explanation.described(np.ones((9, 9), np.float32))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (7, 3)])
def test_small_maps_are_described_too(shape: tuple[int, int]) -> None:
    heat = np.zeros(shape, np.float32)
    heat[0, 0] = 1
    assert explanation.described(heat).startswith("The map ")


def test_a_time_line_in_words_names_each_stretch_and_their_share() -> None:
    spans = [Span(1, 3, "1.50"), Span(4, 5, "0.80")]
    assert explanation.spans_described(spans, 5.0) == "Marked: 1.0 to 3.0 s, 4.0 to 5.0 s; 60% of the 5.0 seconds."
    assert "No stretch" in explanation.spans_described([], 5.0)


@pytest.mark.parametrize("length", [0, 10, 16_000, 200_000])
def test_a_spectrogram_is_drawn_for_a_sound_of_any_length(tmp_path: Path, length: int) -> None:
    sound = np.sin(np.arange(length) * 0.3).astype(np.float32)
    told = explanation.draw_spectrogram(sound, 16_000, [Span(0.1, 0.4)], tmp_path / "sound.png")
    assert told.startswith("Spectrogram")
    with Image.open(tmp_path / "sound.png") as drawn:
        assert drawn.size == explanation.SIZE


def test_a_loud_tone_is_brighter_than_silence_in_its_own_row(tmp_path: Path) -> None:
    tone = np.sin(np.arange(16_000) * 2 * np.pi * 4000 / 16_000).astype(np.float32)
    explanation.draw_spectrogram(tone, 16_000, [], tmp_path / "tone.png")
    with Image.open(tmp_path / "tone.png") as drawn:
        rows = np.asarray(drawn.convert("L")).mean(axis=1)
    assert abs(int(rows.argmax()) - len(rows) // 2) < len(rows) * 0.05


def test_a_marked_span_changes_the_spectrogram_there_and_only_there(tmp_path: Path) -> None:
    sound = np.random.default_rng(1).normal(size=32_000).astype(np.float32)
    explanation.draw_spectrogram(sound, 16_000, [], tmp_path / "plain.png")
    explanation.draw_spectrogram(sound, 16_000, [Span(1.0, 2.0)], tmp_path / "marked.png")
    plain, marked = (np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("plain.png", "marked.png"))
    half = plain.shape[1] // 2
    assert np.array_equal(plain[:, : half - 1], marked[:, : half - 1])
    assert (plain[:, half + 1 :] != marked[:, half + 1 :]).any(axis=2).mean() > 0.9


def test_each_cell_weighs_what_painting_it_over_by_hand_takes_away(picture: np.ndarray) -> None:
    """The definition, window by window; Captum's occlusion with the same windows and paint gave the same when tried."""
    weights = np.random.default_rng(0).normal(size=picture.shape)

    def scores(batch: np.ndarray) -> np.ndarray:
        return np.asarray(np.tanh((batch * weights).sum(axis=(1, 2, 3)) / 10_000), dtype=np.float32)

    ours = explanation.occlusion(scores, picture, cells=4)
    assert np.abs(ours).max() > 0.01
    for row in range(4):
        for column in range(4):
            painted, window = picture.copy(), np.s_[:, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            painted[window] = picture[window].mean(axis=(1, 2), keepdims=True)
            assert ours[row, column] == pytest.approx(scores(picture[None])[0] - scores(painted[None])[0], abs=1e-3)
