"""Matrix products."""

from __future__ import annotations

import math

from .. import broadcast, graph, ops
from ..errors import DtypeError, ShapeError
from ..op import bool_
from .tensor import Tensor, made, method


@method
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """PyTorch's matmul: vectors, matrices, and batches of matrices that broadcast. Raises ShapeError."""
    if not input.ndim or not other.ndim:
        raise ShapeError(f"matmul needs at least 1 dimension, got {input.shape} @ {other.shape}; use * for numbers")
    left = input.unsqueeze(0) if input.ndim == 1 else input
    right = other.unsqueeze(1) if other.ndim == 1 else other
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(f"matmul needs (..., m, k) @ (..., k, n), got {input.shape} @ {other.shape}")
    if left.dtype != right.dtype or left.dtype == bool_:
        raise DtypeError(f"matmul needs two equal numeric dtypes, got {left.dtype.name} and {right.dtype.name}")
    batch = broadcast.common_shape("matmul", left.shape[:-2], right.shape[:-2])
    m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
    if right.ndim == 2 and left.ndim > 2:  # one product with all rows together: no batch of small ones
        flat = [left.reshape(1, math.prod(batch) * m, k), right.reshape(1, k, n)]
    else:
        count = math.prod(batch)
        flat = [left.expand(*batch, m, k).reshape(count, m, k), right.expand(*batch, k, n).reshape(count, k, n)]
    out = made(graph.apply(ops.MATMUL, flat[0]._node, flat[1]._node), *flat)
    shape = batch + ((m,) if input.ndim > 1 else ()) + ((n,) if other.ndim > 1 else ())
    return out.reshape(*shape)
