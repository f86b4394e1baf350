"""torch.save and torch.load: checkpoints in PyTorch's zip format <-> dictionaries of tensors. No code of a file is ever run."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import nn
from ..constants import Size, dtype
from ..dtypes import BFLOAT16, BY_NAME, DType, dtype_of
from ..errors import FormatError
from ..tensor import Tensor
from ..tensor.device import device
from . import arrays, whole
from .archive import Archive, bytes_of, put, written
from .pickles import Call, Elsewhere, Name, read, write

# what PyTorch's storages hold; bfloat16 is the upper half of a float32
STORAGES: dict[str, str] = {
    "FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BFloat16Storage": "u2", "LongStorage": "i8",
    "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
WRITTEN = {
    "float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage", "bfloat16": "BFloat16Storage",
    "int64": "LongStorage", "int32": "IntStorage", "int16": "ShortStorage", "int8": "CharStorage", "uint8": "ByteStorage",
    "bool": "BoolStorage",
}  # fmt: skip
SAFETENSORS = b"{"  # the first byte after a safetensors file's length


class Storage(NamedTuple):
    """Numbers of a file, and the dtype that they are of where the array does not say it."""

    array: np.ndarray
    dtype: DType | None


class _Storages:
    """The records of a file as arrays, by key; each is read once."""

    def __init__(self, archive: Archive):
        self.archive = archive
        self.order = ">" if "byteorder" in archive.names() and archive.read("byteorder").strip() == b"big" else "<"
        self.known: dict[str, np.ndarray] = {}

    def __call__(self, place: Any) -> Storage:
        if not isinstance(place, tuple) or len(place) < 5 or place[0] != "storage" or not isinstance(place[1], Name):
            raise FormatError("the file's pickle asks for something outside itself that is no storage: it was not read")
        kind, key = place[1].name, str(place[2])
        if kind not in STORAGES:
            raise FormatError(f"tensors of {kind} are not possible here; cast them to float32 before they are saved")
        if key not in self.known:
            data = self.archive.read(f"data/{key}")
            form = np.dtype(self.order + STORAGES[kind])
            if len(data) % form.itemsize or len(data) // form.itemsize < int(place[4]):
                raise FormatError(
                    f"storage {key} should hold {place[4]} numbers of {form.itemsize} bytes, it has {len(data)} bytes"
                )
            found = np.frombuffer(data, form)
            self.known[key] = _widened(found) if kind == "BFloat16Storage" else found.astype(form.newbyteorder("="))
        return Storage(self.known[key], BFLOAT16 if kind == "BFloat16Storage" else None)


def _widened(halves: np.ndarray) -> np.ndarray:
    return (halves.astype(np.uint32) << 16).view(np.float32)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False, hooks: Any = None, *rest: Any) -> Tensor:
    """A tensor of its own from a part of a storage."""
    whole = (offset, *size, *stride)
    if not isinstance(storage, Storage) or len(size) != len(stride) or not all(type(n) is int and n >= 0 for n in whole):
        raise FormatError("a tensor of the file has no storage, or a shape that is none: it is damaged")
    kind, storage = storage.dtype, storage.array
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.size:
        raise FormatError(
            f"a tensor of shape {tuple(size)} ends at number {last} of a storage of {storage.size}: the file is damaged"
        )
    if 0 in size:
        found = np.zeros(size, storage.dtype)
    else:
        steps = tuple(step * storage.itemsize for step in stride)
        found = np.lib.stride_tricks.as_strided(storage[offset:], tuple(size), steps, writeable=False).copy()
    tensor = Tensor(found, kind)
    return tensor.requires_grad_() if requires_grad else tensor


def _parameter(data: Any, requires_grad: Any = True, hooks: Any = None, *rest: Any) -> nn.Parameter:
    if not isinstance(data, Tensor):
        raise FormatError("a parameter of the file is no tensor: it is damaged")
    return nn.Parameter(data.detach(), bool(requires_grad))


CALLS: dict[str, Callable[..., Any]] = {
    **arrays.CALLS,
    "collections.OrderedDict": lambda *pairs: OrderedDict(*pairs),
    "collections.Counter": lambda *counts: Counter(*counts),
    "builtins.set": lambda *values: set(*values),
    "__builtin__.set": lambda *values: set(*values),
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": lambda sizes: Size(sizes),
    "torch.device": lambda *names: device("cpu"),
    **{f"torch.{name}": lambda *_: _no_call() for name in STORAGES},
    "torch.ComplexFloatStorage": lambda *_: _no_call(),
    "torch.ComplexDoubleStorage": lambda *_: _no_call(),
}
ALONE: dict[str, Callable[..., Any]] = {str(name): whole.refused for name in (whole.MODULE, whole.NAMED)}
WHOLE: dict[str, Callable[..., Any]] = {str(whole.MODULE): whole.made, str(whole.NAMED): whole.read_name}
VALUES = {f"torch.{name}": kind for name, kind in BY_NAME.items()}


def _no_call() -> Any:
    raise FormatError("the file's pickle makes a storage by itself: it is of an old format, or damaged")


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **rest: Any,
) -> Any:
    """What torch.save wrote: dictionaries, lists and tuples of tensors, NumPy's arrays, numbers and text.

    f: a path or an open binary file. Tensors come to where new tensors are, whatever map_location says, in their
    dtypes; integers must fit into 32 bits; tensors that shared a storage have numbers of their own.
    weights_only=False also reads a whole module that torch.save of this library wrote, where its class is defined. Nothing of
    a file is ever run: what else it names is a FormatError that says the name.
    Raises FormatError for a damaged file, and for one that is none of PyTorch's; FileNotFoundError.
    """
    return loads(bytes_of(f, "torch.load"), weights_only is not False)


def loads(data: bytes, weights_only: bool = True) -> Any:
    """load() from the bytes of a file."""
    if data[8:9] == SAFETENSORS and not data.startswith(b"PK"):
        raise FormatError("this is a safetensors file; read it with distml_py.load_file()")
    if data[:1] == b"\x80":
        raise FormatError(
            "this is a file of PyTorch before 1.6, or a bare pickle: in PyTorch, torch.save(torch.load(old), new) makes a new one"
        )
    if not data.startswith(b"PK"):
        raise FormatError(f"torch.load reads what torch.save wrote, a zip file; this one begins with {data[:8]!r}")
    archive = Archive(data)
    if "data.pkl" not in archive.names():
        raise FormatError("the zip file has no data.pkl: it is a TorchScript or other archive, and no dictionary of weights")
    calls: dict[str, Callable[..., Any]] = {**CALLS, **(ALONE if weights_only else WHOLE)}
    return read(archive.read("data.pkl"), calls, _Storages(archive), VALUES)


def save(
    obj: Any, f: Any, pickle_module: Any = None, pickle_protocol: int = 2, _use_new_zipfile_serialization: bool = True
) -> None:
    """Tensors, and dictionaries, lists and tuples of them, of numbers and text, in the format that PyTorch's torch.load reads.

    f: a path or an open binary file. A whole model is written, too, for load(f, weights_only=False) of this library alone: its
    class by name, and its attributes. PyTorch reads model.state_dict(). Raises FormatError for what cannot be written.
    """
    put(dumps(obj), f, "torch.save")


def dumps(obj: Any) -> bytes:
    """The bytes of save()."""
    records: dict[str, bytes] = {}
    open_now: set[int] = set()

    def said(value: Any) -> Any:
        if isinstance(value, Tensor):
            return _written(value, records)
        if isinstance(value, nn.Module):
            if id(value) in open_now:
                raise FormatError(f"torch.save: the {type(value).__name__} holds itself; save its state_dict()")
            open_now.add(id(value))
            return whole.written(value)
        return _plain(value)

    pickle = write(obj, said)
    return written({"data.pkl": pickle, "byteorder": b"little", **records, "version": b"3\n"})


def _written(tensor: Tensor, records: dict[str, bytes]) -> Call:
    kind = WRITTEN[tensor.dtype.name]
    array = np.asarray((tensor.float() if tensor.dtype is BFLOAT16 else tensor).detach().numpy())
    if tensor.dtype is BFLOAT16:
        array = (array.view(np.uint32) >> 16).astype(np.uint16)
    key = str(len(records))
    records[f"data/{key}"] = np.ascontiguousarray(array, "<" + STORAGES[kind] if kind != "BoolStorage" else "?").tobytes()
    place = Elsewhere(("storage", Name("torch", kind), key, "cpu", array.size))
    strides = tuple(math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim))
    is_parameter = isinstance(tensor, nn.Parameter)
    wanted = bool(tensor.requires_grad)
    hooks = Call(Name("collections", "OrderedDict"), ())
    shape = tuple(int(size) for size in array.shape)
    arguments = (place, 0, shape, strides, wanted and not is_parameter, hooks)
    made = Call(Name("torch._utils", "_rebuild_tensor_v2"), arguments)
    return Call(Name("torch._utils", "_rebuild_parameter"), (made, wanted, hooks)) if is_parameter else made


def _plain(value: Any) -> Any:
    """What is written for an object of ours, or of NumPy."""
    if isinstance(value, (np.bool_, np.number)):
        return value.item()
    if isinstance(value, np.ndarray):
        return arrays.written(value)
    if isinstance(value, device):
        return Call(Name("torch", "device"), ("cpu",))
    if isinstance(value, (dtype, np.dtype)):
        return Name("torch", dtype_of(value).name)
    name = whole.named(value)
    if name is not None:
        return name
    raise FormatError(
        "torch.save writes tensors, arrays, numbers, text, None and dictionaries, lists and tuples of them; got "
        f"{type(value).__name__}. Of a model save its state_dict()"
    )
