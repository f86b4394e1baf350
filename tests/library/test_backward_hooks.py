"""Hooks on the gradients of modules, against PyTorch's: what they are shown, and what they change."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import GradientError

W = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
X = np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3)


def seen(lib: Any, attach: Callable[[Any, Any, list[Any]], Any], needs: bool, calls: int = 1) -> list[Any]:
    """What the hooks of the first of two layers were shown, then the gradients of its weight and of the input."""
    first, second = lib.nn.Linear(3, 4, bias=False), lib.nn.Linear(4, 1)
    with lib.no_grad():
        first.weight.copy_(lib.tensor(W))
        second.weight.copy_(lib.tensor(W[:, :1].T.copy()))
    shown: list[Any] = []
    handle = attach(lib, first, shown)
    x = lib.tensor(X, requires_grad=needs)
    for _ in range(calls):
        second(first(x).tanh()).sum().backward()
    handle.remove()
    second(first(x)).sum().backward()
    ends = [first.weight.grad, x.grad] if needs else [first.weight.grad]
    return [None if one is None else one.detach().numpy() for one in (*shown, *ends)]


def looking(lib: Any, layer: Any, shown: list[Any]) -> Any:
    return layer.register_full_backward_hook(lambda module, inputs, outputs: shown.extend((*inputs, *outputs)))


def doubling(lib: Any, layer: Any, shown: list[Any]) -> Any:
    return layer.register_full_backward_hook(lambda module, inputs, outputs: (inputs[0] * 2,))


def before(lib: Any, layer: Any, shown: list[Any]) -> Any:
    layer.register_full_backward_hook(lambda module, inputs, outputs: shown.extend(outputs))
    return layer.register_full_backward_pre_hook(lambda module, outputs: (outputs[0] * 3,))


@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize(("attach", "needs"), [(looking, True), (looking, False), (doubling, True), (before, True)])
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_hooks_see_and_change_what_pytorchs_do(attach: Callable[..., Any], needs: bool, calls: int) -> None:
    mine, theirs = seen(dm, attach, needs, calls), seen(torch, attach, needs, calls)
    assert len(mine) == len(theirs) and [one is None for one in mine] == [one is None for one in theirs]
    for one, other in zip(mine, theirs, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


class Two(dm.nn.Module):
    def forward(self, x: Any, factor: float, y: Any) -> Any:
        return x * factor + y, y * y


def test_a_module_of_several_inputs_and_outputs_shows_all_at_once() -> None:
    module, shown = Two(), []
    module.register_full_backward_hook(lambda _, inputs, outputs: shown.append((inputs, outputs)))
    x, y = dm.ones(2, requires_grad=True), dm.full((2,), 3.0, requires_grad=True)
    one, other = module(x, 2.0, y)
    (one * other).sum().backward()
    ((inputs, outputs),) = shown
    assert [None if g is None else g.tolist() for g in inputs] == [[18.0, 18.0], None, [39.0, 39.0]]
    assert [g.tolist() for g in outputs] == [[9.0, 9.0], [5.0, 5.0]]


def test_what_a_hook_cannot_change_is_said() -> None:
    layer = dm.nn.Linear(2, 2)
    layer.register_full_backward_hook(lambda *_: (dm.ones(2),))
    with pytest.raises(GradientError, match="changed those of inputs, none of which requires grad"):
        layer(dm.ones(1, 2)).sum().backward()
    with pytest.raises(GradientError, match="returned 1 of them, it was shown 2"):
        double = Two()
        double.register_full_backward_pre_hook(lambda _, outputs: outputs[:1])
        double(dm.ones(2, requires_grad=True), 1.0, dm.ones(2, requires_grad=True))[0].sum().backward()

    class Named(dm.nn.Module):
        def forward(self, x: Any) -> Any:
            return {"x": x}

    named = Named()
    named.register_full_backward_hook(lambda *_: None)
    with pytest.raises(GradientError, match="a tuple of tensors; Named returned dict"):
        named(dm.ones(2, requires_grad=True))


def test_old_words_for_how_a_loss_is_reduced() -> None:
    for words in ({"size_average": False}, {"reduce": False}, {"size_average": True}):
        with pytest.warns(UserWarning, match="please use reduction="):
            mine = dm.nn.functional.mse_loss(dm.ones(3), dm.zeros(3) + 0.5, **words)
        with pytest.warns(UserWarning):
            theirs = torch.nn.functional.mse_loss(torch.ones(3), torch.zeros(3) + 0.5, **words)
            layer = dm.nn.MSELoss(**words)
        np.testing.assert_allclose(mine.numpy(), theirs.numpy())
        np.testing.assert_allclose(layer(dm.ones(3), dm.zeros(3) + 0.5).numpy(), theirs.numpy())
