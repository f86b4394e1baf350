"""Running sums, products and extremes. Composed: steps of 1, 2, 4, ... are taken back, so the rounding is that of sums in pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import broadcast, graph, ops
from ..errors import DtypeError, ShapeError
from ..graph import Node
from ..op import bool_, int32
from .joining import cat
from .reduction import Best, turned
from .tensor import Tensor, made, method

LEAST = -(2**31) + 1  # the smallest int32 that GLSL can write as a number


def _shifted(node: Node, axis: int, step: int, fill: float) -> Node:
    return ops.move.pad_axis(ops.move.slice_axis(node, axis, 0, node.shape[axis] - step), axis, step, 0, fill)


def _scanned(input: Tensor, dim: int, name: str, fill: float, combine: Callable[[Node, Node], Node]) -> Tensor:
    axis = broadcast.axis_of(dim, input.ndim, name)
    node, step = input._node, 1
    while input.ndim and step < input.shape[axis]:
        node = combine(_shifted(node, axis, step, fill), node)
        step *= 2
    return made(node, input)


def _numbers(input: Tensor, dtype: Any) -> Tensor:
    x = input if dtype is None else input.to(dtype)
    return x if x.is_floating_point() else x.long()


@method
def cumsum(input: Tensor, dim: int, *, dtype: np.dtype[Any] | None = None) -> Tensor:
    """The sums up to each place along dim. bool and int32 give int32."""
    return _scanned(_numbers(input, dtype), dim, "cumsum", 0, lambda before, node: before + node)


@method
def cumprod(input: Tensor, dim: int, *, dtype: np.dtype[Any] | None = None) -> Tensor:
    return _scanned(_numbers(input, dtype), dim, "cumprod", 1, lambda before, node: before * node)


def _logaddexp(before: Node, node: Node) -> Node:
    return Tensor(before).logaddexp(Tensor(node))._node


@method
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    if not input.is_floating_point():
        raise DtypeError(f"logcumsumexp needs floating-point numbers, got {input.dtype.name}; use .float()")
    return _scanned(input, dim, "logcumsumexp", -np.inf, _logaddexp)


def _running_best(input: Tensor, dim: int, name: str, smallest: bool) -> Best:
    axis = broadcast.axis_of(dim, input.ndim, name)
    if not input.ndim:
        return Best(input, Tensor(graph.full(0, (), int32)))
    x = input._aside()
    x = turned(x) if smallest else x.long() if x.dtype == bool_ else x
    fill = -np.inf if x.is_floating_point() else LEAST
    best, place, step = x, Tensor(graph.apply(ops.IOTA, attrs=ops.source.iota_attrs(x.shape, axis))), 1
    while step < x.shape[axis]:
        before = Tensor(_shifted(best._node, axis, step, fill))
        other = Tensor(_shifted(place._node, axis, step, 0))
        earlier = (before > best) | (before.isnan() & ~best.isnan()) if x.is_floating_point() else before > best
        best, place = before.where(earlier, best), other.where(earlier, place)
        step *= 2
    return Best(input.gather(axis, place), place)


@method
def cummax(input: Tensor, dim: int) -> Best:
    """(values, indices): the largest number up to each place, the last of equals."""
    return _running_best(input, dim, "cummax", smallest=False)


@method
def cummin(input: Tensor, dim: int) -> Best:
    return _running_best(input, dim, "cummin", smallest=True)


@method
def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
    """Each number less the one before, n times over; of truths, whether they differ."""
    axis = broadcast.axis_of(dim, input.ndim, "diff")
    if n < 0:
        raise ShapeError(f"diff: n counts from 0 up, got {n}")
    parts = [part for part in (prepend, input, append) if part is not None]
    x = input if len(parts) == 1 else cat(parts, axis)
    for _ in range(n):
        size = x.shape[axis]
        if size:
            later, earlier = x.narrow(axis, 1, size - 1), x.narrow(axis, 0, size - 1)
            x = later != earlier if x.dtype == bool_ else later - earlier
    return x


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """The area under lines of points, by trapezoids: at places x, or dx apart."""
    axis = broadcast.axis_of(dim, y.ndim, "trapezoid")
    size = y.shape[axis]
    both = y.narrow(axis, 1, size - 1) + y.narrow(axis, 0, size - 1)
    if x is None:
        return both.sum(axis) * (dx / 2)
    gap = diff(x, dim=-1 if x.ndim == 1 else axis)
    gap = gap.reshape(*(-1 if a == axis else 1 for a in range(y.ndim))) if x.ndim == 1 else gap
    return (both * gap).sum(axis) / 2


trapz = trapezoid
