"""MultivariateNormal, also of low rank, and mixtures. Their factors are factors.py's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..creation import eye
from ..errors import ShapeError
from ..linalg import inv
from ..tensor import Tensor, no_grad
from . import constraints
from .discrete import Categorical
from .distribution import LOG_2PI, Centred, Distribution, standard_normal
from .factors import cholesky, half_log_det, of_precision, solved


class MultivariateNormal(Centred):
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
            lower = of_precision(given[0])
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
        return half_log_det(self.scale_tril)

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
    def variance(self) -> Tensor:
        return (self.scale_tril**2).sum(-1).expand(*self.batch_shape, *self.event_shape)


class LowRankMultivariateNormal(Centred):
    """loc: (..., n); its covariance is cov_factor cov_factor^T + diag(cov_diag), of shapes (..., n, rank) and (..., n).

    Scored by the matrix I + W^T D^-1 W of the rank's size (Woodbury 1950).
    """

    has_rsample = True
    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector

    def __init__(self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None):
        if loc.ndim < 1:
            raise ShapeError("loc must be at least one-dimensional: LowRankMultivariateNormal takes (..., n), got shape ()")
        size = loc.shape[-1]
        if cov_factor.ndim < 2 or cov_factor.shape[-2] != size:
            raise ShapeError(f"cov_factor must be a batch of matrices with shape {size} x m, got {cov_factor.shape}")
        if cov_diag.shape[-1:] != (size,):
            raise ShapeError(f"cov_diag must be a batch of vectors with shape ({size},), got {cov_diag.shape}")
        batch = (loc[..., 0] + cov_factor[..., 0, 0] + cov_diag[..., 0]).shape
        self.loc, self.cov_diag = loc.expand(*batch, size), cov_diag.expand(*batch, size)
        self.cov_factor = cov_factor.expand(*batch, size, cov_factor.shape[-1])
        self._weighed = cov_factor.mT / cov_diag.unsqueeze(-2)
        self._inner = cholesky(self._weighed @ cov_factor + eye(cov_factor.shape[-1], dtype=loc.dtype))
        super().__init__(batch, (size,), validate_args)

    def _log_det(self) -> Tensor:
        """Half the logarithm of the covariance's determinant."""
        return half_log_det(self._inner) + self.cov_diag.log().sum(-1) / 2

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        size = self._extended(sample_shape)
        common = standard_normal((*size[:-1], self.cov_factor.shape[-1]))
        own = self.cov_diag.sqrt() * standard_normal(size)
        return self.loc + (self.cov_factor @ common.unsqueeze(-1)).squeeze(-1) + own

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        away = value - self.loc
        inner = solved(self._inner, (self._weighed @ away.unsqueeze(-1)).squeeze(-1))
        square = (away * away / self.cov_diag).sum(-1) - (inner * inner).sum(-1)
        return -0.5 * (square + self.event_shape[0] * LOG_2PI) - self._log_det()

    def entropy(self) -> Tensor:
        return 0.5 * self.event_shape[0] * (1 + LOG_2PI) + self._log_det()

    @property
    def covariance_matrix(self) -> Tensor:
        return self.cov_factor @ self.cov_factor.mT + self.cov_diag.diag_embed()

    @property
    def scale_tril(self) -> Tensor:
        return cholesky(self.covariance_matrix)

    @property
    def precision_matrix(self) -> Tensor:
        return inv(self.covariance_matrix)

    @property
    def variance(self) -> Tensor:
        return (self.cov_factor**2).sum(-1) + self.cov_diag


class MixtureSameFamily(Distribution):
    """A Categorical over the last batch dimension of a distribution."""

    def __init__(self, mixture_distribution: Categorical, component_distribution: Distribution, validate_args: bool | None = None):
        batch = tuple(component_distribution.batch_shape)
        if not batch or mixture_distribution.logits.shape[-1] != batch[-1]:
            classes = mixture_distribution.logits.shape[-1]
            raise ShapeError(f"MixtureSameFamily: {classes} components are named, the distribution's batch is {batch}")
        self.mixture_distribution, self.component_distribution = mixture_distribution, component_distribution
        super().__init__(batch[:-1], component_distribution.event_shape, validate_args)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"

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
