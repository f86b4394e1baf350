"""What a backend computes in one draw: frozen descriptions of kernels and of the expressions inside them. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .layout import Layout
from .op import Elementwise, Reduce, Source, Statistics
from .view import Shape, View

Dtype = np.dtype[Any]

# ---------------------------------------------------------------- expressions: what a kernel computes per element


@dataclass(frozen=True)
class Load:
    """The element of input number `input` of the kernel."""

    input: int
    dtype: Dtype
    work = 0


@dataclass(frozen=True)
class Scalar:
    """A uniform, number `scalar` of the kernel."""

    scalar: int
    dtype: Dtype
    work = 0


@dataclass(frozen=True)
class Read:
    """`of` at another place: through `views`, outermost first."""

    views: tuple[View, ...]
    of: Expression
    dtype: Dtype
    work: int


@dataclass(frozen=True)
class Apply:
    """An element-wise row on expressions."""

    op: Elementwise
    args: tuple[Expression, ...]
    dtype: Dtype
    work: int


@dataclass(frozen=True)
class Make:
    """A source row: from the element's number and scalar expressions."""

    op: Source
    attrs: tuple[Any, ...]
    args: tuple[Expression, ...]
    dtype: Dtype
    work: int


@dataclass(frozen=True)
class Pick:
    """`of`, of shape `shape`, at the place `index` names along `axis`; index has shape `index_shape`."""

    of: Expression
    index: Expression
    shape: Shape
    index_shape: Shape
    axis: int
    dtype: Dtype
    work: int


@dataclass(frozen=True)
class Total:
    """What a kernel has found for the element; only in its `after`."""

    dtype: Dtype
    work = 0


Expression = Load | Scalar | Read | Apply | Make | Pick | Total


# ---------------------------------------------------------------- kernels: one draw each; fetch: see Variant


@dataclass(frozen=True)
class Map:
    """output[i] = body(i)."""

    body: Expression
    dtype: Dtype


@dataclass(frozen=True)
class Fold:
    """output[c, o] = op over r in chunk c of body(o * length + r); o < rows; `length` numbers in `chunks` chunks.

    after: what is made of that for each element, where it is more than the number itself.
    more: further bodies that are folded alike, each into a layer of its own; only without `after`.
    """

    op: Reduce
    body: Expression
    length: int
    chunks: int
    rows: int
    dtype: Dtype
    after: Expression | None = None
    more: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Joint:
    """Layer n of output[c, o] = number n of what is known, or (final) result n, of op over r in chunk c of bodies(o * length + r).

    bodies: one, the numbers; or all that is known of parts, with counts: how many numbers are behind each, and behind a row's last
    one. attrs: the op's, but for its axes.
    """

    op: Statistics
    bodies: tuple[Expression, ...]
    length: int
    chunks: int
    rows: int
    dtype: Dtype
    final: bool
    attrs: tuple[Any, ...] = ()
    counts: tuple[int, int] = (1, 1)
    staged: bool = False  # bodies are of parts

    @property
    def layers(self) -> int:
        return len(self.op.results if self.final else self.op.known)

    @property
    def body(self) -> Expression:
        return self.bodies[0]

    @property
    def totals(self) -> tuple[int, int]:
        """How many numbers are behind a chunk, and behind a row's last one."""
        step = -(-self.length // self.chunks)
        each, last = self.counts
        return step * each, (self.length - (self.chunks - 1) * step - 1) * each + last


Axis = tuple[tuple[int, int], ...]
"""Digits (size, stride) of a coordinate, the last one fastest: (3, 32), (8, 4) reads number c at c // 8 * 32 + c % 8 * 4."""


@dataclass(frozen=True)
class Operand:
    """An input read by strides, in elements: of every axis, or of parts of it.

    A negative input, -1 - n, is no array: its element e is what number n of the kernel's `before` makes of e.
    """

    input: int
    offset: int
    axes: tuple[Axis, ...]


@dataclass(frozen=True)
class Product:
    """layer i of output[b, s, r, j] = sum over k in part s of left[b, r * block + i, k] * right[b, k, j].

    sizes: (m, n, k); k is cut into `splits` equal parts; j runs to the next multiple of four. The operands are packed:
    the last stride along one of an operand's last two axes is 1, all others and the offset are multiples of four.
    after: what is made of each number, where that is more than the number itself; its elements are counted (b, row, j).
    before: what operands are made of at each read, see Operand.
    """

    left: Operand
    right: Operand
    sizes: Shape
    batch: int
    splits: int
    block: int
    dtype: Dtype
    fetch: bool = False
    after: Expression | None = None
    before: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Window:
    """The geometry of a convolution. image: (n, c, h, w); weight: (o, c / groups, kh, kw); padding: (top, left); size: (oh, ow)."""

    image: Shape
    weight: Shape
    stride: Shape
    padding: Shape
    dilation: Shape
    size: Shape
    groups: int

    @property
    def channels(self) -> int:
        """Channels of the image in one texel of a weight's gradient."""
        return max(4 // self.weight[3], 1)


@dataclass(frozen=True)
class Convolution:
    """layer i of output[n, r, y, x] = channel r * block + i of a convolution; x runs to the next multiple of four.

    image: packed along w, zeros up to a whole texel. weight (input 1): contiguous (r, c, kh, kw, block).
    Within each group the channels are counted up to a multiple of block. after: as Product's; counted (n, channel, y, x).
    before: as Product's; what lies beyond the image's edges is 0 whatever it makes.
    """

    image: Operand
    window: Window
    block: int
    dtype: Dtype
    fetch: bool = False
    after: Expression | None = None
    before: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class WeightGradient:
    """layer i of output[s, r, c, ky, t] = gradient of weight[r * block + i, ...] from the s-th part of the batch.

    A texel (t) holds four neighbours along kx, or, where the kernel is one or two wide, those of 4 or 2 channels.
    image and gradient (inputs 0 and 1): packed along their width, the image with zeros up to a whole texel.
    before: as Convolution's.
    """

    image: Operand
    gradient: Operand
    window: Window
    splits: int
    block: int
    dtype: Dtype
    fetch: bool = False
    before: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Normalizer:
    """output[b, i] = log(sum over j of exp(score(b, i, j))), i to the next multiple of four; 0 where nothing is seen.

    score(b, i, j) = query[b, i] . key[b, j] + mask[b, i, j], -inf for j > i where causal. sizes: (b, queries, keys, e).
    query and key are packed along e, with zeros up to a whole texel.
    """

    query: Operand
    key: Operand
    mask: Operand | None
    sizes: Shape
    causal: bool
    dtype: Dtype


@dataclass(frozen=True)
class Attended:
    """Texel g * block + layer of output[b, r, g] = sum over p of weight(b, r, p) * of[b, p].

    own and other: queries and keys, or, where turned, keys and queries: r counts own's rows, p other's. weight = exp(score -
    statistics[b, query].x), see Normalizer; with slope it is times (slope[0][b, r] . slope[1][b, p] - statistics[b, query].y).
    sizes: (b, rows of own, rows of other, e, width of slope, width of `of`). All are packed along their width, which ends in zeros.
    """

    own: Operand
    other: Operand
    of: Operand
    statistics: Operand
    mask: Operand | None
    slope: tuple[Operand, Operand] | None
    turned: bool
    sizes: Shape
    causal: bool
    block: int
    dtype: Dtype


@dataclass(frozen=True)
class Scatter:
    """See op.ScatterAdd. Inputs 0 (index) and 1 (source) are contiguous, both of shape index_shape."""

    index_shape: Shape
    shape: Shape
    axis: int
    dtype: Dtype


@dataclass(frozen=True)
class Chain:
    """Which places of an index (input 0, `parts` parts of `length` numbers, a multiple of four) come one after the other.

    output[s, r] = the first k in part s with index[k] == r, r to the next multiple of four; or, behind: output[i] = the first
    k > i of the same part with index[k] == index[i]. -1 where there is none.
    """

    rows: int
    length: int
    parts: int
    behind: bool
    dtype: Dtype


@dataclass(frozen=True)
class ScatterChains:
    """output[s, r, j] = sum of source[k, j] over k = first[s, r], next[k], next[next[k]], ... until it is -1.

    sizes: (rows, width, count); j runs to the next multiple of four. Inputs 0 (first) and 1 (next): see Chain. source (input 2):
    packed along its width.
    """

    source: Operand
    sizes: Shape
    length: int
    parts: int
    dtype: Dtype


Kernel = Map | Fold | Joint | Product | Convolution | WeightGradient | Normalizer | Attended | Scatter | Chain | ScatterChains


@dataclass(frozen=True)
class Part:
    """A rectangle of the array in `slot`, read as an array of its own: from texel (x, y) on, in this layout."""

    slot: int
    x: int
    y: int
    layout: Layout


@dataclass(frozen=True)
class Region:
    """A draw that fills a rectangle of its output, from texel (x, y) on; whole: the layout of all of it."""

    x: int
    y: int
    whole: Layout


@dataclass(frozen=True)
class Launch:
    """One draw: kernel inputs and scalars are named by slot and by scalar number of the graph.

    size: numbers written into each layer of the output; 0 when there is nothing to draw. step: of the graph, for profiles.
    layout: of what is drawn; region: where in the output that is, when it is a part.
    """

    kernel: Kernel
    inputs: tuple[int, ...]
    scalars: tuple[int, ...]
    output: int
    size: int
    layout: Layout
    step: int = field(default=0, compare=False)
    region: Region | None = None


@dataclass(frozen=True)
class Draw:
    """What a profile is told of a draw: the step of the graph it was launched for, its kernel, bytes read and written.

    flops: about how many floating-point operations, 0 where that is not known.
    """

    step: int
    kernel: str
    size_bytes: int
    flops: int = 0


@dataclass(frozen=True)
class Schedule:
    """launches in order; slots 0..leaves-1 hold the leaves, parts and launch outputs follow; outputs: a slot for each asked node.

    parts: rectangles of leaves that are read as arrays, by slot.
    """

    leaves: int
    launches: tuple[Launch, ...]
    outputs: tuple[int, ...]
    parts: dict[int, Part] = field(default_factory=dict)
