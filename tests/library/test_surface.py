"""The surface judged by PyTorch: numbers, shapes, dtypes, gradients and theirs; and its kernels by the reference backend."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import engine
from numpy_kernels import KernelBackend
from op_examples import Example, evaluate, listed
from surface_examples import EXAMPLES
from test_ops_against_torch import close

COMPARED = [example for example in EXAMPLES if example.torch]
SMOOTH = [e for e in COMPARED if e.smooth and e.differentiable and any(a.dtype == np.float32 and a.size for a in e.inputs)]


def name_of(example: Example) -> str:
    return example.name


def strided(example: Example) -> Example:
    """The same call on tensors that are every other number of larger ones."""

    def apart(call):  # type: ignore[no-untyped-def]
        return call and (lambda lib, *tensors: call(lib, *(tensor[..., 1] for tensor in tensors)))

    inputs = tuple(np.stack([np.zeros_like(array), array], -1) for array in example.inputs)
    return Example(example.name, apart(example.call), inputs, example.smooth, example.differentiable, apart(example.twin))


@pytest.mark.parametrize("kind", ["float32", "float64", "strided"])
@pytest.mark.parametrize("example", COMPARED, ids=name_of)
def test_a_call_gives_what_pytorch_gives(example: Example, kind: str) -> None:
    if kind == "strided":
        example = strided(example)
    dtype = "float64" if kind == "float64" else "float32"
    inputs = [array.astype(dtype) if array.dtype == np.float32 else array for array in example.inputs]
    with np.errstate(all="ignore"):
        found, gradients = evaluate(dm, example, inputs)
    wide = [array.astype(np.int64) if array.dtype == np.int32 else array for array in inputs]
    wanted, their_gradients = evaluate(torch, example, wide)
    assert [array.shape for array in found] == [array.shape for array in wanted]
    assert [array.dtype.name for array in found] == [array.dtype.name for array in wanted]
    digits = min((array.dtype for array in found if array.dtype.kind == "f"), default=np.dtype(dtype), key=lambda d: d.itemsize)
    for ours, theirs in zip(found, wanted, strict=True):
        close(ours, theirs, digits)
    for array, mine, other in zip(inputs, gradients, their_gradients, strict=True):
        nothing = np.zeros(array.shape)  # None says the same
        close(nothing if mine is None else mine, nothing if other is None else other, digits)


def second_gradients(lib, example: Example) -> list[np.ndarray]:  # type: ignore[no-untyped-def]
    """The gradients of a number made of the squared gradients of all outputs."""
    wide = {"f": np.float64, "i": np.int64, "b": np.bool_}
    tensors = [lib.tensor(array.astype(wide[array.dtype.kind])) for array in example.inputs]
    wanted = [tensor.requires_grad_() for tensor in tensors if tensor.is_floating_point()]
    call = example.twin if example.twin and lib is torch else example.call
    total = 0.0
    for out in listed(call(lib, *tensors)):
        if out.requires_grad:
            total = total + (out * out + out).sum()
    if isinstance(total, float):
        return [np.zeros(tensor.shape) for tensor in wanted]  # integers only
    first = lib.autograd.grad(total, wanted, create_graph=True, allow_unused=True)
    again = sum(((g * g + g).sum() for g in first if g is not None and g.requires_grad), start=lib.tensor(0.0))
    if not again.requires_grad:
        return [np.zeros(tensor.shape) for tensor in wanted]
    second = lib.autograd.grad(again, wanted, allow_unused=True)
    return [np.zeros(tensor.shape) if g is None else g.detach().numpy() for tensor, g in zip(wanted, second, strict=True)]


@pytest.mark.parametrize("example", SMOOTH, ids=name_of)
def test_second_gradients_are_pytorchs(example: Example) -> None:
    for mine, other in zip(second_gradients(dm, example), second_gradients(torch, example), strict=True):
        largest = max(1.0, float(np.abs(other).max(initial=0)))
        np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-9 * largest)


@pytest.fixture
def kernels() -> Iterator[None]:
    """Everything in the test is computed kernel by kernel, as a GPU would."""
    engine.use_backend(KernelBackend())
    yield
    engine.use_backend("reference")


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_the_kernels_of_a_call_compute_what_its_rows_mean(example: Example, kernels: None) -> None:
    with np.errstate(all="ignore"):
        found, gradients = evaluate(dm, example, example.inputs)
        engine.use_backend("reference")
        wanted, other = evaluate(dm, example, example.inputs)
    for mine, meant in zip([*found, *gradients], [*wanted, *other], strict=True):
        assert (mine is None) == (meant is None)
        if mine is not None and meant is not None:
            assert mine.dtype == meant.dtype and mine.shape == meant.shape
            np.testing.assert_allclose(
                mine, meant, rtol=1e-5, atol=1e-6 * max(1.0, np.abs(meant[np.isfinite(meant)]).max(initial=0))
            )
