"""LBFGS, and averages of weights, against PyTorch's."""

from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import RecipeError
from op_examples import numbers

X, Y = numbers(20, 5), numbers(20, 3, seed=1)
SEARCHES: list[dict[str, Any]] = [
    {},
    {"line_search_fn": "strong_wolfe"},
    {"lr": 0.3, "history_size": 4, "line_search_fn": "strong_wolfe", "max_iter": 5},  # looks nearer, and again
    {"lr": 10.0, "line_search_fn": "strong_wolfe", "max_iter": 6},  # comes back from too far
    {"lr": 0.001, "line_search_fn": "strong_wolfe", "max_iter": 6},  # goes farther
]


def found_by(lib: Any, options: dict[str, Any], halfway: bool = False) -> tuple[list[float], int, list[np.ndarray]]:
    """(the losses of five steps, evaluations, the parameters) in float64. halfway: from a saved state after two."""
    parameters = [lib.tensor(numbers(*shape, seed=2).astype(np.float64), requires_grad=True) for shape in ((5, 3), (3,))]
    optimizer, calls, losses = lib.optim.LBFGS(parameters, **options), [], []
    x, y = lib.tensor(X.astype(np.float64)), lib.tensor(Y.astype(np.float64))

    def closure() -> Any:
        calls.append(1)
        optimizer.zero_grad()
        loss = ((x @ parameters[0] + parameters[1]).tanh() - y).square().mean() + 0.1 * (parameters[0] ** 4).sum()
        loss.backward()
        return loss

    for number in range(5):
        if halfway and number == 2:
            saved, optimizer = optimizer.state_dict(), lib.optim.LBFGS(parameters)
            optimizer.load_state_dict(saved)
        losses.append(float(optimizer.step(closure).detach()))
    return losses, len(calls), [parameter.detach().numpy() for parameter in parameters]


@pytest.mark.parametrize("options", SEARCHES, ids=str)
def test_lbfgs_takes_pytorchs_steps(options: dict[str, Any]) -> None:
    losses, calls, ends = found_by(dm, options)
    wanted, theirs, others = found_by(torch, options)
    assert calls == theirs
    np.testing.assert_allclose(losses, wanted, rtol=1e-9)
    for end, other in zip(ends, others, strict=True):
        np.testing.assert_allclose(end, other, rtol=1e-7, atol=1e-9)
    assert losses[-1] < losses[0]


def test_lbfgs_goes_on_from_its_state() -> None:
    whole, again = found_by(dm, SEARCHES[2]), found_by(dm, SEARCHES[2], halfway=True)
    assert whole[:2] == again[:2]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda p: dm.optim.LBFGS(p, line_search_fn="armijo"), "line_search_fn is None or 'strong_wolfe', got 'armijo'"),
        (lambda p: dm.optim.LBFGS([{"params": p[:1]}, {"params": p[1:]}]), "LBFGS takes one parameter group"),
        (lambda p: dm.optim.LBFGS(p).step(), "needs a closure that computes the loss and its gradients"),
        (lambda p: dm.optim.Rprop(p, etas=(1.5, 2.0)), "Rprop: etas are a number in"),
        (lambda p: dm.optim.lr_scheduler.CyclicLR(dm.optim.Rprop(p), 0.1, 0.2), "CyclicLR: cycle_momentum needs an optimizer"),
        (lambda p: dm.optim.lr_scheduler.CyclicLR(dm.optim.Rprop(p), 0.1, 0.2, mode="x"), "CyclicLR: mode is triangular"),
        (lambda p: dm.optim.swa_utils.SWALR(dm.optim.SGD(p), [0.1, 0.2]), "SWALR: a rate a group, anneal_epochs from 0"),
        (lambda p: dm.optim.swa_utils.get_ema_avg_fn(2.0), r"decay is in \[0, 1\], got 2.0"),
    ],
)
def test_what_cannot_be_done_is_said(wrong: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        wrong([dm.ones(2, requires_grad=True), dm.ones(3, requires_grad=True)])


def model(lib: Any) -> Any:
    found = lib.nn.Sequential(lib.nn.Linear(5, 4), lib.nn.BatchNorm1d(4), lib.nn.Linear(4, 3))
    weights = {name: numbers(*value.shape, seed=3) if value.ndim else value for name, value in found.state_dict().items()}
    found.load_state_dict({name: lib.tensor(value) if isinstance(value, np.ndarray) else value for name, value in weights.items()})
    found[1].running_var.fill_(1.0)
    return found


AVERAGES: dict[str, Any] = {
    "mean": lambda lib: {},
    "moving": lambda lib: {"multi_avg_fn": lib.optim.swa_utils.get_ema_multi_avg_fn(0.9), "use_buffers": True},
    "own": lambda lib: {"avg_fn": lambda averaged, current, count: averaged * 0.5 + current * 0.5},
}


@pytest.mark.parametrize("kind", AVERAGES)
def test_averages_of_weights_are_pytorchs(kind: str) -> None:
    states = []
    for lib in (dm, torch):
        trained = model(lib)
        optimizer = lib.optim.SGD(trained.parameters(), lr=0.3)
        rates = lib.optim.swa_utils.SWALR(optimizer, swa_lr=0.05, anneal_epochs=3)
        averaged = lib.optim.swa_utils.AveragedModel(trained, **AVERAGES[kind](lib))
        seen = []
        for _ in range(5):
            optimizer.zero_grad()
            (trained(lib.tensor(X)) - lib.tensor(Y)).square().mean().backward()
            optimizer.step()
            averaged.update_parameters(trained)
            rates.step()
            seen.append(optimizer.param_groups[0]["lr"])
        lib.optim.swa_utils.update_bn([lib.tensor(X[:10]), (lib.tensor(X[10:]), None)], averaged)
        states.append((seen, {name: value.detach().numpy() for name, value in averaged.state_dict().items()}))
    (rates, found), (others, wanted) = states
    assert rates == pytest.approx(others)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
