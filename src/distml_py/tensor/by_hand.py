"""A Python function for each number, on the host: apply_, map_ and map2_. Nothing of it is a part of the gradient's graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import broadcast
from ..errors import DtypeError, GradientError
from .counting import read
from .tensor import Tensor, method

WHY = "as Python works on each number"


def _each(name: str, input: Tensor, others: tuple[Tensor, ...], callable: Callable[..., Any]) -> Tensor:
    if any(tensor.requires_grad for tensor in (input, *others)):
        raise GradientError(f"Can't call {name}() on a tensor that requires grad; use .detach(), or operations of tensors")
    kinds = [tensor.dtype.name for tensor in (input, *others)]
    if len(set(kinds)) > 1:
        raise DtypeError(f"{name} needs tensors of one dtype, got {', '.join(kinds)}")
    shape = broadcast.common_shape(name, input.shape, *(other.shape for other in others))
    columns = [np.broadcast_to(read(tensor, name, WHY), shape).reshape(-1).tolist() for tensor in (input, *others)]
    found = np.array([callable(*numbers) for numbers in zip(*columns, strict=True)]).reshape(shape)
    return input._move_to(Tensor(found, input.dtype))


@method
def apply_(input: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Every number becomes what the function says of it. Slow, and waits for the device."""
    return _each("apply_", input, (), callable)


@method
def map_(input: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Every number becomes what the function says of it and of the other tensor's."""
    return _each("map_", input, (tensor,), callable)


@method
def map2_(input: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    return _each("map2_", input, (x, y), callable)
