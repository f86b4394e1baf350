"""Example calls of the surface: PyTorch's names, arguments and defaults. NumPy alone is needed, so they also run in a tab.

op_examples.py says how a call is written; test_surface.py and browser/test_webgl_surface.py judge it.
"""

import math
from collections.abc import Callable
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
example(
    "gamma functions",
    lambda lib, x: (lib.lgamma(x), x.digamma(), lib.polygamma(1, x), lib.special.gammaln(-x)),
    of(0.01, 0.3, 0.7, 1.1, 2.5, 7.3, 40.2),
)
example(
    "bessel functions",
    lambda lib, x: (lib.i0(x / 2), x.i0(), lib.special.i0e(x), lib.special.i1(x / 2), lib.special.i1e(-x)),
    of(0.0, 0.01, 1.5, 7.3, 14.9, 15.1, 40.2, -3.0),
)
example("logarithms of shares", lambda lib, x: lib.special.log_ndtr(x), of(-9, -3.1, -2.9, -0.5, 0.7, 4, 9))
example("nuclear norms", lambda lib, x: (x.norm(p="nuc"), lib.norm(x, "nuc", (1, 0), True)), numbers(3, 4))
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

# ---------------------------------------------------------------- reductions

REDUCED = [
    ((2, 3, 4), None, False),
    ((2, 3, 4), 1, True),
    ((2, 3, 4), -1, False),
    ((5,), 0, False),
    ((3, 17), 1, False),
    ((), None, False),
]


def along(name: str, **more: Any) -> Call:
    def call(lib: Any, x: Any, dim: Any = None, keep: bool = False) -> Any:
        return getattr(lib, name)(x, dim=dim, keepdim=keep, **more) if dim is not None else getattr(lib, name)(x, **more)

    return call


for name in (
    "sum",
    "mean",
    "prod",
    "amax",
    "amin",
    "nansum",
    "nanmean",
    "var",
    "std",
    "var_mean",
    "std_mean",
    "norm",
    "argmax",
    "argmin",
):
    for shape, dim, keep in REDUCED:
        if name in ("var", "std", "var_mean", "std_mean") and not shape:
            continue
        call = along(name)
        example(
            f"{name} {shape} {dim} {keep}", lambda lib, x, call=call, dim=dim, keep=keep: call(lib, x, dim, keep), numbers(*shape)
        )
for name in ("max", "min", "median", "any", "all", "logsumexp", "kthvalue"):
    for shape, dim, keep in REDUCED:
        if dim is not None:
            more = (2,) if name == "kthvalue" else ()
            example(
                f"{name} {shape} {dim} {keep}",
                lambda lib, x, name=name, dim=dim, keep=keep, more=more: (
                    tuple(getattr(lib, name)(x, *more, dim, keepdim=keep))
                    if name not in ("any", "all", "logsumexp")
                    else getattr(lib, name)(x, dim, keepdim=keep)
                ),
                numbers(*shape),
            )
example(
    "named results",
    lambda lib, x: (x.max(1).values, x.min(0).indices, x.sort(1).values, x.topk(2).indices, x.median(0).values),
    numbers(4, 5),
)
example(
    "sum with a dtype",
    lambda lib, x: (x.sum(dtype=lib.float32), x.mean(0, dtype=lib.float32), x.prod(1, dtype=lib.float32)),
    whole(3, 4),
)
example(
    "prod of ints",
    lambda lib, x: (x.prod(), x.prod(1), x.bool().prod(0), lib.prod(x, 0, keepdim=True)),
    whole(3, 4, low=-3, high=4),
)
example("prod with zeros", lambda lib, x: (x.prod(), x.prod(1)), of(0, 2, 3, 0, 0, 5, 1, 2, 3).reshape(3, 3))
example("prod of nothing", lambda lib, x: (x.prod(), x.prod(0), x.prod(1)), numbers(0, 3))
example(
    "var with correction",
    lambda lib, x: (lib.var(x, dim=1, correction=2), x.var(0, correction=0), x.std(unbiased=False), x.var(1, False)),
    numbers(4, 5),
)
example("var over several", lambda lib, x: (x.var((0, 2)), x.std((1, 2), keepdim=True), *lib.var_mean(x, (0, 1))), numbers(3, 4, 2))
example(
    "any of several", lambda lib, x: (lib.any(x > 1), lib.all(x > -3), (x > 1).any((0, 1)), (x > 0).all((0, 2))), numbers(3, 4, 2)
)
example("max of two", lambda lib, x, y: (lib.max(x, y), x.min(y), lib.max(x), lib.min(x)), numbers(3, 4), numbers(3, 4, seed=1))
example("aminmax", lambda lib, x: (*lib.aminmax(x), *x.aminmax(dim=1)), numbers(3, 4))
example(
    "count_nonzero", lambda lib, x: (lib.count_nonzero(x), x.count_nonzero(1), x.count_nonzero((0, 1))), whole(3, 4, low=-1, high=2)
)
for p in (2, 1, 3, 0.5, 0, math.inf, -math.inf, "fro"):
    example(
        f"norm {p}",
        lambda lib, x, p=p: (lib.norm(x, p, 1), x.norm(p, 0, keepdim=True), *((x.norm(p),) if p != "fro" else ())),
        numbers(3, 5),
    )
example("norm of zeros", lambda lib, x: (x.norm(), x.norm(dim=1)), np.zeros((2, 3), np.float32), smooth=False)
example(
    "vector_norm",
    lambda lib, x: (lib.linalg.vector_norm(x), lib.linalg.vector_norm(x, 3, dim=(0, 2)), lib.linalg.norm(x[0], dim=1)),
    numbers(2, 3, 4),
)
example("distances", lambda lib, x, y: (lib.dist(x, y), x.dist(y, 3)), numbers(3, 4), numbers(3, 4, seed=1))
example("cdist", lambda lib, x, y: (lib.cdist(x, y), lib.cdist(x, y, p=1.0)), numbers(3, 4), numbers(2, 4, seed=1), smooth=False)
example(
    "scatter that adds",
    lambda lib, x, n, y: x.scatter(0, n, y, reduce="add"),
    numbers(3, 5),
    np.array([[0, 2, 1, 0]], np.int32),
    numbers(2, 4, seed=1),
    differentiable=False,
)
example("renorm", lambda lib, x: lib.renorm(x, 2, 0, 2.5), numbers(3, 4))
example("cov", lambda lib, x: (lib.cov(x), lib.cov(x[0]), x.cov(correction=0), lib.corrcoef(x)), numbers(3, 7))
for name in ("cumsum", "cumprod", "logcumsumexp"):
    for shape in ((5,), (3, 4, 2), (1, 17), (129,), (0, 3), ()):
        if shape != (129,) or name != "cumprod":
            example(
                f"{name} {shape}", lambda lib, x, name=name: (getattr(lib, name)(x, 0), getattr(x, name)(dim=-1)), numbers(*shape)
            )
example(
    "cumsum of ints",
    lambda lib, x: (x.cumsum(0), x.cumprod(1), x.bool().cumsum(1), x.cumsum(0, dtype=lib.float32)),
    whole(3, 4, low=-3, high=4),
)
for shape in ((5,), (3, 17), ()):
    example(f"cummax {shape}", lambda lib, x: (*lib.cummax(x, 0), *x.cummin(-1)), numbers(*shape))
example("cummax of equals", lambda lib, x: (*lib.cummax(x, 1), *x.cummin(0)), whole(4, 9, low=0, high=3))
example(
    "cummax of NaN", lambda lib, x: (lib.cummax(x, 0), lib.cummin(x, 0))[0], of(1, 3, math.nan, 2, math.nan), differentiable=False
)
example("diff", lambda lib, x: (lib.diff(x), x.diff(2, 0), lib.diff(x, dim=0, prepend=x[:1])), numbers(4, 5))
example(
    "softmax with a dtype",
    lambda lib, x: (lib.softmax(x, 1, dtype=lib.float32), lib.log_softmax(x, dim=0), x.softmax(-1)),
    numbers(3, 5),
    smooth=False,
)

# ---------------------------------------------------------------- order

for shape, dim in (((7,), 0), ((3, 5), 1), ((4, 3, 2), 0), ((2, 40), -1), ((), 0), ((0,), 0), ((2, 1), 1)):
    for descending in (False, True):
        example(
            f"sort {shape} {dim} {descending}",
            lambda lib, x, dim=dim, d=descending: (*lib.sort(x, dim, d), x.argsort(dim, d), *x.sort(dim=dim, descending=d)),
            numbers(*shape),
        )
example(
    "stable sort of equals",
    lambda lib, x: (*lib.sort(x, dim=1, stable=True), *lib.sort(x, dim=0, descending=True, stable=True)),
    whole(9, 31, low=0, high=4),
)
example(
    "sort of NaN and infinities",
    lambda lib, x: (*lib.sort(x, stable=True), *lib.sort(x, descending=True, stable=True)),
    np.append(SPECIAL, SPECIAL[:4]),
    differentiable=False,
)
for k in (0, 1, 3):
    example(f"topk {k}", lambda lib, x, k=k: (*lib.topk(x, k), *x.topk(k, dim=0, largest=False)), numbers(4, 5))
example(
    "median of NaN",
    lambda lib, x: (lib.median(x), *x.median(1)),
    np.where(np.eye(3, 4) > 0, np.nan, numbers(3, 4)).astype(np.float32),
    differentiable=False,
)
example("median of even", lambda lib, x: (x.median(), lib.median(x, 1).values, x.kthvalue(1).values), numbers(3, 4))
for how in ("linear", "lower", "higher", "nearest", "midpoint"):
    example(
        f"quantile {how}",
        lambda lib, x, how=how: (x.quantile(0.3, interpolation=how), lib.quantile(x, 0.6, 1, interpolation=how)),
        numbers(3, 5),
    )
example(
    "quantiles",
    lambda lib, x: (lib.quantile(x, lib.tensor([0.1, 0.5, 1.0], dtype=x.dtype), dim=1), x.quantile(0.5, dim=0, keepdim=True)),
    numbers(4, 6),
)
example(
    "searchsorted",
    lambda lib, x, v: (lib.searchsorted(x, v), lib.searchsorted(x, v, right=True), lib.bucketize(v, x)),
    of(1, 3, 3, 7),
    of(0, 1, 3, 5, 9, 3.5).reshape(2, 3),
)
example(
    "searchsorted in lines",
    lambda lib, x, v: lib.searchsorted(x, v, side="right"),
    of(1, 3, 5, 2, 4, 6).reshape(2, 3),
    of(3, 9, 1, 4).reshape(2, 2),
)
example("msort", lambda lib, x: lib.msort(x), numbers(4, 3))

# ---------------------------------------------------------------- what gives as many numbers as it finds

SPARSE = whole(4, 5, low=-1, high=2)
example("nonzero", lambda lib, x: (lib.nonzero(x), *x.nonzero(as_tuple=True), lib.argwhere(x), *lib.where(x > 0)), SPARSE)
example(
    "masked_select",
    lambda lib, x, m: (lib.masked_select(x, m), x.masked_select(m[0]), x[m], x[m[:, 0]], x[:, m[0]], x[x.detach() > 0]),
    numbers(3, 4),
    truths(3, 4),
)
example(
    "unique",
    lambda lib, x: (lib.unique(x), *lib.unique(x, return_inverse=True, return_counts=True), lib.unique(x, dim=0), x.unique()),
    SPARSE,
)
example(
    "unique_consecutive",
    lambda lib, x: (*lib.unique_consecutive(x, return_inverse=True, return_counts=True), x.unique_consecutive(dim=0)),
    np.array([[1, 1], [1, 1], [2, 2]], np.int32),
)
example(
    "bincount",
    lambda lib, x, w: (lib.bincount(x), x.bincount(minlength=9), lib.bincount(x, w)),
    whole(11, low=0, high=5),
    positive(11),
    differentiable=False,
    torch=True,
    smooth=False,
)
example(
    "histc",
    lambda lib, x: (lib.histc(x, 4, -1, 1), lib.histc(x, 5), x.histc(bins=3, min=0, max=0)),
    numbers(17),
    differentiable=False,
)

# ---------------------------------------------------------------- shapes

SHAPES: dict[str, tuple[Call, tuple[int, ...]]] = {
    "view": (
        lambda lib, x: (x.view(6, 4), x.view(-1), lib.reshape(x, (3, 8)), x.reshape_as(lib.ones(4, 6)), x.view_as(lib.ones(8, 3))),
        (2, 3, 4),
    ),
    "ravel": (lambda lib, x: (lib.ravel(x), lib.flatten(x, 1), x.unflatten(1, (3, 1)), lib.unflatten(x, -1, (-1, 2))), (2, 3, 4)),
    "permute": (
        lambda lib, x: (lib.permute(x, (2, 0, 1)), lib.transpose(x, 0, 2), lib.swapaxes(x, 0, 1), x.swapdims(-1, 0), x.adjoint()),
        (2, 3, 4),
    ),
    "movedim": (lambda lib, x: (lib.movedim(x, 0, 2), x.movedim((0, 1), (2, 0)), lib.moveaxis(x, -1, 0)), (2, 3, 4)),
    "squeeze": (
        lambda lib, x: (lib.squeeze(x), lib.squeeze(x, 1), lib.squeeze(x, (0, 1)), lib.unsqueeze(x, 0), x.unsqueeze(-1)),
        (2, 1, 4),
    ),
    "expand_as": (
        lambda lib, x: (
            x.expand_as(lib.ones(5, 2, 4)),
            lib.broadcast_to(x, (2, 2, 4)),
            *lib.broadcast_tensors(x, lib.ones(3, 1, 1)),
        ),
        (2, 4),
    ),
    "narrow": (lambda lib, x: (lib.narrow(x, 1, 1, 2), x.narrow(0, -2, 1), lib.select(x, 1, 2), x.select(-1, -1)), (3, 4, 2)),
    "roll": (lambda lib, x: (lib.roll(x, 1), x.roll(-1, 0), x.roll((1, -2), (0, 1)), lib.roll(x, 7, 1)), (3, 4)),
    "flip": (lambda lib, x: (lib.flip(x, (0,)), lib.fliplr(x), x.flipud(), lib.flip(x, [0, 1])), (3, 4)),
    "rot90": (lambda lib, x: (lib.rot90(x), x.rot90(2, (1, 0)), lib.rot90(x, 3, (0, 2)), lib.rot90(x, -1), x.rot90(4)), (3, 4, 2)),
    "repeat": (lambda lib, x: (x.repeat(2, 3), x.repeat(2, 1, 1, 2), lib.tile(x, (2,)), x.tile(2, 1, 3), x.repeat(0, 1)), (2, 3)),
    "repeat_interleave": (
        lambda lib, x: (lib.repeat_interleave(x, 2), x.repeat_interleave(3, 1), x.repeat_interleave(lib.tensor([1, 0, 2]), dim=1)),
        (2, 3),
    ),
    "unfold": (lambda lib, x: (x.unfold(0, 2, 1), x.unfold(1, 3, 2), x.unfold(-1, 1, 3)), (4, 7)),
    "split": (
        lambda lib, x: (
            *lib.split(x, 2),
            *lib.split(x, [1, 4], 0),
            *x.tensor_split(3),
            *lib.tensor_split(x, (1, 3), 1),
            *lib.chunk(x, 3),
        ),
        (5, 4),
    ),
    "unbind": (lambda lib, x: (*lib.unbind(x), *x.unbind(1), *lib.hsplit(x, 2), *lib.vsplit(x, [1])), (3, 4)),
    "dsplit": (lambda lib, x: (*lib.dsplit(x, 2), *lib.split(x, 3, dim=-1)), (2, 2, 4)),
    "stacks": (
        lambda lib, x: (
            lib.hstack([x, x]),
            lib.vstack((x, x)),
            lib.dstack([x, x]),
            lib.column_stack([x[:, 0], x]),
            lib.row_stack([x, x]),
        ),
        (3, 4),
    ),
    "stacks of lines": (
        lambda lib, x: (lib.hstack([x, x]), lib.vstack([x, x]), lib.dstack([x, x]), lib.column_stack([x, x]), lib.concat([x, x])),
        (3,),
    ),
    "stacks of numbers": (
        lambda lib, x: (lib.hstack([x, x]), lib.vstack([x, x]), *lib.atleast_1d(x, x), lib.atleast_2d(x), lib.atleast_3d(x)),
        (),
    ),
    "meshgrid": (
        lambda lib, x: (*lib.meshgrid(x, x[:2], indexing="ij"), *lib.meshgrid(x, x[:2], indexing="xy"), lib.cartesian_prod(x, x)),
        (3,),
    ),
    "block_diag": (lambda lib, x: lib.block_diag(x, x[:1], x[0, :1]), (2, 3)),
    "diagonal": (
        lambda lib, x: (lib.diagonal(x), x.diagonal(1), x.diagonal(-2, 0, 2), x.diagonal(0, -1, -2), lib.diagonal(x, 9)),
        (3, 4, 5),
    ),
    "diag": (
        lambda lib, x: (
            lib.diag(x),
            x.diag(1),
            lib.diag(x[0]),
            lib.diag(x[0], -1),
            lib.diagflat(x, 1),
            lib.diag_embed(x, 1),
            lib.trace(x),
        ),
        (3, 4),
    ),
    "diag_embed": (lambda lib, x: (lib.diag_embed(x), lib.diag_embed(x, -1, 0, 2)), (2, 3)),
    "triangles": (lambda lib, x: (lib.tril(x), x.triu(1), lib.tril(x, -1), x.triu(-2)), (2, 4, 3)),
    "clone": (lambda lib, x: (x.clone() * 2, lib.clone(x), x.contiguous(), x.type_as(x)), (2, 3)),
    "cat with an empty line": (lambda lib, x: lib.cat([lib.zeros(0), x, x], 1), (2, 3)),
}
for name, (call, shape) in SHAPES.items():
    example(name, call, numbers(*shape))
example(
    "shapes of ints",
    lambda lib, x: (
        x.tril(),
        x.roll(1, 0),
        x.repeat(1, 2),
        lib.diag(x),
        x.diagonal(),
        lib.tril_indices(3, 4),
        lib.triu_indices(3, 3, 1),
    ),
    whole(3, 4),
)
example("triangles of bools", lambda lib, x: (x.tril(), x.triu(1)), truths(3, 4))

# ---------------------------------------------------------------- products

for equation, *shapes in (
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,kj", (2, 3), (4, 3)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
    ("i,j->ij", (3,), (4,)),
    ("ij->ji", (3, 4)),
    ("ij->", (3, 4)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("ij,ij,ij->i", (3, 4), (3, 4), (3, 4)),
    ("ab,bc,cd->ad", (2, 3), (3, 4), (4, 2)),
    ("b i d, b j d -> b i j", (2, 3, 4), (2, 5, 4)),
    ("ij,->ij", (2, 3), ()),
    ("a...,a...->...", (3, 2), (3, 2)),
):
    example(
        f"einsum {equation} {shapes}",
        lambda lib, *x, equation=equation: (lib.einsum(equation, *x), lib.einsum(equation, list(x))),
        *(numbers(*shape, seed=n) for n, shape in enumerate(shapes)),
    )
A, B, V, W = numbers(3, 4), numbers(4, 5, seed=1), numbers(4, seed=2), numbers(4, seed=3)
example(
    "products",
    lambda lib, a, b, v, w: (
        lib.mm(a, b),
        lib.mv(a, v),
        lib.dot(v, w),
        lib.outer(v, w),
        v.ger(w),
        lib.inner(a, v),
        lib.vdot(v, w),
        lib.matmul(a, b),
    ),
    A,
    B,
    V,
    W,
)
example(
    "addmm",
    lambda lib, a, b, m: (lib.addmm(m, a, b), m.addmm(a, b, beta=0.5, alpha=2), lib.addmm(m[0], a, b)),
    A,
    B,
    numbers(3, 5, seed=2),
)
example("addmv", lambda lib, a, v, m: (lib.addmv(m, a, v, alpha=2), lib.addr(a, m, v, beta=3)), A, V, numbers(3, seed=3))
example(
    "bmm",
    lambda lib, a, b, m: (lib.bmm(a, b), lib.baddbmm(m, a, b, beta=2, alpha=0.5), lib.addbmm(m[0], a, b)),
    numbers(2, 3, 4),
    numbers(2, 4, 5, seed=1),
    numbers(2, 3, 5, seed=2),
)
example(
    "tensordot of pairs",
    lambda lib, a, b: (lib.tensordot(a, b, dims=1), lib.tensordot(a, b, dims=([1], [0])), lib.tensordot(a, b, 0)),
    A,
    B,
)
example("kron", lambda lib, a, b: (lib.kron(a, b), lib.kron(a[0], b)), numbers(2, 3), numbers(3, 2, seed=1))
example("cross", lambda lib, a, b: (lib.cross(a, b, dim=1), a.cross(b, 1)), numbers(4, 3), numbers(4, 3, seed=1))
example(
    "matrix_power",
    lambda lib, a: (lib.matrix_power(a, 3), a.matrix_power(0), lib.matrix_power(a, 1), lib.chain_matmul(a, a, a)),
    numbers(3, 3),
)

# ---------------------------------------------------------------- indices

PLACES = np.array([2, 0, 1, 1], np.int32)
example(
    "take",
    lambda lib, x, n: (lib.take(x, n), lib.index_select(x, 0, n), x.index_select(1, n[:1]), lib.gather(x, 1, n[None])),
    numbers(3, 4),
    PLACES,
)
example(
    "take_along_dim",
    lambda lib, x: (
        lib.take_along_dim(x, x.argsort(1), 1),
        x.take_along_dim(x.argmax(0, keepdim=True), 0),
        lib.take_along_dim(x, x.flatten().argsort()),
    ),
    numbers(3, 4),
)
example(
    "index_add",
    lambda lib, x, n, y: (lib.index_add(x, 0, n, y), x.index_add(0, n, y, alpha=2)),
    numbers(3, 5),
    PLACES,
    numbers(4, 5, seed=1),
)
for kind in ("half", "bfloat16"):  # composed, and rounded once as PyTorch's kernels are
    example(
        f"functions of {kind} rounded once",
        lambda lib, x, y, kind=kind: tuple(
            found.float()
            for a, b in [(getattr(x, kind)(), getattr(y, kind)())]
            for found in (lib.addcmul(a, b, b), lib.addcdiv(a, b, b), lib.logaddexp(a, b), b.tan(), lib.xlogy(a, b))
        ),
        numbers(3, 5),
        positive(3, 5),
        differentiable=False,
    )
example(
    "a function for each number",
    lambda lib, x, y: (
        x.detach().clone().apply_(lambda a: a * a),
        x.detach().clone().map_(y.detach(), lambda a, b: a + b),
        x.detach().clone().map2_(x.detach(), y.detach(), lambda a, b, c: a + b * c),
    ),
    numbers(3, 4),
    numbers(3, 4, seed=1),
    differentiable=False,
)
example("truths that change", lambda lib, x: (x.diff(), lib.diff(x, 2, 0), x.sign(), lib.sgn(x)), truths(4, 5))
example(
    "index_copy",
    lambda lib, x, n, y: (lib.index_copy(x, 0, n[:3], y[:3]), x.index_fill(0, n, 2.5), lib.index_fill(x, 1, n, 0)),
    numbers(3, 5),
    PLACES,
    numbers(4, 5, seed=1),
)
INTO = np.array([[0, 2, 1, 0], [1, 0, 2, 2]], np.int32)
example(
    "scatter",
    lambda lib, x, n, y: (
        lib.scatter(x, 0, n, y),
        x.scatter(0, n, 7.5),
        lib.scatter_add(x, 0, n, y),
    ),
    numbers(3, 5),
    INTO,
    numbers(2, 4, seed=1),
)
example(
    "scatter in lines",
    lambda lib, x, n, y: (x.scatter(1, n, y[:, :3]), x.scatter_add(1, n, y[:, :3])),
    numbers(2, 5),
    np.array([[0, 4, 2], [3, 0, 1]], np.int32),
    numbers(2, 4, seed=1),
)
for how in ("amax", "amin", "prod"):
    example(
        f"scatter_reduce {how} of equals",
        lambda lib, x, n, y, how=how: [x.scatter_reduce(1, n, y, how, include_self=own) for own in (True, False)],
        numbers(2, 4).round(),
        np.array([[0, 2, 0, 2, 0], [3, 3, 3, 1, 0]], np.int32),
        numbers(2, 5, seed=1).round(),
        smooth=False,
    )
    example(
        f"index_reduce {how}",
        lambda lib, x, y, how=how: x.index_reduce(0, lib.tensor([2, 0, 2]), y, how, include_self=False),
        numbers(4, 3),
        numbers(3, 3, seed=1),
    )
for how in ("sum", "mean", "amax", "amin", "prod"):
    for own in (True, False):
        example(
            f"scatter_reduce {how} {own}",
            lambda lib, x, n, y, how=how, own=own: x.scatter_reduce(0, n, y, how, include_self=own),
            numbers(3, 4),
            INTO,
            numbers(2, 4, seed=1),
        )
example(
    "index_put",
    lambda lib, x, n, y: (
        lib.index_put(x, (n[:3],), y),
        x.index_put((n[:3], n[:1]), y[0, 0]),
        x.index_put((n[:3],), y, accumulate=True),
    ),
    numbers(3, 5),
    PLACES,
    numbers(3, 5, seed=1),
)
example(
    "masked_scatter",
    lambda lib, x, m, y: (lib.masked_scatter(x, m, y), x.masked_scatter(m[0], y)),
    numbers(3, 4),
    truths(3, 4),
    numbers(20, seed=1),
)
example(
    "slices put",
    lambda lib, x, y: (
        lib.select_scatter(x, y[0], 0, 1),
        lib.slice_scatter(x, y[:2], 0, 1, 3),
        lib.slice_scatter(x, y[:2], start=0, end=4, step=2),
    ),
    numbers(4, 5),
    numbers(3, 5, seed=1),
)


def put(key: Callable[[Any, Any], Any], pick: Callable[[Any], Any] = lambda y: y) -> Call:
    """x[key] = a part of y, where x is computed, so that both have gradients."""

    def call(lib: Any, x: Any, n: Any, m: Any, y: Any) -> Any:
        out = x * 1
        out[key(n, m)] = pick(y)
        return out, out * x

    return call


PUT: dict[str, Call] = {
    "an int": put(lambda n, m: 1, lambda y: y[0]),
    "a negative int": put(lambda n, m: -1, lambda y: 2.5),
    "a slice": put(lambda n, m: slice(1, 3), lambda y: y[:2]),
    "every other": put(lambda n, m: (slice(None, None, 2), slice(1, None, 3)), lambda y: y[0, 0]),
    "a column": put(lambda n, m: (slice(None), 2), lambda y: y[:, 0]),
    "a column, broadcast": put(lambda n, m: (..., slice(2, 4)), lambda y: y[:, :1]),
    "a place": put(lambda n, m: (1, 2), lambda y: y[0, 0]),
    "everything": put(lambda n, m: ..., lambda y: y),
    "a new dimension": put(lambda n, m: (None, 1), lambda y: y[:1]),
    "rows by number": put(lambda n, m: n[:3], lambda y: y[:3]),
    "rows by number, one value": put(lambda n, m: n, lambda y: 0.5),
    "columns by number": put(lambda n, m: (slice(None), n[:3]), lambda y: y[:, :3]),
    "pairs": put(lambda n, m: (n[:3], n[:3]), lambda y: y[0, :3]),
    "a table of numbers": put(lambda n, m: n.reshape(2, 2)[:, :1], lambda y: y[:2, None]),
    "a list": put(lambda n, m: [0, 2], lambda y: y[:2]),
    "a slice and numbers": put(lambda n, m: (slice(1, 3), n[:3]), lambda y: y[:2, :3]),
    "an int and numbers": put(lambda n, m: (1, n[:3]), lambda y: y[0, :3]),
    "a mask": put(lambda n, m: m, lambda y: -1.0),
    "a mask of rows": put(lambda n, m: m[:, 0], lambda y: y[0]),
    "a mask of columns": put(lambda n, m: (slice(None), m[0]), lambda y: 3),
}
for name, call in PUT.items():
    example(f"put: {name}", call, numbers(4, 5), PLACES, truths(4, 5), numbers(4, 5, seed=1))
example(
    "put: as many as the mask holds",
    lambda lib, x, y: [out := x * 1, out.__setitem__(x.detach() > 0, y[: int((x > 0).sum())])][:1],
    numbers(3, 4),
    numbers(12, seed=1),
)
example(
    "put: ints and bools",
    lambda lib, x, m: [o := x.clone(), o.__setitem__(0, 5), b := m.clone(), b.__setitem__(m, False), b][::2],
    whole(3, 4),
    truths(3, 4),
)
example(
    "whole tensors compared",
    lambda lib, x: (lib.tensor([lib.equal(x, x), x.equal(x[:1]), lib.allclose(x, x + 1e-9), x.allclose(-x)]),),
    numbers(3),
)
example("split with sizes", lambda lib, x: x.split_with_sizes([1, 3], 1), numbers(2, 4))
example(
    "trapezoid",
    lambda lib, y, x: (lib.trapezoid(y), lib.trapezoid(y, dx=0.5, dim=0), lib.trapezoid(y, x), lib.trapz(y, x)),
    numbers(3, 5),
    numbers(5, seed=1),
)
example(
    "isin", lambda lib, x: (lib.isin(x, lib.tensor([1, 3])), lib.isin(x, 2), lib.isin(x, lib.tensor([1]), invert=True)), whole(3, 5)
)
example("ldexp", lambda lib, x, n: (lib.ldexp(x, n), x.ldexp(n)), numbers(5), whole(5, low=0, high=5))
example(
    "real",
    lambda lib, x: (
        lib.real(x),
        x.conj(),
        lib.detach(x),
        x.resolve_conj(),
        x.resolve_neg(),
        x.conj_physical(),
        lib.resolve_conj(x),
    ),
    numbers(3),
)

# ---------------------------------------------------------------- linear algebra that the host computes


def square(*lead: int) -> np.ndarray:
    """Matrices far from singular ones."""
    return numbers(*lead, 3, 3) + 3 * np.eye(3, dtype=np.float32)


def definite(*lead: int) -> np.ndarray:
    found = numbers(*lead, 3, 3)
    return found @ found.swapaxes(-1, -2) + np.diag(np.arange(1, 4)).astype(np.float32)


LINEAR: dict[str, tuple[Call, np.ndarray]] = {
    "inv": (lambda lib, a: (lib.linalg.inv(a), a.inverse(), lib.linalg.matrix_power(a, -2)), square(2)),
    "det": (lambda lib, a: (lib.det(a), lib.linalg.slogdet(a)[1], lib.linalg.slogdet(-a)[0]), square(2)),
    "logdet": (lambda lib, a: (lib.logdet(a), a.slogdet()[1]), definite(2)),
    "solve": (lambda lib, a: (lib.linalg.solve(a, a[..., :2] + 1), lib.linalg.solve(a, a[0, 0])), square(2)),
    "solve from the right": (lambda lib, a: lib.linalg.solve(a[0], a[1], left=False), square(2)),
    "solve_triangular": (lambda lib, a: lib.linalg.solve_triangular(a[0], a[1], upper=True), square(2)),
    "solve_triangular of ones": (
        lambda lib, a: lib.linalg.solve_triangular(a[0], a[1], upper=False, unitriangular=True),
        square(2) * 0.3,
    ),
    "cholesky": (lambda lib, a: (lib.linalg.cholesky(a), lib.cholesky(a, upper=True)), definite(2)),
    "cholesky_solve": (lambda lib, a: lib.cholesky_solve(a[0], lib.linalg.cholesky(a[1])), definite(2)),
    "cholesky_inverse": (lambda lib, a: lib.cholesky_inverse(lib.linalg.cholesky(a)), definite()),
    "qr": (lambda lib, a: (*lib.linalg.qr(a), lib.qr(a)[1]), numbers(5, 3)),
    "eigh": (lambda lib, a: (lib.linalg.eigh(a)[0], lib.linalg.eigh(a)[1].square(), lib.linalg.eigvalsh(a)), definite(2)),
    "svd": (lambda lib, a: [part.square() for part in lib.linalg.svd(a, full_matrices=False)], numbers(4, 3)),
    "svd of wide ones": (lambda lib, a: (lib.svd(a)[0].square(), lib.svd(a)[2].square(), lib.linalg.svdvals(a)), numbers(3, 4)),
    "pinv": (lambda lib, a: (lib.linalg.pinv(a), a.t().pinverse()), numbers(4, 3)),
    "lstsq": (lambda lib, a: lib.linalg.lstsq(a[:, :2], a[:, 2:]).solution, numbers(5, 3)),
    "matrix_exp": (lambda lib, a: (lib.linalg.matrix_exp(a), (a * 0.1).matrix_exp()), numbers(2, 3, 3)),
    "matrix norms": (lambda lib, a: [lib.linalg.matrix_norm(a, p, keepdim=True) for p in (2, -2, "nuc")], square(2)),
    "cond": (lambda lib, a: (lib.linalg.cond(a), lib.linalg.cond(a, -2)), square()),
}
for name, (call, matrix) in LINEAR.items():
    example(f"linalg: {name}", call, matrix)
example("linalg: matrix_rank", lambda lib, a: lib.linalg.matrix_rank(a), np.ones((3, 2), np.float32), differentiable=False)

# ---------------------------------------------------------------- what is counted or combined

SMALL = np.array([[3, 0, 1, 3, 0, 2, 0], [2, 2, 1, 1, 3, 3, 0]], np.int32)
HOLES = np.where(numbers(3, 5) > 1, np.float32(np.nan), numbers(3, 5))
COUNTED: dict[str, tuple[Call, tuple[np.ndarray, ...]]] = {
    "mode": (lambda lib, n: (*lib.mode(n), *n.mode(0, True)), (SMALL,)),
    "nanmedian": (lambda lib, x: (lib.nanmedian(x), *lib.nanmedian(x, 1), x.nanmedian(0, True)[0]), (HOLES,)),
    "combinations": (lambda lib, x: (lib.combinations(x), lib.combinations(x, 3), lib.combinations(x, 2, True)), (numbers(4),)),
    "gcd and lcm": (lambda lib, n: (lib.gcd(n * 6, n.flip(1) * 4), n.lcm(n.flip(1))), (SMALL,)),
    "cumulative_trapezoid": (
        lambda lib, x: (lib.cumulative_trapezoid(x, dx=2), lib.cumulative_trapezoid(x, x.cumsum(0), dim=0)),
        (numbers(3, 5),),
    ),
    "put": (
        lambda lib, x, y: (x.put(lib.tensor([0, -1, 7]), y), lib.put(x, lib.tensor([0, 0, 7]), y, accumulate=True)),
        (numbers(3, 5), numbers(3, seed=1)),
    ),
    "unravel_index": (lambda lib, n: lib.unravel_index(n, (2, 3, 4)), (SMALL,)),
    "gradient": (lambda lib, x: (*lib.gradient(x), *lib.gradient(x, spacing=2.0, dim=1)), (numbers(3, 5),)),
    "sum_to_size": (lambda lib, x: (x.sum_to_size(1, 5), x.sum_to_size(5), x.sum_to_size((3, 1))), (numbers(3, 5),)),
    "special of chances": (
        lambda lib, x: [f(x) for f in (lib.special.entr, lib.special.ndtri, lib.special.ndtr)] + [lib.special.xlog1py(x, x)],
        (numbers(7, low=0.05, high=0.95),),
    ),
    "pdist": (lambda lib, x: (lib.nn.functional.pdist(x), lib.nn.functional.pdist(x, 1.0)), (numbers(4, 3),)),
    "upsample": (
        lambda lib, x: (lib.nn.functional.upsample_nearest(x, 4), lib.nn.functional.upsample_bilinear(x, scale_factor=2)),
        (numbers(1, 1, 2, 3),),
    ),
}
for name, (call, inputs) in COUNTED.items():
    example(f"counted: {name}", call, *inputs, smooth=name != "pdist")  # PyTorch has no second derivative of that
example("counted: isreal", lambda lib, x: lib.isreal(x), HOLES, differentiable=False)
example(
    "counted: histogram",
    lambda lib, x: (
        *lib.histogram(x, 4),
        *lib.histogram(x, 3, range=(-1.0, 1.0), density=True),
        *x.histogram(lib.tensor([-1.0, 0.0, 2.0], dtype=x.dtype), weight=x.abs()),
    ),
    numbers(9),
    differentiable=False,
)
example(
    "counted: windows",
    lambda lib: (lib.hann_window(7), lib.hann_window(7, False), lib.hamming_window(8), lib.blackman_window(5), lib.hann_window(1)),
)

# ---------------------------------------------------------------- by storage, in factors, and older words


def written(lib: Any, x: Any) -> Any:
    """Changes through as_strided() reach the tensor."""
    whole = x.clone()
    whole.as_strided((3,), (6,)).fill_(2.0)
    whole.as_strided((2, 2), (5, 1), 1).mul_(3.0)
    return whole, whole.t().as_strided((2,), (1,)), whole[1].as_strided((2, 3), (0, 1))


def eigen(lib: Any, a: Any) -> Any:
    """Of a matrix with real eigenvalues: in PyTorch they are complex numbers, in an order and with signs of their own."""
    values, vectors = lib.linalg.eig(a.triu())
    order = values.real.argsort()
    return values.real[order], vectors.real[:, order].square(), lib.linalg.eigvals(a.triu()).real.sort()[0]


STRIDED: dict[str, tuple[Call, tuple[np.ndarray, ...]]] = {
    "as_strided": (
        lambda lib, x: (
            lib.as_strided(x, (2, 3), (1, 2)),
            x.as_strided((3, 2, 2), (1, 5, 0), 2),
            x[1:].as_strided((2, 2), (6, 2)),
            x.t().as_strided((4,), (3,)),
            x.as_strided((0, 2), (1, 1)),
            x.as_strided((), (), 3),
        ),
        (numbers(3, 5),),
    ),
    "written through as_strided": (written, (numbers(3, 5),)),
    "diagonal_scatter": (
        lambda lib, x, y: (lib.diagonal_scatter(x, y), x.diagonal_scatter(y, 1, 0, 1)[:, 1:]),
        (numbers(4, 5), numbers(4, seed=1)),
    ),
    "nanquantile": (
        lambda lib, x: [
            lib.nanquantile(x, 0.3),
            x.nanquantile(lib.tensor([0.2, 0.9], dtype=x.dtype), 1, True),
            *(x.nanquantile(0.4, 0, interpolation=word) for word in ("lower", "higher", "nearest", "midpoint")),
        ],
        (HOLES,),
    ),
    "mvlgamma": (lambda lib, x: (lib.mvlgamma(x, 3), x.mvlgamma(1), lib.special.multigammaln(x, 2)), (numbers(5, low=2, high=6),)),
    "lu": (
        lambda lib, a: [
            *lib.linalg.lu(a),
            *lib.linalg.lu_factor(a),
            *lib.lu_unpack(*lib.linalg.lu_factor(a)),
            lib.linalg.lu_factor_ex(a).info,
        ],
        (square(2),),
    ),
    "lu of oblong ones": (
        lambda lib, a: [part.detach() for part in (*lib.linalg.lu(a), *lib.linalg.lu(a.mT))],
        (numbers(2, 4, 3),),
    ),
    "lu_solve": (
        lambda lib, a: [
            lib.linalg.lu_solve(*lib.linalg.lu_factor(a), a[:, :2]),
            lib.linalg.lu_solve(*lib.linalg.lu_factor(a), a[:2], left=False),
            lib.linalg.lu_solve(*lib.linalg.lu_factor(a), a, adjoint=True),
            a[:, :1].lu_solve(*lib.linalg.lu_factor(a)),
        ],
        (square(),),
    ),
    "triangular_solve": (
        lambda lib, a: (lib.triangular_solve(a, a)[0], a.triangular_solve(a, upper=False, transpose=True)[0]),
        (square(),),
    ),
    "eig": (eigen, (numbers(3, 3),)),
    "informed": (
        lambda lib, a: [
            *lib.linalg.cholesky_ex(a @ a.mT + lib.eye(3, dtype=a.dtype)),
            *lib.linalg.inv_ex(a),
            *lib.linalg.solve_ex(a, a[..., :1]),
            lib.linalg.cholesky_ex(-a @ a.mT).info,
        ],
        (square(),),
    ),
    "tensor equations": (
        lambda lib, x: (
            lib.linalg.tensorinv(x, 1),
            lib.linalg.tensorsolve(x, x[:, 0, 0]),
            lib.linalg.vander(x[:, 0, 0], N=4),
        ),
        (numbers(4, 2, 2),),
    ),
    "householder_product": (
        lambda lib, a: (lib.linalg.householder_product(a, a[..., 0, :2]), lib.orgqr(a, a[..., 1, :])),
        (numbers(2, 4, 3),),
    ),
    "norms of old": (
        lambda lib, a: (
            lib.nuclear_norm(a),
            lib.nuclear_norm(a, (0, 1), True),
            lib.frobenius_norm(a, (0, 1)),
            lib.frobenius_norm(a, 1),
        ),
        (square(),),
    ),
    "parts of old": (
        lambda lib, x: (
            *lib.unsafe_split(x, 2, 1),
            *x.unsafe_chunk(2),
            *x.unsafe_split_with_sizes([1, 2]),
            lib.fill(x, 2.0).detach(),
        ),
        (numbers(3, 5),),
    ),
    "shifts in place": (
        lambda lib, n: (n.clone().bitwise_left_shift_(2), n.clone().__ilshift__(1), n.clone().__irshift__(1)),
        (SMALL,),
    ),
}
for name, (call, inputs) in STRIDED.items():
    smooth = name not in ("as_strided", "written through as_strided") and name != "eig"
    example(f"storage: {name}", call, *inputs, smooth=smooth, differentiable=name not in ("eig", "lu of oblong ones", "as_strided"))
example("angle", lambda lib, x: (lib.angle(x), x.angle()), SPECIAL, differentiable=False)
example(
    "windows of old",
    lambda lib: (lib.bartlett_window(6), lib.bartlett_window(7, False), lib.kaiser_window(6), lib.kaiser_window(5, False, 8.0)),
)
example(
    "numbers of bytes",
    lambda lib: (
        lib.frombuffer(bytearray(range(12)), dtype=lib.uint8, offset=3),
        lib.frombuffer(bytearray(range(12)), dtype=lib.int32, count=2, offset=4),
    ),
)
example(
    "where numbers would be put, in int32",
    lambda lib, x: (lib.searchsorted(x.sort()[0], x, out_int32=True), lib.bucketize(x, x[0].sort()[0], out_int32=True)),
    numbers(2, 4),
    differentiable=False,
)


def extremes(lib: Any, n: Any) -> list[Any]:
    """Of integers whose negatives do not fit."""
    found = []
    for kind in (lib.uint8, lib.int8, lib.int32):
        x = n.to(kind)
        found += [x.min(), x.amin(1), x.argmin(1), *x.min(1), *x.cummin(1), *x.aminmax(), x.topk(2, largest=False)[0]]
        found += [x.kthvalue(2)[0], x.sort(descending=True)[0], x.square()]
    return found


example("extremes of small integers", extremes, np.array([[3, 0, 5, -128], [127, 7, 1, 2]], np.int32), differentiable=False)
example(
    "integers to integers",
    lambda lib, n: [
        *(2**n, n**n, lib.pow(n, 7), lib.pow(-3, n), n**0, (n - 2) ** lib.tensor([[3], [2]]), (n > 1) ** 2),
        *((n - 2) ** (-n - 1), n.to(lib.uint8) ** 5, lib.tensor(2) ** n),
    ],
    np.array([0, 1, 3, 5], np.int32),
    differentiable=False,
)
example("bytes cut and turned", lambda lib, x: (lib.isclose(x > 0, x > 1), x.cov(), x.corrcoef()), numbers(3, 4), smooth=False)
example("covariance of integers", lambda lib, n: (n.cov(), n.corrcoef()), whole(3, 4), differentiable=False)
example(
    "dimensions and sizes that are tensors",
    lambda lib, x: (
        *(x.sum(lib.tensor(1)), x.roll(lib.tensor(1), 0), x.select(lib.tensor(0), 1), *x.unbind(lib.tensor(0))),
        *(x.softmax(lib.tensor(1)), lib.zeros(lib.tensor(2), 3), lib.cosine_similarity(x[0], x, dim=1)),
    ),
    numbers(2, 3),
)
