"""Kernel -> GLSL ES 3.00 text: a pure function. `print(render(kernel, layouts, out).text)` is the debugger.

Each fragment writes the four numbers of one texel, or one texel in each layer of its target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

import numpy as np

from ..kernel import Convolution, Fold, Kernel, Map, Product, Scatter, WeightGradient
from ..layout import Layout
from ..op import bool_, float32, int32
from ..view import contiguous_strides
from .places import Place, Var, variable
from .products import convolution, product, weight_gradient
from .writer import AFTER, TYPES, Program, Value, Writer, indented, number

MOST_BRANCHES = 16  # in one text: a software renderer compiled 96 of them, in a loop, for minutes


def render(kernel: Kernel, layouts: Sequence[Layout], out: Layout, region: bool = False) -> Program:
    """The program of one kernel for inputs and an output of these layouts; region: the output is a part of its texture."""
    writer = Writer(layouts, out, region, isinstance(kernel, (Product, Convolution, WeightGradient)) and kernel.fetch)
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
            return _scatter(writer, kernel)
        case _:
            assert_never(kernel)


def _result(values: Sequence[str], dtype: np.dtype[Any]) -> str:
    parts = [f"int({value})" if dtype == bool_ else value for value in values]
    return f"result0 = {'vec4' if dtype == float32 else 'ivec4'}({', '.join(parts)});"


def _map(writer: Writer, kernel: Map) -> Program:
    first = writer.own().times(4)
    found = [writer.expression(kernel.body, first.plus(k)).text for k in range(4)]
    return writer.program([*writer.lines[0], _result(found, kernel.dtype)], kernel.dtype)


def _fold(writer: Writer, kernel: Fold) -> Program:
    """Four numbers of a chunk in each turn of the loop where they share texels, else one."""
    one = _folded(writer, kernel, 1)
    if -(-kernel.length // kernel.chunks) % 4:
        return one
    four = _folded(Writer(writer.layouts, writer.out, writer.region), kernel, 4)
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
    body = [*writer.lines[0], *loop, *writer.lines.get(AFTER, []), _result(results, kernel.dtype)]
    return writer.program(body, kernel.dtype)


def _update(kernel: Fold, k: int, x: str, inner: str, at: str, left: Sequence[Value]) -> str:
    """The statement that adds x to accumulator k, wherever the conditions `left` hold."""
    guard = f"if ({' && '.join(value.text for value in left)}) " if left else ""
    if kernel.op.name == "argmax":
        better = f"{x} > best{k}" + (f" || (isnan({x}) && !isnan(best{k}))" if inner == "float" else "")
        return f"{guard}if ({better}) {{ best{k} = {x}; acc{k} = int({at}); }}"
    update = kernel.op.glsl if inner == "float" or not kernel.op.integer_glsl else kernel.op.integer_glsl
    return f"{guard}acc{k} = {update.format(acc=f'acc{k}', x=x)};"


def _scatter(writer: Writer, kernel: Scatter) -> Program:
    """Every element looks along the axis for the indices that name it: no two fragments write one place."""
    kind = TYPES[kernel.dtype]
    line = contiguous_strides(kernel.index_shape)
    count = kernel.index_shape[kernel.axis]
    r = variable(Var("r", 0, max(count - 1, 0), 1))
    first = writer.own().times(4)
    for k in range(4):
        writer.line(0, f"{kind} acc{k} = {kind}(0);")
        rest, at, own = first.plus(k), r.times(line[kernel.axis]), Place()
        conditions: list[Value] = []
        for axis in reversed(range(len(kernel.shape))):
            rest, coordinate = writer.split(rest, kernel.shape[axis]) if axis else (rest, rest)
            if axis == kernel.axis:
                own = coordinate
            else:
                at = at.plus(writer.inside(coordinate, 0, kernel.index_shape[axis], conditions), line[axis])
        index = writer.element(0, at, int32)
        source = writer.element(1, at, kernel.dtype)
        wanted = writer.let("int", writer.integer(own), own.depth, "i")
        test = " && ".join([f"{index.text} == {wanted.text}", *(condition.text for condition in conditions)])
        writer.line(1, f"if ({test}) acc{k} += {source.text};")
    loop = [f"for (float r = 0.0; r < {count}.0; r += 1.0) {{", *indented(writer.lines.get(1, [])), "}"]
    return writer.program([*writer.lines[0], *loop, _result([f"acc{k}" for k in range(4)], kernel.dtype)], kernel.dtype)
