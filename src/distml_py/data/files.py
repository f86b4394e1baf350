"""The files of a data set, given by their folder or as bytes by name; and their checksums. Nothing is downloaded here."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from .. import packages
from ..errors import FormatError

MOST_BYTES = 2**30  # of one file, unpacked, as a tab (32 bits) can count: a small file that grows beyond it is refused

Source = str | Path | Mapping[str, bytes]


def on_the_page() -> str:
    """Where a file is given to a program that runs in a tab: it has no folders of people's own."""
    return ": choose it under 'Files for the script' on this page" if packages.IN_A_TAB else ""


class Files:
    """Files by name: those of a folder (and of the folders inside it that are named), or of a dictionary of bytes.

    sha256: the checksum of each file that was read, in hexadecimal.
    """

    def __init__(self, source: Source, folders: Iterable[str] = ()):
        self.source, self.folders = source, ["", *folders]
        self.sha256: dict[str, str] = {}

    def find(self, *names: str) -> str | None:
        """The first of these names that is there."""
        for name in names:
            if isinstance(self.source, Mapping):
                if name in self.source:
                    return name
            elif self._path(name) is not None:
                return name
        return None

    def _path(self, name: str) -> Path | None:
        assert not isinstance(self.source, Mapping)
        found = [Path(self.source) / folder / name for folder in self.folders]
        given = [Path(name)] if packages.IN_A_TAB else []  # where the page puts what people choose
        return next((path for path in (*found, *given) if path.is_file()), None)

    def read(self, what: str, *names: str, known: Mapping[str, str] | None = None, verify: bool = True) -> bytes:
        """The bytes of the first of these names that is there; .gz is unpacked unless it is asked for as it is.

        known: public checksums by name. Raises FormatError when none is there, or when a checksum differs.
        """
        name = self.find(*names)
        if name is None:
            where = "the files that were given" if isinstance(self.source, Mapping) else f"{str(self.source)!r}"
            raise FormatError(f"{what} needs {' or '.join(names)}, and {where} has none of them; give the file{on_the_page()}")
        path = None if isinstance(self.source, Mapping) else self._path(name)
        data = bytes(self.source[name]) if isinstance(self.source, Mapping) else path.read_bytes()  # type: ignore[union-attr]
        self.sha256[name] = hashlib.sha256(data).hexdigest()
        wanted = (known or {}).get(name)
        if verify and wanted is not None and wanted != self.sha256[name]:
            raise FormatError(
                f"{what}: {name} is not the public file: its SHA-256 is {self.sha256[name]}, {wanted} is known; "
                "fetch it again, or say verify=False"
            )
        return unpacked(data, name) if name.endswith(".gz") and not name.endswith(".tar.gz") else data


def unpacked(data: bytes, name: str) -> bytes:
    """The bytes of a gzip file. Raises FormatError when it is damaged, or would be too large."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"{name} is no whole gzip file: {error}") from None
    if len(found) > MOST_BYTES:
        raise FormatError(f"{name} is more than {MOST_BYTES} bytes when unpacked")
    return found
