"""Initial values for tensors that are there, made on the host. PyTorch's torch.nn.init. New parameters are in starts.py."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..missing import getter as _getter
from ..op import float64
from ..tensor import Tensor
from ..tensor.arguments import guard as _guard
from .module import load
from .starts import drawn_normal, drawn_uniform


def _filled(tensor: Tensor, numbers: np.ndarray) -> Tensor:
    load(tensor, numbers)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Uniform on [a, b)."""
    if not a <= b:
        raise ShapeError(f"uniform_: a is at most b, got {a} and {b}")
    return _filled(tensor, drawn_uniform(tensor.shape, a, b))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    if not std >= 0:
        raise ShapeError(f"normal_: std is at least 0, got {std}")
    return _filled(tensor, drawn_normal(tensor.shape, mean, std))


def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Tensor:
    """Normal, but within [a, b]: numbers outside are drawn again. Raises ShapeError when hardly any is inside."""
    if not a < b or a > mean + 4 * std or b < mean - 4 * std:
        raise ShapeError(f"trunc_normal_: [{a}, {b}] is too far from a mean of {mean} with a deviation of {std}")
    numbers = drawn_normal(tensor.shape, mean, std)
    outside = (numbers < a) | (numbers > b)
    while outside.any():
        numbers[outside] = drawn_normal((int(outside.sum()),), mean, std)
        outside = (numbers < a) | (numbers > b)
    return _filled(tensor, numbers)


def constant_(tensor: Tensor, val: float) -> Tensor:
    return _filled(tensor, np.full(tensor.shape, val))


def ones_(tensor: Tensor) -> Tensor:
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix."""
    if tensor.ndim != 2:
        raise ShapeError(f"eye_ needs 2 dimensions, got {tensor.shape}")
    return _filled(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution's weight that lets channels pass unchanged, in each group."""
    if tensor.ndim not in (3, 4) or groups < 1 or tensor.shape[0] % groups:
        raise ShapeError(f"dirac_ needs a convolution's weight, channels divisible by {groups}, got {tensor.shape}")
    numbers = np.zeros(tensor.shape)
    each = tensor.shape[0] // groups
    middle = tuple(size // 2 for size in tensor.shape[2:])
    for group in range(groups):
        for channel in range(min(each, tensor.shape[1])):
            numbers[(group * each + channel, channel, *middle)] = 1.0
    return _filled(tensor, numbers)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01) -> Tensor:
    """Normal, with this share of each column at zero. Source: Martens 2010."""
    if tensor.ndim != 2:
        raise ShapeError(f"sparse_ needs 2 dimensions, got {tensor.shape}")
    numbers = drawn_normal(tensor.shape, 0.0, std)
    order = np.argsort(drawn_uniform(tensor.shape, 0.0, 1.0), axis=0)
    np.put_along_axis(numbers, order[: math.ceil(sparsity * tensor.shape[0])], 0.0, axis=0)
    return _filled(tensor, numbers)


def _fans(tensor: Tensor) -> tuple[int, int]:
    """(numbers that go into one output, outputs that one input goes to)."""
    if tensor.ndim < 2:
        raise ShapeError(f"a fan needs at least 2 dimensions, got {tensor.shape}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """_fans(), under the name by which copies of PyTorch's layers ask for it."""
    return _fans(tensor)


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ShapeError(f"mode is 'fan_in' or 'fan_out', got {mode!r}")
    return _fans(tensor)[mode.lower() == "fan_out"]


def as_layers_begin(weight: Tensor, bias: Tensor | None, fan_in: int) -> None:
    """fan_in_uniform() for parameters that are there."""
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    for tensor in (weight, bias):
        if tensor is not None:
            uniform_(tensor, -bound, bound)


def as_norms_begin(weight: Tensor | None, bias: Tensor | None = None) -> None:
    """Ones, and zeros, for what is there."""
    for tensor, value in ((weight, 1.0), (bias, 0.0)):
        if tensor is not None:
            constant_(tensor, value)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """What keeps the size of numbers that pass through this activation. param: the slope of leaky_relu, 0.01 by default."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    ones = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid")
    gains = {**dict.fromkeys(ones, 1.0), "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    if nonlinearity not in gains:
        raise ShapeError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}; known: leaky_relu, {', '.join(gains)}")
    return gains[nonlinearity]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Uniform, deviation gain * sqrt(2 / (fan_in + fan_out)). Source: Glorot and Bengio 2010."""
    bound = gain * math.sqrt(6 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Normal, deviation gain * sqrt(2 / (fan_in + fan_out))."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))))


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ShapeError(f"mode is 'fan_in' or 'fan_out', got {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(tensor)[mode == "fan_out"])


def kaiming_uniform_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Uniform, deviation gain / sqrt(fan). a: the slope of leaky_relu. Source: He et al. 2015."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Normal, deviation gain / sqrt(fan). a: the slope of leaky_relu. Source: He et al. 2015."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def orthogonal_(tensor: Tensor, gain: float = 1) -> Tensor:
    """Rows, or columns if they are fewer, of length gain and at right angles. Source: Saxe et al. 2013."""
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_ needs at least 2 dimensions, got {tensor.shape}")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    drawn = drawn_normal((max(rows, columns), min(rows, columns)), 0.0, 1.0).astype(float64)
    q, r = np.linalg.qr(drawn)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return _filled(tensor, (q.T if rows < columns else q).reshape(tensor.shape) * gain)


def _older(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function under the name without a dash that it had before PyTorch 0.4, and still has there with a warning."""
    name = function.__name__.removesuffix("_")

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Tensor:
        text = f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`."
        warnings.warn(text, FutureWarning, stacklevel=3)
        return function(*args, **named)

    call.__name__ = call.__qualname__ = name
    return call


uniform, normal, constant = _older(uniform_), _older(normal_), _older(constant_)
xavier_uniform, xavier_normal = _older(xavier_uniform_), _older(xavier_normal_)
kaiming_uniform, kaiming_normal = _older(kaiming_uniform_), _older(kaiming_normal_)
orthogonal, eye, dirac, sparse = _older(orthogonal_), _older(eye_), _older(dirac_), _older(sparse_)
_guard(globals())
__getattr__ = _getter("torch.nn.init", globals())
