"""The engine as a browser keeps it from its first start: quick the next time, and never somebody else's."""

import hashlib
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from driving import code_of, edit, status, train, until, until_editor, until_state
from served import Coordinator

FETCHED = "performance.getEntriesByType('resource').map(e => new URL(e.name).pathname.split('/').at(-1))"
SPOIL = """() => new Promise((done, fail) => {
    const opening = indexedDB.open("distml.start", 1);
    opening.onerror = () => fail(opening.error);
    opening.onsuccess = () => {
        const change = opening.result.transaction("start", "readwrite");
        const asked = change.objectStore("start").get("start");
        asked.onsuccess = () => {
            const bytes = new Uint8Array(asked.result);
            bytes[bytes.length - 1000] ^= 1;
            change.objectStore("start").put(bytes.buffer, "start");
        };
        change.oncomplete = () => (opening.result.close(), done());
    };
})"""
FORGED = """import js, pyodide.ffi
message = {"kind": "kept", "key": "1", "sha256": "f" * 64}
js.self.postMessage(pyodide.ffi.to_js(message, dict_converter=js.Object.fromEntries))
"""
COMPILED = "performance.getEntriesByName('classes')[0].detail"
NOTE = "localStorage.getItem('distml.start')"


def visit(page: Page, link: str = "") -> set[str]:
    """What kinds of the engine's files a visit fetches."""
    if link:
        page.goto(link)
    else:
        page.reload()
    until_editor(page)
    until_state(page, "ready")
    names = page.workers[0].evaluate(FETCHED)
    return {kind for kind in ("python_stdlib", "numpy-", "distml_py-") if any(name.startswith(kind) for name in names)}


ALL = {"python_stdlib", "numpy-", "distml_py-"}


@pytest.mark.ux(1, 30)
def test_a_later_start_unpacks_nothing_and_trains_and_fails_as_the_first(context: BrowserContext, coordinator: Coordinator) -> None:
    page = context.new_page()
    assert visit(page, coordinator.host_link) == ALL
    assert page.workers[0].evaluate(COMPILED) > 100
    assert visit(page) == set()
    assert page.workers[0].evaluate(COMPILED) == 0
    good = code_of(page)
    train(page, 20)
    until_state(page, "finished", timeout_s=60)
    assert status(page)["test_accuracy"] > 0.1 and status(page)["cpu_ops"] == 0
    edit(page, "import distml_py\ndistml_py.ones(2, 3) @ distml_py.ones(2, 3)\n" + good)
    page.get_by_role("button", name="Train").click()
    until_state(page, "error", timeout_s=30)
    assert "Line 2" in status(page)["error"] and "ShapeError" in status(page)["error"]
    assert "raise ShapeError" in str(page.locator("#problem-traceback").text_content()), "lines of the library have their text"


@pytest.mark.ux(1, 30)
def test_what_was_changed_meanwhile_is_not_used(context: BrowserContext, coordinator: Coordinator) -> None:
    page = context.new_page()
    visit(page, coordinator.host_link)
    page.evaluate(SPOIL)
    assert visit(page) == ALL, "one bit is another start"
    assert visit(page) == set(), "and it was kept anew"
    note = page.evaluate(NOTE)
    edit(page, FORGED + code_of(page))
    train(page, 5)
    until_state(page, "finished", timeout_s=60)
    assert page.evaluate(NOTE) == note, "who has run somebody's code notes nothing"


def test_the_sum_is_the_same_without_webcrypto(page: Page, coordinator: Coordinator) -> None:
    page.goto(coordinator.url + "api/info")
    for size in (0, 1, 55, 56, 63, 64, 65, 1000):
        data = bytes(n * 37 % 251 for n in range(size))
        found = page.evaluate(
            """async (data) => {
                const { plainly, sha256 } = await import("/web/sha256.js");
                const bytes = new Uint8Array(data);
                return [[...plainly(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join(""), await sha256(bytes)];
            }""",
            list(data),
        )
        assert found == [hashlib.sha256(data).hexdigest()] * 2, size


KERNELS = """() => new Promise((done, fail) => {
    const opening = indexedDB.open("distml_py", 1);
    opening.onerror = () => fail(opening.error);
    opening.onsuccess = () => {
        const store = opening.result.transaction("tuning").objectStore("tuning");
        const [names, values] = [store.getAllKeys(), store.getAll()];
        values.onsuccess = () => {
            opening.result.close();
            const found = values.result.filter((_, n) => names.result[n].endsWith(" kernels"));
            done(found.length && found[0] ? JSON.parse(found[0]).kernels.length : 0);
        };
    };
})"""


def test_a_later_start_begins_the_kernels_of_the_last_one(context: BrowserContext, coordinator: Coordinator) -> None:
    page = context.new_page()
    visit(page, coordinator.host_link)
    assert page.evaluate(KERNELS) == 0
    train(page, 20)
    until_state(page, "finished", timeout_s=60)
    kept = page.evaluate(KERNELS)
    assert kept > 10

    def counted(route: Route) -> None:
        answer = route.fetch()
        body = answer.text().replace(
            "gl.linkProgram(handle);", "gl.linkProgram(handle); globalThis.links = (globalThis.links ?? 0) + 1;"
        )
        assert body != answer.text()
        route.fulfill(response=answer, body=body)

    context.route("**/bridge/programs.js", counted)
    page.close()
    page = context.new_page()
    page.goto(coordinator.host_link)
    until(page, "distml.status().backend !== null", 60)
    assert page.workers[0].evaluate("globalThis.links") >= kept, "nobody has asked for them yet"
    assert page.evaluate(KERNELS) == 0, "a record that hangs a GPU is met once"
    train(page, 20)
    until_state(page, "finished", timeout_s=60)
    assert page.evaluate(KERNELS) > 10, "written anew; how many, depends on what was drawn until the first loss was known"


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def test_a_gpu_that_passed_is_tested_again_when_there_is_time(context: BrowserContext, coordinator: Coordinator) -> None:
    """The second visit's bridge draws nothing: that is seen after the start, and at the third visit's start."""
    page = context.new_page()
    visit(page, coordinator.host_link)
    assert str(status(page)["backend"]).startswith("WebGL2")
    page.wait_for_timeout(500)

    def spoilt(route: Route) -> None:
        answer = route.fetch()
        body = answer.text().replace("gl.drawArrays(gl.TRIANGLES, 0, 3);", "")
        assert body != answer.text()
        route.fulfill(response=answer, body=body)

    context.route("**/bridge/bridge.js", spoilt)
    visit(page)
    assert str(status(page)["backend"]).startswith("WebGL2")
    until(page, "distml.status().backend.startsWith('reference (NumPy): WebGL2: ')", 20)
    assert "fails the self-test" in status(page)["backend"]
    visit(page)
    assert "fails the self-test" in status(page)["backend"], "it has lost its name"


def test_a_start_is_kept_on_plain_http_as_well(serve: Callable[..., Coordinator], launch: Callable[..., Browser]) -> None:
    coordinator = serve("--allow-host", "classroom.test")
    browser = launch("--host-resolver-rules=MAP classroom.test 127.0.0.1")
    try:
        page = browser.new_context().new_page()
        assert visit(page, coordinator.host_link.replace("127.0.0.1", "classroom.test")) == ALL
        assert page.evaluate("isSecureContext") is False and visit(page) == set()
    finally:
        browser.close()
