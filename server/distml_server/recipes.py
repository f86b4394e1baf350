"""The recipes that ship with the page: their names, titles and code. Nothing is executed here."""

import ast
from pathlib import Path

from distml_py.errors import RecipeError

from .assets import shipped_folder


def listing(folder: Path) -> list[dict[str, str]]:
    """Name and title, the first line of the docstring, of each recipe in the folder, by name."""
    return [
        {"name": path.stem, "title": title_of(path.read_text("utf-8")) or path.stem}
        for path in sorted(folder.glob("*.py"))
        if not path.stem.startswith("_")
    ]


def title_of(code: str) -> str:
    try:
        return (ast.get_docstring(ast.parse(code)) or "").split("\n")[0].strip()
    except (SyntaxError, ValueError):
        return ""  # it is shown by its name, and says what is wrong when it is run


def code_of(name: str) -> tuple[str, str]:
    """Name and code of a recipe: one of the page's by its name, or a file by its path. Raises RecipeError."""
    folder = shipped_folder("web") / "recipes"
    path = Path(name) if name.endswith(".py") else folder / f"{name}.py"
    if not name.endswith(".py") and name not in {recipe["name"] for recipe in listing(folder)}:
        known = ", ".join(recipe["name"] for recipe in listing(folder)) or "none"
        raise RecipeError(f"there is no recipe {name!r}; there are {known}, or name a file that ends in .py")
    try:
        return path.stem, path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot read the recipe {path}: {error}") from None
