"""Nodes: how a long chain of them is let go. What they compute is judged elsewhere."""

import gc
import inspect
import weakref
from typing import Any

import pytest

import distml_py as dm
from distml_py import engine, graph


@pytest.fixture
def lazy() -> Any:
    before = engine.be_eager(False)
    yield
    engine.be_eager(before)


@pytest.mark.usefixtures("lazy")
def test_a_long_chain_is_let_go_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    depths: list[int] = []
    end = graph._Deep.__del__

    def watched(self: Any) -> None:
        depths.append(len(inspect.stack(0)))
        end(self)

    monkeypatch.setattr(graph._Deep, "__del__", watched)
    gc.collect()
    depths.clear()
    chain = dm.zeros(2)
    first = weakref.ref((chain + 1).node)
    for number in range(5000):
        chain = chain + 1
        if number == 0:
            first = weakref.ref(chain.node)
    assert first() is not None
    del chain
    assert first() is None, "all of it is gone, without the garbage collector"
    assert len(depths) == 5000 // graph.LEVELS - 1 and max(depths) <= min(depths) + 2, "none inside another one"
    assert not graph._Deep.left and not graph._Deep.busy


def test_training_knows_no_deep_nodes() -> None:
    """What is computed remembers nothing: its depth is no part of the next step's."""
    weight = dm.nn.Parameter(dm.ones(2))
    optimizer = dm.optim.SGD([weight], lr=0.1)
    for _ in range(400):
        optimizer.zero_grad()
        (weight * 2).sum().backward()
        optimizer.step()
    assert weight.node.depth < graph.LEVELS
