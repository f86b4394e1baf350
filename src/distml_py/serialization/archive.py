"""The zip file around a PyTorch checkpoint: named records, stored as they are. Knows neither pickles nor tensors."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import FormatError

MOST_RECORDS = 1 << 17
ALIGNMENT = 64


class Archive:
    """The records of a zip file in memory, by name without the folder that all are in."""

    def __init__(self, data: bytes):
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise FormatError(f"this is no whole zip file, as torch.save writes them: {error}; was it cut off?") from None
        entries = self._zip.infolist()
        if len(entries) > MOST_RECORDS:
            raise FormatError(f"the file has {len(entries)} records; at most {MOST_RECORDS} are read")
        packed = next((entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED), None)
        if packed is not None:
            raise FormatError(
                f"{packed.filename} is compressed, and torch.save stores records as they are: unpack and save it again"
            )
        self._entries = {entry.filename.partition("/")[2]: entry for entry in entries}
        self.size_bytes = len(data)

    def names(self) -> list[str]:
        return list(self._entries)

    def read(self, name: str) -> bytes:
        """Raises FormatError where there is none, or it is damaged."""
        entry = self._entries.get(name)
        if entry is None:
            raise FormatError(f"the file has no record {name!r}: it is no checkpoint of torch.save, or not a whole one")
        if entry.file_size > self.size_bytes:
            raise FormatError(f"{name!r} claims {entry.file_size} bytes, of {self.size_bytes} in all")
        try:
            return self._zip.read(entry)
        except (zipfile.BadZipFile, EOFError, OSError, OverflowError, RuntimeError, ValueError, NotImplementedError) as error:
            raise FormatError(f"{name!r} is damaged: {error}") from None


def written(records: Mapping[str, bytes], folder: str = "archive") -> bytes:
    """A zip file of these records. Each begins at a multiple of 64 bytes, as PyTorch wants to map them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
        for name, data in records.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", (1980, 1, 1, 0, 0, 0))
            start = out.tell() + zipfile.sizeFileHeader + len(entry.filename.encode()) + 4  # type: ignore[attr-defined]
            entry.extra = b"FB" + (-start % ALIGNMENT).to_bytes(2, "little") + b"Z" * (-start % ALIGNMENT)
            packed.writestr(entry, data)
    return out.getvalue()


def bytes_of(file: Any, what: str) -> bytes:
    """What a path or an open binary file holds. Raises FormatError when there is nothing like it."""
    if hasattr(file, "read"):
        data = file.read()
    else:
        try:
            data = Path(file).read_bytes()
        except TypeError:
            raise FormatError(f"{what} takes a path or an open binary file, got {type(file).__name__}") from None
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise FormatError(f"{what} needs a file opened in binary mode ('rb'), got one that gives {type(data).__name__}")
    return bytes(data)


def put(data: bytes, file: Any, what: str) -> None:
    """data into a path or an open binary file; a path gets all of it or nothing."""
    if hasattr(file, "write"):
        file.write(data)
        return
    try:
        path = Path(file)
    except TypeError:
        raise FormatError(f"{what} takes a path or an open binary file, got {type(file).__name__}") from None
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
