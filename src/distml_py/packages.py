"""The pure-Python packages that a recipe names, and what a program imports, read from the text. Nothing is installed here."""

import ast
import re
import sys

from .errors import RecipeError

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
IN_A_TAB = sys.platform == "emscripten"


def needed(code: str) -> list[str]:
    """The names in `packages = ["einops"]`, a line of the script or of a class in it; [] when there is none.

    Read from the text, since the packages must be there before the script runs. Raises RecipeError.
    """
    found: dict[str, None] = {}
    for _, names in _lines(code):
        found |= dict.fromkeys(names)
    return list(found)


def imported(code: str) -> list[str]:
    """The top-level names of all modules that a program imports anywhere, and of the packages that it names."""
    try:
        lines = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError):
        return []  # running it says what is wrong, and where
    names = [name.name for line in lines if isinstance(line, ast.Import) for name in line.names]
    names += [line.module for line in lines if isinstance(line, ast.ImportFrom) and line.module and not line.level]
    return list(dict.fromkeys(name.split(".")[0] for name in names)) + needed(code)


def check(code: str) -> None:
    """Raises RecipeError, pointing at the line, when a package that the script names is not here."""
    lines = list(_lines(code))
    if not lines:
        return
    from importlib.metadata import PackageNotFoundError, distribution  # it brings email: few recipes need it

    for line, names in lines:
        for name in names:
            try:
                distribution(name)
            except PackageNotFoundError:
                raise _at(line, RecipeError(f"this recipe needs the package {name}, {_what_to_try(name)}")) from None


def not_named(error: ModuleNotFoundError) -> Exception:
    """What to say of an import of something that is not here; the error itself when it is not about a package."""
    name = (error.name or "").split(".")[0]
    if name in ("torch", "torchvision"):
        what = "a recipe imports distml_py, and this is a program for PyTorch"
        return RecipeError(f"{what}: run it as a PyTorch script, by the page's switch or with `distml run --as-torch`")
    if not name or name == __package__:
        return error
    text = f'there is no module {name} here. If it is a pure-Python package, write packages = ["{name}"] into the recipe'
    return RecipeError(f"{text} and start the coordinator with `distml serve --with {name}`")


def _what_to_try(name: str) -> str:
    if IN_A_TAB:
        return f"which this coordinator does not serve: start it with `distml serve --with {name}`, then reload this page"
    return f"which is not installed here: pip install {name}"


def _lines(code: str) -> list[tuple[int, list[str]]]:
    """Each assignment to `packages`: its line and its names, as PyPI writes them."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return []  # running it says what is wrong, and where
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    return [(line.lineno, _names(line)) for body in bodies for line in body if _is_about_packages(line)]


def _is_about_packages(line: ast.stmt) -> bool:
    match line:
        case ast.Assign(targets=[ast.Name("packages")]) | ast.AnnAssign(target=ast.Name("packages")):
            return True
    return False


def _names(line: ast.stmt) -> list[str]:
    try:
        value = ast.literal_eval(line.value)  # type: ignore[attr-defined]
    except (ValueError, TypeError):
        value = None
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) and NAME.fullmatch(name) for name in value):
        how = 'packages is a list of names written out, like ["einops"]: it is read before the script runs'
        raise _at(line.lineno, RecipeError(f"{how}, and the coordinator chooses the versions; got {ast.unparse(line)}"))
    return [canonical(name) for name in value]


def canonical(name: str) -> str:
    """One name for all ways to write it: PyPI's rule."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _at(line: int, error: RecipeError) -> RecipeError:
    error.line = line
    return error
