"""Pictures in folders, or in a zip file: one folder a class. Names as in torchvision.datasets."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..errors import FormatError, UnsupportedError
from .dataset import Dataset
from .files import MOST_BYTES
from .png import read_png

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


class ImageFolder(Dataset):
    """root/class/name.png, in a folder or in a zip file. A sample is (image, label): uint8 (height, width, 3), int.

    Classes are numbered by their names' order. Grey pictures become three equal channels, alpha is left out. Raises
    FormatError when there is no picture; UnsupportedError for pictures that are no PNG: save them as PNG.
    """

    def __init__(
        self,
        root: str | Path,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[bytes, str], np.ndarray] | None = None,
    ):
        self.root, self.transform, self.target_transform = Path(root), transform, target_transform
        self.loader = loader or read_picture
        self._archive = zipfile.ZipFile(self.root) if self.root.is_file() else None
        names = sorted(self._names())
        pictures = [PurePosixPath(name) for name in names if name.lower().endswith(ENDINGS) and "/" in name]
        self.classes = sorted({self._class(picture) for picture in pictures})
        if not pictures:
            raise FormatError(f"ImageFolder: {str(root)!r} holds no pictures in folders; put them in root/class/name.png")
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.samples = [(str(picture), self.class_to_idx[self._class(picture)]) for picture in pictures]
        self.samples.sort(key=lambda sample: (sample[1], sample[0]))
        self.imgs, self.targets = self.samples, [label for _, label in self.samples]

    def _names(self) -> list[str]:
        if self._archive is not None:
            return [info.filename for info in self._archive.infolist() if not info.is_dir()]
        if not self.root.is_dir():
            raise FormatError(f"ImageFolder: {str(self.root)!r} is no folder and no zip file")
        return [path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()]

    def _class(self, picture: PurePosixPath) -> str:
        """The first folder; in a zip file the last but one, since archives often hold one folder around all."""
        return picture.parts[-2] if self._archive is not None else picture.parts[0]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        name, label = self.samples[index]
        image = self.loader(self._read(name), name)
        return (
            image if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )

    def _read(self, name: str) -> bytes:
        if self._archive is None:
            return (self.root / name).read_bytes()
        if self._archive.getinfo(name).file_size > MOST_BYTES:
            raise FormatError(f"ImageFolder: {name} is more than {MOST_BYTES} bytes when unpacked")
        return self._archive.read(name)


def read_picture(data: bytes, name: str) -> np.ndarray:
    """(height, width, 3) uint8 of a PNG file. Raises UnsupportedError for other kinds."""
    if not name.lower().endswith(".png") or data.startswith(b"\xff\xd8"):
        raise UnsupportedError(f"not implemented: {name} is no PNG; nearest is to save it as PNG, or to give a loader")
    image = read_png(data, name)
    channels = image[..., None] if image.ndim == 2 else image
    return np.repeat(channels[..., :1], 3, axis=2) if channels.shape[2] < 3 else np.ascontiguousarray(channels[..., :3])
