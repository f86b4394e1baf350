"""MultivariateNormal and mixtures. Factors are made column by column, of arithmetic that differentiates itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .. import live
from ..creation import eye, zeros
from ..errors import ShapeError
from ..linalg import inv
from ..tensor import Tensor, cat, no_grad, stack
from . import constraints
from .discrete import Categorical
from .distribution import LOG_2PI, Distribution, standard_normal


def cholesky(matrix: Tensor) -> Tensor:
    """The lower triangle L with L L^T = matrix, shape (..., n, n). Raises ShapeError where there is none."""
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ShapeError(f"a covariance has the shape (..., n, n), got {matrix.shape}")
    size, columns = matrix.shape[-1], list[Tensor]()
    for place in range(size):
        rest = matrix[..., place:, place]
        if columns:
            known = stack(columns, -1)[..., place:, :]
            rest = rest - (known * known[..., :1, :]).sum(-1)
        column = rest / rest[..., :1].sqrt()
        gap = zeros(*matrix.shape[:-2], place, dtype=matrix.dtype)
        columns.append(cat([gap, column], -1) if place else column)
    found = stack(columns, -1)
    if live.state.recorder is None and not bool(found.detach().isfinite().all()):
        raise ShapeError("the covariance is not positive definite: it has no Cholesky factor; add a small multiple of eye(n) to it")
    return found


def solved(lower: Tensor, value: Tensor) -> Tensor:
    """x with lower x = value: lower (..., n, n), value (..., n)."""
    found: list[Tensor] = []
    for place in range(value.shape[-1]):
        rest = value[..., place]
        if found:
            rest = rest - (lower[..., place, :place] * stack(found, -1)).sum(-1)
        found.append(rest / lower[..., place, place])
    return stack(found, -1)


class MultivariateNormal(Distribution):
    """loc: (..., n); one of covariance_matrix, precision_matrix and scale_tril, (..., n, n), gives its spread."""

    has_rsample = True
    arg_constraints: ClassVar[Any] = {"loc": constraints.real_vector, "scale_tril": constraints.lower_cholesky}
    support = constraints.real_vector

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ):
        given = [matrix for matrix in (covariance_matrix, precision_matrix, scale_tril) if matrix is not None]
        if len(given) != 1:
            what = "covariance_matrix, precision_matrix and scale_tril"
            raise ShapeError(f"MultivariateNormal takes exactly one of {what}, got {len(given)}")
        size = loc.shape[-1] if loc.ndim else 0
        if given[0].shape[-2:] != (size, size) or not size:
            raise ShapeError(f"MultivariateNormal: loc of shape {loc.shape} needs a matrix of shape (..., {size}, {size})")
        if scale_tril is not None:
            lower = scale_tril
        elif covariance_matrix is not None:
            lower = cholesky(covariance_matrix)
        else:
            lower = _of_precision(given[0])
        batch = (loc[..., :1] + lower[..., 0]).shape[:-1]
        self.loc, self.scale_tril = loc.expand(*batch, size), lower.expand(*batch, size, size)
        self._told = "scale_tril" if precision_matrix is None else "precision_matrix"
        self._told = self._told if covariance_matrix is None else "covariance_matrix"
        super().__init__(batch, (size,), validate_args)

    def __repr__(self) -> str:
        return f"MultivariateNormal(loc: {self.loc.size()}, {self._told}: {self.scale_tril.size()})"

    @property
    def covariance_matrix(self) -> Tensor:
        return self.scale_tril @ self.scale_tril.mT

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        noise = standard_normal(self._extended(sample_shape))
        return self.loc + (self.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def _log_det(self) -> Tensor:
        """Half the logarithm of the covariance's determinant."""
        return self.scale_tril.diagonal(0, -2, -1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        away = solved(self.scale_tril, value - self.loc)
        return -0.5 * ((away * away).sum(-1) + self.event_shape[0] * LOG_2PI) - self._log_det()

    def entropy(self) -> Tensor:
        return 0.5 * self.event_shape[0] * (1 + LOG_2PI) + self._log_det()

    @property
    def precision_matrix(self) -> Tensor:
        return inv(self.covariance_matrix)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return (self.scale_tril**2).sum(-1).expand(*self.batch_shape, *self.event_shape)


def _of_precision(matrix: Tensor) -> Tensor:
    """The covariance's factor, as the inverse of the precision's, turned round."""
    turned = cholesky(matrix.flip(-1, -2)).flip(-1, -2).mT
    size = matrix.shape[-1]
    rows = [solved(turned, column) for column in eye(size, dtype=matrix.dtype).unbind(0)]
    return stack(rows, -1)


class MixtureSameFamily(Distribution):
    """A Categorical over the last batch dimension of a distribution."""

    def __init__(self, mixture_distribution: Categorical, component_distribution: Distribution, validate_args: bool | None = None):
        batch = tuple(component_distribution.batch_shape)
        if not batch or mixture_distribution.logits.shape[-1] != batch[-1]:
            classes = mixture_distribution.logits.shape[-1]
            raise ShapeError(f"MixtureSameFamily: {classes} components are named, the distribution's batch is {batch}")
        self.mixture_distribution, self.component_distribution = mixture_distribution, component_distribution
        super().__init__(batch[:-1], component_distribution.event_shape, validate_args)

    def _padded(self, x: Tensor) -> Tensor:
        return x.unsqueeze(-1 - len(self.event_shape))

    def _shares(self) -> Tensor:
        probs = self.mixture_distribution.probs
        return probs.reshape(*probs.shape, *(1,) * len(self.event_shape))

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            draws = self.component_distribution.sample(sample_shape)
            axis = draws.ndim - 1 - len(self.event_shape)
            which = self._class((*sample_shape, *self.batch_shape))
            which = which.reshape(*which.shape, *(1,) * (1 + len(self.event_shape)))
            shape = [*draws.shape]
            shape[axis] = 1
            return draws.gather(axis, which.expand(*shape)).squeeze(axis)

    def _class(self, size: tuple[int, ...]) -> Tensor:
        mixture = self.mixture_distribution
        missing = len(size) - len(mixture.batch_shape)
        return mixture.sample(size[:missing]) if missing >= 0 else mixture.sample(())

    def log_prob(self, value: Tensor) -> Tensor:
        scores = self.component_distribution.log_prob(self._padded(value))
        return (scores + self.mixture_distribution.logits).logsumexp(-1)

    @property
    def mean(self) -> Tensor:
        return (self._shares() * self.component_distribution.mean).sum(-1 - len(self.event_shape))

    @property
    def variance(self) -> Tensor:
        axis, shares = -1 - len(self.event_shape), self._shares()
        within = (shares * self.component_distribution.variance).sum(axis)
        means: Any = self.component_distribution.mean - self._padded(self.mean)
        return within + (shares * means**2).sum(axis)
