"""What a recipe needs is read from its text; what is not here is said before the recipe runs, with its line."""

import sys

import pytest

from distml_py import packages
from distml_py.blame import line_of
from distml_py.errors import RecipeError
from distml_py.recipe import load_recipe

RECIPE = "import distml_py as dm\nclass R(dm.Recipe):\n    {}\n"


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("", []),
        ("x = 1", []),
        ("packages = ['einops']", ["einops"]),
        ("packages: list = ['A_b.C', 'einops', 'a-b-c']", ["a-b-c", "einops"]),
        ("class R:\n    packages = ('einops',)\n    steps = 3", ["einops"]),
        ("def f():\n    packages = ['einops']", []),
        ("packages = [", []),
    ],
)
def test_what_a_script_needs_is_read_without_running_it(code: str, names: list[str]) -> None:
    assert packages.needed(code) == names


def test_what_a_program_imports_is_read_from_all_of_its_text() -> None:
    code = "import os.path, einops as e\nfrom tqdm.auto import tqdm\nfrom . import beside\n"
    code += "def f():\n    import torch.nn\npackages = ['rich']"
    assert packages.imported(code) == ["os", "einops", "torch", "tqdm", "rich"]
    assert packages.imported("import (") == []


UNREADABLE = ["packages = names()", "packages = ['a b']", "packages = 'einops'", "packages = ['x>=1']", "packages: list"]


@pytest.mark.parametrize("line", UNREADABLE)
def test_names_that_cannot_be_read_are_refused_with_their_line(line: str) -> None:
    with pytest.raises(RecipeError, match="packages is a list of names written out") as caught:
        load_recipe("r", RECIPE.format(line))
    assert caught.value.line == 3


def test_a_package_that_is_not_here_is_said_before_the_recipe_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    code = RECIPE.format("packages = ['numpy', 'no-such-package']") + "1 / 0\n"
    with pytest.raises(RecipeError, match="which is not installed here: pip install no-such-package") as caught:
        load_recipe("r", code)
    assert caught.value.line == 3
    monkeypatch.setattr(packages, "IN_A_TAB", True)
    with pytest.raises(RecipeError, match="start it with `distml serve --with no-such-package`, then reload this page"):
        load_recipe("r", code)
    assert load_recipe("r", RECIPE.format("packages = ['numpy']")).packages == ["numpy"]


def test_an_import_of_what_is_not_here_says_how_to_name_it() -> None:
    with pytest.raises(RecipeError, match=r'packages = \["nosuch"\] into the recipe .*`distml serve --with nosuch`'):
        load_recipe("r", "import nosuch.part\n" + RECIPE.format("pass"))
    with pytest.raises(ModuleNotFoundError, match="distml_py.nosuch"):
        load_recipe("r", "import distml_py.nosuch\n")


@pytest.mark.parametrize("name", ["torch", "torchvision"])
def test_a_program_for_pytorch_is_no_recipe_and_is_told_how_to_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as where it is not installed
    with pytest.raises(
        RecipeError, match="run it as a PyTorch script, by the page's switch or with `distml run --as-torch`"
    ) as caught:
        load_recipe("r", f"\nimport {name}.nn\n")
    assert line_of(caught.value) == 2
