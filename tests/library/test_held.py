"""Programs that know nothing of promises: what they hold is computed once, and no step costs more than the one before."""

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import distml_py as dm
from distml_py import engine, held, nn
from distml_py.optim import Optimizer


@pytest.fixture(params=[True, False], ids=["as torch", "as it is"])
def eager(request: pytest.FixtureRequest) -> Iterator[bool]:
    before = engine.be_eager(request.param)
    yield request.param
    engine.be_eager(before)


def costs(step: Any, count: int = 12) -> list[int]:
    """Ops computed in each step."""
    found = []
    for _ in range(count):
        before = engine.counters().cpu_ops
        step()
        found.append(engine.counters().cpu_ops - before)
    return found


def test_a_parameter_that_is_changed_by_hand_costs_the_same_at_each_step(eager: bool) -> None:
    weight = dm.ones(3, requires_grad=True)

    def step() -> None:
        loss = ((weight * 2 - 1) ** 2).sum()
        weight.grad = None
        loss.backward()
        assert weight.grad is not None
        weight.data.add_(weight.grad, alpha=-0.01)
        loss.item()

    found = costs(step)
    assert found[3] == found[-1]


def test_a_hidden_state_is_not_computed_again_from_the_start() -> None:
    before = engine.be_eager(True)
    try:
        cell, hidden = nn.GRUCell(2, 3), dm.zeros(1, 3)
        total = dm.zeros(1)

        def step() -> None:
            nonlocal hidden, total
            hidden = cell(dm.ones(1, 2), hidden).detach()
            total = total + hidden.sum()
            hidden.max().item()

        found = costs(step)
        assert found[3] == found[-1]
        depth, node = 0, total.node
        while node.inputs:
            depth, node = depth + 1, node.inputs[0]
        assert depth < 8, "a sum remembers nothing of the steps before"
    finally:
        engine.be_eager(before)


def test_a_loss_that_is_printed_before_backward_is_computed_once() -> None:
    before = engine.be_eager(True)
    try:
        layer, x = nn.Linear(4, 4), dm.ones(2, 4)
        loss = layer(x).tanh().sum()
        forward = costs(loss.item, 1)[0]
        loss.backward()
        assert layer.weight.grad is not None
        backward = costs(layer.weight.grad.numpy, 1)[0]
        again = nn.Linear(4, 4)
        loss = again(x).tanh().sum()
        loss.backward()
        assert again.weight.grad is not None and loss.numel() == 1
        both = costs(again.weight.grad.numpy, 1)[0]
        assert forward + backward < both + forward // 2, "what was computed for the loss is there for its derivative"
    finally:
        engine.be_eager(before)


def test_what_nobody_holds_is_not_computed() -> None:
    before = engine.be_eager(True)
    try:
        gc.collect()
        engine.realize(())
        x = dm.tensor([1.0, 2.0])
        _ = x.exp().log()
        del _
        assert costs(lambda: (x + 1).numpy(), 1) == [costs(lambda: (x + 1).numpy(), 1)[0]] and engine.counters().cpu_ops > 0
        kept = x.exp()
        dm.ones(1).numpy()
        assert kept.node.buffer is not None
    finally:
        engine.be_eager(before)


class Signs(Optimizer):
    """An optimizer as people write them for PyTorch: its own step(), state by parameter."""

    def __init__(self, params: Any, lr: float = 0.1):
        super().__init__(params, dict(lr=lr))

    @dm.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"], state["mean"] = 0, dm.zeros_like(p)
                state["step"] += 1
                state["mean"].mul_(0.9).add_(p.grad, alpha=0.1)
                p.add_(state["mean"].sign(), alpha=-group["lr"])


def test_an_optimizer_may_have_a_step_of_its_own(eager: bool) -> None:
    weight = nn.Parameter(dm.tensor([1.0, -1.0]))
    optimizer = Signs([weight])
    for _ in range(3):
        optimizer.zero_grad()
        (weight * dm.tensor([1.0, -2.0])).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(weight.detach().numpy(), [0.7, -0.7], rtol=1e-6)
    assert optimizer.state[weight]["step"] == 3 and weight in optimizer.state and list(optimizer.state) == [0]
    assert list(optimizer.state_dict()["state"][0]) == ["step", "mean"]


@pytest.fixture
def by_itself() -> Iterator[None]:
    """No GPU computes, and nobody has asked for anything: as `import distml_py as torch` finds it."""
    before, backend = engine.be_eager(None), engine.backend()
    engine.use_backend("reference")
    yield
    engine.use_backend(backend)
    engine.be_eager(before)


@pytest.mark.usefixtures("by_itself")
def test_without_being_asked_a_step_of_ones_own_costs_the_same_each_time_where_no_gpu_computes() -> None:
    assert engine.keeping()
    weight = nn.Parameter(dm.tensor([1.0, -1.0]))
    optimizer = Signs([weight])

    def step() -> None:
        optimizer.zero_grad()
        loss = (weight * dm.tensor([1.0, -2.0])).exp().sum()
        loss.backward()
        optimizer.step()
        loss.item()

    found = costs(step)
    assert found[3] == found[-1] > 0


@pytest.mark.usefixtures("by_itself")
def test_a_mean_that_nobody_reads_does_not_remember_all_it_was_made_of() -> None:
    x, mean = dm.ones(2), dm.zeros(2)
    for _ in range(2 * held.MOST):
        mean = mean * 0.5 + x
    depth, node = 0, mean.node
    while node.inputs:
        depth, node = depth + 1, node.inputs[0]
    assert depth < 2 * held.MOST
    np.testing.assert_allclose(mean.numpy(), [2, 2])


def test_draws_through_which_gradients_go_are_drawn_once() -> None:
    before = engine.be_eager(False)  # as on a GPU, where each kernel that reads them would draw them again
    try:
        shape = dm.full((5,), 2.0, requires_grad=True)
        found = dm.distributions.Gamma(shape, dm.ones(5)).rsample()
        assert costs(lambda: found.sum().item(), 1)[0] < 9
        (found**2).sum().backward()
        assert shape.grad is not None and costs(shape.grad.numpy, 1)[0] < 20
    finally:
        engine.be_eager(before)


@pytest.mark.usefixtures("by_itself")
@pytest.mark.parametrize("more", range(-2, 3))
def test_a_gradient_goes_through_tensors_that_are_computed_while_others_are_made(more: int) -> None:
    """The tensor that is made at the moment when those before are computed is not taken for one without a gradient."""
    gc.collect()
    engine.realize(())
    weight = dm.tensor([2.0], requires_grad=True)
    found = weight
    for _ in range(held.MOST + more):
        found = found + 1
    found.backward()
    assert weight.grad is not None and weight.grad.item() == 1
