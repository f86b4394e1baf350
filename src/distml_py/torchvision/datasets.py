"""torchvision.datasets over this library's loaders. Nothing is downloaded: what is missing is named.

A picture is a uint8 array (height, width) or (height, width, 3), where torchvision has a PIL image; transforms take both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import data as loaders
from ..data.dataset import Dataset
from ..errors import MissingNameError
from ..tensor import Tensor

VisionDataset = Dataset
ABSENT = frozenset(
    (
        *("CIFAR100", "Caltech101", "Caltech256", "CelebA", "Cityscapes", "CocoCaptions", "CocoDetection", "DTD"),
        *("DatasetFolder", "EMNIST", "EuroSAT", "FGVCAircraft", "Flowers102", "Food101", "GTSRB", "ImageNet"),
        *("KMNIST", "LFWPeople", "LSUN", "Omniglot", "OxfordIIITPet", "PhotoTour", "Places365", "QMNIST"),
        *("SBU", "STL10", "SUN397", "SVHN", "StanfordCars", "USPS", "VOCDetection", "VOCSegmentation"),
    )
)


class _Pictures:
    """.data as a tensor, .targets as torchvision has them; download=True is fulfilled where the files are there."""

    data: Any
    targets: Any

    def __init__(self, root: Any, train: bool = True, transform: Any = None, target_transform: Any = None, download: bool = False):
        super().__init__(root, train, transform, target_transform, download)  # type: ignore[call-arg]
        self.root = root

    def __repr__(self) -> str:
        split = "Train" if getattr(self, "train", True) else "Test"
        head = f"Dataset {type(self).__name__}\n    Number of datapoints: {len(self)}\n    Root location: {self.root}"  # type: ignore[arg-type]
        return f"{head}\n    Split: {split}"


class _Grey(_Pictures):
    def __init__(self, *args: Any, **named: Any):
        super().__init__(*args, **named)
        self._images, self._labels = self.data, self.targets
        self.data, self.targets = Tensor(self._images), Tensor(self._labels)

    @property
    def train_data(self) -> Tensor:
        return self.data

    @property
    def train_labels(self) -> Tensor:
        return self.targets

    test_data, test_labels = train_data, train_labels

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = self._images[index]
        label: Any = int(self._labels[index])
        transform, target_transform = self.transform, self.target_transform  # type: ignore[attr-defined]
        return (
            image if transform is None else transform(image),
            label if target_transform is None else target_transform(label),
        )


class MNIST(_Grey, loaders.MNIST):
    """See distml_py.data.MNIST."""


class FashionMNIST(_Grey, loaders.FashionMNIST):
    """See distml_py.data.FashionMNIST."""


class CIFAR10(_Pictures, loaders.CIFAR10):
    """See distml_py.data.CIFAR10. data: uint8 (n, 32, 32, 3) on the host; targets: a list, as in torchvision."""

    def __init__(self, *args: Any, **named: Any):
        super().__init__(*args, **named)
        self.targets = [int(label) for label in self.targets]


class ImageFolder(loaders.ImageFolder):
    """See distml_py.data.ImageFolder."""


class FakeData(Dataset):
    """Noise as pictures, and random classes: the same for the same random_offset."""

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ):
        self.size, self.image_size, self.num_classes, self.random_offset = size, image_size, num_classes, random_offset
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(index + self.random_offset)
        channels, height, width = self.image_size
        image: Any = rng.integers(0, 256, (height, width, channels), np.uint8)
        label: Any = int(rng.integers(self.num_classes))
        return (
            image if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )


def __getattr__(name: str) -> Any:
    if name not in ABSENT:
        raise AttributeError(f"torchvision.datasets has no attribute {name!r}, here as there")
    raise MissingNameError(f"not implemented: torchvision.datasets.{name}; nearest is MNIST, CIFAR10 or ImageFolder")
