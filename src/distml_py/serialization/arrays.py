"""NumPy's arrays in a checkpoint: what its pickles say of them, read as data, and how ours are written. Nothing is imported."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import FormatError
from .pickles import Begun, Call, Name

KINDS = "biuf"  # truths and numbers; no objects, which would be code


class _Kind(Begun):
    """A dtype, until its byte order is said."""

    def __init__(self, code: Any, *rest: Any):
        text = code if isinstance(code, str) else code.decode("ascii") if isinstance(code, bytes) else ""
        if text.lstrip("<>=|")[:1] not in KINDS or not text.lstrip("<>=|")[1:].isdigit():
            raise FormatError(f"the file holds an array of dtype {text!r}: truths, integers and floats are read")
        self.dtype = np.dtype(text)

    def built(self, state: Any) -> Any:
        if isinstance(state, tuple) and ">" in state[1:2]:
            self.dtype = self.dtype.newbyteorder(">")
        return self


class _Array(Begun):
    """An array, until its shape and numbers are said."""

    def built(self, state: Any) -> Any:
        _, shape, kind, turned, data = state
        return _numbers(shape, kind, data, bool(turned))


def _numbers(shape: Any, kind: Any, data: Any, turned: bool = False) -> np.ndarray:
    """A copy. Raises FormatError where shape, dtype and bytes do not fit together."""
    whole = isinstance(kind, _Kind) and isinstance(data, (bytes, bytearray)) and isinstance(shape, tuple)
    if not whole or not all(type(n) is int and n >= 0 for n in shape) or math.prod(shape) * kind.dtype.itemsize != len(data):
        raise FormatError("an array of the file has not as many numbers as its shape says: it is damaged")
    found = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if turned else "C")
    return np.array(found, found.dtype.newbyteorder("="))


def _made(shape: Any, kind: Any, data: Any) -> np.ndarray:
    return _numbers(shape, kind, data)


def _scalar(kind: Any, data: Any) -> Any:
    return _numbers((), kind, data)[()]


def _bytes(text: Any, coding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or coding not in ("latin1", "latin-1"):
        raise FormatError("the file's pickle makes bytes of something else than text: it was not read")
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    return b""


CALLS: dict[str, Callable[..., Any]] = {
    **{f"numpy.{core}.multiarray._reconstruct": lambda *begun: _Array() for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    "numpy.ndarray": _made,
    "numpy.dtype": _Kind,
    "_codecs.encode": _bytes,
    **{f"{module}.bytearray": _bytes for module in ("builtins", "__builtin__")},
    **{f"{module}.bytes": _no_bytes for module in ("builtins", "__builtin__")},
}


def written(array: np.ndarray) -> Call:
    """numpy.ndarray(shape, dtype, buffer), which NumPy makes a writable array of. Raises FormatError for other kinds of numbers."""
    if array.dtype.kind not in KINDS:
        raise FormatError(f"torch.save: an array of {array.dtype} is not written; truths, integers and floats are")
    kind = array.dtype.newbyteorder("<")
    data = Call(Name("__builtin__", "bytearray"), (np.ascontiguousarray(array, kind).tobytes().decode("latin-1"), "latin-1"))
    shape = tuple(int(size) for size in array.shape)
    return Call(Name("numpy", "ndarray"), (shape, Call(Name("numpy", "dtype"), (kind.str,)), data))
