"""In the tab: pytest over the library's own tests on WebGL2. PyTorch is played by a second copy of the library on NumPy.

What a test calls torch is the reference backend: the copy has its own engine, and no GPU. Each outcome is told as it comes.
"""

import contextlib
import io
import json
import shutil
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import einops  # noqa: F401  first, so that both copies tell it of their tensors
import js
import pytest

import distml_py
from distml_py import engine

ROOT = Path("/suite")
NO_FLOAT64 = "has no float64"
GPU = engine.backend()


def judge() -> None:
    """`import torch` finds the second copy from now on."""
    library = Path(distml_py.__file__).parent
    shutil.copytree(library, ROOT / "judge" / "judging_copy")
    sys.path.insert(0, str(ROOT / "judge"))
    from judging_copy.stand_in import as_torch  # type: ignore[import-not-found]

    as_torch()


class Plugin:
    """Runs each test on WebGL2, on NumPy where it needs float64, and reports it."""

    def __init__(self, first: int, count: int, left_out: dict[str, str]):
        self._first, self._last, self._left_out = first, first + count, left_out
        self.total = 0
        self._why = ""
        self._spent_s = 0.0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        names = ((item, item.nodeid.removeprefix("tests/library/")) for item in items)
        kept = [item for item, name in names if not {name, name.split("[")[0]} & self._left_out.keys()]
        self.total = len(kept)
        items[:] = kept[self._first : self._last]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        engine.use_backend(GPU)
        self._why, self._spent_s = "webgl", 0.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: Any) -> bool:
        values = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
        chosen = engine.backend() is not GPU
        if chosen:
            self._why = "its own"
        try:
            pyfuncitem.obj(**values)
        except (Exception, pytest.fail.Exception) as error:
            if chosen or not says(error, NO_FLOAT64):
                raise
            self._why = "reference"
            engine.use_backend("reference")
            pyfuncitem.obj(**values)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._spent_s += report.duration
        if report.when == "teardown" and not report.failed:
            return
        if report.when == "setup" and report.passed:
            return
        text = "" if report.passed else str(report.longrepr)[-4000:]
        told = {"name": report.nodeid, "outcome": report.outcome, "seconds": self._spent_s, "backend": self._why, "text": text}
        js.console.log("REPORT " + json.dumps(told))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            told = {"name": report.nodeid, "outcome": "failed", "seconds": 0.0, "backend": "", "text": str(report.longrepr)[-4000:]}
            js.console.log("REPORT " + json.dumps(told))


def says(error: BaseException | None, words: str) -> bool:
    while error is not None:
        if words in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def run(file: str, first: int, count: int, left_out: dict[str, str]) -> str:
    """Some tests of one file. Returns what this page has used of its GPU."""
    warnings.simplefilter("ignore")
    began = time.time()
    options = ["-p", "no:cacheprovider", "-c", str(ROOT / "pytest.ini"), "--rootdir", str(ROOT), str(ROOT / file)]
    said, plugin = io.StringIO(), Plugin(first, count, left_out)
    with contextlib.redirect_stdout(said):
        code = pytest.main(options, plugins=[plugin])
    engine.use_backend(GPU)
    known = code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
    wrong = "" if known else said.getvalue()[-4000:]
    found = {"wrong": wrong, "total": plugin.total, "seconds": time.time() - began, "programs": GPU.stats()["programs"]}
    return json.dumps(found)
