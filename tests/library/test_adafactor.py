"""Adafactor, step by step against PyTorch's, on its own: its moments do not have the shapes of their parameters."""

from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import RecipeError, ShapeError
from op_examples import numbers

OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"lr": 0.1, "d": 1.5, "weight_decay": 0.1, "eps": (1e-4, 1e-2), "beta2_decay": -0.5},
    {"maximize": True, "lr": 0.001},
)


def start(lib: Any) -> list[Any]:
    shapes = ((5, 3), (3,), (2, 4, 3))
    return [lib.nn.Parameter(lib.tensor(numbers(*shape, seed=n))) for n, shape in enumerate(shapes)]


def steps(lib: Any, parameters: list[Any], optimizer: Any, count: int) -> None:
    for n in range(count):
        optimizer.zero_grad()
        sum((p * lib.tensor(numbers(*p.shape, seed=n + 7)) + 0.3 * p**2).sum() for p in parameters).backward()
        optimizer.step()


@pytest.mark.parametrize("options", OPTIONS)
def test_every_step_is_pytorchs_and_goes_on_from_a_state_dict(options: dict[str, Any]) -> None:
    results = []
    for lib in (dm, torch):
        parameters = start(lib)
        optimizer = lib.optim.Adafactor(parameters, **options)
        steps(lib, parameters, optimizer, 10)
        again = lib.optim.Adafactor(parameters, **options)
        again.load_state_dict(optimizer.state_dict())
        steps(lib, parameters, again, 10)
        state = again.state_dict()
        results.append((parameters, state["state"], state["param_groups"], repr(again)))
    (ours, mine, groups, text), (theirs, judge, wanted, told) = results
    assert groups == wanted and text == told
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-4, atol=1e-5)
    for number, slots in judge.items():
        assert [*mine[number]] == [*slots]
        for name, value in slots.items():
            np.testing.assert_allclose(mine[number][name].numpy(), value.numpy(), rtol=1e-4, atol=1e-6)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(RecipeError, match="Adafactor: beta2_decay is at most 0 and d at least 1, got 0.5 and 1.0"):
        dm.optim.Adafactor(start(dm), beta2_decay=0.5)
    parameters = start(dm)
    optimizer = dm.optim.Adafactor(parameters)
    steps(dm, parameters, optimizer, 1)
    state = optimizer.state_dict()
    state["state"][0]["row_var"] = dm.zeros(5, 3)
    with pytest.raises(ShapeError, match=r"optimizer state row_var has shape \(5, 3\), its parameter \(5, 3\) needs \(5, 1\)"):
        optimizer.load_state_dict(state)
