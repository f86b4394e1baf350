"""The library as a tab installs it: a wheel made in memory from the source that this process imports, and its lock file.

Editing src/ therefore shows after a page reload. Byte-compiled where a CPython 3.13 with pyodide-build is at hand.
"""

import base64
import hashlib
import importlib.util
import io
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .assets import AssetError, default_cache, read_lock

PYODIDE_PYTHON = (3, 13)  # byte code of any other version does not load in Pyodide 0.28.3
COMPILE_TIMEOUT_S = 60.0
KEPT_WHEELS = 8
LOOK_S = 1.0  # so often at most the source is looked at: hundreds of files, for each tab that starts

# (relative path, modification time, size) of every file: what tells an edited library from an unedited one
Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Wheel:
    """A wheel's file name and bytes."""

    name: str
    data: bytes
    sha256: str

    @property
    def path(self) -> str:
        """Where it is served, below /assets/. The hash in it makes the address good for ever."""
        return f"lib/{self.sha256[:12]}/{self.name}"


@dataclass(frozen=True)
class Package:
    """A pure-Python wheel that somebody asked for, its modules, and the names of the packages that it needs in a tab."""

    name: str
    version: str
    wheel: Wheel
    modules: tuple[str, ...]
    depends: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where it is served, below /assets/. The hash in it makes the address good for ever."""
        return f"with/{self.wheel.sha256[:12]}/{self.wheel.name}"


def library_wheel() -> Wheel:
    """The library as it was on disk within the last second (LOOK_S). Rebuilt only after a change."""
    return _library().current()


def library_wheel_at(path: str) -> Wheel | None:
    """The wheel a lock file named earlier (``Wheel.path``), also when the source has changed since; None if forgotten."""
    return _library().at(path)


def pyodide_lock(base: str = "", more: Iterable[Package] = ()) -> dict[str, Any]:
    """``pyodide-lock.json`` with just NumPy, micropip, packaging, the library and the packages of --with.

    base: put before each file name; empty means beside the lock file, where Pyodide looks for relative names.
    """
    library = library_wheel()
    pins = read_lock().files
    packages = {}
    for name in ("numpy", "micropip", "packaging"):
        path = next(file for file in pins if file.startswith(f"{name}-"))
        packages[name] = _entry(name, path.split("-")[1], base + path, pins[path].sha256, [name], [])
    version = library.name.split("-")[1]
    packages["distml-py"] = _entry("distml-py", version, base + library.path, library.sha256, ["distml_py"], ["numpy"])
    for package in more:
        wheel = package.wheel
        packages[package.name] = _entry(
            package.name, package.version, base + package.path, wheel.sha256, list(package.modules), list(package.depends)
        )
    info = {"abi_version": "2025_0", "arch": "wasm32", "platform": "emscripten_4_0_9", "python": "3.13.2", "version": "0.28.3"}
    return {"info": info, "packages": packages}


def _entry(name: str, version: str, file: str, sha256: str, modules: list[str], depends: list[str]) -> dict[str, Any]:
    return {
        "depends": depends,
        "file_name": file,
        "imports": modules,
        "install_dir": "site",
        "name": name,
        "package_type": "package",
        "sha256": sha256,
        "unvendored_tests": False,
        "version": version,
    }


def find_compiler() -> str | None:
    """A CPython 3.13 that has pyodide-build: this interpreter, or python3.13 on the PATH. None when there is none."""
    if sys.version_info[:2] == PYODIDE_PYTHON and importlib.util.find_spec("pyodide_build"):
        return sys.executable
    other = shutil.which("python3.13")
    check = f"import sys, pyodide_build; sys.exit(sys.version_info[:2] != {PYODIDE_PYTHON})"
    if other and subprocess.run([other, "-c", check], capture_output=True, timeout=COMPILE_TIMEOUT_S).returncode == 0:
        return other
    return None


class LibraryWheels:
    """The wheels of one package folder: the current one, and the last few that tabs may still ask for.

    look_s: for so long after a look at the source it is taken to be the same.
    """

    def __init__(
        self,
        package: Path,
        version: str,
        cache: Path | None = None,
        compiler: Callable[[], str | None] | None = find_compiler,
        look_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_s, self._clock, self._looked_s = look_s, clock, -math.inf
        self._package = package
        self._version = version
        self._cache = cache
        self._compiler = compiler
        self._fingerprint: Fingerprint | None = None
        self._plain: Wheel | None = None
        self._compiled: Wheel | None = None  # set by the thread below, once its wheel is whole
        self._kept: OrderedDict[str, Wheel] = OrderedDict()

    def current(self) -> Wheel:
        """The byte-compiled wheel if there is one by now, else the plain one: nobody waits for a compiler."""
        now, plain = self._clock(), self._plain
        if plain is None or now - self._looked_s >= self._look_s:
            plain, self._looked_s = self._look(), now
        wheel = self._compiled or plain
        self._kept[wheel.path] = wheel
        while len(self._kept) > KEPT_WHEELS:
            self._kept.popitem(last=False)
        return wheel

    def _look(self) -> Wheel:
        """The plain wheel of the source as it is now."""
        fingerprint = tuple(_scan(self._package))  # taken before reading: a file edited in between is read again next time
        if self._plain is not None and fingerprint == self._fingerprint:
            return self._plain
        self._fingerprint = fingerprint
        plain = pack(self._package, self._version, [path for path, _, _ in fingerprint])
        self._plain, self._compiled = plain, None
        if self._compiler:
            threading.Thread(target=self._compile, args=(plain, self._compiler), daemon=True).start()
        return plain

    def at(self, path: str) -> Wheel | None:
        """A wheel that current() returned before, by its path."""
        return self._kept.get(path)

    def _compile(self, plain: Wheel, compiler: Callable[[], str | None]) -> None:
        stored = (self._cache or default_cache()) / "bytecode" / f"{plain.sha256}.whl"
        try:
            if not stored.exists():
                interpreter = compiler()
                if interpreter is None:
                    return
                _byte_compile(plain, interpreter, stored)
            with zipfile.ZipFile(stored) as archive:
                if archive.testzip():
                    raise zipfile.BadZipFile(f"{stored} is damaged")
            compiled = wheel_of(plain.name.replace("-py3-", "-cp313-"), stored.read_bytes())
        except (OSError, subprocess.SubprocessError, zipfile.BadZipFile):
            stored.unlink(missing_ok=True)  # the plain wheel does the same work; the next start tries again
            return
        if self._plain is plain:  # else the source was edited meanwhile
            self._compiled = compiled


def wheel_of(name: str, data: bytes) -> Wheel:
    """A Wheel with its hash."""
    return Wheel(name, data, hashlib.sha256(data).hexdigest())


def pack(package: Path, version: str, paths: list[str]) -> Wheel:
    """A wheel of the files at paths below package. The same files give the same bytes, whenever and wherever packed."""
    info = f"{package.name}-{version}.dist-info"
    files = {f"{package.name}/{path}": (package / path).read_bytes() for path in paths}
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: distml-py\nVersion: {version}\n"
        "Summary: The library of distml_py, without the coordinator\nLicense: Apache-2.0\n"
        "Requires-Python: >=3.11\nRequires-Dist: numpy\n"
    ).encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: distml_server\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = f"{info}/RECORD"
    rows = [f"{name},sha256={_record_hash(data)},{len(data)}\n" for name, data in files.items()]
    files[record] = "".join([*rows, f"{record},,\n"]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # Unix, also when packed on Windows
            archive.writestr(entry, data)
    return wheel_of(f"{package.name}-{version}-py3-none-any.whl", buffer.getvalue())


@cache
def _library() -> LibraryWheels:
    spec = importlib.util.find_spec("distml_py")
    if spec is None or not spec.submodule_search_locations:
        raise AssetError("cannot find the package distml_py that tabs need; install distml-py again")
    return LibraryWheels(Path(spec.submodule_search_locations[0]), version("distml-py"), look_s=LOOK_S)


def _scan(package: Path) -> Iterator[tuple[str, int, int]]:
    for folder, folders, names in os.walk(package):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or name.endswith((".pyc", "~")):
                continue  # an editor's own
            path = Path(folder, name)
            status = path.stat()
            yield path.relative_to(package).as_posix(), status.st_mtime_ns, status.st_size


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _byte_compile(plain: Wheel, interpreter: str, stored: Path) -> None:
    """Writes stored, whole or not at all. Its modules carry no source, so tracebacks name library lines but show no text."""
    stored.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=stored.parent) as folder:
        source = Path(folder, plain.name)
        source.write_bytes(plain.data)
        # SOURCE_DATE_EPOCH makes the byte code independent of the time of day
        environment = os.environ | {"SOURCE_DATE_EPOCH": "315532800"}
        command = [interpreter, "-m", "pyodide_cli", "py-compile", "--silent", str(source)]
        subprocess.run(command, check=True, capture_output=True, timeout=COMPILE_TIMEOUT_S, env=environment)
        (compiled,) = Path(folder).glob("*-cp313-*.whl")
        os.replace(compiled, stored)
