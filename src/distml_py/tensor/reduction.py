"""Functions of many numbers at once: sums, extremes, moments, softmax."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

from .. import broadcast, graph, indexing, ops
from ..errors import DtypeError, ShapeError
from ..op import Op, bool_
from .choosing import where
from .tensor import Tensor, apply, made, method


@method
def sum(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    """Over dim (an int, several, or all). bool and int32 give int32."""
    return _reduced(ops.SUM, input.int() if input.dtype == bool_ else input, dim, keepdim)


@method
def mean(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    if not input.is_floating_point():
        raise DtypeError(f"mean needs floating-point numbers, got {input.dtype.name}; use .float()")
    count = math.prod(input.shape[axis] for axis in broadcast.axes_of(dim, input.ndim, "mean"))
    return input.sum(dim, keepdim) / count if count else input.sum(dim, keepdim) * math.nan


@method
def var(input: Tensor, dim: Any = None, correction: Any = 1, keepdim: Any = False) -> Tensor:
    count = math.prod(input.shape[axis] for axis in broadcast.axes_of(dim, input.ndim, "var"))
    centred = input - input.mean(dim, keepdim=True)
    return (centred * centred).sum(dim, keepdim) / builtins.max(count - correction, 0)


@method
def std(input: Tensor, dim: Any = None, correction: Any = 1, keepdim: Any = False) -> Tensor:
    return input.var(dim, correction, keepdim).sqrt()


@method
def amax(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    return _reduced(ops.AMAX, input, dim, keepdim)


@method
def amin(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    return (-(-input).amax(dim, keepdim)).to(input.dtype)


@method
def max(input: Tensor, dim: Any = None, keepdim: Any = False) -> Any:
    """The largest number; with dim, (values, indices), the first of equals."""
    return input.amax() if dim is None else _best(input, dim, keepdim, input.argmax)


@method
def min(input: Tensor, dim: Any = None, keepdim: Any = False) -> Any:
    return input.amin() if dim is None else _best(input, dim, keepdim, input.argmin)


@method
def argmax(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    """The place of the first largest number; int32. Without dim: its place in the flattened tensor."""
    if dim is None:
        return input.flatten().argmax(0).reshape(*(1,) * input.ndim if keepdim else ())
    return _reduced(ops.ARGMAX, input, (broadcast.axis_of(dim, input.ndim, "argmax"),), keepdim)


@method
def argmin(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    return (-input).argmax(dim, keepdim)


@method
def all(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    return ~(~input.bool()).any(dim, keepdim)


@method
def any(input: Tensor, dim: Any = None, keepdim: Any = False) -> Tensor:
    return input.bool().int().sum(dim, keepdim) > 0


@method
def logsumexp(input: Tensor, dim: Any, keepdim: Any = False) -> Tensor:
    top = input.detach().amax(dim, keepdim=True)
    top = where(top.isfinite(), top, 0.0)
    total = (input - top).exp().sum(dim, keepdim=True).log() + top
    return total if keepdim else total.squeeze(dim)


@method
def softmax(input: Tensor, dim: Any) -> Tensor:
    """exp / sum of exp along dim; the maximum is subtracted first, so exp cannot overflow."""
    x = input if input.is_floating_point() else input.float()
    top = x.detach().amax(dim, keepdim=True)
    total = (x - top).exp().sum(dim, keepdim=True)
    return apply(ops.SOFTMAX, x, top.expand(x.shape), total.expand(x.shape))


@method
def log_softmax(input: Tensor, dim: Any) -> Tensor:
    shifted = input - input.detach().amax(dim, keepdim=True)
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


def _reduced(op: Op, x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    axes = broadcast.axes_of(dim, x.ndim, op.name)
    if op is not ops.SUM and builtins.any(x.shape[axis] == 0 for axis in axes):
        raise ShapeError(f"{op.name} of no elements: shape {x.shape}, dim {dim}; it has no identity")
    if not axes:
        return x if op is not ops.ARGMAX else (x * 0).int()
    if x.dtype == bool_:
        numbers = _reduced(op, x.int(), dim, keepdim)
        return numbers.bool() if op is ops.AMAX else numbers
    out = made(graph.apply(op, x._node, attrs=(axes,)), x)
    return out if keepdim else out.reshape(*(size for axis, size in enumerate(x.shape) if axis not in axes))


def _best(x: Tensor, dim: Any, keepdim: bool, place: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    """(values, indices) along dim; the gradient goes to the chosen element alone."""
    if not x.ndim:
        return x, place(dim)
    indices = place(dim, keepdim=True)
    values = made(indexing.gather(x._node, broadcast.axis_of(dim, x.ndim, "max"), indices._node), x)
    return (values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))
