"""Layers whose inputs are integers or come with indices, against PyTorch: bags, pools undone; whole channels of volumes dropped."""

from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from op_examples import numbers


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, -1])
def test_a_bag_is_pytorchs(mode: str, padding: int | None) -> None:
    results = []
    for lib in (dm, torch):
        layer = lib.nn.EmbeddingBag(6, 3, mode=mode, padding_idx=padding)
        with lib.no_grad():
            layer.weight.copy_(lib.tensor(numbers(6, 3)))
        out = [layer(lib.tensor([[1, 5, 2], [3, 3, 0]])), layer(lib.tensor([4, 5, 0, 1]), lib.tensor([0, 3, 3]))]
        (out[0].square().sum() + (out[1] * 3).sum()).backward()
        results.append((repr(layer), [*out, layer.weight.grad]))
    assert results[0][0] == results[1][0]
    for mine, other in zip(results[0][1], results[1][1], strict=True):
        close(mine, other)


@pytest.mark.parametrize(("rank", "shape"), [(1, (2, 3, 7)), (2, (1, 2, 5, 6)), (3, (1, 2, 4, 3, 5))])
def test_a_pool_is_undone_as_pytorch_does_it(rank: int, shape: tuple[int, ...]) -> None:
    results = []
    for lib in (dm, torch):
        x = lib.tensor(numbers(*shape), requires_grad=True)
        pool, back = (
            getattr(lib.nn, f"{name}{rank}d")(2, **o) for name, o in (("MaxPool", {"return_indices": True}), ("MaxUnpool", {}))
        )
        out = back(*pool(x), output_size=shape)
        out.square().sum().backward()
        results.append((repr(back), out, x.grad))
    assert results[0][0] == results[1][0]
    for mine, other in zip(results[0][1:], results[1][1:], strict=True):
        close(mine, other)


POOLS = (
    "F.max_pool2d(x, 2)",
    "F.max_pool2d(-x, 3, 2, 1)",
    "F.max_pool2d(x, 2, ceil_mode=True)",
    "F.max_pool2d(x[0], 2, return_indices=True)[1]",
    "F.max_pool1d(x[0], 2, return_indices=True)[0]",
    "F.max_pool3d(x, (1, 2, 2))",
)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "int8"])
@pytest.mark.parametrize("call", POOLS)
def test_the_largest_integer_of_a_window_is_pytorchs(call: str, dtype: str) -> None:
    found, wanted = (of_integers(lib, call, dtype) for lib in (dm, torch))
    assert str(found.dtype) == str(wanted.dtype) and found.tolist() == wanted.tolist()


@pytest.mark.parametrize("call", ["F.avg_pool1d(x[0], 3, 2, 1)", "F.avg_pool2d(-x, 3, 2, 1, count_include_pad=False)"])
def test_the_mean_of_a_window_of_integers_is_cut_as_in_pytorch(call: str) -> None:
    found, wanted = (of_integers(lib, call, "int64") for lib in (dm, torch))
    assert found.dtype == dm.int64 and found.tolist() == wanted.tolist()


def of_integers(lib: Any, call: str, dtype: str) -> Any:
    x = ((lib.arange(50) * 37) % 23 - 5).reshape(1, 2, 5, 5).to(getattr(lib, dtype))
    return eval(call, {"F": lib.nn.functional, "x": x})


def test_whole_channels_of_a_volume_are_dropped() -> None:
    dm.manual_seed(0)
    kept = dm.nn.Dropout3d(0.5)(dm.ones(20, 10, 2, 2, 2)).numpy().reshape(200, -1)
    assert set(np.unique(kept)) == {0.0, 2.0} and (kept == kept[:, :1]).all()
    assert 60 < (kept[:, 0] > 0).sum() < 140
