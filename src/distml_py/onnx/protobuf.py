"""ONNX messages as bytes: the few of onnx.proto that a graph of tensors needs. Nothing of this library's graphs is known here.

Source: onnx.proto (field numbers), and the protocol buffers encoding: varint keys, lengths before texts and messages.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FLOAT, INT32, INT64, BOOL, DOUBLE = 1, 6, 7, 9, 11
KINDS = {"float32": FLOAT, "int32": INT32, "int64": INT64, "bool": BOOL, "float64": DOUBLE}
IR_VERSION = 8

Dim = int | str
"""A size, or the name of one that may change."""


def _varint(value: int) -> bytes:
    value %= 1 << 64  # negative numbers as int64
    found = bytearray()
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def kind_of(dtype: Any) -> int:
    """ONNX's number for a dtype."""
    return KINDS[np.dtype(dtype).name]


def tensor(name: str, array: np.ndarray) -> bytes:
    """A TensorProto."""
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    dims = b"".join(_number(1, size) for size in array.shape)
    return dims + _number(2, kind_of(array.dtype)) + _bytes(8, name) + _bytes(9, data)


def _attribute(name: str, value: Any) -> bytes:
    match value:
        case bool() | int():
            return _bytes(1, name) + _number(3, int(value)) + _number(20, 2)
        case float():
            return _bytes(1, name) + _float(2, value) + _number(20, 1)
        case str():
            return _bytes(1, name) + _bytes(4, value) + _number(20, 3)
        case _:
            return _bytes(1, name) + b"".join(_number(8, int(item)) for item in value) + _number(20, 7)


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], name: str, attributes: Mapping[str, Any]) -> bytes:
    """A NodeProto."""
    parts = [_bytes(1, text) for text in inputs] + [_bytes(2, text) for text in outputs]
    parts += [_bytes(3, name), _bytes(4, kind)]
    return b"".join(parts + [_bytes(5, _attribute(key, value)) for key, value in attributes.items()])


def value(name: str, kind: int, shape: Sequence[Dim]) -> bytes:
    """A ValueInfoProto: an input or output of the graph."""
    dims = b"".join(_bytes(1, _bytes(2, size) if isinstance(size, str) else _number(1, size)) for size in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims)))


def model(
    name: str, nodes: Sequence[bytes], constants: Sequence[bytes], inputs: Sequence[bytes], outputs: Sequence[bytes], opset: int
) -> bytes:
    """A ModelProto: a whole file."""
    parts = [_bytes(1, part) for part in nodes] + [_bytes(2, name)] + [_bytes(5, part) for part in constants]
    parts += [_bytes(11, part) for part in inputs] + [_bytes(12, part) for part in outputs]
    graph = b"".join(parts)
    return _number(1, IR_VERSION) + _bytes(2, "distml_py") + _bytes(7, graph) + _bytes(8, _bytes(1, "") + _number(2, opset))
