"""x[...]: ints, slices, None, Ellipsis, bools and integer tensors. On nodes."""

from __future__ import annotations

from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np

from .broadcast import common_shape, to_shape
from .errors import ArgumentError, DtypeError, IndexRangeError, ShapeError
from .graph import Node, apply, full
from .op import bool_, int32
from .ops import GATHER, IOTA, LOGICAL_AND, LT, PERMUTE, RESHAPE, SLICE, WHERE

Index = Any


@dataclass(frozen=True)
class Parts:
    """What an index says: slices (first, count, step) of each dimension, the shape they give without ints and with None,
    and the integer nodes by the dimension of that shape which they index."""

    slices: tuple[tuple[int, int, int], ...]
    shape: tuple[int, ...]
    tensors: dict[int, Node]


def parts_of(shape: tuple[int, ...], key: Index) -> Parts:
    items = _expanded(key if isinstance(key, tuple) else (key,), len(shape))
    slices: list[tuple[int, int, int]] = []
    found: list[int] = []
    tensors: dict[int, Node] = {}
    axis = 0
    for item in items:
        if item is None or isinstance(item, bool):
            if item is not None:  # picks the one element of a dimension of its own, or none
                tensors[len(found)] = full(0, (int(item),), int32)
            found.append(1)
            continue
        size = shape[axis]
        if isinstance(item, slice):
            slices.append(_range(item, size))
            found.append(slices[-1][1])
        elif isinstance(item, Node):
            slices.append((0, size, 1))
            tensors[len(found)] = item
            found.append(size)
        else:
            slices.append((_position(item, size, axis), 1, 1))
        axis += 1
    return Parts(tuple(slices), tuple(found), tensors)


def sliced(x: Node, parts: Parts) -> Node:
    """x[...] as far as ints, slices and None say."""
    if any(part != (0, size, 1) for part, size in zip(parts.slices, x.shape, strict=True)):
        x = apply(SLICE, x, attrs=(parts.slices,))
    return x if x.shape == parts.shape else apply(RESHAPE, x, attrs=(parts.shape,))


def index(x: Node, key: Index) -> Node:
    """PyTorch's x[key]. Integer nodes index together, as in NumPy: x[rows, columns] picks pairs."""
    parts = parts_of(x.shape, key)
    x = sliced(x, parts)
    return _by_tensors(x, parts.tensors) if parts.tensors else x


def _expanded(items: tuple[Index, ...], rank: int) -> list[Index]:
    """Every dimension gets its item: the ellipsis, or the end, stands for the dimensions not named."""
    used = sum(not (item is None or isinstance(item, (bool, EllipsisType))) for item in items)
    if used > rank:
        raise IndexRangeError(f"an array with {rank} dimensions was indexed with {used} indices")
    found: list[Index] = []
    dots = 0
    for item in items if any(isinstance(item, EllipsisType) for item in items) else (*items, ...):
        if isinstance(item, EllipsisType):
            found.extend([slice(None)] * (0 if dots else rank - used))
            dots += 1
        elif dots > 1 and rank > used:
            raise IndexRangeError("an index holds at most one '...' before its last item")
        elif item is None or isinstance(item, (bool, slice, Node, int, np.integer)):
            found.append(item)
        else:
            raise ArgumentError(f"an index is an int, a slice, None, '...' or an integer tensor, got {type(item).__name__}")
    return found


def _range(item: slice, size: int) -> tuple[int, int, int]:
    first, last, step = item.indices(size)
    if step < 0:
        raise ShapeError(f"step must be greater than zero, got {step} in an index; use flip()")
    return (first, len(range(first, last, step)), step) if len(range(first, last, step)) else (0, 0, 1)


def _position(item: int, size: int, axis: int) -> int:
    if not -size <= item < size:
        raise IndexRangeError(f"index {item} is outside dimension {axis} of size {size}")
    return int(item) % size


@dataclass(frozen=True)
class Rows:
    """Indexed dimensions as one. order: the permutation that brings them together; lead, total, tail: the shape then, the
    indexed dimensions as one of `total` rows; number: the row each index means, `total` or below 0 for none."""

    order: tuple[int, ...]
    lead: tuple[int, ...]
    total: int
    tail: tuple[int, ...]
    number: Node


def rows_of(x: Node, tensors: dict[int, Node]) -> Rows:
    """The index nodes become one row number."""
    axes = list(tensors)
    together = axes == list(range(axes[0], axes[0] + len(axes)))
    place = axes[0] if together else 0
    rest = [axis for axis in range(len(x.shape)) if axis not in axes]
    before, after = tuple(rest[:place]), tuple(rest[place:])
    sizes = [x.shape[axis] for axis in axes]
    try:
        shape = common_shape("indexing", *(node.shape for node in tensors.values()))
    except ShapeError as error:  # PyTorch's is an IndexError
        raise IndexRangeError(str(error)) from None
    total = int(np.prod(sizes))
    number: Node | None = None
    inside = full(True, shape, bool_)
    for size, node in zip(sizes, tensors.values(), strict=True):
        known = _known_inside(node, size)
        row = to_shape(node if known else _wrapped(node, size), shape)
        number = row if number is None else number * size + row
        if not known:
            inside = apply(LOGICAL_AND, inside, apply(LOGICAL_AND, row > -1, row < size))
    assert number is not None
    if len(axes) > 1 and inside.op is LOGICAL_AND:  # one index too far would otherwise be a neighbour's row
        number = apply(WHERE, inside, number, full(total, shape, int32))
    lead, tail = tuple(x.shape[axis] for axis in before), tuple(x.shape[axis] for axis in after)
    return Rows((*before, *axes, *after), lead, total, tail, number)


def in_rows(x: Node, rows: Rows) -> Node:
    """x with its indexed dimensions as one: (*lead, total, *tail)."""
    if rows.order != tuple(range(len(rows.order))):
        x = apply(PERMUTE, x, attrs=(rows.order,))
    return apply(RESHAPE, x, attrs=((*rows.lead, rows.total, *rows.tail),))


def _by_tensors(x: Node, tensors: dict[int, Node]) -> Node:
    """The indexed dimensions become one, the index nodes one row number, and rows are gathered."""
    rows = rows_of(x, tensors)
    x, number = in_rows(x, rows), rows.number
    line = apply(RESHAPE, number, attrs=((*(1,) * len(rows.lead), number.size, *(1,) * len(rows.tail)),))
    line = to_shape(line, (*rows.lead, number.size, *rows.tail))
    found = apply(GATHER, x, line, attrs=(len(rows.lead),))
    return apply(RESHAPE, found, attrs=((*rows.lead, *number.shape, *rows.tail),))


def _known_inside(node: Node, size: int) -> bool:
    """Is every index surely in [0, size)? Those still on the host are checked now. Raises IndexRangeError."""
    if node.dtype != int32:
        raise ArgumentError(f"an index tensor holds integers, got {node.dtype.name}")
    if node.op is IOTA:
        return bool(node.shape[node.attrs[1]] <= size)
    known = node.buffer
    if not isinstance(known, np.ndarray) or not known.size:
        return False
    if not (-size <= known.min() and known.max() < size):
        raise IndexRangeError(f"an index must be in [{-size}, {size}), found {known.min()} to {known.max()}")
    return bool(known.min() >= 0)


def _wrapped(node: Node, size: int) -> Node:
    """Negative indices count from the end."""
    return apply(WHERE, apply(LT, node, full(0, node.shape, int32)), node + size, node)


def gather(x: Node, axis: int, where: Node) -> Node:
    """PyTorch's gather. Raises ShapeError when index is larger than x off the axis."""
    check_fits("gather", x, axis, where)
    return apply(GATHER, x, where, attrs=(axis,))


def check_fits(name: str, x: Node, axis: int, where: Node) -> None:
    """Raises DtypeError, or ShapeError when an index for x along axis is larger than x elsewhere."""
    if where.dtype != int32:
        raise DtypeError(f"{name}: the index holds integers, got {where.dtype.name}")
    if len(where.shape) != len(x.shape) or any(
        w > s for a, (w, s) in enumerate(zip(where.shape, x.shape, strict=True)) if a != axis
    ):
        raise ShapeError(f"{name}: index {where.shape} must fit into {x.shape} off dim {axis}")
