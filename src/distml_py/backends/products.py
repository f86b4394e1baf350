"""GLSL of matrix products and convolutions: a fragment computes a block, four neighbours in each of several layers."""

from __future__ import annotations

from ..kernel import Convolution, Operand, Product, WeightGradient, Window
from ..op import float32
from .places import Place
from .writer import AFTER, Program, Value, Writer, counter, loop


def product(writer: Writer, kernel: Product) -> Program:
    """The part of k that does not fill a texel comes first, then the loop over whole texels."""
    m, n, k = kernel.sizes
    rest, column = writer.split(writer.own(), -(-n // 4))
    rest, row = writer.split(rest, -(-m // kernel.block))
    batch, part = writer.split(rest, kernel.splits)
    length = k // kernel.splits
    vector = "vec4" if kernel.dtype == float32 else "ivec4"
    for i in range(kernel.block):
        writer.line(0, f"{vector} acc{i} = {vector}(0);")

    def steps(first: Place, count: int, depth: int) -> None:
        lefts, rights = [], []
        for s in range(count):
            at = part.times(length).plus(first).plus(s)
            places = [writer.at(kernel.right, batch, at, column.times(4).plus(j)) for j in range(4)]
            rights.append(_vector([writer.element(kernel.right.input, p, kernel.dtype) for p in places], vector))
            rows = [writer.at(kernel.left, batch, row.times(kernel.block).plus(i), at) for i in range(kernel.block)]
            lefts.append([writer.element(kernel.left.input, place, kernel.dtype).text for place in rows])
        for i in range(kernel.block):
            terms = (f"{left[i]} * {right}" for left, right in zip(lefts, rights, strict=True))
            writer.line(depth, f"acc{i} += {' + '.join(terms)};")

    whole = length // 4
    if length % 4:
        steps(Place((), whole * 4), length % 4, 0)
    if whole:
        steps(counter("k", whole, 1).times(4), 4, 1)
    rows = (batch.times(m).plus(row, kernel.block).plus(i) for i in range(kernel.block))
    firsts = [at.times(n).plus(column, 4) for at in rows]
    return _finished(writer, kernel, loop("k", whole, writer.lines.get(1, [])), firsts)


def _vector(values: list[Value], kind: str) -> str:
    """Four numbers as one vector: the texel itself when they are its numbers in order."""
    names = [value.text.split(".") for value in values]
    if len({name for name, *_ in names}) == 1 and [part for _, *part in names] == [["x"], ["y"], ["z"], ["w"]]:
        return names[0][0]
    return f"{kind}({', '.join(value.text for value in values)})"


def _finished(writer: Writer, kernel: Product | Convolution, loops: list[str], places: list[Place]) -> Program:
    """The loops, and what is made of each number they found; places: the first element that each layer's texel stands for.

    What only that needs is read after the loops: it would be kept through them otherwise.
    """
    before, results = list(writer.lines[0]), []
    vector = "vec4" if kernel.dtype == float32 else "ivec4"
    for i, first in enumerate(places):
        text = f"acc{i}"
        if kernel.after is not None:
            for j in range(4):
                writer.totals[first.plus(j)] = Value(f"acc{i}.{'xyzw'[j]}", AFTER)
            texts = [writer.expression(kernel.after, first.plus(j)).text for j in range(4)]
            text = f"{vector}({', '.join(texts)})"
        results.append(f"result{i} = {text};")
    read = writer.lines[0][len(before) :]
    return writer.program([*before, *loops, *read, *writer.lines.get(AFTER, []), *results], kernel.dtype)


def _results(block: int) -> list[str]:
    return [f"result{i} = acc{i};" for i in range(block)]


class _Columns:
    """The texels of an image row that four neighbouring outputs read, zeros beyond its edges.

    exists: the conditions under which there is such a row. They choose zeros instead of leaving the loop's turn:
    a turn that only some fragments of a group leave costs the others a choice for every accumulator.
    """

    def __init__(self, writer: Writer, image: Operand, window: Window, exists: list[Value]):
        self.writer, self.image, self.window, self.exists = writer, image, window, exists

    def texel(self, base: Place, step: int, row: tuple[Place, Place, Place]) -> Value:
        """Texel `step` after texel column base, in row (picture, channel, y)."""
        conditions = list(self.exists)
        column = self.writer.inside(base.plus(step), 0, -(-self.window.image[3] // 4), conditions)
        place, _ = self.writer.split(self.writer.at(self.image, *row, column.times(4)), 4)
        return self.writer.chosen(conditions, self.writer.texel(self.image.input, place, float32), "vec4(0.0)", "vec4")

    def four(self, base: Place, tap: int, row: tuple[Place, Place, Place]) -> str:
        """What four neighbouring outputs multiply with the weight at place `tap` of its row."""
        values = []
        for j in range(4):
            step, part = divmod(j * self.window.stride[1] + tap * self.window.dilation[1] - self.window.padding[1], 4)
            texel = self.texel(base, step, row)
            values.append(Value(f"{texel.text}.{'xyzw'[part]}", texel.depth))
        depth = max(value.depth for value in values)
        text = _vector(values, "vec4")
        return text if "(" not in text else self.writer.let("vec4", text, depth).text


def _row(writer: Writer, window: Window, y: Place, ky: Place) -> tuple[Place, list[Value]]:
    """The image row under row y of the output, and the condition under which there is one."""
    conditions: list[Value] = []
    place = y.times(window.stride[0]).plus(ky, window.dilation[0]).plus(-window.padding[0])
    row = writer.inside(place, 0, window.image[2], conditions)
    return row, [writer.let("bool", condition.text, condition.depth, "b") for condition in conditions]


def convolution(writer: Writer, kernel: Convolution) -> Program:
    """Four neighbours along x of `block` channels; loops over input channels and kernel rows."""
    window, block = kernel.window, kernel.block
    o, channels, kh, kw = window.weight
    blocks = -(-(o // window.groups) // block)
    oh, ow = window.size
    rest, x = writer.split(writer.own(), -(-ow // 4))
    rest, y = writer.split(rest, oh)
    picture, row = writer.split(rest, blocks * window.groups)
    group, inside = writer.split(row, blocks)
    c, ky = counter("c", channels, 1), counter("ky", kh, 2)
    for i in range(block):
        writer.line(0, f"vec4 acc{i} = vec4(0.0);")
    image_row, exists = _row(writer, window, y, ky)
    columns = _Columns(writer, kernel.image, window, exists)
    lines = (picture, group.times(channels).plus(c), image_row)
    terms: list[list[str]] = [[] for _ in range(block)]
    for kx in range(kw):
        pixels = columns.four(x.times(window.stride[1]), kx, lines)
        at = row.times(channels).plus(c).times(kh).plus(ky).times(kw).plus(kx).times(block)
        for i in range(block):
            terms[i].append(f"{writer.element(1, at.plus(i), kernel.dtype).text} * {pixels}")
    for i in range(block):
        writer.line(2, f"acc{i} += {' + '.join(terms[i])};")
    inner = [*writer.lines.get(1, []), *loop("ky", kh, writer.lines[2])]
    own = o // window.groups
    channel = picture.times(o).plus(group, own).plus(inside, block)
    firsts = [channel.plus(i).times(oh).plus(y).times(ow).plus(x, 4) for i in range(block)]
    return _finished(writer, kernel, loop("c", channels, inner), firsts)


def weight_gradient(writer: Writer, kernel: WeightGradient) -> Program:
    """Four taps of `block` output channels; loops over pictures, rows and, four pixels at once, columns."""
    window, block = kernel.window, kernel.block
    o, channels, kh, kw = window.weight
    own = o // window.groups
    rest, far = writer.split(writer.own(), -(-kw // 4) if kw > 2 else 1)
    rest, ky = writer.split(rest, kh)
    rest, c = writer.split(rest, -(-channels // window.channels))
    part, row = writer.split(rest, -(-own // block) * window.groups)
    group, inside = writer.split(row, -(-own // block))
    pictures = window.image[0] // kernel.splits
    picture = part.times(pictures).plus(counter("n", pictures, 1))
    y = counter("line", window.size[0], 2)
    for i in range(block):
        writer.line(0, f"vec4 acc{i} = vec4(0.0);")
    image_row, exists = _row(writer, window, y, ky)
    columns = _Columns(writer, kernel.image, window, exists)
    first = group.times(own).plus(inside, block)

    def steps(x: Place, depth: int, parts: str) -> None:
        places = (writer.at(kernel.gradient, picture, first.plus(i), y, x.times(4)) for i in range(block))
        sent = [writer.texel(kernel.gradient.input, writer.split(place, 4)[0], float32).text for place in places]
        base = x.times(window.stride[1]).plus(far, window.dilation[1])
        for t, (channel, kx) in enumerate(_taps(kw)):
            image_channel = group.times(channels).plus(c, window.channels).plus(channel)
            pixels = columns.four(base, kx, (picture, image_channel, image_row))
            for i in range(block):
                writer.line(depth, f"acc{i}.{'xyzw'[t]} += {_dot(sent[i], pixels, parts)};")

    whole, left = divmod(window.size[1], 4)
    if left:
        steps(Place((), whole), 2, "xyzw"[:left])
    if whole:
        steps(counter("k", whole, 3), 3, "xyzw")
    inner = [*writer.lines.get(2, []), *loop("k", whole, writer.lines.get(3, []))]
    middle = [*writer.lines.get(1, []), *loop("line", window.size[0], inner)]
    return writer.program([*writer.lines[0], *loop("n", pictures, middle), *_results(block)], kernel.dtype)


def _taps(kw: int) -> list[tuple[int, int]]:
    """(channel, place in the kernel's row) of the numbers of a texel; the fourth of a kernel three wide is not needed."""
    return [(t // kw, t % kw) for t in range(4)] if kw <= 2 else [(0, t) for t in range(3 if kw == 3 else 4)]


def _dot(left: str, right: str, parts: str) -> str:
    if parts == "xyzw":
        return f"dot({left}, {right})"
    if parts == "x":
        return f"{left}.x * ({right}).x"
    return f"dot({left}.{parts}, ({right}).{parts})"
