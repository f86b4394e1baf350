"""Bytes <-> named arrays in the safetensors format: u64 header length, JSON header, data. No files, no tensors.

Source: the safetensors format description (header with dtype, shape and data_offsets; no holes, no overlaps).
"""

import functools
import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import nesting
from .errors import FormatError

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
# read where a file of others is: what of it is kept as another dtype; the upper half of a float32 is marked as such
FOREIGN: dict[str, np.dtype[Any]] = {
    "BF16": np.dtype("<u2", metadata={"bfloat16": True}),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U16": np.dtype("<u2"),
}
MAX_HEADER_BYTES = 1 << 20
MAX_DIMENSIONS = 16
MAX_NAME_CHARACTERS = 512
MAX_ARRAY_BYTES = 1 << 48
KNOWN_BYTES = 16 * 1024  # of a header that is remembered
_LENGTH = struct.Struct("<Q")

Place = tuple[str, np.dtype[Any], tuple[int, ...], int, int]  # name, dtype, shape, first byte, end


def dumps(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file; header and data follow the mapping's order. Raises FormatError.

    metadata: texts by name, kept in the header.
    """
    return b"".join(chunks(tensors, metadata))


def chunks(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> list[bytes | memoryview]:
    """dumps() in pieces: the header, then the arrays where they are, copied only if they are not in C order."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    parts: list[bytes | memoryview] = []
    end = 0
    for name, array in tensors.items():
        _check_name(name)
        dtype = NAMES.get(array.dtype.newbyteorder("<"))
        if dtype is None:
            raise FormatError(f"safetensors: {name!r} has dtype {array.dtype}; possible are {', '.join(DTYPES)}")
        data = np.ascontiguousarray(array, DTYPES[dtype])
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [end, end + data.nbytes]}
        end += data.nbytes
        parts.append(data.reshape(-1).view(np.uint8).data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER_BYTES:
        raise FormatError(f"safetensors: the header would have {len(text)} bytes, at most {MAX_HEADER_BYTES} are allowed")
    return [_LENGTH.pack(len(text)), text, *parts]


def loads(data: bytes | memoryview, copy: bool = True, foreign: bool = False) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, in its header's order. Raises FormatError for any irregular byte.

    copy False: they may be views into `data`, then read-only and as long-lived, where they are aligned. foreign: dtypes that
    are not written here are read, too; bfloat16 becomes float32.
    """
    text, payload = _parts(data)
    entries, described = (_known if len(text) <= KNOWN_BYTES else _layout)(text, foreign)
    if described != len(payload):
        raise FormatError(f"safetensors: the header describes {described} data bytes, the file has {len(payload)}")
    return {name: _array(name, payload[begin:end], dtype, shape, copy) for name, dtype, shape, begin, end in entries}


def metadata(data: bytes | memoryview) -> dict[str, str]:
    """The texts by name in a file's header. Raises FormatError where there is no header."""
    found: dict[str, str] = _parse_header(_parts(data)[0]).get("__metadata__", {})
    return found


def _layout(text: bytes, foreign: bool) -> tuple[list[Place], int]:
    """What a header's text says of each array, and how many bytes they have together."""
    dtypes = DTYPES | FOREIGN if foreign else DTYPES
    entries = [_entry(name, fields, dtypes) for name, fields in _parse_header(text).items() if name != "__metadata__"]
    expected = 0
    for begin, end, name in sorted((begin, end, name) for name, _, _, begin, end in entries):
        if begin != expected:
            raise FormatError(f"safetensors: {name!r} starts at byte {begin}, expected {expected} (a hole or an overlap)")
        expected = end
    return entries, expected


_known = functools.lru_cache(8)(_layout)  # all gradients of a run have one header


def _parts(data: bytes | memoryview) -> tuple[bytes, memoryview]:
    """(the header's text, the bytes of the arrays)."""
    view = memoryview(data).cast("B")
    if len(view) < _LENGTH.size:
        raise FormatError(f"safetensors: at least {_LENGTH.size} bytes are needed, got {len(view)}")
    (length,) = _LENGTH.unpack_from(view)
    if length > min(MAX_HEADER_BYTES, len(view) - _LENGTH.size):
        raise FormatError(
            f"safetensors: the header claims {length} bytes, of {len(view)} in all; at most {MAX_HEADER_BYTES} are allowed"
        )
    return bytes(view[_LENGTH.size : _LENGTH.size + length]), view[_LENGTH.size + length :]


def _parse_header(text: bytes) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise FormatError("safetensors: the header starts with '{'; is this a safetensors file?")
    try:
        header = nesting.loads(text, object_pairs_hook=_unique)
    except ValueError as error:
        raise FormatError(f"safetensors: the header is not valid JSON: {error}") from None
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FormatError("safetensors: __metadata__ maps text to text")
    assert isinstance(header, dict)
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key appears twice")
    return unique


def _check_name(name: str) -> None:
    if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise FormatError(f"safetensors: a name has 1-{MAX_NAME_CHARACTERS} printable characters, got {name[:40]!r}")
    # a name may end up in a path of a program that unpacks the file
    if name == "__metadata__" or name.startswith("/") or ".." in name.split("/"):
        raise FormatError(f"safetensors: {name!r} is not possible as a name")


def _entry(name: str, fields: Any, dtypes: Mapping[str, np.dtype[Any]]) -> Place:
    _check_name(name)
    if not isinstance(fields, dict) or fields.keys() != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"safetensors: {name!r} needs exactly dtype, shape and data_offsets")
    dtype = dtypes.get(fields["dtype"]) if isinstance(fields["dtype"], str) else None
    if dtype is None:
        raise FormatError(f"safetensors: {name!r} has unknown dtype {fields['dtype']!r}; possible: {', '.join(DTYPES)}")
    shape, offsets = fields["shape"], fields["data_offsets"]
    if not _whole_numbers(shape) or len(shape) > MAX_DIMENSIONS:
        raise FormatError(f"safetensors: the shape of {name!r} is a list of at most {MAX_DIMENSIONS} whole numbers >= 0")
    if not _whole_numbers(offsets) or len(offsets) != 2:
        raise FormatError(f"safetensors: the data_offsets of {name!r} are two whole numbers >= 0")
    # axes of size 0 count as 1 here: NumPy multiplies the others and overflows
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > MAX_ARRAY_BYTES:
        raise FormatError(f"safetensors: the shape {tuple(shape)} of {name!r} is too large")
    size_bytes = math.prod(shape) * dtype.itemsize
    if offsets[1] - offsets[0] != size_bytes:
        raise FormatError(f"safetensors: {name!r} needs {size_bytes} bytes for its shape, its data_offsets are {offsets}")
    return name, dtype, tuple(shape), offsets[0], offsets[1]


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item <= MAX_ARRAY_BYTES for item in value)


def _array(name: str, data: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...], copy: bool) -> np.ndarray:
    if dtype == np.bool_ and np.frombuffer(data, np.uint8).max(initial=0) > 1:
        raise FormatError(f"safetensors: {name!r} is BOOL and holds a byte that is neither 0 nor 1")
    found = np.frombuffer(data, dtype).reshape(shape)
    if dtype.metadata:
        return (found.astype(np.uint32) << 16).view(np.float32)
    # a copy is aligned, may be written to, and does not keep the whole frame alive
    return found.copy() if copy or not found.flags.aligned else found
