"""Arrays larger than a texture, in CPython: the scheduler's arithmetic for stacks of layers. What is drawn: tests/browser."""

from collections.abc import Callable

import numpy as np
import pytest

import distml_py as dm
from distml_py import Tensor, engine
from distml_py.kernel import Convolution, Product, ScatterChains, WeightGradient
from numpy_kernels import KernelBackend
from op_examples import numbers

SIDE = 8  # a texture of 256 numbers
F = dm.nn.functional
CALLS: dict[str, tuple[Callable[..., Tensor], tuple[np.ndarray, ...], type | None]] = {
    "a chain": (lambda x: (x * 2 + x.flip(0)).exp(), (numbers(37, 41),), None),
    "sums": (lambda x: x.sum(0) * x.sum(1, keepdim=True), (numbers(37, 41),), None),
    "a product": (lambda x, y: x @ y, (numbers(41, 5), numbers(5, 43)), Product),
    "a product of few rows": (lambda x, y: x @ y, (numbers(3, 5), numbers(5, 401)), Product),
    "a product in parts": (lambda x, y: x @ y, (numbers(2, 600), numbers(600, 3)), None),
    "a convolution": (lambda x, w: F.conv2d(x, w, padding=1), (numbers(3, 2, 11, 12), numbers(9, 2, 3, 3)), Convolution),
    "a wide weight": (lambda x, w: F.conv2d(x, w), (numbers(4, 9, 5, 5), numbers(17, 9, 3, 3)), WeightGradient),
    "an embedding": (lambda w: F.embedding(dm.tensor(np.arange(80, dtype=np.int32) % 7), w), (numbers(40, 33),), ScatterChains),
    "a softmax": (lambda x: x.softmax(1), (numbers(37, 41),), None),
    "a cat": (lambda x: dm.cat([x, x * 2], 1)[:, 3:70], (numbers(37, 41),), None),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_array_in_a_stack_of_layers_is_computed_as_any_other(name: str) -> None:
    call, arrays, stacked = CALLS[name]
    small = KernelBackend(SIDE)
    found = []
    for backend in (small, "reference"):
        engine.use_backend(backend)
        try:
            inputs = [dm.tensor(array, requires_grad=True) for array in arrays]
            out = call(*inputs)
            (out * out * 0.5).sum().backward()
            found.append([out.detach().numpy(), *(x.grad.detach().numpy() for x in inputs if x.grad is not None)])
        finally:
            engine.use_backend("reference")
    for mine, meant in zip(*found, strict=True):
        np.testing.assert_allclose(mine, meant, rtol=1e-4, atol=1e-4)
    launches = [launch for plan in small.schedules for launch in plan.launches]
    assert all(max(launch.layout.width, launch.layout.height) <= SIDE for launch in launches)
    assert any(launch.layout.stack > 1 for launch in launches)
    if stacked is not None:
        assert any(launch.layout.stack > 1 for launch in launches if isinstance(launch.kernel, stacked)), stacked
