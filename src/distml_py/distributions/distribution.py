"""What all distributions share: shapes, parameters that are looked at, numbers as tensors. None of them is here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from .. import creation, engine, live, sampling
from ..errors import ArgumentError, UnsupportedError
from ..size import Size
from ..tensor import Tensor, no_grad
from ..tensor.joining import broadcast_tensors
from .constraints import Constraint


class Distribution:
    """batch_shape: independent distributions side by side; event_shape: the shape of one draw of one of them.

    validate_args: parameters, and values that are scored, are looked at, which waits for the device. By default that is done
    where nothing waits: on the reference backend, outside of captured steps.
    """

    has_rsample = False
    arg_constraints: ClassVar[Any] = {}
    support: Any = None
    _validates: ClassVar[bool] = __debug__

    def __init__(self, batch_shape: Sequence[int] = (), event_shape: Sequence[int] = (), validate_args: bool | None = None) -> None:
        self.batch_shape, self.event_shape = Size(batch_shape), Size(event_shape)
        cheap = not engine.backend().on_gpu and live.state.recorder is None
        self._validate_args = Distribution._validates and cheap if validate_args is None else validate_args
        if self._validate_args:
            for name in self._given():
                self._check_parameter(name, self.arg_constraints[name])

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions without validate_args look at their numbers."""
        Distribution._validates = bool(value)

    def _given(self) -> list[str]:
        """The parameters that this distribution was made of; of probs and logits the one that was given."""
        names = [name for name in self.arg_constraints if isinstance(self.__dict__.get(name), Tensor)]
        other = {True: "logits", False: "probs"}.get(self.__dict__.get("_is_probs"))  # type: ignore[arg-type]
        return [name for name in names if name != other]

    def _check_parameter(self, name: str, constraint: Constraint) -> None:
        value = self.__dict__[name].detach()
        if not bool(constraint.check(value).all()):
            raise ArgumentError(
                f"Expected parameter {name} (Tensor of shape {tuple(value.shape)}) of distribution {self!r} to "
                f"satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
            )

    def _validate_sample(self, value: Tensor) -> None:
        """Raises ArgumentError for a value that cannot be drawn, where that is looked at."""
        if not self._validate_args or not isinstance(self.support, Constraint):
            return
        if not isinstance(value, Tensor):
            raise ArgumentError(f"The value argument to log_prob must be a Tensor, got {type(value).__name__}")
        if not bool(self.support.check(value.detach()).all()):
            raise ArgumentError(
                f"Expected value argument (Tensor of shape {tuple(value.shape)}) to be within the support ({self.support!r}) of "
                f"the distribution {self!r}, but found invalid values:\n{value.detach()}"
            )

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Self:
        """The same distributions, repeated to this batch_shape."""
        tail = len(self.batch_shape)
        parts = {name: getattr(self, name) for name in self._given()}
        return type(self)(**{name: value.expand(*batch_shape, *value.shape[tail:]) for name, value in parts.items()})

    def _extended(self, sample_shape: Sequence[int]) -> tuple[int, ...]:
        return (*sample_shape, *self.batch_shape, *self.event_shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws, outside the gradient's graph: shape sample_shape + batch_shape + event_shape."""
        with no_grad():
            return self.rsample(sample_shape)

    def sample_n(self, n: int) -> Tensor:
        return self.sample((n,))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters. Raises UnsupportedError where there are none."""
        raise UnsupportedError(f"not implemented: {type(self).__name__}.rsample; nearest is sample() and log_prob()")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability, or of its density, at value."""
        raise UnsupportedError(f"not implemented: {type(self).__name__}.log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """How likely a draw of at most value is."""
        raise UnsupportedError(f"not implemented: {type(self).__name__}.cdf; nearest is a mean over draws")

    def icdf(self, value: Tensor) -> Tensor:
        """cdf() undone."""
        raise UnsupportedError(f"not implemented: {type(self).__name__}.icdf; nearest is quantile() of draws")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Every value, along a new first dimension."""
        raise UnsupportedError(f"not implemented: {type(self).__name__}.enumerate_support; nearest is sample()")

    def entropy(self) -> Tensor:
        """In nats."""
        raise UnsupportedError(f"not implemented: {type(self).__name__}.entropy")

    @property
    def mean(self) -> Tensor:
        raise UnsupportedError(f"not implemented: {type(self).__name__}.mean")

    @property
    def mode(self) -> Tensor:
        raise UnsupportedError(f"not implemented: {type(self).__name__}.mode")

    @property
    def variance(self) -> Tensor:
        raise UnsupportedError(f"not implemented: {type(self).__name__}.variance")

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    def perplexity(self) -> Tensor:
        return self.entropy().exp()

    def __repr__(self) -> str:
        values = {name: self.__dict__[name] for name in self._given()}
        shown = ", ".join(f"{name}: {value.detach() if value.numel() == 1 else value.size()}" for name, value in values.items())
        return f"{type(self).__name__}({shown})"


class Centred(Distribution):
    """One that is the same on both sides of its loc, where it is densest."""

    loc: Tensor

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc


class Independent(Distribution):
    """The last reinterpreted_batch_ndims of a distribution's batch as one draw: their log_prob and entropy add up."""

    def __init__(self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None):
        if reinterpreted_batch_ndims > len(base_distribution.batch_shape):
            raise ArgumentError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual "
                f"{reinterpreted_batch_ndims} vs {len(base_distribution.batch_shape)}"
            )
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, reinterpreted_batch_ndims
        whole = (*base_distribution.batch_shape, *base_distribution.event_shape)
        cut = len(base_distribution.batch_shape) - reinterpreted_batch_ndims
        super().__init__(whole[:cut], whole[cut:], validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Independent:
        count = self.reinterpreted_batch_ndims
        own = tuple(self.base_dist.batch_shape)[len(self.base_dist.batch_shape) - count :]
        return Independent(self.base_dist.expand((*batch_shape, *own)), count)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.sample(sample_shape)

    def _added(self, x: Tensor) -> Tensor:
        count = self.reinterpreted_batch_ndims
        return x.sum(tuple(range(-count, 0))) if count else x

    def log_prob(self, value: Tensor) -> Tensor:
        return self._added(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        return self._added(self.base_dist.entropy())

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


def tensors(*values: Any) -> list[Tensor]:
    """Numbers and tensors as tensors of one shape; numbers have the dtype of the first tensor."""
    first = next((v.dtype for v in values if isinstance(v, Tensor)), None)
    kind = first if first is not None and first.is_floating_point else None
    return list(broadcast_tensors(*(v if isinstance(v, Tensor) else creation.tensor(float(v), kind) for v in values)))


def standard_normal(shape: Sequence[int]) -> Tensor:
    return sampling.randn(*shape) if shape else sampling.randn(1).reshape(())


def uniform(shape: Sequence[int]) -> Tensor:
    """On [0, 1)."""
    return sampling.rand(*shape) if shape else sampling.rand(1).reshape(())


LOG_2PI, LOG_PI = math.log(2 * math.pi), math.log(math.pi)
