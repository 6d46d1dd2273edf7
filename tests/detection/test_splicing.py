"""Edits made on purpose are what they say: only the mask changes, and they lie anywhere."""

import numpy as np
import pytest
from PIL import Image

from detection.training import splicing
from tests.conftest import PHOTOGRAPHS


def luma(name: str, side: int = 160) -> np.ndarray:
    grey = np.asarray(Image.open(PHOTOGRAPHS / name).convert("L"), np.float32)
    return grey[40 : 40 + side, 60 : 60 + side]


@pytest.mark.parametrize("kind", splicing.KINDS)
def test_an_edit_changes_the_picture_inside_its_mask_and_nowhere_else(kind: str) -> None:
    host = luma("coffee.jpg")
    made = splicing.edited(host, luma("cat.jpg"), kind, np.random.default_rng(3))
    away = np.abs(made.luma - host)
    assert away[made.mask > 0.5].mean() > 1
    assert away[made.mask == 0].max() == 0


def test_edits_lie_anywhere_so_that_no_network_learns_the_middle() -> None:
    rng = np.random.default_rng(0)
    covered = np.mean([splicing.blob((64, 64), rng) for _ in range(400)], axis=0)
    middle, corner = covered[24:40, 24:40].mean(), np.mean([covered[:16, :16], covered[-16:, -16:]])
    assert middle < 3 * corner


def test_an_untouched_picture_is_published_like_an_edited_one() -> None:
    host = luma("rocket.jpg")
    made = [splicing.published(splicing.untouched(host), np.random.default_rng(seed)) for seed in range(8)]
    assert all(one.luma.shape == host.shape and not one.mask.any() for one in made)
    assert all((one.luma == one.luma.round()).all() for one in made), "stored pictures have whole grey levels"
    assert any(np.abs(one.luma - host).mean() > 0.5 for one in made)


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
    assert (first.luma == second.luma).all()
