"""The page as it is sent: its files at an address of their version, and its modules named ahead. Answers no request itself.

A browser keeps what lies at such an address for good: a later visit asks for nothing but the page. An edit makes another version.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath

IMPORTED = re.compile(r'^(?:import|export)\b[^"]*?"(\.{1,2}/[^"]+)";', re.MULTILINE)
FIRST = "app.js"
VERSIONED = re.compile(r'(src|href)="(?=web/)')


class Pages:
    """web: the folder with index.html; bridge: the kernels' side; also: what else the files are sent with."""

    def __init__(self, web: Path, bridge: Path, also: str = "") -> None:
        self._web, self.folders, self._also = web, {"web": web, "bridge": bridge}, also
        self._seen: dict[Path, tuple[int, int]] = {}
        self._version = ""
        self._index = ("", "")  # of which version, and its text

    @property
    def version(self) -> str:
        """Of all files as they are now. Their contents are read again when a name, a size or a time has changed."""
        seen = {file: _stamp(file) for folder in self.folders.values() for file in sorted(_files(folder))}
        if seen != self._seen:
            sums = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in seen]
            self._version = hashlib.sha256("\n".join([self._also, *sums]).encode()).hexdigest()[:12]
            self._seen = seen
        return self._version

    def has(self, version: str, folder: str, path: str) -> bool:
        """Whether a file is as it was in this version, the last one that was sent. Looks at no other: a visit asks 60 times."""
        if version != (self._version or self.version):
            return False
        file = self.folders[folder] / path
        return file in self._seen and self._seen[file] == _stamp(file)

    def index(self) -> str:
        """index.html with the addresses of this version."""
        version = self.version
        if self._index[0] != version:
            text = (self._web / "index.html").read_text("utf-8")
            ahead = "".join(f'  <link rel="modulepreload" href="web/{name}">\n' for name in self._needed())
            self._index = version, VERSIONED.sub(rf'\1="v/{version}/', text.replace("</head>", f"{ahead}</head>", 1))
        return self._index[1]

    def _needed(self) -> list[str]:
        """The modules that the page imports before it can run, in the order in which they are found."""
        found = {FIRST: None}
        todo = [FIRST]
        while todo:
            name = todo.pop(0)
            text = (self._web / name).read_text("utf-8")
            names = [normpath(join(dirname(name), path)) for path in IMPORTED.findall(text)]
            todo += [path for path in dict.fromkeys(names) if path not in found]
            found |= dict.fromkeys(names)
        return [name for name in found if name != FIRST]


def _stamp(file: Path) -> tuple[int, int]:
    """(0, 0) of what is gone."""
    try:
        state = file.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


def _files(folder: Path) -> Iterator[Path]:
    """Those that a browser may be sent."""
    for file in folder.rglob("*"):
        if file.is_file() and not any(part.startswith((".", "__")) for part in file.relative_to(folder).parts):
            yield file
