"""The few things that must be known of an ONNX file before anything else reads it: that its weights are numbers, and
that all of them are in it.

A reader of exactly that part of the protocol buffers of onnx.proto (ModelProto.graph = 7, GraphProto.initializer = 5,
GraphProto.node = 1, NodeProto.attribute = 5, AttributeProto.t = 5; TensorProto.data_type = 2, .float_data = 4,
.name = 8, .raw_data = 9, .double_data = 10, .data_location = 14), so that the service needs no package `onnx`.
"""

from collections.abc import Iterator

import numpy as np

GRAPH, NODE, INITIALIZER, ATTRIBUTE, TENSOR = 7, 1, 5, 5, 5
DATA_TYPE, FLOATS, RAW, DOUBLES, LOCATION = 2, 4, 9, 10, 14
_TYPES = {1: "<f4", 10: "<f2", 11: "<f8"}
EXTERNAL = 1


def check(data: bytes) -> None:
    """Raises ValueError, in words that complete “…, because …”, for what is no ONNX file, or one with weights that are
    no numbers or that lie in another file.
    """
    try:
        external, finite = False, True
        for tensor in _tensors(memoryview(data)):
            external, finite = external or _is_external(tensor), finite and _is_finite(tensor)
        graphs = list(_messages(memoryview(data), GRAPH))
    except (ValueError, IndexError) as error:
        raise ValueError("it is no ONNX file") from error
    if not graphs:
        raise ValueError("it is no ONNX file")
    if external:
        raise ValueError("it keeps weights in a second file")
    if not finite:
        raise ValueError("some of its weights are no numbers")


def _tensors(model: memoryview) -> Iterator[memoryview]:
    for graph in _messages(model, GRAPH):
        yield from _messages(graph, INITIALIZER)
        for node in _messages(graph, NODE):
            for attribute in _messages(node, ATTRIBUTE):
                yield from _messages(attribute, TENSOR)


def _is_external(tensor: memoryview) -> bool:
    return any(field == LOCATION and value == EXTERNAL for field, value, _ in _fields(tensor))


def _is_finite(tensor: memoryview) -> bool:
    kind = next((value for field, value, _ in _fields(tensor) if field == DATA_TYPE), 0)
    for field, _, body in _fields(tensor):
        if field == RAW and kind in _TYPES and not np.isfinite(np.frombuffer(body, _TYPES[kind])).all():
            return False
        if field == FLOATS and body and not np.isfinite(np.frombuffer(body, "<f4")).all():
            return False
        if field == DOUBLES and body and not np.isfinite(np.frombuffer(body, "<f8")).all():
            return False
    return True


def _messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    return (body for field, value, body in _fields(message) if field == wanted and value == -1)


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
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
