"""VonMises, the normal distribution of angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from ..special import i0e, i1e
from ..tensor import Tensor, no_grad, where
from . import constraints
from .distribution import LOG_2PI, Centred, tensors, uniform
from .pathwise import stored

TURNS = 24  # each accepts at least 65 in 100; after as many, one draw in 10^11 is the last proposal


class VonMises(Centred):
    """Angles around loc, in radians; mean and variance are those of a circle. Draws: Best and Fisher 1979, without subtractions
    that lose digits, so that float32 does for small and for large concentrations."""

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None):
        self.loc, self.concentration = tensors(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """From -pi to pi, of shape sample_shape + batch_shape."""
        size = self._extended(sample_shape)
        with no_grad():
            kappa = self.concentration.expand(*size) if size else self.concentration
            root = (1 + 4 * kappa * kappa).sqrt()
            rest = 1 + 1 / (root + 2 * kappa)  # of the proposal, a wrapped Cauchy: 2 kappa times its number less 1
            gap = kappa * 0 + 1
            done = kappa < 0
            for _ in range(TURNS):
                half = uniform(size) * (math.pi / 2)  # its sine is small where it counts, and then exact on every GPU
                away = 2 * half.cos() ** 2 * rest / (rest + 4 * kappa * half.sin() ** 2)  # 1 - the proposed angle's cosine
                c = rest / 2 + kappa * away
                good = c.log() - (1 - uniform(size)).log() + 1 - c >= 0
                gap, done = where(good & ~done, away, gap), done | good
            side = (uniform(size) - 0.5).sign()
            angle = side * 2 * (gap / 2).clamp(0, 1).sqrt().asin()
            return stored((angle + math.pi + self.loc) % (2 * math.pi) - math.pi)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        kappa = self.concentration
        return kappa * ((value - self.loc).cos() - 1) - LOG_2PI - i0e(kappa).log()

    @property
    def variance(self) -> Tensor:
        return 1 - i1e(self.concentration) / i0e(self.concentration)
