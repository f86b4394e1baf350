"""kl_divergence(p, q), in closed form, for pairs of one kind; see divergence_pairs.py for those of two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import UnsupportedError
from ..tensor import Tensor, stack, where
from ..tensor.gamma import lgamma
from .continuous import EULER, Exponential, Gumbel, Laplace, Normal, Uniform
from .counts import Binomial, Poisson
from .discrete import Bernoulli, Categorical, Geometric, OneHotCategorical
from .distribution import Distribution, Independent
from .divergence_pairs import across
from .exp_family import ExponentialFamily, bregman
from .factors import half_log_det, solved
from .gamma import Beta, Dirichlet, Gamma, InverseGamma
from .multivariate import LowRankMultivariateNormal, MultivariateNormal
from .transformed import HalfCauchy, HalfNormal, LogNormal, TransformedDistribution

Divergence = Callable[[Any, Any], Tensor]
_registered: dict[tuple[type, type], Divergence] = {}  # what may change in this module, in one place


def register_kl(type_p: type, type_q: type) -> Callable[[Divergence], Divergence]:
    """A decorator: a function that gives kl_divergence(p, q) for such a pair, or for kinds made of them."""

    def register(fun: Divergence) -> Divergence:
        _registered[(type_p, type_q)] = fun
        return fun

    return register


def _told(p: Distribution, q: Distribution) -> Divergence | None:
    """The registered function of the nearest pair of kinds."""
    pairs = [(a, b) for a in type(p).__mro__ for b in type(q).__mro__ if (a, b) in _registered]
    return _registered[pairs[0]] if pairs else None


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The mean of log p - log q over p, in nats. Raises UnsupportedError for pairs without a formula here."""
    own = _told(p, q)
    if own is not None:
        return own(p, q)
    match p, q:
        case LogNormal() | HalfNormal() | HalfCauchy(), LogNormal() | HalfNormal() | HalfCauchy() if type(p) is type(q):
            return kl_divergence(p.base_dist, q.base_dist)
        case InverseGamma(), InverseGamma():
            return kl_divergence(p._gamma, q._gamma)
        case Normal(), Normal():
            ratio = (p.scale / q.scale) ** 2
            return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())
        case Bernoulli(), Bernoulli():
            one = p.probs * (p.probs / q.probs).log()
            return one + (1 - p.probs) * ((1 - p.probs) / (1 - q.probs)).log()
        case Categorical(), Categorical():
            return (p.probs * (p.logits - q.logits)).sum(-1)
        case Exponential(), Exponential():
            ratio = q.rate / p.rate
            return ratio - 1 - ratio.log()
        case Laplace(), Laplace():
            gap = (p.loc - q.loc).abs()
            return (q.scale / p.scale).log() + gap / q.scale + p.scale / q.scale * (-gap / p.scale).exp() - 1
        case Uniform(), Uniform():
            return where((q.low > p.low) | (q.high < p.high), float("inf"), ((q.high - q.low) / (p.high - p.low)).log())
        case Gamma(), Gamma():
            a, b = p.concentration, q.concentration
            return b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma() + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)
        case Dirichlet(), Dirichlet():
            a, b = p.concentration, q.concentration
            total = a.sum(-1, keepdim=True).digamma()
            return q._normalizer() - p._normalizer() + ((a - b) * (a.digamma() - total)).sum(-1)
        case Beta(), Beta():
            return kl_divergence(p._both, q._both)
        case MultivariateNormal() | LowRankMultivariateNormal(), MultivariateNormal() | LowRankMultivariateNormal():
            return _of_normals(p.loc, p.scale_tril, q.loc, q.scale_tril)
        case Independent(), Independent() if p.reinterpreted_batch_ndims == q.reinterpreted_batch_ndims:
            return p._added(kl_divergence(p.base_dist, q.base_dist))
    found = _of_counts(p, q)
    found = across(p, q) if found is None else found
    if found is not None:
        return found
    if isinstance(p, TransformedDistribution) and isinstance(q, TransformedDistribution) and p.transforms == q.transforms:
        return kl_divergence(p.base_dist, q.base_dist)
    if isinstance(p, ExponentialFamily) and isinstance(q, ExponentialFamily):
        return bregman(p, q)
    raise UnsupportedError(
        f"not implemented: kl_divergence({type(p).__name__}, {type(q).__name__}); nearest is a mean of log_prob()"
    )


def _of_normals(loc: Tensor, lower: Tensor, other_loc: Tensor, other: Tensor) -> Tensor:
    """Of normals of several dimensions, by their means and their covariances' factors."""
    spread = stack([solved(other, column) for column in lower.unbind(-1)], -1)
    away = solved(other, other_loc - loc)
    trace = (spread * spread).sum((-2, -1)) + (away * away).sum(-1)
    return half_log_det(other) - half_log_det(lower) + 0.5 * (trace - loc.shape[-1])


def _of_counts(p: Distribution, q: Distribution) -> Tensor | None:
    match p, q:
        case OneHotCategorical(), OneHotCategorical():
            return kl_divergence(p._categorical, q._categorical)
        case Poisson(), Poisson():
            return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)
        case Geometric(), Geometric():
            return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits
        case Binomial(), Binomial():
            one = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
            return where(p.total_count > q.total_count, float("inf"), p.total_count * one)
        case Gumbel(), Gumbel():
            ratio = p.scale / q.scale
            first, second = q.loc / q.scale, p.loc / q.scale
            grown = (first - second + lgamma(1 + ratio)).exp()
            return q.scale.log() - p.scale.log() - first + second + ratio * EULER + grown - (1 + EULER)
    return None
