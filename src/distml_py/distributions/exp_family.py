"""ExponentialFamily: for distributions of one's own whose entropy follows from their log-normalizer."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError
from ..gradients import grad
from ..tensor import Tensor
from .distribution import Distribution


class ExponentialFamily(Distribution):
    """Densities exp(<t(x), parameters> - F(parameters) + k(x)). Subclasses define _natural_params, a tuple, _log_normalizer(*them),
    which is F, and _mean_carrier_measure, the mean of k."""

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise UnsupportedError(f"not implemented: {type(self).__name__}._natural_params; define it, or entropy() itself")

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise UnsupportedError(f"not implemented: {type(self).__name__}._log_normalizer; define it, or entropy() itself")

    @property
    def _mean_carrier_measure(self) -> Any:
        raise UnsupportedError(f"not implemented: {type(self).__name__}._mean_carrier_measure; define it, or entropy() itself")

    def entropy(self) -> Tensor:
        """F - <parameters, dF/dparameters> - the mean of k (Nielsen and Nock 2010)."""
        parameters, norm, slopes = _linear(self)
        found = norm - self._mean_carrier_measure
        for parameter, slope in zip(parameters, slopes, strict=True):
            found = found - (parameter * slope).reshape(*self.batch_shape, -1).sum(-1)
        return found if any(each.requires_grad for each in self._natural_params) else found.detach()


def _linear(family: ExponentialFamily) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """Parameters, the log-normalizer there, and its slopes. Gradients reach the parameters, which they do not in PyTorch."""
    parameters = [each if each.requires_grad else each.detach().requires_grad_() for each in family._natural_params]
    norm = family._log_normalizer(*parameters)
    return parameters, norm, [slope for slope in grad(norm.sum(), parameters, create_graph=True) if slope is not None]


def bregman(p: ExponentialFamily, q: ExponentialFamily) -> Tensor:
    """kl_divergence(p, q) of two of one kind: the Bregman divergence of the log-normalizer. Raises UnsupportedError for others.

    Source: Nielsen and Nock 2010, equation 4.
    """
    if type(p) is not type(q):
        raise UnsupportedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman divergences: "
            f"{type(p).__name__} and {type(q).__name__}; nearest is a mean of log_prob()"
        )
    (parameters, norm, slopes), others = _linear(p), q._natural_params
    found = q._log_normalizer(*others) - norm
    for parameter, other, slope in zip(parameters, others, slopes, strict=True):
        part = (other - parameter) * slope
        own = part.ndim - found.ndim  # the dimensions of one draw
        found = found - (part.sum(tuple(range(-own, 0))) if own > 0 else part)
    return found if any(each.requires_grad for each in (*p._natural_params, *others)) else found.detach()
