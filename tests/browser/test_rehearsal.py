"""Kernels of an earlier visit are compiled and drawn once before Python asks for them; only what it asks for is used."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

COUNT = """() => {
    const own = WebGL2RenderingContext.prototype;
    globalThis.alive = { Texture: 0, Framebuffer: 0, Program: 0 };
    for (const kind of Object.keys(alive)) {
        const [make, unmake] = [own[`create${kind}`], own[`delete${kind}`]];
        own[`create${kind}`] = function () { alive[kind]++; return make.call(this); };
        own[`delete${kind}`] = function (what) { if (what) alive[kind]--; return unmake.call(this, what); };
    }
    const [link, draw] = [own.linkProgram, own.drawArrays];
    globalThis.linked = 0;
    own.linkProgram = function (what) { linked++; return link.call(this, what); };
    globalThis.wrong = 0;
    own.drawArrays = function (...values) { draw.apply(this, values); if (this.getError()) wrong++; };
}"""
WORK = """
import json
import distml_py as dm
from distml_py import nn
dm.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 5))
optimizer = dm.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
x, y = dm.randn(6, 1, 8, 8), dm.tensor([0, 1, 2, 3, 4, 0])
losses = []
for step in range(3):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
wide = dm.ones(5000, 1000).half().float().sum().item()  # an array texture, and half floats where there are any
json.dumps([losses, wide])
"""


class Lab:
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    page: Page
    run: Callable[[str], Any]


@pytest.fixture(scope="module")
def first(new_lab: Callable[[], Lab]) -> Iterator[tuple[Any, str]]:
    """What an unprepared page computes, and the record of its kernels."""
    lab = new_lab()
    lab.page.evaluate("bridge.record()")  # of the self-test
    found = lab.run(WORK)
    record = lab.page.evaluate("JSON.stringify(bridge.record())")
    lab.page.close()
    yield found, record


@pytest.fixture
def lab(new_lab: Callable[[], Lab]) -> Iterator[Lab]:
    opened = new_lab()
    opened.page.evaluate(COUNT)
    yield opened
    opened.page.close()


REHEARSE = """(record) => {
    bridge.record();
    try { bridge.foresee(record); bridge.rehearse(); }
    catch (error) { return String(error); }
    return "";
}"""


def test_what_was_foreseen_is_not_compiled_again_and_computes_the_same(lab: Lab, first: tuple[Any, str]) -> None:
    record = json.loads(first[1])
    assert len(record) > 10
    assert lab.page.evaluate(REHEARSE, record) == ""
    assert lab.page.evaluate("wrong") == 0, "each was drawn with what it reads and writes"
    assert lab.page.evaluate("alive") == {"Texture": 0, "Framebuffer": 0, "Program": len(record)}
    lab.page.evaluate("linked = 0")
    assert lab.run(WORK) == first[0]
    assert lab.page.evaluate("linked") == 0
    assert lab.page.evaluate("JSON.stringify(bridge.record())") == first[1], "a prepared visit leaves the same record"


def test_a_record_that_was_changed_changes_no_number(lab: Lab, first: tuple[Any, str]) -> None:
    """It lies where people's Python can write."""
    record = json.loads(first[1])
    for n, part in enumerate(record):
        part[n % 3] += ("// changed", "f", "f")[n % 3]
    assert lab.page.evaluate(REHEARSE, record) == ""
    assert "this is no shader" in lab.page.evaluate(REHEARSE, [["this is no shader", "", "f1 f"]])
    assert lab.page.evaluate("alive.Program") == len(record) + 1
    lab.page.evaluate("bridge.forget()")
    assert lab.page.evaluate("alive") == {"Texture": 0, "Framebuffer": 0, "Program": 0}, "what nobody asked for is gone"
    assert lab.page.evaluate(REHEARSE, record) == ""
    lab.page.evaluate("linked = 0")
    assert lab.run(WORK) == first[0]
    assert lab.page.evaluate("linked") == len(record), "none of them was what Python asked for"


def test_a_gpu_that_goes_between_takes_nothing_with_it(lab: Lab, first: tuple[Any, str]) -> None:
    lab.page.evaluate("(record) => { bridge.foresee(record); bridge.lose(); }", json.loads(first[1]))
    lab.page.wait_for_timeout(200)
    lab.page.evaluate(REHEARSE, [])
    assert lab.run(WORK) == first[0]
