"""einops on our tensors, judged by einops on NumPy's arrays; gradients go through it."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import einops
import numpy as np
import pytest

import distml_py as dm

X = np.arange(1, 25, dtype=np.float32).reshape(2, 3, 4) / 8

CALLS: dict[str, Callable[[Any], Any]] = {
    "rearrange": lambda x: einops.rearrange(x, "a b (c d) -> (a d) c b", d=2),
    "rearrange a list": lambda x: einops.rearrange([x, x + 1], "n a b c -> a (n b) c"),
    "repeat": lambda x: einops.repeat(x, "a b c -> a r b (c 2)", r=3),
    "einsum": lambda x: einops.einsum(x, x, "a b c, a d c -> a b d"),
    "pack": lambda x: einops.pack([x, x[:, 0]], "a * c")[0],
    "unpack": lambda x: einops.unpack(x, [[2], []], "a * c")[0],
    **{f"reduce {how}": lambda x, how=how: einops.reduce(x, "a b c -> b", how) for how in ("min", "max", "sum", "mean", "prod")},
    "reduce any": lambda x: einops.reduce(x > 1, "a b c -> b", "any"),
    "reduce all": lambda x: einops.reduce(x > 1, "a b c -> b", "all"),
}


@pytest.mark.parametrize("name", CALLS)
def test_einops_gives_what_it_gives_on_numpy(name: str) -> None:
    found, wanted = CALLS[name](dm.tensor(X)), CALLS[name](X)
    assert isinstance(found, dm.Tensor) and found.shape == wanted.shape
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6)


def test_gradients_go_through_einops() -> None:
    x = dm.tensor(X, requires_grad=True)
    (einops.reduce(einops.rearrange(x, "a b c -> b (a c)") ** 2, "b k -> b", "mean")[1] * 8).backward()
    wanted = np.zeros_like(X)
    wanted[:, 1] = 2 * X[:, 1]
    np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=1e-6)


@pytest.mark.parametrize("order", ["einops, distml_py", "distml_py, einops"])
def test_the_order_of_the_imports_does_not_matter(order: str) -> None:
    code = f"import {order}\nprint(tuple(einops.rearrange(distml_py.ones(2, 3), 'a b -> b a').shape))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "(3, 2)\n"
