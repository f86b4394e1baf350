"""What goes wrong on the command line is one line that says what was asked, what was found and what to try."""

import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "web" / "recipes"
MLP = (RECIPES / "digits_mlp.py").read_text()


def said(folder: Path, *words: str) -> tuple[int, str]:
    """(exit code, standard error) of a `distml` command."""
    command = [sys.executable, "-m", "distml_server", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize("link", ["http://[::1:8000/", "foo bar", "http://127.0.0.1:99999/", "http://127.0.0.1:abc/", "ftp://x/"])
def test_a_link_that_is_none_is_refused_at_once(tmp_path: Path, link: str) -> None:
    code, error = said(tmp_path, "worker", link)
    assert (code, error.count("\n")) == (2, 1), error
    assert error.startswith("distml: a worker needs a link such as http://127.0.0.1:8000/#t=..., got ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("return digits()", "return 1 / 0"), "the recipe wrong fails in line 13: ZeroDivisionError: division by zero"),
        (("steps = 400", "steps = = 400"), "the recipe wrong fails in line 9: SyntaxError"),
        (("return digits()", "raise SystemExit(3)"), "the recipe wrong fails in line 13: SystemExit: 3"),
        (("return digits()", "return 3"), "a Dataset or a list of samples, got int"),
    ],
)
def test_a_recipe_that_fails_is_told_with_its_line(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    (tmp_path / "wrong.py").write_text(MLP.replace(*change))
    for command in (["run", "wrong.py"], ["serve", "--recipe", "wrong.py", "--port", "0", "--no-page"]):
        code, error = said(tmp_path, *command)
        assert code == 2 and words in error and "Traceback" not in error, error


def test_an_optimizer_that_cannot_travel_is_refused_before_anybody_joins(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(MLP.replace("lr=0.2", "lr=float('inf')"))
    code, error = said(tmp_path, "serve", "--recipe", "endless.py", "--port", "0", "--no-page")
    assert code == 2 and "the optimizer's settings travel as JSON numbers and text" in error, error


def test_no_steps_are_no_training(tmp_path: Path) -> None:
    code, error = said(tmp_path, "run", str(RECIPES / "digits_mlp.py"), "--steps", "0")
    assert code == 2 and "--steps is at least 1, got 0" in error
