"""CIFAR-10, from the Python batches or the binary ones, packed or not. Names as in torchvision.datasets.

The Python batches are pickles. They are read by an unpickler that knows arrays, and refuses everything else.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import FormatError
from .files import MOST_BYTES, Files, Source
from .mnist import ImageDataset, _refuse_download

KNOWN = {
    "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
}
FOLDERS = ("cifar-10-batches-py", "cifar-10-batches-bin")
PIXELS = 3 * 32 * 32


class _Array:
    """What stands for numpy.ndarray while a pickle is read: it takes a shape, a plain kind of number and the bytes."""

    def __init__(self, *made: Any):
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], _Kind) or not isinstance(state[4], bytes):
            raise FormatError("a pickled array is not as NumPy writes it")
        _, shape, kind, fortran, data = state
        sizes = tuple(int(size) for size in shape)
        if np.prod(sizes, dtype=np.int64) * kind.dtype.itemsize != len(data) or fortran:
            raise FormatError(f"a pickled array of {sizes} holds {len(data)} bytes")
        self.array = np.frombuffer(data, kind.dtype).reshape(sizes)


class _Kind:
    """What stands for numpy.dtype: bytes and integers alone."""

    def __init__(self, text: Any, *flags: Any):
        name = text.decode("ascii") if isinstance(text, bytes) else str(text)
        if name not in ("u1", "i1", "i4", "i8"):
            raise FormatError(f"a pickled array of {name!r}: only integers are taken")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in (">", b">"):
            self.dtype = self.dtype.newbyteorder(">")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """What Python 3 asks for where it writes bytes as text."""
    if encoding != "latin1":
        raise FormatError(f"a pickle asks for the encoding {encoding!r}")
    return text.encode("latin-1")


def _reconstruct(*made: Any) -> _Array:
    return _Array()


_ALLOWED: dict[tuple[str, str], Any] = {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Kind, ("_codecs", "encode"): _encode}
_ALLOWED |= {(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")}


class _Restricted(pickle.Unpickler):
    """Numbers, text, lists, dictionaries and arrays. Raises FormatError for any other name that a pickle asks for."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise FormatError(f"the pickle asks for {module}.{name}; only arrays, lists, numbers and text are read")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise FormatError("the pickle refers to something outside of it")


def read_batch(data: bytes, name: str = "the batch") -> tuple[np.ndarray, np.ndarray]:
    """(images (n, 32, 32, 3) uint8, labels (n,)) of one Python batch. Nothing in it is run. Raises FormatError."""
    try:
        found = _Restricted(io.BytesIO(data), encoding="bytes").load()
    except FormatError as error:
        raise FormatError(f"{name}: {error}") from None
    except Exception as error:
        raise FormatError(f"{name} is no pickle that can be read: {type(error).__name__}: {error}") from None
    if not isinstance(found, dict):
        raise FormatError(f"{name} holds a {type(found).__name__}, a dictionary of data and labels is needed")
    named = {key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in found.items()}
    pixels, labels = named.get("data"), named.get("labels")
    if not isinstance(pixels, _Array) or pixels.array is None or not isinstance(labels, list):
        raise FormatError(f"{name} has {sorted(map(str, named))}; data, an array, and labels, a list, are needed")
    if pixels.array.ndim != 2 or pixels.array.shape[1] != PIXELS or pixels.array.dtype != np.uint8:
        raise FormatError(f"{name}: data is bytes (n, {PIXELS}), found {pixels.array.dtype} {pixels.array.shape}")
    return _images(pixels.array), np.asarray(labels, np.int64)


def read_binary(data: bytes, name: str = "the batch") -> tuple[np.ndarray, np.ndarray]:
    """(images (n, 32, 32, 3) uint8, labels (n,)) of one binary batch: a byte for the label, then the pixels."""
    if not data or len(data) % (1 + PIXELS):
        raise FormatError(f"{name} has {len(data)} bytes, a multiple of {1 + PIXELS} is needed")
    rows = np.frombuffer(data, np.uint8).reshape(-1, 1 + PIXELS)
    return _images(rows[:, 1:]), rows[:, 0].astype(np.int64)


def _images(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _members(data: bytes, name: str) -> dict[str, bytes]:
    """The plain files of an archive by their last names. Nothing is written to the disk."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            found: dict[str, bytes] = {}
            for member in archive:
                file = archive.extractfile(member) if member.isfile() and member.size < MOST_BYTES else None
                if file is not None:
                    found[member.name.rsplit("/", 1)[-1]] = file.read()
            return found
    except (tarfile.TarError, OSError, EOFError) as error:
        raise FormatError(f"{name} is no archive that can be read: {error}") from None


class CIFAR10(ImageDataset):
    """32 x 32 colour photographs in 10 classes, 50,000 to train and 10,000 to test (Krizhevsky 2009).

    root: a folder that holds cifar-10-python.tar.gz or cifar-10-binary.tar.gz, or one of them unpacked; or their bytes by
    name. verify: archives have the public SHA-256. Raises FormatError.
    """

    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

    def __init__(
        self,
        root: Source,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        verify: bool = True,
    ):
        stems = [f"data_batch_{number}" for number in range(1, 6)] if train else ["test_batch"]
        files = Files(root, FOLDERS)
        archive = files.find(*KNOWN) if files.find(stems[0], f"{stems[0]}.bin") is None else None
        if archive is None and files.find(stems[0], f"{stems[0]}.bin") is None:
            _refuse_download("CIFAR10", download, "cifar-10-python.tar.gz or cifar-10-binary.tar.gz")
        inside = files
        if archive is not None:
            inside = Files(_members(files.read("CIFAR10", archive, known=KNOWN, verify=verify), archive))
        parts = []
        for stem in stems:
            name = inside.find(stem, f"{stem}.bin") or stem
            data = inside.read("CIFAR10", stem, f"{stem}.bin")
            parts.append(read_binary(data, name) if name.endswith(".bin") else read_batch(data, name))
        images, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
        if labels.size and not 0 <= labels.min() <= labels.max() < 10:
            raise FormatError(f"CIFAR10: labels are 0 to 9, found {labels.min()} to {labels.max()}")
        super().__init__(images, labels, transform, target_transform, files.sha256 | inside.sha256)
        self.train = train
