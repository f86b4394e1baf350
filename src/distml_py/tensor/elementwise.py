"""Functions of single numbers, and their choice by a condition."""

from __future__ import annotations

from .. import broadcast, graph, ops
from ..broadcast import Number
from ..errors import DtypeError
from ..graph import Node
from ..op import DTYPES, bool_
from ..ops.elementwise import cast
from .tensor import Tensor, binary, made, method, unary


@method
def neg(input: Tensor) -> Tensor:
    return -input


@method
def exp(input: Tensor) -> Tensor:
    return unary(ops.EXP, input, floating=True)


@method
def log(input: Tensor) -> Tensor:
    return unary(ops.LOG, input, floating=True)


@method
def sqrt(input: Tensor) -> Tensor:
    return unary(ops.SQRT, input, floating=True)


@method
def rsqrt(input: Tensor) -> Tensor:
    return input.sqrt().reciprocal()


@method
def reciprocal(input: Tensor) -> Tensor:
    return unary(ops.RECIPROCAL, input, floating=True)


@method
def sin(input: Tensor) -> Tensor:
    return unary(ops.SIN, input, floating=True)


@method
def cos(input: Tensor) -> Tensor:
    return unary(ops.COS, input, floating=True)


@method
def tanh(input: Tensor) -> Tensor:
    return unary(ops.TANH, input, floating=True)


@method
def sigmoid(input: Tensor) -> Tensor:
    return unary(ops.SIGMOID, input, floating=True)


@method
def erf(input: Tensor) -> Tensor:
    return unary(ops.ERF, input, floating=True)


@method
def relu(input: Tensor) -> Tensor:
    return unary(ops.RELU, input)


@method
def abs(input: Tensor) -> Tensor:
    return unary(ops.ABS, input)


@method
def sign(input: Tensor) -> Tensor:
    return unary(ops.SIGN, input)


@method
def floor(input: Tensor) -> Tensor:
    return unary(ops.FLOOR, input)


@method
def square(input: Tensor) -> Tensor:
    return input * input


@method
def logical_not(input: Tensor) -> Tensor:
    return unary(ops.LOGICAL_NOT, input.bool())


@method
def isfinite(input: Tensor) -> Tensor:
    return unary(ops.ISFINITE, input, floating=True)


@method
def maximum(input: Tensor, other: Tensor) -> Tensor:
    return binary(ops.MAXIMUM, input, other)


@method
def minimum(input: Tensor, other: Tensor) -> Tensor:
    return binary(ops.MINIMUM, input, other)


@method
def clamp(input: Tensor, min: Number | None = None, max: Number | None = None) -> Tensor:
    """Limited to [min, max]; the gradient is 1 inside and on the limits, 0 outside, as in PyTorch."""
    if min is None and max is None:
        raise DtypeError("clamp needs min, max or both")
    out = input
    if min is not None:
        out = where(out < min, min, out)
    if max is not None:
        out = where(out > max, max, out)
    return out


@method
def masked_fill(input: Tensor, mask: Tensor, value: Number) -> Tensor:
    return where(mask, value, input)


def where(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input where condition holds, else other; all broadcast together."""
    values = [value._node if isinstance(value, Tensor) else value for value in (input, other)]
    nodes = [value for value in values if isinstance(value, Node)]
    dtype = broadcast.promoted(*values) if nodes else max(map(broadcast.kind_of, (input, other)), key=DTYPES.index)
    yes, no = broadcast.matched("where", *values, dtype=dtype)
    shape = broadcast.common_shape("where", condition.shape, yes.shape)
    nodes = [broadcast.to_shape(node, shape) for node in (cast(condition._node, bool_), yes, no)]
    return made(graph.apply(ops.WHERE, *nodes), condition, input, other)
