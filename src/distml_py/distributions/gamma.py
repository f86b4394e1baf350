"""Gamma and what is made of it: Beta, Dirichlet, Chi2, InverseGamma, FisherSnedecor, StudentT. Their draws are pathwise.py's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .. import creation
from ..errors import ShapeError
from ..tensor import Tensor, stack, where
from . import constraints
from .distribution import LOG_PI, Distribution, standard_normal, tensors
from .exp_family import ExponentialFamily
from .pathwise import gamma_draws, stored


class Gamma(ExponentialFamily):
    has_rsample = True
    _mean_carrier_measure = 0
    arg_constraints: ClassVar[Any] = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None):
        self.concentration, self.rate = tensors(concentration, rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return gamma_draws(self.concentration, self._extended(sample_shape)) / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        shape, rate = self.concentration, self.rate
        return shape * rate.log() + (shape - 1) * value.log() - rate * value - shape.lgamma()

    def entropy(self) -> Tensor:
        shape = self.concentration
        return shape - self.rate.log() + shape.lgamma() + (1 - shape) * shape.digamma()

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        return (x + 1).lgamma() - (x + 1) * (-y).log()

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate**2


class Chi2(Gamma):
    has_rsample = True
    arg_constraints: ClassVar[Any] = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None):
        (self.df,) = tensors(df)
        super().__init__(self.df / 2, 0.5, validate_args)


class InverseGamma(Distribution):
    """1 over a Gamma's draws."""

    has_rsample = True
    arg_constraints: ClassVar[Any] = Gamma.arg_constraints
    support = constraints.positive

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None):
        self._gamma = Gamma(concentration, rate, validate_args)
        self.concentration, self.rate = self._gamma.concentration, self._gamma.rate
        super().__init__(self.rate.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return 1 / self._gamma.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return self._gamma.log_prob(1 / value) - 2 * value.log()

    def entropy(self) -> Tensor:
        shape = self.concentration
        return shape + self.rate.log() + shape.lgamma() - (1 + shape) * shape.digamma()

    @property
    def mean(self) -> Tensor:
        return where(self.concentration > 1, self.rate / where(self.concentration > 1, self.concentration - 1, 1.0), float("inf"))

    @property
    def mode(self) -> Tensor:
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        a = self.concentration
        wide = where(a > 2, a, 3.0)
        return where(a > 2, self.rate**2 / ((wide - 1) ** 2 * (wide - 2)), float("inf"))


class FisherSnedecor(Distribution):
    """The quotient of two Chi2, each over its df."""

    has_rsample = True
    arg_constraints: ClassVar[Any] = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None):
        self.df1, self.df2 = tensors(df1, df2)
        super().__init__(self.df1.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        size = self._extended(sample_shape)
        above, below = (gamma_draws(df / 2, size) / df for df in (self.df1, self.df2))
        return above / below

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        a, b = self.df1 / 2, self.df2 / 2
        ratio = self.df1 / self.df2
        score = (a + b).lgamma() - a.lgamma() - b.lgamma() + a * ratio.log() + (a - 1) * value.log()
        return score - (a + b) * (ratio * value).log1p()

    @property
    def mean(self) -> Tensor:
        return where(self.df2 > 2, self.df2 / where(self.df2 > 2, self.df2 - 2, 1.0), float("nan"))

    @property
    def mode(self) -> Tensor:
        return where(self.df1 > 2, (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2), float("nan"))

    @property
    def variance(self) -> Tensor:
        a, wide = self.df1, where(self.df2 > 4, self.df2, 5.0)
        found = 2 * wide**2 * (a + wide - 2) / (a * (wide - 2) ** 2 * (wide - 4))
        return where(self.df2 > 4, found, float("nan"))


class Dirichlet(ExponentialFamily):
    """Shares that add up to 1; concentration: (..., shares)."""

    has_rsample = True
    arg_constraints: ClassVar[Any] = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex

    def __init__(self, concentration: Tensor, validate_args: bool | None = None):
        if concentration.ndim < 1:
            raise ShapeError(f"Dirichlet takes a concentration of shape (..., shares), got shape {tuple(concentration.shape)}")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        found = gamma_draws(self.concentration, self._extended(sample_shape))
        return found / found.sum(-1, keepdim=True)

    def _normalizer(self) -> Tensor:
        return self.concentration.lgamma().sum(-1) - self.concentration.sum(-1).lgamma()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return ((self.concentration - 1) * value.log()).sum(-1) - self._normalizer()

    def entropy(self) -> Tensor:
        a, total = self.concentration, self.concentration.sum(-1)
        return self._normalizer() + (total - a.shape[-1]) * total.digamma() - ((a - 1) * a.digamma()).sum(-1)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.concentration,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        (x,) = natural_params
        return x.lgamma().sum(-1) - x.sum(-1).lgamma()

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def mode(self) -> Tensor:
        above = (self.concentration - 1).clamp(min=0)
        total = above.sum(-1, keepdim=True)
        first = creation.eye(above.shape[-1], dtype=above.dtype)[0]  # where no share is likelier than at an end
        none = total == 0
        return where(none, first, above / where(none, 1.0, total))

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))


class Beta(ExponentialFamily):
    """A share of 1."""

    has_rsample = True
    arg_constraints: ClassVar[Any] = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None):
        self.concentration1, self.concentration0 = tensors(concentration1, concentration0)
        self._both = Dirichlet(stack([self.concentration1, self.concentration0], -1), False)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._both.rsample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return self._both.log_prob(stack([value, 1 - value], -1))

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.concentration1, self.concentration0

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        return x.lgamma() + y.lgamma() - (x + y).lgamma()

    def entropy(self) -> Tensor:
        return self._both.entropy()

    @property
    def mean(self) -> Tensor:
        return self._both.mean[..., 0]

    @property
    def mode(self) -> Tensor:
        return self._both.mode[..., 0]

    @property
    def variance(self) -> Tensor:
        return self._both.variance[..., 0]


class StudentT(Distribution):
    has_rsample = True
    arg_constraints: ClassVar[Any] = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None):
        self.df, self.loc, self.scale = tensors(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        size = self._extended(sample_shape)
        chi, normal = 2 * gamma_draws(self.df / 2, size), stored(standard_normal(size))
        return self.loc + self.scale * normal * (self.df / chi).sqrt()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
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
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        wide = where(self.df > 1, float("inf"), float("nan"))
        return where(self.df > 2, self.scale**2 * self.df / where(self.df > 2, self.df - 2, 1.0), wide)
