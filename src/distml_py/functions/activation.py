"""Activations: one number for one number, without weights. PyTorch's torch.nn.functional."""

from __future__ import annotations

import math

from .. import ops
from ..errors import ShapeError
from ..tensor import Tensor, apply, where


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """inplace is taken for PyTorch's sake: the result is always new, and costs no more."""
    return input.relu()


def tanh(input: Tensor) -> Tensor:
    return input.tanh()


def sigmoid(input: Tensor) -> Tensor:
    return input.sigmoid()


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return where(input > 0, input, input * negative_slope)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x; "tanh": its approximation of Hendrycks and Gimpel 2016."""
    if approximate == "none":
        return input * ((input * math.sqrt(0.5)).erf() + 1.0) * 0.5
    if approximate != "tanh":
        raise ShapeError(f"gelu: approximate is 'none' or 'tanh', got {approximate!r}")
    return apply(ops.GELU_TANH, input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    return input * input.sigmoid()


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x above 0, alpha * (exp(x) - 1) below, where exp(x) - 1 = 2 t / (1 - t) with t = tanh(x / 2): exact near 0."""
    half = (input.clamp(max=0.0) * 0.5).tanh()
    return where(input > 0, input, half * (2.0 * alpha) / (1.0 - half))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, which cannot overflow; x itself where beta * x is above threshold."""
    scaled = input * beta
    smooth = (input.relu() * beta + ((-scaled.abs()).exp() + 1.0).log()) / beta
    return where(scaled > threshold, input, smooth)
