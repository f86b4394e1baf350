"""torch.autograd.functional against PyTorch's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import GradientError, ShapeError

X, Y, V = (np.linspace(low, 1.5, 3, dtype=np.float32) for low in (-1, 0.5, -2))


def one(x: Any) -> Any:
    return (x**3).sum() + x[0] * x[1]


def two(x: Any, y: Any) -> Any:
    return x.exp() * y, (x * y).sum()


CALLS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "jacobian": lambda f, x, y, v: f.jacobian(lambda x: x.exp().unsqueeze(0) * 2, x),
    "jacobian of two": lambda f, x, y, v: f.jacobian(two, (x, y)),
    "jacobian of what is not used": lambda f, x, y, v: f.jacobian(lambda x, y: x * 2, (x, y)),
    "hessian": lambda f, x, y, v: f.hessian(one, x),
    "hessian of two": lambda f, x, y, v: f.hessian(lambda x, y: (x.exp() * y).sum(), (x, y)),
    "vjp": lambda f, x, y, v: f.vjp(two, (x, y), (v, v.sum())),
    "vjp of a number": lambda f, x, y, v: f.vjp(one, x),
    "jvp": lambda f, x, y, v: f.jvp(two, (x, y), (v, v * 2)),
    "vhp": lambda f, x, y, v: f.vhp(one, x, v),
    "hvp of two": lambda f, x, y, v: f.hvp(lambda x, y: (x.exp() * y).sum(), (x, y), (v, v)),
}


def numbers(found: Any) -> Any:
    return [numbers(part) for part in found] if isinstance(found, tuple) else found.detach().numpy().tolist()


@pytest.mark.parametrize("name", CALLS)
def test_products_with_derivatives_are_pytorchs(name: str) -> None:
    mine = CALLS[name](dm.autograd.functional, *map(dm.tensor, (X, Y, V)))
    theirs = CALLS[name](torch.autograd.functional, *map(torch.tensor, (X, Y, V)))

    def same(one: Any, other: Any) -> None:
        assert isinstance(one, list) == isinstance(other, list)
        if isinstance(one, list):
            assert len(one) == len(other)
            for pair in zip(one, other, strict=True):
                same(*pair)
        else:
            assert one == pytest.approx(other, rel=1e-5, abs=1e-6)

    same(numbers(mine), numbers(theirs))


def test_a_jacobian_can_be_differentiated_again() -> None:
    x = dm.tensor(X, requires_grad=True)
    dm.autograd.functional.jacobian(lambda x: x**3, x, create_graph=True).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * X, rtol=1e-5)


def test_what_has_no_such_derivative_is_said() -> None:
    f, x = dm.autograd.functional, dm.tensor(X)
    with pytest.raises(ShapeError, match="hessian takes a func that returns one number, got .3,"):
        f.hessian(lambda x: x * 2, x)
    with pytest.raises(ShapeError, match="v: without a vector there must be one number"):
        f.vjp(lambda x: x * 2, x)
    with pytest.raises(ShapeError, match=r"v has the shapes \(2,\), what it is multiplied with has \(3,\)"):
        f.vjp(lambda x: x * 2, x, dm.ones(2))
    with pytest.raises(GradientError, match="func is a tensor or a tuple of tensors, found float"):
        f.vjp(lambda x: (1.0,), x)
    with pytest.raises(GradientError, match="strict: an output does not depend on the inputs"):
        f.vjp(lambda x: dm.ones(()), x, strict=True)
    with pytest.raises(GradientError, match="strict: an input is not used by the outputs"):
        f.vjp(lambda x, y: x.sum(), (x, x), strict=True)
