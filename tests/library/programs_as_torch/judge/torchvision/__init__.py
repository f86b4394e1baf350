"""What stands for torchvision where PyTorch judges: the few names that the programs here use, read without this library."""

import pickle
import struct
import sys
import types
from pathlib import Path

import numpy as np
import torch


def module(name: str, **names: object) -> types.ModuleType:
    made = types.ModuleType(f"torchvision.{name}")
    vars(made).update(names)
    sys.modules[made.__name__] = made
    return made


def idx(path: Path) -> np.ndarray:
    data = path.read_bytes()
    return np.frombuffer(data, "u1", offset=4 + 4 * data[3]).reshape(struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]]))


class Pictures(torch.utils.data.Dataset):
    def __init__(self, root: str, train: bool = True, transform: object = None, download: bool = False):
        self.transform = transform
        self.pictures, self.labels = self.read(Path(root), train)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, number: int) -> tuple[object, int]:
        return self.transform(self.pictures[number]), int(self.labels[number])


class MNIST(Pictures):
    def read(self, root: Path, train: bool) -> tuple[np.ndarray, np.ndarray]:
        stem = root / "MNIST" / "raw" / ("train" if train else "t10k")
        return idx(Path(f"{stem}-images-idx3-ubyte")), idx(Path(f"{stem}-labels-idx1-ubyte"))


class CIFAR10(Pictures):
    def read(self, root: Path, train: bool) -> tuple[np.ndarray, list[int]]:
        names = [f"data_batch_{n}" for n in range(1, 6)] if train else ["test_batch"]
        parts = [pickle.loads((root / "cifar-10-batches-py" / name).read_bytes(), encoding="bytes") for name in names]
        pictures = np.concatenate([part[b"data"] for part in parts]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return pictures, [label for part in parts for label in part[b"labels"]]


class Compose:
    def __init__(self, transforms: list[object]):
        self.transforms = transforms

    def __call__(self, picture: object) -> object:
        for transform in self.transforms:
            picture = transform(picture)
        return picture


class ToTensor:
    def __call__(self, picture: np.ndarray) -> torch.Tensor:
        channels = picture[None] if picture.ndim == 2 else picture.transpose(2, 0, 1)
        return torch.tensor(np.ascontiguousarray(channels)).float() / 255


class Normalize:
    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]):
        self.mean, self.std = (torch.tensor(value).view(-1, 1, 1) for value in (mean, std))

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return (image - self.mean) / self.std


def save_image(image: torch.Tensor, path: str, nrow: int = 8) -> None:
    Path(path).write_bytes(b"")


datasets = module("datasets", MNIST=MNIST, CIFAR10=CIFAR10)
transforms = module("transforms", Compose=Compose, ToTensor=ToTensor, Normalize=Normalize)
utils = module("utils", save_image=save_image)
