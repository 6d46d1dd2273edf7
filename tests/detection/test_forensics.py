"""The pixel detector really looks at pixels: it points at edited areas, and a random map does not pass the same
check.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.problems import Problem
from detection import pictures
from detection.detectors import Media, Region
from detection.detectors.forensics import detector
from detection.detectors.forensics.detector import BLOCK
from tests.conftest import PHOTOGRAPHS
from tests.detection import media

NAMES = ("rocket.jpg", "coffee.jpg", "cat.jpg", "deep-field.jpg")
PLACES = ((0.15, 0.2), (0.55, 0.45))
SHARE = 0.3  # of the shorter side


def boxes(image: Image.Image) -> list[media.Box]:
    side = int(min(image.size) * SHARE)
    corners = [(int(image.width * x), int(image.height * y)) for x, y in PLACES]
    return [(x, y, x + side, y + side) for x, y in corners]


def map_of(image: Image.Image, path: Path) -> np.ndarray:
    path.write_bytes(media.png(image))
    return detector.inconsistency(pictures.read_picture(str(path))).heat


def inside(box: media.Box, shape: tuple[int, ...]) -> np.ndarray:
    rows, columns = (np.indices(shape) + 0.5) * BLOCK
    across, down = (columns > box[0]) & (columns < box[2]), (rows > box[1]) & (rows < box[3])
    return np.asarray(across & down)


def hotter_inside(heat: np.ndarray, mask: np.ndarray) -> float:
    """The share of pairs (a block inside, a block outside) of which the one inside is hotter: 0.5 is chance."""
    one, other = heat[mask][:, None], heat[~mask][None]
    return float((one > other).mean() + 0.5 * (one == other).mean())


TOGETHER = pytest.mark.xdist_group("maps")  # what is made once is made in one process


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """(edit, map of the edited photograph, map of the untouched one, blocks of the edit) for 48 edits."""
    path = tmp_path_factory.mktemp("maps") / "picture.png"
    photos = [Image.open(PHOTOGRAPHS / name).convert("RGB") for name in NAMES]
    found = []
    for index, image in enumerate(photos):
        untouched = map_of(image, path)
        for how in media.EDITS:
            for box in boxes(image):
                heat = map_of(media.edited(image, how, box, photos[index - 1]), path)
                found.append((how, heat, untouched, inside(box, heat.shape)))
    return found


@TOGETHER
def test_the_heat_is_higher_inside_every_kind_of_edit_than_outside(trials: list) -> None:
    for how in media.EDITS:
        scores = [hotter_inside(heat, mask) for kind, heat, _, mask in trials if kind == how]
        assert np.mean(scores) > 0.7, f"{how}: {scores}"


@TOGETHER
def test_the_same_places_of_the_untouched_photographs_are_not_hotter(trials: list) -> None:
    assert np.mean([hotter_inside(untouched, mask) for _, _, untouched, mask in trials]) < 0.65
    gains = [hotter_inside(heat, mask) - hotter_inside(untouched, mask) for _, heat, untouched, mask in trials]
    assert np.mean(gains) > 0.2


@TOGETHER
def test_the_peak_falls_into_the_edit_far_more_often_than_chance(trials: list) -> None:
    hits = np.mean([bool(mask.flat[int(heat.argmax())]) for _, heat, _, mask in trials])
    chance = np.mean([mask.mean() for *_, mask in trials])
    assert hits > 4 * chance


@TOGETHER
def test_a_random_map_fails_the_same_checks(trials: list) -> None:
    random = np.random.default_rng(0)
    scores = [hotter_inside(random.normal(size=heat.shape), mask) for _, heat, _, mask in trials]
    hits = [bool(mask.flat[int(random.normal(size=heat.shape).argmax())]) for _, heat, _, mask in trials]
    assert np.mean(scores) < 0.6
    assert np.mean(hits) <= 4 * np.mean([mask.mean() for *_, mask in trials])


def test_the_same_file_gives_the_same_map(photo_path: Path) -> None:
    one, other = (detector.inconsistency(pictures.read_picture(str(photo_path))).heat for _ in range(2))
    assert np.array_equal(one, other)


def test_a_marked_region_is_a_box_inside_the_picture(photo: bytes, tmp_path: Path) -> None:
    image = media.photograph(photo)
    [box, _] = boxes(image)
    path = tmp_path / "edited.png"
    path.write_bytes(media.png(media.edited(image, "noised", box, image)))
    [finding] = detector.examine(str(path), "image/png", str(tmp_path), lambda percent, note="": None)["findings"]
    region = {name: float(value) for name, value in finding["details"]["regions"][0].items()}
    assert 0 <= region["x"] <= region["x"] + region["width"] <= 1
    assert 0 <= region["y"] <= region["y"] + region["height"] <= 1
    middle = (region["x"] + region["width"] / 2) * image.width, (region["y"] + region["height"] / 2) * image.height
    assert box[0] < middle[0] < box[2] and box[1] < middle[1] < box[3]
    assert finding["details"]["alternative"].startswith("The map is strongest in the ")
    with Image.open(tmp_path / finding["heatmap"]) as drawn:
        assert drawn.mode == "RGBA"
        assert drawn.width / drawn.height == pytest.approx(image.width / image.height, rel=0.01)


def test_the_strength_is_never_above_weak_however_loud_the_edit(photo: bytes, tmp_path: Path) -> None:
    image = media.photograph(photo)
    loud = image.copy()
    noise = np.random.default_rng(7).normal(128, 90, (200, 200)).clip(0, 255).astype(np.uint8)
    loud.paste(Image.fromarray(noise).convert("RGB"), (200, 100))
    (tmp_path / "loud.png").write_bytes(media.png(loud))
    found = detector.examine(str(tmp_path / "loud.png"), "image/png", str(tmp_path), lambda percent, note="": None)
    assert {finding["strength"] for finding in found["findings"]} <= {"none", "weak"}
    assert "not proof of" in found["findings"][0]["statement"]


@pytest.mark.parametrize(
    ("name", "peak", "rival"),
    [("rocket", 14.605, 9.906), ("coffee", 5.170, 4.257), ("cat", 5.838, 3.917), ("deep-field", 10.671, 9.227)],
)
def test_the_map_is_what_it_was_when_pytorch_computed_it(name: str, peak: float, rival: float) -> None:
    """The figures are of version 1.1, which used PyTorch 2.13."""
    found = detector.inconsistency(pictures.read_picture(str(PHOTOGRAPHS / f"{name}.jpg")))
    assert (found.peak, found.rival) == pytest.approx((peak, rival), abs=0.1)


def test_a_region_is_looked_at_and_the_rest_of_the_picture_stays_the_yardstick(photo: bytes, tmp_path: Path) -> None:
    (tmp_path / "whole.jpg").write_bytes(photo)
    item = Media(tmp_path / "whole.jpg", "image/jpeg", tmp_path)
    [whole] = detector.analyze(item)
    [part] = detector.analyze(item, Region(0, 0, 0.5, 0.5))
    assert float(part.score) <= float(whole.score)
    assert all(box.x < 0.5 and box.y < 0.5 for box in part.regions)


def test_a_video_gets_a_time_line_of_at_most_eight_frames(
    photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = media.photograph(photo).resize((320, 208))
    path = tmp_path / "clip.mp4"
    path.write_bytes(media.video([frame.rotate(turn) for turn in range(20)]))
    [finding] = detector.examine(str(path), "video/mp4", str(tmp_path), lambda percent, note="": None)["findings"]
    moments = [float(point["seconds"]) for point in finding["details"]["frames"]]
    assert len(moments) == 8 and moments == sorted(set(moments))
    assert finding["details"]["frame_seconds"] in {point["seconds"] for point in finding["details"]["frames"]}
    assert {one["start"] for one in finding["timeline"]} <= set(moments)
    monkeypatch.setattr(detector, "STANDS_OUT", 0.0)
    monkeypatch.setattr(detector, "ALONE", 0.0)
    [finding] = detector.examine(str(path), "video/mp4", str(tmp_path), lambda percent, note="": None)["findings"]
    assert [one["start"] for one in finding["timeline"]] == moments  # where in time, as everybody else tells it


def test_a_large_picture_is_reduced_and_says_so(photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "FULL_PIXELS", 100_000)
    (tmp_path / "large.jpg").write_bytes(photo)
    picture = pictures.read_picture(str(tmp_path / "large.jpg"))
    assert picture.reduced == 2 and picture.luma.size <= 100_000


@pytest.mark.parametrize(
    ("size", "code"), [((64, 400), "detection.too_small"), ((20_000, 20_000), "detection.too_large")]
)
def test_a_picture_of_the_wrong_size_is_refused_in_words(tmp_path: Path, size: tuple[int, int], code: str) -> None:
    path = tmp_path / "odd.png"
    head = media.png(Image.new("1", (8, 8)))
    body = size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big") + head[24:29]
    path.write_bytes(head[:8] + media.png_chunk(b"IHDR", body) + head[33:])
    with pytest.raises(Problem) as refused:
        pictures.read_picture(str(path))
    assert refused.value.code == code
    assert refused.value.detail


@pytest.mark.parametrize("shade", [0, 255])
def test_a_flat_picture_has_nothing_that_stands_out(tmp_path: Path, shade: int) -> None:
    path = tmp_path / "flat.png"
    path.write_bytes(media.png(Image.new("L", (256, 256), shade)))
    found = detector.inconsistency(pictures.read_picture(str(path)))
    assert np.isfinite(found.heat).all() and found.peak < detector.MARKED
