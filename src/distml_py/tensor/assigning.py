"""x[...] = value, scatter, index_copy: writing by index. The tensor gets a new node in which the old one is chosen elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import broadcast, engine, graph, indexing, live, ops
from ..broadcast import Number
from ..errors import DtypeError, ShapeError, UnsupportedError
from ..graph import Node
from ..op import bool_, int32
from .choosing import where
from .host_data import as_given
from .ordering import places
from .picking import _filled, check_index, is_basic, is_empty, items_of, line_index, on_lines, places_of, unchanged
from .tensor import Tensor, made, method

Value = Tensor | Number


@method
def __setitem__(input: Tensor, key: Any, value: Value) -> None:
    """input[key] = value, with value broadcast to input[key]'s shape and in input's dtype."""
    items = items_of(key)
    if isinstance(value, Tensor) and _is_there(input, items, value):
        return
    mask = _mask_of(items)
    if mask is not None and mask.shape == input.shape[: mask.ndim]:
        given = _like(input, value)
        _check_count(input, mask, given)
        input._move_to(_by_mask(input, mask, given))
    else:
        input._move_to(_assigned(input, places_of(input, items), _like(input, value)))


@method
def __delitem__(input: Tensor, key: Any) -> None:
    raise DtypeError("a tensor does not support deleting items; index what stays, as x[mask]")


def _check_count(input: Tensor, mask: Tensor, value: Tensor) -> None:
    """Raises ShapeError when there are several slices, and not as many as the mask holds places: where looking waits for no GPU."""
    if value.ndim <= input.ndim - mask.ndim or value.shape[0] == 1:
        return

    def check(known: np.ndarray) -> None:
        if int(known.sum()) != value.shape[0]:
            raise ShapeError(
                f"a value of shape {value.shape} was assigned to the {known.sum()} places of a mask; they must be as many"
            )

    if engine.backend().on_gpu or live.state.recorder is not None:
        engine.ask_host(mask._node, check)
    else:
        check(engine.fetch(mask._node))


def _is_there(input: Tensor, items: tuple[Any, ...], value: Tensor) -> bool:
    """Is value the very part, as `x[key] += ...` assigns it after it changed?"""
    view = value._view
    if view is None or view.root is not (input if input._view is None else input._view.root):
        return False
    if not is_basic(items) or value.shape == input.shape:
        return False
    part = input[items]
    return part._view is not None and part._view.chain == view.chain


def _mask_of(items: tuple[Any, ...]) -> Tensor | None:
    """The mask that is the whole key, if it is one."""
    return items[0] if len(items) == 1 and isinstance(items[0], Tensor) and items[0].dtype == bool_ else None


def _like(input: Tensor, value: Any) -> Tensor:
    if isinstance(value, (list, tuple, np.ndarray)):
        value = Tensor(*as_given(value))
    if not isinstance(value, Tensor):
        return Tensor(graph.full(value, (), input._node.dtype))
    return value.to(input.dtype)


def _by_mask(input: Tensor, mask: Tensor, value: Tensor) -> Tensor:
    """The n-th place where mask holds gets the n-th of value's slices, or the only one. Nothing is read."""
    rest = input.shape[mask.ndim :]
    wide = mask.reshape(*mask.shape, *(1,) * len(rest))
    if value.ndim <= len(rest) or value.shape[0] == 1:
        return where(wide, value.reshape(*value.shape[1:]) if value.ndim > len(rest) else value, input)
    lines = value.expand(value.shape[0], *rest)
    number = mask.flatten().long().cumsum(0) - 1
    return where(wide, lines[number.clamp(0, value.shape[0] - 1)].reshape(*input.shape), input)


def _assigned(input: Tensor, key: tuple[Any, ...], value: Tensor, accumulate: bool = False) -> Tensor:
    parts = indexing.parts_of(input.shape, key)
    old = indexing.sliced(input._node, parts)
    if parts.tensors:
        new = _rows_put(old, parts.tensors, value, accumulate)
    else:
        new = old + _broadcast(value, old.shape) if accumulate else _broadcast(value, old.shape)
    return made(_put_back(input._node, parts, new), input, value)


def _broadcast(value: Tensor, shape: tuple[int, ...]) -> Node:
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = value.squeeze(0)
    if broadcast.common_shape("an assignment", shape, value.shape) != shape:
        raise ShapeError(f"a value of shape {value.shape} does not broadcast to the {shape} it is assigned to")
    return broadcast.to_shape(value._node, shape)


def _put_back(whole: Node, parts: indexing.Parts, part: Node) -> Node:
    """whole, with part where the slices say."""
    counts = tuple(count for _, count, _ in parts.slices)
    part = graph.apply(ops.RESHAPE, part, attrs=(counts,))
    if all(one == (0, size, 1) for one, size in zip(parts.slices, whole.shape, strict=True)):
        return part
    cut = graph.apply(ops.SLICE, whole, attrs=(parts.slices,))
    assert ops.SLICE.vjp is not None
    (spread,) = ops.SLICE.vjp(part, cut, whole)
    (hit,) = ops.SLICE.vjp(graph.full(True, counts, bool_), cut, whole)
    assert spread is not None and hit is not None
    return graph.apply(ops.WHERE, hit, spread, whole)


def _last_at(index: Node, axis: int, size: int) -> Node:
    """1 + the last position along axis whose index it is, for each of `size` places; 0 where there is none."""
    if not engine.backend().on_gpu:
        return graph.apply(ops.LAST_AT, index, attrs=(axis, size))
    x = Tensor(index).movedim(axis, -1).unsqueeze(-2)  # (..., 1, n)
    if not x.shape[-1]:
        shape = tuple(size if a == axis else n for a, n in enumerate(index.shape))
        return graph.full(0, shape, int32)
    grid = (*x.shape[:-2], size, x.shape[-1])
    hit = x.expand(*grid) == places(grid, len(grid) - 2)
    return where(hit, places(grid, len(grid) - 1) + 1, 0).amax(-1).movedim(-1, axis)._node


def _rows_put(old: Node, tensors: dict[int, Node], value: Tensor, accumulate: bool) -> Node:
    """old with value's slices in the rows that the index nodes name; the last of several stays, unless they are added up."""
    rows = indexing.rows_of(old, tensors)
    lines, axis = indexing.in_rows(old, rows), len(rows.lead)
    count = rows.number.size
    shape = (*rows.lead, count, *rows.tail)
    given = _broadcast(value, (*rows.lead, *rows.number.shape, *rows.tail))
    given = graph.apply(ops.RESHAPE, given, attrs=(shape,))
    number = graph.apply(ops.RESHAPE, rows.number, attrs=((count,),))
    if accumulate:
        line = graph.apply(ops.RESHAPE, number, attrs=((*(1,) * axis, count, *(1,) * len(rows.tail)),))
        index = broadcast.to_shape(line, shape)
        new = lines + graph.apply(ops.SCATTER_ADD, index, given, attrs=(lines.shape, axis))
    elif not count:
        new = lines
    else:
        winner = _last_at(number, 0, rows.total)
        winner = graph.apply(ops.RESHAPE, winner, attrs=((*(1,) * axis, rows.total, *(1,) * len(rows.tail)),))
        winner = broadcast.to_shape(winner, lines.shape)
        new = _chosen(lines, given, winner, axis)
    inverse = tuple(int(n) for n in np.argsort(rows.order))
    new = graph.apply(ops.RESHAPE, new, attrs=(tuple(old.shape[a] for a in rows.order),))
    return graph.apply(ops.PERMUTE, new, attrs=(inverse,)) if inverse != tuple(range(len(inverse))) else new


def _chosen(old: Node, given: Node, winner: Node, axis: int) -> Node:
    """given's slice number winner - 1, or old where winner is 0."""
    place = graph.apply(ops.MAXIMUM, winner - 1, graph.full(0, winner.shape, int32))
    found = graph.apply(ops.GATHER, given, place, attrs=(axis,))
    return graph.apply(ops.WHERE, winner > 0, found, old)


# ---------------------------------------------------------------- scatter and its kin


@method
@on_lines
def scatter(input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Tensor:
    """input, with src (a tensor or a number) where index says along dim; of several for one place the last one stays.

    reduce: "add", "multiply", or None.
    """
    src = value if src is None else src
    axis = broadcast.axis_of(dim, input.ndim, "scatter")
    if is_empty(index):
        return unchanged(input, src)
    indexing.check_fits("scatter", input._node, axis, index._node)
    check_index(index, input.shape[axis])
    if isinstance(src, Tensor) and any(n > m for n, m in zip(index.shape, src.shape, strict=True)):
        raise ShapeError(f"scatter: index {index.shape} must fit into src {src.shape}")
    given = _like(input, src)
    given = given[tuple(slice(0, n) for n in index.shape)] if isinstance(src, Tensor) else given.expand(*index.shape)
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise DtypeError(f"scatter: reduce is 'add' or 'multiply', got {reduce!r}; use scatter_reduce() for others")
        return input.scatter_add(axis, index, given) if reduce == "add" else scatter_reduce(input, axis, index, given, "prod")
    winner = _last_at(index._node, axis, input.shape[axis])
    place = Tensor(graph.apply(ops.MAXIMUM, winner - 1, graph.full(0, winner.shape, int32)))
    found = _filled(given.gather(axis, place), input, 0)
    return where(_filled(Tensor(winner), input, 0) > 0, found, input)


@method
@on_lines
def scatter_reduce(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True) -> Tensor:
    """reduce: "sum", "mean", "amax", "amin" (their gradients are shared by equals), "prod" (which compares each place with each
    number). include_self=False leaves input's numbers out where others come."""
    axis = broadcast.axis_of(dim, input.ndim, "scatter_reduce")
    if reduce not in ("sum", "mean", "amax", "amin", "prod"):
        raise DtypeError(f"scatter_reduce: reduce is 'sum', 'mean', 'prod', 'amax' or 'amin', got {reduce!r}")
    if is_empty(index):
        return unchanged(input, src)
    indexing.check_fits("scatter_reduce", input._node, axis, index._node)
    if reduce in ("amax", "amin", "prod"):
        src = src[tuple(slice(0, n) for n in index.shape)]
        return (_products if reduce == "prod" else _extremes)(input, axis, index, src, include_self, reduce == "amin")
    ones = Tensor(graph.full(1, index.shape, input._node.dtype))
    counts = (input._aside() * 0).scatter_add(axis, index, ones)
    start = input if include_self else where(counts > 0, 0, input)
    total = start.scatter_add(axis, index, src)
    if reduce == "sum":
        return total
    return total / where(counts > 0, counts + 1 if include_self else counts, 1)


def _extremes(input: Tensor, axis: int, index: Tensor, src: Tensor, include_self: bool, least: bool) -> Tensor:
    """The largest of what comes to a place: in rising order the last one stays."""
    if least:
        return -_extremes(-input, axis, index, -src, include_self, False)
    order = src._aside().argsort(axis)
    place, rising = index.gather(axis, order), src._aside().gather(axis, order)
    best = input._aside().scatter(axis, place, rising)
    if include_self:
        best = best.maximum(input._aside())
    if not input.is_floating_point():
        return best
    winners = src._aside() == best.gather(axis, index)
    ones = Tensor(graph.full(0, input.shape, input._node.dtype))
    hit = ones.scatter_add(axis, index, Tensor(graph.full(1, index.shape, input._node.dtype))) > 0
    own = (input._aside() == best) & (~hit | include_self)
    count = ones.scatter_add(axis, index, winners.to(input.dtype)) + (input._aside() == best).to(input.dtype)  # as PyTorch counts
    share = 1 / where(count > 0, count, 1)
    start = where(own, input, 0) * share
    found = start.scatter_add(axis, index, where(winners, src, 0) * share.gather(axis, index))
    plain = found._aside()
    return where(best.isfinite(), found + where(best.isfinite(), best - plain, 0), best)


def _products(input: Tensor, axis: int, index: Tensor, src: Tensor, include_self: bool, _: bool) -> Tensor:
    last = input.ndim - 1
    numbers = src.movedim(axis, last).unsqueeze(-2)  # (..., 1, n)
    places_of = index.movedim(axis, last).unsqueeze(-2)
    grid = (*numbers.shape[:-2], input.shape[axis], numbers.shape[-1])
    hit = places_of.expand(*grid) == places(grid, len(grid) - 2)
    found = _filled(where(hit, numbers.expand(*grid), 1).prod(-1).movedim(-1, axis), input, 1)
    came = _filled(hit.any(-1).movedim(-1, axis), input, False)
    return input * found if include_self else where(came, found, input).to(input.dtype)


@method
@on_lines
def index_reduce(input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True) -> Tensor:
    """scatter_reduce() of whole slices: those of source come to the places along dim that a line of integers names."""
    axis = broadcast.axis_of(dim, input.ndim, "index_reduce")
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise DtypeError(f"index_reduce: reduce is 'prod', 'mean', 'amax' or 'amin', got {reduce!r}")
    return scatter_reduce(
        input, axis, line_index(input, index, source, axis, "index_reduce"), source, reduce, include_self=include_self
    )


@method
@on_lines
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """input, with source's slices in the places along dim that a line of integers names."""
    axis = broadcast.axis_of(dim, input.ndim, "index_copy")
    return scatter(input, axis, line_index(input, index, source, axis, "index_copy"), source)


@method
@on_lines
def index_fill(input: Tensor, dim: int, index: Tensor, value: Value) -> Tensor:
    """input, with a number in the slices along dim that a line of integers names."""
    axis = broadcast.axis_of(dim, input.ndim, "index_fill")
    if index.ndim > 1 or index.dtype.kind != "i":
        raise ShapeError(f"index_fill: the index is a line of integers, got {index.dtype.name} {index.shape}")
    return made(_filled_rows(input, axis, index, _like(input, value)), input)


def _filled_rows(input: Tensor, axis: int, index: Tensor, value: Tensor) -> Node:
    return _rows_put(input._node, {axis: index.reshape(-1)._node}, value, accumulate=False)


@method
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """input, with values at input[indices]; accumulate adds them to what is there."""
    return _assigned(input, places_of(input, items_of(tuple(indices))), _like(input, values), accumulate)


@method
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """input, with source's numbers, one after the other, where mask holds."""
    if mask.dtype != bool_:
        raise DtypeError(f"masked_scatter takes a bool mask, got {mask.dtype.name}; use mask.bool()")
    return _by_mask(input, mask.expand(*input.shape), _like(input, source).flatten())


@method
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """input, with src as its slice number `index` along dim."""
    key = (slice(None),) * broadcast.axis_of(dim, input.ndim, "select_scatter") + (index,)
    return _assigned(input, key, _like(input, src))


@method
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """input, with src as its diagonal of two dimensions."""
    found = input.clone()
    part = found.diagonal(offset, dim1, dim2)
    if part.shape != src.shape:
        raise ShapeError(f"diagonal_scatter: the diagonal has shape {part.shape}, src {src.shape}")
    part.copy_(src)
    return found


@method
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    key = (slice(None),) * broadcast.axis_of(dim, input.ndim, "slice_scatter") + (slice(start, end, step),)
    return _assigned(input, key, _like(input, src))


@method
def fill_diagonal_(input: Tensor, fill_value: Number, wrap: bool = False) -> Tensor:
    """A matrix with a number along its diagonal. wrap is not implemented."""
    if input.ndim != 2 or wrap:
        raise UnsupportedError(
            f"not implemented: fill_diagonal_ of {input.shape} with wrap={wrap}; nearest is a matrix without wrap"
        )
    return input._move_to(where(places(input.shape, 0) == places(input.shape, 1), fill_value, input))
