"""Kernel -> GLSL ES 3.00 text: a pure function. `print(render(kernel, layouts, out).text)` is the debugger.

Each fragment writes the four numbers of one texel, or one texel in each layer of its target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np

from ..kernel import Chain, Convolution, Fold, Kernel, Map, Product, Scatter, ScatterChains, WeightGradient
from ..layout import Layout
from .places import Var, variable
from .products import convolution, product, weight_gradient
from .scatters import chain, scatter, scatter_chains
from .writer import AFTER, TYPES, Program, Value, Writer, indented, number, result

MOST_BRANCHES = 16  # in one text: a software renderer compiled 96 of them, in a loop, for minutes


def render(kernel: Kernel, layouts: Sequence[Layout], out: Layout) -> Program:
    """The program of one kernel for inputs and an output of these layouts."""
    writer = Writer(layouts, out)
    match kernel:
        case Map():
            return _map(writer, kernel)
        case Fold():
            return _fold(writer, kernel)
        case Product():
            return product(writer, kernel)
        case Convolution():
            return convolution(writer, kernel)
        case WeightGradient():
            return weight_gradient(writer, kernel)
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


def _fold(writer: Writer, kernel: Fold) -> Program:
    """Four numbers of a chunk in each turn of the loop where they share texels, else one."""
    one = _folded(writer, kernel, 1)
    if -(-kernel.length // kernel.chunks) % 4:
        return one
    four = _folded(Writer(writer.layouts, writer.out), kernel, 4)
    return four if four.text.count("texture(") < 3 * one.text.count("texture(") and four.text.count("?") < MOST_BRANCHES else one


def _folded(writer: Writer, kernel: Fold, unroll: int) -> Program:
    """A loop over the numbers of one chunk, four accumulators, one for each number of the texel."""
    argmax = kernel.op.name == "argmax"
    step = -(-kernel.length // kernel.chunks)
    r = variable(Var("r", 0, max(step // unroll - 1, 0), 1))
    inner = TYPES[kernel.body.dtype]
    kind = "int" if argmax else inner
    lowest = number(-np.inf if inner == "float" else -(2**31), kernel.body.dtype)
    start = kernel.op.glsl_first.format(zero="0" if kind == "int" else "0.0", least=lowest)
    first = writer.own().times(4)
    for k in range(4):
        writer.line(0, f"{kind} acc{k} = {start};")
        if argmax:
            writer.line(0, f"{inner} best{k} = {lowest};")
        chunk, row = writer.split(first.plus(k), kernel.rows)
        begin = row.times(kernel.length).plus(chunk, step)
        for j in range(unroll):
            place = begin.plus(r, unroll).plus(j)
            left: list[Value] = []
            if step * kernel.chunks > kernel.length:
                writer.inside(chunk.times(step).plus(r, unroll).plus(j), 0, kernel.length, left)
            value = writer.expression(kernel.body, place)
            x = writer.let(inner, value.text, value.depth)
            writer.line(1, _update(kernel, k, x.text, inner, writer.float_of(r.times(unroll).plus(j)), left))
        writer.totals[first.plus(k)] = Value(f"acc{k}", AFTER)
    results = [f"acc{k}" for k in range(4)]
    if kernel.after is not None:
        results = [writer.expression(kernel.after, first.plus(k)).text for k in range(4)]
    loop = [f"for (float r = 0.0; r < {step // unroll}.0; r += 1.0) {{", *indented(writer.lines.get(1, [])), "}"]
    body = [*writer.lines[0], *loop, *writer.lines.get(AFTER, []), result(results, kernel.dtype)]
    return writer.program(body, kernel.dtype)


def _update(kernel: Fold, k: int, x: str, inner: str, at: str, left: Sequence[Value]) -> str:
    """The statement that adds x to accumulator k, wherever the conditions `left` hold."""
    guard = f"if ({' && '.join(value.text for value in left)}) " if left else ""
    if kernel.op.name == "argmax":
        better = f"{x} > best{k}" + (f" || (isnan({x}) && !isnan(best{k}))" if inner == "float" else "")
        return f"{guard}if ({better}) {{ best{k} = {x}; acc{k} = int({at}); }}"
    update = kernel.op.glsl if inner == "float" or not kernel.op.integer_glsl else kernel.op.integer_glsl
    return f"{guard}acc{k} = {update.format(acc=f'acc{k}', x=x)};"
