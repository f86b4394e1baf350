"""Kernel -> GLSL ES 3.00 text: a pure function. `print(render(kernel, layouts, out).text)` is the debugger.

Each fragment writes the four numbers of one texel, or one texel in each layer of its target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, assert_never

import numpy as np

from ..expressions import weight_of
from ..kernel import (
    Attended,
    Chain,
    Convolution,
    Fold,
    Joint,
    Kernel,
    Map,
    Normalizer,
    Product,
    Scatter,
    ScatterChains,
    WeightGradient,
)
from ..layout import Layout
from ..op import float32
from .attention import attended, normalizer
from .joint import joint
from .products import convolution, product, weight_gradient
from .scatters import chain, scatter, scatter_chains
from .sums import Tree, numbers, pairs
from .writer import AFTER, TYPES, Program, Value, Writer, counter, loop, number, result

T = TypeVar("T", Fold, Joint)
MOST_BRANCHES = 16  # in a loop: a software renderer compiled 96 of them, or 32 random numbers with roots, for minutes


def render(kernel: Kernel, layouts: Sequence[Layout], out: Layout, region: bool = False) -> Program:
    """The program of one kernel for inputs and an output of these layouts; region: the output is a part of its texture."""
    if isinstance(kernel, (Product, Convolution, WeightGradient)):
        writer = Writer(layouts, out, region, kernel.fetch, kernel.before)
    else:
        writer = Writer(layouts, out, region)
    match kernel:
        case Map():
            return _map(writer, kernel)
        case Fold():
            return _unrolled(writer, kernel, _folded)
        case Joint():
            return _unrolled(writer, kernel, joint)
        case Product():
            return product(writer, kernel)
        case Convolution():
            return convolution(writer, kernel)
        case WeightGradient():
            return weight_gradient(writer, kernel)
        case Normalizer():
            return normalizer(writer, kernel)
        case Attended():
            return attended(writer, kernel)
        case Scatter():
            return scatter(writer, kernel)
        case Chain():
            return chain(writer, kernel)
        case ScatterChains():
            return scatter_chains(writer, kernel)
        case _:
            assert_never(kernel)


def _map(writer: Writer, kernel: Map) -> Program:
    first = writer.own().times(4)
    found = [writer.expression(kernel.body, first.plus(k)).text for k in range(4)]
    return writer.program([*writer.lines[0], result(found, kernel.dtype)], kernel.dtype)


def _unrolled(writer: Writer, kernel: T, folded: Callable[[Writer, T, int], Program]) -> Program:
    """Four numbers of a chunk in each turn of the loop where they share texels, else one."""
    one = folded(writer, kernel, 1)
    if -(-kernel.length // kernel.chunks) % 4:
        return one
    four = folded(Writer(writer.layouts, writer.out, writer.region), kernel, 4)
    bodies = kernel.bodies if isinstance(kernel, Joint) else (kernel.body, *kernel.more)
    branches = four.text.count("?") + 16 * sum(map(weight_of, bodies))
    return four if four.text.count("texture(") < 3 * one.text.count("texture(") and branches < MOST_BRANCHES else one


def _folded(writer: Writer, kernel: Fold, unroll: int) -> Program:
    """A loop over the numbers of one chunk, four accumulators, one for each number of the texel."""
    step = -(-kernel.length // kernel.chunks)
    r = counter("r", step // unroll, 1)
    argmax, floats = kernel.op.name == "argmax", kernel.body.dtype == float32
    kind = "int" if argmax else TYPES[kernel.body.dtype]
    lowest = number(-np.inf if floats else -(2**31), kernel.body.dtype)
    start = kernel.op.glsl_first.format(zero="0.0" if kind == "float" else "0", least=lowest)
    bodies = (kernel.body, *kernel.more)
    work = sum(body.work for body in bodies)
    tree = Tree(step // unroll, 8 if work else 4, 4 * len(bodies)) if kernel.op.name == "sum" and floats else None
    for n, body in enumerate(bodies):
        for k in range(4):
            own = 4 * n + k
            writer.line(0, f"{kind} acc{own} = {start};")
            if argmax:
                writer.line(0, f"{TYPES[body.dtype]} best{own} = {lowest};")
            terms = []
            for at, x, left in numbers(writer, kernel, body, k, r, unroll):
                if tree is None:
                    writer.line(1, _update(kernel, own, x.text, writer.integer(at), left))
                else:
                    terms.append(writer.chosen(left, x, "0.0", "float").text)
            if tree is not None:
                writer.line(1, f"{tree.accumulator(own)} += {pairs(terms)};")
    for k in range(4):
        writer.totals[writer.own().times(4).plus(k)] = Value(f"acc{k}", AFTER)
    inner = writer.lines[1]
    return _finished(writer, kernel, loop("r", step // unroll, inner) if tree is None else tree.loops("r", inner))


def _finished(writer: Writer, kernel: Fold, turns: Sequence[str]) -> Program:
    """What is made of the accumulators; one layer for each body."""
    found = [[f"acc{4 * n + k}" for k in range(4)] for n in range(1 + len(kernel.more))]
    if kernel.after is not None:
        found = [[writer.expression(kernel.after, writer.own().times(4).plus(k)).text for k in range(4)]]
    results = [result(values, kernel.dtype, layer) for layer, values in enumerate(found)]
    body = [*writer.lines[0], *turns, *writer.lines.get(AFTER, []), *results]
    return writer.program(body, kernel.dtype)


def _update(kernel: Fold, k: int, x: str, at: str, left: Sequence[Value]) -> str:
    """The statement that takes x into accumulator k, wherever the conditions `left` hold."""
    floats = kernel.body.dtype == float32
    guard = f"if ({' && '.join(value.text for value in left)}) " if left else ""
    if kernel.op.name == "argmax":
        better = f"{x} > best{k}" + (f" || (isnan({x}) && !isnan(best{k}))" if floats else "")
        return f"{guard}if ({better}) {{ best{k} = {x}; acc{k} = {at}; }}"
    update = kernel.op.glsl if floats or not kernel.op.integer_glsl else kernel.op.integer_glsl
    return f"{guard}acc{k} = {update.format(acc=f'acc{k}', x=x)};"
