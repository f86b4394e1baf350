"""Sums, products, extremes and truths of many numbers at once."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import broadcast, graph, indexing, ops
from ..dtypes import BOOL, UINT8, dtype_of, fraction
from ..errors import ArgumentError, DtypeError, EmptyError
from ..graph import Node
from ..op import Op, bool_
from .choosing import where
from .returned import returned, shown
from .tensor import Tensor, apply, made, method

Dtype = np.dtype[Any]


class Best(NamedTuple):
    """What an extreme along a dimension gives: its values and where they stood, int32."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return shown(self, type(self).__name__)


@returned("aminmax")
class MinMax(NamedTuple):
    min: Tensor
    max: Tensor


@method
def sum(input: Tensor, dim: Any = None, keepdim: Any = False, *, dtype: Dtype | None = None) -> Tensor:
    """Over dim (an int, several, or all). bool and int32 give int32."""
    if dtype is not None and dtype_of(dtype) is BOOL:
        return input.any(dim, keepdim).bool()
    x = input if dtype is None else input.to(dtype)
    return reduced(ops.SUM, x if x.is_floating_point() else x.long(), dim, keepdim)


@method
def nansum(input: Tensor, dim: Any = None, keepdim: Any = False, *, dtype: Dtype | None = None) -> Tensor:
    """The sum of what is not NaN."""
    return where(input.isnan(), 0.0, input).sum(dim, keepdim, dtype=dtype) if input.is_floating_point() else input.sum(dim, keepdim)


@method
def mean(input: Tensor, dim: Any = None, keepdim: Any = False, *, dtype: Dtype | None = None) -> Tensor:
    x = input if dtype is None else input.to(dtype)
    if not x.is_floating_point():
        raise DtypeError(f"mean needs floating-point numbers, got {x.dtype.name}; use .float()")
    count = math.prod(x.shape[axis] for axis in broadcast.axes_of(dim, x.ndim, "mean"))
    return x.sum(dim, keepdim) / count if count else x.sum(dim, keepdim) * math.nan


@method
def nanmean(input: Tensor, dim: Any = None, keepdim: Any = False, *, dtype: Dtype | None = None) -> Tensor:
    return input.nansum(dim, keepdim, dtype=dtype) / (~input.isnan()).sum(dim, keepdim)


@method
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Dtype | None = None) -> Tensor:
    """The product over dim, or of all; bool and int32 give int32. Halves are multiplied: its gradient is right at zeros, too."""
    if dtype is not None and dtype_of(dtype) is BOOL:
        return input.bool().long().prod(dim, keepdim).bool()
    x = input if dtype is None else input.to(dtype)
    x = x if x.is_floating_point() else x.long()
    if dim is None:
        return _product(x.flatten()._node, 0, x).reshape(*(1,) * (x.ndim if keepdim else 0))
    if not x.ndim:
        broadcast.axis_of(dim, 0, "prod")
        return x
    axis = broadcast.axis_of(dim, x.ndim, "prod")
    out = _product(x._node, axis, x)
    return out if keepdim else out.squeeze(axis)


def _product(node: Node, axis: int, source: Tensor) -> Tensor:
    if not node.shape[axis]:
        return made(graph.apply(ops.SUM, node, attrs=((axis,),)) + 1, source)
    while (size := node.shape[axis]) > 1:
        half = (size + 1) // 2
        rest = ops.move.pad_axis(ops.move.slice_axis(node, axis, half, size - half), axis, 0, 2 * half - size, 1)
        node = ops.move.slice_axis(node, axis, 0, half) * rest
    return made(node, source)


@method
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    return (input != 0).sum(dim)


# ---------------------------------------------------------------- extremes


@method
def amax(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    return reduced(ops.AMAX, input, dim, keepdim)


@method
def amin(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    return turned(turned(input).amax(dim, keepdim)).to(input.dtype)


def turned(x: Tensor) -> Tensor:
    """Numbers in the opposite order. Integers as -1 - x in 32 bits: small and unsigned ones would wrap, and so would -2**31."""
    return -x if x.is_floating_point() else -1 - x.long()


@method
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    return MinMax(input.amin(dim, keepdim), input.amax(dim, keepdim))


@method
def max(input: Tensor, dim: Any = None, keepdim: Any = False, *, other: Tensor | None = None) -> Any:
    """The largest number; with dim, (values, indices), the first of equals; with a tensor, maximum()."""
    if isinstance(dim, Tensor) or other is not None:
        return input.maximum(dim if other is None else other)
    _alone("max", dim, keepdim)
    return input.amax() if dim is None else _best(input, dim, keepdim, _numbers(input).argmax)


@method
def min(input: Tensor, dim: Any = None, keepdim: Any = False, *, other: Tensor | None = None) -> Any:
    if isinstance(dim, Tensor) or other is not None:
        return input.minimum(dim if other is None else other)
    _alone("min", dim, keepdim)
    return input.amin() if dim is None else _best(input, dim, keepdim, _numbers(input).argmin)


def _numbers(x: Tensor) -> Tensor:
    return x.long() if x.dtype is BOOL else x


def _alone(name: str, dim: Any, keepdim: Any) -> None:
    if keepdim and dim is None:
        raise ArgumentError(f"{name}: keepdim=True needs a dim; use a{name}(dim=(), keepdim=True) for all of them")


@method
def argmax(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    """The place of the first largest number; int32. Without dim: its place in the flattened tensor."""
    if dim is None:
        return input.flatten().argmax(0).reshape(*(1,) * input.ndim if keepdim else ())
    return reduced(ops.ARGMAX, input, (broadcast.axis_of(dim, input.ndim, "argmax"),), keepdim)


@method
def argmin(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    return turned(input).argmax(dim, keepdim)


@method
def all(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    return _as_asked(~(~input.bool()).any(dim, keepdim), input)


@method
def __contains__(input: Tensor, element: Any) -> bool:
    """Whether one number of it equals element, a number or a tensor."""
    if not isinstance(element, (Tensor, int, float, np.generic)):
        raise DtypeError(f"in: a tensor holds numbers, so it takes a number or a tensor, got {type(element).__name__}")
    return bool((input == element).any().item())


@method
def any(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    each = isinstance(dim, (tuple, list)) and not dim  # as in PyTorch, where this is no sum over all
    return _as_asked(input.bool() if each else input.bool().long().sum(dim, keepdim) > 0, input)


def _as_asked(found: Tensor, input: Tensor) -> Tensor:
    """uint8 stays uint8: there were truths of it before there was bool."""
    return found.to(UINT8) if input.dtype is UINT8 else found


# ---------------------------------------------------------------- sums of exponentials


@method
def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: Any = False) -> Tensor:
    x = input if input.is_floating_point() else input.to(fraction())
    if 0 in x.shape:  # the logarithm of an empty sum; there is no largest number to take out
        return x.exp().sum(dim, keepdim).log()
    top = x._aside().amax(dim, keepdim=True)
    top = where(top.isfinite(), top, 0.0)
    total = (x - top).exp().sum(dim, keepdim=True).log() + top
    return total if keepdim else total.squeeze(dim)


@method
def softmax(input: Tensor, dim: int, dtype: Dtype | None = None) -> Tensor:
    """exp / sum of exp along dim; the maximum is subtracted first, so exp cannot overflow."""
    x = input.to(dtype) if dtype is not None else input if input.is_floating_point() else input.to(fraction())
    if 0 in x.shape:
        return x * 1
    top, total = exp_sum(x, dim, "softmax")
    return apply(ops.SOFTMAX, x, top.expand(x.shape), total.expand(x.shape))


@method
def log_softmax(input: Tensor, dim: int, dtype: Dtype | None = None) -> Tensor:
    x = input if dtype is None else input.to(dtype)
    if 0 in x.shape:
        return x * 1
    x = x if x.is_floating_point() else x.to(fraction())
    top, total = exp_sum(x, dim, "log_softmax")
    return apply(ops.LOG_SOFTMAX, x, top.expand(x.shape), total.expand(x.shape))


def exp_sum(x: Tensor, dim: Any, name: str) -> tuple[Tensor, Tensor]:
    """(the maximum m over dim, the sum of exp(x - m)), which stays as size 1; m is a constant to the derivative of both."""
    found = apply(ops.EXP_SUM, x, attrs=(broadcast.axes_of(dim, x.ndim, name),))
    return found._aside()[0], found[1]


def reduced(op: Op, x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """A Reduce row over dim, which is one, several or (None) all dimensions."""
    axes = broadcast.axes_of(dim, x.ndim, op.name)
    if op is not ops.SUM and builtins.any(x.shape[axis] == 0 for axis in axes):
        raise EmptyError(f"{op.name} of no elements: shape {x.shape}, dim {dim}; it has no identity")
    if not axes:
        return x if op is not ops.ARGMAX else (x * 0).long()
    if x.dtype == bool_:
        numbers = reduced(op, x.long(), dim, keepdim)
        return numbers.bool() if op is ops.AMAX else numbers
    out = made(graph.apply(op, x._node, attrs=(axes,)), *() if op is ops.ARGMAX else (x,))
    return out if keepdim else out.reshape(*(size for axis, size in enumerate(x.shape) if axis not in axes))


def _best(x: Tensor, dim: Any, keepdim: bool, place: Callable[..., Tensor]) -> Best:
    """(values, indices) along dim; the gradient goes to the chosen element alone."""
    if not x.ndim:
        return Best(x, place(dim))
    indices = place(dim, keepdim=True)
    values = made(indexing.gather(x._node, broadcast.axis_of(dim, x.ndim, "max"), indices._node), x)
    return Best(values, indices) if keepdim else Best(values.squeeze(dim), indices.squeeze(dim))
