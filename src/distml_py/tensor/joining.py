"""Several tensors of one, and one of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import broadcast, graph, ops
from ..errors import ShapeError
from ..graph import Node
from ..op import DTYPES
from ..ops.elementwise import cast
from .tensor import Tensor, made, method


@method
def split(input: Tensor, split_size: Any, dim: Any = 0) -> tuple[Tensor, ...]:
    axis = broadcast.axis_of(dim, input.ndim, "split")
    size = input.shape[axis]
    if isinstance(split_size, int):
        if split_size < (size > 0):
            raise ShapeError(f"split: the size of a part is at least 1, got {split_size}")
        sizes = [min(split_size, size - n) for n in range(0, size, split_size or 1)] or [0]
    else:
        sizes = list(split_size)
    if sum(sizes) != size or min(sizes) < 0:
        raise ShapeError(f"split: sizes {sizes} do not add up to {size}")
    starts = np.cumsum([0, *sizes])[:-1]
    return tuple(made(ops.move.slice_axis(input._node, axis, int(at), n), input) for at, n in zip(starts, sizes, strict=True))


@method
def chunk(input: Tensor, chunks: Any, dim: Any = 0) -> tuple[Tensor, ...]:
    if chunks < 1:
        raise ShapeError(f"chunk: at least 1 chunk, got {chunks}")
    size = input.size(dim)
    return input.split(-(-size // chunks), dim) if size else input.split([0] * chunks, dim)


def cat(tensors: Sequence[Tensor], dim: Any = 0) -> Tensor:
    """Joined along dim; all other sizes are equal. Raises ShapeError."""
    if not tensors or not tensors[0].ndim:
        raise ShapeError(f"cat needs tensors with at least 1 dimension, got {'numbers; use stack' if tensors else 'none'}")
    axis = broadcast.axis_of(dim, tensors[0].ndim, "cat")
    off = [tensor.shape[:axis] + tensor.shape[axis + 1 :] for tensor in tensors]
    if any(tensor.ndim != tensors[0].ndim for tensor in tensors) or len(set(off)) > 1:
        raise ShapeError(f"cat along dim {dim} needs equal other sizes, got {', '.join(str(t.shape) for t in tensors)}")
    nodes = broadcast_dtypes(tensors)
    total, before = sum(node.shape[axis] for node in nodes), 0
    joined: Node | None = None
    for node in nodes:
        size = node.shape[axis]
        part = ops.move.pad_axis(node, axis, before, total - before - size)
        if joined is None:
            joined = part
        else:  # chosen, not added: a NaN in one part must stay where it is
            number = graph.apply(ops.IOTA, attrs=ops.source.iota_attrs(part.shape, axis))
            joined = graph.apply(ops.WHERE, number < before, joined, part)
        before += size
    assert joined is not None
    return made(joined, *tensors)


def broadcast_dtypes(tensors: Sequence[Tensor]) -> list[Node]:
    """The nodes of tensors, all in their promoted dtype."""
    dtype = max((tensor.dtype for tensor in tensors), key=DTYPES.index)
    return [cast(tensor._node, dtype) for tensor in tensors]


def stack(tensors: Sequence[Tensor], dim: Any = 0) -> Tensor:
    """Joined along a new dimension. Raises ShapeError when shapes differ."""
    if len({tensor.shape for tensor in tensors}) != 1:
        raise ShapeError(f"stack needs tensors of one shape, got {', '.join(str(t.shape) for t in tensors) or 'none'}")
    return cat([tensor.unsqueeze(dim) for tensor in tensors], dim)
