"""Edits made on purpose are what they say: only the mask changes, and they lie anywhere."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from detection.training import splicing
from detection.training.splicing import CutOut
from tests.conftest import PHOTOGRAPHS


def luma(name: str, side: int = 160, mode: str = "L") -> np.ndarray:
    grey = np.asarray(Image.open(PHOTOGRAPHS / name).convert(mode), np.float32)
    return grey[40 : 40 + side, 60 : 60 + side]


def colour(name: str, side: int = 160) -> np.ndarray:
    return luma(name, side, "RGB")


@pytest.mark.parametrize("kind", [*splicing.KINDS, splicing.MOVED, splicing.TURNED])
@pytest.mark.parametrize("part", [luma, colour])
def test_an_edit_changes_the_picture_inside_its_mask_and_nowhere_else(
    kind: str, part: Callable[[str], np.ndarray]
) -> None:
    host = part("coffee.jpg")
    made = splicing.edited(host, part("cat.jpg"), kind, np.random.default_rng(3))
    away = np.abs(made.pixels - host)
    assert away[made.mask > 0.5].mean() > 1
    assert away[made.mask == 0].max() == 0


def test_edits_lie_anywhere_so_that_no_network_learns_the_middle() -> None:
    rng = np.random.default_rng(0)
    covered = np.mean([splicing.blob((64, 64), rng) for _ in range(400)], axis=0)
    middle, corner = covered[24:40, 24:40].mean(), np.mean([covered[:16, :16], covered[-16:, -16:]])
    assert middle < 3 * corner


def stamp(side: int = 80) -> CutOut:
    """A red disc with a soft edge."""
    away = np.hypot(*(np.indices((side, side)) - (side - 1) / 2))
    alpha = (side / 2 - 4 - away).clip(0, 4).astype(np.float32) / 4
    return CutOut(np.full((side, side, 3), (220, 30, 30), np.float32), alpha)


def test_a_cut_out_lies_in_the_picture_with_its_own_soft_edge() -> None:
    host = colour("coffee.jpg")
    made = [splicing.with_object(host, stamp(), np.random.default_rng(seed)) for seed in range(12)]
    assert all(one.pixels.shape == host.shape for one in made)
    assert all(np.abs(one.pixels - host)[one.mask == 0].max() == 0 for one in made)
    assert any(((one.mask > 0.05) & (one.mask < 0.95)).any() for one in made)
    assert np.mean([one.mask.mean() for one in made]) > 0.02


def test_an_untouched_picture_is_published_like_an_edited_one() -> None:
    host = colour("rocket.jpg")
    made = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        how = splicing.drawn_publishing(rng)
        start = host[: how.before(96), : how.before(96)]
        made += [splicing.published(splicing.untouched(start), how, 96)]
    assert all(one.pixels.shape == (96, 96, 3) and not one.mask.any() for one in made)
    assert all((one.pixels == one.pixels.round()).all() for one in made), "stored pictures have whole levels"
    assert any(np.abs(one.pixels - host[:96, :96]).mean() > 0.5 for one in made)


def test_the_mask_follows_a_picture_that_is_made_smaller() -> None:
    mask = np.zeros((160, 160), np.float32)
    mask[40:80, 40:80] = 1
    how = splicing.Publishing(0.8, 0, 75)
    made = splicing.published(splicing.Edited(colour("rocket.jpg"), mask), how, 128)
    assert made.mask[34:62, 34:62].min() > 0.9 and made.mask[:28].max() < 0.1


def test_filling_by_diffusion_keeps_what_is_around_and_is_smooth_inside() -> None:
    host, hole = colour("cat.jpg"), np.zeros((160, 160), bool)
    hole[60:100, 60:100] = True
    filled = splicing.diffused(host, hole)
    assert (filled[~hole] == host[~hole]).all()
    assert np.abs(np.diff(filled[62:98, 62:98], axis=0)).mean() < np.abs(np.diff(host[62:98, 62:98], axis=0)).mean()


def test_a_hole_runs_in_from_its_border() -> None:
    slope = np.tile(np.linspace(0, 255, 64, dtype=np.float32), (64, 1))
    hole = np.zeros((64, 64), bool)
    hole[20:44, 20:44] = True
    filled = splicing.run_in(slope, hole)
    assert (filled[~hole] == slope[~hole]).all()
    assert np.abs(filled[hole] - slope[hole]).mean() < 25


def test_the_same_seed_makes_the_same_edit() -> None:
    first, second = (
        splicing.edited(luma("cat.jpg"), luma("coffee.jpg"), "splice", np.random.default_rng(9)) for _ in range(2)
    )
    assert (first.pixels == second.pixels).all()
