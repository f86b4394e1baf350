"""What a person or a registry gets: README's two commands, the built wheel, the lock files, the licences."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import browser_finder
import distml_py
from distml_py.recipe import load_recipe

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "server" / "requirements.lock").read_text()


@pytest.fixture(scope="module")
def built_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def shell_blocks(section: str) -> list[str]:
    text = (ROOT / "README.md").read_text()
    (body,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return [block.strip("\n") for block in re.findall(r"^```sh\n(.*?)^```", body, re.MULTILINE | re.DOTALL)]


def test_quick_start_holds_exactly_two_commands_of_one_line_each() -> None:
    serve, tests = shell_blocks("Quick start")
    assert "\n" not in serve and "\n" not in tests
    assert serve.endswith("distml serve")
    assert tests.endswith("nox -s tests")


def test_quick_start_needs_only_python_with_venv_and_pip() -> None:
    for command in shell_blocks("Quick start"):
        programs = [part.split()[0] for part in command.split("&&")]
        assert programs[0] == "python3" and all(program.startswith(".venv/bin/") for program in programs[1:])


def test_readmes_recipe_is_one_that_trains(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    training = distml_py.train(load_recipe("readme", code))
    _, accuracy, samples = training.evaluate("test")
    assert (samples, accuracy > 0.95) == (150, True), accuracy
    assert "step 200: loss" in capsys.readouterr().out


def test_the_ci_script_runs_readmes_second_command_and_nothing_else(tmp_path: Path) -> None:
    script = tmp_path / ".ci" / "run"
    script.parent.mkdir()
    script.write_text((ROOT / ".ci" / "run").read_text())
    blocks = ["# x", "exit 6", "## Quick start", "exit 9", "echo ran > proof && exit 7", "## More", "exit 8"]
    readme = [text if text.startswith("#") else f"```sh\n{text}\n```" for text in blocks]
    (tmp_path / "README.md").write_text("\n\n".join(readme) + "\n")
    assert subprocess.run(["bash", str(script)], cwd="/", capture_output=True).returncode == 7
    assert (tmp_path / "proof").read_text() == "ran\n"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_built_wheel_holds_library_coordinator_page_and_bridge(built_wheel: Path) -> None:
    names = set(zipfile.ZipFile(built_wheel).namelist())
    expected = {"distml_py/py.typed", "distml_py/data/digits.safetensors", "distml_py/data/LICENSE-digits.txt"}
    expected |= {"distml_server/py.typed", "distml_server/assets.lock.json"}
    for source, target in (("web", "distml_server/web"), ("webgl_bridge", "distml_server/webgl_bridge")):
        files = [path for path in (ROOT / source).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        expected |= {f"{target}/{path.relative_to(ROOT / source).as_posix()}" for path in files}
    assert expected - names == set()
    assert {"distml_server/web/index.html", "distml_server/webgl_bridge/bridge.js"} <= names
    assert {name.split("/")[0] for name in names} == {"distml_py", "distml_server", "distml_py-0.1.0.dist-info"}


def test_an_installed_wheel_finds_its_page_and_bridge(built_wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(built_wheel).extractall(tmp_path)
    program = (
        "from distml_server.assets import check_vendor, read_lock, shipped_folder\n"
        "check_vendor(shipped_folder('web') / 'vendor', read_lock())\n"
        "print(shipped_folder('webgl_bridge'))"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.stdout.strip() == str(tmp_path / "distml_server" / "webgl_bridge"), result.stderr


def test_the_wheel_names_the_command_and_few_dependencies(built_wheel: Path) -> None:
    archive = zipfile.ZipFile(built_wheel)
    info = "distml_py-0.1.0.dist-info"
    assert "distml = distml_server.cli:main" in archive.read(f"{info}/entry_points.txt").decode()
    metadata = archive.read(f"{info}/METADATA").decode()
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    names = {re.split(r"[<>=;\s]", line.removeprefix("Requires-Dist: "))[0] for line in needed}
    assert names == {"aiohttp", "msgspec", "numpy", "packaging", "pypi-simple", "remotezip", "segno"}
    assert {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"} <= set(archive.namelist())


def test_one_version_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    package = json.loads((ROOT / "package.json").read_text())
    assert version == package["version"] == distml_py.__version__


def test_lock_files_record_no_download_address() -> None:
    text = (ROOT / "package-lock.json").read_text()
    lock = json.loads(text)
    assert '"resolved"' not in text and "://" not in re.sub(r'"(url|funding)": "[^"]*"', "", text)
    assert all("integrity" in entry for name, entry in lock["packages"].items() if name)
    assert lock["packages"]["node_modules/uplot"]["version"] == "1.6.32"


def test_npm_packages_are_pinned_exactly() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    versions = [*package["dependencies"].values(), *package["devDependencies"].values()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)


def test_notice_names_every_third_party_work() -> None:
    notice = (ROOT / "NOTICE").read_text()
    fetched = ("Pyodide 0.28.3", "NumPy 2.2.5", "micropip 0.10.1", "packaging 24.2")
    for work in (*fetched, "uPlot 1.6.32", "CodeMirror 6.0.2", "UCI", "CC BY 4.0"):
        assert work in notice


def test_a_missing_browser_is_an_error_that_says_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = tmp_path / "chromium"
    stub.write_text("#!/bin/sh\necho 'requires the chromium snap' >&2\nexit 1\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "none"))
    with pytest.raises(browser_finder.NoBrowserError) as caught:
        browser_finder.chromium_path.__wrapped__()
    message = str(caught.value)
    assert f"{stub} does not run" in message
    assert "Playwright has not downloaded one" in message
    assert "no apt-get" in message
    assert "playwright install chromium" in message


def test_an_installed_browser_is_found_before_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "google-chrome"
    fake.write_text("#!/bin/sh\necho Google Chrome 150.0\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser_finder.chromium_path.__wrapped__() == str(fake)


@pytest.mark.parametrize("works", [True, False], ids=["a working package", "a snap stub"])
def test_root_gets_debians_chromium_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    """apt-get is a stand-in that notes its arguments and puts a browser (or Ubuntu's stub of one) on the PATH."""
    log, browser = tmp_path / "log", tmp_path / "chromium"
    shell = "echo Chromium 150.0" if works else "exit 1"
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >> {log}\nprintf "#!/bin/sh\\n{shell}\\n" > {browser}\n/bin/chmod +x {browser}\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser_finder, "playwrights_own", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    if works:
        assert browser_finder.chromium_path.__wrapped__() == str(browser)
    else:
        with pytest.raises(browser_finder.NoBrowserError, match="does not run"):
            browser_finder.chromium_path.__wrapped__()
    assert log.read_text().splitlines() == ["update", "install --yes --no-install-recommends chromium"]


def test_without_root_nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\nexit 1\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert browser_finder.install_debians() == "only root may install Debian's chromium: sudo apt-get install chromium"


@pytest.mark.fault("S33")
def test_every_foreign_byte_is_pinned_by_a_hash() -> None:
    """The coordinator's packages, the page's and the browser files: who swaps one of them is refused by pip, npm and `serve`."""
    pins = re.findall(r"^([\w.-]+)==(\S+)[^\\\n]*\\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", LOCK, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[\w.-]+==", LOCK, re.MULTILINE)) > 20, "each pin has its hashes"
    known = {name.lower().replace("_", "-") for name, _, _ in pins}
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[><=!~ ;\[]", one)[0] for one in asked} <= known
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert all(entry["integrity"].startswith("sha512-") for name, entry in packages.items() if name)
    noxfile = (ROOT / "noxfile.py").read_text()
    assert '"npm", "install"' not in noxfile and noxfile.count('"npm", "ci", "--ignore-scripts"') == noxfile.count('"npm", "ci"')
    files = json.loads((ROOT / "server/distml_server/assets.lock.json").read_text())
    pinned = [entry for group in files.values() if isinstance(group, dict) for entry in group.values() if isinstance(entry, dict)]
    assert pinned and all(re.fullmatch("[0-9a-f]{64}", entry["sha256"]) for entry in pinned)
