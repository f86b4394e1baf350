"""What docs/*.md say is run: each page's Python in one namespace, from top to bottom; its commands; and what its links name."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distml_server.cli import parser

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
PAGES = sorted(path.name for path in DOCS.glob("*.md"))


def run_python(code: str, names: dict[str, Any]) -> None:
    exec(compile(code, "docs", "exec"), names)


def run_commands(code: str) -> None:
    for line in code.splitlines():
        program, *words = shlex.split(line)
        assert program == ".venv/bin/distml", line
        done = subprocess.run([sys.executable, "-m", "distml_server", *words], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr


def understood(code: str) -> None:
    """Commands that go on until somebody stops them: their words are known."""
    for line in code.splitlines():
        program, *words = shlex.split(line)
        assert program == "distml", line
        parser().parse_args(words)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "docs"}
    kinds: dict[str, Callable[[str], None]] = {"python": lambda code: run_python(code, names), "": run_commands}
    kinds["text"] = understood
    for kind, code in BLOCK.findall((DOCS / page).read_text()):
        if kind.startswith("python as "):
            Path(kind.removeprefix("python as ")).write_text(code)
        elif kind != "vectors":  # test_wire.py has the protocol's
            kinds[kind](code)


def test_the_first_page_has_blocks_and_its_links_lead_somewhere() -> None:
    text = (DOCS / "index.md").read_text()
    assert len(BLOCK.findall(text)) >= 8
    for page in PAGES:
        for link in re.findall(r"\]\((?!http|#)([^)#]+)", (DOCS / page).read_text()):
            assert (DOCS / link).exists(), f"{page} names {link}"
