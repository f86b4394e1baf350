"""Node: an array that is promised, not yet computed. Immutable but for `buffer`, where the promise is kept."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from . import live
from .errors import DtypeError
from .op import TABLE, Op, bool_, int32
from .view import Shape

LEVELS = 256  # so many nodes, twice at most, are freed one inside the other; a tab's stack ends after some 3,000


class Node:
    """One op applied to nodes. buffer: None until realized, then a backend's buffer or a host array.

    owner: a weak reference to the leaf Tensor whose gradient is wanted, so that no reference cycle is made.
    hooks: what is asked about each gradient that arrives. link: where gradients go on, if not to the inputs.
    stale: whether the tensor that was this node has been changed in place since. used: whether a gradient went through it that
    did not ask for its graph to stay. word: PyTorch's name for the function that made it, where the op's own is another one.
    depth: of the longest way to a leaf, when it was made.
    """

    __slots__ = (
        *("__weakref__", "attrs", "buffer", "depth", "dtype", "hooks", "inputs", "link"),
        *("op", "owner", "shape", "stale", "used", "word"),
    )

    def __init__(self, op: Op, inputs: tuple[Node, ...], attrs: tuple[Any, ...], shape: Shape, dtype: np.dtype[Any]):
        self.op = op
        self.inputs = inputs
        self.attrs = attrs
        self.shape = shape
        self.dtype = dtype
        self.buffer: Any = None
        self.owner: weakref.ref[Any] | None = None
        self.hooks: dict[int, Callable[[Node], Node]] | None = None
        self.link: Link | None = None
        self.stale = False
        self.used = False
        self.word = ""
        self.depth: int = 0
        for node in inputs:
            if node.depth >= self.depth:
                self.depth = node.depth + 1
        if self.depth >= 2 * LEVELS and any(LEVELS <= node.depth < self.depth // LEVELS * LEVELS for node in inputs):
            self.__class__ = _Deep

    @property
    def size(self) -> int:
        size = 1
        for length in self.shape:
            size *= length
        return size

    def __repr__(self) -> str:
        return f"Node({self.op.name}, {self.shape}, {self.dtype.name})"

    def __add__(self, other: Node | float) -> Node:
        return _binary("add", self, other)

    def __radd__(self, other: float) -> Node:
        return _binary("add", other, self)

    def __sub__(self, other: Node | float) -> Node:
        return _binary("sub", self, other)

    def __rsub__(self, other: float) -> Node:
        return _binary("sub", other, self)

    def __mul__(self, other: Node | float) -> Node:
        return _binary("mul", self, other)

    def __rmul__(self, other: float) -> Node:
        return _binary("mul", other, self)

    def __truediv__(self, other: Node | float) -> Node:
        return _binary("div", self, other)

    def __rtruediv__(self, other: float) -> Node:
        return _binary("div", other, self)

    def __lt__(self, other: Node | float) -> Node:
        return _binary("lt", self, other)

    def __gt__(self, other: Node | float) -> Node:
        return _binary("gt", self, other)

    def __neg__(self) -> Node:
        return apply(TABLE["neg"], self)


class _Deep(Node):
    """A node with an input beyond a multiple of LEVELS, the first one apart: what it held is let go after it, not inside.

    Python frees what an object held by recursion in C, and stops at 10,000 levels, which a browser's stack does not hold.
    """

    __slots__ = ()
    left: ClassVar[list[Any]] = []  # what such nodes held
    busy: ClassVar[list[bool]] = []  # not empty while somebody lets go of it

    def __del__(self) -> None:
        left, busy = _Deep.left, _Deep.busy
        left.append((self.inputs, self.link))
        self.inputs, self.link = (), None
        if busy:
            return
        busy.append(True)
        try:
            while left:
                left.pop()
        finally:
            busy.clear()


@dataclass(frozen=True, eq=False)
class Link:
    """Where a gradient goes on: to the parents. backward: (output, its gradient) by output number -> one gradient a parent.

    Without backward the only parent is a joint, at which the gradients of several outputs are gathered, each under its index.
    """

    parents: tuple[Node, ...]
    backward: Callable[[dict[int, tuple[Node, Node]]], Sequence[Node | None]] | None = None
    index: int = 0


class _Leaf(Op):
    """A node that has a buffer from the start."""


LEAF = _Leaf("leaf", numpy=None)  # type: ignore[arg-type]


class _Const(Op):
    """One scalar, attrs[0]. Its value is never part of a kernel's text: it travels as a uniform."""


CONST = _Const("const", numpy=None)  # type: ignore[arg-type]


watching: list[Callable[[Node], None]] = []  # told of every node that is made, while a profile is open


def apply(op: Op, *inputs: Node, attrs: tuple[Any, ...] = ()) -> Node:
    """The promise of op(*inputs, *attrs). Shapes were checked by the caller: rows only state their result."""
    node = Node(op, inputs, attrs, *op.infer(inputs, attrs))
    for tell in watching:
        tell(node)
    return node


def leaf(buffer: Any, shape: Shape, dtype: np.dtype[Any]) -> Node:
    """A node of data that is there already: a host array (C-contiguous) or a backend's buffer."""
    node = Node(LEAF, (), (), shape, dtype)
    node.buffer = buffer
    if live.state.recorder is not None:
        live.state.recorder.leaf(node)
    return node


def const(value: float | int | bool, dtype: np.dtype[Any]) -> Node:
    """A scalar node, shape ()."""
    dtype = np.dtype(dtype)
    kind = bool if dtype == bool_ else int if dtype == int32 else float
    if kind is int and not -(2**31) <= value < 2**31:
        raise DtypeError(f"integers are 32 bits wide here, found {value}; use a float")
    if not isinstance(value, live.Live):
        value = kind(value) if live.state.recorder is None else live.state.recorder.noted(kind(value))
    return Node(CONST, (), (value,), (), dtype)


def full(value: float | int | bool, shape: Shape, dtype: np.dtype[Any]) -> Node:
    """One value in every element of shape; costs nothing on its own."""
    scalar = const(value, dtype)
    return apply(TABLE["expand"], apply(TABLE["reshape"], scalar, attrs=((1,) * len(shape),)), attrs=(shape,)) if shape else scalar


def _binary(name: str, left: Node | float, right: Node | float) -> Node:
    if not isinstance(left, Node):
        assert isinstance(right, Node)
        left = full(left, right.shape, right.dtype)
    if not isinstance(right, Node):
        right = full(right, left.shape, left.dtype)
    assert left.shape == right.shape, f"{name} of {left} and {right}"
    return apply(TABLE[name], left, right)
