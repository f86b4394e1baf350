"""Pure-Python packages for the tabs, as `distml serve --with` names them: resolved by pip, checked, kept with their hashes.

Nothing is installed here, and nothing is served: app.py hands the wheels on, Pyodide's lock file names them.
"""

import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from email.parser import HeaderParser
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from packaging.metadata import Metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from distml_py.errors import DistmlError

from .assets import default_cache, read_lock, write_whole
from .wheel import PYODIDE_PYTHON, Package, Wheel, wheel_of

PYTHON = ".".join(map(str, PYODIDE_PYTHON))
PROVIDED = ("numpy", "micropip", "packaging", "distml-py")  # what every tab has, and this coordinator serves in any case
COMPILED = (".so", ".pyd", ".dll", ".dylib", ".a")
RECORD = "packages.json"
PIP_TIMEOUT_S = 300.0
OFFLINE = re.compile(r"NewConnectionError|ConnectTimeout|ReadTimeout|Retrying|ProxyError|No route|name resolution", re.I)
# what packages' conditions are judged by, for a tab
TAB = {
    "implementation_name": "cpython", "implementation_version": f"{PYTHON}.2", "os_name": "posix", "platform_machine": "wasm32",
    "platform_python_implementation": "CPython", "platform_system": "Emscripten", "python_full_version": f"{PYTHON}.2",
    "python_version": PYTHON, "sys_platform": "emscripten", "platform_release": "", "platform_version": "",
}  # fmt: skip

Say = Callable[[str], None]
Pip = Callable[[Sequence[str]], None]


class PackageError(DistmlError, RuntimeError):
    """A package that cannot be served to tabs."""


def resolve(wanted: Sequence[str], cache: Path | None = None, say: Say = print, pip: Pip | None = None) -> tuple[Package, ...]:
    """The wheels of `wanted` and of all that they need, checked just now; by name.

    wanted: names, requirements like einops==0.8.1, or paths of wheels. cache: the folder to keep them in (default: the
    user's cache). What was resolved once is not asked for again, so later starts need no internet.
    """
    requirements = [_requirement(text) for text in wanted if not _provided(text, say)]
    if not requirements:
        return ()
    folder = (cache or default_cache()) / "packages" / _key(requirements)
    kept = _kept(folder, say)
    if kept is None:
        say(f"Fetching {', '.join(wanted)} and what they need for the tabs; only this once.")
    wheels = _download(requirements, pip or run_pip) if kept is None else kept
    packages = _closed([_package(wheel) for wheel in wheels])
    if kept is None:
        _keep(folder, wheels)
    say(f"Serving to tabs: {', '.join(f'{package.name} {package.version}' for package in packages)}.")
    return packages


def _requirement(text: str) -> str:
    """What pip is asked for."""
    if not text.endswith(".whl"):
        return str(_parsed_requirement(text))
    path = Path(text).resolve()
    if not path.is_file():
        raise PackageError(f"--with {text}: there is no such file")
    _parsed(path.name)
    return str(path)


def _provided(text: str, say: Say) -> bool:
    """Whether every tab has it. Raises PackageError when it is another version that is asked for."""
    if text.endswith(".whl"):
        return False
    wanted = _parsed_requirement(text)
    found = _provided_versions().get(canonicalize_name(wanted.name))
    if found is None:
        return False
    if not wanted.specifier.contains(found, prereleases=True):
        raise PackageError(f"--with {text}: every tab has {wanted.name} {found}, and no other version runs there")
    say(f"--with {text}: every tab has {wanted.name} {found} already.")
    return True


def _parsed_requirement(text: str) -> Requirement:
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        wanted = None
    if wanted is None or wanted.url:
        what = "a name, a requirement like einops==0.8.1, or the path of a wheel"
        raise PackageError(f"--with takes {what}; {text!r} is none of them")
    return wanted


def _key(requirements: Sequence[str]) -> str:
    """The name of the folder of one resolution. A local wheel counts by its bytes."""
    parts = [Path(text).read_bytes() if text.endswith(".whl") else text.encode() for text in sorted(requirements)]
    return hashlib.sha256(b"\0".join([read_lock().pyodide.encode(), *parts])).hexdigest()[:16]


def _kept(folder: Path, say: Say) -> list[Wheel] | None:
    """What an earlier start has resolved; None when it is not there, or not what it was."""
    try:
        known = json.loads((folder / RECORD).read_bytes())
        wheels = [wheel_of(name, (folder / name).read_bytes()) for name in known]
    except (OSError, ValueError):
        return None
    for wheel in wheels:
        if wheel.sha256 != known[wheel.name]:
            say(f"Refusing the cached {folder / wheel.name}, it is damaged or was changed. Fetching it again.")
            return None
    return wheels


def _keep(folder: Path, wheels: Sequence[Wheel]) -> None:
    """The record comes last: it is there only when all its wheels are."""
    for wheel in wheels:
        write_whole(folder / wheel.name, wheel.data)
    write_whole(folder / RECORD, json.dumps({wheel.name: wheel.sha256 for wheel in wheels}, indent=2).encode())


def _download(requirements: Sequence[str], pip: Pip) -> list[Wheel]:
    """pip chooses; of what every tab has it is shown empty wheels, so that it neither fetches nor contradicts them."""
    with tempfile.TemporaryDirectory() as folder:
        stubs, found = Path(folder, "stubs"), Path(folder, "found")
        for path in (stubs, found):
            path.mkdir()
        versions = _provided_versions()
        for item in versions.items():
            _write_stub(stubs, *item)
        pins = Path(folder, "pins.txt")
        pins.write_text("".join(f"{name}=={pinned}\n" for name, pinned in versions.items()))
        options = ["--only-binary", ":all:", "--platform", "any", "--abi", "none", "--implementation", "py"]
        options += ["--python-version", PYTHON, "--find-links", str(stubs), "--constraint", str(pins), "--dest", str(found)]
        pip([*options, *requirements])
        wheels = [wheel_of(path.name, path.read_bytes()) for path in sorted(found.iterdir())]
    return [wheel for wheel in wheels if _parsed(wheel.name)[0] not in versions]


def _provided_versions() -> dict[str, str]:
    files = [name for name in read_lock().files if name.endswith(".whl")]
    return dict(_parsed(name)[:2] for name in files) | {"distml-py": version("distml-py")}


def _write_stub(folder: Path, name: str, pinned: str) -> None:
    stem = f"{name.replace('-', '_')}-{pinned}"
    info = f"{stem}.dist-info"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {pinned}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def run_pip(options: Sequence[str]) -> None:
    """`pip download`, or a PackageError that says what is wrong."""
    if find_spec("pip") is None:
        raise PackageError("--with needs pip, which this Python has not: run `python -m ensurepip` once")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--retries", "1", "--disable-pip-version-check", *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise PackageError(f"pip did not answer within {PIP_TIMEOUT_S:g} s: is there an internet connection?") from None
    if done.returncode:
        raise PackageError(_why(done.stderr))


def _why(said: str) -> str:
    """What pip's words mean for whoever typed --with."""
    if OFFLINE.search(said):
        return "--with: the package index cannot be reached. Start once with an internet connection, or name a wheel's path"
    missing = re.search(r"No matching distribution found for (\S+)", said)
    if missing:
        name = re.split(r"[<>=!~;\[ (]", missing[1])[0]
        return (
            f"--with: there is no pure-Python wheel (py3-none-any) of {missing[1]} for Python {PYTHON}. A package with compiled"
            f" parts cannot be served to tabs; see on the index whether {name} is one, and whether the name and version exist"
        )
    clash = re.search(r"ResolutionImpossible|conflicting", said)
    text = " ".join(line.strip() for line in said.splitlines() if not line.startswith("WARNING"))[-1500:]
    if clash:
        return f"--with: these do not go together, or not with what every tab has ({_versions_text()}): {text}"
    return f"--with: pip failed: {text}"


def _versions_text() -> str:
    return ", ".join(map(" ".join, _provided_versions().items()))


def _parsed(file: str) -> tuple[str, str]:
    """Name and version of a pure wheel, by its file name. Those that Pyodide compiled pass for what they are."""
    try:
        name, found, _, tags = parse_wheel_filename(file)
    except InvalidWheelFilename as error:
        raise PackageError(f"{file} is not the name of a wheel: {error}") from None
    pyodide = any("pyodide" in tag.platform for tag in tags)
    if not pyodide and not any((tag.abi, tag.platform) == ("none", "any") for tag in tags):
        raise PackageError(f"{file} is not pure Python (py3-none-any): a package with compiled parts cannot be served to tabs")
    return name, str(found)


def _package(wheel: Wheel) -> Package:
    """Looks into the wheel: a name alone may lie."""
    name, found = _parsed(wheel.name)
    try:
        with zipfile.ZipFile(io.BytesIO(wheel.data)) as archive:
            files = archive.namelist()
            (info,) = (file for file in files if re.fullmatch(r"[^/]+\.dist-info/METADATA", file))
            metadata = Metadata.from_email(archive.read(info), validate=False)
            pure = HeaderParser().parsestr(archive.read(info.replace("METADATA", "WHEEL")).decode())["Root-Is-Purelib"]
    except (zipfile.BadZipFile, ValueError, KeyError) as error:
        raise PackageError(f"{wheel.name} is not a wheel: {error}") from None
    compiled = [file for file in files if file.endswith(COMPILED)]
    if compiled or str(pure).lower() != "true":
        why = f"it holds {compiled[0]}" if compiled else "Root-Is-Purelib is not true"
        raise PackageError(f"{wheel.name} is not pure Python: {why}; a package with compiled parts cannot be served to tabs")
    depends = _depends(metadata.requires_dist or [])
    tops = {file.split("/")[0].removesuffix(".py") for file in files if "/" in file or file.endswith(".py")}
    modules = tuple(sorted(top for top in tops if top.isidentifier()))
    return Package(name, found, wheel, modules, tuple(depends))


def _depends(requirements: Sequence[Requirement]) -> list[str]:
    """Those that hold in a tab. Those of extras are served when pip took them, and are loaded when they are imported."""
    environment: Mapping[str, str] = TAB | {"extra": ""}
    holding = [r for r in requirements if r.marker is None or r.marker.evaluate(dict(environment))]
    return sorted({canonicalize_name(requirement.name) for requirement in holding})


def _closed(packages: Sequence[Package]) -> tuple[Package, ...]:
    """Raises PackageError when one of them needs what none of them is."""
    known = {package.name for package in packages} | set(PROVIDED)
    for package in packages:
        lacking = [name for name in package.depends if name not in known]
        if lacking:
            raise PackageError(f"{package.name} needs {lacking[0]} in a tab, which pip left out here: add --with {lacking[0]}")
    return tuple(sorted(packages, key=lambda package: package.name))
