"""torch.func, torch.linalg and torch.special, judged by PyTorch."""

from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import GradientError, ShapeError

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


def cubes(x: Any) -> Any:
    return (x**3).sum() + x[0] * x[1]


def test_second_derivatives_and_forward_ones_are_pytorchs() -> None:
    found = []
    for lib in (dm, torch):
        func, x, t = lib.func, lib.tensor([1.0, 2.0, -0.5]), lib.tensor([0.3, -1.0, 2.0])
        seen = [func.hessian(cubes)(x), func.jacfwd(lambda v: v * v[0])(x), *func.jvp(lambda v: v.sin() * v, (x,), (t,))]
        seen += [func.hessian(lambda a, b: (a * b**2).sum(), argnums=1)(x, t)]
        found.append([value.detach().numpy() for value in seen])
    for mine, other in zip(*found, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-7)


def test_a_function_is_mapped_over_slices() -> None:
    found = []
    for lib in (dm, torch):
        func, x, y = lib.func, lib.arange(12.0).reshape(3, 4), lib.arange(4.0)
        seen = [func.vmap(lib.dot, in_dims=(0, None))(x, y), func.vmap(lambda a: a.sum(), in_dims=1)(x)]
        seen += [*func.vmap(lambda a, b: (a + b, a * b), out_dims=(1, 0))(x, x), lib.vmap(func.grad(lambda a: (a * a).sum()))(x)]
        seen += [func.vmap(lambda d: d["a"] - d["b"][0])({"a": x, "b": (x * 2,)})]
        found.append([value.detach().numpy() for value in seen])
    for mine, other in zip(*found, strict=True):
        np.testing.assert_array_equal(mine, other)
    with pytest.raises(ShapeError, match=r"vmap needs one size of at least 1 along in_dims, got \[2, 3\]"):
        dm.func.vmap(lambda a, b: a)(dm.ones(2), dm.ones(3))
    with pytest.raises(ShapeError, match="vmap: in_dims"):
        dm.func.vmap(lambda a: a, in_dims=(0, 0))(dm.ones(2))


def test_a_module_is_called_with_other_weights() -> None:
    found = []
    for lib in (dm, torch):
        net = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.BatchNorm1d(2))
        names = {name: lib.ones(*value.shape) * 0.5 for name, value in net.named_parameters()}
        kept = net[0].weight
        out = lib.func.functional_call(net.eval(), names, (lib.tensor([[1.0, 2.0]]),))
        loss = lambda p: lib.func.functional_call(net, p, lib.tensor([[1.0, 2.0]])).sum()  # noqa: B023, E731
        found.append([out.tolist(), {name: g.tolist() for name, g in lib.func.grad(loss)(names).items()}])
        assert net[0].weight is kept
    assert found[0][1].keys() == found[1][1].keys()
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6)
    for name, value in found[0][1].items():
        np.testing.assert_allclose(value, found[1][1][name], rtol=1e-6)
    with pytest.raises(GradientError, match="functional_call: names that the module has not"):
        dm.func.functional_call(dm.nn.Linear(1, 1), {"w": dm.ones(1)}, dm.ones(1, 1))


@pytest.mark.parametrize("lib", [torch, dm], ids=["torch", "ours"])
def test_a_derivative_of_plain_numbers_is_plain_numbers(lib: Any) -> None:
    """A loop w = w - grad(f)(w) must not remember its steps; what a caller may differentiate goes on."""
    x, w = lib.tensor([1.0, 2.0]), lib.tensor([3.0, 1.0], requires_grad=True)
    func = lib.func
    plain = [func.grad(lambda a: (a**2).sum())(x), *func.grad_and_value(lambda a: (a**3).sum())(x), func.jacrev(lambda a: a**2)(x)]
    plain += [*func.jvp(lambda a: a.sin(), (x,), (x,)), func.jacfwd(lambda a: a**2)(x)]
    assert func.jvp(lambda a: a * w, (x,), (x,))[1].requires_grad and func.jvp(lambda a: a**2, (w,), (x,))[1].requires_grad
    out, pull = func.vjp(lambda a: a.sin(), x)
    assert not any(found.requires_grad for found in (*plain, out, *pull(x)))
    assert func.grad(lambda a: (a**2 * w).sum())(x).requires_grad and func.grad(lambda a: (a**3).sum())(w).requires_grad
    func.grad(lambda a: (a**3).sum())(w).sum().backward()
    assert w.grad.tolist() == [18, 6]
