"""Training the localiser: repeatable, blind to where the border is, and honest about what a fold has seen."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="only the trainer has PyTorch")

from detection.evaluation.harness import Scored  # noqa: E402
from detection.evaluation.suite import Item  # noqa: E402
from detection.training import crops, edited_image, localiser  # noqa: E402
from detection.training.crops import Crops, Made  # noqa: E402
from detection.training.edited_image import Fold  # noqa: E402
from detection.training.localiser import Bank, Plan  # noqa: E402
from detection.training.photographs import Photograph  # noqa: E402
from detection.training.splicing import CutOut  # noqa: E402

torch.set_num_threads(1)  # as the trainer: small tensors, and other tests want the other cores


@pytest.fixture(scope="module")
def made() -> Crops:
    rng = np.random.default_rng(0)
    noise = rng.normal(128, 30, (4, 240, 240, 3)).clip(0, 255).astype(np.uint8)
    found = [Photograph(one, source, source) for one, source in zip(noise, ("a", "b", "a", "b"), strict=True)]
    disc = CutOut(np.full((80, 80, 3), 30, np.float32), np.ones((80, 80), np.float32))
    return crops.make_crops(found, [disc], count=24, seed=1)


@pytest.fixture(scope="module")
def bank(made: Crops) -> Bank:
    torch.manual_seed(0)
    return localiser.measured(localiser.Measures(), made.pixels, made.wanted)


def test_the_same_bank_and_seed_train_the_same_network(bank: Bank) -> None:
    first, second = (
        localiser.train(bank, range(24), Plan(epochs=1, batch=8, seed=3), lambda epoch, loss: None) for _ in range(2)
    )
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), second.parameters(), strict=True))


def test_training_lowers_the_loss(bank: Bank) -> None:
    losses: list[float] = []
    localiser.train(bank, range(24), Plan(epochs=6, batch=8, seed=3), lambda epoch, loss: losses.append(loss))
    assert losses[-1] < losses[0]


def test_a_fold_trains_on_nothing_that_it_leaves_out() -> None:
    fold = Fold(("Bob’s themes",), ("splice", "cut_out"))
    assert fold.allows(Made("wallpapers", "", "fill"))
    assert not fold.allows(Made("Bob’s themes", "", "fill"))
    assert not fold.allows(Made("wallpapers", "Bob’s themes", "fill"))
    assert not fold.allows(Made("wallpapers", "", "splice"))


def test_every_publisher_and_every_kind_is_left_out_by_one_fold() -> None:
    names = ["e", "d", "c", "b", "a"]
    known = edited_image.folds(names)
    assert sorted(name for fold in known for name in fold.sources) == sorted(names)
    assert sorted(kind for fold in known for kind in fold.kinds) == sorted(crops.KINDS)


def test_crops_and_what_was_measured_of_them_are_kept_without_pickles(made: Crops, tmp_path: Path) -> None:
    crops.save(tmp_path / "crops.npz", made)
    kept = crops.read(tmp_path / "crops.npz")
    assert kept.made == made.made and (kept.pixels == made.pixels).all() and (kept.wanted == made.wanted).all()
    measures = localiser.Measures()
    first, again = (edited_image.measured(tmp_path, kept, measures, lambda text: None) for _ in range(2))
    assert np.array_equal(first.cells, again.cells, equal_nan=True) and first.cells.dtype == np.float16


def test_the_part_that_was_learned_elsewhere_stays_as_it_is(bank: Bank) -> None:
    network = localiser.Localiser().train()
    assert not network.measures.sight.training
    assert not any(one.requires_grad for one in network.measures.parameters())


def test_the_learned_part_does_not_see_where_the_border_is() -> None:
    network = localiser.Compare().eval()
    heat = network(torch.ones(1, localiser.CELLS, 20, 20), torch.ones(1, localiser.FAR, 10, 10)).detach()
    assert float(heat.max() - heat.min()) < 1e-3


def test_the_threshold_is_reached_by_hardly_any_photograph_of_the_folds_under_any_condition() -> None:
    rng = np.random.default_rng(5)
    scored = []
    for source in ("Alice", "Bob", "Dana"):
        for index in range(40):
            item = Item(Path(f"{source}{index}.png"), index % 2 == 1, source, "splice" if index % 2 else "")
            score = float(rng.normal(index % 2, 1))
            scored += [Scored(item, "as_is", score, source), Scored(item, "jpeg_70", score + 2, source)]
    made = edited_image.calibrated(scored, edited_image.DOMAIN)
    reals = [made.raw(one.score) for one in scored if not one.item.synthetic]
    assert made.slope > 0 and made.threshold > max(reals)
