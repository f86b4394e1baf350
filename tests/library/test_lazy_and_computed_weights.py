"""Lazy layers, weight_norm, spectral_norm and parametrizations against PyTorch's: names, numbers, gradients and text."""

from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import ShapeError
from op_examples import numbers

LAZY: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("LazyLinear", (3,), {}, (2, 5)),
    ("LazyConv1d", (4, 3), {"padding": 1}, (2, 3, 5)),
    ("LazyConv2d", (4, 3), {"groups": 2, "bias": False}, (4, 5, 5)),
    ("LazyConv3d", (2, 2), {}, (1, 3, 2, 2, 2)),
    ("LazyConvTranspose1d", (4, 3), {}, (2, 3, 5)),
    ("LazyConvTranspose2d", (4, 3), {"stride": 2}, (1, 3, 2, 2)),
    ("LazyConvTranspose3d", (2, 2), {}, (1, 3, 2, 2, 2)),
    ("LazyBatchNorm1d", (), {}, (4, 3)),
    ("LazyBatchNorm2d", (), {"eps": 0.1}, (2, 3, 2, 2)),
    ("LazyBatchNorm3d", (), {}, (2, 3, 2, 1, 2)),
    ("LazyInstanceNorm1d", (), {"affine": True}, (2, 3, 4)),
    ("LazyInstanceNorm2d", (), {"track_running_stats": False}, (1, 3, 4, 2)),
    ("LazyInstanceNorm3d", (), {"eps": 0.1}, (2, 3, 2, 2, 2)),
]


def filled(lib: Any, module: Any) -> None:
    """The same numbers in every parameter of both libraries."""
    with lib.no_grad():
        for seed, (_, parameter) in enumerate(sorted(module.named_parameters())):
            parameter.copy_(lib.tensor(numbers(*parameter.shape, seed=seed)))


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "args", "options", "shape"), LAZY, ids=[row[0] for row in LAZY])
def test_a_lazy_layer_becomes_pytorchs_plain_one(
    name: str, args: tuple[Any, ...], options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    results = []
    for lib in (dm, torch):
        layer = getattr(lib.nn, name)(*args, **options)
        before, parameters = repr(layer), list(layer.parameters())
        layer(lib.tensor(numbers(*shape)))
        assert all(one is other for one, other in zip(parameters, layer.parameters(), strict=True))
        filled(lib, layer)
        x = lib.tensor(numbers(*shape, seed=1), requires_grad=True)
        out = layer(x)
        out.square().sum().backward()
        names = {key: tuple(value.shape) for key, value in layer.state_dict().items()}
        results.append((before, repr(layer), type(layer).__name__, names, out, x.grad))
    assert results[0][:4] == results[1][:4]
    close(results[0][4], results[1][4])
    close(results[0][5], results[1][5])


def test_a_lazy_parameter_says_what_it_waits_for() -> None:
    layer = dm.nn.LazyLinear(3)
    assert repr(layer.weight) == "<UninitializedParameter>"
    assert layer.weight.data.normal_(0, 0.01).shape == (0,) and layer.bias.data.fill_(0).numel() == 0  # as in PyTorch, for nothing
    with pytest.raises(ShapeError, match="call the model once, then make the optimizer"):
        layer.weight.shape  # noqa: B018
    with pytest.raises(ShapeError, match="call the model once, then set its numbers"):
        layer.weight.data = dm.ones(3, 2)
    with pytest.raises(ShapeError, match="LazyConv2d needs 3 or 4 dimensions, got"):
        dm.nn.LazyConv2d(3, 3)(dm.ones(2, 2))
    with pytest.raises(ShapeError, match="LazyBatchNorm2d needs 4 dimensions, got"):
        dm.nn.LazyBatchNorm2d()(dm.ones(2, 2))


@pytest.mark.parametrize("orthogonal_map", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (2, 4)], ids=str)
def test_an_orthogonal_weight_is_pytorchs(shape: tuple[int, int], orthogonal_map: str | None) -> None:
    layers = {lib: lib.nn.Linear(shape[1], shape[0], bias=False) for lib in (dm, torch)}
    for lib, layer in layers.items():
        with lib.no_grad():
            layer.weight.copy_(lib.tensor(numbers(*shape)))
        lib.nn.utils.parametrizations.orthogonal(layer, orthogonal_map=orthogonal_map)
    ours, theirs = layers.values()
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    near = ours.weight @ ours.weight.T if shape[0] <= shape[1] else ours.weight.T @ ours.weight
    np.testing.assert_allclose(near.detach().numpy(), np.eye(min(shape)), atol=1e-5)
    if shape[0] == shape[1]:  # else the base is filled up by chance
        close(ours.weight, theirs.weight)
    found = []
    for lib, layer in layers.items():
        layer.load_state_dict({name: lib.tensor(value.numpy()) for name, value in theirs.state_dict().items()})
        with lib.no_grad():
            layer.parametrizations.weight.original.add_(lib.tensor(numbers(*shape, seed=2)) * 0.3)
        layer(lib.tensor(numbers(3, shape[1], seed=1))).square().sum().backward()
        found.append((layer.weight, layer.parametrizations.weight.original.grad))
    for mine, other in zip(*found, strict=True):
        close(mine, other)


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_an_optimizer_may_be_made_before_a_lazy_layers_first_input(rule: str) -> None:
    results = []
    for lib in (dm, torch):
        net = lib.nn.Sequential(lib.nn.LazyLinear(4), lib.nn.Tanh(), lib.nn.LazyLinear(1))
        optimizer = getattr(lib.optim, rule)(net.parameters(), lr=0.1)
        x = lib.tensor(numbers(5, 3))
        net(x)
        filled(lib, net)
        for _ in range(3):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
        results.append(net(x))
    close(*results)


orthogonal = dm.nn.utils.parametrizations.orthogonal


def made(lib: Any, kind: str) -> Any:
    layer = lib.nn.ConvTranspose2d(2, 3, 2) if kind.endswith("across") else lib.nn.Conv2d(2, 3, 2)
    utils = lib.nn.utils if kind.startswith("old") else lib.nn.utils.parametrizations
    if "weight" in kind:
        return utils.weight_norm(layer, dim=None) if kind.endswith("whole") else utils.weight_norm(layer)
    return utils.spectral_norm(layer, n_power_iterations=2)


KINDS = [f"{form} {kind}" for form in ("old", "new") for kind in ("weight", "weight whole", "spectral", "spectral across")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_computed_weight_is_pytorchs(kind: str) -> None:
    results = []
    for lib in (dm, torch):
        layer = made(lib, kind)
        filled(lib, layer)
        with lib.no_grad():
            for seed, (_, buffer) in enumerate(sorted(layer.named_buffers())):
                buffer.copy_(lib.tensor(numbers(*buffer.shape, seed=seed)))
        names = {key: tuple(value.shape) for key, value in layer.state_dict().items()}
        x, seen = lib.tensor(numbers(1, 2, 3, 3), requires_grad=True), []
        optimizer = lib.optim.SGD(layer.parameters(), lr=0.05)
        for _ in range(3):
            optimizer.zero_grad()
            out = layer(x)
            out.square().sum().backward()
            optimizer.step()
            seen.append(out)
        layer.eval()
        seen += [layer(x), layer.weight, x.grad, *(value for _, value in sorted(layer.state_dict().items()))]
        if kind.startswith("old"):
            remove = lib.nn.utils.remove_weight_norm if "weight" in kind else lib.nn.utils.remove_spectral_norm
            remove(layer)
        else:
            assert lib.nn.utils.parametrize.is_parametrized(layer, "weight")
            lib.nn.utils.parametrize.remove_parametrizations(layer, "weight")
        seen += [layer(x), layer.weight]
        results.append((names, sorted(name for name, _ in layer.named_parameters()), seen))
    assert results[0][:2] == results[1][:2]
    for mine, other in zip(results[0][2], results[1][2], strict=True):
        close(mine, other)


def test_a_parametrization_of_ones_own_is_used_like_pytorchs() -> None:
    results = []
    for lib in (dm, torch):

        class Symmetric(lib.nn.Module):  # type: ignore[name-defined, misc]
            def forward(self, x: Any) -> Any:
                return x.triu() + x.triu(1).transpose(-1, -2)

            def right_inverse(self, x: Any) -> Any:
                return x.triu()

        layer, parametrize = lib.nn.Linear(3, 3), lib.nn.utils.parametrize
        filled(lib, layer)
        parametrize.register_parametrization(layer, "weight", Symmetric())
        names = sorted(layer.state_dict())
        with parametrize.cached():
            same = layer.weight is layer.weight
        layer.weight = lib.tensor(numbers(3, 3, seed=5))
        layer(lib.tensor(numbers(2, 3))).sum().backward()
        results.append((names, same, isinstance(layer, lib.nn.Linear), layer.weight, layer.parametrizations.weight.original.grad))
    assert results[0][:3] == results[1][:3]
    close(results[0][3], results[1][3])
    close(results[0][4], results[1][4])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: dm.nn.utils.weight_norm(dm.nn.Linear(2, 2), "w"), "weight_norm: Linear has no parameter 'w'; it has weight, bias"),
        (lambda: dm.nn.utils.spectral_norm(dm.nn.Linear(2, 2), n_power_iterations=0), "n_power_iterations is at least 1, got 0"),
        (lambda: dm.nn.utils.remove_weight_norm(dm.nn.Linear(2, 2)), "remove_weight_norm: 'weight' of Linear is not normalised"),
        (lambda: dm.nn.utils.parametrizations.spectral_norm(dm.nn.Linear(2, 2), "w"), "Linear has no parameter or buffer 'w'"),
        (lambda: orthogonal(dm.nn.Linear(2, 2), "bias"), "Linear has no parameter or buffer 'bias' of at least 2 dimensions"),
        (
            lambda: orthogonal(dm.nn.Linear(2, 2), orthogonal_map="exp"),
            "orthogonal_map is one of matrix_exp, cayley, householder, got 'exp'",
        ),
        (
            lambda: setattr(orthogonal(dm.nn.Linear(2, 2)), "weight", dm.ones(3, 2)),
            "orthogonal: expected a matrix or batch of matrices",
        ),
        (
            lambda: dm.nn.utils.parametrizations.spectral_norm(dm.nn.Linear(2, 2), n_power_iterations=0),
            "spectral_norm: n_power_iterations is at least 1, got 0",
        ),
        (
            lambda: dm.nn.utils.parametrize.register_parametrization(dm.nn.Linear(2, 2), "w", dm.nn.Identity()),
            "Linear has no parameter or buffer 'w'",
        ),
        (
            lambda: dm.nn.utils.parametrize.register_parametrization(dm.nn.Linear(2, 2), "weight", dm.nn.Flatten(0)),
            "would become .* unsafe=True allows that",
        ),
        (lambda: dm.nn.utils.parametrize.remove_parametrizations(dm.nn.Linear(2, 2), "weight"), "of Linear is not parametrized"),
    ],
)
def test_what_cannot_be_computed_is_said(wrong: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        wrong()
