"""MLP: linear layers with a ReLU between two."""

from __future__ import annotations

from .. import nn
from ..tensor import Tensor


class MLP(nn.Module):
    """MLP(784, 256, 128, 10) maps (n, ...) with 784 numbers a sample to (n, 10)."""

    def __init__(self, *sizes: int):
        super().__init__()
        layers: list[nn.Module] = []
        for inside, outside in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(inside, outside), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1))
