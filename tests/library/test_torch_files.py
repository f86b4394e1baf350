"""torch.save and torch.load against PyTorch itself, both ways; and files that are damaged, foreign, or mean harm."""

import collections
import io
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import DistmlError, FormatError
from distml_py.serialization import pickles

GRID = torch.arange(24.0).reshape(4, 6)
TENSORS: dict[str, torch.Tensor] = {
    "plain": GRID,
    "turned": GRID.t(),
    "a row": GRID[2],
    "every other column": GRID[:, 1::2],
    "expanded": GRID[0].expand(3, 6),
    "one number": torch.tensor(3.5),
    "empty": torch.zeros(0, 3),
    "float64": GRID.double(),
    "float16": GRID.half(),
    "bfloat16": GRID.bfloat16(),
    "int64": torch.tensor([1, -(2**31), 2**31 - 1]),
    "int32": torch.tensor([1, -2], dtype=torch.int32),
    "int16": torch.tensor([1, -2], dtype=torch.int16),
    "int8": torch.tensor([1, -2], dtype=torch.int8),
    "uint8": torch.tensor([0, 255], dtype=torch.uint8),
    "bool": torch.tensor([True, False]),
    "wants a gradient": GRID.clone().requires_grad_(),
    "parameter": torch.nn.Parameter(GRID),
    "frozen parameter": torch.nn.Parameter(GRID, requires_grad=False),
}


def file_of(obj: Any, **named: Any) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(obj, file, **named)
    file.seek(0)
    return file


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_comes_back_as_pytorch_wrote_it(name: str) -> None:
    tensor = TENSORS[name]
    found = dm.load(file_of({"x": tensor}))["x"]
    assert tuple(found.shape) == tuple(tensor.shape) and found.requires_grad == tensor.requires_grad
    assert isinstance(found, dm.nn.Parameter) == isinstance(tensor, torch.nn.Parameter)
    assert str(found.dtype) == str(tensor.dtype)
    np.testing.assert_array_equal(found.detach().double().numpy(), tensor.detach().double().numpy())
    file = io.BytesIO()
    dm.save(found, file)
    file.seek(0)
    again = torch.load(file, weights_only=True)
    assert again.dtype == tensor.dtype and torch.equal(again, tensor)


PLAIN = {
    "epoch": 3, "lr": 1e-3, "name": "größer", "none": None, "yes": True, "pair": (1, (2.5, "x"), ()), "large": 2**40,
    "negative": -(2**70),
    "list": [1, [2, []], {}], 7: "a number as key", "ordered": collections.OrderedDict(b=1, a=2), "set": {1, 2},
}  # fmt: skip


def test_plain_values_come_back_both_ways() -> None:
    assert dm.load(file_of(PLAIN)) == PLAIN
    file = io.BytesIO()
    dm.save(PLAIN, file)
    file.seek(0)
    assert torch.load(file, weights_only=True) == PLAIN
    file.seek(0)
    assert dm.load(file) == PLAIN


def twins() -> tuple[Any, Any]:
    """(PyTorch's, ours): a small trained model and its optimizer."""
    torch.manual_seed(0)
    nn = torch.nn
    layers = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 3))
    optimizer = torch.optim.Adam(layers.parameters(), lr=0.02)
    layers(torch.randn(5, 1, 8, 8)).square().mean().backward()
    optimizer.step()
    own = dm.nn
    ours = own.Sequential(own.Conv2d(1, 4, 3, bias=False), own.BatchNorm2d(4), own.Flatten(), own.Linear(144, 3))
    return (layers, optimizer), (ours, dm.optim.Adam(ours.parameters()))


def test_a_checkpoint_moves_to_us_and_back_and_computes_the_same() -> None:
    (layers, optimizer), (ours, own) = twins()
    state = dm.load(file_of({"model": layers.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 4}), map_location="cpu")
    ours.load_state_dict(state["model"])
    own.load_state_dict(state["optimizer"])
    x = np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32)
    layers.eval(), ours.eval()
    np.testing.assert_allclose(ours(dm.tensor(x)).detach().numpy(), layers(torch.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-6)
    layers.train(), ours.train()
    for _ in range(2):  # the next steps are equal, too
        for model, rule, lib in ((layers, optimizer, torch), (ours, own, dm)):
            rule.zero_grad()
            model(lib.tensor(x)).square().mean().backward()
            rule.step()
    file = io.BytesIO()
    dm.save({"model": ours.state_dict(), "optimizer": own.state_dict()}, file)
    file.seek(0)
    back = torch.load(file, weights_only=True)
    for name, tensor in layers.state_dict().items():
        np.testing.assert_allclose(back["model"][name].double(), tensor.double(), rtol=1e-4, atol=1e-6)
    layers.load_state_dict(back["model"])
    optimizer.load_state_dict(back["optimizer"])


def test_one_object_that_is_named_twice_stays_one_and_paths_work(tmp_path: Path) -> None:
    tensor = torch.ones(3)
    torch.save([tensor, tensor, {"again": tensor}], tmp_path / "a.pt")
    first, second, group = dm.load(tmp_path / "a.pt")
    assert first is second is group["again"]
    dm.save([first, second], str(tmp_path / "b.pt"))
    one, other = torch.load(tmp_path / "b.pt", weights_only=True)
    assert one.data_ptr() == other.data_ptr()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.pt", "b.pt"]
    with pytest.raises(FileNotFoundError):
        dm.load(tmp_path / "none.pt")


class Harm:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.fault("S17")
def test_no_code_of_a_file_is_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    with pytest.raises(FormatError, match=r"the file asks for (posix|nt)\.mkdir, which is not data"):
        dm.load(file_of({"x": Harm(canary)}))
    assert not canary.exists()
    with pytest.raises(FormatError, match=r"torch\.nn\.modules\.linear\.Linear, .*Save model\.state_dict\(\) instead of the model"):
        dm.load(file_of(torch.nn.Linear(2, 2)))
    for name in ("builtins.eval", "distml_py.serialization.load", "torch._utils", "__builtin__.print"):
        module, _, word = name.rpartition(".")
        with pytest.raises(FormatError, match="which is not data"):
            pickles.read(f"c{module}\n{word}\n(S'1'\ntR.".encode(), {}, lambda place: place)


def records(**changed: bytes | None) -> io.BytesIO:
    """A checkpoint of one tensor with some of its records changed, or (None) left out."""
    whole = zipfile.ZipFile(file_of({"x": torch.ones(4)}))
    parts = {entry.filename.partition("/")[2]: whole.read(entry) for entry in whole.infolist()}
    names = {"pickle": "data.pkl", "data": "data/0"}
    parts |= {names.get(name, name): data for name, data in changed.items() if data is not None}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, data in parts.items():
            if changed.get(next((short for short, long in names.items() if long == name), name), b"") is not None:
                packed.writestr(f"archive/{name}", data)
    out.seek(0)
    return out


def deflated() -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("archive/data.pkl", b"\0" * 10_000_000)
    out.seek(0)
    return out


def safe() -> io.BytesIO:
    file = io.BytesIO()
    dm.save_file({"x": dm.ones(2)}, file)
    file.seek(0)
    return file


REFUSED: dict[str, tuple[Callable[[], io.BytesIO], str]] = {
    "text": (
        lambda: io.BytesIO(b"hello, I am no checkpoint"),
        "torch.load reads what torch.save wrote, a zip file; this one begins",
    ),
    "nothing": (lambda: io.BytesIO(), "torch.load reads what torch.save wrote"),
    "an old file": (lambda: file_of({"x": torch.ones(2)}, _use_new_zipfile_serialization=False), "PyTorch before 1.6"),
    "safetensors": (safe, "this is a safetensors file; read it with distml_py.load_file()"),
    "a zip bomb": (deflated, "is compressed, and torch.save stores records as they are"),
    "another zip": (lambda: records(pickle=None), "has no data.pkl"),
    "no storage": (lambda: records(data=None), "no record 'data/0'"),
    "a short storage": (lambda: records(data=b"\0" * 12), "storage 0 should hold 4 numbers of 4 bytes, it has 12 bytes"),
    "a cut pickle": (
        lambda: records(pickle=zipfile.ZipFile(records()).read("archive/data.pkl")[:-9]),
        "its pickle|the file's pickle",
    ),
    "complex numbers": (lambda: file_of({"x": torch.ones(2, dtype=torch.complex64)}), "ComplexFloatStorage are not possible here"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_are_refused_in_words(name: str) -> None:
    make, text = REFUSED[name]
    with pytest.raises(FormatError) as error:
        dm.load(make())
    assert any(part in str(error.value) for part in text.split("|")), str(error.value)


def test_a_tensor_beyond_its_storage_is_refused() -> None:
    text = zipfile.ZipFile(file_of({"x": torch.ones(4)[:2]})).read("archive/data.pkl")
    assert b"K\x02" in text
    with pytest.raises(FormatError, match="ends at number 8 of a storage of 4: the file is damaged"):
        dm.load(records(pickle=text.replace(b"K\x02\x85", b"K\x09\x85", 1)))


def test_big_endian_files_are_read() -> None:
    data = records(data=np.arange(4, dtype=">f4").tobytes(), byteorder=b"big")
    assert dm.load(data)["x"].tolist() == [0, 1, 2, 3]


def test_damaged_files_are_read_or_refused_and_nothing_else() -> None:
    data = file_of({**TENSORS, **PLAIN}).getvalue()
    chance = random.Random(0)
    outcomes: collections.Counter[str] = collections.Counter()
    for number in range(400):
        damaged = bytearray(data if number % 2 else data[: chance.randrange(len(data))])
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            dm.load(io.BytesIO(bytes(damaged)))
            outcomes["read"] += 1
        except DistmlError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 200
    inside = zipfile.ZipFile(io.BytesIO(data)).read("archive/data.pkl")  # past the zip's checksum
    for _ in range(400):
        broken = bytearray(inside)
        broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            dm.load(records(pickle=bytes(broken)))
        except DistmlError:
            outcomes["refused inside"] += 1
    assert outcomes["refused inside"] > 200


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (lambda: type("Local", (dm.nn.Module,), {})(), "define it at the top of a file, or save the model's state_dict()"),
        (lambda: {"f": len}, "torch.save writes tensors, arrays, numbers, text"),
        (lambda: np.array([None]), "torch.save: an array of object is not written; truths, integers and floats are"),
    ],
)
def test_what_cannot_be_written_is_said(obj: Callable[[], Any], text: str) -> None:
    with pytest.raises(FormatError) as error:
        dm.save(obj(), io.BytesIO())
    assert text in str(error.value)


ARRAYS = {
    "grid": np.arange(6.0).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype="<f4").reshape(2, 3)),
    "big": np.array([1, -2, 2**40], ">i8"),
    "truths": np.array([True, False]),
    "none": np.zeros((0, 3), np.float16),
    "one": np.float64(2.5),
}


def test_arrays_of_numpy_go_both_ways() -> None:
    stored, back = io.BytesIO(), io.BytesIO()
    torch.save(ARRAYS, stored)
    stored.seek(0)
    found = dm.load(stored)
    dm.save({name: np.asarray(array) for name, array in ARRAYS.items()}, back)
    back.seek(0)
    theirs = torch.load(back, weights_only=False)
    for name, array in ARRAYS.items():
        for other in (found[name], theirs[name]):
            np.testing.assert_array_equal(other, array)
            assert other.dtype == array.dtype.newbyteorder("=") and other.shape == array.shape
    theirs["grid"][0] = 9.0  # its own, and not locked


@pytest.mark.parametrize("array", [np.array([None]), np.array(["a"]), np.array([1j])])
def test_arrays_of_other_things_than_numbers_are_not_read(array: np.ndarray) -> None:
    stored = io.BytesIO()
    torch.save({"array": array}, stored)
    with pytest.raises(FormatError, match="the file holds an array of dtype|asks for"):
        dm.load(io.BytesIO(stored.getvalue()))


def test_files_of_safetensors_both_ways(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    known = {
        name: tensor.detach().contiguous() for name, tensor in TENSORS.items() if tensor.numel() and tensor.dtype != torch.int64
    }
    save_file({name: tensor.clone() for name, tensor in known.items()}, tmp_path / "a.safetensors")
    found = dm.load_file(tmp_path / "a.safetensors")
    for name, tensor in known.items():
        np.testing.assert_array_equal(np.asarray(found[name].numpy(), np.float64), tensor.double().numpy())
    dm.save_file({"x": found["plain"], "mask": found["bool"]}, tmp_path / "b.safetensors", {"about": "two tensors"})
    back = load_file(tmp_path / "b.safetensors")
    assert torch.equal(back["x"], GRID) and back["mask"].tolist() == [True, False]
    with pytest.raises(FormatError, match=r"zip file, as torch.save writes them; read it with distml_py.load\(\)"):
        dm.load_file(file_of(known))
    with pytest.raises(FormatError, match="'n' is int; see save_bundle"):
        dm.save_file({"n": 1}, tmp_path / "c.safetensors")
