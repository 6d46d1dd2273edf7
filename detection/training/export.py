"""From PyTorch to a folder that `detection.network` opens: `model.onnx`, `parity.json`, `manifest.json`.

The reference answers in the fixture are PyTorch's, so every start of a worker checks the whole way: export, ONNX
Runtime, this machine's processor. What is written is not the module node by node but its `lighter` form, which computes
the same with less work; the fixture holds it to that.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from detection import network

OPSET = 18
MAX_DIFFERENCE = 1e-4  # of ONNX Runtime from PyTorch, of the largest answer


def to_onnx(
    module: torch.nn.Module,
    shape: Sequence[int],
    folder: Path,
    *,
    outputs: Sequence[str] = ("logit",),
    seed: int = 7,
    name: str = network.MODEL,
    free: Sequence[int] = (0,),
) -> None:
    """Export `module` in eval mode. shape: of one input with its batch, such as (1, 3, 96, 96); its axes in `free` may
    have any length, and the same axes of the outputs.

    outputs: names, one per tensor that the module returns. Raises RuntimeError where ONNX Runtime answers otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    example = network.parity_input(seed, list(shape))
    module.eval()
    _export(module, torch.from_numpy(example), folder / name, outputs, free)
    lighter(folder / name)
    with torch.no_grad():
        told = module(torch.from_numpy(example))
    answers = [one.numpy() for one in (told if isinstance(told, tuple) else (told,))]
    fixture = folder / (network.PARITY if name == network.MODEL else f"{Path(name).stem}.{network.PARITY}")
    network.write_fixture(fixture, dict(zip(outputs, answers, strict=True)), seed=seed, shape=list(shape))
    network.write_manifest(folder)
    _compare(network.Network(folder / name), example, dict(zip(outputs, answers, strict=True)))


def lighter(path: Path) -> None:
    """Rewrite an exported file: constants computed, normalisation folded, and two kinds of nodes that ONNX Runtime is
    slow at made of such as it is quick at. Once or twice is the same.
    """
    network.fold(path)
    model = onnx.load_model_from_string(path.read_bytes())
    slopes = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    made: list[onnx.TensorProto] = []
    nodes = [part for node in model.graph.node for one in _halved(node) for part in _summed(one, slopes, made)]
    used = {name for node in nodes for name in node.input}
    kept = [one for one in [*model.graph.initializer, *made] if one.name in used]
    del model.graph.node[:], model.graph.initializer[:], model.opset_import[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(kept)
    model.opset_import.append(helper.make_opsetid("", OPSET))  # the folding lists every set that it knows
    path.write_bytes(model.SerializeToString())


def _summed(
    node: onnx.NodeProto, slopes: Mapping[str, np.ndarray], made: list[onnx.TensorProto]
) -> list[onnx.NodeProto]:
    """PReLU with slope a as a · x + (1 - a) · ReLU(x), which stays in the processor's own layout of channels."""
    if node.op_type != "PRelu" or node.input[1] not in slopes:
        return [node]
    [x, slope], [out] = node.input, node.output
    made.append(numpy_helper.from_array(np.asarray(1 - slopes[slope], np.float32), f"{out}_rest"))
    return [
        helper.make_node("Relu", [x], [f"{out}_above"]),
        helper.make_node("Mul", [x, slope], [f"{out}_all"]),
        helper.make_node("Mul", [f"{out}_above", f"{out}_rest"], [f"{out}_more"]),
        helper.make_node("Add", [f"{out}_all", f"{out}_more"], [out]),
    ]


def _halved(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """A mean over windows that overlap by half, from means over windows that do not: a quarter of the work."""
    told = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    kernel, strides = (list(told.get(name, ())) for name in ("kernel_shape", "strides"))
    plain = not any(told.get("pads", ())) and not told.get("ceil_mode", 0)
    if node.op_type != "AveragePool" or not plain or kernel != [2 * side for side in strides] or 1 in strides:
        return [node]
    part = f"{node.output[0]}_part"
    return [
        helper.make_node("AveragePool", node.input[:1], [part], kernel_shape=strides, strides=strides),
        helper.make_node("AveragePool", [part], node.output[:1], kernel_shape=[2] * len(strides)),
    ]


def _export(
    module: torch.nn.Module, example: torch.Tensor, path: Path, outputs: Sequence[str], free: Sequence[int]
) -> None:
    """With the TorchScript-based exporter: its files hold all weights inside and no trace of this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls itself deprecated; the new one writes weights beside the file
        torch.onnx.export(
            module, (example,), str(path), input_names=["input"], output_names=list(outputs), opset_version=OPSET,
            dynamic_axes={one: {axis: f"{one}_{axis}" for axis in free} for one in ("input", *outputs)}, dynamo=False,
        )  # fmt: skip


def _compare(opened: network.Network, example: network.Tensor, expected: dict[str, np.ndarray]) -> None:
    for name, answer in opened.outputs(example).items():
        away = float(np.abs(answer - expected[name]).max())
        if not away <= MAX_DIFFERENCE * max(1.0, float(np.abs(expected[name]).max())):
            raise RuntimeError(f"ONNX Runtime differs from PyTorch by {away:.2g} in “{name}”")
