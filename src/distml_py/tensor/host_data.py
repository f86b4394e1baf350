"""Python numbers, lists and NumPy arrays in our dtypes. No tensors are made here."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DtypeError
from ..op import DTYPES, bool_, float32, float64, int32


def host_data(data: Any, dtype: np.dtype[Any] | None = None) -> np.ndarray:
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
    if np.dtype(dtype) not in DTYPES:
        raise DtypeError(f"dtype {dtype} is not supported; use float32, float64, int32 or bool")
    wide = array.dtype.kind in "iu" and dtype == int32 and array.dtype.itemsize >= 4
    if wide and array.size and not (-(2**31) <= int(array.min()) and int(array.max()) < 2**31):
        raise DtypeError(f"integers are 32 bits wide here, found {array.min()} to {array.max()}; use float32")
    return np.array(array, dtype=dtype, order="C", copy=True)
