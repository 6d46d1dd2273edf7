"""Trials of edits: an edited picture lies beside its mask, and a map that knows the mask is worth one."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from detection.evaluation import edits
from detection.evaluation.suite import Item
from detection.training import splicing
from detection.training.augmentation import Rgb
from detection.training.photographs import Photograph
from detection.training.splicing import CutOut
from tests.conftest import PHOTOGRAPHS

KINDS = ("splice", splicing.CUT_OUT)


@pytest.fixture(scope="module")
def found() -> list[Photograph]:
    names = ("cat.jpg", "coffee.jpg", "rocket.jpg")
    pixels = [np.asarray(Image.open(PHOTOGRAPHS / name).convert("RGB"))[:288, :288] for name in names]
    return [Photograph(one, "demo", f"demo/{name}") for one, name in zip(pixels, names, strict=True)]


@pytest.fixture(scope="module")
def items(found: Sequence[Photograph], tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    disc = CutOut(np.full((90, 90, 3), 200, np.float32), np.ones((90, 90), np.float32))
    folder = tmp_path_factory.mktemp("trials")
    return edits.write_trials(found, folder, seed=3, reals=3, each=2, kinds=KINDS, objects=[disc])


def test_a_publisher_has_untouched_pictures_and_so_many_of_each_kind(items: list[Item]) -> None:
    kinds = [item.generator for item in items]
    assert kinds.count("") == 3 and all(kinds.count(kind) == 2 for kind in KINDS)
    for item in items:
        rgb, mask = edits.read(item)
        assert rgb.shape[:2] == mask.shape and rgb.ndim == 3
        assert bool(mask.max() > 0.3) == item.synthetic


def oracle(items: list[Item]) -> edits.Look:
    """Looks up the mask of the picture that it is shown, which must come as it is."""
    known = {rgb.tobytes(): mask for rgb, mask in map(edits.read, items)}

    def look(rgb: Rgb) -> tuple[float, edits.Map]:
        mask = known[rgb.tobytes()]
        side = mask.shape[0] // 8
        return float(mask.mean()), np.asarray(Image.fromarray(mask).resize((side, side), Image.Resampling.BOX))

    return look


def test_a_map_that_knows_the_mask_points_perfectly_and_every_cell_is_told(items: list[Item]) -> None:
    only = {"as_is": lambda rgb: rgb}
    scored, pointed = edits.measure(items, oracle(items), conditions=only)
    cells = edits.cells(pointed)
    assert {(cell["source"], cell["kind"], cell["n"]) for cell in cells} == {("demo", kind, 2) for kind in KINDS}
    assert all(cell["pixel_auc"][0] == pytest.approx(1.0) and cell["split"] == "unseen" for cell in cells)
    (row,) = edits.rows(scored, pointed, None)
    assert row["auc"][0] == 1.0 and row["n_real"] == 3


def test_some_conditions_are_measured_on_some_pictures_only(items: list[Item]) -> None:
    seen: list[Item] = []
    same = {"as_is": lambda rgb: rgb}
    for item in items:
        scored, _ = edits.measure([item], oracle([item]), conditions=same, rarely={"again": lambda rgb: rgb})
        seen += [one.item for one in scored if one.condition == "again"]
    assert len(seen) < len(items)


def test_maps_are_compared_on_pictures_and_what_they_were_before(found: Sequence[Photograph]) -> None:
    pairs = edits.pairs(found, each=1, seed=2)
    assert len(pairs) == 3
    for pair in pairs:
        away = np.abs(pair.altered.astype(int) - pair.original.astype(int)).max(axis=2)
        assert pair.mask is not None
        assert away[pair.mask].mean() > 3 * away[~pair.mask].mean()
