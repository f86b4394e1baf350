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


def test_an_empty_name_is_not_taken_for_none(tmp_path: Path) -> None:
    """A script's variable that is not set: a coordinator that stands alone, or has no run, is not what was asked for."""
    at = ("serve", "--no-page", "--port", "0")
    code, error = said(tmp_path, *at, "--recipe", "")
    assert code == 2 and "there is no recipe ''; there are" in error, error
    code, error = said(tmp_path, *at, "--cluster", "")
    assert code == 2 and "--cluster" in error and error.count("\n") == 1, error


@pytest.mark.parametrize(("command", "option"), [("invite", "--hours"), ("serve", "--join-hours")])
def test_hours_that_are_none_are_refused_in_words_of_both_options(tmp_path: Path, command: str, option: str) -> None:
    (tmp_path / "access.json").write_text('{"invites": []}')
    words = ("invite", "worker") if command == "invite" else ("serve", "--no-page", "--port", "0")
    code, error = said(tmp_path, *words, "--run-dir", ".", option, "-1")
    assert code == 2 and "a link is good for more than 0 hours, got -1" in error, error


def test_a_folder_without_runs_says_so_and_is_not_called_sound(tmp_path: Path) -> None:
    words = f"distml: {tmp_path / 'none'} holds no runs; name another folder with --run-dir\n"
    for action in ("list", "check", "show"):
        assert said(tmp_path, "runs", action, "--run-dir", str(tmp_path / "none")) == (2, words), action
