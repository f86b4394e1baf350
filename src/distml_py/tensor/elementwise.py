"""Functions of one number at a time. Integers become float32 where the result is a fraction."""

from __future__ import annotations

import math
from collections.abc import Callable

from .. import ops
from ..dtypes import fraction
from ..errors import DtypeError
from ..op import Op, bool_
from .choosing import where
from .narrow import rounded_once
from .tensor import Tensor, method, unary

Function = Callable[[Tensor], Tensor]


def _row(name: str, op: Op, floating: bool = True) -> Function:
    """The function of a row, and the method. floating: integers become float32 first."""

    def function(input: Tensor) -> Tensor:
        return unary(op, input, floating)

    function.__name__ = function.__qualname__ = name
    return method(function)


def _kept(name: str, op: Op) -> Function:
    return _row(name, op, floating=False)


exp, exp2, expm1 = _row("exp", ops.EXP), _row("exp2", ops.EXP2), _row("expm1", ops.EXPM1)
log, log2, log10, log1p = (
    _row(name, op) for name, op in (("log", ops.LOG), ("log2", ops.LOG2), ("log10", ops.LOG10), ("log1p", ops.LOG1P))
)
sqrt, reciprocal = _row("sqrt", ops.SQRT), _row("reciprocal", ops.RECIPROCAL)
sin, cos = _row("sin", ops.SIN), _row("cos", ops.COS)
asin, acos, atan = _row("asin", ops.ASIN), _row("acos", ops.ACOS), _row("atan", ops.ATAN)
sinh, cosh, tanh = _row("sinh", ops.SINH), _row("cosh", ops.COSH), _row("tanh", ops.TANH)
asinh, acosh, atanh = _row("asinh", ops.ASINH), _row("acosh", ops.ACOSH), _row("atanh", ops.ATANH)
arcsin, arccos, arctan = method(asin, "arcsin"), method(acos, "arccos"), method(atan, "arctan")
arcsinh, arccosh, arctanh = method(asinh, "arcsinh"), method(acosh, "arccosh"), method(atanh, "arctanh")
sigmoid, erf = _row("sigmoid", ops.SIGMOID), _row("erf", ops.ERF)
erfc, erfinv = _row("erfc", ops.ERFC), _row("erfinv", ops.ERFINV)
isfinite = _row("isfinite", ops.ISFINITE)
isnan = _row("isnan", ops.ISNAN)
relu, abs = _kept("relu", ops.RELU), _kept("abs", ops.ABS)
floor, trunc = _kept("floor", ops.FLOOR), _kept("trunc", ops.TRUNC)
absolute, fix = method(abs, "absolute"), method(trunc, "fix")


@method
def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1; truths stay."""
    return input.clone() if input.dtype == bool_ else unary(ops.SIGN, input)


sgn = method(sign, "sgn")


@method
def neg(input: Tensor) -> Tensor:
    return -input


negative = method(neg, "negative")


@method
def positive(input: Tensor) -> Tensor:
    return input


@method
def square(input: Tensor) -> Tensor:
    x = input.long() if input.dtype == bool_ else input
    return x * x


@method
@rounded_once
def rsqrt(input: Tensor) -> Tensor:
    return input.sqrt().reciprocal()


@method
@rounded_once
def tan(input: Tensor) -> Tensor:
    return input.sin() / input.cos()


@method
def ceil(input: Tensor) -> Tensor:
    return -(-input).floor()


@method
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """To the nearest whole number, halves to the even one; decimals: how many digits stay behind the point."""
    if not decimals:
        return unary(ops.ROUND, input)
    if not input.is_floating_point():
        raise DtypeError(f"round: decimals are those of floating-point numbers, got {input.dtype.name}; use .float()")
    ten = 10.0 ** math.fabs(decimals)
    return unary(ops.ROUND, input * ten) / ten if decimals > 0 else unary(ops.ROUND, input / ten) * ten


@method
def frac(input: Tensor) -> Tensor:
    return input - input.trunc()


@method
def signbit(input: Tensor) -> Tensor:
    """Is it below 0? -0.0 counts as 0, other than in PyTorch."""
    return input < 0


@method
def logical_not(input: Tensor) -> Tensor:
    return unary(ops.LOGICAL_NOT, input.bool())


@method
def bitwise_not(input: Tensor) -> Tensor:
    """The bits of integers, or the truth, turned."""
    if input.is_floating_point():
        raise DtypeError(f"bitwise_not takes integers or bool, got {input.dtype.name}; use .int()")
    return input.logical_not() if input.dtype == bool_ else -input - 1


@method
def isinf(input: Tensor) -> Tensor:
    return input.abs() == math.inf if input.is_floating_point() else input != input


@method
def isposinf(input: Tensor) -> Tensor:
    return input == math.inf


@method
def isneginf(input: Tensor) -> Tensor:
    return input == -math.inf


@method
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)). eps: x is limited to [eps, 1 - eps] first."""
    x = input if input.is_floating_point() else input.to(fraction())
    x = x if eps is None else x.clamp(eps, 1 - eps)
    return x.log() - (-x).log1p()


@method
def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0."""
    x = (input if input.is_floating_point() else input.to(fraction())) * math.pi
    zero = x == 0
    return where(zero, 1.0, x.sin() / where(zero, 1.0, x))


@method
def angle(input: Tensor) -> Tensor:
    """pi where a number is negative, else 0; NaN stays."""
    x = input if input.is_floating_point() else input.to(fraction())
    return where(x.isnan(), x, (x < 0).to(x.dtype) * math.pi).detach()


@method
def deg2rad(input: Tensor) -> Tensor:
    return input * (math.pi / 180)


@method
def rad2deg(input: Tensor) -> Tensor:
    return input * (180 / math.pi)


@method
def nan_to_num(input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """NaN becomes 0, infinities the largest finite numbers, unless other numbers are given."""
    if not input.is_floating_point():
        return input
    largest = 3.4028234663852886e38 if input.dtype.itemsize == 4 else 1.7976931348623157e308
    out = where(input.isnan(), 0.0 if nan is None else nan, input)
    out = where(input == math.inf, largest if posinf is None else posinf, out)
    return where(input == -math.inf, -largest if neginf is None else neginf, out)
