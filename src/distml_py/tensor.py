"""Tensor: PyTorch's words for nodes. A tensor is a name that can be moved to another node; nodes never change."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import broadcast, engine, graph, indexing, live, ops
from .autograd import gradients, order
from .backends.protocol import Pending
from .broadcast import Number
from .errors import DtypeError, GradientError, ShapeError
from .graph import Node
from .op import DTYPES, Op, bool_, float32, float64, int32
from .ops.elementwise import cast
from .view import Shape

_grad_enabled = [True]  # what may change in this module, in one place


@contextmanager
def no_grad() -> Iterator[None]:
    """Tensors made inside take no part in gradients."""
    _grad_enabled.append(False)
    try:
        yield
    finally:
        _grad_enabled.pop()


def is_grad_enabled() -> bool:
    return _grad_enabled[-1]


def host_data(data: Any, dtype: np.dtype[Any] | None = None) -> np.ndarray:
    """Python numbers, lists or a NumPy array as a C-contiguous copy in one of our dtypes.

    Without dtype: bool stays, integers become int32, floats float32 (a float64 array stays float64).
    Raises DtypeError for other kinds and for integers beyond 32 bits.
    """
    array = np.asarray(data)
    if dtype is None:
        kinds = {"b": bool_, "i": int32, "u": int32, "f": float32}
        if array.dtype.kind not in kinds:
            raise DtypeError(f"a tensor holds numbers or booleans, got {array.dtype}; convert the data first")
        dtype = float64 if array.dtype == float64 and isinstance(data, (np.ndarray, np.generic)) else kinds[array.dtype.kind]
    if np.dtype(dtype) not in DTYPES:
        raise DtypeError(f"dtype {dtype} is not supported; use float32, float64, int32 or bool")
    wide = array.dtype.kind in "iu" and dtype == int32 and array.dtype.itemsize >= 4
    if wide and array.size and not (-(2**31) <= int(array.min()) and int(array.max()) < 2**31):
        raise DtypeError(f"integers are 32 bits wide here, found {array.min()} to {array.max()}; use float32")
    return np.array(array, dtype=dtype, order="C", copy=True)


class Later:
    """A number on its way from the device."""

    __slots__ = ("_pending",)

    def __init__(self, pending: Pending):
        self._pending = pending

    def ready(self) -> bool:
        """Whether result() would not wait."""
        return self._pending.ready()

    def result(self) -> Any:
        return self._pending.result().reshape(()).item()


class Tensor:
    """data: numbers, nested lists, a NumPy array or a Node. dtype: see host_data.

    Only floating-point tensors can require gradients.
    """

    __slots__ = ("__weakref__", "_grad", "_node", "_requires_grad")
    __hash__ = object.__hash__
    __array_ufunc__ = None  # NumPy leaves `array * tensor` to the tensor

    def __init__(self, data: Any, dtype: np.dtype[Any] | None = None, requires_grad: bool = False):
        if isinstance(data, Tensor):
            data = _outside(data._node)
        if not isinstance(data, Node):
            array = host_data(data, dtype)
            data = graph.leaf(array, array.shape, array.dtype)
        elif dtype is not None:
            data = cast(data, np.dtype(dtype))
        self._node: Node = data
        self._grad: Tensor | None = None
        self._requires_grad = False
        if live.state.recorder is not None:
            live.state.recorder.born(self)
        if requires_grad:
            self.requires_grad_()

    # ------------------------------------------------------------ what it is

    @property
    def shape(self) -> Shape:
        return self._node.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._node.dtype

    @property
    def ndim(self) -> int:
        return len(self._node.shape)

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, requires_grad: bool) -> None:
        self.requires_grad_(requires_grad)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward() left here."""
        if live.state.recorder is not None:
            live.state.recorder.grad_read(self)
        return self._grad

    @grad.setter
    def grad(self, grad: Tensor | None) -> None:
        if live.state.recorder is not None:
            live.state.recorder.grad_set(self)
        self._grad = grad

    @property
    def is_leaf(self) -> bool:
        return not self.requires_grad or (self._node.owner is not None and self._node.owner() is self)

    @property
    def node(self) -> Node:
        """The graph behind this tensor."""
        return self._node

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        with no_grad():
            self.copy_(value)

    def dim(self) -> int:
        return self.ndim

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[broadcast.axis_of(dim, self.ndim, "size")]

    def numel(self) -> int:
        return self._node.size

    def is_floating_point(self) -> bool:
        return self.dtype in (float32, float64)

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("len() of a 0-d tensor; use .item() for its number")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[n] for n in range(len(self)))

    def __repr__(self) -> str:
        text = np.array2string(self.numpy(), separator=", ", precision=4, threshold=100, prefix="tensor(")
        extra = "" if self.dtype in (float32, bool_) else f", dtype={self.dtype.name}"
        return f"tensor({text}{extra}{', requires_grad=True' if self.requires_grad else ''})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    # ------------------------------------------------------------ its numbers

    def numpy(self) -> np.ndarray:
        """A copy of the numbers on the host; computes them first."""
        return engine.fetch(self._node)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def tolist(self) -> Any:
        return self.numpy().tolist()

    def item(self) -> Any:
        """The number of a tensor that holds one. Raises ShapeError otherwise."""
        if self.numel() != 1:
            raise ShapeError(f"item() needs one element, got shape {self.shape}; use .tolist() or reduce first")
        return self.numpy().reshape(()).item()

    def item_later(self) -> Later:
        """The number of a tensor that holds one, without waiting for it: .ready(), .result(). Raises ShapeError otherwise."""
        if self.numel() != 1:
            raise ShapeError(f"item_later() needs one element, got shape {self.shape}; reduce first")
        return Later(engine.fetch_later(self._node))

    def realize(self) -> Tensor:
        """Compute now. Returns self."""
        engine.realize([self._node])
        return self

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise ShapeError(f"the truth of a tensor of shape {self.shape} is ambiguous; use .all() or .any()")
        return bool(self.item())

    # ------------------------------------------------------------ gradients

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for the gradient of this leaf, or no longer. Raises GradientError for integers and computed tensors."""
        if requires_grad == self._requires_grad:
            return self
        if requires_grad and not self.is_floating_point():
            raise GradientError(f"only floating-point tensors have gradients, this one is {self.dtype.name}")
        if not self.is_leaf:
            raise GradientError("only a leaf can stop to require grad, this tensor was computed; use .detach()")
        if live.state.recorder is not None:
            live.state.recorder.moved(self)
        self._requires_grad = requires_grad
        self._node = _outside(self._node)
        self._node.owner = weakref.ref(self) if requires_grad else None
        return self

    def detach(self) -> Tensor:
        """The same numbers, outside the gradient's graph."""
        return Tensor(graph.apply(ops.DETACH, self._node))

    def backward(self, gradient: Tensor | None = None) -> None:
        """Add d(self)/d(leaf) to .grad of every leaf that requires it.

        gradient: of self's shape; 1 for a tensor with one element. Raises GradientError.
        """
        if not self.requires_grad:
            raise GradientError("backward() of a tensor that no leaf with requires_grad=True leads to")
        leaves = [node for node in order([self._node]) if node.owner is not None]
        owners = [node.owner() for node in leaves if node.owner is not None]
        for leaf, found in zip(owners, self._gradients(gradient, leaves), strict=True):
            if leaf is not None and found is not None:
                total = found if leaf.grad is None else leaf.grad._node + found
                leaf.grad = Tensor(graph.apply(ops.DETACH, total))
        engine.keep(self._node)

    def _gradients(self, gradient: Tensor | None, leaves: Sequence[Node]) -> list[Node | None]:
        if gradient is None and self.numel() != 1:
            raise GradientError(f"backward() without a gradient needs one element, got shape {self.shape}; sum it first")
        if gradient is not None and gradient.shape != self.shape:
            raise ShapeError(f"the gradient has shape {gradient.shape}, the tensor {self.shape}")
        seed = graph.full(1, self.shape, self.dtype) if gradient is None else gradient._node
        return gradients(self._node, seed, leaves)

    def _settle(self) -> None:
        """Forget how a realized, detached value was made: its history would otherwise live as long as it does."""
        if self._node.buffer is not None and self._node.inputs:
            owner = self._node.owner
            self._node = _same_data(self._node)
            self._node.owner = owner

    def _house(self, home: Tensor, spot: Any) -> None:
        """Become a part of home's numbers as they are now, a leaf as before; see atlas.Atlas."""
        if live.state.recorder is not None:
            live.state.recorder.moved(self)
            live.state.recorder.housed(self, home)
        owner, shape = self._node.owner, self._node.shape
        self._node = graph.apply(ops.PART, home._node, attrs=(spot, shape))
        self._node.owner = owner

    def _convert(self, dtype: np.dtype[Any]) -> None:
        """Become the same numbers in another dtype, a leaf as before; its gradient is dropped."""
        owner = self._node.owner
        array = self.numpy().astype(dtype)
        self._node = graph.leaf(array, array.shape, array.dtype)
        self._node.owner = owner
        self.grad = None

    def _renew(self, value: Tensor) -> None:
        """Become value, outside the gradient's graph and with the next realization; no history is left after it."""
        self._node = graph.apply(ops.DETACH, cast(value._node, self.dtype))
        engine.keep(self._node)

    # ------------------------------------------------------------ in place: the name moves, old nodes stay

    def _move_to(self, value: Tensor) -> Tensor:
        """Become value, of this shape and kind of number. A leaf that requires grad stays one; others join value's graph."""
        if self.requires_grad and self.is_leaf and is_grad_enabled():
            raise GradientError("a leaf that requires grad was changed in place; do it under no_grad()")
        if self.requires_grad and not self.is_leaf and not is_grad_enabled():
            raise GradientError("a tensor computed from one that requires grad was changed under no_grad(); use .detach()")
        if value.shape != self.shape:
            raise ShapeError(f"in place, the shape {self.shape} must stay, the result has {value.shape}")
        if value.dtype.kind != self.dtype.kind and DTYPES.index(value.dtype) > DTYPES.index(self.dtype):
            raise DtypeError(f"in place, {self.dtype.name} must stay, the result is {value.dtype.name}; convert first")
        if live.state.recorder is not None:
            live.state.recorder.moved(self)
        owner, node = self._node.owner, cast(value._node, self.dtype)
        if owner is not None:
            self._node = graph.apply(ops.DETACH, node)
        else:  # a node of its own all the same: value's may be a leaf, with an owner
            self._node = graph.apply(ops.RESHAPE, node, attrs=(self.shape,))
        self._node.owner = owner
        self._requires_grad = owner is not None or value.requires_grad
        return self

    def copy_(self, source: Tensor | Number) -> Tensor:
        """Take over source's numbers, broadcast to this shape."""
        if not isinstance(source, Tensor):
            return self.fill_(source)
        if broadcast.common_shape("copy_", self.shape, source.shape) != self.shape:
            raise ShapeError(f"copy_: {source.shape} does not broadcast to {self.shape}")
        return self._move_to(made(broadcast.to_shape(cast(source._node, self.dtype), self.shape), source))

    def zero_(self) -> Tensor:
        return self.fill_(0)

    def fill_(self, value: Number) -> Tensor:
        return self._move_to(Tensor(graph.full(value, self.shape, self.dtype)))

    def add_(self, other: Tensor | Number, alpha: float = 1) -> Tensor:
        return self._move_to(self + (other if alpha == 1 else other * alpha))

    def sub_(self, other: Tensor | Number, alpha: float = 1) -> Tensor:
        return self._move_to(self - (other if alpha == 1 else other * alpha))

    def mul_(self, other: Tensor | Number) -> Tensor:
        return self._move_to(self * other)

    def div_(self, other: Tensor | Number) -> Tensor:
        return self._move_to(self / other)

    __iadd__, __isub__, __imul__, __itruediv__ = add_, sub_, mul_, div_

    # ------------------------------------------------------------ arithmetic

    def __add__(self, other: Tensor | Number) -> Tensor:
        return _binary(ops.ADD, self, other)

    def __radd__(self, other: Number) -> Tensor:
        return _binary(ops.ADD, other, self)

    def __sub__(self, other: Tensor | Number) -> Tensor:
        return _binary(ops.SUB, self, other)

    def __rsub__(self, other: Number) -> Tensor:
        return _binary(ops.SUB, other, self)

    def __mul__(self, other: Tensor | Number) -> Tensor:
        return _binary(ops.MUL, self, other)

    def __rmul__(self, other: Number) -> Tensor:
        return _binary(ops.MUL, other, self)

    def __truediv__(self, other: Tensor | Number) -> Tensor:
        return _binary(ops.DIV, self, other, floating=True)

    def __rtruediv__(self, other: Number) -> Tensor:
        return _binary(ops.DIV, other, self, floating=True)

    def __floordiv__(self, other: Tensor | Number) -> Tensor:
        return _binary(ops.FLOOR_DIVIDE, self, other)

    def __rfloordiv__(self, other: Number) -> Tensor:
        return _binary(ops.FLOOR_DIVIDE, other, self)

    def __mod__(self, other: Tensor | Number) -> Tensor:
        return _binary(ops.REMAINDER, self, other)

    def __rmod__(self, other: Number) -> Tensor:
        return _binary(ops.REMAINDER, other, self)

    def __pow__(self, other: Tensor | Number) -> Tensor:
        """Integers stay integers for exponents 0 to 31; otherwise the result is floating-point."""
        if isinstance(other, int) and 0 < other <= (4 if self.is_floating_point() else 31):
            return math.prod([self] * (other - 1), start=self)  # products: exact for negative bases, cheap
        if isinstance(other, int) and other == 0 and not self.is_floating_point():
            return self * 0 + 1
        return _binary(ops.POW, self, other, floating=True)

    def __rpow__(self, other: Number) -> Tensor:
        return _binary(ops.POW, other, self, floating=True)

    def __neg__(self) -> Tensor:
        return _unary(ops.NEG, self)

    def __abs__(self) -> Tensor:
        return self.abs()

    def __invert__(self) -> Tensor:
        return self.logical_not()

    def __and__(self, other: Tensor | bool) -> Tensor:
        return _binary(ops.LOGICAL_AND, self, other, dtype=bool_)

    def __or__(self, other: Tensor | bool) -> Tensor:
        return _binary(ops.LOGICAL_OR, self, other, dtype=bool_)

    __rand__, __ror__ = __and__, __or__

    def __eq__(self, other: object) -> Any:
        return _binary(ops.EQ, self, other) if isinstance(other, (Tensor, int, float)) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return _binary(ops.NE, self, other) if isinstance(other, (Tensor, int, float)) else NotImplemented

    def __lt__(self, other: Tensor | Number) -> Tensor:
        return _binary(ops.LT, self, other)

    def __le__(self, other: Tensor | Number) -> Tensor:
        return _binary(ops.LE, self, other)

    def __gt__(self, other: Tensor | Number) -> Tensor:
        return _binary(ops.GT, self, other)

    def __ge__(self, other: Tensor | Number) -> Tensor:
        return _binary(ops.GE, self, other)

    def __matmul__(self, other: Tensor) -> Tensor:
        return matmul(self, other)

    add, sub, mul, div, pow = __add__, __sub__, __mul__, __truediv__, __pow__
    eq, ne, lt, le, gt, ge = __eq__, __ne__, __lt__, __le__, __gt__, __ge__
    matmul = __matmul__

    def neg(self) -> Tensor:
        return -self

    def exp(self) -> Tensor:
        return _unary(ops.EXP, self, floating=True)

    def log(self) -> Tensor:
        return _unary(ops.LOG, self, floating=True)

    def sqrt(self) -> Tensor:
        return _unary(ops.SQRT, self, floating=True)

    def rsqrt(self) -> Tensor:
        return self.sqrt().reciprocal()

    def reciprocal(self) -> Tensor:
        return _unary(ops.RECIPROCAL, self, floating=True)

    def sin(self) -> Tensor:
        return _unary(ops.SIN, self, floating=True)

    def cos(self) -> Tensor:
        return _unary(ops.COS, self, floating=True)

    def tanh(self) -> Tensor:
        return _unary(ops.TANH, self, floating=True)

    def sigmoid(self) -> Tensor:
        return _unary(ops.SIGMOID, self, floating=True)

    def erf(self) -> Tensor:
        return _unary(ops.ERF, self, floating=True)

    def relu(self) -> Tensor:
        return _unary(ops.RELU, self)

    def abs(self) -> Tensor:
        return _unary(ops.ABS, self)

    def sign(self) -> Tensor:
        return _unary(ops.SIGN, self)

    def floor(self) -> Tensor:
        return _unary(ops.FLOOR, self)

    def square(self) -> Tensor:
        return self * self

    def logical_not(self) -> Tensor:
        return _unary(ops.LOGICAL_NOT, self.bool())

    def isfinite(self) -> Tensor:
        return _unary(ops.ISFINITE, self, floating=True)

    def maximum(self, other: Tensor) -> Tensor:
        return _binary(ops.MAXIMUM, self, other)

    def minimum(self, other: Tensor) -> Tensor:
        return _binary(ops.MINIMUM, self, other)

    def clamp(self, min: Number | None = None, max: Number | None = None) -> Tensor:
        """Limited to [min, max]; the gradient is 1 inside and on the limits, 0 outside, as in PyTorch."""
        if min is None and max is None:
            raise DtypeError("clamp needs min, max or both")
        out = self
        if min is not None:
            out = where(out < min, min, out)
        if max is not None:
            out = where(out > max, max, out)
        return out

    def masked_fill(self, mask: Tensor, value: Number) -> Tensor:
        return where(mask, value, self)

    # ------------------------------------------------------------ dtype

    def to(self, dtype: np.dtype[Any]) -> Tensor:
        """The numbers in another dtype; fractions are cut off, towards zero, on the way to int32."""
        dtype = np.dtype(dtype)
        if dtype not in DTYPES:
            raise DtypeError(f"dtype {dtype} is not supported; use float32, float64, int32 or bool")
        return self if dtype == self.dtype else made(cast(self._node, dtype), self)

    def float(self) -> Tensor:
        return self.to(float32)

    def double(self) -> Tensor:
        return self.to(float64)

    def int(self) -> Tensor:
        return self.to(int32)

    def long(self) -> Tensor:
        """int32: the widest integer here."""
        return self.to(int32)

    def bool(self) -> Tensor:
        return self.to(bool_)

    # ------------------------------------------------------------ shape

    def reshape(self, *shape: Any) -> Tensor:
        new = broadcast.filled_in(_listed(shape), self.numel(), "reshape")
        return self if new == self.shape else made(graph.apply(ops.RESHAPE, self._node, attrs=(new,)), self)

    view = reshape

    def flatten(self, start_dim: Any = 0, end_dim: Any = -1) -> Tensor:
        first = broadcast.axis_of(start_dim, self.ndim, "flatten")
        last = broadcast.axis_of(end_dim, self.ndim, "flatten")
        if first > last:
            raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
        return self.reshape(*self.shape[:first], math.prod(self.shape[first : last + 1]), *self.shape[last + 1 :])

    def permute(self, *dims: Any) -> Tensor:
        given = _listed(dims)
        axes = tuple(broadcast.axis_of(dim, self.ndim, "permute") for dim in given)
        if sorted(axes) != list(range(self.ndim)):
            raise ShapeError(f"permute needs each of {self.ndim} dimensions once, got {tuple(given)}")
        return made(graph.apply(ops.PERMUTE, self._node, attrs=(axes,)), self)

    def transpose(self, dim0: Any, dim1: Any) -> Tensor:
        axes = list(range(self.ndim))
        one, two = (broadcast.axis_of(dim, self.ndim, "transpose") for dim in (dim0, dim1))
        if axes:
            axes[one], axes[two] = axes[two], axes[one]
        return self.permute(*axes)

    def t(self) -> Tensor:
        if self.ndim > 2:
            raise ShapeError(f"t() takes at most 2 dimensions, got shape {self.shape}; use .transpose(dim0, dim1)")
        return self.permute(*reversed(range(self.ndim)))

    @property
    def T(self) -> Tensor:
        return self.permute(*reversed(range(self.ndim)))

    @property
    def mT(self) -> Tensor:
        return self.transpose(-2, -1)

    def squeeze(self, dim: Any = None) -> Tensor:
        axes = broadcast.axes_of(dim, self.ndim, "squeeze")
        return self.reshape(*(size for axis, size in enumerate(self.shape) if not (axis in axes and size == 1)))

    def unsqueeze(self, dim: Any) -> Tensor:
        axis = broadcast.axis_of(dim, self.ndim + 1, "unsqueeze")
        return self.reshape(*self.shape[:axis], 1, *self.shape[axis:])

    def expand(self, *sizes: Any) -> Tensor:
        """-1 keeps a size. Raises ShapeError when a size that is not 1 would change."""
        given = _listed(sizes)
        known = (1,) * (len(given) - self.ndim) + self.shape
        shape = tuple(old if new == -1 else int(new) for old, new in zip(known, given, strict=False))
        if len(known) != len(given) or any(old not in (1, new) for old, new in zip(known, shape, strict=True)):
            raise ShapeError(f"expand: {self.shape} does not expand to {tuple(given)}")
        return made(broadcast.to_shape(self._node, shape), self)

    broadcast_to = expand

    def contiguous(self) -> Tensor:
        return self

    def flip(self, *dims: Any) -> Tensor:
        node = self._node
        for axis in broadcast.axes_of(_listed(dims), self.ndim, "flip"):
            node = ops.move.flip(node, axis)
        return made(node, self)

    def split(self, split_size: Any, dim: Any = 0) -> tuple[Tensor, ...]:
        axis = broadcast.axis_of(dim, self.ndim, "split")
        size = self.shape[axis]
        if isinstance(split_size, int):
            if split_size < (size > 0):
                raise ShapeError(f"split: the size of a part is at least 1, got {split_size}")
            sizes = [min(split_size, size - n) for n in range(0, size, split_size or 1)] or [0]
        else:
            sizes = list(split_size)
        if sum(sizes) != size or min(sizes) < 0:
            raise ShapeError(f"split: sizes {sizes} do not add up to {size}")
        starts = np.cumsum([0, *sizes])[:-1]
        return tuple(made(ops.move.slice_axis(self._node, axis, int(at), n), self) for at, n in zip(starts, sizes, strict=True))

    def chunk(self, chunks: Any, dim: Any = 0) -> tuple[Tensor, ...]:
        if chunks < 1:
            raise ShapeError(f"chunk: at least 1 chunk, got {chunks}")
        size = self.size(dim)
        return self.split(-(-size // chunks), dim) if size else self.split([0] * chunks, dim)

    def __getitem__(self, key: Any) -> Tensor:
        parts = key if isinstance(key, tuple) else (key,)
        return made(indexing.index(self._node, tuple(_index_item(part) for part in parts)), self)

    def gather(self, dim: Any, index: Tensor) -> Tensor:
        axis = broadcast.axis_of(dim, self.ndim, "gather")
        _check_index(index, self.shape[axis])
        return made(indexing.gather(self._node, axis, index._node), self)

    def index_select(self, dim: Any, index: Tensor) -> Tensor:
        return self[(slice(None),) * broadcast.axis_of(dim, self.ndim, "index_select") + (index,)]

    def scatter_add(self, dim: Any, index: Tensor, src: Tensor) -> Tensor:
        axis = broadcast.axis_of(dim, self.ndim, "scatter_add")
        indexing.check_fits("scatter_add", self._node, axis, index._node)
        _check_index(index, self.shape[axis])
        if index.shape != src.shape:
            raise ShapeError(f"scatter_add: index {index.shape} and src {src.shape} must be equal")
        return self + made(graph.apply(ops.SCATTER_ADD, index._node, src._node, attrs=(self.shape, axis)), src)

    # ------------------------------------------------------------ reductions

    def sum(self, dim: Any = None, keepdim: Any = False) -> Tensor:
        """Over dim (an int, several, or all). bool and int32 give int32."""
        return _reduced(ops.SUM, self.int() if self.dtype == bool_ else self, dim, keepdim)

    def mean(self, dim: Any = None, keepdim: Any = False) -> Tensor:
        if not self.is_floating_point():
            raise DtypeError(f"mean needs floating-point numbers, got {self.dtype.name}; use .float()")
        count = math.prod(self.shape[axis] for axis in broadcast.axes_of(dim, self.ndim, "mean"))
        return self.sum(dim, keepdim) / count if count else self.sum(dim, keepdim) * math.nan

    def var(self, dim: Any = None, correction: Any = 1, keepdim: Any = False) -> Tensor:
        count = math.prod(self.shape[axis] for axis in broadcast.axes_of(dim, self.ndim, "var"))
        centred = self - self.mean(dim, keepdim=True)
        return (centred * centred).sum(dim, keepdim) / max(count - correction, 0)

    def std(self, dim: Any = None, correction: Any = 1, keepdim: Any = False) -> Tensor:
        return self.var(dim, correction, keepdim).sqrt()

    def amax(self, dim: Any = None, keepdim: Any = False) -> Tensor:
        return _reduced(ops.AMAX, self, dim, keepdim)

    def amin(self, dim: Any = None, keepdim: Any = False) -> Tensor:
        return (-(-self).amax(dim, keepdim)).to(self.dtype)

    def max(self, dim: Any = None, keepdim: Any = False) -> Any:
        """The largest number; with dim, (values, indices), the first of equals."""
        return self.amax() if dim is None else _best(self, dim, keepdim, self.argmax)

    def min(self, dim: Any = None, keepdim: Any = False) -> Any:
        return self.amin() if dim is None else _best(self, dim, keepdim, self.argmin)

    def argmax(self, dim: Any = None, keepdim: Any = False) -> Tensor:
        """The place of the first largest number; int32. Without dim: its place in the flattened tensor."""
        if dim is None:
            return self.flatten().argmax(0).reshape(*(1,) * self.ndim if keepdim else ())
        return _reduced(ops.ARGMAX, self, (broadcast.axis_of(dim, self.ndim, "argmax"),), keepdim)

    def argmin(self, dim: Any = None, keepdim: Any = False) -> Tensor:
        return (-self).argmax(dim, keepdim)

    def all(self, dim: Any = None, keepdim: Any = False) -> Tensor:
        return ~(~self.bool()).any(dim, keepdim)

    def any(self, dim: Any = None, keepdim: Any = False) -> Tensor:
        return self.bool().int().sum(dim, keepdim) > 0

    def logsumexp(self, dim: Any, keepdim: Any = False) -> Tensor:
        top = self.detach().amax(dim, keepdim=True)
        top = where(top.isfinite(), top, 0.0)
        total = (self - top).exp().sum(dim, keepdim=True).log() + top
        return total if keepdim else total.squeeze(dim)

    def softmax(self, dim: Any) -> Tensor:
        """exp / sum of exp along dim; the maximum is subtracted first, so exp cannot overflow."""
        x = self if self.is_floating_point() else self.float()
        top = x.detach().amax(dim, keepdim=True)
        total = (x - top).exp().sum(dim, keepdim=True)
        return apply(ops.SOFTMAX, x, top.expand(x.shape), total.expand(x.shape))

    def log_softmax(self, dim: Any) -> Tensor:
        shifted = self - self.detach().amax(dim, keepdim=True)
        return shifted - shifted.exp().sum(dim, keepdim=True).log()


# ---------------------------------------------------------------- functions of several tensors


def where(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input where condition holds, else other; all broadcast together."""
    values = [value._node if isinstance(value, Tensor) else value for value in (input, other)]
    nodes = [value for value in values if isinstance(value, Node)]
    dtype = broadcast.promoted(*values) if nodes else max(map(broadcast.kind_of, (input, other)), key=DTYPES.index)
    yes, no = broadcast.matched("where", *values, dtype=dtype)
    shape = broadcast.common_shape("where", condition.shape, yes.shape)
    nodes = [broadcast.to_shape(node, shape) for node in (cast(condition._node, bool_), yes, no)]
    return made(graph.apply(ops.WHERE, *nodes), condition, input, other)


def maximum(input: Tensor, other: Tensor) -> Tensor:
    return input.maximum(other)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    return input.minimum(other)


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """PyTorch's matmul: vectors, matrices, and batches of matrices that broadcast. Raises ShapeError."""
    if not input.ndim or not other.ndim:
        raise ShapeError(f"matmul needs at least 1 dimension, got {input.shape} @ {other.shape}; use * for numbers")
    left = input.unsqueeze(0) if input.ndim == 1 else input
    right = other.unsqueeze(1) if other.ndim == 1 else other
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(f"matmul needs (..., m, k) @ (..., k, n), got {input.shape} @ {other.shape}")
    if left.dtype != right.dtype or left.dtype == bool_:
        raise DtypeError(f"matmul needs two equal numeric dtypes, got {left.dtype.name} and {right.dtype.name}")
    batch = broadcast.common_shape("matmul", left.shape[:-2], right.shape[:-2])
    m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
    if right.ndim == 2 and left.ndim > 2:  # one product with all rows together: no batch of small ones
        flat = [left.reshape(1, math.prod(batch) * m, k), right.reshape(1, k, n)]
    else:
        count = math.prod(batch)
        flat = [left.expand(*batch, m, k).reshape(count, m, k), right.expand(*batch, k, n).reshape(count, k, n)]
    out = made(graph.apply(ops.MATMUL, flat[0]._node, flat[1]._node), *flat)
    shape = batch + ((m,) if input.ndim > 1 else ()) + ((n,) if other.ndim > 1 else ())
    return out.reshape(*shape)


def cat(tensors: Sequence[Tensor], dim: Any = 0) -> Tensor:
    """Joined along dim; all other sizes are equal. Raises ShapeError."""
    if not tensors or not tensors[0].ndim:
        raise ShapeError(f"cat needs tensors with at least 1 dimension, got {'numbers; use stack' if tensors else 'none'}")
    axis = broadcast.axis_of(dim, tensors[0].ndim, "cat")
    off = [tensor.shape[:axis] + tensor.shape[axis + 1 :] for tensor in tensors]
    if any(tensor.ndim != tensors[0].ndim for tensor in tensors) or len(set(off)) > 1:
        raise ShapeError(f"cat along dim {dim} needs equal other sizes, got {', '.join(str(t.shape) for t in tensors)}")
    nodes = broadcast_dtypes(tensors)
    total, before = sum(node.shape[axis] for node in nodes), 0
    joined: Node | None = None
    for node in nodes:
        size = node.shape[axis]
        part = ops.move.pad_axis(node, axis, before, total - before - size)
        if joined is None:
            joined = part
        else:  # chosen, not added: a NaN in one part must stay where it is
            number = graph.apply(ops.IOTA, attrs=ops.source.iota_attrs(part.shape, axis))
            joined = graph.apply(ops.WHERE, number < before, joined, part)
        before += size
    assert joined is not None
    return made(joined, *tensors)


def broadcast_dtypes(tensors: Sequence[Tensor]) -> list[Node]:
    """The nodes of tensors, all in their promoted dtype."""
    dtype = max((tensor.dtype for tensor in tensors), key=DTYPES.index)
    return [cast(tensor._node, dtype) for tensor in tensors]


def stack(tensors: Sequence[Tensor], dim: Any = 0) -> Tensor:
    """Joined along a new dimension. Raises ShapeError when shapes differ."""
    if len({tensor.shape for tensor in tensors}) != 1:
        raise ShapeError(f"stack needs tensors of one shape, got {', '.join(str(t.shape) for t in tensors) or 'none'}")
    return cat([tensor.unsqueeze(dim) for tensor in tensors], dim)


# ---------------------------------------------------------------- from words to nodes


def made(node: Node, *sources: Any) -> Tensor:
    """The tensor of a node; it requires grad when a source does, and stands outside the graph under no_grad()."""
    out = Tensor(node)
    if any(isinstance(source, Tensor) and source.requires_grad for source in sources):
        if not is_grad_enabled():
            out._node = graph.apply(ops.DETACH, node)
        elif node.dtype in (float32, float64):
            out._requires_grad = True
    return out


def apply(op: Op, *tensors: Tensor, attrs: tuple[Any, ...] = ()) -> Tensor:
    """One row on tensors whose shapes and dtypes fit already."""
    return made(graph.apply(op, *(tensor._node for tensor in tensors), attrs=attrs), *tensors)


_ON_BOOLS = (ops.EQ, ops.NE, ops.LOGICAL_AND, ops.LOGICAL_OR, ops.LOGICAL_NOT)


def _unary(op: Op, x: Tensor, floating: bool = False) -> Tensor:
    if floating and not x.is_floating_point():
        x = x.float()
    return made(graph.apply(op, (x.int() if x.dtype == bool_ and op not in _ON_BOOLS else x)._node), x)


def _binary(op: Op, left: Any, right: Any, floating: bool = False, dtype: np.dtype[Any] | None = None) -> Tensor:
    if type(left) is type(right) is Tensor and dtype is None and not floating:  # the common case, without questions
        one, two = left._node, right._node
        if one.shape == two.shape and one.dtype == two.dtype != bool_:
            return made(graph.apply(op, one, two), left, right)
    for value in (left, right):
        if not isinstance(value, (Tensor, int, float, np.number, np.bool_)):
            raise DtypeError(f"{op.name} takes tensors and numbers, got {type(value).__name__}; wrap it in tensor(...)")
    values = [v._node if isinstance(v, Tensor) else v.item() if isinstance(v, np.generic) else v for v in (left, right)]
    if dtype is None:
        dtype = broadcast.promoted(*values)
        if floating and dtype not in (float32, float64):
            dtype = float32
        elif dtype == bool_ and op not in _ON_BOOLS:
            dtype = int32
    one, two = broadcast.matched(op.name, *values, dtype=dtype)
    return made(graph.apply(op, one, two), left, right)


def _reduced(op: Op, x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    axes = broadcast.axes_of(dim, x.ndim, op.name)
    if op is not ops.SUM and any(x.shape[axis] == 0 for axis in axes):
        raise ShapeError(f"{op.name} of no elements: shape {x.shape}, dim {dim}; it has no identity")
    if not axes:
        return x if op is not ops.ARGMAX else (x * 0).int()
    if x.dtype == bool_:
        numbers = _reduced(op, x.int(), dim, keepdim)
        return numbers.bool() if op is ops.AMAX else numbers
    out = made(graph.apply(op, x._node, attrs=(axes,)), x)
    return out if keepdim else out.reshape(*(size for axis, size in enumerate(x.shape) if axis not in axes))


def _best(x: Tensor, dim: Any, keepdim: bool, place: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    """(values, indices) along dim; the gradient goes to the chosen element alone."""
    if not x.ndim:
        return x, place(dim)
    indices = place(dim, keepdim=True)
    values = made(indexing.gather(x._node, broadcast.axis_of(dim, x.ndim, "max"), indices._node), x)
    return (values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))


def _listed(values: tuple[Any, ...]) -> Sequence[int]:
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        return values[0]
    return values


def _index_item(item: Any) -> Any:
    if isinstance(item, Tensor):
        if item.dtype == bool_:
            raise DtypeError("a boolean mask gives a shape that depends on the numbers; use where() or masked_fill()")
        return item._node
    if isinstance(item, (list, np.ndarray)):
        return _index_item(Tensor(item, None if np.size(item) else int32))
    return item


def _check_index(index: Tensor, size: int) -> None:
    """Indices that are still on the host are checked now; on the GPU a wrong one reads NaN."""
    engine.ask_host(index._node, lambda known: ops.index.check_range(known, size))


def _outside(node: Node) -> Node:
    """A fresh node with the same numbers, outside the gradient's graph."""
    return graph.apply(ops.DETACH, node) if node.buffer is None else _same_data(node)


def _same_data(node: Node) -> Node:
    """A fresh leaf with the data of a realized node, and none of its history."""
    return graph.leaf(node.buffer, node.shape, node.dtype)
