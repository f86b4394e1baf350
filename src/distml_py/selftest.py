"""The self-test: every kind of kernel on small arrays, against the op's own NumPy row. Changes nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import engine
from .errors import BackendError
from .graph import Node, apply, const, leaf
from .op import TABLE

CLOSE = 1e-5  # of the largest number: float32 sums in another order


@dataclass(frozen=True)
class Check:
    """What was computed, whether it was right, and what was found instead."""

    name: str
    passed: bool
    detail: str = ""

    def __str__(self) -> str:
        return f"{'ok' if self.passed else 'WRONG':5} {self.name}" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True)
class _Case:
    """One op on arrays (or, for a source, on scalars); judged by its numpy function."""

    name: str
    op: str
    arrays: tuple[np.ndarray, ...]
    attrs: tuple[Any, ...] = ()

    def node(self) -> Node:
        inputs = [leaf(x, x.shape, x.dtype) if x.shape else const(x.item(), x.dtype) for x in self.arrays]
        if self.op == "scatter_add":  # the index names whole rows
            inputs[0] = apply(TABLE["expand"], inputs[0], attrs=(inputs[1].shape,))
        return apply(TABLE[self.op], *inputs, attrs=self.attrs)

    def wanted(self) -> np.ndarray:
        arrays = np.broadcast_arrays(*self.arrays) if self.op == "scatter_add" else self.arrays
        return np.asarray(TABLE[self.op].numpy(*arrays, *self.attrs))


def self_test() -> list[Check]:
    """Every kind of kernel on the current backend, compared with NumPy. str() of a check is a line for people.

    All are computed in one go; when that is not possible, one after the other, to find out which one fails.
    """
    cases = _cases()
    nodes = [case.node() for case in cases]
    try:
        engine.realize(nodes)
    except BackendError:
        nodes = [case.node() for case in cases]
    return [_check(case, node) for case, node in zip(cases, nodes, strict=True)]


def _check(case: _Case, node: Node) -> Check:
    try:
        found = engine.fetch(node)
    except BackendError as error:
        return Check(case.name, False, str(error))
    wanted = case.wanted()
    if found.shape != wanted.shape:
        return Check(case.name, False, f"found shape {found.shape}, expected {wanted.shape}")
    if wanted.dtype.kind == "f" and case.op != "uniform":
        wrong = ~(np.abs(found - wanted) <= CLOSE * max(1.0, float(np.abs(wanted).max(initial=0))))
    else:
        wrong = found != wanted
    if not wrong.any():
        return Check(case.name, True)
    place = tuple(int(n) for n in np.argwhere(wrong)[0])
    detail = f"{int(wrong.sum())} of {wrong.size} numbers, at {place} found {found[place]}, expected {wanted[place]}"
    return Check(case.name, False, detail)


def _cases() -> list[_Case]:
    number = _numbers
    whole = (np.arange(35, dtype=np.int32) * 7919 % 1009 + 2**24).reshape(5, 7)
    index = np.array([[0, 2, 1], [1, 1, 0]], np.int32)
    rows = (np.arange(40, dtype=np.int32) ** 2 % 7).reshape(40, 1)
    key = tuple(np.asarray(word, np.int32) for word in (7, 3, 2, 5))
    image, sent = number(3, 4, 7, 8), number(3, 6, 4, 4)
    window = ((2, 2), (1, 1), (1, 1))
    query, key_of, value = number(2, 5, 4), number(2, 6, 4), number(2, 6, 8)
    causal = (True, (2,))
    normalizer = np.asarray(TABLE["attention_lse"].numpy(query, key_of, *causal))
    return [
        _Case("read-back of 129 numbers", "neg", (number(129),)),  # of 3: the sum's
        _Case("integers beyond 2^24", "neg", (whole,)),
        _Case("sum in several chunks", "sum", (number(3, 1301),), ((1,),)),
        _Case("place of the largest number", "argmax", (number(5, 37),), ((1,),)),
        _Case("matrix product, four rows at once", "matmul", (number(2, 4, 8), number(2, 8, 12))),
        _Case("matrix product of odd sizes, eight rows at once, in parts", "matmul", (number(1, 9, 512), number(1, 512, 11))),
        _Case("convolution with stride and padding, in two groups", "conv2d", (image, number(6, 2, 3, 3)), (*window, (4, 4), 2)),
        _Case("gradient of a convolution's weight", "conv2d_weight", (image, sent), (*window, (3, 3), 2)),
        _Case("attention", "attention", (query, key_of, value, normalizer), causal),
        _Case("scatter", "scatter_add", (rows, number(40, 8)), ((7, 8), 0)),
        _Case("gather", "gather", (number(2, 5), index), (1,)),
        _Case("random bits", "uniform", key, ((17,),)),
    ]  # fmt: skip


def _numbers(*shape: int) -> np.ndarray:
    """Reproducible, in [-1, 1), no two neighbours alike."""
    size = math.prod(shape)
    return ((np.arange(size, dtype=np.float64) * 0.6180339887 + 0.1) % 1 * 2 - 1).astype(np.float32).reshape(shape)
