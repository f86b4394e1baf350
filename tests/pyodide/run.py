"""The library's own tests inside Pyodide in Chromium, on WebGL2: `nox -s pyodide`. Prints what failed, writes a JUnit file.

Each page runs some tests and makes room for a fresh one: thousands of programs wear a software renderer out.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree as ElementTree
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from left_out import LEFT_OUT
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from browser_finder import LAUNCH_FLAGS, chromium_path
from served import Coordinator

ROOT = Path(__file__).parents[2]
PACKAGES = ("pytest", "hypothesis", "einops")
UNIT = 150  # tests a call into a page
PROGRAMS = 1200  # a page that has compiled so many is closed
SILENT_S = 240.0  # without a word for so long, a page hangs
SHIPPED = (
    "tests/library/*.py", "tests/library/state_dicts/*", "tests/pyodide/in_tab.py", "web/recipes/*.py", "web/pictures/*",
    "web/bench/workloads.py", "docs/*", "src/distml_py/data/*.safetensors", "package.json", "LICENSE",
)  # fmt: skip
MARKERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
INI = "\n    ".join(["""[pytest]
addopts = --import-mode=importlib --strict-markers
pythonpath = tests tests/library tests/pyodide
markers =""", "timeout: of one test", *MARKERS])  # fmt: skip
BOOT = """async ([packages, files]) => {
    const at = (path) => new URL(path, location.origin).href;
    const { loadPyodide } = await import("/assets/pyodide.mjs");
    const pyodide = await loadPyodide({ indexURL: at("/assets/"), lockFileURL: at("/assets/pyodide-lock.json") });
    await pyodide.loadPackage(["numpy", "distml-py", "micropip"], { messageCallback: () => {} });
    await pyodide.pyimport("micropip").install(packages);
    for (const [path, text] of Object.entries(files)) {
        pyodide.FS.mkdirTree(path.slice(0, path.lastIndexOf("/")));
        pyodide.FS.writeFile(path, Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
    }
    const { createBridge } = await import("/bridge/bridge.js");
    globalThis.bridge = createBridge(new OffscreenCanvas(1, 1));
    globalThis.pyodide = pyodide;
    const backend = pyodide.runPython("import js\\nfrom distml_py import browser\\nbrowser.start(js.bridge)");
    pyodide.runPython("import sys\\nsys.path[:0] = ['/suite/tests/pyodide']\\nimport in_tab\\nin_tab.judge()");
    return backend;
}"""
RUN = """([file, first, count, left]) => pyodide.pyimport("in_tab").run(file, first, count, pyodide.toPy(left))"""


@dataclass(frozen=True)
class Unit:
    """Some tests of one file."""

    file: str
    first: int


@dataclass
class Suite:
    """What is to be run, and what was said of it."""

    units: deque[Unit]
    verbose: bool
    reports: list[dict[str, Any]] = field(default_factory=list)
    heard_at: float = 0.0

    def hear(self, message: ConsoleMessage) -> None:
        self.heard_at = time.monotonic()
        if not message.text.startswith("REPORT "):
            return
        report = json.loads(message.text.removeprefix("REPORT "))
        self.reports.append(report)
        if self.verbose or report["outcome"] == "failed":
            why = [line for line in report["text"].splitlines() if line.startswith("E ")]
            said = f"{report['outcome'].upper()} {report['name']} ({report['backend']}, {report['seconds']:.2f} s)"
            print(said, *why[:3], sep="\n    ", flush=True)


async def opened(browser: Browser, url: str, suite: Suite) -> Page:
    """A page in which the tests can run."""
    page = await (await browser.new_context()).new_page()
    page.on("console", suite.hear)
    page.set_default_timeout(120_000)
    await page.goto(f"{url}api/info")  # under the coordinator's policy, as every page of it
    shipped = {path.relative_to(ROOT).as_posix(): path.read_bytes() for pattern in SHIPPED for path in ROOT.glob(pattern)}
    shipped["pytest.ini"] = INI.encode()
    files = {f"/suite/{name}": base64.b64encode(data).decode() for name, data in shipped.items()}
    backend = await page.evaluate(BOOT, [list(PACKAGES), files])
    assert backend.startswith("WebGL2"), backend
    return page


async def work(browser: Browser, url: str, suite: Suite) -> None:
    """Takes units until none is left; a page that hangs or crashes is told of, and another one goes on."""
    page = None
    while suite.units:
        unit = suite.units.popleft()
        page = page or await opened(browser, url, suite)
        known = len(suite.reports)
        try:
            found = json.loads(await heard(page, suite, unit))
            if found["wrong"]:
                raise RuntimeError(found["wrong"])
            if unit.first == 0:
                suite.units.extendleft(Unit(unit.file, first) for first in reversed(range(UNIT, found["total"], UNIT)))
        except Exception as error:
            text = f"the page ended or hung after {len(suite.reports) - known} tests: {error}"
            name = f"{unit.file}[{unit.first}:]"
            suite.reports.append({"name": name, "outcome": "failed", "seconds": 0.0, "backend": "", "text": text})
            print(f"FAILED {suite.reports[-1]['name']}: {suite.reports[-1]['text'][:400]}", flush=True)
            page = await closed(page)
            continue
        names = Counter(report["outcome"] for report in suite.reports[known:] if report["name"].startswith(unit.file))
        print(f"{unit.file}[{unit.first}:{unit.first + UNIT}] {dict(names)} in {found['seconds']:.0f} s", flush=True)
        if found["programs"] > PROGRAMS:
            page = await closed(page)
    if page:
        await closed(page)


async def heard(page: Page, suite: Suite, unit: Unit) -> str:
    """What in_tab.run() returns. Raises TimeoutError when nothing is heard for SILENT_S."""
    suite.heard_at = time.monotonic()
    running = asyncio.ensure_future(page.evaluate(RUN, [unit.file, unit.first, UNIT, LEFT_OUT]))
    while not running.done():
        await asyncio.wait([running], timeout=1)
        if time.monotonic() - suite.heard_at > SILENT_S:
            running.cancel()
            raise TimeoutError(f"silent for {SILENT_S:g} s")
    said: str = running.result()
    return said


async def closed(page: Page) -> None:
    with contextlib.suppress(Exception):  # one that hangs goes with its browser
        await asyncio.wait_for(page.context.close(), 20)


def files(patterns: Iterable[str]) -> deque[Unit]:
    """The beginning of each file, the large ones first. How many tests a file has is known once it was opened in a tab."""
    found = [path for path in (ROOT / "tests" / "library").glob("test_*.py") if path.name not in LEFT_OUT]
    wanted = [path for path in found if not patterns or any(pattern in path.name for pattern in patterns)]
    return deque(Unit(f"tests/library/{path.name}", 0) for path in sorted(wanted, key=lambda path: -path.stat().st_size))


def written(reports: list[dict[str, Any]], spent_s: float, path: Path) -> None:
    """A JUnit file: name, outcome, seconds and backend of each test."""
    counts = Counter(report["outcome"] for report in reports)
    suite = ElementTree.Element("testsuite", name="pyodide", tests=str(len(reports)), failures=str(counts["failed"]),
                                skipped=str(counts["skipped"]), time=f"{spent_s:.1f}")  # fmt: skip
    for report in reports:
        file, _, name = report["name"].partition("::")
        case = ElementTree.SubElement(suite, "testcase", classname=file, name=name, time=f"{report['seconds']:.3f}")
        ElementTree.SubElement(ElementTree.SubElement(case, "properties"), "property", name="backend", value=report["backend"])
        if report["outcome"] != "passed":
            kind = "failure" if report["outcome"] == "failed" else "skipped"
            text = "".join(letter for letter in report["text"] if letter.isprintable() or letter in "\n\t")
            ElementTree.SubElement(case, kind, message=text[-200:]).text = text
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


async def main() -> int:
    parser = argparse.ArgumentParser(prog="nox -s pyodide --", description=__doc__)
    parser.add_argument("files", nargs="*", help="parts of the files' names; default: all")
    parser.add_argument("--xml", type=Path, default=Path("pyodide.xml"), help="default: %(default)s")
    parser.add_argument("--pages", type=int, default=2, help="at the same time; default: %(default)s")
    parser.add_argument("-v", "--verbose", action="store_true", help="each test as it ends")
    asked = parser.parse_args()
    suite, began = Suite(files(asked.files), asked.verbose), time.monotonic()
    print("Left out:", *(f"\n  {name}: {why}" for name, why in LEFT_OUT.items()), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        served = Coordinator(Path(folder), *(word for name in PACKAGES for word in ("--with", name)))
        try:
            async with async_playwright() as playwright:
                browsers = [
                    await playwright.chromium.launch(executable_path=chromium_path(), args=list(LAUNCH_FLAGS))
                    for _ in range(asked.pages)
                ]
                await asyncio.gather(*(work(browser, served.url, suite) for browser in browsers))
        finally:
            served.stop()
    return told(suite.reports, time.monotonic() - began, asked.xml)


def told(reports: list[dict[str, Any]], spent_s: float, path: Path) -> int:
    """The failures and a line like pytest's. Returns the exit code."""
    written(reports, spent_s, path)
    for report in reports:
        if report["outcome"] == "failed":
            print(f"\n____ {report['name']} ({report['backend']})\n{report['text']}")
    backends = Counter(report["backend"] for report in reports if report["outcome"] == "passed")
    names = {"webgl": "on WebGL2", "reference": "on NumPy for want of float64", "its own": "on what the test chose"}
    print("passed", ", ".join(f"{text}: {backends[name]}" for name, text in names.items()))
    counts = Counter(report["outcome"] for report in reports)
    print(f"==== {', '.join(f'{counts[kind]} {kind}' for kind in ('passed', 'failed', 'skipped'))} in {spent_s:.1f}s ====")
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
