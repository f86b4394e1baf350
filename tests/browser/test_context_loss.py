"""The browser takes the GPU away, at any moment: no wrong number is used, and training goes on by itself."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
from playwright.sync_api import BrowserContext, Page, Route, Worker

from served import Coordinator
from tabs import Tab


class Lab(Protocol):
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    page: Page

    def run(self, source: str) -> Any: ...


SETUP = """
import gc, json
import js
import numpy as np
import distml_py as dm
from distml_py import engine
from distml_py.errors import GpuLostError

def tried(work):
    try:
        return work().tolist()
    except GpuLostError as error:
        return str(error)

def epoch():
    return json.loads(js.bridge.stats())["epoch"]
"""


@pytest.fixture(scope="module")
def own_lab(new_lab: Callable[[], Lab]) -> Iterator[Lab]:
    """A page whose GPU is lost in every test; it comes back by itself."""
    opened = new_lab()
    yield opened
    opened.page.close()


def test_what_was_computed_on_a_lost_gpu_is_an_error_and_what_came_from_the_host_goes_on(own_lab: Lab) -> None:
    found = own_lab.run(
        SETUP
        + """
host = np.arange(7, dtype=np.float32)
uploaded = dm.tensor(host)
computed = (uploaded * 2 + 1).realize()
promised = uploaded * 3
js.bridge.lose()
works = (computed.numpy, (computed + 1).numpy, promised.numpy, uploaded.numpy, (uploaded + 1).numpy, (dm.tensor(host) + 2).numpy,
         dm.full((3,), 5.0).numpy, (computed - 1).numpy, (uploaded * 2 + 1).numpy)
json.dumps([tried(work) for work in works])
"""
    )
    host = list(range(7))
    lost = [found[n] for n in (0, 1, 7)]
    assert all("context lost" in text and "shape (7,)" in text and "compute it again" in text for text in lost), lost
    assert found[2:7] == [[3 * x for x in host], host, [x + 1 for x in host], [x + 2 for x in host], [5, 5, 5]]
    assert found[8] == [2 * x + 1 for x in host]


@pytest.mark.fault("R28")
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_loss_around_a_read_back_never_gives_stale_numbers(own_lab: Lab, moment: str) -> None:
    """During: the context goes between readPixels' call and the look at what it brought."""
    found = own_lab.run(
        SETUP
        + f"moment = {moment!r}"
        + """
x = (dm.arange(6).float() * 2).realize()
first, before = x.numpy().tolist(), epoch()
if moment == "before":
    js.bridge.lose()
elif moment == "during":
    js.eval('''
        const real = WebGL2RenderingContext.prototype.readPixels;
        WebGL2RenderingContext.prototype.readPixels = function (...values) {
            real.apply(this, values);
            WebGL2RenderingContext.prototype.readPixels = real;
            this.getExtension("WEBGL_lose_context").loseContext();
        };
    ''')
second = tried(x.numpy)
if moment == "after":
    js.bridge.lose()
json.dumps([first, second, tried(x.numpy), tried((dm.arange(6).float() * 2).numpy), epoch() - before])
"""
    )
    right = [0, 2, 4, 6, 8, 10]
    assert found[0] == found[3] == right and found[4] == 1
    assert found[1] == right if moment == "after" else "context lost" in found[1]
    assert "context lost" in found[2]


def test_a_loss_that_the_browser_does_not_tell_of_is_seen_at_the_numbers_that_do_not_come(own_lab: Lab) -> None:
    found = own_lab.run(
        SETUP
        + """
x = (dm.arange(6).float() * 2).realize()
js.eval('''
    const real = WebGL2RenderingContext.prototype.readPixels;
    WebGL2RenderingContext.prototype.readPixels = function () { WebGL2RenderingContext.prototype.readPixels = real; };
''')
json.dumps([tried(x.numpy), tried(x.numpy)])
"""
    )
    assert "context lost: no numbers came back" in found[0] and found[1] == [0, 2, 4, 6, 8, 10]


def test_a_loss_in_the_middle_of_a_run_of_draws_is_an_error(own_lab: Lab) -> None:
    found = own_lab.run(
        SETUP
        + """
x = (dm.arange(6).float() * 2).realize()
(x.sum() + x).realize()  # compiled by now: compiling would notice the loss, too
js.eval('''
    const real = WebGL2RenderingContext.prototype.drawArrays;
    WebGL2RenderingContext.prototype.drawArrays = function (...values) {
        WebGL2RenderingContext.prototype.drawArrays = real;
        this.getExtension("WEBGL_lose_context").loseContext();
        real.apply(this, values);
    };
''')
def drawn():
    (x.sum() + x).realize()
    return np.zeros(0)
json.dumps([tried(drawn), tried((dm.arange(6).float().sum()).numpy)])
"""
    )
    assert "context lost" in found[0] and found[1] == 15


def test_a_context_that_was_lost_and_given_back_unnoticed_has_nothing_left(own_lab: Lab) -> None:
    first = own_lab.run(SETUP + "js.kept = (dm.arange(6).float() * 2).realize()\njson.dumps(epoch())")
    own_lab.page.evaluate(
        """async () => {
            const loss = bridge.loss();
            loss.loseContext();
            await new Promise((done) => setTimeout(done, 200));
            loss.restoreContext();
            await new Promise((done) => setTimeout(done, 500));
        }"""
    )
    found = own_lab.run(
        SETUP
        + """
kept = js.kept
json.dumps([tried(kept.numpy), tried((dm.arange(6).float() * 3).numpy), tried((kept + 1).numpy), epoch()])
"""
    )
    assert "context lost" in found[0] and "context lost" in found[2]
    assert found[1] == [0, 3, 6, 9, 12, 15] and found[3] == first + 1


def test_losing_the_gpu_ten_times_leaves_the_count_of_textures_flat(own_lab: Lab) -> None:
    found = own_lab.run(
        SETUP
        + """
gc.disable()
host = np.ones((40, 5), np.float32)
seen = []
for _ in range(10):
    x = (dm.tensor(host) @ dm.tensor(host).t()).realize()
    js.bridge.lose()
    assert "context lost" in tried(x.numpy)
    assert tried((dm.tensor(host) * 2).sum().numpy) == 400
    del x
    seen.append([json.loads(js.bridge.stats())["textures"], engine.backend().stats()["texture_bytes"]])
gc.enable()
json.dumps(seen)
"""
    )
    assert found[2] == found[9]


def test_a_number_on_its_way_back_is_an_error_after_a_loss_never_another_number(own_lab: Lab) -> None:
    """Untold: the GPU goes and the browser does not say so. The buffers of earlier read-backs are used again."""
    found = own_lab.run(
        SETUP
        + """
def later(value):
    return (dm.full((), value) * 2).realize().item_later()

first = later(4.0).result()
waiting = [later(5.0), later(6.0)]
js.bridge.lose()
lost = [tried(waiting[0].result), tried(waiting[1].ready), tried(waiting[1].result), tried(waiting[1].result)]
del waiting
second = later(7.0).result()
js.eval('''
    const real = WebGL2RenderingContext.prototype.readPixels;
    WebGL2RenderingContext.prototype.readPixels = function () { WebGL2RenderingContext.prototype.readPixels = real; };
''')
untold = tried(later(8.0).result)
json.dumps([float(first), lost, float(second), untold, float(later(9.0).result()), json.loads(js.bridge.stats())["read_backs"]])
"""
    )
    first, lost, second, untold, third, waiting = found
    assert [first, second, third] == [8, 14, 18] and waiting == 0
    assert all("context lost" in text for text in (*lost, untold)), found


def test_draws_gathered_when_the_gpu_goes_are_drawn_again_or_are_an_error(own_lab: Lab) -> None:
    found = own_lab.run(
        SETUP
        + """
backend = engine.backend()
host = np.arange(5, dtype=np.float32)

def gathered(x, lose):
    with backend.together():
        y = (x * 2).realize()
        z = (y + 1).realize()
        if lose:
            js.bridge.lose()
    return z

computed = (dm.tensor(host) + 0.5).realize()
z = gathered(dm.tensor(host), True)
works = (z.numpy, lambda: gathered(computed, False).numpy(), lambda: gathered(dm.tensor(host), False).numpy())
json.dumps([tried(work) for work in works])
"""
    )
    right = [2 * x + 1 for x in range(5)]
    assert found[0] == right and found[2] == right
    assert "context lost" in found[1] and "shape (5,)" in found[1]


def test_a_compiled_step_goes_on_after_a_loss_with_the_same_numbers(own_lab: Lab) -> None:
    found = own_lab.run(
        SETUP
        + """
from distml_py import nn
from distml_py.optim import Adam

def trained(lose_at):
    dm.manual_seed(3)
    model = nn.Linear(4, 3)
    optimizer = Adam(model.parameters(), lr=0.1)
    scale = dm.tensor(np.full((3,), 0.5, np.float32))

    def step(x):
        optimizer.zero_grad()
        loss = ((model(x) * scale) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    fast, losses, failed, number = dm.compile(step), [], 0, 0
    while number < 12:
        weights = {name: value.numpy() for name, value in model.state_dict().items()}
        state = optimizer.state_dict()
        slots = {n: {k: v.numpy() if hasattr(v, "numpy") else v for k, v in s.items()} for n, s in state["state"].items()}
        if number in lose_at:
            lose_at.remove(number)
            js.bridge.lose()
        try:
            losses.append(fast(dm.tensor(np.arange(8, dtype=np.float32).reshape(2, 4) / 8 + number)).item())
            number += 1
        except GpuLostError:
            failed += 1
            model.load_state_dict(weights)
            optimizer.load_state_dict({"state": slots, "param_groups": state["param_groups"]})
    return losses, failed, fast.replays, {name: value.numpy().tolist() for name, value in model.state_dict().items()}

json.dumps([trained([]), trained([6])])
"""
    )
    (losses, _, replays, weights), (again, failed, after, ends) = found
    assert failed == 1 and again == losses and ends == weights
    assert replays == 9 and after >= 5, found


# ---------------------------------------------------------------- on the served page

RECORD = """
const real = OffscreenCanvas.prototype.getContext;
OffscreenCanvas.prototype.getContext = function (...values) {
    if (self.refused) return null;
    return (self.context = real.apply(this, values));
};
"""
LOSE = "() => self.context.getExtension('WEBGL_lose_context').loseContext()"
LOSE_IN_READ = """() => {
    const real = WebGL2RenderingContext.prototype.readPixels;
    WebGL2RenderingContext.prototype.readPixels = function (...values) {
        WebGL2RenderingContext.prototype.readPixels = real;
        real.apply(this, values);
        this.getExtension("WEBGL_lose_context").loseContext();
    };
}"""
WATCH = """() => {
    window.told = [];
    const note = document.getElementById("gpu");
    new MutationObserver(() => told.push(note.textContent)).observe(note, { childList: true, characterData: true, subtree: true });
}"""


def recording(route: Route) -> None:
    """The module that opens the GPU, which from its first line on notes the context."""
    answer = route.fetch()
    route.fulfill(response=answer, body=RECORD + answer.text())


class LosingTab(Tab):
    """A tab whose engine worker can be made to lose its GPU."""

    def __init__(self, context: BrowserContext, link: str):
        context.route("**/web/open_bridge.js", recording)
        super().__init__(context, link)
        deadline = time.monotonic() + 20
        while not self.page.workers and time.monotonic() < deadline:
            self.page.wait_for_timeout(5)
        self.worker: Worker = self.page.workers[0]
        self.page.evaluate(WATCH)

    def told(self) -> list[str]:
        found: list[str] = self.page.evaluate("told")
        return found


def weights_without_a_loss(coordinator: Coordinator, context: BrowserContext, recipe: str, steps: int) -> str:
    tab = Tab(context, coordinator.url)
    tab.train(recipe, steps=steps)
    last = tab.until("the end", lambda s: s["state"] in ("finished", "error"), 120)
    assert last["state"] == "finished"
    tab.page.close()
    digest: str = last["weights_sha256"]
    return digest


def test_training_goes_on_by_itself_within_5_seconds_and_ends_with_the_same_weights(
    serve: Callable[..., Coordinator], context: BrowserContext
) -> None:
    wanted = weights_without_a_loss(serve(), context, "digits_mlp", 400)
    tab = LosingTab(context, serve().url)
    tab.train("digits_mlp", steps=400)
    for at, how in ((30, LOSE), (150, LOSE_IN_READ), (260, LOSE)):
        before = tab.until("some steps", lambda s, at=at: (s["step"] or 0) >= at, 90)
        tab.worker.evaluate(how)
        lost_s = time.monotonic()
        tab.until("to be told", lambda _: any("GPU lost, recovering" in text for text in tab.told()), 2)
        tab.until("further steps", lambda s, before=before: s["state"] != "training" or s["step"] > before["step"] + 5, 5)
        tab.until("to be told the end", lambda _: "is back" in tab.told()[-1], 5 - (time.monotonic() - lost_s))
        tab.page.evaluate("told.length = 0")
    last = tab.until("the end", lambda s: s["state"] in ("finished", "error"), 120)
    assert last["state"] == "finished" and last["error"] is None and last["backend"].startswith("WebGL2")
    assert last["weights_sha256"] == wanted and tab.errors == []
    assert last["cpu_ops"] == 0
    tab.page.evaluate("told.length = 0")
    tab.worker.evaluate(LOSE)
    tab.until("to be told of a loss at rest", lambda _: tab.told() and "is back" in tab.told()[-1], 5)


def test_a_tab_among_others_does_its_lease_again(coordinator: Coordinator, context: BrowserContext) -> None:
    host = LosingTab(context, coordinator.url)
    guest = LosingTab(context, coordinator.join_link)
    host.train("digits_mlp", steps=100_000)
    host.until("steps", lambda s: (s["step"] or 0) >= 1)
    guest.join()
    for losing in (guest, host, guest):
        before = host.until("shared steps", lambda s: s["mode"] == "shared" and s["workers_contributing"] == 2, 60)
        losing.worker.evaluate(LOSE)
        losing.until("to be told", lambda _, tab=losing: any("GPU lost" in text for text in tab.told()), 5)
        host.until("further steps", lambda s, before=before: s["step"] > before["step"] + 20, 15)
    last = coordinator.status()
    assert last["state"] == "training" and sum(last["rejected"].get(why, 0) for why in ("bad", "non_finite")) == 0
    assert [tab.status()["error"] for tab in (host, guest)] == [None, None]


def test_a_gpu_that_does_not_come_back_leaves_training_to_numpy_and_the_page_says_so(
    coordinator: Coordinator, context: BrowserContext
) -> None:
    tab = LosingTab(context, coordinator.url)
    tab.train("digits_mlp", steps=100_000)
    before = tab.until("some steps", lambda s: (s["step"] or 0) >= 30, 90)
    tab.worker.evaluate("() => { self.refused = true; self.context.getExtension('WEBGL_lose_context').loseContext(); }")
    tab.until("to be told", lambda _: any("GPU lost, recovering" in text for text in tab.told()), 2)
    # steps that were taken before the loss may be told of after it: only those on NumPy count
    plain = tab.until("NumPy", lambda s: s["backend"].startswith("reference (NumPy): the GPU was lost"), 20)
    after = tab.until("further steps", lambda s: s["step"] > max(plain["step"], before["step"]) + 20, 20)
    assert after["backend"] == plain["backend"] and after["state"] == "training"
    assert tab.page.get_by_text("the GPU was lost and did not come back").first.is_visible()
