"""float16 on WebGL2: stored as half floats where the device has them, the same bits as the reference backend's."""

from typing import Any, Protocol

import pytest


class Lab(Protocol):
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    def run(self, source: str) -> Any: ...


SAME = """
import json, numpy as np, distml_py as dm
from distml_py import engine
from distml_py.backends import narrow

def program():
    dm.manual_seed(0)  # for the layer
    x = dm.tensor(np.random.default_rng(0).normal(0, 0.5, (33, 20)).astype(np.float32)).half()
    x.realize()
    edges = dm.tensor(narrow.edges()[EDGES]).half()
    y = x * 2 + 0.3
    z = (x @ y.t()).relu()
    w = dm.zeros(40, 33).half()
    w[3:7] = 0.1
    model = dm.nn.Linear(20, 7).half()
    model.weight.data.copy_(x[:7])
    loss = (model(x) ** 2).mean()
    loss.backward()
    found = [x, edges, y, y.t().contiguous(), dm.cat([x, y], 1), w, x.float(), z, z.sum(1), w @ z, loss, model.weight.grad]
    for tensor in found:
        tensor.realize()
    return [t.detach().float().numpy().astype(np.float32) for t in found]

backend = engine.backend()
backend._halves, had = HALVES, backend._has_halves()
one = program()
dm.use_backend("reference")
other = program()
engine.use_backend(backend)
backend._halves = had
far = [n for n, (a, b) in enumerate(zip(one, other)) if a.tobytes() != b.tobytes()]
worst = 0.0
for a, b in zip(one, other):
    usual = np.isfinite(b)
    same = np.array_equal(a[~usual], b[~usual], equal_nan=True)
    worst = max(worst, float(np.abs(a[usual] - b[usual]).max(initial=0) / np.abs(b[usual]).max(initial=1e-30)) if same else 99.0)
json.dumps([[n for n in far if n < 7], worst])
"""


@pytest.mark.parametrize("halves", [True, False])
def test_half_floats_hold_what_the_reference_backend_computes(lab: Lab, halves: bool) -> None:
    """Sums are rounded to 11 bits at the end, so one that was added up in another order may be the next number."""
    edges = "np.isfinite(narrow.edges())" if halves else "slice(None)"  # a software renderer makes NaN of infinities
    exact, worst = lab.run(SAME.replace("HALVES", str(halves)).replace("EDGES", edges))
    assert exact == [] and worst <= 2**-10


@pytest.mark.parametrize(("dtype", "halves", "bytes_each"), [("float16", True, 2), ("float16", False, 4), ("bfloat16", True, 4)])
def test_a_half_takes_half_the_bytes(lab: Lab, dtype: str, halves: bool, bytes_each: int) -> None:
    source = f"""
import gc, json, distml_py as dm
from distml_py import engine
backend = engine.backend()
backend._halves, had = {halves}, backend._has_halves()
gc.collect()
before = dm.memory()["live_bytes"]
x = (dm.rand(512, {512 + 4 * halves}) - 0.5).to(dm.{dtype})  # a plan of its own
x.realize()
found = dm.memory()["live_bytes"] - before
backend._halves = had
json.dumps([found, round(float(x.abs().max().item()), 1)])
"""
    size = 512 * (512 + 4 * halves)
    assert lab.run(source) == [size * bytes_each, 0.5]


def test_a_device_is_asked_with_numbers_that_it_may_get_wrong(lab: Lab) -> None:
    source = """
import json, math, distml_py as dm
from distml_py import engine
x = dm.tensor([1.0, 65519.0, 65520.0, -1e6, 2.0**-24]).half()
x.realize()
stored = {place.kind for place in [x._node.buffer.buffer.room]}
json.dumps([[str(v) for v in x.tolist()], engine.backend()._has_halves() == (stored == {2})])
"""
    assert lab.run(source) == [["1.0", "65504.0", "inf", "-inf", str(2**-24)], True]
