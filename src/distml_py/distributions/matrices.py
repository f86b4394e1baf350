"""Distributions over matrices: Wishart's of covariances, and LKJCholesky's of correlations' factors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import engine, live
from ..creation import arange, tensor
from ..errors import ArgumentError, ShapeError
from ..linalg import slogdet
from ..tensor import Tensor, cat, no_grad, where
from ..tensor.gamma import digamma, lgamma, mvlgamma
from . import constraints
from .distribution import LOG_PI, Distribution, standard_normal, tensors
from .exp_family import ExponentialFamily
from .factors import cholesky, half_log_det, inverse, of_precision
from .gamma import Beta
from .pathwise import gamma_draws


class Wishart(ExponentialFamily):
    """The scatter of df normal vectors; one of covariance_matrix, precision_matrix and scale_tril, (..., n, n), gives theirs.

    df: above n - 1. Draws: Bartlett 1933, by a triangle of normal and chi numbers.
    """

    has_rsample = True
    _mean_carrier_measure = 0
    support = constraints.positive_definite

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ):
        words = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
        given = {name: matrix for name, matrix in words.items() if matrix is not None}
        if len(given) != 1:
            raise ShapeError(f"Wishart takes exactly one of {', '.join(words)}, got {len(given)}")
        ((self._told, matrix),) = given.items()
        if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
            raise ShapeError(f"{self._told} must be at least two-dimensional, (..., n, n), got {matrix.shape}")
        size = matrix.shape[-1]
        number = df if isinstance(df, Tensor) else tensor(float(df), dtype=matrix.dtype)
        batch = (number + matrix[..., 0, 0]).shape
        self.df = number.expand(*batch)
        lower = matrix if scale_tril is not None else cholesky(matrix) if covariance_matrix is not None else of_precision(matrix)
        self._lower = lower.expand(*batch, size, size)
        vars(self)[self._told] = matrix.expand(*batch, size, size)
        super().__init__(batch, (size, size), validate_args)
        if self._validate_args:
            self._warn_of_few()

    def _warn_of_few(self) -> None:
        if bool((self.df < self.event_shape[0]).any()):
            told = "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim."
            warnings.warn(told, stacklevel=3)

    @property
    def arg_constraints(self) -> Any:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    @property
    def scale_tril(self) -> Tensor:
        return self._lower

    @property
    def covariance_matrix(self) -> Tensor:
        return self._lower @ self._lower.mT

    @property
    def precision_matrix(self) -> Tensor:
        back = inverse(self._lower)
        return back.mT @ back

    def rsample(self, sample_shape: Sequence[int] = (), max_try_correction: int | None = None) -> Tensor:
        """max_try_correction: how often singular draws are drawn again, with a warning; None: 10 times, where looking at them does
        not wait for a GPU.
        """
        draws = self._drawn(sample_shape)
        looks = not engine.backend().on_gpu and live.state.recorder is None
        for trial in range((10 if looks else 0) if max_try_correction is None else max_try_correction):
            fine = self.support.check(draws.detach())
            if bool(fine.all()):
                break
            if trial == 0:
                warnings.warn("Singular sample detected.", stacklevel=2)
            draws = where(fine.unsqueeze(-1).unsqueeze(-1), draws, self._drawn(sample_shape))
        return draws

    def _drawn(self, sample_shape: Sequence[int]) -> Tensor:
        size = self._extended(sample_shape)
        degrees = (self.df.unsqueeze(-1) - arange(size[-1], dtype=self.df.dtype)).expand(*size[:-1])
        chi = (2 * gamma_draws(degrees / 2, size[:-1])).sqrt().clamp(min=1.1920929e-07)
        factor = self._lower @ (standard_normal(size).tril(-1) + chi.diag_embed())
        return factor @ factor.mT

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return -self.precision_matrix / 2, (self.df - self.event_shape[0] - 1) / 2

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        (x, y), size = natural_params, self.event_shape[0]
        half = y + (size + 1) / 2
        return half * (size * math.log(2) - slogdet(-2 * x).logabsdet) + mvlgamma(half, size)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        size, back = self.event_shape[0], inverse(self._lower)
        trace = ((back @ value) * back).sum((-2, -1))
        known = -self.df * (size * math.log(2) / 2 + half_log_det(self._lower)) - mvlgamma(self.df / 2, size)
        return known + (self.df - size - 1) / 2 * slogdet(value).logabsdet - trace / 2

    def entropy(self) -> Tensor:
        size, half = self.event_shape[0], self.df / 2
        slopes = digamma(half.unsqueeze(-1) - arange(size, dtype=half.dtype) / 2).sum(-1)
        scale = (size + 1) * (size * math.log(2) / 2 + half_log_det(self._lower))
        return scale + mvlgamma(half, size) - (self.df - size - 1) / 2 * slopes + half * size

    def _times(self, factor: Tensor) -> Tensor:
        return factor.unsqueeze(-1).unsqueeze(-1) * self.covariance_matrix

    @property
    def mean(self) -> Tensor:
        return self._times(self.df)

    @property
    def mode(self) -> Tensor:
        """NaN where df is at most n + 1."""
        above = self.df - self.event_shape[0] - 1
        return self._times(above.masked_fill(above <= 0, math.nan))

    @property
    def variance(self) -> Tensor:
        spread = self.covariance_matrix
        own = spread.diagonal(0, -2, -1)
        return self.df.unsqueeze(-1).unsqueeze(-1) * (spread**2 + own.unsqueeze(-1) * own.unsqueeze(-2))


class LKJCholesky(Distribution):
    """Lower factors of correlation matrices of dim variables; concentration 1: all matrices are equally likely.

    Draws: the onion method of Lewandowski, Kurowicka and Joe 2009, row by row a point in a ball.
    """

    arg_constraints: ClassVar[Any] = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None):
        if dim < 2:
            raise ArgumentError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = tensors(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> LKJCholesky:
        return LKJCholesky(self.dim, self.concentration.expand(*batch_shape))

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Row i holds i numbers below the diagonal: a direction, and a squared length that a Beta gives."""
        size = self._extended(sample_shape)
        with no_grad():
            row = arange(1, self.dim, dtype=self.concentration.dtype)
            rest = self.concentration.unsqueeze(-1) + (self.dim - 1 - row) / 2
            square = Beta(row / 2, rest, False).sample(sample_shape)
            square = cat([square.new_zeros((*square.shape[:-1], 1)), square], -1)
            way = standard_normal(size).tril(-1)
            length = (way * way).sum(-1, keepdim=True).sqrt().clamp(min=1e-30)
            low = way / length * square.sqrt().unsqueeze(-1)
            own = (1 - (low * low).sum(-1)).clamp(min=1.1754943508222875e-38).sqrt()
            return low + own.diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        below, shape = self.dim - 1, self.concentration
        powers = 2 * (shape - 1).unsqueeze(-1) + (self.dim - arange(2, self.dim + 1, dtype=shape.dtype))
        alpha = shape + below / 2
        norm = below / 2 * LOG_PI + mvlgamma(alpha - 0.5, below) - lgamma(alpha) * below
        return (powers * value.diagonal(0, -2, -1)[..., 1:].log()).sum(-1) - norm
