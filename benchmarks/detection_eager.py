"""The same network in eager PyTorch: reads an ONNX file and runs it node by node with torch.nn.functional.

What it computes is checked against ONNX Runtime before anything is timed. The exporter folded batch normalisation into
the convolutions, which spares the eager side work that a hand-written module would do.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional as F

Values = dict[str, Any]
FAR = 2**31 - 1  # an end beyond it is “to the end”
Operation = Callable[[Sequence[Any], Mapping[str, Any]], Any]


class Eager:
    """`run(batch)` answers like `detection.network.Network.run`."""

    def __init__(self, path: Path) -> None:
        graph = onnx.load_model_from_string(path.read_bytes()).graph
        self._weights: Values = {
            one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer
        }
        self._nodes = [(node, _attributes(node)) for node in graph.node]
        for node, _ in self._nodes:
            if node.op_type not in OPERATIONS:
                raise NotImplementedError(f"{path.name} has a node {node.op_type}, which has no eager counterpart here")
        self._input = next(one.name for one in graph.input if one.name not in self._weights)
        self._output = graph.output[0].name

    def run(self, batch: Any) -> Any:
        """The first output, as an array."""
        with torch.inference_mode():
            return self._run(torch.from_numpy(batch)).numpy()

    def _run(self, batch: Tensor) -> Tensor:
        values: Values = {**self._weights, self._input: batch, "": None}
        for node, attributes in self._nodes:
            answer = OPERATIONS[node.op_type]([values[name] for name in node.input], attributes)
            several = answer if isinstance(answer, tuple) else (answer,)
            values.update(zip(node.output, several, strict=False))
        told: Tensor = values[self._output]
        return told


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    found = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    return {
        name: torch.from_numpy(numpy_helper.to_array(value).copy()) if isinstance(value, onnx.TensorProto) else value
        for name, value in found.items()
    }


def _conv(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
    strides, dilations = a.get("strides", [1, 1]), a.get("dilations", [1, 1])
    padded, pads = x[0], (top, left)
    if (top, left) != (bottom, right):
        padded, pads = F.pad(x[0], (left, right, top, bottom)), (0, 0)
    bias = x[2] if len(x) > 2 else None
    return F.conv2d(padded, x[1], bias, strides, pads, dilations, a.get("group", 1))


def _pad(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    pads = x[1].tolist() if len(x) > 1 else a["pads"]
    half = len(pads) // 2
    pairs = [side for axis in reversed(range(half)) for side in (pads[axis], pads[axis + half])]
    mode = {b"constant": "constant", b"reflect": "reflect", b"edge": "replicate"}[a.get("mode", b"constant")]
    if mode == "constant":
        return F.pad(x[0], pairs, mode, float(x[2]) if len(x) > 2 and x[2] is not None else 0.0)
    return F.pad(x[0], pairs[:4], mode)


def _pool(x: Sequence[Any], a: Mapping[str, Any], *, most: bool) -> Tensor:
    kernel, strides = a["kernel_shape"], a.get("strides", [1, 1])
    top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
    ceil = bool(a.get("ceil_mode", 0))
    if most:
        padded = (
            F.pad(x[0], (left, right, top, bottom), value=float("-inf")) if any((top, left, bottom, right)) else x[0]
        )
        return F.max_pool2d(padded, kernel, strides, 0, 1, ceil)
    return F.avg_pool2d(x[0], kernel, strides, (top, left), ceil, bool(a.get("count_include_pad", 0)))


def _clip(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    low, high = (x[i] if len(x) > i and x[i] is not None else None for i in (1, 2))
    low, high = a.get("min", low), a.get("max", high)
    return torch.clamp(x[0], *(None if edge is None else float(edge) for edge in (low, high)))


def _gemm(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    left = x[0].T if a.get("transA", 0) else x[0]
    right = x[1].T if a.get("transB", 0) else x[1]
    product: Tensor = a.get("alpha", 1.0) * (left @ right)
    return product + a.get("beta", 1.0) * x[2] if len(x) > 2 else product


def _reduce(how: str) -> Operation:
    def reduce(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
        axes = x[1].tolist() if len(x) > 1 and x[1] is not None else a.get("axes")
        axes = axes if axes is not None else list(range(x[0].ndim))
        answer: Tensor = getattr(torch, how)(x[0], dim=axes, keepdim=bool(a.get("keepdims", 1)))
        return answer

    return reduce


def _reshape(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    shape = [x[0].shape[i] if side == 0 else side for i, side in enumerate(x[1].tolist())]
    answer: Tensor = x[0].reshape(shape)
    return answer


def _slice(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    starts, ends = x[1].tolist(), x[2].tolist()
    axes = x[3].tolist() if len(x) > 3 and x[3] is not None else list(range(len(starts)))
    steps = x[4].tolist() if len(x) > 4 and x[4] is not None else [1] * len(starts)
    answer: Tensor = x[0]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        places = range(answer.shape[axis])[slice(start, end if abs(end) < FAR else None, step)]
        if step > 0:
            answer = answer.narrow(axis, places.start, places.stop - places.start if places else 0)
            answer = answer if step == 1 else answer[(slice(None),) * (axis % answer.ndim) + (slice(None, None, step),)]
        else:
            answer = answer.index_select(axis, torch.tensor(list(places), dtype=torch.int64))
    return answer


def _resize(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    mode = {b"nearest": "nearest", b"linear": "bilinear", b"cubic": "bicubic"}[a.get("mode", b"nearest")]
    size = x[3].tolist()[2:] if len(x) > 3 and x[3] is not None else None
    scale = x[2].tolist()[2:] if size is None else None
    align = None if mode == "nearest" else a.get("coordinate_transformation_mode") == b"align_corners"
    return F.interpolate(x[0], size, scale, mode, align)


def _split(x: Sequence[Any], a: Mapping[str, Any]) -> tuple[Tensor, ...]:
    sizes = x[1].tolist() if len(x) > 1 else a.get("split")
    axis = a.get("axis", 0)
    return torch.split(x[0], sizes if sizes else x[0].shape[axis] // a["num_outputs"], axis)


def _squeeze(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    axes = x[1].tolist() if len(x) > 1 else a.get("axes")
    answer: Tensor = x[0]
    for axis in sorted(axes or [], reverse=True):
        answer = answer.squeeze(axis)
    return answer if axes else answer.squeeze()


def _unsqueeze(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    answer: Tensor = x[0]
    for axis in sorted(x[1].tolist() if len(x) > 1 else a["axes"]):
        answer = answer.unsqueeze(axis)
    return answer


def _gather(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    axis, index = a.get("axis", 0), x[1]
    picked = torch.index_select(x[0], axis, index.reshape(-1))
    return picked.reshape([*x[0].shape[:axis], *index.shape, *x[0].shape[axis + 1 :]])


def _cast(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    kinds = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}
    answer: Tensor = x[0].to(kinds[a["to"]])
    return answer


def _depth_to_space(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    return F.pixel_shuffle(x[0], a["blocksize"])


def _batch_norm(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    return F.batch_norm(x[0], x[3], x[4], x[1], x[2], eps=a.get("epsilon", 1e-5))


def _constant(x: Sequence[Any], a: Mapping[str, Any]) -> Any:
    if "value" in a:
        return a["value"]
    value = next(iter(a.values()))
    return torch.tensor(value)


def _filled(x: Sequence[Any], a: Mapping[str, Any]) -> Tensor:
    value = a.get("value", torch.zeros(1))
    return torch.full(x[0].tolist(), value.item(), dtype=value.dtype)


def _of(function: Callable[..., Tensor]) -> Operation:
    """An operation without attributes."""
    return lambda x, a: function(*x)


OPERATIONS: dict[str, Operation] = {
    "Conv": _conv, "Pad": _pad, "Clip": _clip, "Gemm": _gemm, "Reshape": _reshape, "Slice": _slice, "Resize": _resize,
    "Split": _split, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Gather": _gather, "Cast": _cast,
    "DepthToSpace": _depth_to_space, "BatchNormalization": _batch_norm, "Constant": _constant,
    "ConstantOfShape": _filled, "Identity": _of(lambda x: x), "Relu": _of(torch.relu), "Sigmoid": _of(torch.sigmoid),
    "Tanh": _of(torch.tanh), "Add": _of(torch.add), "Sub": _of(torch.sub), "Mul": _of(torch.mul), "Div": _of(torch.div),
    "Neg": _of(torch.neg), "Abs": _of(torch.abs), "Sqrt": _of(torch.sqrt), "Exp": _of(torch.exp), "Log": _of(torch.log),
    "Erf": _of(torch.erf), "Pow": _of(torch.pow), "MatMul": _of(torch.matmul), "HardSwish": _of(F.hardswish),
    "PRelu": lambda x, a: F.prelu(x[0], x[1].reshape(-1)), "Where": _of(torch.where),
    "LeakyRelu": lambda x, a: F.leaky_relu(x[0], a.get("alpha", 0.01)),
    "HardSigmoid": lambda x, a: torch.clamp(a.get("alpha", 0.2) * x[0] + a.get("beta", 0.5), 0, 1),
    "Softmax": lambda x, a: torch.softmax(x[0], a.get("axis", -1)),
    "Concat": lambda x, a: torch.cat(list(x), a["axis"]),
    "Flatten": lambda x, a: x[0].flatten(a.get("axis", 1)),
    "Transpose": lambda x, a: x[0].permute(a["perm"]),
    "Shape": lambda x, a: torch.tensor(x[0].shape),
    "Expand": lambda x, a: x[0].expand(np.broadcast_shapes(tuple(x[0].shape), tuple(x[1].tolist()))),
    "Equal": _of(torch.eq), "Greater": _of(torch.gt), "Less": _of(torch.lt), "Max": _of(torch.maximum),
    "Min": _of(torch.minimum), "GlobalAveragePool": lambda x, a: x[0].mean((2, 3), keepdim=True),
    "MaxPool": lambda x, a: _pool(x, a, most=True), "AveragePool": lambda x, a: _pool(x, a, most=False),
    "ReduceMean": _reduce("mean"), "ReduceSum": _reduce("sum"), "ReduceMax": _reduce("amax"),
    "ReduceMin": _reduce("amin"), "ReduceL2": lambda x, a: _reduce("sum")([x[0] ** 2, *x[1:]], a).sqrt(),
    "Dropout": _of(lambda x, *rest: x), "LayerNormalization": lambda x, a: F.layer_norm(
        x[0], x[1].shape, x[1], x[2] if len(x) > 2 else None, a.get("epsilon", 1e-5)),
    "InstanceNormalization": lambda x, a: F.instance_norm(x[0], weight=x[1], bias=x[2], eps=a.get("epsilon", 1e-5)),
    "Floor": _of(torch.floor), "Range": lambda x, a: torch.arange(x[0].item(), x[1].item(), x[2].item()),
}  # fmt: skip
