"""A last layer of this office's own: fitted on what was confirmed, held by what was known, judged beside its parent."""

import json
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pytest
from django.conf import settings
from django.core.management import call_command
from PIL import Image

from accounts.models import User
from core.problems import Problem
from detection import brought, calibration, labels, metrics, network, retraining, versions
from detection.calibration import Calibration, Domain
from detection.models import Claim, Label, ModelVersion
from detection.training import few_shot
from detection.training.few_shot import Examples, Head
from provenance.models import Asset
from tests.detection import models_made
from tests.detection.models_made import DETECTOR

Work = Callable[..., Asset]
WIDTH = 24


def examples(seed: int, count: int, *, towards: int, sources: tuple[str, ...], strength: float = 1.5) -> Examples:
    """Made items differ from real ones along the feature `towards`."""
    random = np.random.default_rng(seed)
    made = np.arange(count) % 2
    features = random.normal(size=(count, WIDTH))
    features[:, towards] += strength * (2 * made - 1)
    names = tuple(f"{'made' if one else 'real'} {sources[n // 2 % len(sources)]}" for n, one in enumerate(made))
    return Examples(features, made, names)


def head(*weights: float) -> Head:
    return Head(np.append(weights, np.zeros(WIDTH - len(weights))), 0.0, 0)


def auc(one: Head, items: Examples) -> float:
    scores = few_shot.logits(one, items)
    return metrics.auc(scores[items.made == 0], scores[items.made == 1])


def test_a_few_confirmed_items_teach_a_new_family_and_the_old_one_is_not_forgotten() -> None:
    parent = head(2.0)  # knows the first feature only
    new = examples(1, 40, towards=1, sources=("here",))
    rehearsal = examples(2, 200, towards=0, sources=("a", "b"))
    child, pull = few_shot.refit(parent, new, rehearsal)
    unseen_new, unseen_old = examples(3, 400, towards=1, sources=("x",)), examples(4, 400, towards=0, sources=("y",))
    assert auc(parent, unseen_new) == pytest.approx(0.5, abs=0.06)
    assert auc(child, unseen_new) > 0.75
    assert auc(child, unseen_old) > 0.85
    assert pull in few_shot.PULLS


def test_labels_that_mean_nothing_leave_the_parent_almost_as_it_was() -> None:
    parent = head(2.0)
    noise = examples(5, 12, towards=1, sources=("here",), strength=0.0)
    child, _ = few_shot.refit(parent, noise, examples(6, 200, towards=0, sources=("a", "b")))
    unseen = examples(7, 400, towards=0, sources=("y",))
    assert auc(child, unseen) > auc(parent, unseen) - 0.05


def test_fitting_twice_gives_the_same_bytes() -> None:
    given = head(1.0), examples(1, 20, towards=1, sources=("h",)), examples(2, 60, towards=0, sources=("a",))
    first, second = few_shot.refit(*given), few_shot.refit(*given)
    assert first[0].weight.tobytes() == second[0].weight.tobytes() and first[1] == second[1]


def test_poisoned_labels_are_caught_on_the_frozen_reference_and_the_source_is_named() -> None:
    parent = head(2.0)
    upside_down = examples(8, 60, towards=0, sources=("mallory",))
    upside_down = Examples(upside_down.features, 1 - upside_down.made, upside_down.sources)
    child, _ = few_shot.refit(parent, upside_down, examples(9, 20, towards=3, sources=("a",), strength=0.1))
    reference = examples(10, 300, towards=0, sources=("camera", "archive"))
    changes = few_shot.compared(parent, child, reference)
    with pytest.raises(Problem) as biased:
        few_shot.check(changes)
    assert biased.value.code == "model.biased" and "camera" in biased.value.detail


def test_a_child_like_its_parent_is_worse_for_nobody() -> None:
    changes = few_shot.compared(head(2.0), head(2.0), examples(10, 300, towards=0, sources=("camera", "archive")))
    few_shot.check(changes)
    assert {one.source for one in changes} == {"real camera", "real archive", "made camera", "made archive"}


@pytest.mark.parametrize("count", [0, few_shot.FEWEST - 1])
def test_too_few_confirmed_items_are_refused(count: int) -> None:
    with pytest.raises(Problem, match="too few"):
        few_shot.refit(
            head(1.0), examples(1, count, towards=0, sources=("h",)), examples(2, 40, towards=0, sources=("a",))
        )


# --- The graph -------------------------------------------------------------------------------------------------------


def test_only_the_last_layer_of_the_file_changes() -> None:
    before = models_made.network(3.0, bias=0.5)
    found = few_shot.head_of(onnx.load_model_from_string(before))
    assert found.weight.tolist() == [1.0, 1.0, 1.0] and found.bias == 0.5
    after = onnx.load_model_from_string(few_shot.with_head(before, np.asarray([1.0, 2.0, 3.0]), -4.0))
    changed = few_shot.head_of(after)
    assert changed.weight.tolist() == [1.0, 2.0, 3.0] and changed.bias == -4.0
    assert [node.op_type for node in after.graph.node] == ["GlobalAveragePool", "Flatten", "Gemm"]


def test_a_network_without_a_linear_last_layer_is_refused() -> None:
    model = onnx.load_model_from_string(models_made.network())
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(onnx.helper.make_node("Sigmoid", ["before"], ["logit"]))
    with pytest.raises(Problem, match="not that of a linear layer"):
        few_shot.head_of(model)
    with pytest.raises(Problem, match="more than one output"):
        few_shot.head_of(onnx.load_model_from_string(models_made.network(outputs=2)))


# --- The whole way ---------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_models_of_others(request: pytest.FixtureRequest) -> Iterator[None]:
    before = list(labels._basis)
    yield
    labels._basis[:] = before
    shutil.rmtree(Path(settings.ASSAY_VAR) / "models", ignore_errors=True)


def picture(red: int, blue: int, seed: int) -> bytes:
    noise = np.random.default_rng(seed).normal([red, 120, blue], 10, (24, 24, 3))
    buffer = BytesIO()
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def reference(folder: Path) -> Path:
    """Made pictures are bright; red and blue play no part."""
    for kind, level in (("real", 70), ("made", 180)):
        for number in range(3):
            place = folder / kind / f"{kind}_{number}"
            place.mkdir(parents=True)
            for item in range(10):
                (place / f"{item}.png").write_bytes(picture(level, level, 1000 * number + item + level))
    return folder


def test_what_reviewers_confirmed_becomes_a_challenger_that_serves_after_the_gate(
    work: Work, alice: User, bob: User, rita: User, ravi: User, olga: User, tmp_path: Path
) -> None:
    (tmp_path / "m").mkdir()
    file, card = tmp_path / "m" / "m.onnx", models_made.card_file(tmp_path / "m")
    file.write_bytes(models_made.network(6.0, bias=-3.0))
    given = reference(tmp_path / "reference")
    (tmp_path / "measured").mkdir()
    about = {"model_sha256": sha256(file.read_bytes()).hexdigest()}
    (tmp_path / "measured" / "evaluation.json").write_text(json.dumps(models_made.evaluation() | about))
    (tmp_path / "measured" / "reference.json").write_text(json.dumps({"scores": [-1.0, -0.5]}))
    fitted = calibration.fit(np.linspace(-3, 3, 40), np.arange(40) >= 20, ["a", "b", "c", "d"] * 10)
    fitted.with_domain(Domain(min_side=20)).write(tmp_path / "measured" / "calibration.json")
    named = {"detector": DETECTOR, "version": "x1", "reason": "A try."}
    parent = brought.bring(file, card, **named, by=olga, measured=tmp_path / "measured")
    ModelVersion.objects.filter(pk=parent.pk).update(stage=ModelVersion.Stage.CHAMPION)  # the gate has its own tests

    labels.register_basis(lambda asset: f"owner:{asset.pk}")
    for number in range(24):  # a family that is no brighter, only redder
        made = number % 2 == 1
        data = picture(160 if made else 90, 90 if made else 160, 77 + number)
        asset = work(alice if number < 12 else bob, data, "image/png", title=f"{number}")
        label = labels.propose(asset, "edited", Claim.MADE if made else Claim.REAL, Label.Origin.REVIEWER, by=rita)
        labels.admit(labels.corroborate(label, ravi), olga)

    more = ["--reason", "Confirmed here.", "--by", olga.email]
    call_command("model", "learn", DETECTOR, "--reference", str(given), "--version", "x2", *more)
    child = ModelVersion.objects.get(version="x2")
    assert child.parent == ModelVersion.objects.get(pk=parent.pk) and child.stage == "challenger"
    folder = versions.opened(child).folder
    told = json.loads((folder / retraining.REPORT).read_text())
    assert told["new"] == 24 and told["rehearsed"] + told["frozen"] == 60
    measured = json.loads((folder / "evaluation.json").read_text())
    assert measured["against"] == about["model_sha256"]  # what it was compared with
    assert measured["model_sha256"] == sha256((folder / "model.onnx").read_bytes()).hexdigest()
    assert measured["membership"]["members"] == 24 + told["rehearsed"]
    scores = json.loads((folder / "reference.json").read_text())["scores"]  # of the frozen real files, as they are
    assert 0 < len(scores) < told["frozen"] and all(isinstance(one, float) for one in scores)
    assert {row["use"] for row in measured["data"]} == {"train", "calibrate and test"}
    fitted = Calibration.read(folder / "calibration.json")
    assert fitted.domain == Domain(min_side=20)  # its parent's
    assert {rate.source for rate in fitted.error_rates} == {
        f"{kind}_{n}" for kind in ("real", "made") for n in range(3)
    }

    before, after = (network.Network(versions.opened(one).folder / "model.onnx") for one in (parent, child))
    redder = np.stack([np.full((16, 16), value, np.float32) for value in (160 / 255, 120 / 255, 90 / 255)])[None]
    bluer = redder[:, ::-1].copy()
    assert float(before.run(redder)[0, 0]) == pytest.approx(float(before.run(bluer)[0, 0]), abs=1e-3)
    assert float(after.run(redder)[0, 0]) > float(after.run(bluer)[0, 0]) + 0.5


def test_without_a_basis_there_is_nothing_to_learn(olga: User, tmp_path: Path) -> None:
    with pytest.raises(Problem) as refused:
        retraining.learn(DETECTOR, version="x2", reference=tmp_path, reason="Nothing.", by=olga)
    assert refused.value.code in ("model.few_shot", "detection.model_refused")
    assert not ModelVersion.objects.exists()
