"""torch.autograd.forward_ad and functions of torch.func that take groups of tensors, against PyTorch."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.autograd.forward_ad as theirs

import distml_py as dm
import distml_py.forward_ad as ours
from distml_py.errors import GradientError, ShapeError

X, T = np.random.RandomState(1).randn(2, 3, 2).astype(np.float32)
PAIRS: list[tuple[Any, Any]] = [(dm, ours), (torch, theirs)]


def test_a_direction_goes_through_what_is_made_of_a_tensor() -> None:
    found = []
    for library, dual in PAIRS:
        layer = library.nn.Linear(2, 2)
        layer.load_state_dict({"weight": library.tensor(X[:2]), "bias": library.tensor(X[2])})
        with dual.dual_level():
            tangent = library.tensor(T)
            x = dual.make_dual(library.tensor(X), tangent)
            assert dual.unpack_dual(x).tangent is tangent
            out = (layer(x).sin() * x).sum(1)
            primal, along = dual.unpack_dual(out)
            assert dual.unpack_dual(library.ones(2) * 2).tangent is None
        assert dual.unpack_dual(out).tangent is None
        found.append((primal.detach().numpy(), along.detach().numpy()))
    for mine, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-5)


def test_duals_outside_a_level_and_levels_within_levels_are_refused() -> None:
    with pytest.raises(GradientError, match="make_dual.. needs a level"):
        ours.make_dual(dm.ones(2), dm.ones(2))
    with ours.dual_level():
        with pytest.raises(ShapeError, match=r"the tangent \(3,\) must have the tensor's shape \(2,\)"):
            ours.make_dual(dm.ones(2), dm.ones(3))
        with pytest.raises(GradientError, match="a level is open already"):
            ours.enter_dual_level()
    with pytest.raises(GradientError, match="no level is open"):
        ours.exit_dual_level()


def test_jacobians_of_several_arguments_and_of_groups() -> None:
    def run(library: Any) -> list[np.ndarray]:
        func = library.func
        x, w = library.tensor(X), library.tensor(T)
        pair = func.jacrev(lambda a, b: (a * b).sum(0), argnums=(0, 1))(x, w)
        named, aux = func.jacrev(lambda p: ({"y": (p["w"] * p["x"]).sum(1)}, p["x"]), has_aux=True)({"w": w, "x": x})
        second = func.hessian(lambda a, b: (a**2 * b).sum(), argnums=(0, 1))(x, w)
        rest = func.jacfwd(lambda a: a.sin() * 2, argnums=0)(x)
        return [part.numpy() for part in (*pair, named["y"]["w"], named["y"]["x"], aux, *second[0], *second[1], rest)]

    for mine, wanted in zip(run(dm), run(torch), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(ShapeError, match="jacrev: argnums=2 of a call with 1 arguments"):
        dm.func.jacrev(lambda a: a, argnums=2)(dm.ones(2))


def test_modules_of_one_kind_are_stacked_for_vmap() -> None:
    models = [dm.nn.Linear(2, 3) for _ in range(3)]
    parameters, buffers = dm.func.stack_module_state(models)
    assert parameters["weight"].shape == (3, 3, 2) and parameters["weight"].is_leaf and not buffers
    x = dm.tensor(X)
    called = dm.func.vmap(lambda p, b, x: dm.func.functional_call(models[0], (p, b), (x,)), in_dims=(0, 0, None))
    found = called(parameters, buffers, x)
    np.testing.assert_allclose(found.detach().numpy(), [model(x).detach().numpy() for model in models], rtol=1e-6)
    with pytest.raises(GradientError, match="must be of one class"):
        dm.func.stack_module_state([models[0], dm.nn.ReLU()])
