"""ContinuousBernoulli and GeneralizedPareto: a density on [0, 1] for pixels, and one for tails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from ..functions.activation import softplus
from ..tensor import Tensor, where
from . import constraints
from .discrete import CHANCE, TINY, chance
from .distribution import Distribution, tensors, uniform
from .exp_family import ExponentialFamily

NEAR = 0.5  # logits closer to 0 than this: by series, as differences would lose digits


class ContinuousBernoulli(ExponentialFamily):
    """On [0, 1], with a density in proportion to probs^x (1 - probs)^(1 - x). Source: Loaiza-Ganem and Cunningham 2019.

    lims: PyTorch's border between its formulas and its series in probs; taken, while here it is |logits| = 1/2.
    """

    has_rsample = True
    _mean_carrier_measure = 0
    arg_constraints: ClassVar[Any] = CHANCE
    support = constraints.unit_interval

    def __init__(
        self, probs: Any = None, logits: Any = None, lims: tuple[float, float] = (0.499, 0.501), validate_args: bool | None = None
    ):
        self.probs, self.logits = chance("ContinuousBernoulli", probs, logits)
        self._is_probs = probs is not None
        super().__init__(self.probs.shape, validate_args=validate_args)
        self.probs = self.probs.clamp(TINY, 1 - TINY)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        (logits,) = natural_params
        return softplus(logits) - self._log_norm(logits)

    def _by(self, far: Any, near: Any, logits: Tensor | None = None) -> Tensor:
        """far(half of the logits), or near(it) by series around 0."""
        half = (self.logits if logits is None else logits) / 2
        close = half.abs() < NEAR / 2
        return where(close, near(where(close, half, 0.0)), far(where(close, 1.0, half)))

    def _log_norm(self, logits: Tensor | None = None) -> Tensor:
        """Of h = logits / 2: log(2 h / tanh h)."""
        return self._by(
            lambda h: (2 * h / h.tanh()).log(),
            lambda h: math.log(2) + (h * h * (1 / 3 - h * h * (1 / 45 - h * h * (2 / 945 - h * h / 4725)))).log1p(),
            logits,
        )

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.icdf(uniform(self._extended(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return value * self.logits - softplus(self.logits) + self._log_norm()

    def _falling(self) -> tuple[Tensor, Tensor]:
        """(whether logits are above 0, logits turned round to fall, never 0)."""
        up, slope = self.logits > 0, -self.logits.abs()
        return up, where(slope > -1e-4, -1e-4, slope)

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        up, slope = self._falling()
        inside = value.clamp(0, 1)
        x = where(up, 1 - inside, inside)
        share = (slope * x).expm1() / slope.expm1()
        return where(up, 1 - share, share)

    def icdf(self, value: Tensor) -> Tensor:
        up, slope = self._falling()
        share = where(up, 1 - value, value)
        x = (share * slope.expm1()).log1p() / slope
        return where(up, 1 - x, x)

    def entropy(self) -> Tensor:
        return softplus(self.logits) - self.mean * self.logits - self._log_norm()

    @property
    def mean(self) -> Tensor:
        return 0.5 + self._by(
            lambda h: (1 / h.tanh() - 1 / h) / 2,
            lambda h: h * (1 / 6 - h * h * (1 / 90 - h * h * (1 / 945 - h * h / 9450))),
        )

    @property
    def variance(self) -> Tensor:
        return self._by(
            lambda h: (1 / (h * h) - (1 - h.tanh() ** 2) / h.tanh() ** 2) / 4,
            lambda h: 1 / 12 - h * h * (1 / 60 - h * h * (1 / 378 - h * h / 2700)),
        )


class GeneralizedPareto(Distribution):
    """What lies above a high threshold loc: concentration 0 is an Exponential, -1 a Uniform, above 0 a Pareto's tail."""

    has_rsample = True
    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None):
        self.loc, self.scale, self.concentration = tensors(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def support(self) -> Any:
        loc, scale, shape = self.loc.detach(), self.scale.detach(), self.concentration.detach()
        return constraints.interval(loc, where(shape < 0, loc - scale / where(shape < 0, shape, -1.0), math.inf))

    def _shape(self) -> tuple[Tensor, Tensor]:
        """(whether the concentration is 0, the concentration, where it is not)."""
        flat = self.concentration.abs() <= 1e-8
        return flat, where(flat, 1.0, self.concentration)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.icdf(uniform(self._extended(sample_shape)))

    def log_survival_function(self, value: Tensor) -> Tensor:
        """The logarithm of how likely a draw above value is."""
        self._validate_sample(value)
        flat, shape = self._shape()
        z = (value - self.loc) / self.scale
        return where(flat, -z, -(shape * z).log1p() / shape)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        flat, shape = self._shape()
        z = (value - self.loc) / self.scale
        power = 1 + 1 / shape
        return -self.scale.log() - where(flat, z, where(power == 0, 0.0, power * (shape * z).log1p()))

    def log_cdf(self, value: Tensor) -> Tensor:
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        return -self.log_survival_function(value).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        flat, shape = self._shape()
        log = (-value).log1p()
        return self.loc + self.scale * where(flat, -log, (-shape * log).expm1() / shape)

    def entropy(self) -> Tensor:
        return self.scale.log() + self.concentration + 1

    @property
    def mean(self) -> Tensor:
        some = self.concentration < 1
        return where(some, self.loc + self.scale / (1 - where(some, self.concentration, 0.5)), math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        some = self.concentration < 0.5
        shape = where(some, self.concentration, 0.25)
        return where(some, self.scale**2 / ((1 - shape) ** 2 * (1 - 2 * shape)), math.nan)
