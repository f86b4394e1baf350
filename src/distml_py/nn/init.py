"""Initial values. They are made on the host, so that every backend starts from the same bits."""

from __future__ import annotations

import math

import numpy as np

from .. import ops, random
from ..op import float32
from ..view import Shape
from .module import Parameter


def uniform(shape: Shape, low: float, high: float) -> Parameter:
    """Uniform on [low, high), from the next random stream."""
    seed, step, stream = random.next_key()
    words = [np.uint32(word) for word in (seed, step, stream)]
    unit = ops.UNIFORM.numpy(*words, np.uint32(0), shape)
    return Parameter((unit * float32.type(high - low) + float32.type(low)).astype(float32))


def fan_in_uniform(shape: Shape, fan_in: int) -> Parameter:
    """PyTorch's default for Linear and Conv2d: uniform within 1 / sqrt(fan_in).

    Source: Kaiming uniform with a = sqrt(5), He et al. 2015, as torch.nn.Linear.reset_parameters uses it.
    """
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    return uniform(shape, -bound, bound)
