"""Reductions over axes, which stay as size 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Node, apply
from ..op import TABLE, Reduce, int32


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
