"""A network is opened only if it is the file that was measured, with weights that are numbers, on a CPU that agrees."""

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, external_data_helper, helper, load_model_from_string, numpy_helper

from core.problems import Problem
from detection import network, onnxfile
from tests.detection import models_made

SHAPE = [1, 3, models_made.SIDE, models_made.SIDE]


def folder_of(tmp_path: Path, data: bytes | None = None) -> Path:
    (tmp_path / "model.onnx").write_bytes(data or models_made.network())
    bright = network.parity_input(7, SHAPE).mean()
    network.write_fixture(tmp_path / "parity.json", {"logit": np.array([[bright]])}, seed=7, shape=SHAPE)
    network.write_manifest(tmp_path)
    return tmp_path


def why_refused(path: Path) -> str:
    with pytest.raises(Problem) as refused:
        network.Network(path)
    assert refused.value.code == "detection.model_refused"
    return refused.value.detail


def test_a_network_that_is_what_it_says_answers(tmp_path: Path) -> None:
    net = network.Network(folder_of(tmp_path) / "model.onnx")
    assert net.run(np.ones(SHAPE))[0, 0] == pytest.approx(1.0)
    assert net.outputs(np.zeros(SHAPE)).keys() == {"logit"}


def test_every_flipped_byte_is_found_before_anything_is_opened(tmp_path: Path) -> None:
    path = folder_of(tmp_path) / "model.onnx"
    data = path.read_bytes()
    for place in np.random.default_rng(8).integers(0, len(data), 20):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert "not the file that its manifest names" in why_refused(path)


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "parity.json"])
def test_a_missing_part_is_a_refusal(name: str, tmp_path: Path) -> None:
    path = folder_of(tmp_path) / "model.onnx"
    (tmp_path / name).unlink()
    assert "missing" in why_refused(path)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    assert "no numbers" in why_refused(folder_of(tmp_path, models_made.network(float("nan"))) / "model.onnx")


def test_weights_in_a_constant_of_the_graph_are_looked_at_too() -> None:
    constant = numpy_helper.from_array(np.array([np.inf], dtype=np.float32), "c")
    graph = helper.make_graph([helper.make_node("Constant", [], ["out"], value=constant)], "g", [], [])
    with pytest.raises(ValueError, match="no numbers"):
        onnxfile.check(helper.make_model(graph).SerializeToString())


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    model = load_model_from_string(models_made.network())
    external_data_helper.convert_model_to_external_data(model, size_threshold=0, location="weights.data")
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    assert "second file" in why_refused(folder_of(tmp_path, model.SerializeToString()) / "model.onnx")


@pytest.mark.parametrize("data", [b"\x80\x04\x95pickle", b"not a network", b"\x08\x01", b"\x3a\xff\xff\xff\xff\x0f"])
def test_what_is_no_network_is_refused(data: bytes, tmp_path: Path) -> None:
    assert "no ONNX file" in why_refused(folder_of(tmp_path, data) / "model.onnx")


def test_a_machine_that_gives_other_answers_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    told = json.loads((folder / "parity.json").read_text())
    told["outputs"]["logit"][0] += 0.01
    (folder / "parity.json").write_text(json.dumps(told))
    assert "other answers" in why_refused(folder / "model.onnx")


def test_a_wrong_shape_is_said_in_words(tmp_path: Path) -> None:
    net = network.Network(folder_of(tmp_path) / "model.onnx")
    with pytest.raises(Problem) as refused:
        net.run(np.zeros((1, 1, 5, 5)))
    assert "does not take this input" in refused.value.detail


def test_doubles_and_floats_of_every_encoding_are_read() -> None:
    plain = helper.make_tensor("a", TensorProto.FLOAT, [2], [1.0, float("nan")])
    double = helper.make_tensor("b", TensorProto.DOUBLE, [1], [float("inf")])
    half = numpy_helper.from_array(np.array([np.nan], dtype=np.float16), "c")
    for tensor in (plain, double, half):
        graph = helper.make_graph([], "g", [], [], [tensor])
        with pytest.raises(ValueError, match="no numbers"):
            onnxfile.check(helper.make_model(graph).SerializeToString())
