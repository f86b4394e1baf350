"""Element-wise rows: one number out for the numbers at the same place. Broadcasting is done before, by expand."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Node, apply, full
from ..op import Elementwise, bool_, float32, int32

_NAN_AWARE = "{{0}} {sign} {{1}} || isnan({{0}}) ? {{0}} : {{1}}"


def _where(condition: Node, yes: Node, no: Node) -> Node:
    return apply(WHERE, condition, yes, no)


def _zeros(like: Node) -> Node:
    return full(0, like.shape, like.dtype)


def _quiet(function: Any) -> Any:
    """NumPy without warnings: NaN and infinities are values here, and checked where training reads them."""

    def run(*arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arrays)

    return run


ADD = Elementwise("add", np.add, lambda g, out, x, y: (g, g), glsl="{0} + {1}")
SUB = Elementwise("sub", np.subtract, lambda g, out, x, y: (g, -g), glsl="{0} - {1}")
MUL = Elementwise("mul", _quiet(np.multiply), lambda g, out, x, y: (g * y, g * x), glsl="{0} * {1}")
DIV = Elementwise(
    name="div",
    numpy=_quiet(np.divide),
    glsl="{0} / {1}",
    vjp=lambda g, out, x, y: (g / y, -g * out / y),
)
NEG = Elementwise("neg", np.negative, lambda g, out, x: (-g,), glsl="-{0}")
EXP = Elementwise("exp", _quiet(np.exp), lambda g, out, x: (g * out,), glsl="exp({0})")
LOG = Elementwise(
    name="log",
    numpy=_quiet(np.log),
    # log of a negative number is undefined in GLSL; NumPy says NaN
    glsl="logarithm({0})",
    helper="float logarithm(float x) { return x < 0.0 ? uintBitsToFloat(0x7fc00000u) : log(x); }",
    vjp=lambda g, out, x: (g / x,),
)
SQRT = Elementwise(
    name="sqrt",
    numpy=_quiet(np.sqrt),
    glsl="root({0})",
    helper="float root(float x) { return x < 0.0 ? uintBitsToFloat(0x7fc00000u) : sqrt(x); }",
    vjp=lambda g, out, x: (g / (out * 2.0),),
)
RECIPROCAL = Elementwise(
    "reciprocal", _quiet(np.reciprocal), lambda g, out, x: (-g * out * out,), glsl="1.0 / {0}"
)
SIN = Elementwise("sin", _quiet(np.sin), lambda g, out, x: (g * apply(COS, x),), glsl="sin({0})")
COS: Elementwise = Elementwise("cos", _quiet(np.cos), lambda g, out, x: (-g * apply(SIN, x),), glsl="cos({0})")
TANH = Elementwise(
    name="tanh",
    numpy=np.tanh,
    glsl="tanh(clamp({0}, -15.0, 15.0))",  # beyond that float32 says 1; some drivers overflow inside
    vjp=lambda g, out, x: (g * (1.0 - out * out),),
)
SIGMOID = Elementwise(
    name="sigmoid",
    numpy=lambda x: (0.5 * np.tanh(0.5 * x) + 0.5).astype(x.dtype),
    glsl="1.0 / (1.0 + exp(-{0}))",
    vjp=lambda g, out, x: (g * out * (1.0 - out),),
)
RELU = Elementwise(
    name="relu",
    numpy=lambda x: np.maximum(x, np.zeros((), x.dtype)),
    glsl="{0} < 0.0 ? 0.0 : {0}",
    integer_glsl="max({0}, 0)",
    vjp=lambda g, out, x: (_where(out > 0, g, _zeros(g)),),
)
ABS = Elementwise(
    name="abs",
    numpy=np.abs,
    glsl="abs({0})",
    vjp=lambda g, out, x: (g * apply(SIGN, x),),
)
SIGN: Elementwise = Elementwise(
    name="sign",
    numpy=np.sign,
    glsl="isnan({0}) ? {0} : sign({0})",
    integer_glsl="sign({0})",
    vjp=lambda g, out, x: (_zeros(g),),
)
FLOOR = Elementwise("floor", np.floor, lambda g, out, x: (_zeros(g),), glsl="floor({0})", integer_glsl="{0}")
POW = Elementwise(
    name="pow",
    numpy=_quiet(np.power),
    glsl="power({0}, {1})",
    helper="""float power(float x, float y) {
    if (y == 0.0) return 1.0;
    if (x > 0.0) return pow(x, y);
    bool odd = mod(y, 2.0) == 1.0;
    if (x == 0.0) return y > 0.0 ? 0.0 : uintBitsToFloat(0x7f800000u);
    if (y != floor(y) || isnan(x)) return uintBitsToFloat(0x7fc00000u);
    return odd ? -pow(-x, y) : pow(-x, y);
}""",
    vjp=lambda g, out, x, y: (_power_by_base(g, x, y), _power_by_exponent(g, out, x)),
)


def _power_by_base(g: Node, x: Node, y: Node) -> Node:
    slope = y * apply(POW, x, y - 1.0)
    return g * _where(apply(EQ, y, _zeros(y)), _zeros(y), slope)


def _power_by_exponent(g: Node, out: Node, x: Node) -> Node:
    # 0 ** y stays 0 for y > 0: its slope is 0, where log(0) would say -inf * 0
    return g * _where(x > 0, out * apply(LOG, _where(x > 0, x, full(1, x.shape, x.dtype))), _zeros(x))


def _share(g: Node, x: Node, y: Node, wins: Node) -> tuple[Node, Node]:
    """The gradient goes to the winner, and half to each of two equals (PyTorch's rule)."""
    half = _where(apply(EQ, x, y), g * 0.5, _zeros(g))
    return half + _where(wins, g, _zeros(g)), half + _where(apply(LOGICAL_OR, wins, apply(EQ, x, y)), _zeros(g), g)


MAXIMUM = Elementwise(
    name="maximum",
    numpy=np.maximum,
    glsl=_NAN_AWARE.format(sign=">"),
    integer_glsl="max({0}, {1})",
    vjp=lambda g, out, x, y: _share(g, x, y, x > y),
)
MINIMUM = Elementwise(
    name="minimum",
    numpy=np.minimum,
    glsl=_NAN_AWARE.format(sign="<"),
    integer_glsl="min({0}, {1})",
    vjp=lambda g, out, x, y: _share(g, x, y, x < y),
)
EQ = Elementwise("eq", np.equal, glsl="{0} == {1}", result=bool_)
NE = Elementwise("ne", np.not_equal, glsl="{0} != {1}", result=bool_)
LT = Elementwise("lt", np.less, glsl="{0} < {1}", result=bool_)
LE = Elementwise("le", np.less_equal, glsl="{0} <= {1}", result=bool_)
GT = Elementwise("gt", np.greater, glsl="{0} > {1}", result=bool_)
GE = Elementwise("ge", np.greater_equal, glsl="{0} >= {1}", result=bool_)
LOGICAL_AND = Elementwise("logical_and", np.logical_and, glsl="{0} && {1}", result=bool_)
LOGICAL_OR = Elementwise("logical_or", np.logical_or, glsl="{0} || {1}", result=bool_)
LOGICAL_NOT = Elementwise("logical_not", np.logical_not, glsl="!{0}", result=bool_)
ISFINITE = Elementwise("isfinite", np.isfinite, glsl="!(isnan({0}) || isinf({0}))", result=bool_)
WHERE = Elementwise(
    name="where",
    numpy=np.where,
    glsl="{0} ? {1} : {2}",
    vjp=lambda g, out, c, x, y: (None, _where(c, g, _zeros(g)), _where(c, _zeros(g), g)),
)
FLOOR_DIVIDE = Elementwise(
    name="floor_divide",
    numpy=_quiet(np.floor_divide),
    glsl="floor({0} / {1})",
    integer_glsl="floor_divide({0}, {1})",
    helper="""int floor_divide(int x, int y) {
    int q = x / y;
    return (x % y != 0 && (x < 0) != (y < 0)) ? q - 1 : q;
}""",
)
REMAINDER = Elementwise(
    name="remainder",
    numpy=_quiet(np.remainder),
    glsl="{0} - {1} * floor({0} / {1})",
    integer_glsl="remainder({0}, {1})",
    helper="""int remainder(int x, int y) {
    int r = x % y;
    return (r != 0 && (r < 0) != (y < 0)) ? r + y : r;
}""",
    vjp=lambda g, out, x, y: (g, -g * apply(FLOOR_DIVIDE, x, y)),
)


def _cast_vjp(g: Node, out: Node, x: Node) -> tuple[Node | None]:
    if out.dtype in (int32, bool_) or x.dtype in (int32, bool_):
        return (None,)
    return (apply(CAST, g, attrs=(x.dtype,)),)


CAST = Elementwise(
    name="cast",
    numpy=lambda x, dtype: x.astype(dtype),
    vjp=_cast_vjp,
    glsl="{0}",  # the renderer writes float(...), int(...) or a comparison, by the two dtypes
)


def cast(x: Node, dtype: np.dtype[Any] = float32) -> Node:
    """x in another dtype; x itself when it has it."""
    return x if x.dtype == dtype else apply(CAST, x, attrs=(dtype,))
