"""The same numbers in another shape or order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import broadcast, graph, ops
from ..errors import ShapeError
from .tensor import Tensor, made, method


@method
def reshape(input: Tensor, *shape: Any) -> Tensor:
    new = broadcast.filled_in(listed(shape), input.numel(), "reshape")
    return input if new == input.shape else made(graph.apply(ops.RESHAPE, input._node, attrs=(new,)), input)


view = method(reshape, "view")


@method
def flatten(input: Tensor, start_dim: Any = 0, end_dim: Any = -1) -> Tensor:
    first = broadcast.axis_of(start_dim, input.ndim, "flatten")
    last = broadcast.axis_of(end_dim, input.ndim, "flatten")
    if first > last:
        raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return input.reshape(*input.shape[:first], math.prod(input.shape[first : last + 1]), *input.shape[last + 1 :])


@method
def permute(input: Tensor, *dims: Any) -> Tensor:
    given = listed(dims)
    axes = tuple(broadcast.axis_of(dim, input.ndim, "permute") for dim in given)
    if sorted(axes) != list(range(input.ndim)):
        raise ShapeError(f"permute needs each of {input.ndim} dimensions once, got {tuple(given)}")
    return made(graph.apply(ops.PERMUTE, input._node, attrs=(axes,)), input)


@method
def transpose(input: Tensor, dim0: Any, dim1: Any) -> Tensor:
    axes = list(range(input.ndim))
    one, two = (broadcast.axis_of(dim, input.ndim, "transpose") for dim in (dim0, dim1))
    if axes:
        axes[one], axes[two] = axes[two], axes[one]
    return input.permute(*axes)


@method
def t(input: Tensor) -> Tensor:
    if input.ndim > 2:
        raise ShapeError(f"t() takes at most 2 dimensions, got shape {input.shape}; use .transpose(dim0, dim1)")
    return input.permute(*reversed(range(input.ndim)))


@method
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    axes = broadcast.axes_of(dim, input.ndim, "squeeze")
    return input.reshape(*(size for axis, size in enumerate(input.shape) if not (axis in axes and size == 1)))


@method
def unsqueeze(input: Tensor, dim: Any) -> Tensor:
    axis = broadcast.axis_of(dim, input.ndim + 1, "unsqueeze")
    return input.reshape(*input.shape[:axis], 1, *input.shape[axis:])


@method
def expand(input: Tensor, *sizes: Any) -> Tensor:
    """-1 keeps a size. Raises ShapeError when a size that is not 1 would change."""
    given = listed(sizes)
    known = (1,) * (len(given) - input.ndim) + input.shape
    shape = tuple(old if new == -1 else int(new) for old, new in zip(known, given, strict=False))
    if len(known) != len(given) or any(old not in (1, new) for old, new in zip(known, shape, strict=True)):
        raise ShapeError(f"expand: {input.shape} does not expand to {tuple(given)}")
    return made(broadcast.to_shape(input._node, shape), input)


broadcast_to = method(expand, "broadcast_to")


@method
def contiguous(input: Tensor) -> Tensor:
    return input


@method
def flip(input: Tensor, *dims: Any) -> Tensor:
    node = input._node
    for axis in broadcast.axes_of(listed(dims), input.ndim, "flip"):
        node = ops.move.flip(node, axis)
    return made(node, input)


def listed(values: tuple[Any, ...]) -> Sequence[int]:
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        return values[0]
    return values
