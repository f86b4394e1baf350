"""PyTorch's rules for shapes and dtypes that differ: broadcasting, promotion, dimension numbers. On nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .dtypes import fraction
from .errors import DtypeError, IndexRangeError, ShapeError
from .graph import Node, apply, full
from .op import DTYPES, bool_, int32
from .ops import EXPAND, RESHAPE
from .ops.elementwise import cast
from .view import Shape

Number = float | int | bool


def promoted(*values: Node | Number) -> np.dtype[Any]:
    """The dtype of an op on values. A Python number only lifts the kind (bool < int < float), never the width; a node without
    dimensions does not widen one with dimensions of its kind, either."""
    nodes = [value for value in values if isinstance(value, Node)]
    wide = [node.dtype for node in nodes if node.shape] or [node.dtype for node in nodes]
    dtype = max(wide, key=DTYPES.index)
    for node in nodes:
        if node.dtype.kind != dtype.kind:
            dtype = max(dtype, node.dtype, key=DTYPES.index)
    for value in values:
        if not isinstance(value, Node) and kind_of(value).kind != dtype.kind:
            dtype = max(dtype, kind_of(value), key=DTYPES.index)
    return dtype


def kind_of(number: Any) -> np.dtype[Any]:
    """The dtype of a Python number on its own."""
    return bool_ if isinstance(number, bool) else int32 if isinstance(number, int) else fraction().dtype


def common_shape(name: str, *shapes: Shape) -> Shape:
    """The shape all of them broadcast to. Raises ShapeError."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(map(str, shapes))
        raise ShapeError(f"{name} needs shapes that broadcast (equal or 1, from the right), got {listed}") from None


def to_shape(x: Node, shape: Shape) -> Node:
    """x broadcast to shape, which it must fit."""
    if x.shape == shape:
        return x
    if len(x.shape) < len(shape):
        x = apply(RESHAPE, x, attrs=((1,) * (len(shape) - len(x.shape)) + x.shape,))
    return x if x.shape == shape else apply(EXPAND, x, attrs=(shape,))


def matched(name: str, *values: Node | Number, dtype: np.dtype[Any] | None = None) -> list[Node]:
    """All values as nodes of one shape and one dtype (their promoted one, unless given)."""
    dtype = dtype or promoted(*values)
    shape = common_shape(name, *(value.shape for value in values if isinstance(value, Node)))
    return [to_shape(cast(value, dtype), shape) if isinstance(value, Node) else full(value, shape, dtype) for value in values]


def axis_of(dim: int, rank: int, name: str) -> int:
    """dim, which may count from the end, as a number in [0, rank). Raises IndexRangeError."""
    dim = _number(dim)
    if not isinstance(dim, (int, np.integer)):
        raise DtypeError(f"{name}: a dimension is an int, got {type(dim).__name__}")
    if not -max(rank, 1) <= dim < max(rank, 1):
        raise IndexRangeError(f"{name}: dim {dim} of an array with {rank} dimensions; use {-max(rank, 1)} to {max(rank, 1) - 1}")
    return int(dim) % max(rank, 1)


def _number(dim: Any) -> Any:
    """A tensor of one integer as that number; all else as it is."""
    return dim.__index__() if getattr(dim, "ndim", None) == 0 and hasattr(dim, "__index__") else dim


def axes_of(dim: int | Sequence[int] | None, rank: int, name: str) -> tuple[int, ...]:
    """One, several or (None, or none named) all dimensions, sorted. Raises on repeats."""
    dim = _number(dim)
    if dim is None or (not isinstance(dim, (int, np.integer)) and len(dim) == 0):
        return tuple(range(rank))
    axes = tuple(axis_of(d, rank, name) for d in ((dim,) if isinstance(dim, (int, np.integer)) else dim))
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}: a dimension appears twice in dim={dim}")
    return tuple(sorted(axes)) if rank else ()


def filled_in(shape: Sequence[int], size: int, name: str) -> Shape:
    """shape with its -1 replaced so that it holds size elements. Raises ShapeError."""
    if not all(isinstance(length, (int, np.integer)) for length in shape):
        raise DtypeError(f"{name}: a shape holds integers, got {tuple(shape)}")
    known = 1
    for length in shape:
        known *= length if length != -1 else 1
    holes = list(shape).count(-1)
    if holes == 1 and known and size % known == 0:
        return tuple(size // known if length == -1 else int(length) for length in shape)
    if holes or known != size or any(length < 0 for length in shape):
        raise ShapeError(f"{name}: shape {tuple(shape)} does not hold {size} elements")
    return tuple(int(length) for length in shape)
