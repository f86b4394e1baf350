"""Dtypes, devices, creation and what PyTorch's users ask about a tensor: as in PyTorch, else a clear error."""

from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import BackendError, DtypeError

BOTH = pytest.mark.parametrize("lib", [dm, torch], ids=["distml_py", "torch"])


@BOTH
def test_devices_are_accepted_and_compared(lib: Any) -> None:
    x = lib.zeros(2, 3, device="cpu").to("cpu").to(lib.device("cpu")).cpu()
    assert str(x.device) == "cpu" and x.device == lib.device("cpu") and x.device.type == "cpu" and x.device.index is None
    assert x.to(device="cpu", dtype=lib.int32).dtype == lib.int32
    assert x.to("cpu", lib.float64).dtype == lib.float64 and x.to(lib.ones(1, dtype=lib.int32)).dtype == lib.int32
    assert lib.device("cpu", 0) == lib.device("cpu:0") and repr(lib.device("cpu", 0)) == "device(type='cpu', index=0)"
    assert not x.is_cuda and not x.is_sparse and not lib.cuda.is_available() and lib.cuda.device_count() == 0
    for make in (lib.tensor, lib.as_tensor):
        assert make([1.0], device="cpu").tolist() == [1]
    assert lib.randn(2, device=lib.device("cpu")).shape == (2,)
    assert x.get_device() == -1


def test_webgl_is_a_device_and_cuda_is_none() -> None:
    assert dm.zeros(2, device="webgl").to("webgl").tolist() == [0, 0]
    for wrong in (lambda: dm.zeros(2, device="cuda"), lambda: dm.device("flibber"), lambda: dm.ones(1).to("mps"), dm.ones(1).cuda):
        with pytest.raises(BackendError, match="webgl"):
            wrong()


@BOTH
def test_names_of_dtypes(lib: Any) -> None:
    assert lib.float is lib.float32 and lib.double is lib.float64 and lib.long is lib.int64
    assert lib.tensor([1, 2]).dtype == lib.int64 and lib.tensor([1, 2], dtype=lib.long).dtype == lib.int64
    assert lib.arange(3).dtype == lib.int64 and lib.tensor([1.5]).long().dtype == lib.long
    assert lib.tensor([300, -1]).to(lib.uint8).tolist() == [44, 255] and lib.tensor([2, 255]).byte().tolist() == [2, 255]
    assert lib.tensor([1.5, 2.5]).type(lib.int64).tolist() == [1, 2] and lib.tensor([1]).type() == "torch.LongTensor"
    assert lib.tensor([1]).type("torch.FloatTensor").dtype == lib.float32
    assert lib.get_default_dtype() == lib.float32 and lib.float16 != lib.float32 and lib.bfloat16 != lib.float32
    assert lib.tensor([3], dtype=lib.uint8).int().tolist() == [3]


def test_integers_are_32_bits_wide_and_floats_of_16_bits_are_refused() -> None:
    assert dm.int64 is dm.int32 and dm.tensor([1], dtype=np.int64).dtype == dm.int32
    assert dm.tensor([1]).short().dtype == dm.tensor([1]).char().dtype == dm.int32
    with pytest.raises(DtypeError, match="32 bits wide"):
        dm.tensor([2**40])
    for dtype in (dm.float16, dm.bfloat16, dm.half):
        with pytest.raises(DtypeError, match="use float32"):
            dm.ones(2).to(dtype)
    with pytest.raises(DtypeError, match="float16 is not supported"):
        dm.ones(2).half()


CREATED = {
    "empty": lambda lib: (lib.ones_like(lib.empty(2, 3)), lib.ones_like(lib.empty_like(lib.arange(2))), lib.empty((0, 2))),
    "full": lambda lib: (lib.full((2,), 3), lib.full((2, 2), 1.5), lib.full_like(lib.ones(2), 7), lib.full((), True)),
    "zeros": lambda lib: (lib.zeros(2, 3), lib.zeros((2,), dtype=lib.int32), lib.zeros(size=(2,)), lib.zeros_like(lib.arange(2))),
    "ones": lambda lib: (lib.ones([2, 1]), lib.ones(2, dtype=lib.bool), lib.ones_like(lib.rand(2)), lib.ones(())),
    "arange": lambda lib: (lib.arange(5), lib.arange(2, 9, 3), lib.arange(0, 1, 0.25), lib.arange(3, 0, -1), lib.arange(3.0)),
    "arange with a dtype": lambda lib: (lib.arange(3, dtype=lib.float32), lib.arange(0, 2, 0.5, dtype=lib.float64)),
    "linspace": lambda lib: (lib.linspace(0, 1, 5), lib.linspace(-3, 7, 1), lib.linspace(2, 1, 4), lib.linspace(0, 1, 0)),
    "logspace": lambda lib: (lib.logspace(0, 2, 3), lib.logspace(0, 3, 4, base=2)),
    "eye": lambda lib: (lib.eye(3), lib.eye(2, 4), lib.eye(3, 1, dtype=lib.int32), lib.eye(0)),
    "tensor": lambda lib: (lib.tensor(3), lib.tensor([[1, 2.5]]), lib.tensor([True]), lib.tensor([]), lib.scalar_tensor(2)),
    "as_tensor": lambda lib: (
        lib.as_tensor([1, 2]),
        lib.as_tensor(lib.ones(2), dtype=lib.int32),
        lib.asarray(np.ones(2, np.float32)),
    ),
    "vander": lambda lib: (lib.vander(lib.tensor([2.0, 3.0])), lib.vander(lib.tensor([2.0, 3.0]), 4, increasing=True)),
    "new": lambda lib: (
        lib.arange(2).new_zeros(3),
        lib.ones(1).new_ones((2, 2)),
        lib.ones(1).new_full((2,), 5),
        lib.ones(1, dtype=lib.float64).new_tensor([1, 2]),
        lib.ones_like(lib.arange(2).new_empty(2)),
    ),
}


@pytest.mark.parametrize("name", CREATED)
def test_creation_is_pytorchs(name: str) -> None:
    for mine, other in zip(CREATED[name](dm), CREATED[name](torch), strict=True):
        assert mine.dtype.name == str(other.dtype).removeprefix("torch.").replace("int64", "int32")
        assert tuple(mine.shape) == tuple(other.shape)
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-6)


@BOTH
def test_questions_about_storage(lib: Any) -> None:
    x = lib.zeros(2, 3)
    assert x.is_contiguous() and x.stride() == (3, 1) and x.stride(0) == 3 and x.element_size() == 4
    assert x.nelement() == x.numel() == lib.numel(x) == 6 and x.ndimension() == 2 and x.nbytes == 24 and x.itemsize == 4
    assert not x.is_complex() and x.is_signed() and lib.is_tensor(x) and not lib.is_tensor(3) and lib.is_floating_point(x)
    assert x.H.shape == (3, 2) and "strided" in str(x.layout)
    assert x.grad_fn is None and (x.requires_grad_() * 2).grad_fn is not None
    assert x.detach().clone() is not x and lib.zeros(1, requires_grad=True).requires_grad
    assert not lib.is_nonzero(lib.tensor([0.0]))


def test_memory_is_pinned_by_nobody() -> None:
    x = dm.ones(2)
    assert x.pin_memory() is x and x.contiguous() is x and x.cpu() is x


@BOTH
def test_constants_and_what_is_told_of_dtypes(lib: Any) -> None:
    assert lib.finfo(lib.float32).eps == np.finfo(np.float32).eps and lib.finfo(lib.float32).max > 3e38 and lib.finfo().bits == 32
    assert lib.iinfo(lib.int32).max == 2**31 - 1 and lib.iinfo(lib.uint8).max == 255
    assert (lib.pi, lib.e, lib.inf, lib.newaxis) == (np.pi, np.e, np.inf, None) and lib.nan != lib.nan
    assert lib.promote_types(lib.int32, lib.float32) == lib.float32 and lib.can_cast(lib.int32, lib.float32)
    assert not lib.can_cast(lib.float32, lib.int32) and lib.result_type(lib.ones(1), 2) == lib.float32
    assert lib.Size((2, 3)).numel() == 6 and lib.ones(2, 3).shape == lib.Size((2, 3))
    assert isinstance(lib.float32, lib.dtype) and lib.ones(2).is_same_size(lib.zeros(2)) and not lib.is_inference(lib.ones(1))
    lib.set_float32_matmul_precision("high")
    lib.use_deterministic_algorithms(False)
    lib.set_num_threads(1)
    assert lib.get_num_threads() == 1


def test_functions_are_there_under_both_names() -> None:
    x = dm.tensor([-1.0, 2.0])
    assert dm.relu_(x) is x and x.tolist() == [0, 2]
    assert dm.layer_norm(x, (2,)).shape == (2,) and dm.conv2d is dm.nn.functional.conv2d and dm.sin is dm.Tensor.sin
