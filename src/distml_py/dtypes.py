"""Dtypes by PyTorch's names, and the four in which numbers are stored: bool, int32, float32 and float64. Nothing is computed here.

A dtype that is not stored as itself is kept by its rule: integers of 8 and 16 bits wrap, float16 and bfloat16 are rounded after
each operation. int64 is stored in 32 bits, and what does not fit into them is an error where it enters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import DtypeError
from .op import bool_, float32, float64, int32


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class DType:
    """name: PyTorch's. dtype: how numbers are stored; NumPy takes it for that one. numpy: what numpy() gives.

    own: dtype alone does not tell it.
    """

    name: str
    dtype: np.dtype[Any]
    numpy: np.dtype[Any] | None
    itemsize: int
    own: bool = True

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DType):
            return self is other
        return isinstance(other, np.dtype) and other == self.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __reduce__(self) -> str:
        return self.name.upper()

    @property
    def kind(self) -> str:
        """NumPy's letter: b, i or f."""
        return self.dtype.kind

    @property
    def is_floating_point(self) -> bool:
        return self.dtype.kind == "f"

    @property
    def is_complex(self) -> bool:
        return False

    @property
    def is_signed(self) -> bool:
        return self.name not in ("bool", "uint8")

    def to_complex(self) -> DType:
        raise DtypeError(f"there are no complex numbers here; {self} has no complex partner, use two tensors")

    def to_real(self) -> DType:
        return self


BOOL = DType("bool", bool_, bool_, 1, own=False)
UINT8 = DType("uint8", int32, np.dtype("uint8"), 1)
INT8 = DType("int8", int32, np.dtype("int8"), 1)
INT16 = DType("int16", int32, np.dtype("int16"), 2)
INT32 = DType("int32", int32, int32, 4)
INT64 = DType("int64", int32, np.dtype("int64"), 8, own=False)
FLOAT16 = DType("float16", float32, np.dtype("float16"), 2)
BFLOAT16 = DType("bfloat16", float32, None, 2)
FLOAT32 = DType("float32", float32, float32, 4, own=False)
FLOAT64 = DType("float64", float64, float64, 8, own=False)
ALL = (BOOL, UINT8, INT8, INT16, INT32, INT64, FLOAT16, BFLOAT16, FLOAT32, FLOAT64)
BY_NAME = {dtype.name: dtype for dtype in ALL} | {"half": FLOAT16, "float": FLOAT32, "double": FLOAT64, "long": INT64, "int": INT32}
STORED = {bool_: BOOL, int32: INT64, float32: FLOAT32, float64: FLOAT64}
"""what a tensor is called that has no name of its own"""


_fraction = [FLOAT32]  # what may change in this module, in one place


def fraction() -> DType:
    """What Python's fractions become, and tensors of which no dtype is said: torch.get_default_dtype()."""
    return _fraction[0]


def make_fraction(kind: DType) -> None:
    _fraction[0] = kind


def dtype_of(dtype: Any) -> DType:
    """The dtype that is meant: one of ours, or a type of NumPy's or Python's. np.dtype("int32") is how int64 is stored.

    Raises DtypeError where there is none, and for text, as PyTorch does.
    """
    if isinstance(dtype, DType):
        return dtype
    if isinstance(dtype, np.dtype) and dtype in STORED:
        return STORED[dtype]
    if isinstance(dtype, str):
        near = dtype.removeprefix("torch.")
        raise DtypeError(f"a dtype is no text, got {dtype!r}; write torch.{near if near in BY_NAME else 'float32'}")
    try:
        found = BY_NAME.get(np.dtype(dtype).name)
    except TypeError:  # not a dtype of NumPy's
        found = None
    if found is None:
        raise DtypeError(f"dtype {dtype} is not supported; use one of {', '.join(known.name for known in ALL)}")
    return found


def of_array(array: np.ndarray) -> DType | None:
    """The name of an array's numbers as a tensor, where it is not the one that their storage has anyway."""
    found = BY_NAME.get(array.dtype.name)
    return found if found is not None and found.own else None


def promoted_names(names: list[DType]) -> DType:
    """PyTorch's rule for dtypes of one kind."""
    found = names[0]
    for other in names[1:]:
        if found is other:
            continue
        if found.numpy is None or other.numpy is None:
            found = FLOAT64 if FLOAT64 in (found, other) else FLOAT32
        else:
            found = BY_NAME[np.promote_types(found.numpy, other.numpy).name]
    return found
