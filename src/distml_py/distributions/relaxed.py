"""Draws near 0 and 1, or near one-hot vectors, through which gradients pass (Maddison et al. 2017; Jang et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..functions.activation import softplus
from ..tensor import Tensor
from ..tensor.gamma import lgamma
from . import constraints
from .discrete import CHANCE, CHANCES, Categorical, chance
from .distribution import Distribution, tensors, uniform


class RelaxedBernoulli(Distribution):
    """Bernoulli's, the nearer to 0 and 1 the lower the temperature."""

    has_rsample = True
    arg_constraints: ClassVar[Any] = CHANCE
    support = constraints.unit_interval

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self.probs, self.logits = chance("RelaxedBernoulli", probs, logits)
        (self.temperature,), self._is_probs = tensors(temperature), probs is not None
        super().__init__(self.probs.shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> RelaxedBernoulli:
        (name,) = self._given()
        return RelaxedBernoulli(self.temperature, **{name: getattr(self, name).expand(*batch_shape)})

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        u = uniform(self._extended(sample_shape)).clamp(2**-23, 1 - 2**-23)
        return ((u.log() - (-u).log1p() + self.logits) / self.temperature).sigmoid()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        inside = value.clamp(2**-23, 1 - 2**-23)
        odds = inside.log() - (-inside).log1p()
        gap = self.logits - odds * self.temperature
        score = self.temperature.log() + gap - 2 * gap.exp().log1p()
        return score + softplus(odds) + softplus(-odds)


class RelaxedOneHotCategorical(Distribution):
    """OneHotCategorical's, the nearer to one-hot the lower the temperature."""

    has_rsample = True
    arg_constraints: ClassVar[Any] = CHANCES
    support = constraints.simplex

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        known = Categorical(probs, logits, validate_args)
        self.probs, self.logits, self._is_probs = known.probs, known.logits, probs is not None
        (self.temperature,) = tensors(temperature)
        super().__init__(self.probs.shape[:-1], self.probs.shape[-1:], False)
        self._validate_args = known._validate_args

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> RelaxedOneHotCategorical:
        (name,) = self._given()
        return RelaxedOneHotCategorical(self.temperature, **{name: getattr(self, name).expand(*batch_shape, *self.event_shape)})

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        u = uniform(self._extended(sample_shape)).clamp(2**-23, 1 - 2**-23)
        return ((self.logits - (-u.log()).log()) / self.temperature).softmax(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        count = self.event_shape[0]
        scale = lgamma(self.temperature * 0 + float(count)) + (count - 1) * self.temperature.log()
        score = self.logits - value.log() * self.temperature
        return (score - score.logsumexp(-1, keepdim=True)).sum(-1) + scale - value.log().sum(-1)
