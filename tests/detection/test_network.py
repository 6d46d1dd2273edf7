"""A network is opened only if it is the file that was measured, with weights that are numbers, on a CPU that agrees."""

import json
from pathlib import Path

import numpy as np
import onnx
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


NAN = numpy_helper.from_array(np.array([np.nan], dtype=np.float32), "w")


def branch(tensor: onnx.TensorProto) -> onnx.GraphProto:
    return helper.make_graph([], "branch", [], [], [tensor])


def inside(where: str, tensor: onnx.TensorProto) -> bytes:
    """A model that holds the tensor there."""
    nodes, sparse = [], []
    if where == "a branch in a branch":
        inner = helper.make_graph([helper.make_node("If", ["c"], ["o"], then_branch=branch(tensor))], "g", [], [])
        nodes.append(helper.make_node("Loop", ["n"], ["o"], body=inner))
    elif where == "a list of graphs":
        nodes.append(helper.make_node("Own", [], ["o"], graphs=[branch(tensor)]))
    elif where == "a list of tensors":
        nodes.append(helper.make_node("Own", [], ["o"], values=[tensor]))
    elif where == "a sparse tensor":
        sparse.append(helper.make_sparse_tensor(tensor, helper.make_tensor("i", TensorProto.INT64, [1], [0]), [4]))
    model = helper.make_model(helper.make_graph(nodes, "g", [], [], sparse_initializer=sparse))
    if where == "a function":
        node = helper.make_node("Constant", [], ["o"], value=tensor)
        model.functions.append(helper.make_function("own", "F", [], ["o"], [node], [helper.make_opsetid("", 18)]))
    return bytes(model.SerializeToString())


PLACES = ["a branch in a branch", "a list of graphs", "a list of tensors", "a sparse tensor", "a function"]


@pytest.mark.parametrize("where", PLACES)
def test_weights_are_looked_at_wherever_they_are(where: str) -> None:
    with pytest.raises(ValueError, match="no numbers"):
        onnxfile.check(inside(where, NAN))
    fine = numpy_helper.from_array(np.array([1.0], dtype=np.float32), "w")
    onnxfile.check(inside(where, fine))
    fine.external_data.add(key="location", value="../keys/log.key")
    with pytest.raises(ValueError, match="second file"):
        onnxfile.check(inside(where, fine))


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_sixteen_bits_in_whole_numbers_are_read_too(kind: int) -> None:
    for bits, raw in ((0x7FFF, False), (0x7FFF, True)):
        tensor = TensorProto(name="w", data_type=kind, dims=[1])
        if raw:
            tensor.raw_data = bits.to_bytes(2, "little")
        else:
            tensor.int32_data.append(bits)
        with pytest.raises(ValueError, match="no numbers"):
            onnxfile.check(inside("a list of tensors", tensor))


def test_a_number_of_a_node_that_is_none_is_refused_and_an_infinite_one_may_be_meant() -> None:
    for value in (float("nan"), [1.0, float("nan")]):
        graph = helper.make_graph([helper.make_node("Own", [], ["o"], alpha=value)], "g", [], [])
        with pytest.raises(ValueError, match="no numbers"):
            onnxfile.check(helper.make_model(graph).SerializeToString())
    graph = helper.make_graph([helper.make_node("Own", [], ["o"], alpha=float("-inf"))], "g", [], [])
    onnxfile.check(helper.make_model(graph).SerializeToString())


def test_a_tensor_that_says_two_things_of_itself_is_refused() -> None:
    """The last one counts for protocol buffers: whole numbers first, then the numbers that they are not."""
    whole = TensorProto(data_type=TensorProto.INT64).SerializeToString()
    tensor = whole + NAN.SerializeToString()
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    with pytest.raises(ValueError, match="no ONNX file"):
        onnxfile.check(b"\x3a" + bytes([len(graph)]) + graph)
