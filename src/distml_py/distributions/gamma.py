"""Gamma and what is made of it: Beta, Dirichlet, Chi2, StudentT. Drawn by Marsaglia and Tsang 2000, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ..tensor import Tensor, no_grad, stack, where
from .distribution import LOG_PI, Distribution, standard_normal, tensors, uniform

TURNS = 8  # each accepts at least 95 in 100; after as many, one draw in 10^10 is the last proposal


def standard_gamma(shape: Tensor, size: Sequence[int]) -> Tensor:
    """Draws of rate 1, of shape size, to which `shape` is broadcast. Outside the gradient's graph."""
    with no_grad():
        alpha = shape.detach().expand(*size) if size else shape.detach()
        small = alpha < 1
        d = where(small, alpha + 1, alpha) - 1 / 3
        c = 1 / (9 * d).sqrt()
        found, done = d, alpha < 0
        for _ in range(TURNS):
            x = standard_normal(size)
            v = (1 + c * x) ** 3
            u = (1 - uniform(size)).log()
            good = (v > 0) & (u < 0.5 * x * x + d * (1 - v + v.clamp(min=1e-30).log()))
            found, done = where(good & ~done, d * v, found), done | good
        return where(small, found * (1 - uniform(size)) ** (1 / alpha), found).clamp(min=1e-37)


class Gamma(Distribution):
    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None):
        self.concentration, self.rate = tensors(concentration, rate)
        super().__init__(self.rate.shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return standard_gamma(self.concentration, self._extended(sample_shape)) / self.rate.detach()

    def log_prob(self, value: Tensor) -> Tensor:
        shape, rate = self.concentration, self.rate
        return shape * rate.log() + (shape - 1) * value.log() - rate * value - shape.lgamma()

    def entropy(self) -> Tensor:
        shape = self.concentration
        return shape - self.rate.log() + shape.lgamma() + (1 - shape) * shape.digamma()

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate**2


class Chi2(Gamma):
    def __init__(self, df: Any, validate_args: bool | None = None):
        (self.df,) = tensors(df)
        super().__init__(self.df / 2, 0.5)


class Dirichlet(Distribution):
    """Shares that add up to 1; concentration: (..., shares)."""

    def __init__(self, concentration: Tensor, validate_args: bool | None = None):
        if concentration.ndim < 1:
            raise ShapeError(f"Dirichlet takes a concentration of shape (..., shares), got shape {tuple(concentration.shape)}")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:])

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        found = standard_gamma(self.concentration, self._extended(sample_shape))
        return found / found.sum(-1, keepdim=True)

    def _normalizer(self) -> Tensor:
        return self.concentration.lgamma().sum(-1) - self.concentration.sum(-1).lgamma()

    def log_prob(self, value: Tensor) -> Tensor:
        return ((self.concentration - 1) * value.log()).sum(-1) - self._normalizer()

    def entropy(self) -> Tensor:
        a, total = self.concentration, self.concentration.sum(-1)
        return self._normalizer() + (total - a.shape[-1]) * total.digamma() - ((a - 1) * a.digamma()).sum(-1)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))


class Beta(Distribution):
    """A share of 1."""

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None):
        self.concentration1, self.concentration0 = tensors(concentration1, concentration0)
        self._both = Dirichlet(stack([self.concentration1, self.concentration0], -1))
        super().__init__(self.concentration1.shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._both.sample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        return self._both.log_prob(stack([value, 1 - value], -1))

    def entropy(self) -> Tensor:
        return self._both.entropy()

    @property
    def mean(self) -> Tensor:
        return self._both.mean[..., 0]

    @property
    def variance(self) -> Tensor:
        return self._both.variance[..., 0]


class StudentT(Distribution):
    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None):
        self.df, self.loc, self.scale = tensors(df, loc, scale)
        super().__init__(self.df.shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            size = self._extended(sample_shape)
            chi = 2 * standard_gamma(self.df / 2, size)
            return self.loc + self.scale * standard_normal(size) * (self.df / chi).sqrt()

    def log_prob(self, value: Tensor) -> Tensor:
        y = (value - self.loc) / self.scale
        scale = self.scale.log() + 0.5 * self.df.log() + 0.5 * LOG_PI + (0.5 * self.df).lgamma() - (0.5 * (self.df + 1)).lgamma()
        return -0.5 * (self.df + 1) * (y * y / self.df).log1p() - scale

    def entropy(self) -> Tensor:
        half, more = 0.5 * self.df, 0.5 * (self.df + 1)
        beta = half.lgamma() + 0.5 * LOG_PI - more.lgamma()
        return self.scale.log() + more * (more.digamma() - half.digamma()) + 0.5 * self.df.log() + beta

    @property
    def mean(self) -> Tensor:
        return where(self.df > 1, self.loc, float("nan"))

    @property
    def variance(self) -> Tensor:
        wide = where(self.df > 1, float("inf"), float("nan"))
        return where(self.df > 2, self.scale**2 * self.df / where(self.df > 2, self.df - 2, 1.0), wide)
