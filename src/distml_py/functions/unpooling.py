"""Pooling undone, and pooling by powers. PyTorch's torch.nn.functional."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import creation
from ..errors import ShapeError
from ..tensor import Tensor
from .convolution import Pair, Single
from .pooling import _listed, avg_pool1d, avg_pool2d
from .volume import Triple


def _unpooled(
    name: str, rank: int, input: Tensor, indices: Tensor, options: tuple[Any, Any, Any], output_size: Sequence[int] | None
) -> Tensor:
    """Each number back in the place its index names, zeros elsewhere."""
    if input.ndim not in (rank + 1, rank + 2) or indices.shape != input.shape:
        found = f"{input.shape}, {indices.shape}"
        raise ShapeError(f"{name} needs {rank + 1} or {rank + 2} dimensions and an index for each number, got {found}")
    kernel, stride, padding = options
    sizes, edge = _listed(kernel, rank, "kernel_size"), _listed(padding, rank, "padding", least=0)
    steps = _listed(kernel if stride is None else stride, rank, "stride")
    spans = zip(input.shape[-rank:], steps, edge, sizes, strict=True)
    usual = tuple((n - 1) * s - 2 * p + k for n, s, p, k in spans)
    size = usual if output_size is None else tuple(output_size)[-rank:]
    if len(size) != rank or any(not abs(a - b) < s for a, b, s in zip(size, usual, steps, strict=False)):
        raise ShapeError(f"{name}: output_size {size} is not within a stride of {usual}")
    lead = input.shape[:-rank]
    flat = creation.zeros(*lead, math.prod(size), dtype=input.dtype)
    return flat.scatter(-1, indices.flatten(-rank), input.flatten(-rank)).reshape(*lead, *size)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Single,
    stride: Single | None = None,
    padding: Single = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """max_unpool2d for (n, c, length) or (c, length)."""
    return _unpooled("max_unpool1d", 1, input, indices, (kernel_size, stride, padding), output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The numbers of max_pool2d(return_indices=True) where they stood, and zeros. output_size: where strides allow several."""
    return _unpooled("max_unpool2d", 2, input, indices, (kernel_size, stride, padding), output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Triple,
    stride: Triple | None = None,
    padding: Triple = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """max_unpool2d for (n, c, d, h, w) or (c, d, h, w)."""
    return _unpooled("max_unpool3d", 3, input, indices, (kernel_size, stride, padding), output_size)


def _rooted(mean: Tensor, count: int, p: float) -> Tensor:
    return (mean.sign() * mean.abs() * count) ** (1.0 / p)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Single, stride: Single | None = None, ceil_mode: bool = False
) -> Tensor:
    """The norm of each window of (n, c, length) or (c, length): the root of the sum of powers."""
    mean = avg_pool1d(input**norm_type, kernel_size, stride, 0, ceil_mode)
    return _rooted(mean, math.prod(_listed(kernel_size, 1, "kernel_size")), norm_type)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Pair, stride: Pair | None = None, ceil_mode: bool = False) -> Tensor:
    """The norm of each window of (n, c, h, w) or (c, h, w)."""
    mean = avg_pool2d(input**norm_type, kernel_size, stride, 0, ceil_mode)
    return _rooted(mean, math.prod(_listed(kernel_size, 2, "kernel_size")), norm_type)
