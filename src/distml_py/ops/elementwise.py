"""Element-wise rows: one number out for the numbers at the same place. Broadcasting is done before, by expand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..graph import Node, apply, full
from ..op import TABLE, Elementwise, bool_, float32, int32

# some drivers' exp, log, tanh and clamp make a number of NaN, which would hide a run that has gone wrong
_KEEPS_NAN = "mix({text}, {{0}}, isnan({{0}}))"  # a choice by mix() is no branch; renderers take long over many branches
_NAN_AWARE = "mix({{1}}, {{0}}, {{0}} {sign} {{1}} || isnan({{0}}))"


def _where(condition: Node, yes: Node, no: Node) -> Node:
    return apply(WHERE, condition, yes, no)


def _zeros(like: Node) -> Node:
    return full(0, like.shape, like.dtype)


# the attribute int32 says that integers wrap, see backends/wide.py
ADD = Elementwise("add", lambda x, y, *_: np.add(x, y), lambda g, out, x, y: (g, g), glsl="{0} + {1}")
SUB = Elementwise("sub", lambda x, y, *_: np.subtract(x, y), lambda g, out, x, y: (g, -g), glsl="{0} - {1}")
MUL = Elementwise("mul", lambda x, y, *_: np.multiply(x, y), lambda g, out, x, y: (g * y, g * x), glsl="{0} * {1}")
DIV = Elementwise(
    name="div",
    numpy=np.divide,
    glsl="{0} / {1}",
    vjp=lambda g, out, x, y: (g / y, -g * out / y),
)
NEG = Elementwise("neg", np.negative, lambda g, out, x: (-g,), glsl="-{0}")
EXP = Elementwise("exp", np.exp, lambda g, out, x: (g * out,), glsl=_KEEPS_NAN.format(text="exp({0})"))
LOG = Elementwise(
    name="log",
    numpy=np.log,
    # GLSL leaves the log of 0 and of negative numbers open; NumPy says -infinity and NaN
    glsl="logarithm({0})",
    helper="""float logarithm(float x) {
    float found = mix(mix(log(x), x, isinf(x)), uintBitsToFloat(0xff800000u), x == 0.0);
    return mix(uintBitsToFloat(0x7fc00000u), found, x >= 0.0);
}""",
    vjp=lambda g, out, x: (g / x,),
)
SQRT = Elementwise(
    name="sqrt",
    numpy=np.sqrt,
    glsl="root({0})",
    helper="float root(float x) { return mix(sqrt(x), uintBitsToFloat(0x7fc00000u), x < 0.0); }",
    vjp=lambda g, out, x: (g / (out * 2.0),),
)
RECIPROCAL = Elementwise("reciprocal", np.reciprocal, lambda g, out, x: (-g * out * out,), glsl="1.0 / {0}")
# GLSL promises sin and cos to 3 digits only. Here: x less a multiple of pi, in three parts (Cody and Waite 1980), then
# minimax polynomials on [-pi/2, pi/2] (coefficients of DirectXMath's XMScalarSinCos); float32's accuracy up to some 10,000.
_REDUCED = """    float n = floor(x * 0.31830988618 + 0.5);
    float r = ((x - n * 3.140625) - n * 9.67502593994140625e-4) - n * 1.509957990978376e-7;
    float s = r * r;"""
_SIGNED = "    return mix(mix(p, -p, mod(n, 2.0) == 1.0), uintBitsToFloat(0x7fc00000u), isnan(x) || isinf(x));"
SIN = Elementwise(
    name="sin",
    numpy=np.sin,
    glsl="sine({0})",
    helper=f"""float sine(float x) {{
{_REDUCED}
    float p = -1.9840874e-4 + s * (2.7525562e-6 - s * 2.3889859e-8);
    p = r + r * s * (-0.16666667 + s * (8.3333310e-3 + s * p));
{_SIGNED}
}}""",
    vjp=lambda g, out, x: (g * apply(COS, x),),
)
COS: Elementwise = Elementwise(
    name="cos",
    numpy=np.cos,
    glsl="cosine({0})",
    helper=f"""float cosine(float x) {{
{_REDUCED}
    float p = -1.3888378e-3 + s * (2.4760495e-5 - s * 2.6051615e-7);
    p = 1.0 + s * (-0.5 + s * (4.1666638e-2 + s * p));
{_SIGNED}
}}""",
    vjp=lambda g, out, x: (-g * apply(SIN, x),),
)
TANH = Elementwise(
    name="tanh",
    numpy=np.tanh,
    glsl=_KEEPS_NAN.format(text="tanh(clamp({0}, -15.0, 15.0))"),  # beyond that float32 says 1; some drivers overflow inside
    vjp=lambda g, out, x: (g * (1.0 - out * out),),
)
SIGMOID = Elementwise(
    name="sigmoid",
    numpy=lambda x: np.reciprocal(np.exp(-x) + 1),
    glsl=_KEEPS_NAN.format(text="1.0 / (1.0 + exp(-{0}))"),
    vjp=lambda g, out, x: (g * out * (1.0 - out),),
)
SOFTPLUS = Elementwise(
    name="softplus",
    numpy=lambda x: np.logaddexp(x, x.dtype.type(0)),
    glsl="log_of_one_more({0})",
    # log(1 + e) is an odd series in e / (2 + e), which is at most 1/3
    helper="""float log_of_one_more(float x) {
    float e = exp(-abs(x));
    float s = e / (2.0 + e);
    float z = s * s;
    float p = 0.33333333 + z * (0.2 + z * (0.14285714 + z * (0.11111111 + z * (0.09090909 + z * 0.07692308))));
    return mix(max(x, 0.0) + 2.0 * s * (1.0 + z * p), x, isnan(x));
}""",
    vjp=lambda g, out, x: (g * apply(SIGMOID, x),),
)
_erf = np.frompyfunc(math.erf, 1, 1)
# float32: a polynomial up to 475/512, 1 - exp(a polynomial) beyond (N. Juffa's erff, below 1 unit in the last place)
ERF = Elementwise(
    name="erf",
    numpy=lambda x: np.asarray(_erf(x), x.dtype),
    glsl="error_function({0})",
    helper="""float error_function(float x) {
    float t = min(abs(x), 10.0);
    float s = t * t;
    float r = (-1.72853470e-5 * t + 3.83197126e-4) * s + (-3.88396438e-3 * t + 2.42546219e-2);
    r = ((r * t - 1.06777877e-1) * t - 6.34846687e-1) * t - 1.28717512e-1;
    float far = sign(x) * (1.0 - exp(r * t - t));
    r = ((-5.96761703e-4 * s + 4.99119423e-3) * s - 2.67681349e-2) * s + 1.12819925e-1;
    r = (r * s - 3.76125336e-1) * s + 1.28379166e-1;
    return mix(mix(r * x + x, far, t > 0.927734375), x, isnan(x));
}""",
    vjp=lambda g, out, x: (g * apply(EXP, -(x * x)) * (2 / math.sqrt(math.pi)),),
)
RELU = Elementwise(
    name="relu",
    numpy=lambda x: np.maximum(x, np.zeros((), x.dtype)),
    glsl="mix({0}, 0.0, {0} < 0.0)",
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
    glsl="mix(sign({0}), {0}, isnan({0}))",
    integer_glsl="sign({0})",
    vjp=lambda g, out, x: (_zeros(g),),
)
FLOOR = Elementwise("floor", np.floor, lambda g, out, x: (_zeros(g),), glsl="floor({0})", integer_glsl="{0}")
POW = Elementwise(
    name="pow",
    numpy=np.power,
    glsl="power({0}, {1})",
    helper="""float power(float x, float y) {
    float size = mix(pow(abs(x), y), mix(uintBitsToFloat(0x7f800000u), 0.0, y > 0.0), x == 0.0);
    float below = mix(mix(size, -size, mod(y, 2.0) == 1.0), uintBitsToFloat(0x7fc00000u), y != floor(y));
    float found = mix(mix(size, below, x < 0.0), uintBitsToFloat(0x7fc00000u), isnan(x) || isnan(y));
    return mix(found, 1.0, y == 0.0);
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
    glsl="mix({2}, {1}, {0})",
    integer_glsl="{0} ? {1} : {2}",
    vjp=lambda g, out, c, x, y: (None, _where(c, g, _zeros(g)), _where(c, _zeros(g), g)),
)
FLOOR_DIVIDE = Elementwise(
    name="floor_divide",
    numpy=np.floor_divide,
    glsl="floor({0} / {1})",
    integer_glsl="floor_divide({0}, {1})",
    vjp=lambda g, out, x, y: (_zeros(g), _zeros(g)),
    # GLSL leaves division by 0 open; NumPy says 0
    helper="""int floor_divide(int x, int y) {
    if (y == 0) return 0;
    int q = x / y;
    return (x % y != 0 && (x < 0) != (y < 0)) ? q - 1 : q;
}""",
)
REMAINDER = Elementwise(
    name="remainder",
    numpy=np.remainder,
    glsl="{0} - {1} * floor({0} / {1})",
    integer_glsl="remainder({0}, {1})",
    helper="""int remainder(int x, int y) {
    if (y == 0) return 0;
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
    return x if x.dtype == dtype else apply(CAST, x, attrs=(np.dtype(dtype),))


# The rows below take statistics of their own first input, expanded to its shape. Their derivatives count the way through
# the statistics in: a few sums fewer than the chain rule would find, and less rounding.


def _own_axes(part: Node) -> tuple[int, ...]:
    """Over which axes a statistic was taken: those along which it was expanded."""
    if part.op is not TABLE["expand"]:
        return ()
    return tuple(axis for axis, (size, wide) in enumerate(zip(part.inputs[0].shape, part.shape, strict=True)) if size != wide)


def _total(x: Node, axes: tuple[int, ...]) -> Node:
    return apply(TABLE["expand"], apply(TABLE["sum"], x, attrs=(axes,)), attrs=(x.shape,)) if axes else x


def _mean(axes: tuple[int, ...], g: Node, *factors: Node) -> Node:
    """The mean of a product. A factor in g that is constant over the axes stays outside, as batch norm's weight does: the
    sum that is left is the one that the gradient of weight or bias asks for, and is computed once."""
    outside: list[Node] = []
    for inner, factor in (g.inputs, g.inputs[::-1]) if g.op is MUL else ():
        if factor.op is TABLE["expand"] and all(factor.inputs[0].shape[axis] == 1 for axis in axes) and not outside:
            g = inner
            outside.append(factor)
    count = math.prod(g.shape[axis] for axis in axes)
    mean = _total(math.prod(factors, start=g), axes) * (1 / max(count, 1))
    return math.prod(outside, start=mean)


def _normalize_vjp(g: Node, out: Node, x: Node, mean: Node, scale: Node) -> tuple[Node | None, ...]:
    axes = _own_axes(mean)
    return scale * (g - _mean(axes, g) - out * _mean(axes, g, out)), None, None


def _softmax_vjp(g: Node, out: Node, x: Node, top: Node, total: Node) -> tuple[Node | None, ...]:
    return out * (g - _total(g * out, _own_axes(top))), None, None


def _log_softmax_vjp(g: Node, out: Node, x: Node, top: Node, total: Node) -> tuple[Node | None, ...]:
    return g - apply(EXP, out) * _total(g, _own_axes(top)), None, None


# inputs: x, its mean, 1 / sqrt(its variance + eps)
NORMALIZE: Elementwise = Elementwise(
    "normalize", lambda x, mean, scale: (x - mean) * scale, _normalize_vjp, glsl="({0} - {1}) * {2}"
)
# inputs: x, its maximum, the sum of exp(x - maximum)
SOFTMAX = Elementwise(
    name="softmax",
    numpy=lambda x, top, total: np.exp(x - top) / total,
    glsl="exp({0} - {1}) / {2}",
    vjp=_softmax_vjp,
)
# inputs as SOFTMAX's
LOG_SOFTMAX = Elementwise(
    name="log_softmax",
    numpy=lambda x, top, total: x - top - np.log(total),
    glsl="{0} - {1} - mix(log({2}), {2}, isnan({2}))",
    vjp=_log_softmax_vjp,
)


# GELU in the form of Hendrycks and Gimpel 2016: x (1 + tanh(u)) / 2 with u = a (x + b x^3); one row, for a chain of ten
# ops would be stored several times on its way back
_GELU_A, _GELU_B = math.sqrt(2 / math.pi), 0.044715
_GELU_U = f"tanh(clamp({{0}} * ({_GELU_A!r} + {_GELU_A * _GELU_B!r} * {{0}} * {{0}}), -15.0, 15.0))"


def _gelu_tanh(x: Any) -> Any:
    return np.tanh(x * (x * x * (_GELU_A * _GELU_B) + _GELU_A))


def _gelu_slope_vjp(g: Node, out: Node, x: Node) -> tuple[Node]:
    t = apply(TANH, x * (x * x * (_GELU_A * _GELU_B) + _GELU_A))
    inner, rest = x * x * (3 * _GELU_A * _GELU_B) + _GELU_A, t * t * -1.0 + 1.0
    return (g * rest * (inner - x * t * inner * inner + x * x * (3 * _GELU_A * _GELU_B)),)


GELU_TANH = Elementwise(
    name="gelu_tanh",
    numpy=lambda x: x * (_gelu_tanh(x) + 1) * 0.5,
    glsl=f"{{0}} * (0.5 + 0.5 * {_KEEPS_NAN.format(text=_GELU_U)})",
    vjp=lambda g, out, x: (g * apply(GELU_SLOPE, x),),
)
GELU_SLOPE: Elementwise = Elementwise(
    name="gelu_slope",
    numpy=lambda x: _slope_of_gelu(x, _gelu_tanh(x)),
    glsl="gelu_slope({0})",
    helper=f"""float gelu_slope(float x) {{
    float t = {_KEEPS_NAN.format(text=_GELU_U).format("x")};
    return 0.5 + 0.5 * t + 0.5 * x * (1.0 - t * t) * ({_GELU_A!r} + {3 * _GELU_A * _GELU_B!r} * x * x);
}}""",
    vjp=_gelu_slope_vjp,
)


def _slope_of_gelu(x: Any, t: Any) -> Any:
    return (t + 1) * 0.5 + x * (t * t * -1 + 1) * (x * x * (3 * _GELU_A * _GELU_B) + _GELU_A) * 0.5
