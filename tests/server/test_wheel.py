"""The library's wheel: what is in it, that it follows the source, and that a compiler is a help and never a condition."""

import base64
import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import distml_py
from distml_server.assets import read_lock
from distml_server.wheel import LibraryWheels, Wheel, find_compiler, library_wheel, library_wheel_at, pyodide_lock

SOURCE = Path(distml_py.__path__[0])


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "toy"
    (folder / "nn").mkdir(parents=True)
    (folder / "__init__.py").write_text("VALUE = 1\n")
    (folder / "nn" / "__init__.py").write_text("")
    (folder / "nn" / "table.bin").write_bytes(b"\0\1")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"old")
    (folder / ".x.py.swp").write_bytes(b"an editor's")
    return folder


def contents(wheel: Wheel) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(wheel.data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def plain(package: Path = SOURCE) -> LibraryWheels:
    """Without a compiler, which would change the wheel at some moment of its own."""
    return LibraryWheels(package, "0.1.0", compiler=None)


def test_the_wheel_holds_every_file_of_the_library_and_nothing_of_the_server() -> None:
    files = contents(plain().current())
    source = {
        f"distml_py/{path.relative_to(SOURCE).as_posix()}": path.read_bytes()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name: data for name, data in files.items() if ".dist-info/" not in name} == source
    assert "distml_py/data/digits.safetensors" in source


def test_its_name_hash_and_metadata_agree() -> None:
    wheel = plain().current()
    assert wheel.name == "distml_py-0.1.0-py3-none-any.whl"
    assert wheel.sha256 == hashlib.sha256(wheel.data).hexdigest()
    metadata = contents(wheel)["distml_py-0.1.0.dist-info/METADATA"].decode()
    assert "Name: distml-py\n" in metadata and "Version: 0.1.0\n" in metadata
    assert [line for line in metadata.splitlines() if line.startswith("Requires-Dist")] == ["Requires-Dist: numpy"]


def test_every_file_is_recorded_with_its_hash_and_size(package: Path) -> None:
    files = contents(plain(package).current())
    rows = list(csv.reader(files["toy-0.1.0.dist-info/RECORD"].decode().splitlines()))
    assert {name for name, _, _ in rows} == set(files)
    for name, recorded, size in rows:
        if not name.endswith("RECORD"):
            digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).decode().rstrip("=")
            assert (recorded, size) == (f"sha256={digest}", str(len(files[name])))


def test_pip_installs_it(tmp_path: Path) -> None:
    wheel = plain().current()
    (tmp_path / wheel.name).write_bytes(wheel.data)
    target = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, tmp_path / wheel.name]
    subprocess.run(command, check=True, capture_output=True)
    assert (target / "distml_py" / "errors.py").read_bytes() == (SOURCE / "errors.py").read_bytes()


def test_the_same_source_gives_the_same_bytes_at_another_time_and_place(package: Path, tmp_path: Path) -> None:
    first = plain(package).current()
    copy = tmp_path / "elsewhere" / "toy"
    for path in sorted(package.rglob("*"), reverse=True):
        if path.is_file():
            target = copy / path.relative_to(package)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            os.utime(target, (1e9, 1e9))
    assert plain(copy).current() == first
    with zipfile.ZipFile(io.BytesIO(first.data)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}  # no clock was read


def test_caches_and_editor_files_are_left_out(package: Path) -> None:
    names = {name for name in contents(plain(package).current()) if ".dist-info/" not in name}
    assert names == {"toy/__init__.py", "toy/nn/__init__.py", "toy/nn/table.bin"}


def test_an_edit_of_the_source_shows_in_the_next_wheel(package: Path) -> None:
    library = plain(package)
    before = library.current()
    assert library.current() is before
    (package / "__init__.py").write_text("VALUE = 2\n")
    after = library.current()
    assert contents(after)["toy/__init__.py"] == b"VALUE = 2\n"
    assert after.path != before.path
    (package / "new.py").write_text("")
    assert "toy/new.py" in contents(library.current())
    (package / "new.py").unlink()
    assert library.current() == after


def test_a_served_source_is_looked_at_once_a_second_however_many_tabs_start(package: Path) -> None:
    now = [100.0]
    library = LibraryWheels(package, "0.1.0", compiler=None, look_s=1.0, clock=lambda: now[0])
    before = library.current()
    (package / "__init__.py").write_text("VALUE = 2\n")
    now[0] += 0.9
    assert library.current() is before
    now[0] += 0.1
    after = library.current()
    assert contents(after)["toy/__init__.py"] == b"VALUE = 2\n"
    (package / "new.py").write_text("")
    now[0] += 0.5
    assert library.current() is after
    now[0] += 3600
    assert "toy/new.py" in contents(library.current())


def test_the_library_itself_is_looked_at_once_a_second(tmp_path: Path) -> None:
    """A copy of it in a process of its own, edited ten times: at least once the lock right after was the one before."""
    shutil.copytree(SOURCE, tmp_path / "distml_py", ignore=shutil.ignore_patterns("__pycache__"))
    program = """if 1:
        import pathlib, time, distml_py
        from distml_server.wheel import pyodide_lock
        path, same = pathlib.Path(distml_py.__file__), 0
        for turn in range(10):
            before = pyodide_lock()
            path.write_text(path.read_text() + f"EDITED = {turn}")
            same += pyodide_lock() == before
        time.sleep(1.1)
        print(same > 0, pyodide_lock() != before)
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment).stdout
    assert said.split() == ["True", "True"]


def test_a_wheel_that_a_tab_was_promised_can_still_be_had_after_an_edit(package: Path) -> None:
    library = plain(package)
    before = library.current()
    (package / "__init__.py").write_text("VALUE = 22\n")
    library.current()
    assert library.at(before.path) is before
    assert library.at("lib/000000000000/toy-0.1.0-py3-none-any.whl") is None


def test_old_wheels_do_not_pile_up(package: Path) -> None:
    library = plain(package)
    first = library.current()
    for size in range(20):
        (package / "__init__.py").write_text("#" * size)
        library.current()
    assert library.at(first.path) is None


def test_an_unchanged_library_costs_next_to_nothing() -> None:
    library_wheel()
    start = time.perf_counter()
    for _ in range(20):
        library_wheel()
    assert (time.perf_counter() - start) / 20 < 0.05


def test_the_lock_file_names_four_packages_with_their_hashes() -> None:
    lock = pyodide_lock()
    assert set(lock["packages"]) == {"numpy", "micropip", "packaging", "distml-py"}
    ours = lock["packages"]["distml-py"]
    assert (ours["imports"], ours["depends"]) == (["distml_py"], ["numpy"])
    wheel = library_wheel_at(ours["file_name"])
    assert wheel is not None
    assert hashlib.sha256(wheel.data).hexdigest() == wheel.sha256 == ours["sha256"]
    assert ours["file_name"] == f"lib/{wheel.sha256[:12]}/{wheel.name}"
    pins = read_lock().files
    for name in ("numpy", "micropip", "packaging"):
        assert pins[lock["packages"][name]["file_name"]].sha256 == lock["packages"][name]["sha256"]
    assert lock["info"]["version"] == read_lock().pyodide
    assert lock["packages"]["numpy"]["version"] == "2.2.5"


def test_a_base_is_put_before_every_file_name() -> None:
    names = [package["file_name"] for package in pyodide_lock("/assets/")["packages"].values()]
    assert all(name.startswith("/assets/") and not name.startswith("/assets//") for name in names)


# What stands in for pyodide-build, which needs another Python: a program with its command line that renames the wheel.
FAKE_COMPILER = """#!/bin/sh
# called as: -m pyodide_cli py-compile --silent /folder/toy-0.1.0-py3-none-any.whl
{delay}
cp "$5" "$(dirname "$5")/toy-0.1.0-cp313-none-any.whl"
"""


def compiler(tmp_path: Path, text: str) -> str:
    path = tmp_path / "python3.13"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def settle(library: LibraryWheels, name_part: str) -> Wheel:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        wheel = library.current()
        if name_part in wheel.name:
            return wheel
        time.sleep(0.01)
    raise AssertionError(f"no wheel with {name_part} in its name after 20 s")


def test_nobody_waits_for_the_compiler_and_its_wheel_follows(package: Path, tmp_path: Path) -> None:
    interpreter = compiler(tmp_path, FAKE_COMPILER.format(delay="sleep 0.3"))
    library = LibraryWheels(package, "0.1.0", cache=tmp_path / "cache", compiler=lambda: interpreter)
    first = library.current()
    assert "-py3-none-any" in first.name
    compiled = settle(library, "-cp313-none-any")
    assert library.at(first.path) is first and library.at(compiled.path) == compiled
    (package / "__init__.py").write_text("VALUE = 3\n")
    assert "-py3-none-any" in library.current().name


def test_a_second_start_takes_the_compiled_wheel_from_the_cache(package: Path, tmp_path: Path) -> None:
    interpreter = compiler(tmp_path, FAKE_COMPILER.format(delay=""))
    settle(LibraryWheels(package, "0.1.0", tmp_path / "cache", lambda: interpreter), "-cp313-")
    settle(LibraryWheels(package, "0.1.0", tmp_path / "cache", lambda: None), "-cp313-")


FAILING = "#!/bin/sh\ntouch {done}\nexit 3\n"
RUBBISH = '#!/bin/sh\necho rubbish > "$(dirname "$5")/toy-0.1.0-cp313-none-any.whl"\ntouch {done}\n'


@pytest.mark.parametrize("text", [FAILING, RUBBISH], ids=["fails", "rubbish"])
def test_a_compiler_that_fails_leaves_the_plain_wheel(package: Path, tmp_path: Path, text: str) -> None:
    done = tmp_path / "done"
    interpreter = compiler(tmp_path, text.format(done=done))
    library = LibraryWheels(package, "0.1.0", tmp_path / "cache", lambda: interpreter)
    library.current()
    end = time.monotonic() + 20
    while not done.exists() or list((tmp_path / "cache" / "bytecode").iterdir()):  # it tidies up last
        assert time.monotonic() < end
        time.sleep(0.01)
    assert "-py3-none-any" in library.current().name


def test_a_python_without_pyodide_build_is_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distml_server.wheel.PYODIDE_PYTHON", (2, 7))  # so that this interpreter is none, whichever it is
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_compiler() is None
    compiler(tmp_path, "#!/bin/sh\nexit 1\n")
    assert find_compiler() is None
    path = compiler(tmp_path, "#!/bin/sh\nexit 0\n")
    assert find_compiler() == path
