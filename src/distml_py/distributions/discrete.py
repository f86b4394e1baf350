"""Distributions over whole numbers, given as probabilities or as logits (logarithms of odds, or unnormalised logarithms)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ..functions.activation import softplus
from ..functions.token import one_hot
from ..sampling import multinomial
from ..tensor import Tensor, no_grad
from .distribution import Distribution, tensors, uniform


def _one_of(kind: str, probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise ShapeError(f"{kind} takes either probs or logits, got {'neither' if probs is None else 'both'}")


class Bernoulli(Distribution):
    """1 with probability probs, else 0."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        _one_of("Bernoulli", probs, logits)
        if probs is None:
            (self.logits,) = tensors(logits)
            self.probs = self.logits.sigmoid()
        else:
            (self.probs,) = tensors(probs)
            tiny = 1.1920929e-07
            inside = self.probs.clamp(tiny, 1 - tiny)
            self.logits = inside.log() - (-inside).log1p()
        super().__init__(self.probs.shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return (uniform(self._extended(sample_shape)) < self.probs).float()

    def log_prob(self, value: Tensor) -> Tensor:
        return -(softplus(self.logits) - self.logits * value)

    def entropy(self) -> Tensor:
        return softplus(self.logits) - self.logits * self.probs

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)


class Categorical(Distribution):
    """A class number; probs or logits: (..., classes), normalised here."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        _one_of("Categorical", probs, logits)
        given: Tensor = logits if probs is None else probs
        if given.ndim < 1:
            raise ShapeError(f"Categorical takes (..., classes), got shape {tuple(given.shape)}")
        if probs is None:
            self.logits = logits - logits.logsumexp(-1, keepdim=True)
            self.probs = self.logits.softmax(-1)
        else:
            self.probs = probs / probs.sum(-1, keepdim=True)
            tiny = 1.1920929e-07
            self.logits = self.probs.clamp(tiny, 1 - tiny).log()
        super().__init__(given.shape[:-1])

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """int32, of shape sample_shape + batch_shape."""
        count = 1
        for size in sample_shape:
            count *= size
        with no_grad():
            lines = self.probs.reshape(-1, self.probs.shape[-1])
            return multinomial(lines, count, replacement=True).t().reshape(self._extended(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        value = value.long()
        shape = (*value.shape, 1)
        room = max(len(shape), self.logits.ndim)
        logits = self.logits.reshape(*(1,) * (room - self.logits.ndim), *self.logits.shape)
        index = value.unsqueeze(-1).reshape(*(1,) * (room - len(shape)), *shape)
        sizes = [max(a, b) for a, b in zip(logits.shape[:-1], index.shape[:-1], strict=True)]
        return logits.expand(*sizes, logits.shape[-1]).gather(-1, index.expand(*sizes, 1)).squeeze(-1)

    def entropy(self) -> Tensor:
        return -(self.logits.clamp(min=-3.4e38) * self.probs).sum(-1)


class OneHotCategorical(Distribution):
    """A one-hot vector; probs or logits: (..., classes)."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self._categorical = Categorical(probs, logits)
        self.probs, self.logits = self._categorical.probs, self._categorical.logits
        super().__init__(self.probs.shape[:-1], self.probs.shape[-1:])

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return one_hot(self._categorical.sample(sample_shape), self.probs.shape[-1]).float()

    def log_prob(self, value: Tensor) -> Tensor:
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        return self._categorical.entropy()

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)


class Geometric(Distribution):
    """How often 0 comes before the first 1, each 1 with probability probs."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        known = Bernoulli(probs, logits)
        self.probs, self.logits = known.probs, known.logits
        super().__init__(self.probs.shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return ((1 - uniform(self._extended(sample_shape))).log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        return value * (-self.probs).log1p() + self.probs.log()

    @property
    def mean(self) -> Tensor:
        return 1 / self.probs - 1

    @property
    def variance(self) -> Tensor:
        return (1 / self.probs - 1) / self.probs
