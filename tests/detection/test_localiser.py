"""Training the localiser: repeatable, blind to where the border is, and honest about what a fold has seen."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="only the trainer has PyTorch")

from detection.training import edited_image, face, localiser  # noqa: E402
from detection.training.edited_image import Fold, Made  # noqa: E402
from detection.training.face_crops import Drawn  # noqa: E402
from detection.training.localiser import Plan  # noqa: E402
from detection.training.photographs import Photograph  # noqa: E402

torch.set_num_threads(1)  # as the trainer: small tensors, and other tests want the other cores


@pytest.fixture(scope="module")
def bank() -> tuple[localiser.Bank, list[Made]]:
    rng = np.random.default_rng(0)
    noise = rng.normal(128, 30, (4, 240, 240)).clip(0, 255).astype(np.uint8)
    found = [Photograph(one, source, source) for one, source in zip(noise, ("a", "b", "a", "b"), strict=True)]
    return edited_image.make_bank(found, crops=24, seed=1)


def test_the_same_bank_and_seed_train_the_same_network(bank: tuple[localiser.Bank, list[Made]]) -> None:
    first, second = (
        localiser.train(bank[0], Plan(epochs=1, batch=8, seed=3), lambda epoch, loss: None) for _ in range(2)
    )
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), second.parameters(), strict=True))


def test_training_lowers_the_loss(bank: tuple[localiser.Bank, list[Made]]) -> None:
    losses: list[float] = []
    localiser.train(bank[0], Plan(epochs=4, batch=8, seed=3), lambda epoch, loss: losses.append(loss))
    assert losses[-1] < losses[0]


def test_a_fold_trains_on_nothing_that_it_leaves_out() -> None:
    fold = Fold(("Bob’s themes",), "splice")
    assert fold.allows(Made("wallpapers", "", "fill"))
    assert not fold.allows(Made("Bob’s themes", "", "fill"))
    assert not fold.allows(Made("wallpapers", "Bob’s themes", "fill"))
    assert not fold.allows(Made("wallpapers", "", "splice"))


def test_every_publisher_and_every_kind_is_left_out_by_one_fold() -> None:
    names = ["e", "d", "c", "b", "a"]
    known = edited_image.folds(names)
    assert sorted(name for fold in known for name in fold.sources) == sorted(names)
    assert len({fold.kind for fold in known}) == len(known) == 4


def test_a_fold_of_faces_leaves_out_people_and_makers() -> None:
    fold = face.Fold(("tabler",), face.MODERN)
    assert fold.allows(Drawn("themes", "")) and fold.allows(Drawn("gan", "dcgan"))
    assert not fold.allows(Drawn("tabler", "self_blend")) and not fold.allows(Drawn("comfy-image", "flux"))


def test_the_bank_is_kept_without_pickles(bank: tuple[localiser.Bank, list[Made]], tmp_path: Path) -> None:
    edited_image.save_bank(tmp_path / "bank.npz", *bank)
    kept, origins = edited_image.read_bank(tmp_path / "bank.npz")
    assert origins == bank[1]
    assert torch.allclose(kept.traces, bank[0].traces, rtol=2e-3, atol=2e-3)


def test_a_plain_picture_has_the_same_map_everywhere() -> None:
    network = localiser.Localiser().eval()
    heat = network(torch.full((1, 1, 96, 96), 80.0)).detach()
    assert float(heat.max() - heat.min()) < 1e-3, "the border must not be seen"
