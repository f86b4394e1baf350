"""Dtypes as PyTorch names them, and Python numbers, lists and arrays in those that are kept. No tensors are made here.

Kept are bool, int32, float32 and float64 (the reference backend's alone). int64, int16 and int8 are other names of int32;
uint8 is accepted and kept as int32; float16 and bfloat16 have names, and are refused where they are used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DtypeError
from ..op import DTYPES, bool_, float32, float64, int32

uint8 = np.dtype("uint8")
float16 = np.dtype("float16")
bfloat16 = "bfloat16"
_AS_INT32 = frozenset(np.dtype(name) for name in ("int8", "int16", "int64", "uint8", "uint16"))


def resolve(dtype: Any) -> np.dtype[Any]:
    """The dtype that stands for this one here. Raises DtypeError where none does."""
    try:
        found = np.dtype(dtype)
        if found in DTYPES or found in _AS_INT32:
            return found if found in DTYPES else int32
    except TypeError:  # not a dtype of NumPy's
        pass
    raise DtypeError(f"dtype {dtype} is not supported; use float32, float64, int32 or bool")


def host_data(data: Any, dtype: Any = None) -> np.ndarray:
    """Python numbers, lists or a NumPy array as a C-contiguous copy in one of our dtypes.

    Without dtype: bool stays, integers become int32, floats float32 (a float64 array stays float64).
    Raises DtypeError for other kinds and for integers beyond 32 bits.
    """
    array = np.asarray(data)
    if dtype is None:
        kinds = {"b": bool_, "i": int32, "u": int32, "f": float32}
        if array.dtype.kind not in kinds:
            raise DtypeError(f"a tensor holds numbers or booleans, got {array.dtype}; convert the data first")
        dtype = float64 if array.dtype == float64 and isinstance(data, (np.ndarray, np.generic)) else kinds[array.dtype.kind]
    if dtype == uint8:
        array = array.astype(uint8)
    dtype = resolve(dtype)
    wide = array.dtype.kind in "iu" and dtype == int32 and array.dtype.itemsize >= 4
    if wide and array.size and not (-(2**31) <= int(array.min()) and int(array.max()) < 2**31):
        raise DtypeError(f"integers are 32 bits wide here, found {array.min()} to {array.max()}; use float32")
    return np.array(array, dtype=dtype, order="C", copy=True)
