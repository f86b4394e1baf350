"""Where a parameter or a draw may lie: check(value) says it for each. PyTorch's torch.distributions.constraints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..linalg import eigvalsh
from ..tensor import Tensor


class Constraint:
    """is_discrete: of whole numbers. event_dim: how many dimensions make one value."""

    is_discrete = False
    event_dim = 0

    def __init__(self, name: str, test: Callable[[Tensor], Tensor], event_dim: int = 0, is_discrete: bool = False):
        self._name, self._test, self.event_dim, self.is_discrete = name, test, event_dim, is_discrete

    def check(self, value: Tensor) -> Tensor:
        """Of the shape of value without its last event_dim dimensions."""
        return self._test(value)

    def __repr__(self) -> str:
        return self._name


def _whole(value: Tensor) -> Tensor:
    return value % 1 == 0


def _triangle(value: Tensor) -> Tensor:
    low = (value.tril() == value).reshape(*value.shape[:-2], -1).all(-1)
    return low & (value.diagonal(0, -2, -1) > 0).all(-1)


def _definite(value: Tensor) -> Tensor:
    even = ((value - value.mT).abs() <= 1e-6 * value.abs().amax()).reshape(*value.shape[:-2], -1).all(-1)
    return even & (eigvalsh(value.detach()) > 0).all(-1)


real = Constraint("Real()", lambda value: value == value)
real_vector = Constraint("IndependentConstraint(Real(), 1)", lambda value: (value == value).all(-1), 1)
boolean = Constraint("Boolean()", lambda value: (value == 0) | (value == 1), is_discrete=True)
one_hot = Constraint("OneHot()", lambda value: ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1), 1, True)
simplex = Constraint("Simplex()", lambda value: (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6), 1)
lower_cholesky = Constraint("LowerCholesky()", _triangle, 2)
positive_definite = Constraint("PositiveDefinite()", _definite, 2)


def greater_than(lower_bound: Any) -> Constraint:
    return Constraint(f"GreaterThan(lower_bound={lower_bound})", lambda value: value > lower_bound)


def greater_than_eq(lower_bound: Any) -> Constraint:
    return Constraint(f"GreaterThanEq(lower_bound={lower_bound})", lambda value: value >= lower_bound)


def less_than(upper_bound: Any) -> Constraint:
    return Constraint(f"LessThan(upper_bound={upper_bound})", lambda value: value < upper_bound)


def interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    name = f"Interval(lower_bound={lower_bound}, upper_bound={upper_bound})"
    return Constraint(name, lambda value: (value >= lower_bound) & (value <= upper_bound))


def half_open_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    name = f"HalfOpenInterval(lower_bound={lower_bound}, upper_bound={upper_bound})"
    return Constraint(name, lambda value: (value >= lower_bound) & (value < upper_bound))


def integer_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    name = f"IntegerInterval(lower_bound={lower_bound}, upper_bound={upper_bound})"
    return Constraint(name, lambda value: _whole(value) & (value >= lower_bound) & (value <= upper_bound), is_discrete=True)


def _integers_from(lower_bound: int) -> Constraint:
    name = f"IntegerGreaterThan(lower_bound={lower_bound})"
    return Constraint(name, lambda value: _whole(value) & (value >= lower_bound), is_discrete=True)


def multinomial(upper_bound: Any) -> Constraint:
    def test(value: Tensor) -> Tensor:
        return (value >= 0).all(-1) & (value.sum(-1) <= upper_bound)

    return Constraint("Multinomial()", test, 1, True)


def independent(base_constraint: Constraint, reinterpreted_batch_ndims: int) -> Constraint:
    """A constraint on each of several values that count as one."""
    count = reinterpreted_batch_ndims

    def test(value: Tensor) -> Tensor:
        found = base_constraint.check(value)
        return found.reshape(*found.shape[: found.ndim - count], -1).all(-1) if count else found

    name = f"IndependentConstraint({base_constraint}, {count})"
    return Constraint(name, test, base_constraint.event_dim + count, base_constraint.is_discrete)


positive, nonnegative = greater_than(0.0), greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
nonnegative_integer, positive_integer = _integers_from(0), _integers_from(1)
dependent = Constraint("Dependent()", lambda value: value == value)
dependent_property = property  # a support that depends on the parameters
