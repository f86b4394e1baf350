"""The same numbers in another dtype, or on a device; and what PyTorch's users ask about a tensor's storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import broadcast, dtypes, graph, ops
from ..dtypes import DType, dtype_of
from ..errors import AbsentDeviceError, ArgumentError, ShapeError
from . import device as devices
from . import sharing
from .grad_mode import is_grad_enabled
from .tensor import Tensor, in_dtype, made, method


@method
def to(
    input: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: Any = False,
    copy: Any = False,
    memory_format: Any = None,
) -> Tensor:
    """to(dtype), to(device), to(device, dtype), to(other): the numbers in another dtype; fractions are cut off towards zero.

    Devices are checked; everything stays on the current backend. memory_format: see contiguous().
    """
    for given in args:
        if isinstance(given, Tensor):
            dtype = given.dtype
        elif isinstance(given, (devices.device, str)):
            device = given
        elif not isinstance(given, bool_type):
            dtype = given
    devices.check(device)
    if memory_format is not None:
        return _in_format(input.to(dtype, copy=copy) if dtype is not None or copy else input, memory_format, fresh=True)
    if dtype is None:
        return input.clone() if copy else input
    kind = dtype_of(dtype)
    if kind is input.dtype:
        return input.clone() if copy else input
    node, name = in_dtype(input._node, kind)
    found = Tensor(node)
    found._kind = name
    if input._requires_grad and not is_grad_enabled():
        found._node = graph.apply(ops.DETACH, node)
    elif input._requires_grad and kind.is_floating_point:
        found._requires_grad = True
    return found


bool_type = bool
int_type = int
type_ = type


@method
def type_as(input: Tensor, other: Tensor) -> Tensor:
    return input.to(other.dtype)


TYPES = {
    "float32": "torch.FloatTensor",
    "float64": "torch.DoubleTensor",
    "float16": "torch.HalfTensor",
    "bfloat16": "torch.BFloat16Tensor",
    "int64": "torch.LongTensor",
    "int32": "torch.IntTensor",
    "int16": "torch.ShortTensor",
    "int8": "torch.CharTensor",
    "uint8": "torch.ByteTensor",
    "bool": "torch.BoolTensor",
}


@method
def type(input: Tensor, dtype: Any = None, non_blocking: Any = False) -> Any:
    """PyTorch's name of the kind of tensor, or the numbers in a dtype."""
    if dtype is None:
        return TYPES[input.dtype.name]
    kinds = {name: kind for kind, name in TYPES.items()}
    if isinstance(dtype, type_):  # FloatTensor and the like
        dtype = getattr(dtype, "dtype", dtype)
    if isinstance(dtype, str) and dtype not in kinds:
        raise ArgumentError(f"invalid type: {dtype!r}; a tensor's type is one of {', '.join(kinds)}")
    return input.to(dtypes.BY_NAME[kinds[dtype]] if isinstance(dtype, str) else dtype)


def _as(name: str, kind: DType) -> Callable[..., Tensor]:
    def change(input: Tensor, *, memory_format: Any = None) -> Tensor:
        return to(input, kind, memory_format=memory_format)

    change.__doc__ = f"The numbers in {kind.name}."
    change.__name__ = name
    return method(change, name)


float = _as("float", dtypes.FLOAT32)
double = _as("double", dtypes.FLOAT64)
half = _as("half", dtypes.FLOAT16)
bfloat16 = _as("bfloat16", dtypes.BFLOAT16)
int = _as("int", dtypes.INT32)
long = _as("long", dtypes.INT64)
short = _as("short", dtypes.INT16)
char = _as("char", dtypes.INT8)
byte = _as("byte", dtypes.UINT8)
bool = _as("bool", dtypes.BOOL)


# ---------------------------------------------------------------- devices and storage


@method
def cpu(input: Tensor) -> Tensor:
    """The tensor itself: numpy() and tolist() bring its numbers to the host."""
    return input


@method
def cuda(input: Tensor, device: Any = None, non_blocking: bool_type = False) -> Tensor:
    """Raises BackendError: there is no CUDA here."""
    raise AbsentDeviceError("there is no CUDA here; leave .cuda() away or use .to('webgl'), torch.cuda.is_available() is False")


@method
def pin_memory(input: Tensor) -> Tensor:
    return input


@method
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """Another tensor with the same numbers; gradients pass through. It is row-major unless memory_format says otherwise."""
    found = made(graph.apply(ops.RESHAPE, input._node, attrs=(input.shape,)), input)
    return found if memory_format is None else _in_format(found, memory_format)


@method
def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """input itself, or a copy of a view whose numbers are not in row-major order.

    memory_format=channels_last: a view whose strides are PyTorch's. What is computed of it is row-major again, unlike there.
    """
    return _in_format(input, "contiguous_format" if memory_format is None else memory_format)


@method
def is_contiguous(input: Tensor, memory_format: Any = None) -> bool_type:
    """Whether PyTorch's strides would be row-major, or have the channels last. What is no view is row-major."""
    return sharing.is_contiguous(input, _order_of(input, memory_format))


CHANNELS_LAST = {"channels_last": (0, 2, 3, 1), "channels_last_3d": (0, 2, 3, 4, 1)}


def _order_of(input: Tensor, memory_format: Any) -> tuple[int_type, ...]:
    """The dimensions as they lie in storage, the last one densest; none where a format is for another number of them."""
    order = CHANNELS_LAST.get(memory_format, tuple(range(input.ndim)))
    return order if len(order) == input.ndim else ()


def _in_format(input: Tensor, memory_format: Any, fresh: bool_type = False) -> Tensor:
    """fresh: what is row-major and has the channels last, of one channel say, is another tensor with them last: PyTorch's to()."""
    order = _order_of(input, memory_format)
    if len(order) != input.ndim:
        raise ShapeError(
            f"required rank {len(CHANNELS_LAST[memory_format])} tensor to use {memory_format:s} format, got {input.shape}"
        )
    last = memory_format in CHANNELS_LAST
    if memory_format == "preserve_format" or sharing.is_contiguous(input, order):
        return clone(input) if fresh and last and sharing.is_contiguous(input) else input
    return clone(input.movedim(1, -1)).movedim(-1, 1) if last else clone(input)


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
    return input.dtype.itemsize


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
    return input.dtype.is_signed


@method
def get_device(input: Tensor) -> Any:
    return -1


@method
def is_pinned(input: Tensor) -> bool_type:
    return False


@method
def is_inference(input: Tensor) -> bool_type:
    """False: what is made in inference_mode() may be used anywhere."""
    return False


@method
def is_distributed(input: Tensor) -> bool_type:
    return False


@method
def is_shared(input: Tensor) -> bool_type:
    """False: workers are other tabs."""
    return False


def typename(obj: Any) -> str:
    """PyTorch's name of the kind of a tensor, or an object's class."""
    if isinstance(obj, Tensor):
        found: str = obj.type()
        return found
    return f"{obj.__class__.__module__}.{obj.__class__.__qualname__}"
