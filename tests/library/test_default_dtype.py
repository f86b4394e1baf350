"""torch.set_default_dtype(float64): what it reaches and what it leaves, judged by PyTorch. On the reference backend."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import UnsupportedError
from distml_py.stand_in.program import execute
from test_errors import on_small


@pytest.fixture
def double() -> Iterator[None]:
    for lib in (dm, torch):
        lib.set_default_dtype(lib.float64)
    yield
    for lib in (dm, torch):
        lib.set_default_dtype(lib.float32)


def told(lib: Any) -> list[str]:
    """The dtypes of what is made and computed, and how it is shown."""
    whole, single = lib.arange(3), lib.ones(2, dtype=lib.float32)
    made = [lib.zeros(2), lib.rand(2), lib.randn(2), lib.full((2,), 0.5), lib.eye(2), lib.linspace(0, 1, 3), lib.tensor([1.5])]
    made += [lib.empty(1), lib.arange(0, 1, 0.5), lib.tensor(np.ones(2, np.float32)), lib.normal(0.0, 1.0, (2,)), lib.Tensor([1.5])]
    computed = [whole / 2, whole * 1.5, whole.sqrt(), single * 0.5, single + lib.ones(2), whole + 1, lib.where(whole > 1, 1.0, 2.0)]
    layers = [
        lib.nn.Linear(2, 2).weight,
        lib.nn.BatchNorm1d(2).running_var,
        lib.nn.LSTM(2, 2).bias_hh_l0,
        lib.nn.Embedding(2, 2).weight,
    ]
    shown = [repr(lib.ones(2)), repr(single), str(lib.get_default_dtype()), repr(lib.zeros(1, dtype=lib.float64))]
    return [str(tensor.dtype) for tensor in (*made, *computed, *layers)] + shown


def test_the_default_reaches_what_pytorchs_reaches(double: None) -> None:
    assert told(dm) == told(torch)


def test_a_network_trained_in_float64_is_pytorchs(double: None) -> None:
    found: dict[Any, list[float]] = {}
    for lib in (torch, dm):
        net = lib.nn.Sequential(lib.nn.Linear(2, 8), lib.nn.Tanh(), lib.nn.BatchNorm1d(8), lib.nn.Linear(8, 1))
        with lib.no_grad():
            for number, parameter in enumerate(net.parameters()):
                parameter.copy_(lib.linspace(-1, 1 + number, parameter.numel()).reshape(parameter.shape))
        optimizer, x = lib.optim.Adam(net.parameters(), lr=0.05), lib.linspace(-2, 3, 10).reshape(5, 2)
        losses = found.setdefault(lib, [])
        for _ in range(4):
            loss = ((net(x) - x.sin().sum(1, keepdim=True)) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    np.testing.assert_allclose(found[dm], found[torch], rtol=1e-12)


def test_a_program_leaves_the_default_as_it_was_and_a_gpu_has_no_other() -> None:
    execute(
        "double.py",
        code="import torch\ntorch.set_default_tensor_type('torch.DoubleTensor')\nassert torch.ones(1).dtype == torch.float64",
    )
    assert dm.get_default_dtype() is dm.float32
    with pytest.raises(UnsupportedError, match="set_default_dtype"):
        on_small(lambda: dm.set_default_dtype(dm.float64))
