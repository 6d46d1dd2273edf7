"""Models that others made: taken in with a card, opened in a child, never unpickled."""

import io
import json
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from accounts.models import User
from core.problems import Problem
from detection import adapters, brought, brought_detector, measuring, network, registry, versions, wording
from detection.calibration import Calibration, Domain
from detection.detectors import Answer, Media
from detection.models import ModelVersion
from tests.detection import models_made
from tests.detection.models_made import DETECTOR

pytestmark = pytest.mark.usefixtures("own_models")


def bring(file: Path, card: Path, by: User, **options: Any) -> ModelVersion:
    told = {"detector": DETECTOR, "version": "x1", "reason": "Tried by a colleague.", "by": by, **options}
    return brought.bring(file, card, **told)


def refusal(file: Path, card: Path, by: User, **options: Any) -> Problem:
    with pytest.raises(Problem) as refused:
        bring(file, card, by, **options)
    assert not ModelVersion.objects.exists()
    assert refused.value.status == 422 and refused.value.next_step
    return refused.value


def onnx_file(path: Path, data: bytes | None = None) -> Path:
    path.write_bytes(models_made.network() if data is None else data)
    return path


def test_an_onnx_file_with_a_card_becomes_a_challenger(olga: User, tmp_path: Path) -> None:
    row = bring(onnx_file(tmp_path / "bright.onnx"), models_made.card_file(tmp_path), olga)
    assert (row.stage, row.brought) == ("challenger", True)
    artefact = versions.opened(row)
    assert set(artefact.files) == {
        *("adapter.json", "bom.cdx.json", "card.yaml", "manifest.json", "model.onnx", "parity.json")
    }
    assert json.loads((artefact.folder / "parity.json").read_text())["shape"] == [1, 3, 16, 16]


# --- Bad imports: each is a sentence for people, and nothing is kept -------------------------------------------------


def test_a_wrong_input_shape_is_refused(olga: User, tmp_path: Path) -> None:
    card = models_made.card_file(tmp_path, preprocessing={"kind": "picture", "side": 32})
    found = refusal(onnx_file(tmp_path / "m.onnx"), card, olga)
    assert "its input is [1, 3, 16, 16], not [1, 3, 32, 32] as its card says" in found.detail


def test_a_sound_shape_for_a_picture_network_is_refused(olga: User, tmp_path: Path) -> None:
    card = models_made.card_file(tmp_path, preprocessing={"family": "aasist"})
    assert "reads image, video, and this model a sound" in refusal(onnx_file(tmp_path / "m.onnx"), card, olga).detail


def test_a_wrong_number_of_outputs_is_refused(olga: User, tmp_path: Path) -> None:
    file = onnx_file(tmp_path / "m.onnx", models_made.network(outputs=5))
    found = refusal(file, models_made.card_file(tmp_path), olga)
    assert "'logit' has 5 values for one input, and its card means 1" in found.detail


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(olga: User, tmp_path: Path, value: float) -> None:
    file = onnx_file(tmp_path / "m.onnx", models_made.network(weight=value))
    assert "weights are no numbers" in refusal(file, models_made.card_file(tmp_path), olga).detail


def test_weights_in_a_second_file_are_refused(olga: User, tmp_path: Path) -> None:
    model = onnx.load_from_string(models_made.network())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../keys/log.key")
    file = onnx_file(tmp_path / "m.onnx", model.SerializeToString())
    assert "second file" in refusal(file, models_made.card_file(tmp_path), olga).detail


class _RunsCode:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (Path("was-run"), "code")


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(_RunsCode()))
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["model.pth", "model.onnx", "model.safetensors"])
@pytest.mark.parametrize("make", [lambda: pickle.dumps(_RunsCode()), _archive], ids=["pickle", "torch archive"])
def test_a_pickle_is_refused_unopened_whatever_it_is_called(
    olga: User, tmp_path: Path, name: str, make: Callable[[], bytes]
) -> None:
    found = refusal(onnx_file(tmp_path / name, make()), models_made.card_file(tmp_path), olga)
    assert found.code == "model.pickled" and "was not opened" in found.detail
    assert not Path("was-run").exists()


@pytest.mark.parametrize("field", ["summary", "licence", "limits", "cannot"])
def test_a_missing_field_of_the_card_is_named(olga: User, tmp_path: Path, field: str) -> None:
    card = models_made.card_file(tmp_path, **{field: None})
    found = refusal(onnx_file(tmp_path / "m.onnx"), card, olga)
    assert found.code == "detection.card_refused" and f"`{field}`" in found.detail


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "needs `family`, or `kind`"),
        ({"kind": "picture", "sides": 3}, "no field `sides`"),
        ({"kind": "smell"}, "`preprocessing.kind` is one of"),
        ({"kind": "picture", "std": [1, 0, 1]}, "divided by zero"),
        ({"kind": "picture", "side": 10**6}, "whole number from 8"),
        ({"kind": "picture", "mean": "red"}, "three numbers"),
        *(({"kind": "picture", "scale": scale}, "`scale` is a number") for scale in (float("nan"), "255", "abc", True)),
        ({"kind": "picture", "mean": [0, float("nan"), 0]}, "three numbers"),
        ({"kind": "picture", "std": [1, 1, float("inf")]}, "three numbers"),
        ({"family": "vgg"}, "aasist, sbi, univfd"),
    ],
)
def test_preprocessing_that_makes_no_sense_is_named(told: dict[str, Any], words: str) -> None:
    with pytest.raises(Problem) as refused:
        adapters.from_card(told)
    assert words in refused.value.detail


def test_weights_and_data_must_be_told_of_a_model_that_others_made(olga: User, tmp_path: Path) -> None:
    card = models_made.card_file(tmp_path, weights=[])
    assert "where it is from" in refusal(onnx_file(tmp_path / "m.onnx"), card, olga).detail


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"not a model", bytes(range(256)) * 40])
def test_what_is_no_onnx_file_is_refused(olga: User, tmp_path: Path, data: bytes) -> None:
    found = refusal(onnx_file(tmp_path / "m.onnx", data), models_made.card_file(tmp_path), olga)
    assert found.code == "detection.model_refused"


def test_safetensors_need_a_family(olga: User, tmp_path: Path) -> None:
    header = json.dumps({}).encode()
    file = onnx_file(tmp_path / "m.safetensors", struct.pack("<Q", len(header)) + header)
    assert "`preprocessing.family`" in refusal(file, models_made.card_file(tmp_path), olga).detail


def test_the_command_says_it_in_one_line(olga: User, tmp_path: Path) -> None:
    file = onnx_file(tmp_path / "m.pth", pickle.dumps(1))
    words = ["import", str(file), "--card", str(models_made.card_file(tmp_path)), "--detector", DETECTOR]
    with pytest.raises(CommandError, match="was not opened"):
        call_command("model", *words, "--version", "x1", "--reason", "A try.", "--by", olga.email)


# --- Use -------------------------------------------------------------------------------------------------------------


def test_what_goes_in_is_what_the_card_declares() -> None:
    seen: list[np.ndarray] = []

    class Net:
        names = ["out"]

        def outputs(self, batch: Any, /) -> dict[str, Any]:
            seen.append(batch)
            return {"out": np.asarray([[0.25, 0.75]])}

    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :, 0] = 255
    told = adapters.from_card(
        {
            "kind": "picture",
            "side": 8,
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "channels": "BGR",
            "layout": "NHWC",
            "form": "probabilities",
            "made": 1,
        }
    )
    assert adapters.score_picture(Net(), told, picture) == pytest.approx(np.log(3))
    assert seen[0].shape == (1, 8, 8, 3) and seen[0].dtype == np.float32
    assert seen[0][0, 4, 4].tolist() == [-1.0, -1.0, 1.0]


def test_short_sound_is_repeated_and_long_sound_cut_as_aasist_does() -> None:
    seen: list[np.ndarray] = []

    class Net:
        names = ["logits"]

        def outputs(self, batch: Any, /) -> dict[str, Any]:
            seen.append(batch)
            return {"logits": np.asarray([[2.0, -1.0]])}

    told = adapters.from_card({"family": "aasist"})
    short, long = np.arange(5, dtype=np.float32), np.arange(70_000, dtype=np.float32)
    assert adapters.score_sound(Net(), told, short) == adapters.score_sound(Net(), told, long) == 3.0
    assert seen[0].shape == seen[1].shape == (1, 64_600)
    assert seen[0][0, :7].tolist() == [0, 1, 2, 3, 4, 0, 1] and seen[1][0, -1] == 64_599


def test_a_model_is_measured_here_taken_in_gated_and_answers(olga: User, tmp_path: Path) -> None:
    file, card, measured = models_made.measured()
    told = json.loads((measured / "evaluation.json").read_text())
    assert {row["held_out"] for row in told["rows"]} == {"real_one", "real_two", "made_one", "made_two"}
    assert told["notes"] == [
        "Made elsewhere: whether it was trained on files like these, or on these, is not known here."
    ]

    artefact = versions.opened(bring(file, card, olga, measured=measured))
    scores = json.loads((artefact.folder / "reference.json").read_text())["scores"]
    assert len(scores) == 20 and max(scores) < 0  # every real file, dark as they are
    network.opened.cache_clear()  # once a process: in service, one examination
    for level, answer in ((200, Answer.SIGNALS), (20, Answer.NO_SIGNALS)):
        picture = tmp_path / f"{level}.png"
        Image.new("RGB", (300, 300), (level, level, level)).save(picture)
        found = brought_detector.analyze(Media(picture, "image/png", tmp_path, model=artefact.folder))
        assert [(one.answer, one.signal) for one in found] == [(answer, "brought_edited")]
        assert found[0].calibration.startswith("cal-")
        assert wording.error_rate_words(found[0].details["error_rates"]).startswith("Measured on files it had not seen")


def test_the_rates_of_a_measured_model_count_no_file_twice() -> None:
    _, _, measured = models_made.measured()
    rates = Calibration.read(measured / "calibration.json").rates()
    assert [(rate.source, rate.n_real, rate.n_fake) for rate in rates] == [
        *(("made_one", 0, 10), ("made_two", 0, 10), ("real_one", 10, 0), ("real_two", 10, 0))
    ]
    assert all(rate.tpr is None if rate.n_real else rate.fpr is None for rate in rates)


def test_a_measured_model_wants_files_like_those_of_the_detector_it_replaces() -> None:
    assert measuring.domain_of(registry.ROOM / "detectors" / "synthetic_image").min_side > 0
    assert measuring.domain_of(registry.ROOM / "detectors" / "forensics") == Domain()


def test_a_model_nobody_measured_cant_say(olga: User, tmp_path: Path) -> None:
    artefact = versions.opened(bring(onnx_file(tmp_path / "m.onnx"), models_made.card_file(tmp_path), olga))
    network.opened.cache_clear()
    picture = tmp_path / "p.png"
    Image.new("RGB", (300, 300)).save(picture)
    found = brought_detector.analyze(Media(picture, "image/png", tmp_path, model=artefact.folder))
    assert [(one.answer, one.reason, one.llr) for one in found] == [(Answer.CANT_SAY, "not_calibrated", "")]


def test_measurements_of_another_network_are_not_taken_in(olga: User, tmp_path: Path) -> None:
    """Mallory's network, with what was measured of a good one, and with what she wrote herself."""
    file, card, measured = models_made.measured()
    assert "of another network" in refusal(onnx_file(tmp_path / "m.onnx"), card, olga, measured=measured).detail
    forged = tmp_path / "forged"
    shutil.copytree(measured, forged)
    (forged / "evaluation.json").write_text(json.dumps(models_made.evaluation()))
    assert "does not say of which" in refusal(file, card, olga, measured=forged).detail
