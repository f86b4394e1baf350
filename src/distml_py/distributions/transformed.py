"""Draws of one distribution, mapped: TransformedDistribution, and the distributions that are made that way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from ..tensor import Tensor, no_grad, where
from ..tensor.gamma import digamma, lgamma
from . import constraints
from .continuous import EULER, Cauchy, Exponential, Normal, Uniform
from .distribution import Distribution, Independent, tensors
from .transforms import (
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    PowerTransform,
    StickBreakingTransform,
    Transform,
    summed,
)


class TransformedDistribution(Distribution):
    """base_distribution's draws after one transform, or several."""

    def __init__(self, base_distribution: Distribution, transforms: Any, validate_args: bool | None = None):
        self.transforms: list[Transform] = [transforms] if isinstance(transforms, Transform) else list(transforms)
        whole = ComposeTransform(self.transforms)
        shape = (*base_distribution.batch_shape, *base_distribution.event_shape)
        dims = max(len(base_distribution.event_shape), whole.event_dim)
        if dims > len(base_distribution.event_shape):
            base_distribution = Independent(base_distribution, dims - len(base_distribution.event_shape))
        self.base_dist = base_distribution
        out = whole.forward_shape(shape)
        super().__init__(out[: len(out) - dims], out[len(out) - dims :], validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @property
    def support(self) -> Any:
        if not self.transforms:
            return self.base_dist.support
        found = self.transforms[-1].codomain
        more = len(self.event_shape) - found.event_dim
        return constraints.independent(found, more) if more else found

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        if self._given():
            return super().expand(batch_shape)
        return TransformedDistribution(self.base_dist.expand(batch_shape), self.transforms)

    def _mapped(self, x: Tensor) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        return x

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._mapped(self.base_dist.rsample(sample_shape))

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return self._mapped(self.base_dist.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        dims, y, found = len(self.event_shape), value, None
        for transform in reversed(self.transforms):
            x = transform._inverse(y)
            slope = summed(transform.log_abs_det_jacobian(x, y), dims - transform.event_dim)
            found = slope if found is None else found + slope
            y = x
        score = summed(self.base_dist.log_prob(y), dims - len(self.base_dist.event_shape))
        return score if found is None else score - found

    def cdf(self, value: Tensor) -> Tensor:
        y, sign = value, 1
        for transform in reversed(self.transforms):
            y, sign = transform._inverse(y), sign * transform.sign
        return sign * (self.base_dist.cdf(y) - 0.5) + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        sign = ComposeTransform(self.transforms).sign
        return self._mapped(self.base_dist.icdf(sign * (value - 0.5) + 0.5))

    def __repr__(self) -> str:
        return super().__repr__() if self._given() else f"{type(self).__name__}()"


class LogNormal(TransformedDistribution):
    """The exponential of a Normal."""

    arg_constraints: ClassVar[Any] = Normal.arg_constraints

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        base = Normal(loc, scale, validate_args)
        self.loc, self.scale = base.loc, base.scale
        super().__init__(base, ExpTransform(), validate_args)

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() + self.loc

    @property
    def mean(self) -> Tensor:
        return (self.loc + self.scale**2 / 2).exp()

    @property
    def mode(self) -> Tensor:
        return (self.loc - self.scale**2).exp()

    @property
    def variance(self) -> Tensor:
        return (self.scale**2).expm1() * (2 * self.loc + self.scale**2).exp()


class LogisticNormal(TransformedDistribution):
    """n + 1 shares made of n normal numbers."""

    arg_constraints: ClassVar[Any] = Normal.arg_constraints
    event_dim = 1

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        base = Normal(loc, scale, validate_args)
        self.loc, self.scale = base.loc, base.scale
        super().__init__(base, StickBreakingTransform(), validate_args)


class Pareto(TransformedDistribution):
    """At least scale, with a tail that falls as a power."""

    arg_constraints: ClassVar[Any] = {"alpha": constraints.positive, "scale": constraints.positive}

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None):
        self.scale, self.alpha = tensors(scale, alpha)
        parts = [ExpTransform(), AffineTransform(0, self.scale)]
        super().__init__(Exponential(self.alpha, validate_args), parts, validate_args)

    @property
    def support(self) -> Any:
        return constraints.greater_than_eq(self.scale.detach())

    @property
    def mean(self) -> Tensor:
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def mode(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        a = self.alpha.clamp(min=2)
        return self.scale**2 * a / ((a - 1) ** 2 * (a - 2))

    def entropy(self) -> Tensor:
        return (self.scale / self.alpha).log() + (1 + 1 / self.alpha)


class Weibull(TransformedDistribution):
    """A power of an Exponential."""

    arg_constraints: ClassVar[Any] = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None):
        self.scale, self.concentration = tensors(scale, concentration)
        parts = [PowerTransform(1 / self.concentration), AffineTransform(0, self.scale)]
        super().__init__(Exponential(self.scale * 0 + 1, validate_args), parts, validate_args)

    @property
    def mean(self) -> Tensor:
        return self.scale * lgamma(1 + 1 / self.concentration).exp()

    @property
    def mode(self) -> Tensor:
        k = self.concentration
        return self.scale * where(k > 1, ((k - 1) / k).clamp(min=0) ** (1 / k), 0.0)

    @property
    def variance(self) -> Tensor:
        k = self.concentration
        return self.scale**2 * (lgamma(1 + 2 / k).exp() - (2 * lgamma(1 + 1 / k)).exp())

    def entropy(self) -> Tensor:
        k = self.concentration
        return EULER * (1 - 1 / k) + (self.scale / k).log() + 1


class Kumaraswamy(TransformedDistribution):
    """On (0, 1), with a cdf that can be inverted."""

    arg_constraints: ClassVar[Any] = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None):
        self.concentration1, self.concentration0 = tensors(concentration1, concentration0)
        base = Uniform(self.concentration0 * 0, self.concentration0 * 0 + 1, validate_args)
        parts = [PowerTransform(1 / self.concentration0), AffineTransform(1.0, -1.0), PowerTransform(1 / self.concentration1)]
        super().__init__(base, parts, validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._mapped(self.base_dist.rsample(sample_shape).clamp(2**-24, 1 - 2**-24))

    def _moment(self, n: int) -> Tensor:
        arg = 1 + n / self.concentration1
        b = self.concentration0
        return b * (lgamma(arg) + lgamma(b) - lgamma(arg + b)).exp()

    @property
    def mean(self) -> Tensor:
        return self._moment(1)

    @property
    def variance(self) -> Tensor:
        return self._moment(2) - self._moment(1) ** 2

    def entropy(self) -> Tensor:
        t1, t0 = 1 - 1 / self.concentration1, 1 - 1 / self.concentration0
        harmonic = digamma(self.concentration0 + 1) + EULER
        return t0 + t1 * harmonic - self.concentration1.log() - self.concentration0.log()


class _Half(Distribution):
    """The absolute value of a distribution around 0."""

    has_rsample = True
    arg_constraints: ClassVar[Any] = {"scale": constraints.positive}
    support = constraints.nonnegative
    of: ClassVar[type[Normal] | type[Cauchy]]

    def __init__(self, scale: Any, validate_args: bool | None = None):
        self.base_dist = self.of(0.0, scale, False)
        self.scale = self.base_dist.scale
        super().__init__(self.scale.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape).abs()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value: Tensor) -> Tensor:
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() - math.log(2)

    @property
    def mode(self) -> Tensor:
        return self.scale * 0


class HalfNormal(_Half):
    """The absolute value of a Normal around 0."""

    of = Normal

    @property
    def mean(self) -> Tensor:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        return self.scale**2 * (1 - 2 / math.pi)


class HalfCauchy(_Half):
    """The absolute value of a Cauchy around 0."""

    of = Cauchy

    @property
    def mean(self) -> Tensor:
        return self.scale * math.inf

    @property
    def variance(self) -> Tensor:
        return self.scale * math.inf
