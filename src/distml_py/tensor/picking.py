"""x[...], gather, index_select and their kin: reading by index."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .. import broadcast, engine, graph, indexing, live, ops
from ..broadcast import Number
from ..dtypes import UINT8
from ..errors import ArgumentError, DtypeError, IndexRangeError, ShapeError
from ..op import bool_, int32
from . import sharing
from .counting import read
from .host_data import as_given
from .tensor import Tensor, made, method


@method
def __getitem__(input: Tensor, key: Any) -> Tensor:
    items = items_of(key)
    found = made(indexing.index(input._node, places_of(input, items)), input)
    return sharing.shared(found, input) if is_basic(items) else found


def is_basic(items: tuple[Any, ...]) -> bool:
    """Only ints, slices, None and '...': what it picks is a view."""
    return all(item is None or item is ... or type(item) in (int, slice) for item in items)


def items_of(key: Any) -> tuple[Any, ...]:
    """What is between the brackets: sequences of numbers as tensors, single numbers that are on the host as int and bool."""
    if isinstance(key, list) and len(key) < 32 and any(_is_index_itself(item) for item in key):
        key = tuple(key)  # as PyTorch reads a list of indices
    return tuple(map(_item_of, key)) if isinstance(key, tuple) else (_item_of(key),)


def _is_index_itself(item: Any) -> bool:
    return item is None or item is ... or isinstance(item, (list, tuple, range, slice, np.ndarray, Tensor))


def _item_of(item: Any) -> Any:
    if isinstance(item, (list, range, tuple, np.ndarray)):
        item = item if isinstance(item, np.ndarray) else list(item)
        item = Tensor(*as_given(item)) if np.size(item) else Tensor(item, int32)
    if not isinstance(item, Tensor):
        return int(item) if isinstance(item, np.integer) else item
    if item.dtype == UINT8:
        warnings.warn("indexing with a uint8 tensor as a mask is deprecated, use a bool one: mask.bool()", stacklevel=4)
        item = item.bool()
    if item.ndim:
        return item
    if item.dtype == bool_:
        return bool(read(item, "an index by a mask"))
    return int(engine.fetch(item._node)) if item.dtype.kind == "i" and _is_at_hand(item) else item


def _is_at_hand(item: Tensor) -> bool:
    """May the number be read, so that what it picks is a view, as in PyTorch? Not where a GPU or a recording is in between."""
    return live.state.recorder is None and (not engine.backend().on_gpu or isinstance(item._node.buffer, np.ndarray))


def places_of(input: Tensor, items: tuple[Any, ...]) -> tuple[Any, ...]:
    """An index in the words of indexing.index; a mask becomes the places where it holds, which are read."""
    rest = input.ndim - sum(map(_dimensions, items))
    found: list[Any] = []
    axis = 0
    for item in items:
        if isinstance(item, Tensor) and item.dtype == bool_:
            shape = input.shape[axis : axis + item.ndim]
            if item.shape != shape:
                raise IndexRangeError(f"a mask of shape {item.shape} does not fit the dimensions {shape} it indexes")
            places = np.nonzero(read(item, "an index by a mask"))
            found.extend(Tensor(part.astype(np.int64))._node for part in places)
        else:
            found.append(item._node if isinstance(item, Tensor) else item)
        axis += rest if item is ... else _dimensions(item)
    return tuple(found)


def _dimensions(item: Any) -> int:
    """How many of the tensor's dimensions an item indexes."""
    if item is None or item is ... or item is True or item is False:
        return 0
    return item.ndim if isinstance(item, Tensor) and item.dtype == bool_ else 1


Function = TypeVar("Function", bound=Callable[..., Tensor])


def on_lines(function: Function) -> Function:
    """A function of (input, dim, index, source ...) for which single numbers are lines of one, as in PyTorch."""

    @functools.wraps(function)
    def called(input: Tensor, dim: Any, index: Any, *rest: Any, **named: Any) -> Tensor:
        if input.ndim and all(x.ndim for x in (index, *rest[:1], *named.values()) if isinstance(x, Tensor)):
            return function(input, dim, index, *rest, **named)
        found = function(_line(input), dim, _line(index), *map(_line, rest), **{name: _line(x) for name, x in named.items()})
        return found.reshape(*input.shape)

    return called  # type: ignore[return-value]


def _line(value: Any) -> Any:
    return value.reshape(1) if isinstance(value, Tensor) and not value.ndim else value


def is_empty(index: Any) -> bool:
    return isinstance(index, Tensor) and 0 in index.shape


def unchanged(input: Tensor, src: Any) -> Tensor:
    """input, where an index of no places puts nothing; src's gradient is 0."""
    return input + src.reshape(-1)[:0].sum() if isinstance(src, Tensor) and src.requires_grad else input.clone()


@method
def gather(input: Tensor, dim: Any, index: Tensor) -> Tensor:
    """out[i][j] = input[index[i][j]][j] for dim 0, and so on."""
    axis = broadcast.axis_of(dim, input.ndim, "gather")
    if is_empty(index):
        return input.reshape(-1)[:0].reshape(*index.shape)
    if not input.ndim or (isinstance(index, Tensor) and not index.ndim):
        return _line(input).gather(0, _line(index)).reshape(*index.shape)
    check_index(index, input.shape[axis])
    return made(indexing.gather(input._node, axis, index._node), input)


@method
def index_select(input: Tensor, dim: Any, index: Tensor) -> Tensor:
    """The slices along dim that a line of integers names."""
    axis = broadcast.axis_of(dim, input.ndim, "index_select")
    if index.ndim > 1 or index.dtype.kind != "i" or (not input.ndim and index.numel() != 1):
        raise ArgumentError(f"index_select: the index of {input.shape} is a line of integers, got {index.dtype.name} {index.shape}")
    found = _line(input)[(slice(None),) * axis + (index.reshape(-1),)]
    return found if input.ndim else found.reshape(())


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
@on_lines
def scatter_add(input: Tensor, dim: Any, index: Tensor, src: Tensor) -> Tensor:
    """input, with src added where index says along dim; places named twice get both."""
    axis = broadcast.axis_of(dim, input.ndim, "scatter_add")
    if is_empty(index):
        return unchanged(input, src)
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
@on_lines
def index_add(input: Tensor, dim: Any, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """input, with the slices of source, times alpha, added to those that a line of integers names along dim."""
    axis = broadcast.axis_of(dim, input.ndim, "index_add")
    src = source if alpha == 1 else source * alpha
    return input.scatter_add(axis, line_index(input, index, src, axis, "index_add"), src)


def line_index(input: Tensor, index: Tensor, source: Tensor, axis: int, name: str) -> Tensor:
    """A line of integers as an index of source's shape. Raises ShapeError where source is not as input off the axis."""
    one, other = ([n for a, n in enumerate(x.shape) if a != axis] for x in (source, input))
    if one != other:
        raise ShapeError(f"{name}: source {source.shape} must be as {input.shape} off dim {axis}")
    if index.ndim > 1 or index.numel() != source.shape[axis]:
        raise ShapeError(f"{name}: the index is a line of {source.shape[axis]} integers, one a slice, got shape {index.shape}")
    return index.reshape(*(-1 if a == axis else 1 for a in range(source.ndim))).expand(*source.shape)


def check_index(index: Tensor, size: int) -> None:
    """Indices that are still on the host are checked now; on the GPU a wrong one reads NaN."""
    if not isinstance(index, Tensor):
        raise DtypeError(f"an index is a tensor of integers, got {type(index).__name__}")
    engine.ask_host(index._node, lambda known: ops.index.check_range(known, size))
