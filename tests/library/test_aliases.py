"""PyTorch's other words for arguments, kinds and ways: axis, keepdims, x; FloatTensor; foreach, fused."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda lib, x: x.sum(axis=1, keepdims=True),
    "mean": lambda lib, x: lib.mean(x, axis=0),
    "max": lambda lib, x: x.max(axis=1).values,
    "argmax": lambda lib, x: x.argmax(axis=1),
    "cumprod": lambda lib, x: lib.cumprod(x, axis=0),
    "softmax": lambda lib, x: lib.softmax(x, axis=-1),
    "cat": lambda lib, x: lib.cat((x, x), axis=1),
    "stack": lambda lib, x: lib.stack((x, x), axis=1),
    "squeeze": lambda lib, x: x.unsqueeze(axis=0).squeeze(axis=0),
    "var": lambda lib, x: x.var(axis=1, keepdims=True),
    "input": lambda lib, x: lib.sum(x=x, axis=1),
    "type": lambda lib, x: x.type(lib.LongTensor),
    "type by name": lambda lib, x: x.type("torch.DoubleTensor"),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_argument_has_numpys_name_too(name: str) -> None:
    numbers = np.arange(6, dtype=np.float32).reshape(2, 3) / 7
    mine, theirs = CALLS[name](dm, dm.tensor(numbers)), CALLS[name](torch, torch.tensor(numbers))
    assert str(mine.dtype) == str(theirs.dtype)
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-6)


def test_one_argument_under_two_names_is_an_error() -> None:
    with pytest.raises(TypeError, match="sum has no argument 'axis'"):
        dm.ones(2, 2).sum(dim=1, axis=1)
    with pytest.raises(TypeError, match="axes"):
        dm.ones(2, 2).sum(axes=1)


def test_ways_of_looping_over_parameters_change_nothing() -> None:
    weights = [dm.ones(3, requires_grad=True) for _ in range(2)]
    for weight, ways in zip(
        weights, ({}, {"foreach": True, "fused": False, "capturable": False, "differentiable": False}), strict=True
    ):
        optimizer = dm.optim.AdamW([weight], lr=0.1, **ways)
        (weight**2).sum().backward()
        optimizer.step()
    assert np.array_equal(weights[0].detach().numpy(), weights[1].detach().numpy())
    with pytest.raises(TypeError, match="fuse"):
        dm.optim.SGD(weights, lr=0.1, fuse=True)


def test_a_variable_is_the_tensor_itself() -> None:
    made = dm.autograd.Variable(dm.ones(2), requires_grad=True)
    assert isinstance(made, dm.autograd.Variable) and made.requires_grad and made.is_leaf
    assert not isinstance(1, dm.autograd.Variable)


def test_schedules_count_in_fractions_too() -> None:
    """As PyTorch's own tutorial on language models has it: StepLR(optimizer, 1.0, gamma=0.95)."""
    rates = []
    for lib in (dm, torch):
        optimizer = lib.optim.SGD([lib.ones(1, requires_grad=True)], lr=1.0)
        steps = lib.optim.lr_scheduler.StepLR(optimizer, 1.0, gamma=0.95)
        cosine = lib.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=7.5)
        for _ in range(3):
            optimizer.step()
            steps.step()
            cosine.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(rates[1])


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "soft_margin_loss"])
def test_losses_broadcast_with_a_warning_as_pytorchs_do(name: str) -> None:
    x, y = np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2), np.array([0.3, 0.7], np.float32)
    found = []
    for lib in (dm, torch):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found.append(getattr(lib.nn.functional, name)(lib.tensor(x), lib.tensor(y)).item())
        assert any("target" in str(one.message) for one in told) == (name not in ("kl_div", "soft_margin_loss"))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    with pytest.raises(RuntimeError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(dm.nn.functional, name)(dm.ones(3, 2), dm.ones(3))


MIXED: dict[str, Callable[[Any, np.ndarray], Any]] = {
    "tensor * array": lambda t, a: t * a,
    "tensor - array of float32": lambda t, a: t - a.astype(np.float32),
    "square root": lambda t, a: np.sqrt(t),
    "maximum": lambda t, a: np.maximum(t, a),
    "sum with a number": lambda t, a: np.add(t, 1),
    "product": lambda t, a: np.matmul(np.eye(2), t),
    "number first": lambda t, a: np.float64(2) * t,
}


@pytest.mark.parametrize("name", MIXED)
def test_arrays_and_tensors_make_the_tensor_that_pytorch_makes(name: str) -> None:
    numbers, array = np.array([1, 4], np.float32), np.array([2.0, 3.0])
    mine, theirs = MIXED[name](dm.tensor(numbers), array), MIXED[name](torch.tensor(numbers), array)
    assert isinstance(mine, dm.Tensor) and str(mine.dtype) == str(theirs.dtype)
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-6)


def test_an_array_may_also_stand_first_and_gradients_pass() -> None:
    x = dm.tensor([1.0, 4.0], requires_grad=True)
    (np.array([2, 3], np.float32) * x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2.0, 3.0]
