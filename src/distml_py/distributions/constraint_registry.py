"""biject_to and transform_to: from a constraint to a transform of unconstrained numbers into it. PyTorch's registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DtypeError, UnsupportedError
from . import constraints, transforms
from .constraints import Constraint
from .transforms import Transform

Factory = Callable[[Any], Transform]


class ConstraintRegistry:
    """Which function makes the transform of which kind of constraint."""

    def __init__(self) -> None:
        self._registry: dict[type, Factory] = {}

    def register(self, constraint: Any, factory: Factory | None = None) -> Any:
        """constraint: a kind of constraint, or one of them. Without factory: a decorator."""
        if factory is None:
            return lambda given: self.register(constraint, given)
        kind = type(constraint) if isinstance(constraint, Constraint) else constraint
        if not (isinstance(kind, type) and issubclass(kind, Constraint)):
            raise DtypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> Transform:
        """The transform onto a constraint. Raises UnsupportedError for a kind that was not registered."""
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise UnsupportedError(f"Cannot transform {type(constraint).__name__} constraints; register() a transform for them")
        return factory(constraint)


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def _above(constraint: Any) -> Transform:
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(constraint.lower_bound, 1)])


def _below(constraint: Any) -> Transform:
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1)])


def _between(constraint: Any) -> Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)])


def _for_both(registry: ConstraintRegistry) -> None:
    """What both registries know; those of several constraints ask the registry again."""
    tell = registry.register
    tell(constraints.real, lambda constraint: transforms.identity_transform)
    tell(constraints.greater_than, _above)
    tell(constraints.greater_than_eq, _above)
    tell(constraints.less_than, _below)
    tell(constraints.interval, _between)
    tell(constraints.half_open_interval, _between)
    tell(constraints.corr_cholesky, lambda constraint: transforms.CorrCholeskyTransform())
    tell(
        constraints.independent,
        lambda each: transforms.IndependentTransform(registry(each.base_constraint), each.reinterpreted_batch_ndims),
    )
    tell(constraints.cat, lambda each: transforms.CatTransform([registry(c) for c in each.cseq], each.dim, each.lengths))
    tell(constraints.stack, lambda each: transforms.StackTransform([registry(c) for c in each.cseq], each.dim))


_for_both(biject_to)
_for_both(transform_to)
biject_to.register(constraints.simplex, lambda constraint: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda constraint: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda constraint: transforms.LowerCholeskyTransform())
for _kind in (constraints.positive_definite, constraints.positive_semidefinite):
    transform_to.register(_kind, lambda constraint: transforms.PositiveDefiniteTransform())
