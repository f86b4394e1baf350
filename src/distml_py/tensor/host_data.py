"""Python numbers, lists and arrays as arrays that are kept; see dtypes.py. No tensors are made here."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import engine
from ..dtypes import BFLOAT16, BOOL, BY_NAME, FLOAT32, FLOAT64, INT64, DType, dtype_of, fraction, of_array, promoted_names
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


def as_given(data: Any, told_by: Any = None) -> tuple[Any, DType | None]:
    """(data, dtype) for Tensor(), as tensor() takes them: lists as an array, once, and the kind of number that they hold.

    NumPy's numbers and arrays in a list have their dtypes there: float64, where the backend has it. told_by: data, with the
    tensors whose numbers stand in it.
    """
    if not isinstance(data, (list, tuple)):
        return data, None
    array = np.asarray(data)
    told = _promoted_of(data if told_by is None else told_by)
    if told is not None and array.dtype.kind in "biuf":
        return array, told
    kinds = {"b": bool_, "i": int32, "u": int32}
    kind = array.dtype.kind
    return array, dtype_of(kinds[kind]) if kind in kinds else fraction()


def _promoted_of(data: Any) -> DType | None:
    """PyTorch's dtype for a list in which something has a dtype of its own; None where all are Python's numbers."""
    found: set[Any] = set()
    _collect(data, found)
    kinds = {BY_NAME[name] for name in found if isinstance(name, str) and name in BY_NAME}
    if not kinds:
        return None
    kinds |= {{float: fraction(), int: INT64}[plain] for plain in found if plain in (float, int)}
    wide = promoted_names([kind for kind in kinds if kind.is_floating_point] or [k for k in kinds if k is not BOOL] or [BOOL])
    return FLOAT32 if wide is FLOAT64 and float64 not in engine.backend().dtypes else wide


def _collect(data: Any, found: set[Any]) -> None:
    """The types of a list's numbers, and the names of dtypes where they have one."""
    types = set(map(type, data))
    found |= types
    if types - PLAIN:
        for part in data:
            if isinstance(part, (list, tuple)):
                _collect(part, found)
            elif hasattr(part, "dtype"):
                found.add(part.dtype.name)


PLAIN = {bool, int, float}


def of_size(*sizes: Any) -> np.ndarray:
    """Zeros of this shape: numbers, or one shape; what a constructor took besides is None or False."""
    first, *more = (size for size in sizes if size is not None and size is not False)
    return np.zeros(first if isinstance(first, tuple) else (first, *more), np.float32)
