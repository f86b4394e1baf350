"""Linear, Bilinear, Flatten, Unflatten, Identity: layers on vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ..tensor import Tensor
from . import functional as F
from .init import as_layers_begin
from .module import Module
from .starts import fan_in_uniform


class Linear(Module):
    """(..., in_features) -> (..., out_features); weight (out_features, in_features), bias (out_features,)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = fan_in_uniform((out_features, in_features), in_features)
        self.bias = fan_in_uniform((out_features,), in_features) if bias else None

    def reset_parameters(self) -> None:
        """The first numbers again, drawn anew."""
        as_layers_begin(self.weight, self.bias, self.weight.shape[1])

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Flatten(Module):
    """(n, ...) -> (n, product of the rest)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """The dimension dim becomes several, of sizes unflattened_size; one of them may be -1."""

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        axis = self.dim % input.ndim
        return input.reshape(*input.shape[:axis], *self._known(input.shape[axis]), *input.shape[axis + 1 :])

    def _known(self, size: int) -> tuple[int, ...]:
        known = math.prod(part for part in self.unflattened_size if part != -1)
        if size != known and (-1 not in self.unflattened_size or not known or size % known):
            raise ShapeError(f"Unflatten: a size of {size} does not become {self.unflattened_size}")
        return tuple(size // known if part == -1 else part for part in self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Identity(Module):
    """What comes in goes out; arguments are taken and not used."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Bilinear(Module):
    """(..., in1_features) and (..., in2_features) -> (..., out_features). See functional.bilinear."""

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True):
        super().__init__()
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = fan_in_uniform((out_features, in1_features, in2_features), in1_features)
        self.bias = fan_in_uniform((out_features,), in1_features) if bias else None

    def reset_parameters(self) -> None:
        """The first numbers again, drawn anew."""
        as_layers_begin(self.weight, self.bias, self.weight.shape[1])

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        sizes = f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}"
        return f"{sizes}, bias={self.bias is not None}"
