"""The page stays live while it trains: little reaches its main thread, and nothing needs timers or frames."""

import time

import pytest
from playwright.sync_api import BrowserContext

from served import Coordinator
from tabs import Tab

COUNT = """
    window.heard = 0;
    const Real = Worker;
    window.Worker = class extends Real {
        constructor(...values) {
            super(...values);
            this.addEventListener("message", () => heard++);
        }
    };
"""
THROTTLE = """() => {
    const real = self.setTimeout;
    self.setTimeout = (work, ms, ...values) => real(work, Math.max(ms ?? 0, 1000), ...values);
    self.requestAnimationFrame = () => 0;
}"""


def test_a_step_alone_is_no_work_for_the_main_thread(coordinator: Coordinator, context: BrowserContext) -> None:
    """Ten reports and four frames for the coordinator a second, and an evaluation's now and then, however many steps there are."""
    context.add_init_script(COUNT)
    tab = Tab(context, coordinator.url)
    tab.train("digits_mlp", steps=100_000)
    tab.until("steps", lambda s: s["state"] == "training" and (s["step"] or 0) >= 10)
    devtools = context.new_cdp_session(tab.page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})  # of the main thread's own time, whoever else computes

    def busy_s() -> float:
        return {one["name"]: float(one["value"]) for one in devtools.send("Performance.getMetrics")["metrics"]}["TaskDuration"]

    first, step, began, busy = tab.page.evaluate("heard"), tab.status()["step"], time.monotonic(), busy_s()
    tab.page.wait_for_timeout(4000)
    spent_s, steps, busy = time.monotonic() - began, tab.status()["step"] - step, busy_s() - busy
    messages = tab.page.evaluate("heard") - first
    assert steps > 20
    assert messages <= spent_s * (10 + 4 + 2) + 2 * steps / 20 + 2 * steps / 50, (messages, steps, spent_s)
    assert messages > spent_s, "the page is told how far it is"
    assert busy < 0.12 * spent_s, "charts and numbers ten times a second; the steps are the worker's"


@pytest.mark.fault("R31")
def test_a_hidden_tab_keeps_training(coordinator: Coordinator, context: BrowserContext) -> None:
    """Browsers that hide a tab stop its frames and let timers fire once a second; here both are done to page and worker."""
    tab = Tab(context, coordinator.url)
    tab.until("the engine", lambda s: s["state"] == "ready")
    tab.page.evaluate(THROTTLE)
    tab.page.workers[0].evaluate(THROTTLE)
    tab.train("digits_mlp", steps=100_000)
    before = coordinator.until("steps", lambda s: (s["step"] or 0) >= 10)
    time.sleep(6)
    after = coordinator.status()
    assert after["step"] - before["step"] > 3 * 6, "more than timers and frames would give"
