"""The page without its coordinator, and inside other people's pages; how it loads."""

import functools
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from distml_server.export import export_site
from driving import VIOLATIONS, status, train, until, until_editor, until_state
from served import Coordinator

FOREIGN = """<!doctype html><title>A school's page</title><script src="{home}web/trainer.js"></script>
<distml-trainer recipe="spiral" height="500"></distml-trainer>"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *values: Any) -> None:
        pass


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """web_server(folder): its address, served by the standard library's http.server."""
    started: list[http.server.ThreadingHTTPServer] = []

    def start(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in started:
        server.shutdown()


@pytest.mark.ux(28, 29, 30)
def test_an_exported_site_trains_alone_and_asks_nobody_else(
    browser: Browser, web_server: Callable[[Path], str], tmp_path: Path
) -> None:
    export_site(tmp_path / "out" / "school", say=lambda text: None)
    url = web_server(tmp_path / "out") + "school/"
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(VIOLATIONS)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(url)
    until_editor(page)
    until_state(page, "ready")
    expect(page.locator("#link")).to_have_text("Alone, without a coordinator")
    assert not re.search("Lock the run|this coordinator|join link", page.locator("body").inner_text())
    page.get_by_label("Example", exact=True).select_option("digits_mlp")
    until(page, "distml.code().includes('multilayer')")
    train(page, 100_000)
    until(page, "distml.status().step >= 5", 60)
    page.get_by_role("button", name="Pause", exact=True).click()
    until_state(page, "paused", timeout_s=10)
    page.wait_for_timeout(500)
    stood = status(page)["step"]
    page.get_by_role("button", name="Step", exact=True).click()
    until(page, f"distml.status().state === 'paused' && distml.status().step === {stood + 1}", 10)
    page.get_by_role("button", name="Stop").click()
    until_state(page, "stopped", timeout_s=10)
    train(page, 40)
    until_state(page, "finished", timeout_s=60)
    assert status(page)["test_accuracy"] > 0.3 and status(page)["cpu_ops"] == 0
    assert [one for one in asked if not one.startswith((url, "data:", "blob:"))] == []
    assert page.evaluate("window.violations ?? []") == []
    context.close()


@pytest.mark.ux(30)
def test_after_the_first_load_an_exported_site_needs_no_network(
    browser: Browser, web_server: Callable[[Path], str], tmp_path: Path
) -> None:
    """Another example, another language and every view, with the network cut off."""
    export_site(tmp_path / "site", say=lambda text: None)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(web_server(tmp_path / "site"))
    until_editor(page)
    until_state(page, "ready")
    page.wait_for_timeout(1500)  # what is fetched ahead
    failed: list[str] = []
    context.on("requestfailed", lambda request: failed.append(request.url))
    context.set_offline(True)
    page.locator("#gallery [data-recipe=spiral]").click()
    until(page, "distml.code().includes('Two spirals')", 5)
    train(page, 40)
    until_state(page, "finished", timeout_s=60)
    until(page, "(document.querySelector('.plane')?.getAttribute('aria-label') ?? '').includes('%')", 20)
    page.locator("#language").select_option("ja")
    expect(page.locator("#train")).to_have_text("学習する")
    page.locator("#doors [data-door=lessons]").click()
    assert page.locator(".lesson-card").count() == 2
    assert failed == [] and not page.locator("#problem").is_visible()
    context.close()


def foreign(web_server: Callable[[Path], str], folder: Path, home: str) -> str:
    folder.mkdir()
    (folder / "index.html").write_text(FOREIGN.format(home=home))
    return web_server(folder)


@pytest.mark.ux(39)
def test_a_page_that_the_coordinator_names_shows_the_trainer_and_drives_it(
    launch: Callable[..., Browser], web_server: Callable[[Path], str], tmp_path: Path
) -> None:
    """The other page is on another site: browsers count localhost and school.test as two."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    school = web_server(folder).replace("127.0.0.1", "school.test")
    runs = tmp_path / "one"
    runs.mkdir()
    coordinator = Coordinator(runs, "--embed", school.rstrip("/"))
    other = launch("--host-resolver-rules=MAP school.test 127.0.0.1")
    try:
        (folder / "index.html").write_text(FOREIGN.format(home=coordinator.url))
        page = other.new_page()
        page.goto(school)
        page.evaluate("customElements.whenDefined('distml-trainer')")
        page.evaluate("addEventListener('distml-status', e => (window.heard ??= []).push(e.detail))")
        wait(page, "document.querySelector('distml-trainer').status?.state === 'ready'", 90)
        page.evaluate("document.querySelector('distml-trainer').train()")
        wait(page, "(document.querySelector('distml-trainer').status?.step ?? 0) >= 3", 60)
        found = page.evaluate("document.querySelector('distml-trainer').status")
        assert found["recipe"] == "spiral" and found["join_url"] is None, "no rights are given away"
        assert page.evaluate("heard.length") >= 2
        page.evaluate("document.querySelector('distml-trainer').stop()")
        wait(page, "document.querySelector('distml-trainer').status.state === 'stopped'", 30)
    finally:
        other.close()
        coordinator.stop()


@pytest.mark.fault("S31")
@pytest.mark.ux(39)
def test_a_page_that_is_not_named_is_refused(
    launch: Callable[..., Browser], web_server: Callable[[Path], str], coordinator: Coordinator, tmp_path: Path
) -> None:
    school = foreign(web_server, tmp_path / "foreign", coordinator.url).replace("127.0.0.1", "school.test")
    other = launch("--host-resolver-rules=MAP school.test 127.0.0.1")
    try:
        page = other.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        failed: list[str] = []
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.goto(school)
        page.wait_for_timeout(1500)
        assert [url for url in failed if url.endswith("trainer.js")], "its script is not for others"
        page.evaluate("src => document.body.append(Object.assign(document.createElement('iframe'), {src}))", coordinator.url)
        page.wait_for_timeout(2000)
        assert any("frame-ancestors" in text for text in said), said
    finally:
        other.close()


def wait(page: Any, expression: str, timeout_s: float) -> None:
    for _ in range(int(timeout_s * 10)):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"not within {timeout_s} s: {expression}: {page.evaluate('document.querySelector(`distml-trainer`)?.status')}")


ASKED = """window.asked = [];
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...more) {
    asked.push(message);
    return post.call(this, message, ...more);
};"""


@pytest.mark.ux(3)
def test_loading_is_cancelled_and_taken_up_again(context: BrowserContext, coordinator: Coordinator) -> None:
    page = context.new_page()
    page.add_init_script(ASKED)
    page.goto(coordinator.host_link)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The engine is not loaded.")).to_be_visible()
    page.wait_for_timeout(1500)
    assert status(page)["state"] == "loading" and status(page)["backend"] is None
    page.evaluate("duty => { duty.value = '10'; duty.dispatchEvent(new Event('input')); }", page.query_selector("#duty"))
    page.get_by_role("button", name="Load the engine").click()
    until_state(page, "ready")
    assert page.evaluate("asked.filter(({ kind }) => kind === 'duty').at(-1)?.share") == 0.1, "the new engine knows the slider"


SIZES = """performance.getEntriesByType('resource').filter(e => /wasm|stdlib|numpy/.test(e.name)).map(e => e.transferSize)"""


@pytest.mark.ux(30)
def test_a_second_visit_fetches_no_engine_again(context: BrowserContext, coordinator: Coordinator) -> None:
    page = context.new_page()
    page.goto(coordinator.host_link)
    until_state(page, "ready")
    first = page.workers[0].evaluate(SIZES)
    assert len(first) >= 3 and min(first) > 1000, first
    page.reload()
    until_state(page, "ready")
    assert set(page.workers[0].evaluate(SIZES)) == {0}, "all of it came from the browser's own store"
