"""Distributions over counts. Poisson and Binomial are drawn by NumPy on the host, which waits for the device: see sampling.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .. import creation, sampling
from ..errors import ArgumentError
from ..functions.token import one_hot
from ..tensor import Tensor, no_grad
from ..tensor.arithmetic import xlogy
from ..tensor.gamma import lgamma
from . import constraints
from .discrete import CHANCE, CHANCES, Categorical, chance
from .distribution import Distribution, tensors
from .exp_family import ExponentialFamily
from .pathwise import standard_gamma


class Poisson(ExponentialFamily):
    """How often something happens that happens rate times on average."""

    arg_constraints: ClassVar[Any] = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None):
        (self.rate,) = tensors(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return sampling.poisson(self.rate.expand(*self._extended(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return xlogy(value, self.rate) - self.rate - lgamma(value + 1)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.rate.log(),)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        return natural_params[0].exp()

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def mode(self) -> Tensor:
        return self.rate.floor()

    @property
    def variance(self) -> Tensor:
        return self.rate


class Binomial(Distribution):
    """How many of total_count tries succeed."""

    arg_constraints: ClassVar[Any] = {"total_count": constraints.nonnegative_integer, **CHANCE}

    def __init__(self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        known, odds = chance("Binomial", probs, logits)
        self.total_count, self.probs, self.logits = tensors(total_count, known, odds)
        self._is_probs = probs is not None
        super().__init__(self.probs.shape, validate_args=validate_args)

    @property
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count.detach())

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        size = self._extended(sample_shape)
        with no_grad():
            return sampling.binomial(self.total_count.to(self.probs.dtype).expand(*size), self.probs.expand(*size))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        n, logits = self.total_count, self.logits
        ways = lgamma(n + 1) - lgamma(value + 1) - lgamma(n - value + 1)
        over = n * logits.clamp(min=0) + n * (-logits.abs()).exp().log1p()
        return ways + value * logits - over

    def entropy(self) -> Tensor:
        """In nats. Raises ArgumentError where total_count differs: then the sums have different lengths."""
        most = int(self.total_count.amax().item())
        if int(self.total_count.amin().item()) != most:
            raise ArgumentError("Binomial.entropy: the total_counts are equal; make one distribution for each")
        scores = self.log_prob(self.enumerate_support())
        return -(scores.exp() * scores).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        count = 1 + int(self.total_count.amax().item())
        if int(self.total_count.amin().item()) != count - 1:
            raise ArgumentError("Binomial.enumerate_support: the total_counts are equal; make one distribution for each")
        values = creation.arange(count, dtype=self.probs.dtype).reshape(count, *(1,) * len(self.batch_shape))
        return values.expand(count, *self.batch_shape) if expand else values

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)


class NegativeBinomial(Distribution):
    """How many successes come before total_count failures, each success with probability probs."""

    arg_constraints: ClassVar[Any] = {
        "total_count": constraints.nonnegative,
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        known, odds = chance("NegativeBinomial", probs, logits)
        self.total_count, self.probs, self.logits = tensors(total_count, known, odds)
        self._is_probs = probs is not None
        super().__init__(self.probs.shape, validate_args=validate_args)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            size = self._extended(sample_shape)
            rate = standard_gamma(self.total_count.to(self.probs.dtype), size) * self.logits.exp()
            return sampling.poisson(rate)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        n = self.total_count
        score = n * (-self.probs).log1p() + xlogy(value, self.probs)
        ways = lgamma(n + value) - lgamma(1 + value) - lgamma(n)
        return score + ways

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.mean / (1 - self.probs)


class Multinomial(Distribution):
    """How often each class comes in total_count draws; probs or logits: (..., classes), normalised here."""

    arg_constraints: ClassVar[Any] = CHANCES
    total_count: int

    def __init__(self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        if not isinstance(total_count, int):
            raise ArgumentError(f"inhomogeneous total_count is not supported: Multinomial takes an int, got {total_count!r}")
        self.total_count, self._categorical = total_count, Categorical(probs, logits, validate_args)
        self.probs, self.logits, self._is_probs = self._categorical.probs, self._categorical.logits, probs is not None
        super().__init__(self.probs.shape[:-1], self.probs.shape[-1:], False)
        self._validate_args = self._categorical._validate_args

    @property
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Multinomial:
        (name,) = self._given()
        return Multinomial(self.total_count, **{name: getattr(self, name).expand(*batch_shape, *self.event_shape)})

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        draws = self._categorical.sample((self.total_count, *sample_shape))
        return one_hot(draws, self.event_shape[0]).to(self.probs.dtype).sum(0)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        ways = lgamma(value.sum(-1) + 1) - lgamma(value + 1).sum(-1)
        return ways + (self.logits * value).sum(-1)

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)
