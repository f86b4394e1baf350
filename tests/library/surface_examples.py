"""Example calls of the surface: PyTorch's names, arguments and defaults. NumPy alone is needed, so they also run in a tab.

op_examples.py says how a call is written; test_surface.py and browser/test_webgl_surface.py judge it.
"""

import math
from typing import Any

import numpy as np

from op_examples import SPECIAL, Call, Example, numbers, positive, truths, whole

EXAMPLES: list[Example] = []


def example(name: str, call: Call, *inputs: np.ndarray, **flags: Any) -> None:
    assert all(name != other.name for other in EXAMPLES), f"two examples are called {name}"
    EXAMPLES.append(Example(name, call, inputs, **flags))


def of(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


# ---------------------------------------------------------------- functions of one number: name -> the range it is judged on

UNARY: dict[str, tuple[float, float]] = {
    **{name: (-2, 2) for name in ("exp", "exp2", "expm1", "sin", "cos", "atan", "sinh", "cosh", "tanh", "asinh", "sigmoid")},
    **{
        name: (-2, 2) for name in ("erf", "erfc", "square", "neg", "relu", "abs", "sign", "floor", "ceil", "round", "trunc", "frac")
    },
    **{name: (0.3, 3) for name in ("log", "log2", "log10", "sqrt", "rsqrt", "reciprocal")},
    **{name: (-0.9, 0.9) for name in ("asin", "acos", "atanh", "erfinv", "tan", "log1p")},
    **{name: (-2, 2) for name in ("positive", "negative", "absolute", "arctan", "arcsinh", "fix", "deg2rad", "rad2deg")},
    **{name: (-0.9, 0.9) for name in ("arcsin", "arccos", "arctanh")},
    **{"acosh": (1.2, 4), "arccosh": (1.2, 4), "logit": (0.1, 0.9), "sinc": (-2, 2), "nan_to_num": (-2, 2)},
}
ROWS = (
    "exp2",
    "expm1",
    "log1p",
    "log2",
    "log10",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "acosh",
    "atanh",
    "erfc",
    "erfinv",
)
for name, (low, high) in UNARY.items():
    for shape in ((), (0,), (5,), (2, 3), (1, 17)):
        example(
            f"{name} {shape}",
            lambda lib, x, name=name: (getattr(lib, name)(x), getattr(x, name)()),
            numbers(*shape, low=low, high=high),
        )
for name in ("exp2", "expm1", "log1p", "sinh", "cosh", "asinh", "atan", "erfc", "log2", "log10", "sinc", "sqrt", "tan"):
    example(f"{name} of ints", lambda lib, x, name=name: getattr(lib, name)(x), whole(5, low=0, high=4))
for name in ("abs", "sign", "floor", "ceil", "round", "trunc", "neg", "square", "relu", "isnan", "isinf", "isfinite"):
    example(f"{name} of ints", lambda lib, x, name=name: getattr(lib, name)(x), whole(5))
for name in ("isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit", "logical_not"):
    example(f"{name}", lambda lib, x, name=name: (getattr(lib, name)(x), getattr(x, name)()), SPECIAL, differentiable=False)
TINY = of(1e-7, -1e-7, 1e-4, -1e-4, 3e-3, 0.03, -0.2, 0.39, 0.41, -0.49, 0.51, 0.99)
LARGE = of(5, -5, 11, -11, 17.5, 30, -60, 80)
for name in ("expm1", "log1p", "sinh", "asinh", "atan", "asin", "acos", "atanh", "erfinv", "erfc", "tan"):
    example(f"{name} near 0 and of middling numbers", lambda lib, x, name=name: getattr(lib, name)(x), TINY)
for name in ("expm1", "sinh", "cosh", "asinh", "atan", "exp2", "erfc", "round", "trunc", "ceil", "sin", "cos"):
    example(f"{name} far out", lambda lib, x, name=name: getattr(lib, name)(x), LARGE, smooth=False)
for name in ("log1p", "log2", "log10", "acosh", "log"):
    example(f"{name} far out", lambda lib, x, name=name: getattr(lib, name)(x), of(1.0001, 7, 1e3, 1e10, 1e30), smooth=False)
for name in (*ROWS, "round", "trunc", "ceil", "frac", "tan", "nan_to_num", "logit", "sinc"):
    example(
        f"{name} of NaN and infinities",
        lambda lib, x, name=name: getattr(lib, name)(x),
        SPECIAL[:7],
        differentiable=False,
        torch=name not in ("frac",),
    )
example(
    "round halves",
    lambda lib, x: (x.round(), lib.round(x, decimals=1), lib.round(x * 9, decimals=-1)),
    of(0.5, 1.5, 2.5, -0.5, -3.5),
)
example("erfinv at the edges", lambda lib, x: lib.erfinv(x), of(1, -1, 0, 0.999, -0.9999, 1.5), differentiable=False)
example("logit with eps", lambda lib, x: lib.logit(x, eps=0.1), of(0.01, 0.3, 0.95), smooth=False)
example("nan_to_num with numbers", lambda lib, x: lib.nan_to_num(x, 1.0, posinf=2.0, neginf=-3.0), SPECIAL, differentiable=False)
example("bits turned", lambda lib, x, y: (~x, ~y, lib.bitwise_not(x)), whole(5), truths(5))

# ---------------------------------------------------------------- functions of two

BINARY: dict[str, Call] = {
    "add": lambda lib, x, y: (lib.add(x, y), lib.add(x, y, alpha=2), x.add(2.5), x.add(y, alpha=-1)),
    "sub": lambda lib, x, y: (lib.sub(x, y), x.sub(y, alpha=0.5), lib.subtract(x, 1), lib.rsub(x, y)),
    "mul": lambda lib, x, y: (lib.mul(x, y), x.multiply(3), lib.mul(x, 2.5)),
    "div": lambda lib, x, y: (lib.div(x, y + 3), x.divide(y + 3), lib.true_divide(x, 2)),
    "pow": lambda lib, x, y: (lib.pow(x.abs() + 0.1, y), lib.pow(x, 2), lib.pow(2, x), x.pow(3)),
    "atan2": lambda lib, x, y: (lib.atan2(x, y), x.arctan2(y)),
    "hypot": lambda lib, x, y: lib.hypot(x, y),
    "logaddexp": lambda lib, x, y: (lib.logaddexp(x, y), lib.logaddexp2(x * 30, y)),
    "fmod": lambda lib, x, y: (lib.fmod(x * 3, y), x.fmod(0.7)),
    "remainder": lambda lib, x, y: (lib.remainder(x * 3, y), x.remainder(0.7)),
    "maximum": lambda lib, x, y: (lib.maximum(x, y), lib.minimum(x, y), lib.fmax(x, y), lib.fmin(x, y)),
    "lerp": lambda lib, x, y: (lib.lerp(x, y, 0.3), lib.lerp(x, y, 0.8), x.lerp(y, y)),
    "addcmul": lambda lib, x, y: (lib.addcmul(x, x, y), x.addcmul(x, y, value=0.3)),
    "addcdiv": lambda lib, x, y: (lib.addcdiv(x, x, y + 3), x.addcdiv(x, y + 3, value=-2)),
    "xlogy": lambda lib, x, y: lib.xlogy(x, y.abs() + 0.1),
    "copysign": lambda lib, x, y: (lib.copysign(x, y), x.copysign(-2)),
    "clamp with tensors": lambda lib, x, y: (lib.clamp(x, y - 0.5, y + 0.5), x.clamp(min=y), x.clip(max=y), x.clamp_min(0.1)),
    "where": lambda lib, x, y: (lib.where(x > y, x, y), x.where(x < y, y), lib.where(x > y, x, 0.0), x.clamp_max(0.1)),
    "masked_fill": lambda lib, x, y: (x.masked_fill(x.detach() > 0, 2.0), lib.masked_fill(y, y.detach() > 0, -1)),
}
PAIRS = [((3, 4), (3, 4)), ((3, 1), (1, 4)), ((4,), (3, 4)), ((), (2, 3)), ((2, 1, 3), (5, 1)), ((0, 3), (1, 3)), ((), ())]
for name, call in BINARY.items():
    for one, two in PAIRS:
        if name == "masked_fill" and one != two:
            continue
        example(f"{name} {one} {two}", call, numbers(*one), numbers(*two, seed=1))
WHOLE = np.array([-7, -3, -2, -1, 1, 2, 3, 7], np.int32)
example("integer rests", lambda lib, x, y: (lib.fmod(x, y), lib.remainder(x, y), x // y, x % y), whole(9, 1), WHOLE)
for mode in ("floor", "trunc"):
    example(f"div {mode} of ints", lambda lib, x, y, mode=mode: lib.div(x, y, rounding_mode=mode), whole(9, 1), WHOLE)
    example(
        f"div {mode}",
        lambda lib, x, y, mode=mode: lib.div(x * 5, y, rounding_mode=mode),
        numbers(5),
        positive(3, 1),
        differentiable=False,
    )
example(
    "rests of negatives",
    lambda lib, x, y: (lib.fmod(x, y), lib.remainder(x, y)),
    numbers(3, 5, low=-9, high=9),
    numbers(5),
    differentiable=False,
)
example(
    "atan2 around",
    lambda lib, y, x: lib.atan2(y, x),
    of(0, 1, 0, -1, 1, -1, 3, math.inf),
    of(1, 0, -1, 0, 1, -1, -3, 1),
    differentiable=False,
)
example(
    "hypot of large numbers",
    lambda lib, x, y: lib.hypot(x, y),
    of(3e30, 1e-30, 0, math.inf),
    of(4e30, 1e-30, 0, math.nan),
    differentiable=False,
)
example(
    "logaddexp of infinities",
    lambda lib, x, y: lib.logaddexp(x, y),
    of(-math.inf, math.inf, 3, -math.inf),
    of(-math.inf, math.inf, -math.inf, 2),
    differentiable=False,
)
example("fmax of NaN", lambda lib, x, y: (lib.fmax(x, y), lib.fmin(x, y)), SPECIAL[:, None], SPECIAL, differentiable=False)
example(
    "comparisons by name",
    lambda lib, x, y: (lib.eq(x, y), lib.ne(x, 2), lib.lt(x, y), lib.le(x, y), lib.gt(x, y), lib.ge(x, y)),
    whole(9),
    whole(9, seed=1),
)
example(
    "comparisons by long name",
    lambda lib, x, y: (x.not_equal(y), x.less(y), x.less_equal(y), x.greater(y), x.greater_equal(y)),
    whole(9),
    whole(9, seed=1),
)
example(
    "logic",
    lambda lib, x, y: (lib.logical_and(x, y), lib.logical_or(x, y), lib.logical_xor(x, y), x.logical_xor(y)),
    whole(9, 1, low=-1, high=2),
    truths(5),
)
example(
    "bits",
    lambda lib, x, y: (x & y, x | y, x ^ y, x << 2, x >> 1, lib.bitwise_and(x, y), lib.bitwise_or(x, 3), lib.bitwise_xor(x, y)),
    whole(9, 1),
    whole(5, seed=1),
)
example(
    "shifts", lambda lib, x, y: (lib.bitwise_left_shift(x, y), lib.bitwise_right_shift(x, y)), whole(9, 1), whole(5, low=0, high=5)
)
example("bits of bools", lambda lib, x, y: (x & y, x | y, x ^ y, x & True), truths(3, 1), truths(5, seed=1))
example(
    "isclose",
    lambda lib, x, y: (lib.isclose(x, y), lib.isclose(x, x * 1.1, rtol=0.2), x.isclose(x, equal_nan=True)),
    SPECIAL[:, None],
    SPECIAL,
    differentiable=False,
)
example("heaviside", lambda lib, x, y: lib.heaviside(x, y), of(-1, 0, 2), of(0.5, 0.25, 3), differentiable=False)
example(
    "masked_fill broadcast",
    lambda lib, x, m: (x.masked_fill(m, 3), lib.masked_fill(x, m, -math.inf)),
    numbers(3, 4),
    truths(4),
    differentiable=False,
)
# a number without dimensions does not widen what has some
example(
    "a wide 0-d tensor",
    lambda lib, x: (x * lib.tensor(2.0, dtype=lib.float64), lib.tensor(2) * x, lib.arange(3) * lib.tensor(2.0)),
    numbers(3),
)
example("sgn", lambda lib, x: (lib.sgn(x), x.sgn()), numbers(5), differentiable=False)
