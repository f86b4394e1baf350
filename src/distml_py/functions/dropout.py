"""Dropout: zeros by chance while training. PyTorch's torch.nn.functional."""

from __future__ import annotations

import math
import warnings

from .. import creation
from ..errors import ShapeError
from ..tensor import Tensor, where
from .activation import SELU_ALPHA, SELU_SCALE
from .changing import with_inplace


def _checked(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ShapeError(f"{name}: p is a probability, got {p}")


@with_inplace
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeros with probability p, the rest scaled by 1 / (1 - p).

    The mask depends on seed, step and each sample's number in the global batch (dimension 0), not on how it is split.
    """
    _checked("dropout", p)
    if not training or p == 0:
        return input
    per_sample = math.prod(input.shape[1:])
    chance = creation.uniform(input.shape, per_sample)
    return where(chance < p, 0.0, input / (1 - p)) if p < 1 else input * 0.0


def _channels(name: str, input: Tensor, p: float, training: bool, ranks: tuple[int, int]) -> Tensor:
    """Whole channels become zeros: those of dimension 1, or of dimension 0 without a batch."""
    if input.ndim not in ranks:
        raise ShapeError(f"{name} needs {ranks[0]} or {ranks[1]} dimensions, got {input.shape}")
    return (
        _features(name, input.unsqueeze(0), p, training).squeeze(0)
        if input.ndim == ranks[0]
        else _features(name, input, p, training)
    )


def _features(name: str, input: Tensor, p: float, training: bool) -> Tensor:
    """What belongs to one place in the first two dimensions becomes zero together."""
    _checked(name, p)
    if not training or p == 0:
        return input
    chance = creation.uniform(input.shape[:2], input.shape[1]).reshape(*input.shape[:2], *(1,) * (input.ndim - 2))
    return where(chance < p, 0.0, input / (1 - p)) if p < 1 else input * 0.0


@with_inplace
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (n, channels, length) or (channels, length) become zeros. Source: Tompson et al. 2015."""
    return _channels("dropout1d", input, p, training, (2, 3))


@with_inplace
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (n, channels, height, width) become zeros.

    PyTorch's warning, and its rule, for other inputs: three dimensions are (n, channels, length), two are (n, channels).
    """
    if input.ndim < 2:
        raise ShapeError(f"dropout2d needs (n, channels, height, width), at least two dimensions, got {input.shape}")
    if input.ndim != 4:
        what = "use dropout, dropout1d or dropout3d for them"
        warnings.warn(
            f"dropout2d got {input.ndim} dimensions, the first two taken for (n, channels); {what}", UserWarning, stacklevel=2
        )
    return _features("dropout2d", input, p, training)


@with_inplace
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (n, channels, depth, height, width) or without the batch become zeros."""
    return _channels("dropout3d", input, p, training, (4, 5))


@with_inplace
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """For SELU: dropped numbers get its limit, then a scale and a shift keep mean 0 and variance 1. Klambauer et al. 2017."""
    _checked("alpha_dropout", p)
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0.0
    return _alpha(input, p, creation.uniform(input.shape, math.prod(input.shape[1:])))


def _alpha(input: Tensor, p: float, chance: Tensor) -> Tensor:
    low = -SELU_SCALE * SELU_ALPHA
    scale = 1 / math.sqrt((1 - p) * (1 + p * low * low))
    return where(chance < p, low, input) * scale - scale * p * low


@with_inplace
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """alpha_dropout() of whole channels of (n, channels, ...)."""
    _checked("feature_alpha_dropout", p)
    if input.ndim < 2:
        raise ShapeError(f"feature_alpha_dropout needs (n, channels, ...), at least two dimensions, got {input.shape}")
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0.0
    chance = creation.uniform(input.shape[:2], input.shape[1]).reshape(*input.shape[:2], *(1,) * (input.ndim - 2))
    return _alpha(input, p, chance)
