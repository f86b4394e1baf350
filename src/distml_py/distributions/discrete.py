"""Distributions over classes, given as probabilities or as logits (logarithms). Counts: counts.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .. import creation
from ..errors import ShapeError
from ..functions.activation import softplus
from ..functions.token import one_hot
from ..sampling import multinomial
from ..tensor import Tensor, no_grad, where
from . import constraints
from .distribution import Distribution, tensors, uniform
from .exp_family import ExponentialFamily

TINY = 1.1920929e-07
CHANCE = {"probs": constraints.unit_interval, "logits": constraints.real}
CHANCES = {"probs": constraints.simplex, "logits": constraints.real_vector}


def one_of(kind: str, probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise ShapeError(f"{kind} takes either probs or logits, got {'neither' if probs is None else 'both'}")


def chance(kind: str, probs: Any, logits: Any) -> tuple[Tensor, Tensor]:
    """(probs, logits) of what is given."""
    one_of(kind, probs, logits)
    if probs is None:
        (logits,) = tensors(logits)
        return logits.sigmoid(), logits
    (probs,) = tensors(probs)
    inside = probs.clamp(TINY, 1 - TINY)
    return probs, inside.log() - (-inside).log1p()


class Bernoulli(ExponentialFamily):
    """1 with probability probs, else 0."""

    _mean_carrier_measure = 0

    arg_constraints: ClassVar[Any] = CHANCE
    support = constraints.boolean

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self.probs, self.logits = chance("Bernoulli", probs, logits)
        self._is_probs = probs is not None
        super().__init__(self.probs.shape, validate_args=validate_args)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return (uniform(self._extended(sample_shape)) < self.probs).to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return -(softplus(self.logits) - self.logits * value)

    def entropy(self) -> Tensor:
        return softplus(self.logits) - self.logits * self.probs

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        return softplus(natural_params[0])

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = creation.arange(2, dtype=self.probs.dtype).reshape(2, *(1,) * len(self.batch_shape))
        return values.expand(2, *self.batch_shape) if expand else values

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return where(self.probs == 0.5, float("nan"), (self.probs >= 0.5).to(self.probs.dtype))

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)


class Categorical(Distribution):
    """A class number; probs or logits: (..., classes), normalised here."""

    arg_constraints: ClassVar[Any] = CHANCES

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        one_of("Categorical", probs, logits)
        given: Tensor = logits if probs is None else probs
        if given.ndim < 1:
            raise ShapeError(f"Categorical takes (..., classes), got shape {tuple(given.shape)}")
        self._is_probs = probs is not None
        if probs is None:
            self.logits = logits - logits.logsumexp(-1, keepdim=True)
            self.probs = self.logits.softmax(-1)
        else:
            self.probs = probs / probs.sum(-1, keepdim=True)
            self.logits = self.probs.clamp(TINY, 1 - TINY).log()
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @property
    def support(self) -> Any:
        return constraints.integer_interval(0, self.probs.shape[-1] - 1)

    @property
    def param_shape(self) -> Sequence[int]:
        return self.probs.shape

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """int64, of shape sample_shape + batch_shape."""
        count = 1
        for size in sample_shape:
            count *= size
        with no_grad():
            lines = self.probs.reshape(-1, self.probs.shape[-1])
            return multinomial(lines, count, replacement=True).t().reshape(self._extended(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        value = value.long()
        shape = (*value.shape, 1)
        room = max(len(shape), self.logits.ndim)
        logits = self.logits.reshape(*(1,) * (room - self.logits.ndim), *self.logits.shape)
        index = value.unsqueeze(-1).reshape(*(1,) * (room - len(shape)), *shape)
        sizes = [max(a, b) for a, b in zip(logits.shape[:-1], index.shape[:-1], strict=True)]
        return logits.expand(*sizes, logits.shape[-1]).gather(-1, index.expand(*sizes, 1)).squeeze(-1)

    def entropy(self) -> Tensor:
        return -(self.logits.clamp(min=-3.4e38) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        count = self.probs.shape[-1]
        values = creation.arange(count).reshape(count, *(1,) * len(self.batch_shape))
        return values.expand(count, *self.batch_shape) if expand else values

    @property
    def mean(self) -> Tensor:
        return self.probs.sum(-1) * float("nan")

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Tensor:
        return self.probs.sum(-1) * float("nan")


class OneHotCategorical(Distribution):
    """A one-hot vector; probs or logits: (..., classes)."""

    arg_constraints: ClassVar[Any] = CHANCES
    support = constraints.one_hot

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self._categorical = Categorical(probs, logits, validate_args)
        self._is_probs = probs is not None
        self.probs, self.logits = self._categorical.probs, self._categorical.logits
        super().__init__(self.probs.shape[:-1], self.probs.shape[-1:], False)
        self._validate_args = self._categorical._validate_args

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return one_hot(self._categorical.sample(sample_shape), self.probs.shape[-1]).to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        count = self.event_shape[0]
        values = creation.eye(count, dtype=self.probs.dtype).reshape(count, *(1,) * len(self.batch_shape), count)
        return values.expand(count, *self.batch_shape, count) if expand else values

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return one_hot(self.probs.argmax(-1), self.probs.shape[-1]).to(self.probs.dtype)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """Its draws pass gradients on as if they were the probabilities. Source: Bengio et al. 2013."""

    has_rsample = True

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Geometric(Distribution):
    """How often 0 comes before the first 1, each 1 with probability probs."""

    arg_constraints: ClassVar[Any] = CHANCE
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self.probs, self.logits = chance("Geometric", probs, logits)
        self._is_probs = probs is not None
        super().__init__(self.probs.shape, validate_args=validate_args)
        if self._validate_args and self._is_probs and not bool((self.probs > 0).all()):
            self._check_parameter("probs", constraints.greater_than(0.0))

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return ((1 - uniform(self._extended(sample_shape))).log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return value * (-self.probs).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        return (softplus(self.logits) - self.logits * self.probs) / self.probs

    @property
    def mean(self) -> Tensor:
        return 1 / self.probs - 1

    @property
    def mode(self) -> Tensor:
        return self.probs * 0

    @property
    def variance(self) -> Tensor:
        return (1 / self.probs - 1) / self.probs
