"""How soon the page shows what it has to: loading, buttons, curves, the list of workers; and a host with 64 tabs."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

import load
import measure
from distml_py import safetensors
from driving import speeds, status, train, until, until_editor, until_state
from served import Coordinator
from test_self_test import Lab, spent_ms

PRESSED = """({ button, timeout_s }) => new Promise((tell, fail) => {
    const check = () => HOLDS;
    const began = performance.now();
    document.getElementById(button).click();
    const look = () => {
        const passed = (performance.now() - began) / 1000;
        if (check()) tell(passed);
        else if (passed > timeout_s) fail(new Error(`${button}: not within ${timeout_s} s: ${JSON.stringify(distml.status())}`));
        else setTimeout(look, 5);
    };
    look();
})"""
STATE, STEP = "distml.status().state", "distml.status().step"
SHAPES = {"1.weight": (32, 64), "1.bias": (32,), "3.weight": (10, 32), "3.bias": (10,)}  # of digits_mlp
CROWD = 63


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coordinator]:
    coordinator = Coordinator(tmp_path_factory.mktemp("pace"))
    yield coordinator
    coordinator.stop()


@pytest.fixture(scope="module")
def tabs(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture(scope="module")
def page(tabs: BrowserContext, home: Coordinator) -> Page:
    """The host's page; its engine is ready."""
    opened = tabs.new_page()
    opened.goto(home.host_link)
    until_editor(opened)
    until(opened, "distml.status().backend !== null", 90)
    until_state(opened, "ready", "stopped")
    return opened


def pressed(page: Page, button: str, *holds: str) -> float:
    """Seconds from a click until all of it holds, as the page's own clock has it."""
    found: float = page.evaluate(PRESSED.replace("HOLDS", " && ".join(holds)), {"button": button, "timeout_s": 20})
    return found


@pytest.mark.ux(1, 2)
def test_one_click_brings_the_first_loss_point_within_its_time_cold_and_warm(browser: Browser, home: Coordinator) -> None:
    """On a machine that does nothing else; `nox -s loading` prints all that is measured here."""
    found, _ = measure.visits(browser, home.host_link, warm=3, cold=2)
    assert measure.missed({"fast": found}) == [], f"load of the machine: {Path('/proc/loadavg').read_text()}"


@pytest.mark.ux(13, 14)
def test_every_button_is_answered_within_a_second(page: Page) -> None:
    page.get_by_label("Example", exact=True).select_option("digits_mlp")
    until(page, "distml.code().includes('multilayer')")
    page.get_by_label("Steps", exact=True).fill("100000")
    found = {"train": pressed(page, "train", "document.getElementById('hint').textContent !== ''", f"{STATE} !== 'ready'")}
    until(page, f"({STEP} ?? 0) >= 60", 60)  # captured by then: a step is short
    found["pause"] = pressed(page, "pause", f"{STATE} === 'paused'")
    page.wait_for_timeout(500)
    stood = status(page)["step"]
    found["step"] = pressed(page, "step", f"{STEP} === {stood + 1}")
    until_state(page, "paused")
    found["resume"] = pressed(page, "pause", f"{STATE} === 'training'", f"{STEP} > {stood + 1}")
    found["stop"] = pressed(page, "stop", f"{STATE} === 'stopped'")
    assert status(page)["weights_sha256"], "stop keeps the model"
    found["reset"] = pressed(page, "reset", f"{STATE} === 'ready'", "distml.status().run === null")
    assert {name: seconds for name, seconds in found.items() if seconds > 1} == {}


@pytest.mark.ux(13)
def test_a_run_that_follows_another_is_left_alone(page: Page) -> None:
    """Half a minute after the end of a run the page looks whether its engine still hears; by then it may have another one."""
    train(page, 20)
    until_state(page, "finished", timeout_s=60)
    train(page, 100_000)
    until(page, f"{STATE} === 'training' && {STEP} >= 20", 60)
    page.wait_for_timeout(31_000)
    step = status(page)["step"]
    until(page, f"{STATE} === 'training' && {STEP} > {step}", 10)
    page.get_by_role("button", name="Stop").click()
    until_state(page, "stopped", timeout_s=20)


@pytest.mark.ux(4)
def test_curves_are_drawn_five_times_a_second_and_leave_the_main_thread_alone(page: Page) -> None:
    page.evaluate("""() => {
        window.drawings = 0;
        const clear = CanvasRenderingContext2D.prototype.clearRect;
        CanvasRenderingContext2D.prototype.clearRect = function (...values) {
            if (this.canvas.closest?.("#loss-chart")) drawings += 1;
            return clear.apply(this, values);
        };
    }""")
    train(page, 100_000)
    until(page, f"{STATE} === 'training' && ({STEP} ?? 0) >= 60", 60)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def seen() -> tuple[float, int]:
        metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        return metrics["TaskDuration"], page.evaluate("drawings")

    (busy, drawn), began = seen(), time.monotonic()
    page.wait_for_timeout(5000)
    (busy_then, drawn_then), passed = seen(), time.monotonic() - began
    session.detach()
    page.get_by_role("button", name="Stop").click()
    until_state(page, "stopped", timeout_s=20)
    assert (drawn_then - drawn) / passed >= 5
    assert (busy_then - busy) / passed <= 0.05, f"{busy_then - busy:.3f} s of {passed:.1f} s"


class Crowd(threading.Thread):
    """Simulated workers on real sockets, which answer every lease at once with zeros. first: the first one's number."""

    def __init__(self, link: str, workers: int, first: int = 0):
        super().__init__(daemon=True)
        self.seen = load.Seen()
        self._numbers, self._over = range(first, first + workers), threading.Event()
        self.address, self.token = link.removeprefix("http://").split("/#t=")

    def run(self) -> None:
        asyncio.run(self._work())

    def leave(self) -> None:
        self._over.set()
        self.join(20)

    async def _work(self) -> None:
        gradients = load.Gradients(1)
        gradients.body = safetensors.dumps({name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()})
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
            tasks = [asyncio.create_task(load.worker(self, gradients, self.seen, client, n)) for n in self._numbers]  # type: ignore[arg-type]
            while not self._over.is_set():
                await asyncio.sleep(0.05)
            await load.cancel(tasks)


@pytest.mark.ux(19, 17)
def test_a_host_with_64_tabs_sees_all_pauses_all_removes_one_and_locks_each_within_a_second(page: Page, home: Coordinator) -> None:
    train(page, 100_000)
    until(page, f"{STATE} === 'training'", 60)
    crowd = Crowd(home.join_link, CROWD)
    crowd.start()
    try:
        until(page, f"distml.status().workers === {CROWD + 1}", 60)
        until(page, f"document.querySelectorAll('#workers li').length === {CROWD + 1}", 2)
        until(page, f"distml.status().mode === 'shared' && {STATE} === 'training'", 60)
        found = {"pause": pressed(page, "pause", f"{STATE} === 'paused'")}
        page.wait_for_timeout(1000)
        assert home.status()["state"] == "paused"
        stood = home.status()["step"]
        page.wait_for_timeout(1500)
        assert home.status()["step"] == stood, "nobody goes on"
        locked = "document.getElementById('lock').getAttribute('aria-pressed')"
        found["lock"] = pressed(page, "lock", f"{locked} === 'true'")
        page.evaluate("[...document.querySelectorAll('#workers button')].find(e => !e.hidden).id = 'remove-first'")
        found["kick"] = pressed(page, "remove-first", f"distml.status().workers === {CROWD}")
        found["unlock"] = pressed(page, "lock", f"{locked} === 'false'")
        assert {name: seconds for name, seconds in found.items() if seconds > 1} == {}
    finally:
        crowd.leave()
        page.get_by_role("button", name="Stop").click()
    until_state(page, "stopped", "finished", timeout_s=20)


@pytest.mark.ux(28)
def test_waiting_for_workers_is_said_within_two_seconds(tabs: BrowserContext, serve: Callable[..., Coordinator]) -> None:
    """A run whose only workers come and go; the host looks on."""
    other = serve("--recipe", "digits_mlp", "--steps", "100000")
    watching = tabs.new_page()
    watching.goto(other.host_link)
    until(watching, f"{STATE} === 'waiting'", 20)
    for _ in range(2):
        crowd = Crowd(other.join_link, 2)
        crowd.start()
        until(watching, f"{STATE} === 'training' && distml.status().workers === 2", 20)
        crowd.leave()
        left = time.monotonic()
        until(watching, f"{STATE} === 'waiting'", 10)
        assert time.monotonic() - left < 2
        expect(watching.locator("#state")).to_have_text("waiting", ignore_case=True)
    watching.close()


@pytest.mark.ux(20, 21)
def test_the_projector_compares_one_two_and_four_tabs_and_more_than_there_are_shards(page: Page, home: Coordinator) -> None:
    train(page, 100_000)
    until(page, f"{STATE} === 'training'", 60)
    page.get_by_role("button", name="Projector", exact=True).click()
    crowds: list[Crowd] = []
    try:
        for more, bars in ((0, 1), (1, 2), (2, 3), (5, 4)):
            if more:
                crowds.append(Crowd(home.join_link, more, 10 * bars))
                crowds[-1].start()
            until(page, f"document.querySelectorAll('.speed-row').length === {bars}", 40)
        assert set(speeds(page)) == {1, 2, 4, 9}
    finally:
        for crowd in crowds:
            crowd.leave()
        page.get_by_role("button", name="Workshop", exact=True).click()
        page.get_by_role("button", name="Stop").click()
    until_state(page, "stopped", timeout_s=20)


@pytest.mark.ux(16, 17, 18)
def test_a_phone_joins_with_one_tap_and_is_listed_within_two_seconds(browser: Browser, page: Page, home: Coordinator) -> None:
    train(page, 100_000)
    until(page, f"{STATE} === 'training'", 60)
    phone = browser.new_context(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True, device_scale_factor=2)
    guest = phone.new_page()
    guest.goto(home.join_link)
    until(guest, "distml.status().backend !== null", 90)
    guest.get_by_role("button", name="Join").tap()
    began = time.monotonic()
    until(page, "document.querySelectorAll('#workers li').length === 2", 10)
    assert time.monotonic() - began < 2
    until(page, "[...document.querySelectorAll('#workers li')].every(e => /samples\\/s/.test(e.textContent))", 60)
    for part in ("contributing", "shard", "webgl"):  # its first answer gives a rate, even where it came too late to count
        expect(page.locator("#workers li").last).to_contain_text(part, timeout=20_000)
    until(guest, "parseInt(document.getElementById('own-samples').textContent.replaceAll(',', '')) >= 32", 30)
    assert guest.locator("#own-share").inner_text().endswith("%")
    phone.close()
    until(page, "document.querySelectorAll('#workers li').length === 1", 10)
    page.get_by_role("button", name="Stop").click()
    until_state(page, "stopped", timeout_s=20)


@pytest.mark.ux(36)
def test_the_slider_of_a_guest_makes_it_compute_less(tabs: BrowserContext, page: Page, home: Coordinator) -> None:
    """Shards that it did within a few seconds at a tenth of the time, against all of it."""
    train(page, 100_000)
    until(page, f"{STATE} === 'training'", 60)
    guest = tabs.new_page()
    guest.goto(home.join_link)
    guest.get_by_role("button", name="Join").click(timeout=30_000)
    shards = "parseInt(document.getElementById('own-shards').textContent.replaceAll(',', ''))"
    until(guest, f"{shards} >= 20", 60)

    def done() -> int:
        before: int = guest.evaluate(shards)
        page.wait_for_timeout(4000)
        return int(guest.evaluate(shards)) - before

    whole = done()
    guest.locator("#duty").fill("10")
    page.wait_for_timeout(1000)
    tenth = done()
    guest.close()
    page.get_by_role("button", name="Stop").click()
    until_state(page, "stopped", timeout_s=20)
    assert tenth < whole / 2, (whole, tenth)


@pytest.mark.ux(18)
def test_what_is_not_counted_is_said_with_its_reason_within_two_seconds(
    tabs: BrowserContext, page: Page, home: Coordinator
) -> None:
    """The coordinator's refusals are put into the guest's socket: real ones come when they will."""
    said: list[Callable[[str], None]] = []

    def relay(route: Any) -> None:
        route.connect_to_server()
        said.append(route.send)

    train(page, 100_000)
    until(page, f"{STATE} === 'training'", 60)
    guest = tabs.new_page()
    guest.route_web_socket("**/ws", relay)
    guest.goto(home.join_link)
    guest.get_by_role("button", name="Join").click(timeout=30_000)
    until(guest, "parseInt(document.getElementById('own-shards').textContent) >= 1", 60)
    before = int(guest.locator("#own-late").inner_text())
    for reason, words in (("non_finite", "held a NaN or an infinity"), ("bad_step", "belonged to another step")):
        said[0](f'{{"type": "rejected", "reason": "{reason}", "detail": "a test says so", "lease": ""}}')
        expect(guest.locator("#own-reasons")).to_contain_text(words, timeout=2000)
    assert int(guest.locator("#own-late").inner_text()) >= before + 2
    guest.close()
    page.get_by_role("button", name="Stop").click()
    until_state(page, "stopped", timeout_s=20)


@pytest.mark.ux(1)
def test_the_self_test_takes_less_than_half_a_second_with_compiling(lab: Lab) -> None:
    assert spent_ms(lab) < 500
