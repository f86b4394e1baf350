"""ExponentialFamily: for distributions of one's own whose entropy follows from their log-normalizer."""

from __future__ import annotations

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
    def _mean_carrier_measure(self) -> float:
        raise UnsupportedError(f"not implemented: {type(self).__name__}._mean_carrier_measure; define it, or entropy() itself")

    def entropy(self) -> Tensor:
        """F - <parameters, dF/dparameters> - the mean of k (Nielsen and Nock 2010)."""
        parameters = [each.detach().requires_grad_() for each in self._natural_params]
        norm = self._log_normalizer(*parameters)
        found = norm - self._mean_carrier_measure
        for parameter, slope in zip(parameters, grad(norm.sum(), parameters, create_graph=True), strict=True):
            assert slope is not None
            found = found - (parameter * slope).reshape(*self.batch_shape, -1).sum(-1)
        return found
