"""Integers that would not fit into the 32 bits in which int64 is stored, and integers divided by 0: errors on the reference
backend. GPUs wrap, and give 0.

int32 wraps in PyTorch, too; rows on int32 tensors say so by an attribute, see tensor.binary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from ..errors import ArgumentError, DtypeError
from ..op import Op, int32

LOW, HIGH = -(2**31), 2**31
DIVIDING = frozenset({ops.FLOOR_DIVIDE, ops.REMAINDER, ops.FMOD})
WATCHED = frozenset({ops.ADD, ops.SUB, ops.MUL, ops.SUM, ops.MATMUL, ops.SCATTER_ADD, ops.CAST}) | DIVIDING


def computed(op: Op, inputs: Sequence[np.ndarray], attrs: tuple[Any, ...]) -> Any:
    """What a watched row of integers means. Raises DtypeError, ArgumentError."""
    if op in DIVIDING and not np.all(inputs[1]):
        raise ArgumentError(
            f"ZeroDivisionError: {op.name} of integers by a tensor with a 0; use floats, where it is NaN or an infinity"
        )
    if op is ops.CAST:
        x = inputs[0]
        if x.dtype.kind == "f" and x.size:
            _check("a conversion to integers", np.where(np.isfinite(x), x, 0))
        return op.numpy(x, *attrs)
    if attrs == (int32,):
        return op.numpy(*inputs, *attrs)
    found = op.numpy(*(np.asarray(x, np.int64) if x.dtype == int32 else x for x in inputs), *attrs)
    _check(op.name, found)
    return found.astype(int32)


def _check(what: str, found: np.ndarray) -> None:
    if found.size and not (found.min() >= LOW and found.max() < HIGH):
        odd = found.max() if found.max() >= HIGH else found.min()
        raise DtypeError(
            f"{what} gave {odd:.10g}: integers are 32 bits wide here, also those of int64; use float64, or float32 where the last "
            "digits do not matter (int32 wraps, as in PyTorch)"
        )
