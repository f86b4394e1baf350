"""What all distributions share: shapes, and numbers as tensors. Which they are stands in continuous.py and discrete.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import creation, sampling
from ..errors import UnsupportedError
from ..tensor import Tensor, no_grad
from ..tensor.joining import broadcast_tensors


class Distribution:
    """batch_shape: independent distributions side by side; event_shape: the shape of one draw of one of them."""

    has_rsample = False

    def __init__(self, batch_shape: Sequence[int] = (), event_shape: Sequence[int] = (), validate_args: bool | None = None) -> None:
        self.batch_shape, self.event_shape = tuple(batch_shape), tuple(event_shape)

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

    def entropy(self) -> Tensor:
        """In nats."""
        raise UnsupportedError(f"not implemented: {type(self).__name__}.entropy")

    @property
    def mean(self) -> Tensor:
        raise UnsupportedError(f"not implemented: {type(self).__name__}.mean")

    @property
    def variance(self) -> Tensor:
        raise UnsupportedError(f"not implemented: {type(self).__name__}.variance")

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    def perplexity(self) -> Tensor:
        return self.entropy().exp()


class Independent(Distribution):
    """The last reinterpreted_batch_ndims of a distribution's batch as one draw: their log_prob and entropy add up."""

    def __init__(self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None):
        self.base_dist, self.count = base_distribution, reinterpreted_batch_ndims
        whole = (*base_distribution.batch_shape, *base_distribution.event_shape)
        cut = len(base_distribution.batch_shape) - reinterpreted_batch_ndims
        super().__init__(whole[:cut], whole[cut:])

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.sample(sample_shape)

    def _added(self, x: Tensor) -> Tensor:
        return x.sum(tuple(range(-self.count, 0))) if self.count else x

    def log_prob(self, value: Tensor) -> Tensor:
        return self._added(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        return self._added(self.base_dist.entropy())

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance


def tensors(*values: Any) -> list[Tensor]:
    """Numbers and tensors as tensors of one shape."""
    return list(broadcast_tensors(*(v if isinstance(v, Tensor) else creation.tensor(float(v)) for v in values)))


def standard_normal(shape: Sequence[int]) -> Tensor:
    return sampling.randn(*shape) if shape else sampling.randn(1).reshape(())


def uniform(shape: Sequence[int]) -> Tensor:
    """On [0, 1)."""
    return sampling.rand(*shape) if shape else sampling.rand(1).reshape(())


LOG_2PI, LOG_PI = math.log(2 * math.pi), math.log(math.pi)
