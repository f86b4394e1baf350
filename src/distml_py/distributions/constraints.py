"""Where a parameter or a draw may lie: check(value) says it for each. PyTorch's torch.distributions.constraints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..dtypes import BOOL
from ..errors import ArgumentError, UnsupportedError
from ..linalg import eigvalsh
from ..tensor import Tensor
from ..tensor import cat as _cat
from ..tensor import stack as _stack


class Constraint:
    """is_discrete: of whole numbers. event_dim: how many dimensions make one value. Subclasses define check."""

    is_discrete = False
    event_dim = 0

    def check(self, value: Tensor) -> Tensor:
        """Of the shape of value without its last event_dim dimensions."""
        raise UnsupportedError(f"not implemented: {type(self).__name__}.check; define check(self, value)")

    def __repr__(self) -> str:
        return f"{type(self).__name__.removeprefix('_')}()"


def _whole(value: Tensor) -> Tensor:
    return value % 1 == 0


def _of_matrix(each: Tensor) -> Tensor:
    return each.reshape(*each.shape[:-2], -1).all(-1)


class _Dependent(Constraint):
    """A support that depends on the parameters, as a class has it; instances say it themselves."""

    def __init__(self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented):
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def _known(self, word: str) -> Any:
        found = self.__dict__[f"_{word}"]
        if found is NotImplemented:
            raise UnsupportedError(f".{word} cannot be determined statically; ask an instance's support for it")
        return found

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return bool(self._known("is_discrete"))

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return int(self._known("event_dim"))

    def __call__(self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented) -> _Dependent:
        return _Dependent(
            is_discrete=self._is_discrete if is_discrete is NotImplemented else is_discrete,
            event_dim=self._event_dim if event_dim is NotImplemented else event_dim,
        )

    def check(self, value: Tensor) -> Tensor:
        raise ArgumentError("Cannot determine validity of dependent constraint; ask an instance's support")


class _DependentProperty(property, _Dependent):
    """A property that a class shows as a dependent constraint. As a decorator, with or without arguments."""

    def __init__(self, fn: Callable[..., Any] | None = None, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented):
        property.__init__(self, fn)
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def __call__(self, fn: Callable[..., Any]) -> _DependentProperty:  # type: ignore[override]
        return _DependentProperty(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


def is_dependent(constraint: Any) -> bool:
    return isinstance(constraint, _Dependent)


class _IndependentConstraint(Constraint):
    """A constraint on each of several values that count as one."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int):
        self.base_constraint, self.reinterpreted_batch_ndims = base_constraint, reinterpreted_batch_ndims

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def check(self, value: Tensor) -> Tensor:
        found, count = self.base_constraint.check(value), self.reinterpreted_batch_ndims
        if found.ndim < count:
            raise ArgumentError(f"Expected value.dim() >= {self.event_dim} but got {value.ndim}")
        return found.reshape(*found.shape[: found.ndim - count], -1).all(-1) if count else found

    def __repr__(self) -> str:
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


# ---------------------------------------------------------------- numbers, each by itself


class _Real(Constraint):
    def check(self, value: Tensor) -> Tensor:
        return value == value  # all but NaN


class _Boolean(Constraint):
    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return (value == 0) | (value == 1)


class _Bounded(Constraint):
    """Its bounds are attributes by PyTorch's names."""

    def __repr__(self) -> str:
        return f"{type(self).__name__[1:]}({', '.join(f'{name}={value}' for name, value in vars(self).items())})"


class _From(_Bounded):
    def __init__(self, lower_bound: Any):
        self.lower_bound = lower_bound


class _To(_Bounded):
    def __init__(self, upper_bound: Any):
        self.upper_bound = upper_bound


class _Between(_Bounded):
    def __init__(self, lower_bound: Any, upper_bound: Any):
        self.lower_bound, self.upper_bound = lower_bound, upper_bound


class _GreaterThan(_From):
    def check(self, value: Tensor) -> Tensor:
        return value > self.lower_bound


class _GreaterThanEq(_From):
    def check(self, value: Tensor) -> Tensor:
        return value >= self.lower_bound


class _LessThan(_To):
    def check(self, value: Tensor) -> Tensor:
        return value < self.upper_bound


class _Interval(_Between):
    def check(self, value: Tensor) -> Tensor:
        return (value >= self.lower_bound) & (value <= self.upper_bound)


class _HalfOpenInterval(_Between):
    def check(self, value: Tensor) -> Tensor:
        return (value >= self.lower_bound) & (value < self.upper_bound)


class _IntegerInterval(_Between):
    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return _whole(value) & (value >= self.lower_bound) & (value <= self.upper_bound)


class _IntegerGreaterThan(_From):
    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return _whole(value) & (value >= self.lower_bound)


# ---------------------------------------------------------------- vectors and matrices


class _OneHot(Constraint):
    is_discrete, event_dim = True, 1

    def check(self, value: Tensor) -> Tensor:
        return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)


class _Simplex(Constraint):
    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


class _Multinomial(_To):
    is_discrete, event_dim = True, 1

    def check(self, value: Tensor) -> Tensor:
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)


class _LowerTriangular(Constraint):
    event_dim = 2

    def check(self, value: Tensor) -> Tensor:
        return _of_matrix(value.tril() == value)


class _LowerCholesky(_LowerTriangular):
    def check(self, value: Tensor) -> Tensor:
        return super().check(value) & (value.diagonal(0, -2, -1) > 0).all(-1)


class _CorrCholesky(_LowerCholesky):
    """Rows of length 1, too: the factor of a correlation matrix."""

    def check(self, value: Tensor) -> Tensor:
        far = ((value * value).sum(-1).sqrt() - 1).abs() > 1.2e-6 * value.shape[-1]
        return super().check(value) & ~far.any(-1)


class _Square(Constraint):
    event_dim = 2

    def check(self, value: Tensor) -> Tensor:
        even = value.shape[-1] == value.shape[-2]
        return value.new_ones(value.shape[:-2], dtype=BOOL) if even else value.new_zeros(value.shape[:-2], dtype=BOOL)


class _Symmetric(_Square):
    def check(self, value: Tensor) -> Tensor:
        square = super().check(value)
        if value.shape[-1] != value.shape[-2]:
            return square
        return _of_matrix((value - value.mT).abs() <= 1e-6 * value.abs().amax())


class _PositiveSemidefinite(_Symmetric):
    def check(self, value: Tensor) -> Tensor:
        even = super().check(value)
        return even & (eigvalsh(value.detach()) >= 0).all(-1) if value.shape[-1] == value.shape[-2] else even


class _PositiveDefinite(_Symmetric):
    def check(self, value: Tensor) -> Tensor:
        even = super().check(value)
        return even & (eigvalsh(value.detach()) > 0).all(-1) if value.shape[-1] == value.shape[-2] else even


# ---------------------------------------------------------------- several


class _Several(Constraint):
    def __init__(self, cseq: Sequence[Constraint], dim: int = 0):
        self.cseq, self.dim = list(cseq), dim

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return any(each.is_discrete for each in self.cseq)


class _Cat(_Several):
    """Each constraint for its part along dim, of so many numbers."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0, lengths: Sequence[int] | None = None):
        super().__init__(cseq, dim)
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return max(each.event_dim for each in self.cseq)

    def check(self, value: Tensor) -> Tensor:
        parts = zip(self.cseq, value.split(self.lengths, self.dim), strict=True)
        return _cat([each.check(part) for each, part in parts], self.dim)


class _Stack(_Several):
    """Each constraint for its slice along dim."""

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        most = max(each.event_dim for each in self.cseq)
        return most + 1 if self.dim + most < 0 else most

    def check(self, value: Tensor) -> Tensor:
        parts = zip(self.cseq, value.unbind(self.dim), strict=True)
        return _stack([each.check(part) for each, part in parts], self.dim)


dependent, dependent_property, independent = _Dependent(), _DependentProperty, _IndependentConstraint
real, boolean, one_hot, simplex = _Real(), _Boolean(), _OneHot(), _Simplex()
real_vector = independent(real, 1)
greater_than, greater_than_eq, less_than = _GreaterThan, _GreaterThanEq, _LessThan
interval, half_open_interval, integer_interval = _Interval, _HalfOpenInterval, _IntegerInterval
positive, nonnegative, unit_interval = greater_than(0.0), greater_than_eq(0.0), interval(0.0, 1.0)
nonnegative_integer, positive_integer = _IntegerGreaterThan(0), _IntegerGreaterThan(1)
multinomial, cat, stack = _Multinomial, _Cat, _Stack
lower_triangular, lower_cholesky, corr_cholesky = _LowerTriangular(), _LowerCholesky(), _CorrCholesky()
square, symmetric = _Square(), _Symmetric()
positive_semidefinite, positive_definite = _PositiveSemidefinite(), _PositiveDefinite()
