"""The temporal net is measured on clips whose source and generator it did not see; the same data give the same net."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detection import criteria
from detection.conditions import AS_IS
from detection.evaluation.suite import Item
from tests.conftest import PHOTOGRAPHS

torch = pytest.importorskip("torch")

from detection.clips import FRAMES  # noqa: E402 - where torch is missing nothing below is tested
from detection.detectors.video.changes import NAMES  # noqa: E402
from detection.training import video, video_clips  # noqa: E402
from detection.training.video import Data  # noqa: E402
from detection.training.video_clips import CONDITIONS, Windows  # noqa: E402


def items() -> tuple[Item, ...]:
    real = [Item(Path(f"r{i}"), False, f"source {i % 4}", "", f"r{i}") for i in range(12)]
    made = [Item(Path(f"m{i}"), True, "wheel", f"generator {i % 3}", f"m{i}") for i in range(12)]
    return (*real, *made)


@pytest.fixture(scope="module")
def data() -> Data:
    """Made clips change a little more from frame to frame."""
    rng, owners = np.random.default_rng(0), np.repeat(np.arange(24), 8)
    rows = rng.normal(0, 1, (192, FRAMES - 1, len(NAMES))).astype(np.float32)
    rows[owners >= 12, :, 0] += 1.5
    conditions = np.array([CONDITIONS[index % 4] for index in range(192)])
    return Data(Windows(rows, owners, conditions, np.ones(192, int)), items())


def test_no_net_is_measured_on_a_source_or_a_generator_that_it_saw(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[set[int]] = []
    real = video.fitted

    def spied(given: Data, train: list[int], *, seed: int) -> video.Temporal:
        trained.append(set(train))
        return real(given, train, seed=seed)

    monkeypatch.setattr(video, "STEPS", 2)
    monkeypatch.setattr(video, "fitted", spied)
    nets = [(split, net) for split, several in video.held_out(data, tmp_path).items() for net in several]
    assert len(nets) == len(trained) == 3 + 4
    for seen, (split, net) in zip(trained, nets, strict=True):
        known = [data.items[index] for index in seen]
        sources = {item.source for item in known if not item.synthetic}
        generators = {item.generator for item in known if item.synthetic}
        for one in net:
            assert one.item not in known and one.item.generator not in generators
            assert split == "leave_one_generator_out" or one.item.source not in sources


def test_the_same_data_and_seed_give_the_same_net_and_it_learns_what_is_there(data: Data) -> None:
    one, other = (video.fitted(data, range(24), seed=3) for _ in range(2))
    for left, right in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(left, right)
    told = video.scored(one, data, range(24), "")
    made = [each.score for each in told if each.item.synthetic]
    assert min(made) > np.median([each.score for each in told if not each.item.synthetic])


def test_each_source_and_generator_weighs_alike_however_many_clips_it_has(data: Data) -> None:
    mask = data.of(range(24))
    weight = video._balanced(data, mask)
    labels = data.labels[mask]
    assert weight[labels == 0].sum() == pytest.approx(0.5) and weight[labels == 1].sum() == pytest.approx(0.5)
    by_source = [weight[data.windows.item == index].sum() for index in range(12)]
    assert max(by_source) == pytest.approx(min(by_source))


def test_every_condition_keeps_the_film_and_changes_its_pixels() -> None:
    with Image.open(PHOTOGRAPHS / "coffee.jpg") as opened:
        film = video_clips.panned(np.asarray(opened.convert("RGB")), np.random.default_rng(1), 10)
    for condition in CONDITIONS:
        after = video_clips.after(film, condition)
        assert len(after) == len(film)
        if condition != "resize":
            away = np.abs(after.astype(int) - film.astype(int)).mean()
            assert away < 12 and (away == 0) == (condition == "as_is")
    with pytest.raises(ValueError, match="fax"):
        video_clips.after(film, "fax")


def test_a_film_sped_up_gives_fewer_and_larger_changes() -> None:
    with Image.open(PHOTOGRAPHS / "coffee.jpg") as opened:
        film = video_clips.panned(np.asarray(opened.convert("RGB")), np.random.default_rng(1), 4 * FRAMES)
    slow, fast = (video_clips.windows_of(film, speed, 10) for speed in (1, 3))
    assert len(slow) == 4 and len(fast) == 1
    assert fast[0][:, 0].mean() > slow[0][:, 0].mean()


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("comfyui_workflow_templates_media_api_api_kling_t2v-1.webp", True),
        ("comfyui_workflow_templates_media_video_text_to_video_wan-1.webp", True),
        ("comfyui_workflow_templates_media_video_api_kling_o3_video_edit-1.webp", False),
        ("comfyui_workflow_templates_media_api_api_meshy_image_to_model-1.webp", False),
        ("comfyui_workflow_templates_media_other_api_topaz_astra2-2.webp", False),
        ("comfyui_workflow_templates_media_api_api_vidu_q2_r2v-1.webp", False),
    ],
)
def test_only_clips_that_a_model_made_are_taken(name: str, made: bool) -> None:
    assert video_clips.is_made(name) is made


def test_what_films_go_through_is_what_the_release_gate_asks_for() -> None:
    assert set(CONDITIONS) == {AS_IS, *criteria.grid_of(("video", "image"))}
