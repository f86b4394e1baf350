"""ResNet-18 and ResNet-34 (He et al. 2015, "Deep residual learning for image recognition"), with torchvision's parameter names."""

from __future__ import annotations

from .. import nn
from ..errors import ShapeError
from ..nn import functional as F
from ..nn.starts import kaiming_normal
from ..tensor import Tensor


def conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    """Without bias, since batch norm follows; padded so that stride 1 keeps the size."""
    layer = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
    layer.weight = kaiming_normal(layer.weight.shape)
    return layer


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, beside which the input passes: unchanged, or (downsample) by a 1x1 convolution."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1):
        super().__init__()
        self.conv1 = conv(in_channels, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(conv(in_channels, channels, 1, stride), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + identity)


class ResNet(nn.Module):
    """Four stages of BasicBlocks. stem: "cifar" (3x3, for images of about 32x32) or "imagenet" (7x7 stride 2, max-pool)."""

    def __init__(self, blocks: tuple[int, int, int, int], num_classes: int = 1000, stem: str = "imagenet", width: int = 64):
        super().__init__()
        if stem not in ("cifar", "imagenet"):
            raise ShapeError(f"ResNet: stem is 'cifar' or 'imagenet', got {stem!r}")
        self.stem = stem
        self.conv1 = conv(3, width, 3) if stem == "cifar" else conv(3, width, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if stem == "imagenet" else nn.Identity()
        self.layer1 = stage(width, width, blocks[0], stride=1)
        self.layer2 = stage(width, 2 * width, blocks[1], stride=2)
        self.layer3 = stage(2 * width, 4 * width, blocks[2], stride=2)
        self.layer4 = stage(4 * width, 8 * width, blocks[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def stage(in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(in_channels, channels, stride)
    return nn.Sequential(first, *(BasicBlock(channels, channels) for _ in range(blocks - 1)))


def resnet18(num_classes: int = 1000, stem: str = "imagenet", width: int = 64) -> ResNet:
    """Images (n, 3, height, width) to scores (n, num_classes). width: channels of the first stage."""
    return ResNet((2, 2, 2, 2), num_classes, stem, width)


def resnet34(num_classes: int = 1000, stem: str = "imagenet", width: int = 64) -> ResNet:
    """As resnet18, with twice as many blocks."""
    return ResNet((3, 4, 6, 3), num_classes, stem, width)
