"""GLSL of adding by index. No fragment writes where another does: each looks for the numbers that belong to it."""

from __future__ import annotations

from ..kernel import Chain, Scatter, ScatterChains
from ..op import float32, int32
from ..view import contiguous_strides
from .places import Place, Var, variable
from .writer import TYPES, Program, Value, Writer, counter, indented, loop, result


def scatter(writer: Writer, kernel: Scatter) -> Program:
    """Every element looks along the axis for the indices that name it."""
    kind = TYPES[kernel.dtype]
    line = contiguous_strides(kernel.index_shape)
    count = kernel.index_shape[kernel.axis]
    r = counter("r", count, 1)
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
    turns = loop("r", count, writer.lines.get(1, []))
    return writer.program([*writer.lines[0], *turns, result([f"acc{k}" for k in range(4)], kernel.dtype)], kernel.dtype)


def chain(writer: Writer, kernel: Chain) -> Program:
    """Four rows, or four places, a fragment. From the last index to the first, so that what stays is the first that fits."""
    own = writer.own()
    texels = kernel.length // 4
    part, inside = writer.split(own, texels if kernel.behind else -(-kernel.rows // 4))
    four = writer.let("ivec4", f"{writer.integer((own if kernel.behind else inside).times(4))} + ivec4(0, 1, 2, 3)", 0, "i").text
    wanted = writer.texel(0, own, int32).text if kernel.behind else four
    texel = part.times(texels).plus(Place(((Var("r", 0, texels, 1, whole=True), 1),)))
    indices = writer.texel(0, texel, int32).text
    at = writer.let("int", writer.integer(texel.times(4)), 1, "k").text
    for s in reversed(range(4)):
        fits = f"ivec4(equal({wanted}, ivec4({indices}.{'xyzw'[s]})))"
        if kernel.behind:
            fits += f" * ivec4(greaterThan(ivec4({at} + {s}), {four}))"
        writer.line(1, f"found += {fits} * (ivec4({at} + {s}) - found);")
    until = writer.let("int", writer.integer(inside), 0, "i").text if kernel.behind else "0"
    turns = [f"for (int r = {texels - 1}; r >= {until}; r--) {{", *indented(writer.lines[1]), "}"]
    return writer.program([*writer.lines[0], "ivec4 found = ivec4(-1);", *turns, "result0 = found;"], int32)


def scatter_chains(writer: Writer, kernel: ScatterChains) -> Program:
    """Four neighbours of one row, which walks along its entries. The loop ends even where a lost GPU left nothing but zeros."""
    rows, width, _ = kernel.sizes
    rest, column = writer.split(writer.own(), -(-width // 4))
    part, row = writer.split(rest, rows)
    vector, zero = ("vec4", "vec4(0.0)") if kernel.dtype == float32 else ("ivec4", "ivec4(0)")
    first = writer.element(0, part.times(-(-rows // 4) * 4).plus(row), int32).text
    entry = variable(Var("entry", 0, kernel.parts * kernel.length - 1, 1, whole=True))
    at = writer.at(kernel.source, entry, column.times(4))
    found = writer.texel(2, writer.split(at, 4)[0], kernel.dtype).text
    behind = writer.element(1, entry, int32).text
    inner = ["if (entry < 0) break;", *writer.lines.get(1, []), f"sum += {found};", f"entry = {behind};"]
    turns = [f"for (int turn = 0; turn < {kernel.length}; turn++) {{", *indented(inner), "}"]
    start = [*writer.lines[0], f"int entry = {first};", f"{vector} sum = {zero};"]
    return writer.program([*start, *turns, "result0 = sum;"], kernel.dtype)
