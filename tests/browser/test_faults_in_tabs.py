"""Tabs in trouble, and workers that are: another backend's numbers, a frozen tab, full memory, an old page, prints without end."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Route

from distml_py import safetensors, wire
from distml_py.recipe import Training, load_recipe
from driving import code_of, edit, status, train, until, until_state
from served import Coordinator
from tabs import Tab

pytestmark = pytest.mark.chaos
CNN = (Path(__file__).parents[2] / "web" / "recipes" / "digits_cnn.py").read_text()
BEGUN, SHARDS = 30, ((30, 0, 16), (30, 16, 16), (31, 32, 16), (47, 48, 16), (47, 0, 64))
GRADIENTS = """
import json
import numpy as np
from distml_py.recipe import Training, load_recipe
training = Training(load_recipe("recipe", SOURCE), 0)
training.load_weights({name: np.array(rows, np.float32) for name, rows in WEIGHTS.items()})
found = [training.gradient(*shard)[1] for shard in SHARDS]
json.dumps([np.concatenate([grad.reshape(-1) for grad in one.values()]).tolist() for one in found])
"""


@pytest.mark.fault("R27")
def test_a_gpus_gradients_are_those_of_numpy(lab: Any) -> None:
    training = Training(load_recipe("digits_cnn", CNN), 0)
    for step in range(BEGUN):
        training.step(step)
    weights = {name: array.tolist() for name, array in training.weights().items()}
    theirs = lab.run(f"SOURCE, WEIGHTS, SHARDS = {CNN!r}, {weights!r}, {SHARDS!r}\n{GRADIENTS}")
    for shard, numbers in zip(SHARDS, theirs, strict=True):
        ours = np.concatenate([grad.reshape(-1) for grad in training.gradient(*shard)[1].values()]).astype(np.float64)
        other = np.array(numbers)
        assert np.linalg.norm(other - ours) <= 1e-3 * np.linalg.norm(ours), shard
        assert ours @ other >= 0.9999 * np.linalg.norm(ours) * np.linalg.norm(other), shard


def judged(weights: dict[str, np.ndarray]) -> float:
    """Accuracy on all digits there are: what one sample more or less is weighs little."""
    training = Training(load_recipe("digits_cnn", CNN), 0)
    training.load_weights(weights)
    found = [(accuracy * samples, samples) for _, accuracy, samples in map(training.evaluate, ("train", "validation", "test"))]
    return sum(right for right, _ in found) / sum(samples for _, samples in found)


@pytest.mark.fault("R27")
def test_a_run_of_a_gpu_and_a_cpu_together_learns_as_much_as_one_of_cpus(
    serve: Callable[..., Coordinator], context: BrowserContext
) -> None:
    coordinator = serve("--recipe", "digits_cnn", "--steps", "200", "--seed", "0")
    tab = Tab(context, coordinator.join_link)
    tab.join()
    coordinator.until("the tab at work", lambda s: s["workers_contributing"] == 1, 60)
    coordinator.worker()
    coordinator.until("both at work", lambda s: s["workers_contributing"] == 2, 60)
    end = tab.until("the end", lambda s: s["state"] in ("finished", "error"), 180)
    assert end["state"] == "finished", end
    last = coordinator.status()
    done = {row["backend"]: row["shards_done"] for row in last["worker_list"]}
    coordinator.stop()
    folder = coordinator.log.parent
    export = ["runs", "export", last["run"], "--run-dir", "runs", "--out", "final.safetensors"]
    subprocess.run([sys.executable, "-m", "distml_server", *export], cwd=folder, check=True)
    mixed = dict(safetensors.loads((folder / "final.safetensors").read_bytes()))
    alone = Training(load_recipe("digits_cnn", CNN), 0)
    for step in range(200):
        alone.step(step)
    found, wanted = judged(mixed), judged(alone.weights())
    assert abs(found - wanted) <= 0.005, (found, wanted, done)
    assert done["webgl"] >= 40, done


@pytest.mark.fault("R30")
@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGSTOP")
def test_a_tab_that_is_frozen_for_a_minute_delays_nobody_and_is_back_within_seconds(
    serve: Callable[..., Coordinator], launch: Callable[..., Browser]
) -> None:
    """Its processes are stopped, as a system does that freezes a tab: page, worker and GPU's commands stand still."""
    browser = launch()
    coordinator = serve("--recipe", "digits_mlp", "--steps", "100000")
    tab = Tab(browser.new_context(), coordinator.join_link)
    tab.join()
    coordinator.worker("--name", "terminal")
    coordinator.until("both at work", lambda s: s["workers_contributing"] == 2, 60)

    def done() -> int:
        return sum(int(row["shards_done"]) for row in coordinator.status()["worker_list"] if row["backend"] == "webgl")

    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    frozen = [int(process["id"]) for process in found if process["type"] == "renderer"]
    for process in frozen:
        os.kill(process, signal.SIGSTOP)
    try:
        time.sleep(15)  # the lease that it held has lapsed, at the latest
        before, seen, last_s, thawed_s = done(), coordinator.status()["step"], time.monotonic(), time.monotonic() + 45
        while time.monotonic() < thawed_s:
            time.sleep(0.2)
            step = coordinator.status()["step"]
            if step > seen:
                seen, last_s = step, time.monotonic()
            assert time.monotonic() - last_s < 8, f"nobody gets beyond step {seen}"
        assert done() in (before, 0), "it was not frozen; who reads nothing for long is no longer listed"
    finally:
        for process in frozen:
            os.kill(process, signal.SIGCONT)
    coordinator.until("it at work again", lambda s: done() > before, 10)
    here = tab.until("the newest weights", lambda s: (s["step"] or 0) >= seen, 10)
    assert here["error"] is None and here["state"] == "training" and tab.errors == []
    browser.close()


@pytest.mark.fault("R38")
def test_a_page_of_another_version_says_that_it_has_to_be_reloaded(coordinator: Coordinator, context: BrowserContext) -> None:
    """The tab of an old page is still open when the coordinator is a newer one; a reload gives it the new page."""
    page = context.new_page()

    def older(route: Route) -> None:
        text, count = re.subn(r"^const PROTOCOL = \d+;", "const PROTOCOL = 3;", route.fetch().text(), flags=re.MULTILINE)
        assert count == 1
        route.fulfill(body=text, content_type="text/javascript")

    page.route("**/web/socket.js", older)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(coordinator.host_link)
    until(page, "!document.getElementById('problem').hidden", 20)
    said = page.locator("#problem").inner_text()
    assert f"this page speaks protocol 3, the coordinator {wire.PROTOCOL}: reload the page" in said, said
    assert page.locator("#link").inner_text() == "Not let in"
    page.wait_for_timeout(1500)
    assert coordinator.status()["workers"] == 0 and errors == []
    page.unroute("**/web/socket.js")
    page.reload()
    until_state(page, "ready")
    assert status(page)["error"] is None


@pytest.mark.fault("R36")
def test_ten_megabytes_of_prints_are_cut_and_an_error_is_shown_last_line_first(
    coordinator: Coordinator, context: BrowserContext
) -> None:
    tab = Tab(context, coordinator.host_link)
    page = tab.page
    until_state(page, "ready")
    good = code_of(page)
    for number, (more, end) in enumerate((("", "finished"), ("1 / 0", "error"))):
        edit(page, f"for row in range(100_000):\n    print(f'{{row:7d}}', 'x' * 92)\nprint('y' * 1_000_000)\n{more}\n" + good)
        until(page, f"distml.code().includes('range(100_000)') && distml.code().includes('{more}')")
        train(page, 20)
        found = tab.until("the end", lambda s, end=end: s["state"] == end, 90)
        printed = page.locator("#printed").text_content() or ""
        assert printed.count("\n") <= 501 and len(printed) < 200_000, (number, len(printed))
        assert "99999 x" in printed and "      5 x" not in printed, "the last lines are those that are shown"
    assert found["error"].startswith("Line 4: ZeroDivisionError: division by zero"), found["error"]
    page.get_by_text("Python's traceback").click()
    assert "Traceback (most recent call last)" in page.locator("#problem-traceback").inner_text()
    edit(page, good)
    until(page, "!distml.code().includes('range(100_000)')")
    train(page, 20)
    assert tab.until("the end", lambda s: s["state"] == "finished", 60)["error"] is None
    assert tab.errors == []


@pytest.mark.fault("R11")
def test_a_worker_in_quarantine_is_seen_in_the_list(coordinator: Coordinator, context: BrowserContext) -> None:
    tab = Tab(context, coordinator.host_link)
    until_state(tab.page, "ready")
    tab.page.locator("#recipe").select_option("digits_mlp")
    train(tab.page, 100_000)
    tab.until("steps", lambda s: (s["step"] or 0) >= 3)
    liar = subprocess.Popen([sys.executable, "-c", LIAR, coordinator.join_link])
    try:
        coordinator.until("the quarantine", lambda s: any(row["quarantined"] for row in s["worker_list"]), 60)
        until(tab.page, "document.body.textContent.includes('in quarantine, 3 refused')", 20)
        step = tab.status()["step"]
        tab.until("further steps", lambda s: s["step"] > step + 3, 60)
    finally:
        liar.kill()
        liar.wait()


LIAR = """
import asyncio, json, sys
import aiohttp
import numpy as np
from distml_py import wire
from distml_py.recipe import Training, load_recipe
from distml_server.worker import address


async def lie():
    url, token = address(sys.argv[1])
    async with aiohttp.ClientSession() as client:
        while True:
            async with client.ws_connect(url, max_msg_size=1 << 30) as socket:
                await socket.send_str(str(wire.encode(wire.Hello(wire.PROTOCOL, token, "worker", "liar", "liar"))))
                async for received in socket:
                    message = wire.decode(received.data).message
                    if isinstance(message, wire.Run):
                        training = Training(load_recipe(message.recipe, message.code), message.seed)
                        wrong = {name: np.full_like(array, np.nan) for name, array in training.weights().items()}
                        await socket.send_str(str(wire.encode(wire.Join(message.run, "reference", "d", "p"))))
                    elif isinstance(message, wire.Lease):
                        fields = (message.run, message.step, message.version, message.shard, message.lease, message.count, 0.5, 0)
                        await socket.send_bytes(wire.encode(wire.Gradient(*fields), wrong))
            await asyncio.sleep(0.3)


asyncio.run(lie())
"""


FILL = """
import numpy as np


def fill(more):
    held = []
    try:
        while True:
            held.append(np.empty(1 << 28, np.uint8))
    except MemoryError:
        if not more:
            raise
        return held, [0] * (1 << 28)
"""


@pytest.mark.fault("R37")
def test_memory_that_is_full_is_said_in_words_and_the_tab_trains_again(coordinator: Coordinator, context: BrowserContext) -> None:
    """All 4 GB of a tab, used up by NumPy, which says what it could not have, and by Python, which says nothing."""
    tab = Tab(context, coordinator.host_link)
    page = tab.page
    until_state(page, "ready")
    page.locator("#recipe").select_option("digits_mlp")
    until(page, "distml.code().includes('class DigitsMLP')")
    good = code_of(page)
    for more, words in ((False, "Unable to allocate"), (True, "the memory is full")):
        code = good.replace("return digits()", f"self.held = fill({more})\n        return digits()").replace(
            "class D", FILL + "\n\nclass D", 1
        )
        edit(page, code)
        until(page, f"distml.code().includes('fill({more})')")
        page.get_by_role("button", name="Train", exact=True).click()
        found = tab.until(f"an error ({words})", lambda s, words=words: s["error"] and words in s["error"], 60)
        assert found["error"].startswith("Line ") and "MemoryError: " in found["error"], found["error"]
        assert "at most 4 GB: take a smaller data set" in found["error"]
        assert found["state"] == "error"
    edit(page, good)
    until(page, "!distml.code().includes('fill(')")
    train(page, 20)
    tab.until("the end", lambda s: s["state"] == "finished", 60)
    assert tab.errors == []
