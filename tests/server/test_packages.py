"""Packages for the tabs: what pip chooses from a folder of made wheels, what is refused, and what is kept for the next start."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distml_server import packages
from distml_server.packages import PackageError, resolve
from distml_server.wheel import pyodide_lock

MakeWheel = Callable[..., Path]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of pip's world."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(folder)), ("CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


def make(folder: Path, file: str, *needs: str, pure: str = "true", files: dict[str, str] | None = None) -> Path:
    """A wheel of one module."""
    name, version = file.split("-")[:2]
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / file, "w") as archive:
        needed = "".join(f"Requires-Dist: {need}\n" for need in needs)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: {pure}\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
        for path, text in (files or {f"{name}/__init__.py": "answer = 42\n"}).items():
            archive.writestr(path, text)
    return folder / file


def nobody(options: Any) -> None:
    raise AssertionError("pip was asked")


def test_what_a_package_needs_comes_with_it_but_not_what_every_tab_has(index: Path, tmp_path: Path) -> None:
    make(index, "toy-1.0-py3-none-any.whl", "helper>=2", "numpy>=2", 'colour; sys_platform == "win32"', 'extra; extra == "all"')
    make(index, "toy-0.9-py3-none-any.whl")
    make(index, "helper-2.5-py2.py3-none-any.whl", "packaging")
    said: list[str] = []
    found = resolve(["toy"], tmp_path / "cache", said.append)
    assert [(p.name, p.version, p.modules, p.depends) for p in found] == [
        ("helper", "2.5", ("helper",), ("packaging",)),
        ("toy", "1.0", ("toy",), ("helper", "numpy")),
    ]
    assert said == ["Fetching toy and what they need for the tabs; only this once.", "Serving to tabs: helper 2.5, toy 1.0."]
    entry = pyodide_lock("/assets/", found)["packages"]["toy"]
    assert entry["sha256"] == found[1].wheel.sha256 and entry["depends"] == ["helper", "numpy"]
    assert entry["file_name"] == f"/assets/with/{found[1].wheel.sha256[:12]}/toy-1.0-py3-none-any.whl"
    assert resolve(["toy==0.9"], tmp_path / "cache", said.append)[0].version == "0.9"


def test_a_later_start_asks_nobody_and_refuses_a_changed_file(index: Path, tmp_path: Path) -> None:
    make(index, "toy-1.0-py3-none-any.whl")
    cache = tmp_path / "cache"
    first = resolve(["toy"], cache, print)
    assert resolve(["toy"], cache, print, nobody) == first
    (kept,) = cache.glob("packages/*/toy-1.0-py3-none-any.whl")
    kept.write_bytes(b"something else")
    said: list[str] = []
    assert resolve(["toy"], cache, said.append) == first
    assert said[0].startswith("Refusing the cached ") and "damaged or was changed" in said[0]


def test_a_wheel_of_ones_own_is_named_by_its_path_and_known_by_its_bytes(index: Path, tmp_path: Path) -> None:
    path = make(tmp_path, "mine-1.0-py3-none-any.whl")
    assert resolve([str(path)], tmp_path / "cache", print)[0].modules == ("mine",)
    make(tmp_path, "mine-1.0-py3-none-any.whl", files={"other.py": ""})
    assert resolve([str(path)], tmp_path / "cache", print)[0].modules == ("other",)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("nowhere", "there is no pure-Python wheel (py3-none-any) of nowhere for Python 3.13"),
        ("compiled", "A package with compiled parts cannot be served to tabs"),
        ("a b", "--with takes a name, a requirement like einops==0.8.1, or the path of a wheel; 'a b' is none of them"),
        ("toy @ https://example.org/toy", "is none of them"),
        ("lost.whl", "--with lost.whl: there is no such file"),
        ("liar", "liar-1.0-py3-none-any.whl is not pure Python: it holds liar/fast.so"),
        ("plat", "plat-1.0-py3-none-any.whl is not pure Python: Root-Is-Purelib is not true"),
        ("modern", "these do not go together, or not with what every tab has (numpy 2.2.5, micropip 0.10.1, packaging 24.2"),
        ("numpy>=3", "--with numpy>=3: every tab has numpy 2.2.5, and no other version runs there"),
        ("browser", "browser needs inside in a tab, which pip left out here: add --with inside"),
    ],
)
def test_what_cannot_be_served_is_refused_in_words(index: Path, tmp_path: Path, wanted: str, words: str) -> None:
    make(index, "toy-1.0-py3-none-any.whl")
    make(index, "compiled-1.0-cp313-cp313-manylinux_2_17_x86_64.whl")
    make(index, "liar-1.0-py3-none-any.whl", files={"liar/__init__.py": "", "liar/fast.so": ""})
    make(index, "plat-1.0-py3-none-any.whl", pure="false")
    make(index, "modern-1.0-py3-none-any.whl", "numpy>=3")
    make(index, "browser-1.0-py3-none-any.whl", 'inside; sys_platform == "emscripten"')
    with pytest.raises(PackageError) as caught:
        resolve([wanted], tmp_path / "cache", print)
    assert words in str(caught.value)
    assert not list(tmp_path.glob("cache/**/packages.json")), "nothing is kept of it"


def test_a_compiled_wheel_is_refused_by_its_name(tmp_path: Path) -> None:
    path = make(tmp_path, "compiled-1.0-cp313-cp313-manylinux_2_17_x86_64.whl")
    with pytest.raises(PackageError, match=r"is not pure Python \(py3-none-any\)"):
        resolve([str(path)], tmp_path / "cache", print, nobody)


def test_what_every_tab_has_is_said_and_not_fetched(tmp_path: Path) -> None:
    said: list[str] = []
    assert resolve(["numpy", "NumPy>=2"], tmp_path, said.append, nobody) == ()
    assert said[0] == "--with numpy: every tab has numpy 2.2.5 already."


def test_an_index_out_of_reach_is_told_from_a_package_that_is_not_there() -> None:
    offline = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\n"
    assert "the package index cannot be reached" in packages._why(offline + "ERROR: No matching distribution found for toy")
    assert packages._why("ERROR: something new").startswith("--with: pip failed: ERROR: something new")
