"""Dropout: zeros by chance while training. PyTorch's torch.nn.functional."""

from __future__ import annotations

import math

from .. import creation
from ..errors import ShapeError
from ..tensor import Tensor, where


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeros with probability p, the rest scaled by 1 / (1 - p).

    The mask depends on seed, step and each sample's number in the global batch (dimension 0), not on how it is split.
    """
    if not 0 <= p <= 1:
        raise ShapeError(f"dropout: p is a probability, got {p}")
    if not training or p == 0:
        return input
    per_sample = math.prod(input.shape[1:])
    chance = creation.uniform(input.shape, per_sample)
    return where(chance < p, 0.0, input / (1 - p)) if p < 1 else input * 0.0
