"""MNIST and Fashion-MNIST, from IDX files that are given. Names as in torchvision.datasets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import FormatError, UnsupportedError
from .dataset import Dataset, TensorDataset
from .files import Files, Source, on_the_page

KINDS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(data: bytes, name: str = "the file") -> np.ndarray:
    """An array from IDX bytes: two zeros, the kind of number, how many dimensions, their sizes, the numbers.

    Source: LeCun, Cortes and Burges, the format's description beside MNIST. Raises FormatError.
    """
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in KINDS:
        raise FormatError(f"{name} is no IDX file: it begins with {data[:4].hex() or 'nothing'}")
    rank, kind = data[3], np.dtype(KINDS[data[2]])
    if len(data) < 4 + 4 * rank:
        raise FormatError(f"{name} ends within its sizes, after {len(data)} bytes")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", rank, 4))
    if len(data) != 4 + 4 * rank + math.prod(shape) * kind.itemsize:
        raise FormatError(f"{name} says {shape} numbers of {kind.itemsize} bytes, and holds {len(data) - 4 - 4 * rank} bytes")
    return np.frombuffer(data, kind, offset=4 + 4 * rank).reshape(shape).astype(kind.newbyteorder("="))


class ImageDataset(Dataset):
    """data: images on the host, uint8 (n, height, width) or (n, height, width, 3); targets: int64 (n,).

    A sample is (image, label), each through its transform. sha256: checksums of the files that were read.
    """

    classes: list[str] = []

    def __init__(
        self,
        data: np.ndarray,
        targets: np.ndarray,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        sha256: dict[str, str] | None = None,
    ):
        if len(data) != len(targets):
            raise FormatError(f"{type(self).__name__}: {len(data)} images and {len(targets)} labels")
        self.data, self.targets, self.sha256 = data, targets.astype(np.int64), sha256 or {}
        self.transform, self.target_transform = transform, target_transform

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, target = self.data[index], int(self.targets[index])
        return (
            image if self.transform is None else self.transform(image),
            target if self.target_transform is None else self.target_transform(target),
        )

    def as_tensors(self, mean: Any = 0.0, std: Any = 1.0) -> TensorDataset:
        """All samples at once: images float32 (n, channels, height, width), (numbers / 255 - mean) / std; labels int64.

        mean and std: one number, or one for each channel. Batches of these are cut without a loop.
        """
        images = self.data[:, None] if self.data.ndim == 3 else self.data.transpose(0, 3, 1, 2)
        column = (1, -1, 1, 1)
        shift, scale = (np.asarray(value, np.float32).reshape(column) for value in (mean, std))
        return TensorDataset((images.astype(np.float32) / np.float32(255) - shift) / scale, self.targets.astype(np.int64))


def _refuse_download(name: str, download: bool, files: str) -> None:
    if download:
        nearest = f"to give {files} yourself, in root{on_the_page()}"
        raise UnsupportedError(f"not implemented: {name}(download=True); nearest is {nearest}")


class MNIST(ImageDataset):
    """28 x 28 handwritten digits, 60,000 to train and 10,000 to test (LeCun et al. 1998).

    root: a folder that holds the IDX files, packed (.gz) or not, itself or in MNIST/raw; or their bytes by name.
    verify: packed files have the public SHA-256. Raises FormatError.
    """

    folder = "MNIST"
    classes = ["0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven"] + [
        "8 - eight",
        "9 - nine",
    ]
    known = {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    }

    def __init__(
        self,
        root: Source,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        verify: bool = True,
    ):
        name, part = type(self).__name__, "train" if train else "t10k"
        files = Files(root, [f"{self.folder}/raw", "raw"])
        stems = (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
        if any(files.find(f"{stem}.gz", stem) is None for stem in stems):
            _refuse_download(name, download, " and ".join(f"{stem}.gz" for stem in stems))
        images, labels = (read_idx(files.read(name, f"{stem}.gz", stem, known=self.known, verify=verify), stem) for stem in stems)
        if images.ndim != 3 or labels.ndim != 1 or images.dtype != np.uint8:
            raise FormatError(f"{name}: images are bytes (n, height, width) and labels (n,), found {images.shape}, {labels.shape}")
        super().__init__(images, labels, transform, target_transform, files.sha256)
        self.train = train


class FashionMNIST(MNIST):
    """28 x 28 grey pictures of clothes in 10 classes, in MNIST's format (Xiao et al. 2017)."""

    folder = "FashionMNIST"
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
    known = {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    }
