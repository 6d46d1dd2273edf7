"""Models made for these tests: tiny networks as ONNX files, cards, evaluations and whole challengers."""

import hashlib
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from django.conf import settings
from django.core.management import call_command
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from detection import conditions

DETECTOR = "forensics"  # for models that bring their own feeding
LEARNED = "face"  # for those that take the place of a detector's own network
SIDE = 16

CARD: dict[str, Any] = {
    "summary": "Tells bright pictures from dark ones.",
    "measures": "The mean of the pixels.",
    "cannot": "Tell anything else.",
    "method": "One weight.",
    "licence": "Apache-2.0",
    "change_reason": "Made for a test.",
    "intended_use": ["Tests."],
    "out_of_scope": ["Everything else."],
    "limits": ["It knows nothing."],
    "references": [],
    "data": [{"name": "greys", "version": "1", "licence": "CC0", "use": "train", "sha256": "ab" * 32}],
    "weights": [{"file": "model.onnx", "from": "these tests", "licence": "Apache-2.0"}],
    "preprocessing": {"kind": "picture", "side": SIDE, "form": "logit"},
}


def network(weight: float = 1.0, *, outputs: int = 1, side: int = SIDE, bias: float = 0.0) -> bytes:
    """(N, 3, side, side) → (N, outputs): `weight` times the mean of the pixels, plus `bias`."""
    matrix = np.full((3, outputs), weight / 3, dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["features"]),
            helper.make_node("Gemm", ["features", "matrix", "bias"], ["logit"], name="head"),
        ],
        "bright",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, side, side])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch", outputs])],
        [
            numpy_helper.from_array(matrix, "matrix"),
            numpy_helper.from_array(np.full(outputs, bias, dtype=np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def card_file(folder: Path, **changed: Any) -> Path:
    """A card; a field changed to None is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {name: value for name, value in {**CARD, **changed}.items() if value is not None}
    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump(told))
    return path


def evaluation(**worse: float) -> dict[str, Any]:
    """What a decent detector measures. worse: figures of the row “camera / as_is” that differ."""
    rows = []
    for split, held_out in (("leave_one_source_out", "camera"), ("leave_one_generator_out", "diffusion")):
        for condition in conditions.PICTURES:
            row = {
                "split": split,
                "held_out": held_out,
                "condition": condition,
                "n_real": 300,
                "n_fake": 300,
                "auc": [0.86, 0.83, 0.89],
                "fpr": [0.01, 0.0, 0.03],
                "tpr": [0.4, 0.35, 0.45],
                "tpr_at_1": 0.35,
                "ece": 0.03,
                "cllr": 0.6,
                "cllr_min": 0.55,
                "abstained": 0.2,
            }
            rows.append(row)
    for name, value in worse.items():
        rows[0][name] = [value, value - 0.02, value + 0.02] if name in ("auc", "fpr", "tpr") else value
    data = [{"name": "greys", "version": "1", "sha256": "ab" * 32, "licence": "CC0", "use": "train"}]
    more = {"membership": {"auc": [0.51, 0.48, 0.54], "members": 300, "others": 300}}
    about = {"command": "manage.py train bright", "seed": 3, "made_on": "2026-11-23", "threshold": 0.9}
    return {**about, "calibration": "cal-0", "data": data, "rows": rows, "peers": [], "notes": [], **more}


def folder(path: Path, *, weight: float = 1.0, measured: dict[str, Any] | None = None) -> Path:
    """What `manage.py train` leaves behind: a network with its fixture, a card, an evaluation."""
    from detection import network as net

    path.mkdir(parents=True)
    (path / "model.onnx").write_bytes(network(weight))
    card_file(path)
    about = {"model_sha256": hashlib.sha256((path / "model.onnx").read_bytes()).hexdigest()}
    (path / "evaluation.json").write_text(json.dumps(about | (evaluation() if measured is None else measured)))
    answer = weight * net.parity_input(7, [1, 3, SIDE, SIDE]).mean(axis=(2, 3)).mean(axis=1, keepdims=True)
    net.write_fixture(path / "parity.json", {"logit": answer}, seed=7, shape=[1, 3, SIDE, SIDE])
    net.write_manifest(path)
    return path


def suite(folder: Path) -> Path:
    """Bright pictures are “made”, dark ones “real”, from two sources each."""
    random = np.random.default_rng(5)
    for kind, level in (("real", 60), ("made", 190)):
        for name in ("one", "two"):
            place = folder / kind / f"{kind}_{name}"
            place.mkdir(parents=True)
            for number in range(10):
                noise = random.normal(level + 15 * (name == "two"), 8, (24, 24, 3))
                Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(place / f"{number}.png")
    return folder


@cache
def measured() -> tuple[Path, Path, Path]:
    """A network that says “signals” of whatever is bright, its card, and what `manage.py model measure` wrote of it;
    once a process.
    """
    made = Path(tempfile.mkdtemp(dir=settings.ASSAY_VAR))
    file, card = made / "m.onnx", card_file(made)
    file.write_bytes(network(12.0))
    words = ["measure", str(file), "--card", str(card), "--detector", DETECTOR]
    call_command("model", *words, "--suite", str(suite(made / "suite")), "--out", str(made / "out"))
    return file, card, made / "out"
