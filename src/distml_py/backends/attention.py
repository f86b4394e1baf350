"""GLSL of attention: a fragment walks along all keys (or queries) of its row, finds each weight, and keeps none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..kernel import Attended, Normalizer, Operand
from ..op import float32
from .places import Place, Var, variable
from .writer import Program, Value, Writer, counter, indented, loop, number

LOWEST = "-3.4028234e38"  # a maximum to start with: finite, so that a score of -inf is a weight of 0
NOTHING = number(-np.inf, float32)


class _Rows:
    """Rows of operands of (batch, rows, width) as whole texels."""

    def __init__(self, writer: Writer, batch: Place) -> None:
        self.writer, self.batch = writer, batch

    def texel(self, operand: Operand, row: Place, column: Place | int) -> Value:
        column = Place((), column) if isinstance(column, int) else column
        at = self.writer.at(operand, self.batch, row, column.times(4))
        return self.writer.texel(operand.input, self.writer.split(at, 4)[0], float32)

    def product(self, left: Operand, row: Place, right: Operand, other: Place, width: int) -> str:
        """The product of two rows."""
        pairs = [(self.texel(left, row, c).text, self.texel(right, other, c).text) for c in range(-(-width // 4))]
        return " + ".join(f"dot({x}, {y})" for x, y in pairs) or "0.0"

    def added(self, mask: Operand | None, query: Place, key: Place) -> str:
        if mask is None:
            return ""
        at = self.writer.at(mask, self.batch, query, key)
        return f" + {self.writer.element(mask.input, at, float32).text}"


def normalizer(writer: Writer, kernel: Normalizer) -> Program:
    """Four queries; four keys a turn. The sum is kept for the largest score so far, which rises."""
    _, l, s, e = kernel.sizes
    batch, group = writer.split(writer.own(), -(-l // 4))
    queries = [group.times(4).plus(r) for r in range(4)]
    rows = _Rows(writer, batch)

    def turn(first: Place, count: int, depth: int, last: str = "") -> None:
        """last: of the keys that each query sees, where not all see all of these."""
        scores = []
        for t in range(count):
            key = first.plus(t)
            each = [rows.product(kernel.query, row, kernel.key, key, e) + rows.added(kernel.mask, row, key) for row in queries]
            text = f"vec4({', '.join(each)})"
            if last:
                text = f"mix(vec4({NOTHING}), {text}, lessThanEqual(vec4({writer.float_of(key)}), {last}))"
            scores.append(writer.let("vec4", text, depth, "score").text)
        top = writer.name("top")
        writer.line(depth, f"vec4 {top} = {_nested('max', ['most', *scores])};")
        parts = (f"exp({score} - {top})" for score in scores)
        writer.line(depth, f"total = total * exp(most - {top}) + ({' + '.join(parts)});")
        writer.line(depth, f"most = {top};")

    writer.line(0, f"vec4 most = vec4({LOWEST}), total = vec4(0.0);")
    k = counter("k", s // 4, 1)
    if kernel.causal:
        seen = writer.let("vec4", f"min({writer.floating(queries[0])} + vec4(0.0, 1.0, 2.0, 3.0), {s - 1}.0)", 0, "last").text
        whole = writer.let("float", f"min({writer.floating(group)}, {s // 4}.0)", 0, "whole")
        if s:
            turn(variable(Var(whole.text, 0, s // 4)).times(4), min(4, s), 0, seen)
    else:
        whole = Value(f"{s // 4}.0")
        if s % 4:
            turn(Place((), s // 4 * 4), s % 4, 0)
    if s >= 4:
        turn(k.times(4), 4, 1)
    turns = _counted("k", whole.text, writer.lines.get(1, []))
    found = "mix(most + log(total), vec4(0.0), equal(total, vec4(0.0)))"
    return writer.program([*writer.lines[0], *turns, f"result0 = {found};"], kernel.dtype)


def attended(writer: Writer, kernel: Attended) -> Program:
    """One row; its products with four others a turn. Its own texels are read once, before the loop."""
    _, count, others, _, _, width = kernel.sizes
    rest, group = writer.split(writer.own(), -(-width // (4 * kernel.block)))
    batch, row = writer.split(rest, count)
    rows = _Rows(writer, batch)
    block = Place((), 0) if width <= 4 * kernel.block else group.times(kernel.block)
    for c in range(kernel.block):
        writer.line(0, f"vec4 acc{c} = vec4(0.0);")

    def turn(first: Place, number_of: int, depth: int, seen: Sequence[str] = ()) -> None:
        """seen: a condition for each of them, where not all are there."""
        weights, texels = [], []
        for t in range(number_of):
            other = first.plus(t)
            weights.append(writer.let("float", _weight(rows, kernel, row, other), depth, "w").text)
            texels.append([rows.texel(kernel.of, other, block.plus(c)).text for c in range(kernel.block)])
        terms = [[f"{w} * {x[c]}" for w, x in zip(weights, texels, strict=True)] for c in range(kernel.block)]
        if not seen:
            for c, term in enumerate(terms):
                writer.line(depth, f"acc{c} += {' + '.join(term)};")
        for t, condition in enumerate(seen):
            writer.line(depth, f"if ({condition}) {{ {' '.join(f'acc{c} += {term[t]};' for c, term in enumerate(terms))} }}")

    if not kernel.causal:
        if others % 4:
            turn(Place((), others // 4 * 4), others % 4, 0)
        if others >= 4:
            turn(counter("k", others // 4, 1).times(4), 4, 1)
        turns = loop("k", others // 4, writer.lines.get(1, []))
    else:
        first = row if kernel.turned else Place()  # a query sees the keys up to its own number, a key those from there on
        at = writer.floating(row)
        text = f"max({others}.0 - ({at}), 0.0)" if kernel.turned else f"min({at} + 1.0, {others}.0)"
        seen = writer.let("float", text, 0, "seen").text
        whole = writer.let("float", f"floor({seen} * 0.25)", 0, "whole").text
        tail = variable(Var(whole, 0, others // 4)).times(4)
        left = min(3, others)
        turn(first.plus(tail), left, 0, [f"{whole} * 4.0 + {t}.5 < {seen}" for t in range(left)])
        if others >= 4:
            turn(first.plus(counter("k", others // 4, 1).times(4)), 4, 1)
        turns = _counted("k", whole, writer.lines.get(1, []))
    results = [f"result{c} = acc{c};" for c in range(kernel.block)]
    return writer.program([*writer.lines[0], *turns, *results], kernel.dtype)


def _weight(rows: _Rows, kernel: Attended, row: Place, other: Place) -> str:
    """What the other's row is multiplied with."""
    query, key = (other, row) if kernel.turned else (row, other)
    known = rows.texel(kernel.statistics, query, 0).text
    score = rows.product(kernel.own, row, kernel.other, other, kernel.sizes[3]) + rows.added(kernel.mask, query, key)
    weight = f"exp({score} - {known}.x)"
    if kernel.slope is None:
        return weight
    return f"{weight} * ({rows.product(kernel.slope[0], row, kernel.slope[1], other, kernel.sizes[4])} - {known}.y)"


def _nested(function: str, texts: Sequence[str]) -> str:
    """function of two, of many."""
    found = texts[0]
    for text in texts[1:]:
        found = f"{function}({found}, {text})"
    return found


def _counted(name: str, until: str, inner: Sequence[str]) -> list[str]:
    """A loop whose end is a float that only the fragment knows."""
    if not inner:
        return []
    return [f"for (float {name} = 0.0; {name} < {until}; {name} += 1.0) {{", *indented(inner), "}"]
