"""Element-wise rows of transcendental functions. GLSL leaves most of them imprecise near 0 or at their edges: where it does,
the text is a polynomial of its own, within a few units of float32's last place, and says NaN and infinity as NumPy does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..graph import Node, apply, full
from ..op import Elementwise
from .elementwise import DIV, EXP, MUL, NE, SQRT, WHERE

_NAN, _INFINITY = "uintBitsToFloat(0x7fc00000u)", "uintBitsToFloat(0x7f800000u)"


def _root(x: Node) -> Node:
    return apply(SQRT, x)


# ---------------------------------------------------------------- logarithms and powers of 2


def _log1p(name: str) -> str:
    """log(1 + x): an odd series in x / (2 + x) near 0, where 1 + x would lose the digits of x."""
    return f"""float {name}(float x) {{
    float s = x / (2.0 + x);
    float z = s * s;
    float found = 2.0 * s * (1.0 + z * (0.33333333 + z * (0.2 + z * (0.14285714 + z * (0.11111111 + z * 0.09090909)))));
    found = mix(mix(found, log(1.0 + x), abs(x) > 0.4), x, isinf(x));
    return mix({_NAN}, mix(found, -{_INFINITY}, x == -1.0), x >= -1.0);
}}"""


LOG1P = Elementwise("log1p", np.log1p, lambda g, out, x: (g / (x + 1),), glsl="log_of_more({0})", helper=_log1p("log_of_more"))
EXPM1 = Elementwise(
    name="expm1",
    numpy=np.expm1,
    glsl="less_than_exp({0})",
    helper="""float less_than_exp(float x) {
    float near = x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0))))));
    return mix(mix(near, exp(x) - 1.0, abs(x) > 0.5), x, isnan(x));
}""",
    vjp=lambda g, out, x: (g * (out + 1),),
)
EXP2 = Elementwise(
    name="exp2",
    numpy=np.exp2,
    glsl="mix(exp2({0}), {0}, isnan({0}))",
    vjp=lambda g, out, x: (g * out * math.log(2),),
)


def _logarithm(name: str, text: str) -> str:
    return f"""float {name}(float x) {{
    float found = mix(mix({text}, x, isinf(x)), -{_INFINITY}, x == 0.0);
    return mix({_NAN}, found, x >= 0.0);
}}"""


LOG2 = Elementwise(
    name="log2",
    numpy=np.log2,
    glsl="log_to_2({0})",
    helper=_logarithm("log_to_2", "log2(x)"),
    vjp=lambda g, out, x: (g / (x * math.log(2)),),
)
LOG10 = Elementwise(
    name="log10",
    numpy=np.log10,
    glsl="log_to_10({0})",
    helper=_logarithm("log_to_10", f"log2(x) * {math.log10(2)!r}"),
    vjp=lambda g, out, x: (g / (x * math.log(10)),),
)

# ---------------------------------------------------------------- inverse trigonometric (polynomials of Cephes, S. Moshier 1989)


def _atan(name: str) -> str:
    return f"""float {name}(float x) {{
    float t = abs(x);
    bool far = t > 2.414213562;
    bool near = t <= 0.4142135624;
    float z = mix(mix((t - 1.0) / (t + 1.0), t, near), -1.0 / t, far);
    float s = z * z;
    float p = (((8.05374449538e-2 * s - 1.38776856032e-1) * s + 1.99777106478e-1) * s - 3.33329491539e-1) * s * z + z;
    p += mix(mix(0.785398163397, 0.0, near), 1.57079632679, far);
    return mix(mix(p, -p, x < 0.0), x, isnan(x));
}}"""


ATAN = Elementwise("atan", np.arctan, lambda g, out, x: (g / (x * x + 1),), glsl="arc_tan({0})", helper=_atan("arc_tan"))


def _atan2_vjp(g: Node, out: Node, y: Node, x: Node) -> tuple[Node, Node]:
    square = x * x + y * y
    away = apply(NE, square, full(0, square.shape, square.dtype))  # at the origin the gradient is 0, as PyTorch's
    g = apply(WHERE, away, g / square, full(0, square.shape, square.dtype))
    return g * x, -g * y


ATAN2 = Elementwise(
    name="atan2",
    numpy=np.arctan2,
    glsl="angle({0}, {1})",
    helper=f"""{_atan("arc_tan_of_angle")}
float angle(float y, float x) {{
    if (isnan(x) || isnan(y)) return {_NAN};
    float a = abs(x);
    float b = abs(y);
    float r = a == b ? (a == 0.0 ? 0.0 : 0.785398163397) : arc_tan_of_angle(min(a, b) / max(a, b));
    if (b > a) r = 1.57079632679 - r;
    if (x < 0.0) r = 3.14159265359 - r;
    return y < 0.0 ? -r : r;
}}""",
    vjp=_atan2_vjp,
)


def _asin(name: str) -> str:
    """The arc sine of a number from 0 to 0.5, squared: z; and its root: s."""
    return f"""float {name}(float z, float s) {{
    float p = ((4.2163199048e-2 * z + 2.4181311049e-2) * z + 4.5470025998e-2) * z + 7.4953002686e-2;
    return (p * z + 1.6666752422e-1) * z * s + s;
}}"""


ASIN = Elementwise(
    name="asin",
    numpy=np.arcsin,
    glsl="arc_sin({0})",
    helper=f"""{_asin("arc_sin_near_0")}
float arc_sin(float x) {{
    float a = abs(x);
    if (!(a <= 1.0)) return {_NAN};
    float z = 0.5 * (1.0 - a);
    float p = a > 0.5 ? 1.57079632679 - 2.0 * arc_sin_near_0(z, sqrt(z)) : arc_sin_near_0(a * a, a);
    return x < 0.0 ? -p : p;
}}""",
    vjp=lambda g, out, x: (g / _root(1.0 - x * x),),
)
ACOS = Elementwise(
    name="acos",
    numpy=np.arccos,
    glsl="arc_cos({0})",
    helper=f"""{_asin("arc_cos_near_0")}
float arc_cos(float x) {{
    float a = abs(x);
    if (!(a <= 1.0)) return {_NAN};
    float z = 0.5 * (1.0 - a);
    if (a <= 0.5) return 1.57079632679 - arc_cos_near_0(x * x, x);
    float p = 2.0 * arc_cos_near_0(z, sqrt(z));
    return x < 0.0 ? 3.14159265359 - p : p;
}}""",
    vjp=lambda g, out, x: (-g / _root(1.0 - x * x),),
)

# ---------------------------------------------------------------- hyperbolic

SINH: Elementwise = Elementwise(
    name="sinh",
    numpy=np.sinh,
    glsl="hyperbolic_sine({0})",
    helper="""float hyperbolic_sine(float x) {
    if (isnan(x)) return x;
    float s = x * x;
    if (s < 1.0) return x * (1.0 + s * (0.16666667 + s * (8.3333333e-3 + s * (1.9841270e-4 + s * 2.7557319e-6))));
    float e = exp(0.5 * abs(x));
    return sign(x) * (0.5 * e * e - 0.5 / (e * e));
}""",
    vjp=lambda g, out, x: (g * apply(COSH, x),),
)
COSH: Elementwise = Elementwise(
    name="cosh",
    numpy=np.cosh,
    glsl="hyperbolic_cosine({0})",
    helper="""float hyperbolic_cosine(float x) {
    if (isnan(x)) return x;
    float e = exp(0.5 * abs(x));
    return 0.5 * e * e + 0.5 / (e * e);
}""",
    vjp=lambda g, out, x: (g * apply(SINH, x),),
)
ASINH = Elementwise(
    name="asinh",
    numpy=np.arcsinh,
    glsl="arc_sinh({0})",
    helper=f"""{_log1p("log_for_asinh")}
float arc_sinh(float x) {{
    if (isnan(x) || isinf(x)) return x;
    float a = abs(x);
    float p = a > 1e9 ? log(a) + 0.69314718056 : log_for_asinh(a + a * a / (1.0 + sqrt(1.0 + a * a)));
    return x < 0.0 ? -p : p;
}}""",
    vjp=lambda g, out, x: (g / _root(x * x + 1),),
)
ACOSH = Elementwise(
    name="acosh",
    numpy=np.arccosh,
    glsl="arc_cosh({0})",
    helper=f"""{_log1p("log_for_acosh")}
float arc_cosh(float x) {{
    if (!(x >= 1.0)) return {_NAN};
    if (isinf(x)) return x;
    return x > 1e9 ? log(x) + 0.69314718056 : log_for_acosh(x - 1.0 + sqrt((x - 1.0) * (x + 1.0)));
}}""",
    vjp=lambda g, out, x: (g / _root(x * x - 1),),
)
ATANH = Elementwise(
    name="atanh",
    numpy=np.arctanh,
    glsl="arc_tanh({0})",
    helper=f"""{_log1p("log_for_atanh")}
float arc_tanh(float x) {{
    float a = abs(x);
    if (!(a <= 1.0)) return {_NAN};
    float p = a == 1.0 ? {_INFINITY} : 0.5 * log_for_atanh(2.0 * a / (1.0 - a));
    return x < 0.0 ? -p : p;
}}""",
    vjp=lambda g, out, x: (g / (1.0 - x * x),),
)
HYPOT = Elementwise(
    name="hypot",
    numpy=np.hypot,
    glsl="hypotenuse({0}, {1})",
    helper=f"""float hypotenuse(float x, float y) {{
    float a = max(abs(x), abs(y));
    float b = min(abs(x), abs(y));
    if (isinf(x) || isinf(y)) return {_INFINITY};
    if (isnan(x) || isnan(y)) return {_NAN};
    return a == 0.0 ? 0.0 : a * sqrt(1.0 + (b / a) * (b / a));
}}""",
    vjp=lambda g, out, x, y: (g * apply(DIV, x, out), g * apply(DIV, y, out)),
)

# ---------------------------------------------------------------- the error function's kin

_erf, _erfc = np.frompyfunc(math.erf, 1, 1), np.frompyfunc(math.erfc, 1, 1)
ERFC = Elementwise(
    name="erfc",
    numpy=lambda x: np.asarray(_erfc(x), x.dtype),
    glsl="error_function_rest({0})",
    # Press et al. 1992, Numerical Recipes, section 6.2: relative error below 1.2e-7 everywhere
    helper="""float error_function_rest(float x) {
    if (isnan(x)) return x;
    float z = min(abs(x), 20.0);
    float t = 1.0 / (1.0 + 0.5 * z);
    float p = 0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)));
    p = 1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * p)));
    float r = t * exp(-z * z - 1.26551223 + t * p);
    return x < 0.0 ? 2.0 - r : r;
}""",
    vjp=lambda g, out, x: (-g * apply(EXP, -(x * x)) * (2 / math.sqrt(math.pi)),),
)


def _erfinv(x: Any) -> Any:
    """Winitzki's first guess, then Newton's steps, in float64."""
    a = np.abs(np.asarray(x, np.float64))
    with np.errstate(all="ignore"):
        log = np.log1p(-a * a)
        first = 2 / (math.pi * 0.147) + log / 2
        y = np.sqrt(np.sqrt(first * first - log / 0.147) - first)
        for _ in range(4):
            off = np.where(a > 0.5, (1 - a) - np.asarray(_erfc(y), np.float64), np.asarray(_erf(y), np.float64) - a)
            y = y - off * (math.sqrt(math.pi) / 2) * np.exp(y * y)
        y = np.where(a == 1, np.inf, np.where(a == 0, 0, y))
    return np.asarray(np.sign(x) * y, np.asarray(x).dtype)


ERFINV = Elementwise(
    name="erfinv",
    numpy=_erfinv,
    glsl="error_function_inverse({0})",
    # M. Giles 2012, "Approximating the erfinv function", single precision
    helper=f"""float error_function_inverse(float x) {{
    if (!(abs(x) <= 1.0)) return {_NAN};
    if (abs(x) == 1.0) return x * {_INFINITY};
    float w = -log((1.0 - x) * (1.0 + x));
    if (w < 5.0) {{
        w -= 2.5;
        float p = -3.5233877e-6 + w * (3.43273939e-7 + w * 2.81022636e-8);
        p = -0.00125372503 + w * (0.00021858087 + w * (-4.39150654e-6 + w * p));
        return x * (1.50140941 + w * (0.246640727 + w * (-0.00417768164 + w * p)));
    }}
    w = sqrt(w) - 3.0;
    float p = 0.00134934322 + w * (0.000100950558 + w * -0.000200214257);
    p = -0.0076224613 + w * (0.00573950773 + w * (-0.00367342844 + w * p));
    return x * (2.83297682 + w * (1.00167406 + w * (0.00943887047 + w * p)));
}}""",
    vjp=lambda g, out, x: (g * apply(EXP, apply(MUL, out, out)) * (math.sqrt(math.pi) / 2),),
)
