"""Reductions over axes, which stay as size 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..graph import Node, apply
from ..op import TABLE, Reduce, Statistics, int32


def _expand(g: Node, x: Node) -> Node:
    return apply(TABLE["expand"], g, attrs=(x.shape,))


SUM = Reduce(
    name="sum",
    numpy=lambda x, axes: np.sum(x, axis=axes, keepdims=True, dtype=x.dtype),
    glsl_first="{zero}",
    glsl="{acc} + {x}",
    vjp=lambda g, out, x: (_expand(g, x),),
)


def _amax_vjp(g: Node, out: Node, x: Node) -> tuple[Node]:
    """Shared evenly between equals, as PyTorch's amax does."""
    hits = apply(TABLE["cast"], apply(TABLE["eq"], x, _expand(out, x)), attrs=(x.dtype,))
    return (hits * _expand(g / apply(SUM, hits, attrs=out.attrs), x),)


AMAX = Reduce(
    name="amax",
    numpy=lambda x, axes: np.max(x, axis=axes, keepdims=True),
    glsl_first="{least}",
    glsl="mix({acc}, {x}, {x} > {acc} || isnan({x}))",
    integer_glsl="max({acc}, {x})",
    vjp=_amax_vjp,
)


def _argmax_numpy(x: np.ndarray, axes: tuple[int, ...]) -> Any:
    return np.expand_dims(np.argmax(x, axis=axes[0]), axes[0]).astype(int32)


# the renderer keeps the best value beside its number; a later equal never wins, a NaN always does
ARGMAX = Reduce("argmax", _argmax_numpy, glsl_first="0", glsl="", result=int32)


# ---------------------------------------------------------------- two results at once


def _moments_numpy(x: Any, axes: tuple[int, ...], eps: float) -> Any:
    """In two passes; what the first one rounded is put right by the second."""
    count = x.dtype.type(max(math.prod(x.shape[axis] for axis in axes), 1))
    rough = np.sum(x, axis=axes, keepdims=True, dtype=x.dtype) / count
    centred = x - rough
    rest = np.sum(centred, axis=axes, keepdims=True) / count
    square = np.maximum(np.sum(centred * centred, axis=axes, keepdims=True) - rest * rest * count, 0)
    return np.stack(_moments_finish(rough, rest, square, count, eps))


def _moments_gather(x: Any) -> Any:
    away = x - x[..., :1]
    mean = away.mean(-1)
    return x[..., 0], mean, np.square(away - mean[..., None]).sum(-1)


def _moments_merge(first: Any, mean: Any, square: Any, counts: Any) -> Any:
    """Source: Chan, Golub and LeVeque 1979."""
    away = (first - first[..., :1]) + mean
    shift = (away * counts).sum(-1) / counts.sum()
    return first[..., 0], shift, (square + np.square(away - shift[..., None]) * counts).sum(-1)


def _moments_finish(first: Any, mean: Any, square: Any, count: Any, eps: float) -> Any:
    return first + mean, square, 1 / np.sqrt(square / count + count.dtype.type(eps))


def _part(x: Node, number: int) -> Node:
    """One of the two results, in the shape of a reduction."""
    slices = ((number, 1, 1), *((0, size, 1) for size in x.shape[1:]))
    return apply(TABLE["reshape"], apply(TABLE["slice"], x, attrs=(slices,)), attrs=(x.shape[1:],))


def _moments_vjp(g: Node, out: Node, x: Node) -> tuple[Node]:
    count = math.prod(x.shape[axis] for axis in out.attrs[0])
    scale = _part(out, 2)
    slope = _part(g, 1) * 2.0 - _part(g, 2) * scale * scale * scale * (1 / max(count, 1))
    return (_expand(_part(g, 0) * (1 / max(count, 1)), x) + (x - _expand(_part(out, 0), x)) * _expand(slope, x),)


_SQUARE = "above_0({s1} - {s0} * ({s0} / {n}))"
# (mean, sum of (x - mean)^2, 1 / sqrt(variance + attrs[1])). Seen from one of the n numbers of a chunk, the sum of squares is at
# most n + 1 times that from the mean, however large the mean is: so few bits are lost at worst. Of a part the number it is seen
# from is known, and the mean from there: their sum would be rounded
MOMENTS = Statistics(
    name="moments",
    numpy=_moments_numpy,
    vjp=_moments_vjp,
    gather=_moments_gather,
    merge=_moments_merge,
    finish=_moments_finish,
    top=False,
    terms=("{x} - {p}", "({x} - {p}) * ({x} - {p})"),
    merged=("(({k0} - {p}) + {k1}) * {n}", "{k2} + (({k0} - {p}) + {k1}) * (({k0} - {p}) + {k1}) * {n}"),
    known=("{p}", "{s0} / {n}", _SQUARE),
    results=("{p} + {s0} / {n}", _SQUARE, f"1.0 / sqrt({_SQUARE} / {{n}} + {{a1}})"),
    helper="float above_0(float x) { return mix(x, 0.0, x < 0.0); }",
)


def _exp_sum_numpy(x: Any, axes: tuple[int, ...]) -> Any:
    top = np.max(x, axis=axes, keepdims=True)
    return np.stack([top, np.sum(np.exp(x - top), axis=axes, keepdims=True)])


def _exp_sum_merge(top: Any, total: Any, counts: Any) -> Any:
    most = top.max(-1)
    parts = np.where(top == -math.inf, 0, total * np.exp(top - most[..., None]))
    return most, np.where(np.isfinite(most), parts.sum(-1), math.nan)


def _exp_sum_vjp(g: Node, out: Node, x: Node) -> tuple[Node]:
    return (apply(TABLE["exp"], x - _expand(_part(out, 0), x)) * _expand(_part(g, 1), x),)


_TOP_AND_SUM = ("{p}", "mix({s0}, {nan}, isnan({p}) || isinf({p}))")
# (maximum, sum of exp(x - maximum)); no number where the maximum is infinite. The maximum is a shift that cancels in all that is
# made of both: it is a constant to the derivative
EXP_SUM = Statistics(
    name="exp_sum",
    numpy=_exp_sum_numpy,
    vjp=_exp_sum_vjp,
    gather=lambda x: _exp_sum_numpy(x, (-1,))[..., 0],
    merge=_exp_sum_merge,
    finish=lambda top, total, count: (top, total),
    top=True,
    terms=("exp({x} - {p})",),
    merged=("mix({k1} * exp({k0} - {p}), 0.0, isinf({k0}) && {k0} < 0.0)",),
    known=_TOP_AND_SUM,
    results=_TOP_AND_SUM,
)
