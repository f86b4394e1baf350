"""Real Chromium for the browser tests, and `lab`: a page in which Python code runs against the WebGL2 bridge."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from browser_finder import LAUNCH_FLAGS, chromium_path
from served import Coordinator
from ux_table import UxTable

BOOT = """async () => {
    const at = (path) => new URL(path, location.origin).href;
    const { loadPyodide } = await import("/assets/pyodide.mjs");
    const pyodide = await loadPyodide({ indexURL: at("/assets/"), lockFileURL: at("/assets/pyodide-lock.json") });
    await pyodide.loadPackage(["numpy", "distml-py"], { messageCallback: () => {} });
    const { createBridge } = await import("/bridge/bridge.js");
    globalThis.bridge = createBridge(new OffscreenCanvas(1, 1));
    globalThis.pyodide = pyodide;
    return pyodide.runPython("import js\\nfrom distml_py import browser\\nbrowser.start(js.bridge)");
}"""
RUN = """(source) => {
    try { return { value: String(pyodide.runPython(source, { globals: pyodide.toPy({}) })) }; }
    catch (error) { return { error: String(error) }; }
}"""

# Several tabs that take turns by the clock, or what is timed itself: beside other browsers they would judge the machine.
ALONE = {"test_cluster", "test_context_loss", "test_live_page", "test_self_test"}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks those that run alone; of the others, a file that shares a page stays in one process."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem in ALONE:
            item.add_marker(pytest.mark.alone)
        if {"lab", "verdicts"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


TABLE = pytest.StashKey[UxTable]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLE] = UxTable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call" and report.failed:
        report.sections += [(f"tab {page.url}", seen(page)) for page in pages(item)]
    numbers = [number for mark in item.iter_markers("ux") for number in mark.args]
    if numbers and (report.when == "call" or report.failed):
        item.config.stash[TABLE].note(numbers, report.passed)
    return report


def pages(item: pytest.Item) -> list[Page]:
    """The open tabs of a test's browser profile."""
    context = getattr(item, "funcargs", {}).get("context")
    return [page for page in context.pages if not page.is_closed()] if context else []


def seen(page: Page) -> str:
    """What a tab shows, and what it says of itself: a coordinator that waits for it knows neither."""
    try:
        return f"{page.locator('main').inner_text(timeout=5000)[:1500]}\n{page.evaluate('window.distml?.status()')}"
    except PlaywrightError as error:
        return f"shows nothing: {error}"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.getoption("--ux"):
        terminalreporter.section("features of the page")
        for line in config.stash[TABLE].lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def launch(playwright: Playwright) -> Callable[..., Browser]:
    """launch(*flags): a Chromium process of its own."""
    return lambda *flags: playwright.chromium.launch(executable_path=chromium_path(), args=[*LAUNCH_FLAGS, *flags])


@pytest.fixture(scope="session")
def browser(launch: Callable[..., Browser]) -> Iterator[Browser]:
    started = launch()
    yield started
    started.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of its own: tabs in it share nothing with other tests."""
    opened = browser.new_context()
    yield opened
    opened.close()


class Lab:
    """A page with Pyodide, the library and a bridge (`js.bridge`), outside any run."""

    def __init__(self, page: Page, url: str):
        self.page = page
        self._url = url + "api/info"
        self.load()

    def load(self) -> None:
        """The page, anew: what it had in memory is gone, what its browser stores is not."""
        self.page.goto(self._url)
        self.backend: str = self.page.evaluate(BOOT)

    def run(self, source: str) -> Any:
        """Runs Python; its last expression is a JSON string, whose value is returned. Raises with Python's traceback."""
        found = self.page.evaluate(RUN, source)
        if "error" in found:
            raise AssertionError(found["error"])
        return json.loads(found["value"])


@pytest.fixture(scope="session")
def new_lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Lab]]:
    """new_lab(): a fresh page, for tests that break its GPU."""
    folder: Path = tmp_path_factory.mktemp("lab")
    served = Coordinator(folder)
    yield lambda: Lab(browser.new_page(), served.url)
    served.stop()


@pytest.fixture(scope="module")
def lab(new_lab: Callable[[], Lab]) -> Iterator[Lab]:
    opened = new_lab()
    assert opened.backend.startswith("WebGL2"), opened.backend
    yield opened
    opened.page.close()
