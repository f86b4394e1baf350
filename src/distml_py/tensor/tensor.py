"""Tensor: a name for a node, which can be moved to another one; nodes never change. Its arithmetic is here, words are in
the families beside this file, which add theirs with `method`."""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import broadcast, engine, graph, live, ops
from ..backends.protocol import Pending
from ..broadcast import Number
from ..dtypes import STORED, DType, dtype_of, fraction, promoted_names
from ..errors import ArgumentError, DtypeError, GradientError, ShapeError
from ..graph import Node
from ..missing import missing
from ..op import DTYPES, Gather, Move, Op, bool_, float32, float64, int32
from ..ops.elementwise import cast
from ..size import Size
from . import sharing, text
from .device import current, device, layout, strided
from .grad_mode import is_grad_enabled
from .host_data import host_data, of_size

Function = TypeVar("Function", bound=Callable[..., Any])


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


# NumPy's functions that are operators of tensors
_OPERATORS = {
    **{"add": "add", "subtract": "sub", "multiply": "mul", "divide": "truediv", "floor_divide": "floordiv", "remainder": "mod"},
    **{"power": "pow", "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le"},
    **{"equal": "eq", "not_equal": "ne"},
}


class Tensor:
    """data: numbers, nested lists, a NumPy array or a Node; or sizes, Tensor(2, 3). dtype: see host_data.

    As in PyTorch lists become floats, whole numbers too: tensor() keeps those. Only floating-point tensors can require gradients.
    """

    __slots__ = ("__dict__", "__weakref__", "_after", "_grad", "_kind", "_node", "_requires_grad", "_root", "_view")
    __hash__ = object.__hash__
    _used_up = False  # only spent.py's stands for numbers that are not kept

    def __init__(self, data: Any = (), dtype: Any = None, requires_grad: Any = False, *sizes: int):
        self._kind: DType | None = None
        if type(dtype) is int or isinstance(data, Size):
            data, dtype, requires_grad = of_size(data, dtype, requires_grad, *sizes), fraction(), False
        elif dtype is None and isinstance(data, (list, tuple)):
            dtype = fraction()
        if isinstance(data, Tensor):
            self._kind = data._kind
            data = _outside(data._node)
        if not isinstance(data, Node):
            array, self._kind = host_data(data, dtype)
            data = graph.leaf(array, array.shape, array.dtype)
        elif dtype is not None:
            data, self._kind = in_dtype(data, dtype_of(dtype))
        self._node: Node = data
        self._grad: Tensor | None = None
        self._after: Any = None  # who is told that the gradient is there
        self._requires_grad = False
        self._view: sharing.View | None = None
        self._root: sharing.Root | None = None
        if live.state.recorder is not None:
            live.state.recorder.born(self)
        elif data.buffer is None:
            engine.hold(self)
        if requires_grad:
            self.requires_grad_()

    # ------------------------------------------------------------ what it is

    @property
    def shape(self) -> Size:
        return Size(self._node.shape)

    @property
    def dtype(self) -> DType:
        return self._kind or STORED[self._node.dtype]

    @property
    def ndim(self) -> int:
        return len(self._node.shape)

    @property
    def device(self) -> device:
        return current()

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
        if grad is not None and grad.shape != self.shape:
            raise ShapeError(f"a gradient of shape {grad.shape} was assigned to a tensor of shape {self.shape}; they must be equal")
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
        """The same numbers, outside the gradient's graph; no graph hears of their changes there."""
        return sharing.detached(self._named(graph.apply(ops.DETACH, self._node)), self, quiet=True)

    @data.setter
    def data(self, value: Tensor) -> None:
        """From now on this tensor's numbers are value's, which may have another shape and dtype."""
        if live.state.recorder is not None:
            live.state.recorder.moved(self)
        before = self._node
        sharing.leave(self)
        self._node, self._kind = graph.apply(ops.DETACH, value._node), value._kind
        if before.owner is not None:
            self._node.owner, self._node.hooks = before.owner, before.hooks
        if value is not self:
            sharing.detached(self, value, quiet=True)

    @property
    def _version(self) -> int:
        return sharing.version_of(self)

    @property
    def _base(self) -> Tensor | None:
        """What this is a view of."""
        return None if self._view is None else self._view.root

    def _is_view(self) -> bool:
        return self._view is not None

    def _alike(self) -> Tensor:
        """Another tensor with the same node."""
        other = self._named(self._node)
        other._requires_grad = self._requires_grad
        return other

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
            raise ArgumentError("len() of a 0-d tensor; use .item() for its number")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise ArgumentError("iteration over a 0-d tensor; use .item() for its number")
        return (self[n] for n in range(len(self)))

    def __reversed__(self) -> Tensor:
        return self.flip(0) if self.shape else self

    def __repr__(self) -> str:
        array = self._fetched()
        words = text.shown(array, 7) if array.size else "[]"
        more = [] if array.size or array.ndim == 1 else [f"size={tuple(array.shape)}"]
        plain = (fraction().name, "bool", "int64") if array.size else (fraction().name, "bool")
        if self.dtype.name not in plain:
            more.append(f"dtype={self.dtype}")
        maker = self.grad_fn
        if maker is not None:
            more.append(f"grad_fn=<{maker.name()}>")
        elif self.requires_grad:
            more.append("requires_grad=True")
        return text.with_suffixes(f"tensor({words}", 7, more) + ")"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if not self._node.shape else object.__format__(self, spec)

    # ------------------------------------------------------------ its numbers

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """A copy of the numbers on the host; computes them first. force: also of a tensor that requires grad.

        Raises GradientError: what NumPy computes would silently be left out of the gradient.
        """
        if self._requires_grad and not force:
            raise GradientError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return self._array()

    def _array(self) -> np.ndarray:
        """numpy() of any tensor."""
        kind = self.dtype.numpy
        if kind is None:
            raise DtypeError("NumPy has no bfloat16; use .float().numpy()")
        array = self._fetched()
        return array if array.dtype == kind else array.astype(kind)

    def _fetched(self) -> np.ndarray:
        """The numbers as they are stored."""
        return engine.fetch(self._node, self._requires_grad)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
        """np.sqrt(tensor), array * tensor: a tensor. Arithmetic is a part of the graph, other functions take detached numbers."""
        word = _OPERATORS.get(ufunc.__name__)
        if method == "__call__" and word is not None and len(inputs) == 2 and not named:
            one, other = (Tensor(value) if isinstance(value, np.ndarray) else value for value in inputs)
            if not isinstance(one, Tensor):
                return getattr(operator, word)(one.item() if isinstance(one, np.generic) else one, other)
            return getattr(operator, word)(one, other)
        if method != "__call__" or "out" in named:
            return NotImplemented
        found = ufunc(*(value.numpy() if isinstance(value, Tensor) else value for value in inputs), **named)
        return tuple(map(Tensor, found)) if isinstance(found, tuple) else Tensor(found)

    def tolist(self) -> Any:
        return self._fetched().tolist()

    def item(self) -> Any:
        """The number of a tensor that holds one. Raises ShapeError otherwise."""
        if self.numel() != 1:
            raise ShapeError(f"item() needs one element, got shape {self.shape}; use .tolist() or reduce first")
        return self._fetched().reshape(()).item()

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

    def __index__(self) -> int:
        """For slices, ranges and lists. Raises DtypeError for fractions."""
        if self.dtype.kind == "f" or self.numel() != 1:
            raise DtypeError(f"only integer tensors of a single element can be converted to an index, got {self.dtype.name}")
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

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
        """The same numbers, outside the gradient's graph; what is changed in place there changes here, too."""
        return sharing.detached(self._named(graph.apply(ops.DETACH, self._node)), self)

    def _aside(self) -> Tensor:
        """The numbers as they are now, outside the gradient's graph; what is changed later is not told."""
        return self._named(graph.apply(ops.DETACH, self._node))

    def _twin(self) -> Tensor:
        """A tensor of this class with numbers of its own, which start as these."""
        return Tensor(self.detach()).requires_grad_(self._requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """The twin of a leaf, with its gradient. Raises GradientError for what was computed."""
        if not self.is_leaf:
            raise GradientError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment; "
                "use .detach() or .clone()"
            )
        found = memo[id(self)] = self._twin()
        found._grad = None if self._grad is None else self._grad.__deepcopy__(memo)
        return found

    def __reduce_ex__(self, protocol: Any) -> Any:
        """For pickle: the numbers, their dtype, and whether they require grad."""
        return _unpickled, (type(self), self._fetched(), self.dtype, self._requires_grad)

    def _named(self, node: Node) -> Tensor:
        """A tensor of a node whose numbers are of this dtype."""
        found = Tensor(node)
        found._kind = self._kind
        return found

    def _settle(self) -> None:
        """Forget how a realized, detached value was made: its history would otherwise live as long as it does."""
        if self._node.buffer is not None and self._node.inputs:
            before, self._node = self._node, _same_data(self._node)
            self._node.owner, self._node.hooks = before.owner, before.hooks

    def _house(self, home: Tensor, spot: Any) -> None:
        """Become a part of home's numbers as they are now, a leaf as before; see atlas.Atlas."""
        if live.state.recorder is not None:
            live.state.recorder.moved(self)
            live.state.recorder.housed(self, home)
        before = self._node
        before.stale = True
        self._node = graph.apply(ops.PART, home._node, attrs=(spot, before.shape))
        self._node.owner, self._node.hooks = before.owner, before.hooks
        if self._root is not None:
            sharing.tell(self)

    def _convert(self, dtype: DType) -> None:
        """Become the same numbers in another dtype, a leaf as before; its gradient is dropped."""
        before = self._node
        array, kind = host_data(engine.fetch(before), dtype)
        sharing.leave(self)
        self._node, self._kind = graph.leaf(array, array.shape, array.dtype), kind
        self._node.owner, self._node.hooks = before.owner, before.hooks
        self.grad = None

    def _renew(self, value: Tensor) -> None:
        """Become value, outside the gradient's graph and with the next realization; no history is left after it."""
        if live.state.recorder is not None:
            live.state.recorder.moved(self)
        self._node.stale = True
        self._node = graph.apply(ops.DETACH, in_dtype(value._node, self.dtype)[0])
        engine.keep(self._node)
        if self._root is not None:
            sharing.tell(self)

    # ------------------------------------------------------------ in place: the name moves, old nodes stay

    def _move_to(self, value: Tensor, fresh: bool = False) -> Tensor:
        """Become value, of this shape and kind of number, and so does all that shares its numbers. fresh: nobody else has it."""
        if value.shape != self.shape:
            raise ShapeError(f"in place, the shape {self.shape} must stay, the result has {value.shape}")
        if value.dtype.kind != self.dtype.kind and DTYPES.index(value.dtype) > DTYPES.index(self.dtype):
            raise DtypeError(f"in place, {self.dtype.name} must stay, the result is {value.dtype.name}; convert first")
        sharing.check_change(self, value._requires_grad)
        sharing.change(self, in_dtype(value._node, self.dtype)[0], value._requires_grad, fresh)
        return self

    # ------------------------------------------------------------ arithmetic

    def __add__(self, other: Tensor | Number) -> Tensor:
        return binary(ops.ADD, self, other)

    def __radd__(self, other: Number) -> Tensor:
        return binary(ops.ADD, other, self)

    def __sub__(self, other: Tensor | Number) -> Tensor:
        return binary(ops.SUB, self, other)

    def __rsub__(self, other: Number) -> Tensor:
        return binary(ops.SUB, other, self)

    def __mul__(self, other: Tensor | Number) -> Tensor:
        return binary(ops.MUL, self, other)

    def __rmul__(self, other: Number) -> Tensor:
        return binary(ops.MUL, other, self)

    def __truediv__(self, other: Tensor | Number) -> Tensor:
        return binary(ops.DIV, self, other, floating=True)

    def __rtruediv__(self, other: Number) -> Tensor:
        return binary(ops.DIV, other, self, floating=True)

    def __floordiv__(self, other: Tensor | Number) -> Tensor:
        return binary(ops.FLOOR_DIVIDE, self, other)

    def __rfloordiv__(self, other: Number) -> Tensor:
        return binary(ops.FLOOR_DIVIDE, other, self)

    def __mod__(self, other: Tensor | Number) -> Tensor:
        return binary(ops.REMAINDER, self, other)

    def __rmod__(self, other: Number) -> Tensor:
        return binary(ops.REMAINDER, other, self)

    def __pow__(self, other: Tensor | Number) -> Tensor:
        """Integers to integers stay integers, as in PyTorch."""
        if self._node.dtype == bool_:
            return self.long() ** other
        if isinstance(other, int) and 0 < other <= 4:
            return math.prod([self] * (other - 1), start=self)  # products: exact for negative bases, cheap
        if _are_whole(self, other):
            return _whole_power(self, other)
        return binary(ops.POW, self, other, floating=True)

    def __rpow__(self, other: Number) -> Tensor:
        return _whole_power(other, self) if _are_whole(self, other) else binary(ops.POW, other, self, floating=True)

    def __neg__(self) -> Tensor:
        if self._node.dtype == bool_:
            raise DtypeError("- of a bool tensor is not defined; use ~ or logical_not()")
        return unary(ops.NEG, self)

    def __pos__(self) -> Tensor:
        if self._node.dtype == bool_:
            raise DtypeError("+ of a bool tensor is not defined; use .long() or .float()")
        return self

    def __abs__(self) -> Tensor:
        return self.abs()

    def __invert__(self) -> Tensor:
        return self.bitwise_not()

    def __eq__(self, other: object) -> Any:
        return binary(ops.EQ, self, other) if isinstance(other, (Tensor, int, float)) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return binary(ops.NE, self, other) if isinstance(other, (Tensor, int, float)) else NotImplemented

    def __lt__(self, other: Tensor | Number) -> Tensor:
        return binary(ops.LT, self, other)

    def __le__(self, other: Tensor | Number) -> Tensor:
        return binary(ops.LE, self, other)

    def __gt__(self, other: Tensor | Number) -> Tensor:
        return binary(ops.GT, self, other)

    def __ge__(self, other: Tensor | Number) -> Tensor:
        return binary(ops.GE, self, other)

    def __matmul__(self, other: Tensor) -> Tensor:
        return self.matmul(other)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.dtype.itemsize * self.numel()

    @property
    def is_cuda(self) -> bool:
        return False

    @property
    def is_cpu(self) -> bool:
        return not engine.backend().on_gpu

    @property
    def is_meta(self) -> bool:
        return False

    is_mps = is_xpu = is_xla = is_ipu = is_mtia = is_maia = is_nested = is_quantized = is_sparse_csr = is_meta
    is_mkldnn = is_vulkan = volatile = is_meta

    name: Any = None  # PyTorch's tensors have names where another program made them

    @property
    def retains_grad(self) -> bool:
        """Whether retain_grad() was asked of this computed tensor."""
        return not self.is_leaf and self._after is not None

    @property
    def output_nr(self) -> int:
        """Which output of its function it is; not kept here, so 0."""
        return 0

    @property
    def is_sparse(self) -> bool:
        return False

    @property
    def real(self) -> Tensor:
        return self

    @property
    def imag(self) -> Tensor:
        """Raises DtypeError: nothing is complex."""
        raise DtypeError("imag is not implemented for tensors with non-complex dtypes; there are no complex numbers here")

    @property
    def layout(self) -> layout:
        return strided

    @property
    def H(self) -> Tensor:
        return self.t()

    @property
    def T(self) -> Tensor:
        return self.permute(*reversed(range(self.ndim)))

    @property
    def mH(self) -> Tensor:
        return self.transpose(-2, -1)

    @property
    def mT(self) -> Tensor:
        return self.transpose(-2, -1)

    def __getattr__(self, name: str) -> Any:
        raise missing("torch.Tensor", name, dir(type(self)))

    if TYPE_CHECKING:  # the families' methods

        @property
        def grad_fn(self) -> Any: ...

        def __getitem__(self, key: Any) -> Tensor: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __rand__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __ror__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...


def _unpickled(kind: type[Tensor], array: np.ndarray, dtype: DType, requires_grad: bool) -> Tensor:
    found = kind(Tensor(array, dtype))
    return found.requires_grad_(requires_grad) if found._requires_grad is not requires_grad else found


# ---------------------------------------------------------------- from words to nodes


def method(function: Function, name: str = "") -> Function:
    """A function whose first argument is a tensor, as a method, too: under its own name or another one."""
    setattr(Tensor, name or function.__name__, function)
    return function


def made(node: Node, *sources: Any) -> Tensor:
    """The tensor of a node; it requires grad when a source does, and stands outside the graph under no_grad()."""
    requires = False
    kind: DType | None = None
    for source in sources:
        if isinstance(source, Tensor):
            requires = requires or source._requires_grad
            if source._kind is not None:
                node, kind = kept(node, [one for one in sources if isinstance(one, Tensor)])
                requires = any(isinstance(one, Tensor) and one._requires_grad for one in sources)
                break
    out = Tensor(node)
    out._kind = kind
    if requires:
        if not is_grad_enabled():
            out._node = graph.apply(ops.DETACH, node)
        elif node.dtype in (float32, float64):
            out._requires_grad = True
    return out


def kept(node: Node, sources: list[Tensor]) -> tuple[Node, DType | None]:
    """(node, its name) where sources have names for their dtypes: PyTorch's rule among those of the node's storage."""
    alike = [source for source in sources if source._node.dtype == node.dtype]
    alike = [source for source in alike if source.shape] or alike
    if not alike or node.dtype == bool_:
        return node, None
    kind = promoted_names([source.dtype for source in alike])
    if not kind.own:
        return node, None
    same = isinstance(node.op, (Move, Gather)) or node.op in _KEEPING or node.owner is not None or not node.inputs
    return (node if same else in_dtype(node, kind)[0]), kind


def in_dtype(node: Node, kind: DType) -> tuple[Node, DType | None]:
    """(node with numbers of this dtype, its name if storage does not tell it)."""
    if node.dtype == float64 and float64 not in engine.backend().dtypes:
        array = engine.of_host(node)
        if array is not None:  # a GPU has no float64: what lies on the host is converted there
            node = graph.leaf(np.ascontiguousarray(array.astype(kind.dtype)), array.shape, kind.dtype)
    node = cast(node, kind.dtype)
    if kind.name == "float16":
        node = graph.apply(ops.HALF, node)
    elif kind.name == "bfloat16":
        node = graph.apply(ops.BRAIN, node)
    elif kind.name == "uint8":
        node = _low_bits(node, 255)
    elif kind.name in ("int8", "int16"):
        half = 128 if kind.name == "int8" else 2**15
        node = _low_bits(node + half, 2 * half - 1) - half
    return node, kind if kind.own else None


def _low_bits(node: Node, mask: int) -> Node:
    return graph.apply(ops.BITWISE_AND, node, graph.full(mask, node.shape, int32))


_KEEPING = (ops.MAXIMUM, ops.MINIMUM, ops.WHERE, ops.RELU, ops.AMAX, ops.FLOOR, ops.ROUND, ops.TRUNC, ops.SIGN)


def apply(op: Op, *tensors: Tensor, attrs: tuple[Any, ...] = ()) -> Tensor:
    """One row on tensors whose shapes and dtypes fit already."""
    return made(graph.apply(op, *(tensor._node for tensor in tensors), attrs=attrs), *tensors)


_ON_BOOLS = (ops.EQ, ops.NE, ops.LOGICAL_AND, ops.LOGICAL_OR, ops.LOGICAL_NOT)


_OF_BOOLS = {ops.MUL: ops.LOGICAL_AND, ops.ADD: ops.LOGICAL_OR, ops.MAXIMUM: ops.LOGICAL_OR, ops.MINIMUM: ops.LOGICAL_AND}


def unary(op: Op, x: Tensor, floating: bool = False) -> Tensor:
    """A row on one tensor. floating: integers become fractions first."""
    if not isinstance(x, Tensor):
        raise DtypeError(f"{op.name} takes a tensor, got {type(x).__name__}; wrap it in tensor(...)")
    if floating and not x.is_floating_point():
        x = x.to(fraction())
    return made(graph.apply(op, (x.long() if x._node.dtype == bool_ and op not in _ON_BOOLS else x)._node), x)


def binary(op: Op, left: Any, right: Any, floating: bool = False, dtype: np.dtype[Any] | None = None) -> Tensor:
    """A row on two tensors or numbers, broadcast and promoted. dtype: what both become instead."""
    if type(left) is type(right) is Tensor and dtype is None and not floating:  # the common case, without questions
        one, two = left._node, right._node
        if one.shape == two.shape and one.dtype == two.dtype != bool_:
            return made(graph.apply(op, one, two, attrs=_wrapping(op, one, left, right)), left, right)
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        left, right = (Tensor(value) if isinstance(value, np.ndarray) else value for value in (left, right))
    for value in (left, right):
        if not isinstance(value, (Tensor, int, float, np.number, np.bool_)):
            if isinstance(value, complex):
                raise DtypeError(f"not implemented: complex numbers, in {op.name}; nearest is two float32 tensors")
            raise DtypeError(f"{op.name} takes tensors and numbers, got {type(value).__name__}; wrap it in tensor(...)")
    values = [v._node if isinstance(v, Tensor) else v.item() if isinstance(v, np.generic) else v for v in (left, right)]
    if op in _DIVIDING and type(right) is int and right == 0 and isinstance(left, Tensor) and not left.is_floating_point():
        raise ArgumentError(f"ZeroDivisionError: {op.name} of integers by 0; use floats, where it is NaN or an infinity")
    if op is ops.SUB and any(isinstance(value, Node) and value.dtype == bool_ for value in values):
        raise DtypeError("- with a bool tensor is not defined; use ^ or logical_xor(), ~ to turn a mask, or .long()")
    if op in _COMPARING:  # what no integer here reaches is compared as a float
        values = [float(v) if type(v) is int and not -(2**31) <= v < 2**31 else v for v in values]
    if dtype is None:
        dtype = broadcast.promoted(*values)
        if floating and dtype not in (float32, float64):
            dtype = fraction().dtype
        elif dtype == bool_ and op in _OF_BOOLS:
            op = _OF_BOOLS[op]
        elif dtype == bool_ and op not in _ON_BOOLS:
            dtype = int32
    one, two = broadcast.matched(op.name, *values, dtype=dtype)
    return made(graph.apply(op, one, two, attrs=_wrapping(op, one, left, right)), left, right)


def _are_whole(*values: Any) -> bool:
    kinds = [value.dtype.kind if isinstance(value, Tensor) else "if"[not isinstance(value, (int, np.integer))] for value in values]
    return all(kind in "ib" for kind in kinds) and "i" in kinds


def _whole_power(base: Any, exponent: Any) -> Tensor:
    """By squares and products of integers, bit by bit from the highest: none is larger than the result.

    Raises DtypeError for a negative number as exponent; a tensor's negative exponents give 0, or 1 and -1 of 1 and -1.
    """
    if not isinstance(exponent, Tensor) and exponent < 0:
        raise DtypeError("Integers to negative integer powers are not allowed; use .float()")
    one = base * 0 + 1 if isinstance(base, Tensor) else exponent * 0 + 1
    if isinstance(exponent, Tensor):
        e = exponent.long() if exponent.dtype.kind == "b" else exponent
        e = (e % 2 + 62).where(e > 63, e.abs())  # beyond that only 0, 1 and -1 have a power that fits
        bits = [(e >> place) % 2 == 1 for place in reversed(range(6))]
    else:
        bits = [bool(exponent >> place & 1) for place in reversed(range(int(exponent).bit_length()))]
    found = one * (exponent * 0 + 1) if isinstance(exponent, Tensor) else one
    for bit in bits:
        found = found * found
        found = found * ((base * one).where(bit, one) if isinstance(bit, Tensor) else base if bit else one)
    if not isinstance(exponent, Tensor):
        return found
    small = (abs(base) == 1) if isinstance(base, Tensor) else Tensor(abs(base) == 1)
    return (found * 0).where((exponent < 0) & ~small, found)


_COMPARING = (ops.EQ, ops.NE, ops.LT, ops.LE, ops.GT, ops.GE)
_DIVIDING = (ops.FLOOR_DIVIDE, ops.REMAINDER, ops.FMOD)
_MAY_WRAP = (ops.ADD, ops.SUB, ops.MUL)


def _wrapping(op: Op, node: Node, left: Any, right: Any) -> tuple[Any, ...]:
    """The attribute of a row on int32 tensors: their results wrap, as in PyTorch."""
    if node.dtype != int32 or op not in _MAY_WRAP:
        return ()
    kinds = [value.dtype.name for value in (left, right) if isinstance(value, Tensor)]
    return (int32,) if "int32" in kinds and "int64" not in kinds else ()


def _outside(node: Node) -> Node:
    """A fresh node with the same numbers, outside the gradient's graph."""
    return graph.apply(ops.DETACH, node) if node.buffer is None else _same_data(node)


def _same_data(node: Node) -> Node:
    """A fresh leaf with the data of a realized node, and none of its history."""
    return graph.leaf(node.buffer, node.shape, node.dtype)
