"""Each example of the page trains: its loss falls within a few steps on CPython, and it can be looked at."""

from pathlib import Path

import pytest

from distml_py.inspection import look
from distml_py.recipe import Training, load_recipe

RECIPES = sorted((Path(__file__).parents[2] / "web" / "recipes").glob("*.py"))
STEPS = {"char_gpt": 12, "digits_cnn": 25}
VIEW = {"char_gpt": "text", "digits_vae": "again", "sine_curve": "curve", "spiral": "boundary"}


def test_there_are_six_examples_or_more() -> None:
    assert len(RECIPES) >= 6


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_an_example_learns_and_can_be_looked_at(path: Path) -> None:
    recipe = load_recipe(path.stem, path.read_text())
    assert isinstance(recipe.width, int), "the page's control for the width edits this line"  # type: ignore[attr-defined]
    recipe.width = 16  # type: ignore[attr-defined]  # quicker, and it must be possible
    training = Training(recipe, 0)
    first, before, samples = training.evaluate("validation")
    assert 0 <= before <= 1 and samples == len(training.splits.validation)
    for step in range(STEPS.get(path.stem, 60)):
        training.step(step)
    assert training.evaluate("validation")[0] < first * 0.97
    view = VIEW.get(path.stem, "confusion")
    assert view in look(training, "about", {})["views"]
    assert look(training, view, {"length": 5})


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_an_example_has_what_the_pages_controls_look_for_and_a_picture(path: Path) -> None:
    code = path.read_text()
    assert code.count("    batch_size = ") == code.count("    width = ") == code.count("    steps = ") == 1
    assert code.count("lr=") == code.count("return optim.") == 1
    assert (path.parents[1] / "pictures" / f"{path.stem}.svg").is_file()
