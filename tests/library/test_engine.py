"""When things are computed, how often, and what stays in memory: nothing before it is asked for, nothing after it is needed."""

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import distml_py as dm
from distml_py import engine, graph, nn, optim
from distml_py.backends.reference import ReferenceBackend
from distml_py.graph import Node
from numpy_kernels import KernelBackend
from op_examples import numbers


class CountingBackend(ReferenceBackend):
    """Counts its runs and keeps a weak eye on its buffers."""

    name = "counting"

    def __init__(self) -> None:
        self.runs = 0
        self.alive = 0

    def upload(self, array: np.ndarray) -> Any:
        return Buffer(self, array)

    def download(self, buffer: Any, shape: Any, dtype: Any) -> np.ndarray:
        return super().download(buffer.array, shape, dtype)

    def run(self, plan: Any, leaves: Any, scalars: Any) -> list[Any]:
        self.runs += 1
        return [Buffer(self, array) for array in super().run(plan, [leaf.array for leaf in leaves], scalars)]


class Buffer:
    """Dropping it is counted, as a texture's return to the pool would be."""

    def __init__(self, backend: CountingBackend, array: np.ndarray):
        self.backend, self.array = backend, array
        backend.alive += 1

    def __del__(self) -> None:
        self.backend.alive -= 1


@pytest.fixture
def counting() -> Iterator[CountingBackend]:
    backend = CountingBackend()
    engine.use_backend(backend)
    yield backend
    engine.use_backend("reference")


def test_nothing_is_computed_before_it_is_asked_for(counting: CountingBackend) -> None:
    x = dm.tensor(numbers(3, 4), requires_grad=True)
    y = (x @ x.t()).exp().sum()
    y.backward()
    optim.SGD([x])
    assert (y.shape, x.grad.shape, counting.runs, counting.alive) == ((), (3, 4), 0, 0)
    y.item()
    assert counting.runs == 1


def test_what_is_known_is_not_computed_again(counting: CountingBackend) -> None:
    x = dm.tensor(numbers(3)).exp()
    first, again = x.numpy(), x.numpy()
    assert counting.runs == 1 and first.tolist() == again.tolist()
    (x + 1).numpy()
    assert counting.runs == 2


def test_several_are_computed_together(counting: CountingBackend) -> None:
    x = dm.tensor(numbers(3))
    engine.realize(tensor.node for tensor in (x + 1, x * 2, x.sum()))
    assert counting.runs == 1
    engine.realize([])
    assert counting.runs == 1


def test_a_loss_is_computed_with_the_step_that_follows_it(counting: CountingBackend) -> None:
    x = dm.tensor(numbers(3), requires_grad=True)
    optimizer = optim.SGD([x], lr=0.1)
    loss = (x * x).sum()
    loss.backward()
    optimizer.step()
    assert loss.item() == pytest.approx(float((numbers(3) ** 2).sum()))
    assert counting.runs == 1


def test_a_loss_that_nobody_holds_is_not_computed(counting: CountingBackend) -> None:
    x = dm.tensor(numbers(3), requires_grad=True)
    (x * x).sum().backward()
    asked: list[int] = []
    plain = engine.linearize
    engine.linearize = lambda outputs, *rest: asked.append(len(outputs)) or plain(outputs, *rest)  # type: ignore[func-returns-value]
    try:
        x.grad.numpy()
    finally:
        engine.linearize = plain
    assert asked == [1]


def train(steps: int, backend: Any) -> list[int]:
    """Live buffers after each of `steps` training steps."""
    dm.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.1), nn.Linear(18, 4))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    seen = []
    for number in range(steps):
        x, labels = dm.tensor(numbers(5, 1, 8, 8, seed=number)), dm.tensor(np.arange(5, dtype=np.int32) % 4)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        assert np.isfinite(loss.item())
        seen.append(backend.alive)
    return seen


def test_buffers_are_freed_by_reference_counts_alone(counting: CountingBackend) -> None:
    gc.collect()
    gc.disable()
    try:
        seen = train(20, counting)
        assert seen[2] == seen[19], "a rise is a reference cycle"
        assert counting.alive == 0, "everything went with the last name"
    finally:
        gc.enable()


def test_nodes_are_freed_by_reference_counts_alone() -> None:
    def alive() -> int:
        return sum(type(thing) is Node for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = alive()
        backend = CountingBackend()
        train(3, backend)
        assert alive() == before
    finally:
        gc.enable()


def test_a_realized_parameter_forgets_how_it_was_made() -> None:
    x = dm.tensor(numbers(3), requires_grad=True)
    optimizer = optim.Adam([x], lr=0.1)
    for _ in range(3):
        (x * x).sum().backward()
        optimizer.step()
    assert x.node.inputs == () and x.node.buffer is not None
    assert all(slot.node.inputs == () for slot in optimizer.state[0].values() if isinstance(slot, dm.Tensor))


def test_arrays_move_when_the_backend_changes(counting: CountingBackend) -> None:
    x = dm.tensor(numbers(3))
    y = (x + 1).realize()
    engine.use_backend(KernelBackend())
    np.testing.assert_allclose((y * x).numpy(), (numbers(3) + 1) * numbers(3))
    engine.use_backend("reference")
    np.testing.assert_allclose((y * 2).numpy(), (numbers(3) + 1) * 2)
    assert counting.alive == 0


def test_an_error_on_the_way_leaves_the_engine_usable(counting: CountingBackend) -> None:
    kept = dm.tensor(numbers(3), requires_grad=True)
    loss = kept.sum()
    loss.backward()
    with pytest.raises(IndexError):
        dm.arange(3)[dm.tensor([5]) + 0].numpy()
    assert loss.item() == pytest.approx(float(numbers(3).sum()))


def test_plans_are_kept_for_equal_graphs_and_the_oldest_goes_first(
    counting: CountingBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PLANS", 2)

    def plans(size: int) -> int:
        before = engine.counters().plans
        (dm.tensor(numbers(size)) * 2.5 + size).numpy()
        return engine.counters().plans - before

    assert [plans(size) for size in (3, 3, 4, 3, 5, 3, 4)] == [1, 0, 1, 0, 1, 0, 1]


def test_ops_are_counted_where_they_are_computed_without_a_gpu(counting: CountingBackend) -> None:
    before = engine.counters().cpu_ops
    (dm.tensor(numbers(3)) * 2 + 1).sum().numpy()
    found = engine.counters().cpu_ops - before
    assert found > 0
    engine.use_backend(KernelBackend())
    before = engine.counters().cpu_ops
    (dm.tensor(numbers(3)) * 2 + 1).sum().numpy()
    assert engine.counters().cpu_ops == before


def test_a_buffer_is_never_changed(counting: CountingBackend) -> None:
    x = dm.tensor(numbers(3))
    array = x.numpy()
    array[:] = 0
    assert x.numpy().tolist() == numbers(3).tolist()
    y = (x + 0).realize()
    y.numpy()[:] = 0
    assert y.numpy().tolist() == numbers(3).tolist()


def test_a_node_is_immutable_but_for_its_buffer() -> None:
    node = graph.leaf(np.ones(2, np.float32), (2,), dm.float32)
    with pytest.raises(AttributeError):
        node.name = "x"  # type: ignore[attr-defined]


def test_promises_of_the_reference_backend_are_kept_on_a_gpu() -> None:
    """Sorting has a row there and is composed on a GPU; who changes the backend in between gets the same numbers and gradients."""
    x = dm.tensor([[3.0, 1.0, 2.0], [1.0, 1.0, 0.0]], requires_grad=True)
    index = dm.tensor([0, 1, 0])

    def promised() -> list[dm.Tensor]:
        twice = x * 2
        put = dm.zeros(2, 3)
        put[index] = dm.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
        order = [twice.sort(1).values, x.argsort(1), x.argsort(1), twice.topk(2).values, twice.median(1).values, put]
        return [*order, *dm.autograd.grad((order[0] * order[3][:, :1]).sum(), x)]

    expected = [found.detach().numpy() for found in promised()]
    waiting = promised()
    engine.use_backend(KernelBackend())
    try:
        for found, wanted in zip(waiting, expected, strict=True):
            assert np.array_equal(found.detach().numpy(), wanted)
        assert np.array_equal((x.detach() * 1).sort(1).indices.numpy(), expected[1])
    finally:
        engine.use_backend("reference")
