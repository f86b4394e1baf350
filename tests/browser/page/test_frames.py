"""The page moves while it trains: draws are cut up and waited for where a GPU is shared, here a software renderer taken for one."""

from playwright.sync_api import BrowserContext, Route

from served import Coordinator
from tabs import Tab

FRAMES = """() => {
    window.gaps = [];
    let last = performance.now();
    const frame = () => {
        const now = performance.now();
        gaps.push(now - last);
        last = now;
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}"""


def test_frames_of_the_page_come_between_the_draws_of_a_heavy_step(coordinator: Coordinator, context: BrowserContext) -> None:
    """A GPT's step takes this renderer 150 ms and more. Sent at once, as to a software renderer, it holds up the frames."""

    def as_to_a_gpu(route: Route) -> None:
        answer = route.fetch()
        text = answer.text()
        assert text.count("alone = undefined") == 1
        route.fulfill(response=answer, body=text.replace("alone = undefined", "alone = false"))

    context.route("**/bridge/bridge.js", as_to_a_gpu)
    tab = Tab(context, coordinator.url)
    tab.train("char_gpt", steps=100_000)
    tab.until("steps", lambda s: s["state"] == "training" and (s["step"] or 0) >= 6)
    tab.page.evaluate(FRAMES)
    step = tab.status()["step"]
    tab.page.wait_for_timeout(5000)
    gaps, steps = sorted(tab.page.evaluate("gaps")), tab.status()["step"] - step
    assert steps > 5
    assert gaps[len(gaps) * 9 // 10] <= 50, gaps
    assert sum(gap for gap in gaps if gap > 50) < 0.4 * sum(gaps), "nearly all the time the page moves"
