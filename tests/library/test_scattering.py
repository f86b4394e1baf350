"""Adding by index: what is launched for which index, and that every number arrives where it belongs, in order."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import Tensor, engine
from distml_py.kernel import Chain, ScatterChains
from numpy_kernels import KernelBackend
from op_examples import numbers


@pytest.fixture
def kernels() -> Iterator[KernelBackend]:
    backend = KernelBackend()
    engine.use_backend(backend)
    yield backend
    engine.use_backend("reference")


def kinds(backend: KernelBackend) -> list[str]:
    return [type(launch.kernel).__name__ for plan in backend.schedules for launch in plan.launches]


def embedded(rows: int, width: int, count: int, sent: np.ndarray, index: np.ndarray, padding_idx: int | None = None) -> np.ndarray:
    """The gradient of a table of vectors."""
    table = dm.zeros(rows, width, requires_grad=True)
    (dm.nn.functional.embedding(dm.tensor(index), table, padding_idx) * dm.tensor(sent)).sum().backward()
    assert table.grad is not None
    return table.grad.numpy()


@pytest.mark.parametrize("rows, width, count", [(1, 1, 1), (2, 3, 4097), (5, 4, 17), (17, 129, 5), (129, 1, 129), (3, 5, 700)])
def test_an_embedding_sends_what_pytorch_sends(rows: int, width: int, count: int, kernels: KernelBackend) -> None:
    index, sent = np.random.RandomState(0).randint(0, rows, count).astype(np.int32), numbers(count, width)
    for padding_idx in (None, 0, -1):
        table = torch.zeros(rows, width, requires_grad=True)
        found = torch.nn.functional.embedding(torch.tensor(index.astype(np.int64)), table, padding_idx)
        (found * torch.tensor(sent)).sum().backward()
        mine = embedded(rows, width, count, sent, index, padding_idx)
        np.testing.assert_allclose(mine, table.grad.numpy(), rtol=1e-4, atol=1e-4)  # type: ignore[union-attr]
    assert "Scatter" not in kinds(kernels)


INDEXED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "rows": lambda x, n: x[n],
    "a middle axis": lambda x, n: x[:, n],
    "the last axis": lambda x, n: x[..., n],
    "two axes at once": lambda x, n: x[n % 2, n],
    "rows by numbers that are computed": lambda x, n: x[(n * 3 + 1) % 4],
}


@pytest.mark.parametrize("name", INDEXED)
def test_an_index_that_names_whole_rows_is_walked_along_whatever_its_axis(name: str, kernels: KernelBackend) -> None:
    found = []
    for backend in (kernels, "reference"):
        engine.use_backend(backend)
        x = dm.tensor(numbers(4, 5, 4), requires_grad=True)
        out = INDEXED[name](x, dm.tensor(np.array([3, 1, 3, 0, 3], np.int32)))
        (out * dm.tensor(numbers(*out.shape))).sum().backward()
        assert x.grad is not None
        found.append(x.grad.numpy())
    np.testing.assert_allclose(*found, rtol=1e-6, atol=1e-6)
    assert "ScatterChains" in kinds(kernels) and "Scatter" not in kinds(kernels)


def test_an_index_of_its_own_for_each_element_is_looked_at_by_each(kernels: KernelBackend) -> None:
    index = np.array([[0, 2, 1], [1, 1, 0]], np.int32)
    found = dm.zeros(3, 3).scatter_add(0, dm.tensor(index), dm.tensor(numbers(2, 3))).numpy()
    wanted = torch.zeros(3, 3).scatter_add(0, torch.tensor(index.astype(np.int64)), torch.tensor(numbers(2, 3)))
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-6)
    assert "Scatter" in kinds(kernels)


def test_an_infinity_stays_in_its_row(kernels: KernelBackend) -> None:
    sent = numbers(6, 4)
    sent[2, 1] = np.inf
    found = embedded(5, 4, 6, sent, np.array([0, 4, 2, 2, 1, 0], np.int32))
    assert np.isinf(found[2, 1]) and np.isfinite(np.delete(found.ravel(), 2 * 4 + 1)).all()


def test_an_index_beyond_the_rows_adds_to_none(kernels: KernelBackend) -> None:
    index = dm.tensor(np.array([0, 7, -9, 2], np.int32)) + 0  # computed: nobody knows them on the host
    table = dm.zeros(3, 4, requires_grad=True)
    dm.nn.functional.embedding(index, table).sum().backward()
    assert table.grad is not None
    assert table.grad.numpy().tolist() == [[1] * 4, [0] * 4, [1] * 4]


def test_long_chains_are_cut_into_parts_and_short_ones_are_not(kernels: KernelBackend) -> None:
    embedded(2, 4, 4100, numbers(4100, 4), np.zeros(4100, np.int32))
    embedded(500, 64, 40, numbers(40, 64), np.zeros(40, np.int32))
    launched = [launch.kernel for plan in kernels.schedules for launch in plan.launches]
    chains = [kernel for kernel in launched if isinstance(kernel, Chain)]
    assert [(chain.parts, chain.length) for chain in chains] == [(64, 68), (64, 68), (1, 40), (1, 40)]
    assert [kernel.parts for kernel in launched if isinstance(kernel, ScatterChains)] == [64, 1]
