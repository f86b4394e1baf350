"""kl_divergence(p, q) of two kinds: -H(p) less the mean of log q under p, which moments of p give in closed form."""

from __future__ import annotations

import math
from typing import Any

from ..tensor import Tensor, where
from ..tensor.gamma import lgamma
from .bounded import ContinuousBernoulli
from .continuous import EULER, Cauchy, Exponential, Gumbel, Laplace, Normal, Uniform
from .counts import Binomial, Poisson
from .discrete import Bernoulli
from .distribution import Distribution
from .gamma import Beta, Gamma
from .transformed import Pareto

INFINITE = {  # q is 0 where p is not, or its logarithm has no mean
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Laplace: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Normal: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Poisson: (Bernoulli, Binomial),
}


def across(p: Distribution, q: Distribution) -> Tensor | None:
    """The divergence of a pair for which PyTorch has a formula, or None."""
    match p, q:
        case Cauchy(), Cauchy():
            return ((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2).log() - (4 * p.scale * q.scale).log()
        case Pareto(), Pareto():
            ratio = p.scale / q.scale
            found = q.alpha * ratio.log() - (q.alpha / p.alpha).log() + q.alpha / p.alpha - 1
            return where(p.scale < q.scale, math.inf, found)
        case Bernoulli(), Poisson():
            return -p.entropy() - (p.probs * q.rate.log() - q.rate)
    if isinstance(q, INFINITE.get(type(p), ())):
        return p.mean.new_full(p.batch_shape, math.inf)
    told = _mean_of_log(p, q)
    return None if told is None else -p.entropy() - told


def _mean_of_log(p: Distribution, q: Distribution) -> Tensor | None:
    """The mean of log q under p."""
    match p, q:
        case Beta() | ContinuousBernoulli() | Exponential() | Gamma() | Gumbel() | Laplace() | Pareto() | Uniform(), Normal():
            far = p.variance + (p.mean - q.loc) ** 2
            return -0.5 * (2 * math.pi * q.scale**2).log() - far / (2 * q.scale**2)
        case Beta() | ContinuousBernoulli() | Gamma() | Pareto() | Uniform(), Exponential():
            return _positive(p, q.rate.log() - q.rate * p.mean)
        case Beta() | Exponential() | Pareto() | Uniform(), Gamma():
            norm = q.concentration * q.rate.log() - lgamma(q.concentration)
            return _positive(p, norm + (q.concentration - 1) * _log_mean(p) - q.rate * p.mean)
        case Exponential() | Gamma() | Normal() | Uniform(), Gumbel():
            return -q.scale.log() - (p.mean - q.loc) / q.scale - (q.loc / q.scale).exp() * _fallen(p, q.scale)
        case Normal(), Laplace():
            gap = p.loc - q.loc
            away = math.sqrt(2 / math.pi) * p.scale * (-0.5 * (gap / p.scale) ** 2).exp()
            away = away + gap * (math.sqrt(0.5) * gap / p.scale).erf()
            return -(2 * q.scale).log() - away / q.scale
        case ((Beta() | Uniform()), ContinuousBernoulli()):
            told = p.mean * q.logits + (-q.probs).log1p() + q._log_norm()
            return told if isinstance(p, Beta) else where((p.high >= 1) | (p.low <= 0), -math.inf, told)
        case Uniform(), Beta():
            one, zero = q.concentration1, q.concentration0
            norm = lgamma(one + zero) - lgamma(one) - lgamma(zero)
            told = norm + (one - 1) * _log_mean(p) + (zero - 1) * _log_mean(Uniform(1 - p.high, 1 - p.low))
            return where((p.high > 1) | (p.low < 0), -math.inf, told)
        case Uniform(), Pareto():
            told = q.alpha.log() + q.alpha * q.scale.log() - (q.alpha + 1) * _log_mean(p)
            return where(p.low < q.scale, -math.inf, told)
        case Beta(), Uniform():
            return where((q.low > 0) | (q.high < 1), -math.inf, -(q.high - q.low).log())
        case ContinuousBernoulli(), Uniform():
            return where((q.low >= 0) | (q.high <= 1), -math.inf, -(q.high - q.low).log())
    return None


def _positive(p: Distribution, told: Tensor) -> Tensor:
    """told, where no draw of p is below 0."""
    return where(p.low < 0, -math.inf, told) if isinstance(p, Uniform) else told


def _log_mean(p: Any) -> Tensor:
    """The mean of log x."""
    match p:
        case Beta():
            found: Tensor = p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
        case Exponential():
            found = -EULER - p.rate.log()
        case Pareto():
            found = p.scale.log() + 1 / p.alpha
        case _:
            found = (p.high.xlogy(p.high) - p.low.xlogy(p.low)) / (p.high - p.low) - 1
    return found


def _fallen(p: Any, scale: Tensor) -> Tensor:
    """The mean of exp(-x / scale)."""
    match p:
        case Exponential():
            found: Tensor = p.rate / (p.rate + 1 / scale)
        case Gamma():
            found = (1 + 1 / (p.rate * scale)) ** -p.concentration
        case Normal():
            found = (0.5 * (p.scale / scale) ** 2 - p.loc / scale).exp()
        case _:
            found = scale / (p.high - p.low) * ((-p.low / scale).exp() - (-p.high / scale).exp())
    return found
