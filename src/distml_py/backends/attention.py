"""GLSL of attention: a fragment walks along all keys (or queries) of its row, finds each weight, and keeps none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..kernel import Attended, Normalizer, Operand
from ..op import float32
from .places import Place, Var, variable
from .writer import AFTER, NAN, Program, Value, Writer, counter, indented, number

LARGEST = "3.4028234e38"  # its negative is the first maximum: a number, so that a score of -inf is a weight of 0
NOTHING = number(-np.inf, float32)


class _Rows:
    """Rows of operands of (batch, rows, width) as whole texels."""

    def __init__(self, writer: Writer, batch: Place) -> None:
        self.writer, self.batch = writer, batch

    def texel(self, operand: Operand, row: Place, column: Place) -> Value:
        at = self.writer.at(operand, self.batch, row, column.times(4))
        return self.writer.texel(operand.input, self.writer.split(at, 4)[0], float32)

    def product(self, left: Operand, row: Place, right: Operand, other: Place, width: int) -> str:
        """The product of two rows."""
        columns = [Place((), c) for c in range(-(-width // 4))]
        pairs = [(self.texel(left, row, c).text, self.texel(right, other, c).text) for c in columns]
        return " + ".join(f"dot({x}, {y})" for x, y in pairs) or "0.0"

    def added(self, mask: Operand | None, query: Place, key: Place) -> str:
        if mask is None:
            return ""
        at = self.writer.at(mask, self.batch, query, key)
        return f" + {self.writer.element(mask.input, at, float32).text}"


def normalizer(writer: Writer, kernel: Normalizer) -> Program:
    """Four queries; four keys a turn. The sum is kept for the largest score so far, which rises."""
    _, queries, keys, _ = kernel.sizes
    batch, group = writer.split(writer.own(), -(-queries // 4))
    rows, own = _Rows(writer, batch), [group.times(4).plus(r) for r in range(4)]
    writer.line(0, f"vec4 most = vec4(-{LARGEST}), total = vec4(0.0), spoilt = vec4(0.0);")
    if kernel.causal:  # all four see the keys of earlier groups; of their own, each those up to its own number
        until = writer.let("float", f"min({writer.floating(group)}, {keys // 4}.0)", 0, "whole").text
        last = f"min({writer.floating(own[0])} + vec4(0.0, 1.0, 2.0, 3.0), {keys - 1}.0)"
        first = variable(Var(until, 0, keys // 4)).times(4)
        seen = writer.let("vec4", last, 0, "last").text
        _sum_up(rows, kernel, own, [first.plus(t) for t in range(min(4, keys))], 0, seen)
    else:
        until = f"{keys // 4}.0"
        if keys % 4:
            _sum_up(rows, kernel, own, [Place((), key) for key in range(keys // 4 * 4, keys)], 0)
    if keys >= 4:
        turn = counter("k", keys // 4, 1).times(4)
        _sum_up(rows, kernel, own, [turn.plus(t) for t in range(4)], 1)
    turns = _counted("k", until, writer.lines.get(1, []))
    writer.line(AFTER, "vec4 found = mix(most + log(total), vec4(0.0), equal(total, vec4(0.0)));")
    writer.line(AFTER, f"result0 = mix(found, vec4({NAN}), greaterThan(spoilt, vec4(0.0)));")
    return writer.program([*writer.lines[0], *turns, *writer.lines[AFTER]], kernel.dtype)


def _sum_up(rows: _Rows, kernel: Normalizer, own: Sequence[Place], keys: Sequence[Place], depth: int, last: str = "") -> None:
    """The exponentials of some keys. last: of the keys that each query sees, where not all see all of these."""
    writer = rows.writer
    scores = []
    for key in keys:
        products = (rows.product(kernel.query, row, kernel.key, key, kernel.sizes[3]) for row in own)
        each = [product + rows.added(kernel.mask, row, key) for product, row in zip(products, own, strict=True)]
        text = f"vec4({', '.join(each)})"
        if last:
            text = f"mix(vec4({NOTHING}), {text}, lessThanEqual(vec4({writer.float_of(key)}), {last}))"
        scores.append(writer.let("vec4", text, depth, "score").text)
    top, largest = writer.name("top"), "most"
    for score in scores:
        largest = f"max({largest}, {score})"
    writer.line(depth, f"vec4 {top} = {largest};")
    parts = (f"exp({score} - {top})" for score in scores)
    writer.line(depth, f"total = total * exp(most - {top}) + ({' + '.join(parts)});")
    writer.line(depth, f"most = {top};")
    # exp() and max() may lose a NaN. One among them, or +inf, makes their sum one that no number bounds
    unbounded = f"not(lessThanEqual({' + '.join(scores)}, vec4({LARGEST})))"
    writer.line(depth, f"spoilt += vec4({unbounded});")


def attended(writer: Writer, kernel: Attended) -> Program:
    """One row; its products with four others a turn. Its own texels are read once, before the loop."""
    _, count, others, _, _, width = kernel.sizes
    groups = -(-width // (4 * kernel.block))
    rest, group = writer.split(writer.own(), groups)
    batch, row = writer.split(rest, count)
    rows, columns = _Rows(writer, batch), [group.times(kernel.block).plus(c) for c in range(kernel.block)]
    for c in range(kernel.block):
        writer.line(0, f"vec4 acc{c} = vec4(0.0);")
    if kernel.causal:
        turns = _some(rows, kernel, row, columns)
    else:
        if others % 4:
            _add_up(rows, kernel, row, columns, [Place((), other) for other in range(others // 4 * 4, others)], 0)
        if others >= 4:
            turn = counter("k", others // 4, 1).times(4)
            _add_up(rows, kernel, row, columns, [turn.plus(t) for t in range(4)], 1)
        turns = _counted("k", f"{others // 4}.0", writer.lines.get(1, []))
    results = [f"result{c} = acc{c};" for c in range(kernel.block)]
    return writer.program([*writer.lines[0], *turns, *results], kernel.dtype)


def _some(rows: _Rows, kernel: Attended, row: Place, columns: Sequence[Place]) -> list[str]:
    """The loop over those that a causal row meets: a query the keys up to its own number, a key the queries from there on."""
    writer, others = rows.writer, kernel.sizes[2]
    first, at = row if kernel.turned else Place(), writer.floating(row)
    text = f"max({others}.0 - ({at}), 0.0)" if kernel.turned else f"min({at} + 1.0, {others}.0)"
    seen = writer.let("float", text, 0, "seen").text
    whole = writer.let("float", f"floor({seen} * 0.25)", 0, "whole").text
    tail = first.plus(variable(Var(whole, 0, others // 4)), 4)
    left = range(min(3, others))
    _add_up(rows, kernel, row, columns, [tail.plus(t) for t in left], 0, [f"{whole} * 4.0 + {t}.5 < {seen}" for t in left])
    if others >= 4:
        turn = first.plus(counter("k", others // 4, 1), 4)
        _add_up(rows, kernel, row, columns, [turn.plus(t) for t in range(4)], 1)
    return _counted("k", whole, writer.lines.get(1, []))


def _add_up(
    rows: _Rows,
    kernel: Attended,
    row: Place,
    columns: Sequence[Place],
    others: Sequence[Place],
    depth: int,
    seen: Sequence[str] = (),
) -> None:
    """The rows of some others, each with its weight. seen: a condition for each, where not all are there."""
    writer = rows.writer
    weights = [writer.let("float", _weight(rows, kernel, row, other), depth, "w").text for other in others]
    texels = [[rows.texel(kernel.of, other, column).text for other in others] for column in columns]
    terms = [[f"{w} * {x}" for w, x in zip(weights, line, strict=True)] for line in texels]
    if not seen:
        for c, term in enumerate(terms):
            writer.line(depth, f"acc{c} += {' + '.join(term)};")
    for t, condition in enumerate(seen):
        writer.line(depth, f"if ({condition}) {{ {' '.join(f'acc{c} += {term[t]};' for c, term in enumerate(terms))} }}")


def _weight(rows: _Rows, kernel: Attended, row: Place, other: Place) -> str:
    """What the other's row is multiplied with."""
    query, key = (other, row) if kernel.turned else (row, other)
    known = rows.texel(kernel.statistics, query, Place()).text
    score = rows.product(kernel.own, row, kernel.other, other, kernel.sizes[3]) + rows.added(kernel.mask, query, key)
    rest = rows.writer.let("float", f"{score} - {known}.x", max(row.depth, other.depth), "z").text
    weight = f"mix(exp({rest}), {rest}, isnan({rest}))"
    if kernel.slope is None:
        return weight
    return f"{weight} * ({rows.product(kernel.slope[0], row, kernel.slope[1], other, kernel.sizes[4])} - {known}.y)"


def _counted(name: str, until: str, inner: Sequence[str]) -> list[str]:
    """The text of a loop of a counter() until a float, which perhaps only the fragment knows."""
    if not inner:
        return []
    return [f"for (float {name} = 0.0; {name} < {until}; {name} += 1.0) {{", *indented(inner), "}"]
