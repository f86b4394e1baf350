"""torchvision.models with torchvision's parameter names: ResNets, VGG, AlexNet. Weights are not downloaded: load_state_dict()."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import models, nn
from ..errors import MissingNameError, UnsupportedError
from ..models.resnet import ResNet, conv
from ..tensor import Tensor


def _unweighted(name: str, weights: Any, pretrained: bool) -> None:
    if weights is not None or pretrained:
        raise UnsupportedError(
            f"not implemented: torchvision.models.{name} with trained weights, nothing is downloaded; "
            "nearest is weights=None and model.load_state_dict(torch.load(file))"
        )


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions to four times the channels, beside which the input passes."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1):
        super().__init__()
        self.conv1, self.bn1 = conv(in_channels, channels, 1), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = conv(channels, channels, 3, stride), nn.BatchNorm2d(channels)
        self.conv3, self.bn3 = conv(channels, 4 * channels, 1), nn.BatchNorm2d(4 * channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or in_channels != 4 * channels:
            self.downsample = nn.Sequential(conv(in_channels, 4 * channels, 1, stride), nn.BatchNorm2d(4 * channels))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + identity)


class _Deep(ResNet):
    """Four stages of Bottlenecks."""

    def __init__(self, blocks: tuple[int, int, int, int], num_classes: int):
        super().__init__((1, 1, 1, 1), num_classes)
        channels = 64
        for number, count in enumerate(blocks):
            width, stride = 64 * 2**number, 1 if number == 0 else 2
            first = Bottleneck(channels, width, stride)
            setattr(self, f"layer{number + 1}", nn.Sequential(first, *(Bottleneck(4 * width, width) for _ in range(count - 1))))
            channels = 4 * width
        self.fc = nn.Linear(channels, num_classes)


class VGG(nn.Module):
    """3x3 convolutions in stages with max-pooling between (Simonyan and Zisserman 2014), then three linear layers."""

    def __init__(self, plan: str, num_classes: int, batch_norm: bool, dropout: float = 0.5):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for part in plan.split():
            if part == "M":
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers.append(nn.Conv2d(channels, int(part), 3, padding=1))
            layers += [nn.BatchNorm2d(int(part))] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            channels = int(part)
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        middle = [nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(dropout), nn.Linear(4096, num_classes)]
        self.classifier = nn.Sequential(nn.Linear(512 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(dropout), *middle)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


_11 = "64 M 128 M 256 256 M 512 512 M 512 512 M"
_16 = "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"
_19 = "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M"


class AlexNet(nn.Module):
    """Five convolutions and three linear layers (Krizhevsky 2014)."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        relu = nn.ReLU(inplace=True)
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 64, 11, stride=4, padding=2), relu, nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 192, 5, padding=2), relu, nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(192, 384, 3, padding=1), relu, nn.Conv2d(384, 256, 3, padding=1), relu),
            *(nn.Conv2d(256, 256, 3, padding=1), relu, nn.MaxPool2d(3, 2)),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            *(nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), relu),
            *(nn.Dropout(dropout), nn.Linear(4096, 4096), relu, nn.Linear(4096, num_classes)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _maker(name: str, make: Callable[[int], nn.Module]) -> Callable[..., nn.Module]:
    """A function of torchvision's: model(weights=None, num_classes=1000)."""

    def model(weights: Any = None, progress: bool = True, *, pretrained: bool = False, num_classes: int = 1000) -> nn.Module:
        _unweighted(name, weights, pretrained)
        return make(num_classes)

    model.__name__ = model.__qualname__ = name
    return model


resnet18 = _maker("resnet18", models.resnet18)
resnet34 = _maker("resnet34", models.resnet34)
resnet50 = _maker("resnet50", lambda classes: _Deep((3, 4, 6, 3), classes))
resnet101 = _maker("resnet101", lambda classes: _Deep((3, 4, 23, 3), classes))
vgg11 = _maker("vgg11", lambda classes: VGG(_11, classes, False))
vgg16 = _maker("vgg16", lambda classes: VGG(_16, classes, False))
vgg16_bn = _maker("vgg16_bn", lambda classes: VGG(_16, classes, True))
vgg19 = _maker("vgg19", lambda classes: VGG(_19, classes, False))
alexnet = _maker("alexnet", AlexNet)


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    raise MissingNameError(f"not implemented: torchvision.models.{name}; nearest is resnet18, resnet50, vgg16, or distml_py.models")
