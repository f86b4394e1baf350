"""Python numbers, lists and arrays as arrays that are kept; see dtypes.py. No tensors are made here."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import BFLOAT16, DType, dtype_of, fraction, of_array
from ..errors import DtypeError
from ..op import bool_, float32, float64, int32
from ..ops import BRAIN


def resolve(dtype: Any) -> np.dtype[Any]:
    """How numbers of a dtype are stored. Raises DtypeError where there is no such dtype."""
    return dtype_of(dtype).dtype


def host_data(data: Any, dtype: Any = None) -> tuple[np.ndarray, DType | None]:
    """(Python numbers, lists or a NumPy array as a C-contiguous copy in one of our dtypes, its name if storage does not tell it).

    Without dtype: bool stays, Python's integers are int64, floats float32 (see fraction()); arrays keep their dtype.
    Raises DtypeError for other kinds and for integers beyond 32 bits.
    """
    array = np.asarray(data)
    kinds = {"b": bool_, "i": int32, "u": int32, "f": float32}
    if array.dtype.kind not in kinds:
        if array.dtype.kind == "c":
            raise DtypeError(f"not implemented: complex numbers, {array.dtype}; nearest is two float32 tensors, .real and .imag")
        raise DtypeError(f"a tensor holds numbers or booleans, got {array.dtype}; convert the data first")
    if dtype is None:
        given = isinstance(data, (np.ndarray, np.generic))
        name = of_array(array) if given else fraction() if array.dtype.kind == "f" else None
        kind = dtype_of(float64 if array.dtype == float64 and given else kinds[array.dtype.kind]) if name is None else name
    else:
        kind = dtype_of(dtype)
    if kind.numpy is not None and kind.own and kind.itemsize < 4:
        array = array.astype(kind.numpy)
    wide = array.dtype.kind in "iu" and kind.dtype == int32 and array.dtype.itemsize >= 4
    if wide and array.size and not (-(2**31) <= int(array.min()) and int(array.max()) < 2**31):
        raise DtypeError(f"integers are 32 bits wide here, found {array.min()} to {array.max()}; use float32")
    array = np.array(array, dtype=kind.dtype, order="C", copy=True)
    return (BRAIN.numpy(array) if kind is BFLOAT16 else array), kind if kind.own else None


def as_given(data: Any) -> tuple[Any, DType | None]:
    """(data, dtype) for Tensor(), as tensor() takes them: lists as an array, once, and the kind of number that they hold."""
    if not isinstance(data, (list, tuple)):
        return data, None
    kinds, array = {"b": bool_, "i": int32, "u": int32}, np.asarray(data)
    kind = array.dtype.kind
    return array, dtype_of(kinds[kind]) if kind in kinds else fraction()


def of_size(*sizes: Any) -> np.ndarray:
    """Zeros of this shape: numbers, or one shape; what a constructor took besides is None or False."""
    first, *more = (size for size in sizes if size is not None and size is not False)
    return np.zeros(first if isinstance(first, tuple) else (first, *more), np.float32)


def on_host(node: Any) -> np.ndarray | None:
    """The numbers of a node that are on the host, or follow from such by rows of one input (views and the like); else None."""
    steps = []
    while not isinstance(node.buffer, np.ndarray):
        if node.buffer is not None or len(node.inputs) != 1 or node.link is not None:
            return None
        steps.append(node)
        (node,) = node.inputs
    if node.owner is not None:  # a gradient goes through it
        return None
    array = node.buffer
    for step in reversed(steps):
        array = step.op.numpy(array, *step.attrs)
    return array
