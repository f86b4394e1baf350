"""Activations: one number for one number, without weights. PyTorch's torch.nn.functional.

inplace: the input becomes the result.
"""

from __future__ import annotations

import math

from .. import creation, ops
from ..errors import DtypeError, ShapeError
from ..tensor import Tensor, apply, where
from ..tensor.narrow import rounded_once
from ..tensor.tensor import method
from .changing import with_inplace

# Klambauer et al. 2017: with these an activation keeps mean 0 and variance 1
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@with_inplace
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """inplace: the input becomes the result."""
    return input.relu()


def tanh(input: Tensor) -> Tensor:
    return input.tanh()


def sigmoid(input: Tensor) -> Tensor:
    return input.sigmoid()


@with_inplace
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return where(input > 0, input, input * negative_slope)


@rounded_once
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x; "tanh": its approximation of Hendrycks and Gimpel 2016."""
    if approximate == "none":
        return input * ((input * math.sqrt(0.5)).erf() + 1.0) * 0.5
    if approximate != "tanh":
        raise ShapeError(f"gelu: approximate is 'none' or 'tanh', got {approximate!r}")
    return apply(ops.GELU_TANH, input)


@with_inplace
@rounded_once
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    return input * input.sigmoid()


def _less_one(exponent: Tensor) -> Tensor:
    """exp(x) - 1 = 2 t / (1 - t) with t = tanh(x / 2), for x of at most 0: exact near 0."""
    half = (exponent.clamp(max=0.0) * 0.5).tanh()
    return half * 2.0 / (1.0 - half)


@with_inplace
@rounded_once
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x above 0, alpha * (exp(x) - 1) below."""
    return where(input > 0, input, _less_one(input) * alpha)


@with_inplace
@rounded_once
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x above 0, alpha * (exp(x / alpha) - 1) below. Source: Barron 2017."""
    return where(input > 0, input, _less_one(input / alpha) * alpha)


@with_inplace
@rounded_once
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Source: Klambauer et al. 2017."""
    return where(input > 0, input * SELU_SCALE, _less_one(input) * (SELU_SCALE * SELU_ALPHA))


@rounded_once
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, which cannot overflow; x itself where beta * x is above threshold."""
    smooth = apply(ops.SOFTPLUS, input) if beta == 1 else apply(ops.SOFTPLUS, input * beta) / beta
    return where(input * beta > threshold, input, smooth) if threshold < math.inf else smooth


@rounded_once
def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)): no overflow for any x."""
    return -softplus(-input, threshold=math.inf)


@with_inplace
@rounded_once
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)). Source: Misra 2019."""
    return input * softplus(input).tanh()


@with_inplace
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Cut to [min_val, max_val]; the gradient is 0 on both ends."""
    if min_val > max_val:
        raise ShapeError(f"hardtanh: min_val {min_val} is above max_val {max_val}")
    if not input.is_floating_point():  # integers stay integers, and so do the limits
        min_val, max_val = int(min_val), int(max_val)
        if input.dtype.name == "uint8" and min_val < 0:
            raise DtypeError(f"hardtanh: uint8 holds no numbers below 0, got min_val {min_val}; use .int()")
    return where(input <= min_val, min_val, where(input >= max_val, max_val, input))


@with_inplace
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    return hardtanh(input, 0.0, 6.0)


@with_inplace
@rounded_once
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """x / 6 + 1 / 2, cut to [0, 1]."""
    return hardtanh(input + 3.0, 0.0, 6.0) / 6.0


@with_inplace
@rounded_once
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x). Source: Howard et al. 2019."""
    return where(input <= -3.0, 0.0, where(input >= 3.0, input, input * (input + 3.0) / 6.0))


def softsign(input: Tensor) -> Tensor:
    return input / (input.abs() + 1.0)


def tanhshrink(input: Tensor) -> Tensor:
    return input - input.tanh()


@method
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 within lambd of 0, x elsewhere."""
    return where(input.abs() <= lambd, 0.0, input)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """lambd nearer to 0, and 0 within lambd of it."""
    if lambd < 0:
        raise ShapeError(f"softshrink: lambd is at least 0, got {lambd}")
    return where(input > lambd, input - lambd, where(input < -lambd, input + lambd, 0.0))


@with_inplace
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x above threshold, value elsewhere."""
    return where(input > threshold, input, value)


@method
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x above 0, weight * x below; weight holds one number, or one for each channel (dimension 1)."""
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.numel() not in (1, channels):
        raise ShapeError(f"prelu: weight {weight.shape} needs 1 number or one for each of {channels} channels of {input.shape}")
    column = (1, weight.numel(), *(1,) * (input.ndim - 2)) if weight.numel() > 1 else (1,) * input.ndim
    return where(input > 0, input, input * weight.reshape(column))


@with_inplace
def rrelu(input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False) -> Tensor:
    """leaky_relu with a slope from [lower, upper): drawn for each number while training, else their mean."""
    if not 0 <= lower <= upper:
        raise ShapeError(f"rrelu: 0 <= lower <= upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    slopes = creation.uniform(input.shape, math.prod(input.shape[1:])) * (upper - lower) + lower
    return where(input >= 0, input, input * slopes)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along dim times the sigmoid of the second. Source: Dauphin et al. 2017."""
    if not input.ndim or input.size(dim) % 2:
        raise ShapeError(f"glu: the size along dim {dim} must be even, got {input.shape}")
    first, second = input.chunk(2, dim)
    return first * second.sigmoid()


def normalize(input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12) -> Tensor:
    """input over its p-norm along dim, which is at least eps."""
    return input / norm(input, p, dim).clamp(min=eps)


def norm(input: Tensor, p: float, dim: int | tuple[int, ...]) -> Tensor:
    """The p-norm along dim, which stays as size 1. The gradient of a norm of 0 is 0."""
    if p == math.inf:
        return input.abs().amax(dim, keepdim=True)
    if p == 1:
        return input.abs().sum(dim, keepdim=True)
    powers = input * input if p == 2 else input.abs() ** p
    total = powers.sum(dim, keepdim=True)
    safe = where(total == 0.0, 1.0, total)
    return where(total == 0.0, 0.0, safe.sqrt() if p == 2 else safe ** (1.0 / p))


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """softmax of (logits + Gumbel noise) / tau. hard: one-hot forward, the soft gradient backward. Source: Jang et al. 2017."""
    chance = creation.uniform(logits.shape) + 2.0**-25
    soft = ((logits - (-chance.log()).log()) / tau).softmax(dim)
    if not hard:
        return soft
    top = soft._aside().argmax(dim, keepdim=True)
    places = creation.arange(logits.size(dim)).reshape(*(-1 if a == dim % logits.ndim else 1 for a in range(logits.ndim)))
    return (places == top).to(soft.dtype) - soft._aside() + soft
