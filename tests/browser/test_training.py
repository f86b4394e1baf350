"""The main job: open the page, press Train, and a model written in Python learns real digits on WebGL2."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext

from served import Coordinator
from tabs import Tab


@pytest.mark.ux(1, 5, 4)
def test_one_click_trains_the_digits_cnn_to_the_stated_accuracy(coordinator: Coordinator, context: BrowserContext) -> None:
    tab = Tab(context, coordinator.url)
    tab.train("digits_cnn")
    first = tab.until("a first loss", lambda s: s["loss"] is not None, 60)
    assert first["loss"] > 1.5, "an untrained model of ten classes starts near ln 10"
    last = tab.until("the end of the run", lambda s: s["state"] in ("finished", "error"), 240)
    assert last["state"] == "finished" and last["error"] is None
    assert last["test_accuracy"] >= 0.96
    assert last["accuracy"] >= 0.95 and last["val_loss"] < 0.2 and last["loss"] < 0.5
    assert last["backend"].startswith("WebGL2: ") and last["cpu_ops"] == 0
    theirs = coordinator.until("the coordinator to agree", lambda s: s["state"] == "finished")
    for key in ("run", "step", "weights_version", "weights_sha256", "test_accuracy", "cpu_ops"):
        assert theirs[key] == last[key], key
    assert len(last["weights_sha256"]) == 64 and last["weights_version"] == last["step"] == 300
    assert tab.foreign_requests(coordinator.url) == [] and tab.errors == []
    assert tab.page.locator("#loss-chart canvas").count() == 1


def test_a_run_can_be_paused_resumed_and_stopped_by_its_buttons(coordinator: Coordinator, context: BrowserContext) -> None:
    tab = Tab(context, coordinator.url)
    tab.train("digits_mlp", steps=100_000)
    tab.until("steps", lambda s: s["state"] == "training" and (s["step"] or 0) >= 5)
    tab.page.get_by_role("button", name="Pause").click()
    paused = tab.until("a pause", lambda s: s["state"] == "paused", 5)
    tab.page.wait_for_timeout(500)
    assert tab.status()["step"] == tab.status()["step"] >= paused["step"]
    still = tab.status()["step"]
    tab.page.wait_for_timeout(500)
    assert tab.status()["step"] == still, "a paused run takes no steps"
    tab.page.get_by_role("button", name="Resume").click()
    tab.until("further steps", lambda s: s["state"] == "training" and s["step"] > still)
    tab.page.get_by_role("button", name="Stop").click()
    stopped = tab.until("the stop", lambda s: s["state"] == "stopped", 5)
    assert coordinator.status()["weights_sha256"] == stopped["weights_sha256"], "stop keeps the model"


@pytest.mark.ux(14)
def test_a_second_run_with_the_same_seed_learns_the_same_and_another_seed_something_else(
    coordinator: Coordinator, context: BrowserContext
) -> None:
    tab = Tab(context, coordinator.url)
    ends = []
    for seed in (3, 3, 4):
        tab.train("digits_mlp", steps=12, seed=seed)
        run = ends[-1]["run"] if ends else None
        ends.append(tab.until("the end", lambda s, run=run: s["state"] == "finished" and s["run"] != run, 60))
    assert ends[0]["weights_sha256"] == ends[1]["weights_sha256"] != ends[2]["weights_sha256"]


def test_the_training_tab_survives_a_reload_and_the_run_goes_on_from_its_checkpoint(
    coordinator: Coordinator, context: BrowserContext
) -> None:
    tab = Tab(context, coordinator.url)
    tab.train("digits_mlp", steps=100_000)
    before = coordinator.until("a committed step", lambda s: (s["weights_version"] or 0) >= 50)
    tab.page.reload()
    coordinator.until("the worker to be gone", lambda s: s["workers"] == 0, 10)
    tab.join()
    after = tab.until("further steps", lambda s: s["state"] == "training" and s["step"] > before["weights_version"], 60)
    assert after["run"] == before["run"]


def test_it_trains_on_a_plain_http_name_that_is_no_secure_context(
    serve: Callable[..., Coordinator], launch: Callable[..., Browser]
) -> None:
    """The class room: other machines reach the coordinator by http and an address, without https."""
    coordinator = serve("--allow-host", "classroom.test")
    browser = launch("--host-resolver-rules=MAP classroom.test 127.0.0.1")
    context = browser.new_context()
    try:
        host, guest = (
            Tab(context, link.replace("127.0.0.1", "classroom.test")) for link in (coordinator.host_link, coordinator.join_link)
        )
        assert host.page.evaluate("isSecureContext") is False
        host.train("digits_mlp", steps=300)
        host.until("solo steps", lambda s: s["mode"] == "solo" and (s["step"] or 0) >= 1)
        guest.join()
        ends = [tab.until("the end", lambda s: s["state"] in ("finished", "error"), 90) for tab in (host, guest)]
        assert {end["state"] for end in ends} == {"finished"} and all(end["backend"].startswith("WebGL2") for end in ends)
        assert len({end["weights_sha256"] for end in ends}) == 1
    finally:
        browser.close()
