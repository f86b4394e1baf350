"""Bags of tokens: the sum, mean or largest of the vectors of several integers. PyTorch's torch.nn.functional."""

from __future__ import annotations

import math

from .. import creation
from ..errors import ShapeError, UnsupportedError
from ..tensor import Tensor, where
from .token import embedding


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """input (bags, n), or (n,) with offsets: where each bag begins. Returns (bags, width); an empty bag gives zeros.

    The other options: see embedding().
    mode: "sum" (with per_sample_weights, of input's shape), "mean", "max". padding_idx: an integer that does not count.
    """
    if scale_grad_by_freq:
        raise UnsupportedError("not implemented: embedding_bag(scale_grad_by_freq=True); nearest is embedding() and a sum")
    if mode not in ("sum", "mean", "max"):
        raise ShapeError(f"embedding_bag: mode is 'sum', 'mean' or 'max', got {mode!r}")
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.shape != input.shape):
        raise ShapeError(f"embedding_bag: per_sample_weights are for mode 'sum' and of the shape of input {input.shape}")
    if input.ndim not in (1, 2) or (input.ndim == 1) != (offsets is not None):
        raise ShapeError(f"embedding_bag takes (bags, n), or (n,) with offsets, got {input.shape}")
    rows = embedding(input, weight, padding_idx, max_norm, norm_type)
    counts = creation.ones(input.shape) if padding_idx is None else (input != padding_idx % weight.shape[0]).to(rows.dtype)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    if offsets is None:
        if mode == "max":
            most = where(counts.unsqueeze(-1) > 0, rows, -math.inf).amax(1)
            return where(most == -math.inf, 0.0, most)
        total, number = (rows * counts.unsqueeze(-1)).sum(1), counts.sum(1, keepdim=True)
    else:
        starts = offsets[:-1] if include_last_offset else offsets
        bag = (creation.arange(input.shape[0]).unsqueeze(1) >= starts).long().sum(1) - 1
        if mode == "max":
            kept = where(counts.unsqueeze(-1) > 0, rows, -math.inf)
            low = creation.full((starts.shape[0], weight.shape[1]), -math.inf, dtype=rows.dtype)
            most = low.scatter_reduce(0, bag.unsqueeze(1).expand(*rows.shape), kept, "amax")
            return where(most == -math.inf, 0.0, most)
        empty = creation.zeros(starts.shape[0], weight.shape[1], dtype=rows.dtype)
        total = empty.index_add(0, bag, rows * counts.unsqueeze(-1))
        number = creation.zeros(starts.shape[0], dtype=rows.dtype).index_add(0, bag, counts.to(rows.dtype)).unsqueeze(1)
    return total if mode == "sum" else total / number.clamp(min=1.0)
