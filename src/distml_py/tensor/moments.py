"""Variances, norms and distances."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import broadcast
from ..dtypes import fraction
from ..errors import DtypeError, ShapeError
from .choosing import where
from .tensor import Tensor, method

MATRIX_NORMS: dict[str, Callable[[Tensor, Any, bool], Tensor]] = {}  # by name; linalg adds its own


def _corrected(dim: Any, unbiased: bool | None, correction: float | None) -> tuple[Any, float]:
    """(dim, correction) of var's two ways to be called: var(unbiased) and var(dim, unbiased), or with correction."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return dim, correction if correction is not None else 1 if unbiased is None else int(unbiased)


@method
def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """The mean squared distance from the mean, divided by count - correction (1 unless told) rather than count."""
    return var_mean(input, dim, unbiased, keepdim, correction=correction)[0]


@method
def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    return _root(var(input, dim, unbiased, keepdim, correction=correction))


def _root(spread: Tensor) -> Tensor:
    """Of equal numbers the deviation is 0, and so is its gradient (PyTorch's rule), where a root's would be infinite."""
    zero = spread == 0
    return where(zero, 0.0, where(zero, 1.0, spread).sqrt())


def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Tensor, Tensor]:
    dim, less = _corrected(dim, unbiased, correction)
    count = math.prod(input.shape[axis] for axis in broadcast.axes_of(dim, input.ndim, "var"))
    mean = input.mean(dim, keepdim=True)
    centred = input - mean
    found = (centred * centred).sum(dim, keepdim)
    rest = max(count - less, 0)
    return (found / rest if rest else found * math.nan if count <= less else found), mean if keepdim else input.mean(dim)


def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Tensor, Tensor]:
    found, mean = var_mean(input, dim, unbiased, keepdim, correction=correction)
    return _root(found), mean


@method
def norm(input: Tensor, p: float | str | None = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """(sum of |x|^p)^(1/p) over dim. p: a number, math.inf, 0 (how many are not 0), "fro" (2) or "nuc" (of a matrix)."""
    if isinstance(p, str) and p in MATRIX_NORMS:
        return MATRIX_NORMS[p](input if dtype is None else input.to(dtype), dim, keepdim)
    if p not in (None, "fro") and not isinstance(p, (int, float)):
        raise DtypeError(f"norm: p is a number, math.inf or 'fro', got {p!r}; matrices' own norms are torch.linalg.matrix_norm's")
    return vector_norm(input, 2 if p in (None, "fro") else p, dim, keepdim, dtype=dtype)  # type: ignore[arg-type]


def vector_norm(x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """torch.linalg.vector_norm. The gradient of a norm that is 0 is 0."""
    x = x if dtype is None else x.to(dtype)
    if not x.is_floating_point():
        raise DtypeError(f"norm needs floating-point numbers, got {x.dtype.name}; use .float()")
    if ord == math.inf:
        return x.abs().amax(dim, keepdim)
    if ord == -math.inf:
        return x.abs().amin(dim, keepdim)
    if ord == 0:
        return (x != 0).to(x.dtype).sum(dim, keepdim)
    if ord == 1:
        return x.abs().sum(dim, keepdim)
    total = (x * x if ord == 2 else x.abs() ** ord).sum(dim, keepdim)
    zero = total == 0
    safe = where(zero, 1.0, total)
    return where(zero, 0.0, safe.sqrt() if ord == 2 else safe ** (1 / ord))


@method
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other."""
    return vector_norm(input - other, p)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "") -> Tensor:
    """(..., m, d) and (..., n, d): the p-norms between all their rows, (..., m, n)."""
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


@method
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Every slice along dim whose p-norm is above maxnorm, scaled down to it."""
    axis = broadcast.axis_of(dim, input.ndim, "renorm")
    if maxnorm < 0:
        raise ShapeError(f"renorm: maxnorm is at least 0, got {maxnorm}")
    sizes = vector_norm(input, p, tuple(a for a in range(input.ndim) if a != axis), keepdim=True)
    return input * where(sizes > maxnorm, maxnorm / (sizes + 1e-7), 1.0)


@method
def cov(input: Tensor, *, correction: int = 1) -> Tensor:
    """(variables, samples) -> (variables, variables)."""
    x = input if input.is_floating_point() else input.to(fraction())
    x = x if x.ndim > 1 else x.unsqueeze(0)
    centred = x - x.mean(1, keepdim=True)
    found = centred @ centred.t() / max(x.shape[1] - correction, 0)
    return found if input.ndim > 1 else found.reshape(())


@method
def corrcoef(input: Tensor) -> Tensor:
    found = cov(input)
    if not found.ndim:
        return found / found
    scale = found.diagonal().sqrt()
    return found / scale.unsqueeze(0) / scale.unsqueeze(1)
