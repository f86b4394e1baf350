"""What an op is: one frozen row that holds its meaning (NumPy), its derivative and its GPU text together.

The kinds differ in what a kernel may do with them: *inline* rows (Elementwise, Move, Gather, Source) are written into
the kernel of whoever reads them; *kernel* rows (Reduce, Statistics, MatMul, Conv2d, Attention, ScatterAdd, Pack) are draws of
their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .errors import IndexRangeError
from .view import Shape, View

if TYPE_CHECKING:
    from .graph import Node

float32 = np.dtype("float32")
float64 = np.dtype("float64")
int32 = np.dtype("int32")
bool_ = np.dtype("bool")
DTYPES = (bool_, int32, float32, float64)

Vjp = Callable[..., "tuple[Node | None, ...]"]
"""(gradient of the output, output, *inputs) -> one gradient an input, None where there is none. Attributes: out.attrs."""

TABLE: dict[str, Op] = {}


@cache
def weight_of(helper: str) -> int:
    """What each call of a GLSL function costs a renderer that writes it out there: its branches, or every tenth of its lines."""
    return max(helper.count("?") + helper.count("if ("), helper.count("\n") // 10)


@dataclass(frozen=True, eq=False)
class Op:
    """name: unique. numpy: (*arrays, *attrs) -> array. vjp: see Vjp; None stops the gradient. on_host: GPUs have no kernel."""

    on_host: ClassVar[bool] = False
    name: str
    numpy: Callable[..., Any]
    vjp: Vjp | None = None

    def __post_init__(self) -> None:
        assert self.name not in TABLE, f"two rows are called {self.name}"
        TABLE[self.name] = self

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False, repr=False)
class Elementwise(Op):
    """Inputs and output have one shape. glsl: text with {0}, {1}...; integer_glsl where integers need another text.

    result: dtype of the output; None is the dtype of the last input; CAST takes it from its attribute.
    helper: GLSL functions that the text calls.
    """

    glsl: str = ""
    integer_glsl: str = ""
    result: np.dtype[Any] | None = None
    helper: str = ""

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        return inputs[0].shape, attrs[0] if attrs else self.result or inputs[-1].dtype


@dataclass(frozen=True, eq=False, repr=False)
class Move(Op):
    """The same elements elsewhere. view: (input shape, *attrs) -> View; its shape is the output's."""

    view: Callable[..., View] = field(kw_only=True)

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        return self.view(inputs[0].shape, *attrs).shape, inputs[0].dtype


@dataclass(frozen=True, eq=False, repr=False)
class Source(Op):
    """Elements made from their own number and scalar inputs. attrs[0] is the shape.

    glsl: text with {i} (the element's number), {0}... (scalar inputs) and {a1}... (further attributes).
    """

    glsl: str = field(kw_only=True)
    helper: str = ""
    result: np.dtype[Any] = float32

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        return attrs[0], self.result


@dataclass(frozen=True, eq=False, repr=False)
class Gather(Op):
    """output[..., i, ...] = input[..., index[..., i, ...], ...] along attrs[0]. inputs: (input, index)."""

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        _check_any(inputs[0].shape[attrs[0]], inputs[1].shape)
        return inputs[1].shape, inputs[0].dtype


@dataclass(frozen=True, eq=False, repr=False)
class Reduce(Op):
    """Over the axes attrs[0], which stay as size 1. glsl_first and glsl: start value and update of {acc} by {x}.

    integer_glsl: where integers need another text.
    """

    glsl_first: str = field(kw_only=True)
    glsl: str = field(kw_only=True)
    integer_glsl: str = ""
    result: np.dtype[Any] | None = None

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        shape = tuple(1 if axis in attrs[0] else size for axis, size in enumerate(inputs[0].shape))
        return shape, self.result or inputs[0].dtype


@dataclass(frozen=True, eq=False, repr=False)
class Statistics(Op):
    """Several results over the axes attrs[0], which stay as size 1, found in one draw: output (results, ...).

    Long rows are cut, and what is known of the parts is merged. gather: (x) -> what is known of the numbers along the last axis;
    merge: (*known, counts) -> the same of all parts, of so many numbers each; finish: (*known, count, *attrs[1:]) -> the results.

    In GLSL numbers are seen from {p}, their maximum (top) or the first one. terms, merged: what is summed for number {x}, or for a
    part of {n} numbers of which {k0}, {k1}... are known. known, results: the sums are {s0}, {s1}..., attributes {a1}...
    helper: functions that they call.
    """

    gather: Callable[..., Any] = field(kw_only=True)
    merge: Callable[..., Any] = field(kw_only=True)
    finish: Callable[..., Any] = field(kw_only=True)
    top: bool = field(kw_only=True)
    terms: tuple[str, ...] = field(kw_only=True)
    merged: tuple[str, ...] = field(kw_only=True)
    known: tuple[str, ...] = field(kw_only=True)
    results: tuple[str, ...] = field(kw_only=True)
    helper: str = ""

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        shape = tuple(1 if axis in attrs[0] else size for axis, size in enumerate(inputs[0].shape))
        return (len(self.results), *shape), inputs[0].dtype


@dataclass(frozen=True, eq=False, repr=False)
class MatMul(Op):
    """(batch, m, k) @ (batch, k, n)."""

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        left, right = inputs
        return (left.shape[0], left.shape[1], right.shape[2]), left.dtype


@dataclass(frozen=True, eq=False, repr=False)
class Conv2d(Op):
    """(n, c, h, w) * (o, c / groups, kh, kw); attrs: stride, padding as (top, left), dilation, output size (oh, ow), groups."""

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        image, weight = inputs
        return (image.shape[0], weight.shape[0], *attrs[3]), image.dtype


@dataclass(frozen=True, eq=False, repr=False)
class Conv2dImage(Op):
    """The gradient that a convolution sends to its image. inputs: (gradient, weight); attrs as Conv2d's, with the image's size."""

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        gradient, weight = inputs
        return (gradient.shape[0], weight.shape[1] * attrs[4], *attrs[3]), gradient.dtype


@dataclass(frozen=True, eq=False, repr=False)
class Conv2dWeight(Op):
    """The gradient that a convolution sends to its weight. inputs: (image, gradient); attrs as Conv2d's, with the kernel's size."""

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        image, gradient = inputs
        return (gradient.shape[1], image.shape[1] // attrs[4], *attrs[3]), gradient.dtype


@dataclass(frozen=True, eq=False, repr=False)
class AttentionNormalizer(Op):
    """One number a query. inputs: (b, l, e), (b, s, e) and perhaps a mask; see ops.attention."""

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        return inputs[0].shape[:2], inputs[0].dtype


@dataclass(frozen=True, eq=False, repr=False)
class Attention(Op):
    """A row for each row of input `rows` (0: queries, 1: keys), a weighted sum of the rows of input `of`; see ops.attention."""

    rows: int = field(kw_only=True)
    of: int = field(kw_only=True)

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        return (*inputs[self.rows].shape[:2], inputs[self.of].shape[2]), inputs[0].dtype


@dataclass(frozen=True, eq=False, repr=False)
class ScatterAdd(Op):
    """Zeros of shape attrs[0], with source added at index along attrs[1]. inputs: (index, source)."""

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        _check_any(attrs[0][attrs[1]], inputs[0].shape)
        return attrs[0], inputs[1].dtype


def _check_any(size: int, index: Shape) -> None:
    """Raises IndexRangeError where whatever the index holds is outside. The rest is known when it is computed."""
    if size == 0 and 0 not in index:
        raise IndexRangeError(f"an index of shape {index} into a dimension of size 0: there are no places; are the data empty?")


@dataclass(frozen=True, eq=False, repr=False)
class Pack(Op):
    """Zeros of shape attrs[0] = (rows, columns), each input in its spot. attrs[1]: ops.atlas.Spots, none in another's."""

    def infer(self, inputs: tuple[Node, ...], attrs: tuple[Any, ...]) -> tuple[Shape, np.dtype[Any]]:
        return attrs[0], inputs[0].dtype
