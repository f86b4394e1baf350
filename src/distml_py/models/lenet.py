"""LeNet: two convolutions with pooling, then one linear layer."""

from __future__ import annotations

from .. import nn
from ..nn import functional as F
from ..tensor import Tensor


class LeNet(nn.Module):
    """Grey images (n, 1, 28, 28) to scores (n, num_classes). After LeCun et al. 1998, with ReLU and max-pooling."""

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc = nn.Linear(32 * 7 * 7, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))
