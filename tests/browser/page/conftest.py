"""Pages that several tests look at: opened once a file, on localhost and wide, and on plain http and narrow."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from driving import VIOLATIONS, until_editor, until_state
from page_desk import Desk
from served import Coordinator

CLASSROOM = "--host-resolver-rules=MAP classroom.test 127.0.0.1"
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
COUNT_DRAWINGS = """
    window.drawn = 0;
    const clear = CanvasRenderingContext2D.prototype.clearRect;
    CanvasRenderingContext2D.prototype.clearRect = function (...values) {
        if (this.canvas.closest?.("#loss-chart")) drawn += 1;
        return clear.apply(this, values);
    };
"""


@pytest.fixture(scope="session")
def class_browser(launch: Callable[..., Browser]) -> Iterator[Browser]:
    started = launch(CLASSROOM, *CAMERA)
    yield started
    started.close()


@pytest.fixture(scope="module", params=["localhost, wide", "plain http, narrow"])
def desk(request: pytest.FixtureRequest, class_browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    secure = request.param.startswith("localhost")
    folder: Path = tmp_path_factory.mktemp("desk")
    coordinator = Coordinator(folder, "--allow-host", "classroom.test")
    size = {"width": 1280, "height": 900} if secure else {"width": 320, "height": 640}
    rights = ["clipboard-read", "clipboard-write"] if secure else []
    context = class_browser.new_context(viewport=size, accept_downloads=True, permissions=rights)  # type: ignore[arg-type]
    context.add_init_script(VIOLATIONS)
    context.add_init_script(COUNT_DRAWINGS)
    page = context.new_page()
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda payload: sent.append(str(payload))))
    made = Desk(coordinator, context, page, secure, sent)
    page.goto(made.link(coordinator.host_link))
    assert page.evaluate("isSecureContext") is secure
    until_editor(page)
    until_state(page, "ready")
    yield made
    assert page.evaluate("window.violations ?? []") == [], "the policy holds with everything above"
    context.close()
    coordinator.stop()


@pytest.fixture
def page(desk: Desk) -> Page:
    return desk.page


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    item.stash[FAILED] = report.failed
    return report


@pytest.fixture(autouse=True)
def one_failure_is_one(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that fails leaves its run training, in a page that the next ones use: it is stopped for them."""
    shared = "desk" in request.fixturenames
    yield
    if shared and request.node.stash[FAILED]:
        page = request.getfixturevalue("desk").page
        if page.locator("#stop").is_enabled():
            page.locator("#stop").click()
            until_state(page, "stopped", "ready", "finished", timeout_s=30)
