"""Dtypes, devices, creation and what PyTorch's users ask about a tensor: as in PyTorch, else a clear error."""

from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import engine
from distml_py.errors import BackendError, DtypeError
from numpy_kernels import KernelBackend

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


def test_integers_are_stored_in_32_bits() -> None:
    assert dm.int64 is not dm.int32 and dm.tensor([1], dtype=np.int64).dtype == dm.int64 and dm.tensor([1]).node.dtype == np.int32
    with pytest.raises(DtypeError, match="32 bits wide"):
        dm.tensor([2**40])
    assert dm.tensor(2**31 - 1, dtype=dm.int32) + 1 == -(2**31), "as in PyTorch"


@pytest.mark.parametrize(
    ("far", "what"),
    [
        (lambda: dm.tensor(2**31 - 1) + 1, "add gave 2147483648"),
        (lambda: dm.tensor(-(2**31)) - 1, "sub gave -2147483649"),
        (lambda: dm.tensor([2**20]) * 2**20, "mul gave 1.099511628e"),
        (lambda: dm.full((5,), 2**30).sum(), "sum gave 5368709120"),
        (lambda: dm.arange(1, 15).prod(), "mul gave 8.71782912e"),
        (lambda: dm.full((2, 2), 2**20) @ dm.full((2, 2), 2**20), "matmul gave 2.199023256e"),
        (lambda: dm.zeros(1, dtype=dm.int64).index_add(0, dm.tensor([0, 0]), dm.full((2,), 2**30)), "scatter_add gave 2147483648"),
        (lambda: dm.tensor([3e9]).long(), "a conversion to integers gave 3000000000"),
    ],
)
def test_what_does_not_fit_into_32_bits_is_an_error_and_does_not_wrap(far: Any, what: str) -> None:
    with pytest.raises(DtypeError, match=f"{what}.*: integers are 32 bits wide here, also those of int64; use float64"):
        far().tolist()


def test_numbers_that_no_integer_reaches_are_compared_and_are_limits() -> None:
    for lib in (dm, torch):
        x = lib.tensor([-5, 7])
        found = [
            x < 2**40,
            x == 2**40,
            x > -(2**50),
            x >= 2**31,
            x.clamp(max=2**40),
            x.clamp(-(2**40), 2),
            lib.tensor([3.7]).long(),
        ]
        assert [one.tolist() for one in found] == [[True] * 2, [False] * 2, [True] * 2, [False] * 2, [-5, 7], [-5, 2], [3]]


NAMES = ("float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")


@pytest.mark.parametrize("two", [*NAMES, "number", "whole", "truth"])
@pytest.mark.parametrize("one", NAMES)
def test_two_dtypes_meet_in_pytorchs(one: str, two: str) -> None:
    found = []
    for lib in (dm, torch):
        x = lib.tensor([1, 0, 3]).to(getattr(lib, one))
        y = {"number": 2.5, "whole": 2, "truth": True}.get(two)
        other = getattr(lib, two) if y is None else None
        seen = [] if y is not None else [lib.promote_types(getattr(lib, one), other), x * lib.tensor(2, dtype=other)]
        y = lib.tensor([[2], [1]]).to(getattr(lib, two)) if y is None else y
        results = [x * y, x + y, x == y, lib.result_type(x, y)]
        if one != "bool" or two not in ("bool", "truth"):
            results.append(x / y)
        for value in (*seen, *results):
            found.append((str(value.dtype), value.float().tolist()) if isinstance(value, lib.Tensor) else str(value))
    half = len(found) // 2
    assert found[:half] == found[half:]


CALLS = {
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.float().mean(),
    "cumsum": lambda x: x.cumsum(0),
    "argmax": lambda x: x.argmax(0),
    "max": lambda x: x.max(0)[1],
    "values": lambda x: x.max(0)[0],
    "sort": lambda x: x.sort(0)[1],
    "row": lambda x: x[0],
    "flat": lambda x: x.reshape(-1).t(),
    "clone": lambda x: x.clone().detach(),
    "like": lambda x: x.new_zeros(2) + type(x)([1.0])[0].to(x.dtype),
    "zeros_like": lambda x: x * 0,
    "negative": lambda x: x * -1,
    "in place": lambda x: x.clone().add_(x).mul_(3),
    "assigned": lambda x: x.clone().__setitem__(0, 7) or x,
    "float": lambda x: x.double(),
    "roots": lambda x: x.sqrt(),
    "type": lambda x: x.type(),
    "size": lambda x: (x.element_size(), x.is_signed(), x.is_floating_point(), x.nbytes),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", NAMES[:-1])
def test_a_dtype_stays_what_it_is_as_in_pytorch(dtype: str, name: str) -> None:
    found = []
    for lib in (dm, torch):
        value = CALLS[name](lib.tensor([[100.0, 2.3, -1.0], [30.0, 77.7, 2.0]]).abs().to(getattr(lib, dtype)))
        found.append((str(value.dtype), value.double().tolist()) if isinstance(value, lib.Tensor) else value)
    assert found[0][0] == found[1][0]
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-2 if "float16" in dtype else 1e-6) if name not in (
        "type",
        "size",
    ) else None
    assert name not in ("type", "size") or found[0] == found[1]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_short_floats_are_rounded_as_pytorch_rounds(dtype: str) -> None:
    values = np.concatenate([np.float32(2.0) ** np.arange(-30, 20), np.random.RandomState(0).randn(200).astype(np.float32) * 1000])
    values = np.concatenate([values, values * np.float32(1.0004), [np.nan, np.inf, -np.inf, 65519, 65520, 0]]).astype(np.float32)
    found = []
    for lib in (dm, torch):
        x = lib.tensor(values).to(getattr(lib, dtype)).requires_grad_()
        y = x * 3
        y.backward(lib.ones_like(y) * 1.003)
        found.append((x.detach().float().numpy(), y.detach().float().numpy(), x.grad.float().numpy(), str(x.grad.dtype)))
    for mine, other in zip(*(f[:3] for f in found), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert found[0][3] == found[1][3] == f"torch.{dtype}"


def test_a_module_of_short_floats_computes_and_stays_short() -> None:
    found = []
    for lib in (dm, torch):
        net = lib.nn.Linear(2, 2).half()
        with lib.no_grad():
            net.weight.copy_(lib.tensor([[1.0, 2.0], [3.0, 4.0]]))
            net.bias.zero_()
        out = net(lib.tensor([[0.1, 0.2]]).half())
        out.sum().backward()
        found.append((str(out.dtype), out.tolist(), str(net.weight.grad.dtype), net.state_dict()["weight"].numpy().dtype))
    assert found[0] == found[1]
    with pytest.raises(DtypeError, match=r"NumPy has no bfloat16; use .float\(\).numpy\(\)"):
        dm.ones(1).bfloat16().numpy()


def test_a_captured_step_keeps_dtypes() -> None:
    @dm.compile
    def step(x: dm.Tensor) -> tuple[dm.Tensor, ...]:
        return x.half() * 2.1, x.to(dm.uint8), x.argmax()

    for _ in range(4):
        half, byte, index = step(dm.tensor([1.0, 2.0]))
    assert (half.dtype, byte.dtype, index.dtype) == (dm.float16, dm.uint8, dm.int64)


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
        assert mine.dtype.name == str(other.dtype).removeprefix("torch.")
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


class Narrow(KernelBackend):
    """A backend without float64, as GPUs are."""

    dtypes = KernelBackend.dtypes - {np.dtype("float64")}


def test_float64_of_the_host_is_converted_there_for_a_gpu() -> None:
    x = np.arange(6.0).reshape(2, 3)
    before = engine.backend()
    engine.use_backend(Narrow())
    try:
        assert dm.tensor(x).float().add(1).tolist() == (x + 1).tolist()
        assert dm.from_numpy(x).T.unsqueeze(1).float().squeeze(1).tolist() == x.T.tolist()
        assert dm.tensor(x)[1:].long().tolist() == [[3, 4, 5]] and dm.tensor(x).detach().half().dtype is dm.float16
        assert dm.tensor(x).add(1).tolist() == (x + 1).tolist() and "3.5000" in repr(dm.tensor(x).mean(0)[2:])
        drawn = dm.ones(3) * 2
        assert drawn.tolist() == [2, 2, 2]
        with pytest.raises(DtypeError, match=r"has no float64; convert with .float\(\) or use the reference backend"):
            drawn.double().add(1).tolist()
    finally:
        engine.use_backend(before)


SERIES = np.sin(np.linspace(0, 20, 60))
WHOLE = {  # a sample of a time series, as programs make it
    "arrays": lambda x, i: (x[i : i + 8], x[i + 8]),
    "tensors": lambda x, i: (dm.tensor(x[i : i + 8]), dm.tensor(x[i + 8])),
    "from_numpy": lambda x, i: (dm.from_numpy(x[i : i + 8]).unsqueeze(-1), dm.tensor([x[i + 8]])),
    "normalised": lambda x, i: ((dm.tensor(x[i : i + 8]) - x.mean()) / x.std(), dm.tensor(x[i + 8])),
    "parts of one": lambda x, i: (dm.tensor(x)[i : i + 8], dm.tensor(x)[i + 8]),
}


@pytest.mark.parametrize("how", WHOLE)
def test_windows_of_float64_become_float32_batches_for_a_gpu(how: str) -> None:
    class Windows(dm.utils.data.Dataset):
        def __len__(self) -> int:
            return 40

        def __getitem__(self, i: int) -> Any:
            return WHOLE[how](SERIES, i)

    before = engine.backend()
    engine.use_backend(Narrow())
    try:
        batches = list(dm.utils.data.DataLoader(Windows(), batch_size=10))
        layer = dm.nn.Linear(8, 1)
        loss = sum(((layer(x.float().reshape(10, 8)) - y.float().reshape(10, 1)) ** 2).mean() for x, y in batches)
        loss.backward()
        assert all(x.dtype is dm.float64 for x, _ in batches) and layer.weight.grad.abs().sum() > 0
    finally:
        engine.use_backend(before)


LISTS = (
    "[np.float64(1)]",
    "[2.0, np.float64(1)]",
    "[[np.float64(1), 1], [2, np.float32(3)]]",
    "[np.float32(1), 2.0]",
    "[np.float16(1)]",
    "[np.int32(1), 2]",
    "[np.int32(1), 2.0]",
    "[np.uint8(1)]",
    "[True, np.int64(2)]",
    "[np.ones(2), np.ones(2)]",
    "[np.ones(1), [2]]",
    "(np.mean([1.0, 2.0]), 0.5)",
    "[lib.tensor(1.0, dtype=lib.float64), 2]",
    "[lib.tensor(1), 2.5]",
)


@pytest.mark.parametrize("text", LISTS)
def test_numbers_in_a_list_have_their_dtypes(text: str) -> None:
    found, wanted = (lib.tensor(eval(text, {"np": np, "lib": lib})) for lib in (dm, torch))
    assert str(found.dtype) == str(wanted.dtype) and found.tolist() == wanted.tolist()


def test_float64_in_a_list_is_float32_where_a_gpu_has_no_other() -> None:
    before = engine.backend()
    engine.use_backend(Narrow())
    try:
        assert (dm.tensor([np.float64(1), 2.0]) * dm.ones(2)).dtype is dm.float32
    finally:
        engine.use_backend(before)
