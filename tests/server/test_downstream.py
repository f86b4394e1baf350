"""Weights on their way down: every worker has the same bits, verified, whole or by what was added, whatever it missed."""

import hashlib
from typing import Any

import numpy as np
import pytest

from distml_py import io, wire
from distml_py.manifest import Manifest
from distml_py.tab import Tab
from distml_server.downstream import Downstream
from test_tab import CODE, Clock

SIZE = 3000
NAMES = {"weight": (SIZE,), "bias": (2,)}
RUN = wire.Run("a", "r", "c", "f", 0, 9, 8, 2, 20, 2, 3, {"name": "SGD", "lr": 0.1}, list(NAMES), False, {"codec": "int8"})


def weights(version: int) -> dict[str, np.ndarray]:
    """Like an optimizer's: each version a little further."""
    rng = np.random.default_rng(0)
    found = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in NAMES.items()}
    for step in range(version):
        rng = np.random.default_rng(step + 1)
        found = {name: array + 0.01 * rng.standard_normal(array.shape).astype(np.float32) for name, array in found.items()}
    return found


class Way:
    """A coordinator's way down and the tabs at its end."""

    def __init__(self, codec: str, buffers: bool = False) -> None:
        self.run = wire.Run(**{**vars(RUN), "exchange": {"codec": codec}})
        self.down = Downstream(self.run, Manifest(NAMES))
        self.buffers = {"buffers/mean": np.zeros(2, np.float32)} if buffers else {}
        self.version = -1

    def tab(self) -> Tab:
        tab = Tab("reference", "d", "p", Clock())
        tab.receive(wire.encode(self.run))
        tab._queue.clear()  # it need not load a recipe here
        return tab

    def publish(self, needed: set[int] | None = None) -> None:
        self.version += 1
        found = weights(self.version)
        buffers = {name: array + self.version for name, array in self.buffers.items()}
        self.down.publish(self.version, found, buffers, io.weights_sha256(found), needed or set())

    def give(self, tab: Tab, base: int) -> list[str]:
        """Brings a tab from what it has to the newest: the types of the frames."""
        kinds = []
        for frame in self.down.frames(base, self.version):
            assert tab.receive(frame) == []
            kinds.append(type(wire.decode(frame).message).__name__)
        return kinds


def bits(tab: Tab, version: int) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in tab._weights[version].items()}


@pytest.mark.parametrize("codec", ["fp16", "int8", "topk"])
def test_every_worker_has_the_same_bits_however_it_got_them(codec: str) -> None:
    way = Way(codec, buffers=True)
    always, sometimes = way.tab(), way.tab()
    way.publish()
    assert way.give(always, -1) == way.give(sometimes, -1) == ["Weights"]
    for version in range(1, 6):
        way.publish()
        assert way.give(always, version - 1) == ["Delta"]
    missed = way.give(sometimes, 0)
    joiner = way.tab()
    assert way.give(joiner, -1) == ["Weights"]
    assert missed == (["Weights"] if codec == "fp16" else ["Delta"] * 5 if codec == "topk" else missed)
    assert bits(always, 5) == bits(sometimes, 5) == bits(joiner, 5)
    assert always._weights[5]["buffers/mean"].tolist() == [5, 5]
    assert always._held == joiner._held and way.down.has(*always._held)
    exact = weights(5)
    off = max(np.abs(always._weights[5][name] - exact[name]).max() for name in NAMES)
    assert 0 < off < (0.1 if codec == "topk" else 1e-3)


def test_a_worker_far_behind_gets_the_weights_whole_when_they_are_smaller() -> None:
    way = Way("int8")
    way.publish()
    sizes = [len(way.down.frames(-1, 0)[0])]
    for version in range(1, 8):
        way.publish()
        (frame,) = way.down.frames(version - 1, version)
        sizes.append(len(frame))
    assert all(size < 0.31 * sizes[0] for size in sizes[1:])
    assert len(way.down.frames(4, 7)) == 3
    (whole,) = way.down.frames(0, 7)
    assert isinstance(wire.decode(whole).message, wire.Weights)


def test_the_last_version_is_exact() -> None:
    way = Way("int8")
    tab = way.tab()
    for version in range(RUN.steps + 1):
        way.publish()
        way.give(tab, version - 1)
    exact = weights(RUN.steps)
    assert bits(tab, RUN.steps) == {name: array.tobytes() for name, array in exact.items()}
    assert tab.report()["weights_sha256"] == io.weights_sha256(exact)


def test_what_a_solo_worker_made_goes_to_the_others_as_it_is() -> None:
    way = Way("int8")
    tab = way.tab()
    way.publish()
    way.give(tab, -1)
    exact = weights(4)
    way.version = 4
    way.down.publish(4, exact, {}, io.weights_sha256(exact), set(), whole=True)
    assert way.give(tab, 0) == ["Weights"]
    assert bits(tab, 4) == {name: array.tobytes() for name, array in exact.items()}


def test_a_version_that_is_still_to_be_evaluated_can_be_had_and_others_not() -> None:
    way = Way("int8")
    way.publish()
    for _ in range(3):
        way.publish({1})
    (frame,) = way.down.frames(3, 1)
    message = wire.decode(frame).message
    assert isinstance(message, wire.Weights) and message.version == 1
    assert way.down.frames(-1, 2) == []


def test_with_fp32_every_version_is_whole() -> None:
    way = Way("fp32")
    tab = way.tab()
    for version in range(3):
        way.publish()
        assert way.give(tab, version - 1) == ["Weights"]
    assert bits(tab, 2) == {name: array.tobytes() for name, array in weights(2).items()}
    assert way.down.has(2, io.weights_sha256(weights(2))) and not way.down.has(2, "") and not way.down.has(1, "")


DAMAGED: dict[str, Any] = {
    "another hash": lambda m, t: (wire.Delta(m.run, m.version, m.base, "00000000"), t),
    "another base": lambda m, t: (wire.Delta(m.run, m.version, m.base - 1, m.rolling), t),
    "other numbers": lambda m, t: (m, {**t, "codec/values": t["codec/values"] // 2 + 1}),
    "parts of another codec": lambda m, t: (m, {"codec/values": t["codec/values"]}),
}


@pytest.mark.parametrize("case", list(DAMAGED))
def test_a_delta_that_leads_elsewhere_is_not_used_and_the_weights_are_asked_for_once(case: str) -> None:
    way = Way("int8")
    tab = way.tab()
    way.publish()
    way.give(tab, -1)
    way.publish()
    (good,) = way.down.frames(0, 1)
    frame = wire.decode(good)
    message, tensors = DAMAGED[case](frame.message, dict(frame.tensors))
    tab.receive(wire.encode(wire.Lease("a", 0, 0, "l", 0, 0, 4, 5.0)))
    (answer,) = tab.receive(wire.encode(message, tensors))
    assert wire.decode(answer).message == wire.Resync("a", 1)
    assert 1 not in tab._weights and not tab._queue
    way.publish()
    assert tab.receive(way.down.frames(1, 2)[0]) == []  # it waits for what it asked for
    assert tab._held == (-1, "")
    way.give(tab, -1)
    way.publish()
    assert way.give(tab, 2) == ["Delta"]
    assert way.down.has(*tab._held)


def test_a_tab_that_comes_back_names_what_it_has_and_goes_on_from_it() -> None:
    training_run = wire.Run(
        "a", "small", CODE, hashlib.sha256(CODE.encode()).hexdigest(), 5, 6, 8, 2, 20, 2, 3, {"name": "Adam", "lr": 0.1},
        ["weight", "bias"], False, {"codec": "int8"},
    )  # fmt: skip
    tab = Tab("reference", "d", "p", Clock())
    tab.receive(wire.encode(training_run))
    (first,) = tab.advance()
    arrays = {"weight": np.ones((2, 3), np.float32), "bias": np.zeros(2, np.float32)}
    tab.receive(wire.encode(wire.Weights("a", 1, "f", "12345678"), arrays))
    tab.receive(wire.encode(wire.Lease("a", 1, 1, "l", 0, 0, 4, 5.0)))
    tab.receive(wire.encode(training_run))  # another connection
    (second,) = tab.advance()
    joins = [wire.decode(frame).message for frame in (first, second)]
    assert joins == [wire.Join("a", "reference", "d", "p"), wire.Join("a", "reference", "d", "p", 1, "12345678")]
    assert not tab.busy  # the old connection's lease is void
    tab.receive(wire.encode(wire.Lease("a", 1, 1, "l2", 1, 4, 4, 5.0)))
    (answer,) = tab.advance()
    assert isinstance(wire.decode(answer).message, wire.Gradient)
