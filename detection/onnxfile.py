"""The few things that must be known of an ONNX file before anything else reads it: that its weights are numbers, and
that all of them are in it.

A reader of exactly that part of the protocol buffers of onnx.proto, so that the service needs no package `onnx`. It
follows graphs into the branches of If and Loop, into functions and training information, and looks at every tensor on
the way, sparse ones and those of attributes too. A single field that is there twice is refused: readers differ in what
they make of it.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

# What lies in what: message, number of the field, message.
_INSIDE: Final = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": dict[int, str](),
}
GRAPH = 7  # of a model
NUMBER, NUMBERS = 2, 7  # of an attribute: float32
DATA_TYPE, FLOATS, INTS, EXTERNAL_DATA, RAW, DOUBLES, LOCATION = 2, 4, 5, 13, 9, 10, 14  # of a tensor
_ONCE: Final = {
    "model": {GRAPH},
    "training": {1, 2},
    "attribute": {NUMBER, 5, 6, 22},
    "sparse": {1, 2},
    "tensor": {DATA_TYPE, RAW, LOCATION},
}
_TYPES = {1: "<f4", 10: "<f2", 11: "<f8"}
FLOAT16, BFLOAT16, EXTERNAL = 10, 16, 1

Field = tuple[int, int, memoryview]


def check(data: bytes) -> None:
    """Raises ValueError, in words that complete “…, because …”, for what is no ONNX file, or one with weights that are
    no numbers or that lie in another file.
    """
    try:
        external, finite, graphs = False, True, 0
        for kind, fields in _walk(memoryview(data)):
            graphs += kind == "graph"
            external = external or (kind == "tensor" and _is_external(fields))
            finite = finite and _is_finite(kind, fields)
    except (ValueError, IndexError) as error:
        raise ValueError("it is no ONNX file") from error
    if not graphs:
        raise ValueError("it is no ONNX file")
    if external:
        raise ValueError("it keeps weights in a second file")
    if not finite:
        raise ValueError("some of its weights are no numbers")


def _walk(model: memoryview) -> Iterator[tuple[str, list[Field]]]:
    """Every message that may hold a weight, however deep, with its fields. Raises ValueError or IndexError."""
    waiting = [("model", model)]
    while waiting:
        kind, message = waiting.pop()
        fields = list(_fields(message))
        times = Counter(field for field, _, _ in fields)
        if any(times[field] > 1 for field in _ONCE.get(kind, ())):
            raise ValueError("a field is there twice")
        yield kind, fields
        waiting += (
            (_INSIDE[kind][field], body) for field, value, body in fields if value == -1 and field in _INSIDE[kind]
        )


def _is_external(tensor: list[Field]) -> bool:
    return any(field == EXTERNAL_DATA or (field == LOCATION and value == EXTERNAL) for field, value, _ in tensor)


def _is_finite(kind: str, fields: list[Field]) -> bool:
    """Of an attribute an infinity may be meant (a mask); of a weight it is none."""
    if kind == "attribute":
        told = (
            np.frombuffer(body, "<f4") for field, value, body in fields if field in (NUMBER, NUMBERS) and value == -1
        )
        return not any(np.isnan(one).any() for one in told)
    if kind != "tensor":
        return True
    data_type = next((value for field, value, _ in fields if field == DATA_TYPE), 0)
    return all(np.isfinite(_values(field, value, body, data_type)).all() for field, value, body in fields)


def _values(field: int, value: int, body: memoryview, data_type: int) -> npt.NDArray[np.floating]:
    """The floating-point numbers in one field of a tensor; none where it holds others."""
    if field == RAW and data_type in _TYPES:
        return np.frombuffer(body, _TYPES[data_type])
    if field == RAW and data_type == BFLOAT16:
        return _bfloat16(np.frombuffer(body, "<u2"))
    if field == INTS and data_type in (FLOAT16, BFLOAT16):  # 16 bits of each, as whole numbers
        bits = np.array([value] if value != -1 else list(_varints(body)), dtype=np.uint64).astype(np.uint16)
        return bits.view(np.float16) if data_type == FLOAT16 else _bfloat16(bits)
    if field == FLOATS:
        return np.frombuffer(body, "<f4")
    if field == DOUBLES:
        return np.frombuffer(body, "<f8")
    return np.zeros(0)


def _bfloat16(bits: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _varints(packed: memoryview) -> Iterator[int]:
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value & 0xFFFF


def _fields(message: memoryview) -> Iterator[Field]:
    """(field number, value of a varint or -1, body of anything else). Raises ValueError or IndexError for what is no
    message (https://protobuf.dev/programming-guides/encoding/).
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield field, value, message[:0]
            continue
        if wire == 2:
            length, at = _varint(message, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError("not a protocol buffer")
        if not field or at + length > len(message):
            raise ValueError("not a protocol buffer")
        yield field, -1, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("not a varint")
