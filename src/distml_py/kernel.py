"""What a backend computes in one draw: frozen descriptions of kernels and of the expressions inside them. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .op import Elementwise, Reduce, Source
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


Expression = Load | Scalar | Read | Apply | Make | Pick


# ---------------------------------------------------------------- kernels: one draw each


@dataclass(frozen=True)
class Map:
    """output[i] = body(i)."""

    body: Expression
    dtype: Dtype


@dataclass(frozen=True)
class Fold:
    """output[o, c] = op over r in chunk c of body(o * length + r); `length` numbers in `chunks` chunks."""

    op: Reduce
    body: Expression
    length: int
    chunks: int
    dtype: Dtype


@dataclass(frozen=True)
class Operand:
    """An input read by strides, in elements."""

    input: int
    offset: int
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Product:
    """output[b, i, j] = sum over k of left[b, i, k] * right[b, k, j]; sizes: (m, n, k)."""

    left: Operand
    right: Operand
    sizes: Shape
    dtype: Dtype


@dataclass(frozen=True)
class Convolution:
    """See op.Conv2d. image: (n, c, h, w); kernel: (o, c, kh, kw); size: (oh, ow)."""

    image: Operand
    weight: Operand
    image_shape: Shape
    weight_shape: Shape
    stride: Shape
    padding: Shape
    dilation: Shape
    size: Shape
    dtype: Dtype


@dataclass(frozen=True)
class Scatter:
    """See op.ScatterAdd. Inputs 0 (index) and 1 (source) are contiguous, both of shape index_shape."""

    index_shape: Shape
    shape: Shape
    axis: int
    dtype: Dtype


Kernel = Map | Fold | Product | Convolution | Scatter


@dataclass(frozen=True)
class Launch:
    """One draw: kernel inputs and scalars are named by slot and by scalar number of the graph."""

    kernel: Kernel
    inputs: tuple[int, ...]
    scalars: tuple[int, ...]
    output: int
    size: int


@dataclass(frozen=True)
class Schedule:
    """launches in order; slots 0..leaves-1 hold the leaves, launch outputs follow; outputs: a slot for each asked node."""

    leaves: int
    launches: tuple[Launch, ...]
    outputs: tuple[int, ...]
