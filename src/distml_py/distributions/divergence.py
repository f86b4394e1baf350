"""kl_divergence(p, q), in closed form, for pairs of one kind."""

from __future__ import annotations

from ..errors import UnsupportedError
from ..tensor import Tensor, stack, where
from .continuous import Exponential, Laplace, Normal, Uniform
from .discrete import Bernoulli, Categorical
from .distribution import Distribution, Independent
from .gamma import Beta, Dirichlet, Gamma
from .multivariate import MultivariateNormal, solved


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The mean of log p - log q over p, in nats. Raises UnsupportedError for pairs without a formula here."""
    match p, q:
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
        case MultivariateNormal(), MultivariateNormal():
            spread = stack([solved(q.scale_tril, column) for column in p.scale_tril.unbind(-1)], -1)
            away = solved(q.scale_tril, q.loc - p.loc)
            trace = (spread * spread).sum((-2, -1)) + (away * away).sum(-1)
            return q._log_det() - p._log_det() + 0.5 * (trace - p.event_shape[0])
        case Independent(), Independent() if p.count == q.count:
            return p._added(kl_divergence(p.base_dist, q.base_dist))
    raise UnsupportedError(
        f"not implemented: kl_divergence({type(p).__name__}, {type(q).__name__}); nearest is a mean of log_prob()"
    )
