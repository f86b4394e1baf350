"""Imports point one way: the arrows of src/distml_py, drawn by ast and held against the listing of ARCHITECTURE.md."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "src" / "distml_py"

# A module imports from rows above its own. A folder stands for its files, which may import each other without a circle.
LISTING = [
    ["size", "held"],
    ["errors", "view", "nesting", "blame", "snapshot", "torch_names", "amp", "version"],
    ["missing", "packages", "jit", "cuda", "accelerator", "distributed", "multiprocessing"],
    ["op", "safetensors", "layout", "live", "variant", "codecs", "manifest"],
    ["graph", "wire", "kernel", "exchange", "dtypes"],
    ["ops", "operands", "steps", "expressions"],
    ["differentiation", "lowering", "epilogue", "broadcast", "holdings"],
    ["scattering", "siblings", "attending", "updates", "folding"],
    ["prologue"],
    ["schedule"],
    ["backends", "indexing"],
    ["engine", "random"],
    ["tensor", "selftest", "profiler", "tuning"],
    ["gradients", "sampling"],
    ["gradcheck", "differentials", "saved", "anomaly"],
    ["autograd"],
    ["creation", "browser", "atlas", "func", "forward_ad", "linalg", "special", "constants", "einops_backend", "testing"],
    ["kinds", "sparse"],
    ["recording", "scope", "spent", "trees"],
    ["guards"],
    ["program"],
    ["functions", "io", "capture"],
    ["nn/functional"],
    ["nn", "optim", "data", "distributions"],
    ["serialization"],
    ["onnx", "encoders"],
    ["recipe", "models", "utils", "uplink", "optim/swa_utils"],
    ["torchvision", "stepping"],
    ["stand_in"],
    ["tab", "inspection"],
    ["alone"],
]
ROW = {name: number for number, row in enumerate(LISTING) for name in row}


def modules() -> list[str]:
    """ "ops/move" for src/distml_py/ops/move.py; a package's __init__ goes by the package's name, the library's own is left out."""
    found = [path.relative_to(LIBRARY).with_suffix("").as_posix() for path in LIBRARY.rglob("*.py")]
    return sorted(name.removesuffix("/__init__") for name in found if name != "__init__")


def path_of(module: str) -> Path:
    package = LIBRARY / module / "__init__.py"
    return package if package.exists() else LIBRARY / f"{module}.py"


def statements(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import, inside functions too; not those for the type checker alone."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        todo.extend(ast.iter_child_nodes(node))


def imported(module: str) -> set[str]:
    """The library's modules that one of them imports."""
    known = set(modules())
    path = path_of(module)
    folder = path.parent.relative_to(LIBRARY).parts
    found: set[str] = set()
    for statement in statements(ast.parse(path.read_text())):
        if isinstance(statement, ast.Import):
            parts = [tuple(alias.name.split(".")[1:]) for alias in statement.names if alias.name.startswith("distml_py.")]
        elif statement.level:
            base = (*folder[: len(folder) - statement.level + 1], *(statement.module or "").split("."))
            parts = [tuple(filter(None, (*base, alias.name))) for alias in statement.names]
        else:
            base = tuple((statement.module or "").split("."))
            parts = [(*base[1:], alias.name) for alias in statement.names] if base[0] == "distml_py" else []
        for names in parts:
            whole, short = "/".join(names), "/".join(names[:-1])
            found.add(whole if whole in known else short)
    return found - {module, ""}


def entry(module: str) -> str:
    """Its name in the listing: its own, or its folder's."""
    assert module in ROW or module.split("/")[0] in ROW, f"{module} has no row in LISTING, nor in ARCHITECTURE.md"
    return module if module in ROW else module.split("/")[0]


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_from_rows_above_its_own(module: str) -> None:
    own = entry(module)
    wrong = [f"{module} -> {other}" for other in sorted(imported(module)) if entry(other) != own and ROW[entry(other)] >= ROW[own]]
    assert wrong == [], "these arrows point down or sideways"


def test_files_of_one_folder_do_not_import_in_a_circle() -> None:
    above = {module: {other for other in imported(module) if entry(other) == entry(module)} for module in modules()}
    while True:
        free = [module for module, others in above.items() if not others]
        if not free:
            break
        above = {module: others - set(free) for module, others in above.items() if module not in free}
    assert above == {}, "these wait for each other"


def outside(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    found: set[str] = set()
    for statement in statements(ast.parse(path.read_text())):
        if isinstance(statement, ast.Import):
            found |= {alias.name.split(".")[0] for alias in statement.names}
        elif not statement.level:
            found.add((statement.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("module", modules())
def test_the_library_needs_numpy_alone_and_never_the_server(module: str) -> None:
    browser = {"js", "pyodide", "pyodide_js"} if module == "browser" else set()
    assert outside(path_of(module)) <= {"numpy", *sys.stdlib_module_names, *browser}


def test_only_browser_py_touches_the_browser() -> None:
    assert "pyodide" in outside(path_of("browser"))


def test_every_row_of_the_listing_is_there() -> None:
    known = set(modules())
    assert [name for name in ROW if name not in known] == []


@pytest.mark.parametrize("path", sorted((ROOT / "web" / "recipes").glob("*.py")), ids=lambda path: path.stem)
def test_recipes_use_public_names_only(path: Path) -> None:
    for statement in statements(ast.parse(path.read_text())):
        names = [alias.name for alias in statement.names]
        module = statement.module if isinstance(statement, ast.ImportFrom) else ""
        if module and module.split(".")[0] == "distml_py":
            public = ("distml_py", *(f"distml_py.{name}" for name in ("data", "models", "nn", "optim")))
            assert module in public, f"{module} is not public"
            assert not [name for name in names if name.startswith("_")]


def test_the_library_starts_without_what_is_only_read_when_it_is_asked_for() -> None:
    """Each start of a page would read it."""
    told = subprocess.run([sys.executable, "-c", "import sys, distml_py; print(*sys.modules)"], capture_output=True, text=True)
    later = tuple(f"distml_py.{name}" for name in ("distributions", "models", "onnx", "torchvision"))
    assert told.returncode == 0, told.stderr
    assert [name for name in told.stdout.split() if name.startswith(later)] == []
    import distml_py

    assert set(dir(distml_py)) >= {"distributions", "models", "onnx", "torchvision"} and distml_py.models.GPT
