"""Long draws are cut up and waited for, so that frames of the page come in between: on software, where a GPU is asked for."""

from typing import Any, Protocol

import pytest
from playwright.sync_api import Page


class Lab(Protocol):
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    page: Page

    def run(self, source: str) -> Any: ...


SETUP = """
import json
import js
import numpy as np
import distml_py as dm
from distml_py import engine
from distml_py.backends.webgl import WebGLBackend
from distml_py.browser import JsBridge

gpu = engine.backend()

def on(backend, work):
    engine.use_backend(backend)
    try:
        return work()
    finally:
        engine.use_backend(gpu)
"""
# A second bridge, which is told that others wait for this renderer, and all that it asks of WebGL.
SHARED = """async () => {
    const { createBridge } = await import("/bridge/bridge.js");
    globalThis.shared = createBridge(new OffscreenCanvas(1, 1), () => {}, false);
    const own = WebGL2RenderingContext.prototype;
    globalThis.asked = [];
    let area = 0;
    const watch = (name, note) => {
        const real = own[name];
        own[name] = function (...values) { note(...values); return real.apply(this, values); };
    };
    watch("scissor", (x, y, columns, rows) => { area = columns * rows; });
    watch("drawArrays", () => asked.push(area));
    watch("flush", () => asked.push("flush"));
    watch("readPixels", () => asked.push("wait"));
}"""
LEAST = 2**22  # what may go at once


@pytest.fixture(scope="module")
def shared(lab: Any) -> Lab:
    lab.page.evaluate(SHARED)
    return lab  # type: ignore[no-any-return]


def test_work_for_a_gpu_that_others_share_is_cut_flushed_and_waited_for(shared: Lab) -> None:
    """By the bridge's own estimate: no draw is more than a turn, and never is more than four turns of work on its way."""
    found = shared.run(
        SETUP
        + """
a, b = (np.random.RandomState(n).randn(512, 512).astype(np.float32) for n in (0, 1))
whole = np.arange(2**21, dtype=np.int32)
def work():
    x, y = dm.tensor(a), dm.tensor(b)
    products = [x @ y, y @ x, x.t() @ y, x @ y.t()]
    sums = [dm.tensor(whole).cumsum(0)[-9:], x.sum(0), (x * y).argmax(1)]
    engine.realize([t.node for t in products])
    js.eval("asked.push('end')")
    engine.realize([t.node for t in sums])
    return [t.numpy().tobytes() for t in products + sums]
plain = work()
js.eval("asked.length = 0")
backend = WebGLBackend(JsBridge(js.shared))
js.shared.limit(LEAST)
costs, compile_ = [], backend._bridge.compile
backend._bridge.compile = lambda *values: costs.append(values[-1]) or compile_(*values)
split = on(backend, work)
asked = js.asked.to_py()
json.dumps([plain == split, costs, asked[: asked.index("end")]])
""".replace("LEAST", str(LEAST))
    )
    same, costs, asked = found
    assert same
    cost = 512 * 8  # of a product's fragment, in 8 layers
    assert costs[0] == cost
    piece = LEAST // cost  # texels; the copies to plain rows, which take a few operations each, are larger and whole
    assert sum(one for one in asked if one == piece) == 4 * 128 * 64
    most = {"flush": 0, "wait": 0}
    sent = dict(most)
    for one in asked:
        if isinstance(one, int):
            sent = {name: work + one * (cost if one == piece else min(costs)) for name, work in sent.items()}
            most = {name: max(work, sent[name]) for name, work in most.items()}
        else:
            sent |= {"flush": 0} if one == "flush" else {"wait": 0}
    assert LEAST <= most["flush"] < 2 * LEAST
    assert 3 * LEAST <= most["wait"] < 4 * LEAST


def test_draws_cut_into_bands_give_the_same_bits(lab: Lab) -> None:
    found = lab.run(
        SETUP
        + """
dm.manual_seed(0)
x, w = dm.randn(3, 5, 40, 41).realize(), dm.randn(9, 5, 3, 3).realize()
a, b = dm.randn(130, 77).realize(), dm.randn(77, 65).realize()
def work():
    found = (dm.nn.functional.conv2d(x, w, padding=1), a @ b, x.sum((0, 2, 3)), x.argmax(3), (x * 2).permute(3, 0, 1, 2))
    engine.realize([t.node for t in found])
    return [t.numpy().tobytes() for t in found]
js.eval('''
    const real = WebGL2RenderingContext.prototype.drawArrays;
    globalThis.drawn = 0;
    WebGL2RenderingContext.prototype.drawArrays = function (...values) { drawn++; real.apply(this, values); };
''')
engine._state.plans.clear()
gpu._pool.shrink()  # new textures hold zeros: a row that no band draws shows
js.bridge.limit(500)
bands = work()
cut = js.drawn
js.bridge.limit(2**40)
whole = work()
drawn = js.drawn - cut
json.dumps([whole == bands, drawn, cut])
"""
    )
    same, drawn, cut = found
    assert same and cut > 5 * drawn


def test_bands_fit_the_pace_that_was_measured_and_a_software_renderer_is_left_alone(lab: Lab) -> None:
    found = lab.page.evaluate(
        """async () => {
            const { createBands } = await import("/bridge/bands.js");
            const unknown = createBands(false), software = createBands(true), quick = createBands(false), slow = createBands(false);
            for (const [bands, ms] of [[quick, 1], [slow, 1000]]) {
                bands.add(2 ** 30, 100);
                bands.done(100 + ms);
            }
            const flushes = [1, 2, 3, 4].map(() => unknown.add(2 ** 21, 0));
            const odd = createBands(false);
            for (const pace of [25, 24, 40, 23, 22]) {
                odd.add(2 ** pace, 0);
                odd.done(8);
            }
            const rows = [unknown, software, quick, slow].map((bands) => bands.rows(1000, 256, 256));
            const columns = [unknown, software].map((bands) => [bands.columns(2 ** 20, 64), bands.full()]);
            return [rows, flushes, Math.log2(odd.budget()), columns];
        }"""
    )
    (unknown, software, quick, slow), flushes, odd, columns = found
    assert software == quick == 256 and unknown == 16 and slow == int(2**30 / 1000 * 8 / 256_000)
    assert flushes == [False, True, False, True]
    assert odd == 24, "the middle one of what was measured"
    assert columns == [[4, False], [64, False]]
