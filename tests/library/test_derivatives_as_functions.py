"""torch.func, torch.linalg and torch.special, judged by PyTorch."""

from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm

RNG = np.random.RandomState(0)
X, Y = RNG.randn(3, 4).astype(np.float32), RNG.randn(4, 2).astype(np.float32)


def flat(found: Any) -> list[np.ndarray]:
    if isinstance(found, dict):
        return [part for key in sorted(found) for part in flat(found[key])]
    if isinstance(found, (tuple, list)):
        return [part for value in found for part in flat(value)]
    return [found.detach().numpy()]


CALLS: dict[str, Any] = {
    "vjp": lambda lib, x, y: (lambda out, pull: (out, pull(out * 2)))(*lib.func.vjp(lambda a, b: (a @ b).tanh(), x, y)),
    "vjp of several": lambda lib, x, y: lib.func.vjp(lambda a: (a.sin(), a.sum(0)), x)[1]((x, x[0])),
    "vjp with aux": lambda lib, x, y: lib.func.vjp(lambda a: (a * a, a.sum()), x, has_aux=True)[2],
    "grad": lambda lib, x, y: lib.func.grad(lambda a, b: (a @ b).exp().sum())(x, y),
    "grad by two": lambda lib, x, y: lib.func.grad(lambda a, b: (a @ b).exp().sum(), argnums=(0, 1))(x, y),
    "grad by a dict": lambda lib, x, y: lib.func.grad(lambda p: (p["x"] @ p["y"]).square().sum())({"x": x, "y": y}),
    "grad of grad": lambda lib, x, y: lib.func.grad(lambda a: lib.func.grad(lambda b: (b**3).sum())(a).sin().sum())(x),
    "grad and value": lambda lib, x, y: lib.func.grad_and_value(lambda a: a.square().sum())(x),
    "grad with aux": lambda lib, x, y: lib.func.grad(lambda a: (a.square().sum(), a * 2), has_aux=True)(x),
    "jacrev": lambda lib, x, y: lib.func.jacrev(lambda a: (a @ y).tanh())(x),
    "norms": lambda lib, x, y: (lib.linalg.norm(x), lib.linalg.norm(x, "fro"), lib.linalg.norm(x, 1), lib.linalg.norm(x, dim=1)),
    "more norms": lambda lib, x, y: [lib.linalg.matrix_norm(x, ord=o, keepdim=True) for o in ("fro", 1, -1, np.inf, -np.inf)],
    "multi_dot": lambda lib, x, y: (lib.linalg.multi_dot([x, y, y.t()]), lib.linalg.matmul(x, y), lib.linalg.vecdot(x, x)),
    "diagonal": lambda lib, x, y: (
        lib.linalg.diagonal(x),
        lib.linalg.matrix_power(x[:, :3], 2),
        lib.linalg.cross(x[:, :3], x[:, 1:]),
    ),
    "special": lambda lib, x, y: (lib.special.expit(x), lib.special.erf(x), lib.special.logsumexp(x, 0), lib.special.softmax(x, 0)),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_gives_what_pytorch_gives(name: str) -> None:
    mine = flat(CALLS[name](dm, dm.tensor(X), dm.tensor(Y)))
    other = flat(CALLS[name](torch, torch.tensor(X), torch.tensor(Y)))
    for one, two in zip(mine, other, strict=True):
        assert one.shape == two.shape
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=1e-6)
