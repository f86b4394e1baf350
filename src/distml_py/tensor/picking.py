"""x[...], gather, index_select and their kin: reading by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import broadcast, engine, graph, indexing, ops
from ..broadcast import Number
from ..errors import ArgumentError, DtypeError, IndexRangeError, ShapeError
from ..op import bool_, int32
from . import sharing
from .counting import read
from .host_data import as_given
from .tensor import Tensor, made, method


@method
def __getitem__(input: Tensor, key: Any) -> Tensor:
    if isinstance(key, bool) or (isinstance(key, Tensor) and key.dtype == bool_ and not key.ndim):
        return input.unsqueeze(0)[: int(bool(key))]  # all of it, or nothing
    found = made(indexing.index(input._node, key_of(input, key)), input)
    return sharing.shared(found, input) if is_basic(key) else found


def is_basic(key: Any) -> bool:
    """Only ints, slices, None and '...': what it picks is a view."""
    return all(item is None or item is ... or type(item) in (int, slice) for item in (key if isinstance(key, tuple) else (key,)))


def key_of(input: Tensor, key: Any) -> tuple[Any, ...]:
    """An index in the words of indexing.index; a mask becomes the places where it holds, which are read."""
    found: list[Any] = []
    axis = 0
    for item in key if isinstance(key, tuple) else (key,):
        if isinstance(item, (list, range, tuple, np.ndarray)):
            item = item if isinstance(item, np.ndarray) else list(item)
            item = Tensor(*as_given(item)) if np.size(item) else Tensor(item, int32)
        if isinstance(item, Tensor) and item.dtype == bool_:
            shape = input.shape[axis : axis + item.ndim]
            if item.shape != shape or not item.ndim:
                raise IndexRangeError(f"a mask of shape {item.shape} does not fit the dimensions {shape} it indexes")
            places = np.nonzero(read(item, "an index by a mask"))
            found.extend(Tensor(part.astype(np.int64))._node for part in places)
            axis += item.ndim
            continue
        found.append(item._node if isinstance(item, Tensor) else item)
        rest = input.ndim - sum(other is not None and other is not ... for other in (key if isinstance(key, tuple) else (key,)))
        axis += rest if item is ... else item is not None
    return tuple(found)


@method
def gather(input: Tensor, dim: Any, index: Tensor) -> Tensor:
    """out[i][j] = input[index[i][j]][j] for dim 0, and so on."""
    axis = broadcast.axis_of(dim, input.ndim, "gather")
    if not input.ndim and index.ndim <= 1:
        return input.reshape(1).gather(0, index.reshape(-1)).reshape(*index.shape)
    check_index(index, input.shape[axis])
    return made(indexing.gather(input._node, axis, index._node), input)


@method
def index_select(input: Tensor, dim: Any, index: Tensor) -> Tensor:
    """The slices along dim that a line of integers names."""
    axis = broadcast.axis_of(dim, input.ndim, "index_select")
    if index.ndim > 1 or index.dtype.kind != "i" or (not input.ndim and index.numel() != 1):
        raise ArgumentError(f"index_select: the index of {input.shape} is a line of integers, got {index.dtype.name} {index.shape}")
    return input[(slice(None),) * axis + (index.reshape(-1),)] if input.ndim else input


@method
def take(input: Tensor, index: Tensor) -> Tensor:
    """The numbers of the flattened tensor at these places."""
    return input.flatten()[index]


@method
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """gather() with both broadcast; without dim, of the flattened tensor."""
    if dim is None:
        return input.flatten().gather(0, indices.flatten())
    axis = broadcast.axis_of(dim, input.ndim, "take_along_dim")
    if input.ndim != indices.ndim:
        raise ShapeError(f"take_along_dim needs as many dimensions in indices {indices.shape} as in input {input.shape}")
    one = [1 if a == axis else size for a, size in enumerate(input.shape)]
    two = [1 if a == axis else size for a, size in enumerate(indices.shape)]
    shape = list(broadcast.common_shape("take_along_dim", tuple(one), tuple(two)))
    x = input.expand(*shape[:axis], input.shape[axis], *shape[axis + 1 :])
    return x.gather(axis, indices.expand(*shape[:axis], indices.shape[axis], *shape[axis + 1 :]))


# ---------------------------------------------------------------- adding by index


@method
def scatter_add(input: Tensor, dim: Any, index: Tensor, src: Tensor) -> Tensor:
    """input, with src added where index says along dim; places named twice get both."""
    axis = broadcast.axis_of(dim, input.ndim, "scatter_add")
    indexing.check_fits("scatter_add", input._node, axis, index._node)
    check_index(index, input.shape[axis])
    if index.shape != src.shape:
        if index.ndim != src.ndim or any(n > m for n, m in zip(index.shape, src.shape, strict=True)):
            raise ShapeError(f"scatter_add: index {index.shape} must fit into src {src.shape}")
        src = src[tuple(slice(0, n) for n in index.shape)]
    total = graph.apply(ops.SCATTER_ADD, index._node, src._node, attrs=(_off_axis(input, index, axis), axis))
    return input + _filled(made(total, src), input, 0)


def _off_axis(input: Tensor, index: Tensor, axis: int) -> tuple[int, ...]:
    return tuple(size if a == axis else n for a, (size, n) in enumerate(zip(input.shape, index.shape, strict=True)))


def _filled(part: Tensor, whole: Tensor, value: float) -> Tensor:
    """part, with a value behind it along each dimension up to whole's shape."""
    node = part._node
    for axis, (have, want) in enumerate(zip(part.shape, whole.shape, strict=True)):
        node = ops.move.pad_axis(node, axis, 0, want - have, value)
    return made(node, part)


@method
def index_add(input: Tensor, dim: Any, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """input, with the slices of source, times alpha, added to those that a line of integers names along dim."""
    axis = broadcast.axis_of(dim, input.ndim, "index_add")
    one, other = ([n for a, n in enumerate(x.shape) if a != axis] for x in (source, input))
    if one != other:
        raise ShapeError(f"index_add: source {source.shape} must be as {input.shape} off dim {axis}")
    src = source if alpha == 1 else source * alpha
    return input.scatter_add(axis, line_index(index, src, axis, "index_add"), src)


def line_index(index: Tensor, source: Tensor, axis: int, name: str) -> Tensor:
    """A line of integers as an index of source's shape."""
    if index.ndim > 1 or index.numel() != source.shape[axis]:
        raise ShapeError(f"{name}: the index is a line of {source.shape[axis]} integers, one a slice, got shape {index.shape}")
    return index.reshape(*(-1 if a == axis else 1 for a in range(source.ndim))).expand(*source.shape)


def check_index(index: Tensor, size: int) -> None:
    """Indices that are still on the host are checked now; on the GPU a wrong one reads NaN."""
    if not isinstance(index, Tensor):
        raise DtypeError(f"an index is a tensor of integers, got {type(index).__name__}")
    engine.ask_host(index._node, lambda known: ops.index.check_range(known, size))
