"""The same numbers in another dtype, or on a device; and what PyTorch's users ask about a tensor's storage."""

from __future__ import annotations

from typing import Any

from .. import broadcast, graph, ops
from ..errors import BackendError
from ..op import bool_, float32, float64, int32
from ..ops.elementwise import cast
from . import device as devices
from . import sharing
from .host_data import float16, resolve, uint8
from .tensor import Tensor, made, method


@method
def to(
    input: Tensor, *args: Any, dtype: Any = None, device: Any = None, non_blocking: Any = False, copy: Any = False, **_: Any
) -> Tensor:
    """to(dtype), to(device), to(device, dtype), to(other): the numbers in another dtype; fractions are cut off towards zero.

    Devices are checked; everything stays on the current backend.
    """
    for given in args:
        if isinstance(given, Tensor):
            dtype = given.dtype
        elif isinstance(given, devices.device) or (isinstance(given, str) and given.partition(":")[0] not in _DTYPE_NAMES):
            device = given
        elif not isinstance(given, bool_type):
            dtype = given
    devices.check(device)
    if dtype is None:
        return input.clone() if copy else input
    if dtype == uint8 and input.dtype != bool_:
        return (input if input.dtype == int32 else made(cast(input._node, int32), input)) & 255
    dtype = resolve(dtype)
    if dtype == input.dtype:
        return input.clone() if copy else input
    return made(cast(input._node, dtype), input)


bool_type = bool
_DTYPE_NAMES = frozenset(("float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool"))


@method
def type_as(input: Tensor, other: Tensor) -> Tensor:
    return input.to(other.dtype)


@method
def type(input: Tensor, dtype: Any = None, non_blocking: Any = False) -> Any:
    """PyTorch's name of the kind of tensor, or the numbers in a dtype."""
    names = {float32: "torch.FloatTensor", float64: "torch.DoubleTensor", int32: "torch.LongTensor", bool_: "torch.BoolTensor"}
    if dtype is None:
        return names[input.dtype]
    kinds = {name: kind for kind, name in names.items()} | {"torch.IntTensor": int32}
    return input.to(kinds.get(dtype, dtype) if isinstance(dtype, str) else dtype)


@method
def float(input: Tensor) -> Tensor:
    return input.to(float32)


@method
def double(input: Tensor) -> Tensor:
    return input.to(float64)


@method
def half(input: Tensor) -> Tensor:
    """Raises DtypeError: there is no float16 here."""
    return input.to(float16)


@method
def int(input: Tensor) -> Tensor:
    return input.to(int32)


@method
def long(input: Tensor) -> Tensor:
    """int32: the widest integer here."""
    return input.to(int32)


short, char = method(long, "short"), method(long, "char")


@method
def byte(input: Tensor) -> Tensor:
    """0 to 255, kept as int32."""
    return input.to(uint8)


@method
def bool(input: Tensor) -> Tensor:
    return input.to(bool_)


# ---------------------------------------------------------------- devices and storage


@method
def cpu(input: Tensor) -> Tensor:
    """The tensor itself: numpy() and tolist() bring its numbers to the host."""
    return input


@method
def cuda(input: Tensor, device: Any = None, non_blocking: bool_type = False) -> Tensor:
    """Raises BackendError: there is no CUDA here."""
    raise BackendError("there is no CUDA here; leave .cuda() away or use .to('webgl'), torch.cuda.is_available() is False")


@method
def pin_memory(input: Tensor) -> Tensor:
    return input


@method
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """Another tensor with the same numbers; gradients pass through."""
    return made(graph.apply(ops.RESHAPE, input._node, attrs=(input.shape,)), input)


@method
def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """input itself, or a copy of a view whose numbers are not in row-major order."""
    return input if sharing.is_contiguous(input) else clone(input)


@method
def is_contiguous(input: Tensor, memory_format: Any = None) -> bool_type:
    """Whether PyTorch's strides would be row-major. What is no view always is."""
    return sharing.is_contiguous(input)


@method
def stride(input: Tensor, dim: Any = None) -> Any:
    """How many numbers apart neighbours along each dimension are, in the storage of what this is a view of."""
    found = sharing.strides_of(input)[0]
    return found if dim is None else found[broadcast.axis_of(dim, input.ndim, "stride")]


@method
def storage_offset(input: Tensor) -> Any:
    """Where the first number is in the storage of what this is a view of."""
    return sharing.strides_of(input)[1]


@method
def element_size(input: Tensor) -> Any:
    """Bytes a number takes."""
    return 1 if input.dtype == bool_ else input.dtype.itemsize


@method
def nelement(input: Tensor) -> Any:
    return input.numel()


@method
def ndimension(input: Tensor) -> Any:
    return input.ndim


@method
def is_complex(input: Tensor) -> bool_type:
    return False


@method
def is_signed(input: Tensor) -> bool_type:
    return input.dtype != bool_


@method
def get_device(input: Tensor) -> Any:
    return -1
