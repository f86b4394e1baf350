"""Tensors, shapes and results as text: letter by letter what PyTorch prints, the name of the step that made them included."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm

RANDOM = np.random.RandomState(0)
X = RANDOM.randn(2, 3).astype(np.float32)
NAN, INF = float("nan"), float("inf")

VALUES: list[Any] = [
    *(3.14159, 3, True, [True, False], [1, 2, 300], [-1, 20], [[1, 2], [3, 40]], [], np.zeros((0, 3), np.float32)),
    *([1.0, 2.5, 1000.0], [0.0, 1.0, NAN, INF, -INF], [1.5, NAN, -INF], [1e-5, 1.0], [1e-5, 1e5], [1e9] * 3, [100000.0, 2.0]),
    *([-1.0, 2.0], [12345678.0, 2.0], [NAN], [0.0], [[0.1, -0.2]], np.arange(10), np.arange(2000), np.arange(24).reshape(2, 3, 4)),
    *(np.zeros((2, 3)), np.zeros(0, np.int64), np.arange(4000).reshape(2, 2000) / np.float32(7)),
    *(RANDOM.randn(*shape).astype(np.float32) for shape in [(5,), (3, 4), (2, 3, 4), (40,), (30, 40), (2, 3, 20, 30), (1, 1001)]),
]

STEPS: list[Callable[[Any, Any], Any]] = [
    *(lambda t, x: x, lambda t, x: x + 2, lambda t, x: x * x, lambda t, x: (x * 2).sum(), lambda t, x: x.mean(), lambda t, x: -x),
    *(lambda t, x: x @ x.t(), lambda t, x: x.view(3, 2), lambda t, x: x.t(), lambda t, x: x.exp(), lambda t, x: x**2),
    *(lambda t, x: x / 2, lambda t, x: 1 / x, lambda t, x: t.tanh(x), lambda t, x: x.softmax(1), lambda t, x: t.cat([x, x])),
    *(lambda t, x: x.max(), lambda t, x: x[0], lambda t, x: x[:, 1:], lambda t, x: x.sum(0), lambda t, x: x.clamp(0, 1)),
    *(
        lambda t, x: t.max(x, 1),
        lambda t, x: t.topk(x, 2),
        lambda t, x: t.sort(x),
        lambda t, x: x.double(),
        lambda t, x: x.unsqueeze(0),
    ),
    *(lambda t, x: t.nn.functional.linear(x, t.ones(4, 3), t.ones(4)), lambda t, x: t.nn.functional.linear(x, t.ones(4, 3))),
    *(lambda t, x: t.nn.functional.cross_entropy(x, t.tensor([0, 2])), lambda t, x: t.nn.MSELoss()(x, t.zeros(2, 3))),
    *(lambda t, x: t.nn.functional.conv2d(x.reshape(1, 1, 2, 3), t.ones(1, 1, 2, 2)), lambda t, x: t.nn.functional.relu(x)),
    *(lambda t, x: t.nn.functional.log_softmax(x, 1), lambda t, x: t.nn.Parameter(t.ones(2, 2)), lambda t, x: x.permute(1, 0)),
    *(lambda t, x: [t.tensor(1.0), {"a": t.ones(2)}], lambda t, x: t.where(x > 0, x, -x), lambda t, x: x.detach().max(1).indices),
    *(lambda t, x: x.shape, lambda t, x: x.shape[1:], lambda t, x: x.shape + (1,), lambda t, x: x.size(), lambda t, x: t.Size([2])),
    *(lambda t, x: x.sum().grad_fn.name(), lambda t, x: x.sum().grad_fn.next_functions[0][0].name()),
    *(lambda t, x: (x * 2).sum().grad_fn.next_functions[0][0].name(), lambda t, x: x.grad_fn),
    *(lambda t, x: f"{x.sum():.3f} {x.detach()} {x.mean().item():>8.4f} {t.tensor(2.5)} {t.tensor(7)}", lambda t, x: f"{x.shape}"),
    *(lambda t, x: f"{t.tensor(2.5):.3f} {t.tensor(3)}", lambda t, x: (len(x), int(t.tensor(3.7)), bool(t.tensor(0)))),
]


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_numbers_are_printed_as_pytorch_prints_them(number: int) -> None:
    value = VALUES[number]
    assert str(dm.tensor(value)) == str(torch.tensor(value))


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_results_are_printed_as_pytorch_prints_them(number: int) -> None:
    found = [str(STEPS[number](lib, lib.tensor(X).requires_grad_())) for lib in (dm, torch)]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "options", [{"precision": 2}, {"sci_mode": True}, {"sci_mode": False}, {"linewidth": 40}, {"profile": "short"}]
)
def test_the_options_of_printing_are_pytorchs(options: dict[str, Any]) -> None:
    try:
        for lib in (dm, torch):
            lib.set_printoptions(**options)
        for value in ([1e-5, 1e5], X, np.arange(3000) / np.float32(9)):
            assert str(dm.tensor(value)) == str(torch.tensor(value))
    finally:
        for lib in (dm, torch):
            lib.set_printoptions(profile="default", sci_mode=None)


def test_a_number_is_formatted_and_an_array_is_not() -> None:
    with pytest.raises(TypeError):
        format(dm.ones(2), ".2f")
    assert f"{dm.tensor(0.25):.1%}" == "25.0%"
