"""Functions of two or three numbers at a time, and their truth: sums, products, rests, comparisons, bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import ops
from ..broadcast import Number
from ..dtypes import fraction
from ..errors import DtypeError
from ..op import Op, bool_
from .choosing import where
from .narrow import rounded_once
from .tensor import Tensor, binary, method, unary

Value = Tensor | Number


@method
def add(input: Tensor, other: Value, *, alpha: Number = 1) -> Tensor:
    """input + alpha * other."""
    return binary(ops.ADD, input, other if alpha == 1 else other * alpha)


@method
def sub(input: Tensor, other: Value, *, alpha: Number = 1) -> Tensor:
    """input - alpha * other."""
    return binary(ops.SUB, input, other if alpha == 1 else other * alpha)


subtract = method(sub, "subtract")


def rsub(input: Tensor, other: Value, *, alpha: Number = 1) -> Tensor:
    """other - alpha * input."""
    return other - (input if alpha == 1 else input * alpha)


@method
def mul(input: Value, other: Value) -> Tensor:
    return binary(ops.MUL, input, other)


multiply = method(mul, "multiply")


@method
def div(input: Value, other: Value, *, rounding_mode: str | None = None) -> Tensor:
    """rounding_mode: None, "floor" or "trunc" (towards zero)."""
    if rounding_mode is None:
        return binary(ops.DIV, input, other, floating=True)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise DtypeError(f"div: rounding_mode is None, 'floor' or 'trunc', got {rounding_mode!r}")
    if binary(ops.SUB, input, other).is_floating_point():
        return unary(ops.TRUNC, binary(ops.DIV, input, other))
    down = floor_divide(input, other)
    return down + ((down < 0) & (down * other != input))


divide, true_divide = method(div, "divide"), method(div, "true_divide")


@method
def floor_divide(input: Value, other: Value) -> Tensor:
    return binary(ops.FLOOR_DIVIDE, input, other)


@method
def remainder(input: Value, other: Value) -> Tensor:
    """The rest of floor_divide: it has the divisor's sign."""
    return binary(ops.REMAINDER, input, other)


@method
def fmod(input: Tensor, other: Value) -> Tensor:
    """The rest of a division towards zero: it has the dividend's sign."""
    return binary(ops.FMOD, input, other)


@method
def pow(input: Value, exponent: Value) -> Tensor:
    return input**exponent  # type: ignore[return-value]


@method
def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle of the point (other, input), in radians."""
    return binary(ops.ATAN2, input, other, floating=True)


arctan2 = method(atan2, "arctan2")


@method
def hypot(input: Tensor, other: Tensor) -> Tensor:
    return binary(ops.HYPOT, input, other, floating=True)


@method
@rounded_once
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)); the larger one is taken out first, so exp cannot overflow."""
    top, gap = input.maximum(other), (input - other).abs()
    gap = where(input == other, 0.0, gap)  # also of two equal infinities, whose difference is NaN
    return top + (-gap).exp().log1p()


@method
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    return logaddexp(input * math.log(2), other * math.log(2)) / math.log(2)


@method
def xlogy(input: Value, other: Value) -> Tensor:
    """input * log(other), and 0 where input is 0."""
    x, y = (value if isinstance(value, Tensor) else Tensor(value) for value in (input, other))
    zero = (x == 0) & ~y.isnan()
    known = (y > 0) & (y < math.inf)  # there 0 * log(y) is 0 by itself, and its gradient is log(y)
    return where(zero & ~known, 0.0, x * where(zero & ~known, 1.0, y).log())


@method
def copysign(input: Tensor, other: Value) -> Tensor:
    """|input| with other's sign; 0.0 and -0.0 count as positive, other than in PyTorch."""
    size = (input if input.is_floating_point() else input.to(fraction())).abs()
    return where(other < 0, -size, size) if isinstance(other, Tensor) else (-size if other < 0 else size)


@method
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input * 2 ** other."""
    return input * (other if other.is_floating_point() else other.to(fraction())).exp2()


@method
@rounded_once
def lerp(input: Tensor, end: Tensor, weight: Value) -> Tensor:
    """input + weight * (end - input)."""
    if not isinstance(weight, Tensor):
        return input + (end - input) * weight if abs(weight) < 0.5 else end - (end - input) * (1 - weight)
    return where(weight.abs() < 0.5, input + (end - input) * weight, end - (end - input) * (1 - weight))


@method
@rounded_once
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""
    return input + (tensor1 * tensor2 if value == 1 else tensor1 * tensor2 * value)


@method
@rounded_once
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""
    return input + (tensor1 / tensor2 if value == 1 else tensor1 / tensor2 * value)


# ---------------------------------------------------------------- comparisons


def _comparison(name: str, op: Op) -> Callable[[Tensor, Value], Tensor]:
    def function(input: Tensor, other: Value) -> Tensor:
        return binary(op, input, other)

    function.__name__ = function.__qualname__ = name
    return method(function)


eq, ne = _comparison("eq", ops.EQ), _comparison("ne", ops.NE)
lt, le = _comparison("lt", ops.LT), _comparison("le", ops.LE)
gt, ge = _comparison("gt", ops.GT), _comparison("ge", ops.GE)
not_equal, less, less_equal = method(ne, "not_equal"), method(lt, "less"), method(le, "less_equal")
greater, greater_equal = method(gt, "greater"), method(ge, "greater_equal")


@method
def logical_and(input: Tensor, other: Tensor) -> Tensor:
    return binary(ops.LOGICAL_AND, input, other, dtype=bool_)


@method
def logical_or(input: Tensor, other: Tensor) -> Tensor:
    return binary(ops.LOGICAL_OR, input, other, dtype=bool_)


@method
def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    return binary(ops.NE, input.bool(), other.bool())


# ---------------------------------------------------------------- bits


def _bits(name: str, op: Op, on_bools: Op | None, left: Any, right: Any) -> Tensor:
    both = [value.dtype.kind if isinstance(value, Tensor) else "b" if isinstance(value, bool) else "" for value in (left, right)]
    if "f" in both or any(isinstance(value, float) for value in (left, right)):
        raise DtypeError(f"{name} takes integers or bool, got floating-point numbers; use .int() or logical_and and its like")
    if on_bools is not None and both == ["b", "b"]:
        return binary(on_bools, left, right, dtype=bool_)
    return binary(op, left, right)


@method
def bitwise_and(input: Any, other: Any) -> Tensor:
    return _bits("bitwise_and", ops.BITWISE_AND, ops.LOGICAL_AND, input, other)


@method
def bitwise_or(input: Any, other: Any) -> Tensor:
    return _bits("bitwise_or", ops.BITWISE_OR, ops.LOGICAL_OR, input, other)


@method
def bitwise_xor(input: Any, other: Any) -> Tensor:
    return _bits("bitwise_xor", ops.BITWISE_XOR, ops.NE, input, other)


@method
def bitwise_left_shift(input: Any, other: Any) -> Tensor:
    return _bits("bitwise_left_shift", ops.LEFT_SHIFT, None, input, other)


@method
def bitwise_right_shift(input: Any, other: Any) -> Tensor:
    return _bits("bitwise_right_shift", ops.RIGHT_SHIFT, None, input, other)


for _name, _function in (("and", bitwise_and), ("or", bitwise_or), ("xor", bitwise_xor)):
    method(_function, f"__{_name}__")
    method(_function, f"__r{_name}__")
method(lambda input, other: bitwise_left_shift(other, input), "__rlshift__")
method(lambda input, other: bitwise_right_shift(other, input), "__rrshift__")
method(bitwise_left_shift, "__lshift__")
method(bitwise_right_shift, "__rshift__")
