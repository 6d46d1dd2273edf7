"""The detector of generated pictures: the tower out of its package, the head, what is said where one is missing."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from PIL import Image

from core.problems import Problem
from detection import network, weights
from detection.calibration import Calibration
from detection.detectors import Answer, Media, Region, synthetic_image
from detection.detectors.synthetic_image import detector, front
from detection.evaluation import maps
from detection.training import export, outside, tower
from detection.training.onnx_edit import Model

Matrix = npt.NDArray[np.float32]


def _quantised(weight: Matrix) -> onnx.ModelProto:
    """x @ weight the way onnxruntime's dynamic quantisation writes it: one int8 scale for each column."""
    scale = np.abs(weight).max(axis=0) / 127
    stored = np.round(weight / scale).astype(np.int8)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]),
        helper.make_node("MatMulInteger", ["xq", "w", "xz", "wz"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["xs", "ws"], ["scales"]),
        helper.make_node("Mul", ["cast", "scales"], ["y"]),
    ]
    values = {"w": stored, "wz": np.zeros(weight.shape[1], np.int8), "ws": scale.astype(np.float32)}
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", weight.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", weight.shape[1]])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def test_unquantised_the_product_is_that_of_the_float_weights() -> None:
    rng = np.random.default_rng(0)
    weight, x = rng.normal(size=(12, 5)).astype(np.float32), rng.normal(size=(3, 12)).astype(np.float32)
    model = Model.read(_quantised(weight).SerializeToString())
    tower.unquantised(model)
    model.widths = {"y": 5}
    made = onnx.load_model_from_string(model.written())
    onnx.checker.check_model(made)
    assert [node.op_type for node in made.graph.node] == ["MatMul"]
    [stored] = [numpy_helper.to_array(one) for one in made.graph.initializer]
    assert np.abs(x @ stored - x @ weight).max() < 0.02 * np.abs(x @ weight).max()


def test_a_graph_without_quantised_products_is_refused() -> None:
    graph = helper.make_graph([], "empty", [], [])
    with pytest.raises(ValueError, match="no quantised"):
        tower.unquantised(Model.read(helper.make_model(graph).SerializeToString()))
    with pytest.raises(ValueError, match="no graph"):
        Model.read(b"")


def test_the_class_tokens_of_several_layers_stand_side_by_side() -> None:
    rows = np.arange(2 * 3 * tower.WIDTH, dtype=np.float32).reshape(2, 3, tower.WIDTH)
    names = ["/vision_model/encoder/layers.0/Add_1_output_0", "hidden"]
    shape: list[str | int | None] = ["n", 3, tower.WIDTH]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], names[:1]), helper.make_node("Neg", ["x"], names[1:])],
        "two layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, shape)],
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    model = Model.read(whole.SerializeToString())
    tower.keep_class_tokens(model, {"both": (1, tower.DEPTH), "later": (tower.DEPTH,)})
    made = onnx.load_model_from_string(model.written())
    onnx.checker.check_model(made, full_check=True)
    both, later = ReferenceEvaluator(made).run(None, {"x": rows})
    assert np.array_equal(both, np.concatenate([rows[:, 0], -rows[:, 0]], axis=1))
    assert np.array_equal(later, -rows[:, 0])


def test_the_network_is_shown_the_middle_square_at_its_own_scale() -> None:
    rgb = np.zeros((300, 600, 3), dtype=np.uint8)
    rgb[:, 150:450] = 255
    shown = front.whole(rgb)
    assert shown.shape == (1, 3, 224, 224)
    assert np.allclose(shown[0, :, 112, 112], (1 - front.MEAN) / front.SPREAD, atol=1e-5)
    assert front.whole(np.zeros((1, 1, 3), dtype=np.uint8)).shape == (1, 3, 224, 224)


def test_without_its_tower_the_detector_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights, "folder", lambda name: tmp_path / name)
    with pytest.raises(Problem, match="weights_missing"):
        detector.scorer()
    assert not weights.is_installed(synthetic_image.ABOUT.weights[0])


def test_the_region_is_what_was_asked_for_and_never_empty() -> None:
    rgb = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)
    assert np.array_equal(detector.part(rgb, Region(0.5, 0.25, 0.5, 0.5)), rgb[10:30, 30:60])
    assert detector.part(rgb, Region(1.0, 1.0, 0.0, 0.0)).shape == (1, 1, 3)
    assert detector.part(rgb, None) is rgb


@pytest.fixture
def small_tower(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A tower of the real width that answers with the picture's brightness; the head in the tree is the real one."""
    width = network.Network(detector.HERE / network.MODEL).inputs["input"][1]
    folder = tmp_path / "clip-vit-b16"
    folder.mkdir()
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["x"], ["mean"]), helper.make_node("Flatten", ["mean"], ["flat"]),
         helper.make_node("MatMul", ["flat", "w"], [detector.TOKENS])],
        "bright",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 224, 224])],
        [helper.make_tensor_value_info(detector.TOKENS, TensorProto.FLOAT, ["n", width])],
        [numpy_helper.from_array(np.random.default_rng(3).normal(size=(3, width)).astype(np.float32) / 10, "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (folder / network.MODEL).write_bytes(model.SerializeToString())
    network.write_manifest(folder)
    told = network.Network(folder / network.MODEL, parity=False).outputs(network.parity_input(7, [1, 3, 224, 224]))
    network.write_fixture(folder / network.PARITY, told, seed=7, shape=[1, 3, 224, 224])
    network.write_manifest(folder)
    monkeypatch.setattr(weights, "folder", lambda name: tmp_path / name)
    monkeypatch.setattr(detector, "TOWER", folder / network.MODEL)
    return folder


def _examined(path: Path, **options: Any) -> Any:
    [reading] = detector.analyze(Media(path, "image/png", path.parent), **options)
    return reading


def test_a_picture_is_weighed_with_the_calibration_it_names(small_tower: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (300, 400, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    reading = _examined(tmp_path / "a.png")
    assert reading.calibration == Calibration.read(detector.HERE / "calibration.json").id
    assert reading.answer in Answer
    assert (reading.llr == "") == (reading.answer is Answer.CANT_SAY)


def test_of_what_looks_like_a_screenshot_nothing_is_said(
    small_tower: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "looker", lambda folder: lambda rgb: (9.0, np.array([[outside.LIMIT + 0.1]])))
    Image.new("RGB", (300, 300)).save(tmp_path / "page.png")
    reading = _examined(tmp_path / "page.png")
    assert (reading.answer, reading.reason) == (Answer.CANT_SAY, "out_of_domain")


def test_the_shipped_head_tells_how_much_lies_outside_and_its_calibration_asks() -> None:
    head = network.Network(detector.HERE / network.MODEL)
    told = head.outputs(np.random.default_rng(1).normal(size=(20, head.inputs["input"][1])))
    assert told[detector.OUTSIDE].shape == (20, 1)
    assert (told[detector.OUTSIDE] >= 0).all()
    assert Calibration.read(detector.HERE / "calibration.json").domain.limit == outside.LIMIT


def test_a_head_without_that_output_is_asked_for_its_logit_alone(small_tower: Path, tmp_path: Path) -> None:
    width = network.Network(detector.HERE / network.MODEL).inputs["input"][1]
    export.to_onnx(torch.nn.Linear(width, 1), (1, width), tmp_path / "own")
    logit, away = detector.looker(tmp_path / "own")(np.zeros((50, 50, 3), np.uint8))
    assert np.isfinite(logit)
    assert away is None


def test_the_map_is_strongest_where_the_picture_speaks_for_the_logit(
    small_tower: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "opened", lambda path: _Brightness() if path == detector.TOWER else _First())
    rgb = np.zeros((224, 224, 3), np.uint8)
    rgb[:28, 56:112] = 255  # the upper half of the second of sixteen cells
    heat = maps.heat(rgb)
    assert heat.shape == (maps.CELLS, maps.CELLS)
    assert int(np.abs(heat).argmax()) == 1


class _Brightness:
    """A tower that knows the brightest pixel and nothing else."""

    def outputs(self, shown: Matrix) -> dict[str, Matrix]:
        return {detector.TOKENS: shown.max(axis=(1, 2, 3))[:, None]}


class _First:
    def run(self, tokens: Matrix) -> Matrix:
        return tokens


def test_of_a_picture_of_one_pixel_nothing_can_be_said(small_tower: Path, tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    reading = _examined(tmp_path / "dot.png")
    assert (reading.answer, reading.reason) == (Answer.CANT_SAY, "too_small")


def test_a_damaged_picture_is_a_problem_in_words(small_tower: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    with pytest.raises(Problem, match=r"detection\.unreadable"):
        _examined(tmp_path / "a.png")


def test_a_tower_with_other_answers_than_its_fixture_is_not_used(small_tower: Path) -> None:
    network.write_fixture(
        small_tower / network.PARITY, {detector.TOKENS: np.ones((1, 5), np.float32)}, seed=7, shape=[1, 3, 224, 224]
    )
    network.write_manifest(small_tower)
    network.opened.cache_clear()
    with pytest.raises(Problem, match=r"detection\.model_refused"):
        detector.scorer()
