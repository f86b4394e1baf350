"""`distml doctor` names what is wrong with a machine and what to do, and is content with this one."""

import argparse
import importlib.metadata
import socket
from pathlib import Path

import pytest

from distml_server import doctor
from distml_server.cli import main
from distml_server.doctor import Finding


def test_what_is_in_order_is_said_and_a_problem_is_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "browser", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert main(["doctor", "--port", str(number), "--run-dir", str(tmp_path / "new")]) == 1
    said = capsys.readouterr().out
    assert f"problem  port: {number} cannot be used" in said and "1 of 7 need your hand" in said
    assert "ok       Python: 3." in said and "numpy 2" in said and "no Chromium or Chrome found here" in said
    assert main(["doctor", "--port", str(number), "--run-dir", str(tmp_path / "new")]) == 0
    assert "Nothing stands in the way." in capsys.readouterr().out and not (tmp_path / "new").exists()


def missing(name: str) -> str:
    raise importlib.metadata.PackageNotFoundError(name)


def judged(text: str) -> Finding:
    return doctor.judged(f'<pre id="found">{text}</pre>', "chrome")


def test_each_finding_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = {
        "Python": (doctor.python((3, 9, 1)), "problem", "3.9.1 is too old: install 3.11 or newer"),
        "package": (doctor.packages(missing), "problem", "numpy is missing: install distml-py again"),
        "port": (doctor.port(70_000), "problem", "70000 cannot be used"),
        "file": (doctor.disk(tmp_path / "file"), "problem", "is a file: name a folder with --run-dir"),
        "full": (doctor.disk(tmp_path / "x" / "y", lambda path: 5_000_000), "warning", "5 MB free"),
        "room": (doctor.disk(tmp_path), "ok", "GB free"),
        "cache": (doctor.browser_files(tmp_path), "warning", "the first `distml serve` fetches them"),
        "software": (judged("floats|ANGLE (SwiftShader)"), "warning", "drawn by software (ANGLE (SwiftShader))"),
        "gpu": (judged("floats|ANGLE (NVIDIA &amp; co)"), "ok", "ANGLE (NVIDIA & co)"),
        "floats": (judged("no floats|x"), "warning", "no textures of floats"),
        "none": (judged("none|"), "warning", "no WebGL2: tabs compute on the CPU, slowly; update the browser"),
        "mute": (doctor.judged("", "chrome"), "warning", "chrome did not answer"),
        "no browser": (doctor.webgl(str(tmp_path / "nope")), "warning", "did not answer (FileNotFoundError)"),
    }
    for name, (finding, state, words) in found.items():
        assert finding.state == state and words in finding.words, (name, finding)


def test_it_asks_for_nothing_that_it_does_not_need() -> None:
    options = argparse.Namespace(port=0, run_dir=".", cache=None)
    assert [finding.what for finding in doctor.findings(options)][:6] == [
        "Python", "packages", "port", "run directory", "browser files", "network",
    ]  # fmt: skip
