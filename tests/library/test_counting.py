"""What gives as many numbers as it finds waits for the GPU, and says so: one warning a function, a stall in profile()."""

import warnings
from collections.abc import Iterator

import pytest

import distml_py as dm
from distml_py import engine
from distml_py.tensor import counting
from numpy_kernels import KernelBackend


@pytest.fixture
def gpu() -> Iterator[None]:
    counting._warned.clear()
    engine.use_backend(KernelBackend())
    yield
    engine.use_backend("reference")


CALLS = {
    "nonzero": lambda x: x.nonzero(),
    "masked_select": lambda x: x.masked_select(x > 0),
    "an index by a mask": lambda x: x[x > 0],
    "unique": lambda x: x.unique(),
    "bincount": lambda x: (x > 0).int().bincount(),
    "inv": lambda x: dm.linalg.inv((x + 4).diag()),
    "svd": lambda x: dm.linalg.svd(x.reshape(1, 5)),
    "matrix_exp": lambda x: dm.linalg.matrix_exp(x.diag()),
    "repeat_interleave": lambda x: x.repeat_interleave((x > 0).int()),
}


@pytest.mark.parametrize("name", CALLS)
def test_waiting_for_the_gpu_is_said_once(name: str, gpu: None) -> None:
    x = dm.arange(5) * 2.0 - 3
    with pytest.warns(UserWarning, match=f"test_counting.py:[0-9]+: {name} waits for the GPU"):
        CALLS[name](x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CALLS[name](x + 1)


def test_waiting_is_a_stall_in_a_profile() -> None:
    x = dm.arange(5) * 2.0
    with dm.profile() as found:
        x.nonzero()
    assert [line.split(":")[0] for line, _ in found.host_stalls] == ["test_counting.py"]


def test_what_needs_no_numbers_waits_for_nothing(gpu: None) -> None:
    x = dm.arange(6) * 1.0
    before = engine.counters().realizations
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = x.masked_fill(x > 2, 0)
        y[x > 4] = 7
        y[x > 3] = dm.ones(2)
        y[dm.tensor([0, 1])] = 5
        y.scatter(0, dm.tensor([1]), 3.0).sort().values.topk(2).values.cumsum(0).median()
    assert engine.counters().realizations == before
