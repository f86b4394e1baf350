"""Parameters as layers begin with them: drawn on the host, so that every backend starts from the same bits. See init.py."""

from __future__ import annotations

import math

import numpy as np

from .. import ops, random
from ..dtypes import fraction
from ..errors import ShapeError
from ..op import float32, float64
from ..view import Shape
from .module import Parameter


def drawn_uniform(shape: Shape, low: float, high: float) -> np.ndarray:
    seed, step, stream = random.next_key()
    words = [np.uint32(word) for word in (seed, step, stream)]
    unit = ops.UNIFORM.numpy(*words, np.uint32(0), shape)
    return (unit * float32.type(high - low) + float32.type(low)).astype(fraction().dtype)


def drawn_normal(shape: Shape, mean: float, std: float) -> np.ndarray:
    seed, step, stream = random.next_key()
    again = random.next_key()[2]
    one, two = (ops.UNIFORM.numpy(np.uint32(seed), np.uint32(step), np.uint32(s), np.uint32(0), shape) for s in (stream, again))
    numbers = np.sqrt(-2.0 * np.log(1.0 - one.astype(float64))) * np.cos(two * (2 * math.pi))
    return (numbers * std + mean).astype(fraction().dtype)


def _check(shape: Shape) -> None:
    if min(shape, default=0) < 0:
        raise ShapeError(f"a parameter's sizes are at least 0, got {tuple(shape)}")


def uniform(shape: Shape, low: float, high: float) -> Parameter:
    """Uniform on [low, high), from the next random stream."""
    _check(shape)
    return Parameter(drawn_uniform(shape, low, high))


def normal(shape: Shape, mean: float = 0.0, std: float = 1.0, zero_row: int | None = None) -> Parameter:
    """Normally distributed, from the next two random streams (Box and Muller 1958); zero_row is left at zeros."""
    _check(shape)
    numbers = drawn_normal(shape, mean, std)
    if zero_row is not None:
        numbers[zero_row] = 0.0
    return Parameter(numbers)


def kaiming_normal(shape: Shape) -> Parameter:
    """For a convolution before a ReLU: deviation sqrt(2 / (out_channels * kh * kw)). Source: He et al. 2015, "fan_out"."""
    return normal(shape, std=math.sqrt(2 / (shape[0] * math.prod(shape[2:]))))


def constant(shape: Shape, value: float) -> Parameter:
    return Parameter(np.full(shape, value, fraction().dtype))


def fan_in_uniform(shape: Shape, fan_in: int) -> Parameter:
    """PyTorch's default for Linear and Conv2d: uniform within 1 / sqrt(fan_in).

    Source: Kaiming uniform with a = sqrt(5), He et al. 2015, as torch.nn.Linear.reset_parameters uses it.
    """
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    return uniform(shape, -bound, bound)
