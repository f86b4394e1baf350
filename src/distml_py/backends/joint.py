"""GLSL of several results found in one draw: numbers are seen from one of them, so that no digits cancel, and summed as a tree."""

from __future__ import annotations

import numpy as np

from ..kernel import Joint
from .places import Place
from .sums import Tree, numbers, pairs
from .writer import NAN, Program, Writer, counter, loop, number, result


def joint(writer: Writer, kernel: Joint, unroll: int) -> Program:
    """A loop over the numbers of one chunk, after one that finds their maximum where that is asked for."""
    op, turns = kernel.op, -(-kernel.length // kernel.chunks) // unroll
    lines = _tops(writer, kernel, turns, unroll) if op.top else []
    texts = op.merged if kernel.staged else op.terms
    tree = Tree(turns, 8 if sum(body.work for body in kernel.bodies) else 4, 4 * len(texts))
    r, first = counter("r", turns, 1), Place()
    for k in range(4):
        if not op.top:
            ((_, pivot, _),) = numbers(writer, kernel, kernel.body, k, first, 1)
            writer.line(0, f"float pivot{k} = {pivot.text};")
        for n in range(len(texts)):
            writer.line(0, f"float acc{4 * n + k} = 0.0;")
        parts = [list(numbers(writer, kernel, body, k, r, unroll)) for body in kernel.bodies]
        terms: list[list[str]] = [[] for _ in texts]
        for j, (at, x, left) in enumerate(parts[0]):
            known = {f"k{n}": part[j][1].text for n, part in enumerate(parts)}
            known |= {"x": x.text, "p": f"pivot{k}", "n": _count(writer, kernel, k, at)}
            for found, text in zip(terms, texts, strict=True):
                value = writer.let("float", text.format(**known), 1)
                found.append(writer.chosen(left, value, "0.0", "float").text)
        for n, found in enumerate(terms):
            writer.line(1, f"{tree.accumulator(4 * n + k)} += {pairs(found)};")
    lines += tree.loops("r", writer.lines[1])
    if op.helper:
        writer.helpers[op.helper] = None
    layers: list[list[str]] = [[] for _ in range(kernel.layers)]
    for k in range(4):
        known = {f"s{n}": f"acc{4 * n + k}" for n in range(len(texts))} | {"p": f"pivot{k}", "nan": NAN}
        known["n"] = _chosen(writer, *kernel.totals, _chunk(writer, kernel, k), kernel.chunks)
        known |= {f"a{n}": repr(attr) for n, attr in enumerate(kernel.attrs, 1)}
        for layer, text in zip(layers, op.results if kernel.final else op.known, strict=True):
            layer.append(text.format(**known))
    return writer.program([*writer.lines[0], *lines, *(result(v, kernel.dtype, n) for n, v in enumerate(layers))], kernel.dtype)


def _tops(writer: Writer, kernel: Joint, turns: int, unroll: int) -> list[str]:
    """The loop that finds pivot0, pivot1...: the largest number; NaN where there is one."""
    n = counter("n", turns, 1)
    for k in range(4):
        writer.line(0, f"float pivot{k} = {number(-np.inf, kernel.dtype)};")
        for _, x, left in numbers(writer, kernel, kernel.body, k, n, unroll):
            guard = f"if ({' && '.join(value.text for value in left)}) " if left else ""
            writer.line(1, f"{guard}pivot{k} = mix(pivot{k}, {x.text}, {x.text} > pivot{k} || isnan({x.text}));")
    return loop("n", turns, writer.lines.pop(1, []))


def _chunk(writer: Writer, kernel: Joint, k: int) -> Place:
    return writer.split(writer.own().times(4).plus(k), kernel.rows)[0]


def _count(writer: Writer, kernel: Joint, k: int, at: Place) -> str:
    """How many numbers are behind the one at this place of a chunk."""
    if not kernel.staged:
        return "1.0"
    step = -(-kernel.length // kernel.chunks)
    return _chosen(writer, *kernel.counts, _chunk(writer, kernel, k).times(step).plus(at), kernel.length)


def _chosen(writer: Writer, each: int, last: int, place: Place, length: int) -> str:
    """each, or `last` at the last of `length` places."""
    if each == last or length == 1:
        return f"{last}.0"
    return f"mix({each}.0, {last}.0, {writer.float_of(place)} > {length}.0 - 1.5)"
