"""README's first command, word for word, on a fresh clone with an empty cache, up to a trained step in Chromium."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from tabs import Tab

ROOT = Path(__file__).parents[2]
INSTALLED_S = 280
ADDRESS = "http://127.0.0.1:8000/"


def quick_start() -> list[str]:
    """The `sh` blocks of README's section "Quick start"."""
    section = (ROOT / "README.md").read_text().split("## Quick start")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)\n```", section, re.DOTALL)


@pytest.fixture
def first_command(tmp_path: Path) -> Iterator[Path]:
    """Its log file, while it runs."""
    clone, log = tmp_path / "clone", tmp_path / "log"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    own = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    own |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONUNBUFFERED": "1"}
    own["PATH"] = os.pathsep.join(part for part in own["PATH"].split(os.pathsep) if ".venv" not in part and ".nox" not in part)
    with log.open("w") as out:
        shell = ["sh", "-c", quick_start()[0]]
        process = subprocess.Popen(shell, cwd=clone, env=own, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    yield log
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(20) is not None


@pytest.mark.timeout(420)
def test_the_first_command_of_the_readme_serves_a_page_that_trains(first_command: Path, context: BrowserContext) -> None:
    deadline = time.monotonic() + INSTALLED_S
    while ADDRESS not in first_command.read_text():
        assert time.monotonic() < deadline, first_command.read_text()
        assert "distml: " not in first_command.read_text(), first_command.read_text()
        time.sleep(0.5)
    tab = Tab(context, ADDRESS)
    tab.page.get_by_role("button", name="Train").click()
    trained = tab.until("a trained step", lambda s: s["state"] == "training" and (s["step"] or 0) >= 1, 90)
    assert trained["backend"].startswith("WebGL2: ") and trained["cpu_ops"] == 0
    assert tab.foreign_requests(ADDRESS) == []


def test_the_quick_start_holds_two_commands_of_one_line_each() -> None:
    blocks = quick_start()
    assert len(blocks) == 2 and not any("\n" in block for block in blocks)
