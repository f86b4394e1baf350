"""Tensors by their storage: as_strided, resize_ and the like. A root's storage is its numbers, row by row; see sharing.py."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import graph, ops
from ..errors import GradientError, ShapeError
from ..op import Op
from . import sharing
from .grad_mode import is_grad_enabled
from .joining import cat
from .tensor import Tensor, made, method


def _move(input: Tensor, op: Op, *attrs: object) -> Tensor:
    return sharing.shared(made(graph.apply(op, input._node, attrs=attrs), input), input)


def _storage(input: Tensor) -> tuple[Tensor, int]:
    """(all the numbers that input is a view of, as a line; where its first one is)."""
    root = input if input._view is None else input._view.root
    if input.requires_grad and not root.requires_grad and input.numel() == root.numel() and input.is_contiguous():
        return input.reshape(-1), 0  # a view became a leaf: gradients end there
    here = sharing.strides_of(input)[1] - sharing.strides_of(root)[1]
    return root.reshape(-1), here


@method
def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """A view whose neighbours along a dimension are `stride` numbers apart in the storage of what input is a view of.

    Raises ShapeError where it would leave the storage.
    """
    if len(size) != len(stride) or any(one < 0 for one in (*size, *stride)):
        raise ShapeError(f"as_strided: size and stride are as many numbers of at least 0, got {tuple(size)} and {tuple(stride)}")
    line, here = _storage(input)
    first = here if storage_offset is None else storage_offset
    ends = [(count - 1) * far for count, far in zip(size, stride, strict=True)]
    if first < 0 or (0 not in size and first + sum(ends) >= line.numel()):
        raise ShapeError(
            f"as_strided: {tuple(size)} with strides {tuple(stride)} from number {first} on leaves a storage of {line.numel()}"
        )
    if 0 in size:
        return line[:0].reshape(*size)
    found = line[first : first + sum(ends) + 1]
    for place, (count, far) in enumerate(zip(size, stride, strict=True)):  # the last dimension is cut into windows, one by one
        rest = sum(ends[place + 1 :]) + 1
        if far:
            found = _move(found, ops.WINDOW, (rest,), (far,), (1,))
        else:
            found = found.unsqueeze(-2).expand(*found.shape[:-1], count, rest)
    return found.squeeze(-1)


@method
def resize_(input: Tensor, *sizes: int, memory_format: object = None) -> Tensor:
    """The first numbers of input in another shape; where there are too few, zeros follow. Raises GradientError under autograd."""
    given = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    if input.requires_grad and is_grad_enabled():
        raise GradientError("cannot resize variables that require grad; use .detach() or view()")
    if any(size < 0 for size in given):
        raise ShapeError(f"resize_: sizes are at least 0, got {tuple(given)}")
    need = math.prod(given)
    line = input.detach().clone().reshape(-1)
    if need > line.numel():
        line = cat([line, line.new_zeros(need - line.numel())])
    input.data = line[:need].reshape(*given)
    return input


@method
def resize_as_(input: Tensor, the_template: Tensor) -> Tensor:
    return resize_(input, *the_template.shape)


@method
def data_ptr(input: Tensor) -> int:
    """A number that is equal for tensors that begin at the same number of the same storage, while they live. No address."""
    root = sharing.root_of(input if input._view is None else input._view.root)
    return id(root.numbers) * 2**32 + sharing.strides_of(input)[1] * input.dtype.itemsize


@method
def is_set_to(input: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same part of the same storage."""
    same = data_ptr(input) == data_ptr(tensor) and input.shape == tensor.shape
    return same and sharing.strides_of(input) == sharing.strides_of(tensor)


@method
def share_memory_(input: Tensor) -> Tensor:
    """The tensor itself: workers are other tabs."""
    return input


@method
def record_stream(input: Tensor, stream: object) -> None:
    """Nothing: there are no streams."""


@method
def to_dense(input: Tensor, dtype: object = None, *, masked_grad: bool | None = None) -> Tensor:
    """The tensor itself: none is sparse."""
    return input if dtype is None else input.to(dtype)
