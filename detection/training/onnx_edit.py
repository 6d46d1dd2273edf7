"""Just enough of ONNX's protocol buffers to rewrite a graph, so that set-up needs no package `onnx`.

Fields, from onnx.proto: ModelProto.graph = 7; GraphProto node = 1, initializer = 5, output = 12, value_info = 13;
NodeProto input = 1, output = 2, name = 3, op_type = 4, attribute = 5; AttributeProto name = 1, i = 3, type = 20;
TensorProto dims = 1, data_type = 2, float_data = 4, int32_data = 5, name = 8, raw_data = 9. What is not rewritten is
copied byte for byte.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

GRAPH, NODE, TENSOR, OUTPUT, VALUE_INFO = 7, 1, 5, 12, 13
FLOAT, INT8, INT64 = 1, 3, 7
_KINDS: dict[int, np.dtype[Any]] = {FLOAT: np.dtype("<f4"), INT8: np.dtype("i1"), INT64: np.dtype("<i8")}
_INTEGER = 2  # AttributeProto.AttributeType.INT
_TEXT = 2  # wire type of everything with a length


@dataclass(frozen=True)
class Node:
    """raw: the message; "" for one that is made here."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    raw: bytes

    @classmethod
    def read(cls, raw: bytes) -> "Node":
        told: dict[int, list[str]] = {1: [], 2: [], 4: []}
        for number, _, value in fields(raw):
            if number in told:
                told[number].append(bytes(value).decode())
        return cls(told[4][0], tuple(told[1]), tuple(told[2]), raw)

    @classmethod
    def make(cls, op: str, inputs: Sequence[str], outputs: Sequence[str], **integers: int) -> "Node":
        raw = b"".join([*(_text(1, one) for one in inputs), *(_text(2, one) for one in outputs), _text(4, op)])
        for name, value in integers.items():
            raw += _bytes(5, _text(1, name) + _number(3, value) + _number(20, _INTEGER))
        return cls(op, tuple(inputs), tuple(outputs), raw)


@dataclass
class Model:
    """A model whose graph is taken apart. before: all other fields of the model; rest: of the graph."""

    before: bytes
    rest: bytes
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, bytes] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    widths: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes) -> "Model":
        """Raises ValueError for what is no model."""
        graph = next((value for number, _, value in fields(data) if number == GRAPH), None)
        if graph is None:
            raise ValueError("there is no graph in it")
        before = b"".join(whole for number, whole, _ in fields(data) if number != GRAPH)
        kept = b"".join(w for number, w, _ in fields(graph) if number not in (NODE, TENSOR, OUTPUT, VALUE_INFO))
        model = cls(before, kept)
        for number, _, value in fields(graph):
            if number == NODE:
                model.nodes.append(Node.read(bytes(value)))
            elif number == TENSOR:
                model.tensors[_name(value, 8)] = bytes(value)
            elif number == OUTPUT:
                model.outputs.append(_name(value, 1))
        return model

    def tensor(self, name: str) -> npt.NDArray[Any]:
        """The values of an initialiser."""
        return _values(self.tensors[name])

    def put(self, name: str, values: npt.NDArray[Any]) -> None:
        kind = next(number for number, dtype in _KINDS.items() if dtype == values.dtype)
        dims = b"".join(_number(1, side) for side in values.shape)
        self.tensors[name] = dims + _number(2, kind) + _text(8, name) + _bytes(9, values.tobytes())

    def written(self) -> bytes:
        """The model with only what its outputs need. Outputs are float, (batch, width) by `widths`."""
        nodes = list(_needed(self.outputs, {name: node for node in self.nodes for name in node.outputs}))
        used = {name for node in nodes for name in node.inputs}
        parts = [_bytes(NODE, node.raw) for node in nodes]
        parts += [_bytes(TENSOR, raw) for name, raw in self.tensors.items() if name in used]
        parts += [_bytes(OUTPUT, _value_info(name, self.widths[name])) for name in self.outputs]
        return self.before + _bytes(GRAPH, self.rest + b"".join(parts))


def fields(data: bytes | memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """(number, the whole field, its value without tag and length) of a message. Raises ValueError, IndexError."""
    view, at = memoryview(data), 0
    while at < len(view):
        start = at
        tag, at = _varint(view, at)
        wire = tag & 7
        if wire == 0:
            begin = at
            _, at = _varint(view, at)
        elif wire == _TEXT:
            length, begin = _varint(view, at)
            at = begin + length
        elif wire in (1, 5):
            begin, at = at, at + (8 if wire == 1 else 4)
        else:
            raise ValueError("no protocol buffer")
        yield tag >> 3, view[start:at], view[begin:at]


def _needed(outputs: Sequence[str], made: dict[str, Node]) -> Iterator[Node]:
    """The nodes that the outputs need, in an order that can be computed."""
    done: set[int] = set()
    todo = [(name, False) for name in reversed(outputs)]
    while todo:
        name, ready = todo.pop()
        node = made.get(name)
        if node is None or id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
            continue
        todo.append((name, True))
        todo.extend((one, False) for one in node.inputs)


def _values(raw: bytes) -> npt.NDArray[Any]:
    dims: list[int] = []
    kind, stored = 0, np.zeros(0)
    for number, _, value in fields(raw):
        if number == 1:
            dims.append(_varint(value, 0)[0])
        elif number == 2:
            kind = _varint(value, 0)[0]
        elif number == 9:
            stored = np.frombuffer(value, _KINDS[kind])
        elif number == 4:
            stored = np.frombuffer(value, _KINDS[FLOAT])
        elif number == 5:
            stored = np.asarray(list(_varints(value)), dtype=np.int64).astype(_KINDS[kind])
    return stored.reshape(dims)


def _name(value: memoryview, number: int) -> str:
    return next(bytes(one).decode() for found, _, one in fields(value) if found == number)


def _value_info(name: str, width: int) -> bytes:
    shape = _bytes(1, _text(2, "batch")) + _bytes(1, _number(1, width))
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, FLOAT) + _bytes(2, shape)))


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _varints(view: memoryview) -> Iterator[int]:
    at = 0
    while at < len(view):
        value, at = _varint(view, at)
        yield struct.unpack("<q", struct.pack("<Q", value))[0]


def _encoded(value: int) -> bytes:
    told = bytearray()
    while value > 0x7F:
        told.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*told, value])


def _number(number: int, value: int) -> bytes:
    return _encoded(number << 3) + _encoded(value)


def _bytes(number: int, value: bytes) -> bytes:
    return _encoded(number << 3 | _TEXT) + _encoded(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())
