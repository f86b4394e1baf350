"""Kernel -> GLSL ES 3.00 text: a pure function. `print(render(kernel).text)` is the debugger.

Arrays are row-major, four numbers a texel, ROW texels a row. Each fragment writes the four numbers of one texel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np

from ..kernel import (
    Apply,
    Convolution,
    Expression,
    Fold,
    Kernel,
    Load,
    Make,
    Map,
    Operand,
    Pick,
    Product,
    Read,
    Scalar,
    Scatter,
)
from ..op import bool_, float32, int32
from ..view import Shape, View, contiguous_strides

ROW_BITS = 10
ROW = 1 << ROW_BITS

_TYPES = {float32: "float", int32: "int", bool_: "bool"}
_NAN = "uintBitsToFloat(0x7fc00000u)"


@dataclass(frozen=True)
class Program:
    """text: the fragment shader, samplers t0, t1..., scalars s0, s1...; scalars: one letter each, f or i."""

    text: str
    scalars: str


def render(kernel: Kernel) -> Program:
    """The program of one kernel."""
    match kernel:
        case Map():
            return _map(kernel)
        case Fold():
            return _fold(kernel)
        case Product():
            return _product(kernel)
        case Convolution():
            return _convolution(kernel)
        case Scatter():
            return _scatter(kernel)
        case _:
            assert_never(kernel)


class _Text:
    """A function body while it is written: lines, the inputs and scalars it reads, the helpers it calls."""

    def __init__(self) -> None:
        self.inputs: dict[int, np.dtype[Any]] = {}
        self.scalars: dict[int, np.dtype[Any]] = {}
        self.helpers: dict[str, None] = {}
        self.names = 0

    def name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def load(self, number: int, dtype: np.dtype[Any], place: str) -> str:
        self.inputs[number] = dtype
        if dtype == float32:
            return f"load(t{number}, {place})"
        return f"loadi(t{number}, {place})" if dtype == int32 else f"(loadi(t{number}, {place}) != 0)"

    def program(self, body: str, dtype: np.dtype[Any]) -> Program:
        lines = ["#version 300 es", "precision highp float;", "precision highp int;"]
        lines += ["precision highp sampler2D;", "precision highp isampler2D;"]
        for number, kind in sorted(self.inputs.items()):
            lines.append(f"uniform {'' if kind == float32 else 'i'}sampler2D t{number};")
        for number, kind in sorted(self.scalars.items()):
            lines.append(f"uniform {'float' if kind == float32 else 'int'} s{number};")
        lines.append(f"out {'vec4' if dtype == float32 else 'ivec4'} result;")
        if any(kind == float32 for kind in self.inputs.values()):
            lines += _loader("vec4 texel(sampler2D t, int n)", "float load(sampler2D t, int i)", "texel")
        if any(kind != float32 for kind in self.inputs.values()):
            lines += _loader("ivec4 texeli(isampler2D t, int n)", "int loadi(isampler2D t, int i)", "texeli")
        lines += list(self.helpers)
        scalars = "".join("f" if kind == float32 else "i" for _, kind in sorted(self.scalars.items()))
        return Program("\n".join(lines) + "\n" + body, scalars)


def _loader(texel: str, load: str, call: str) -> list[str]:
    place = f"ivec2(n & {ROW - 1}, n >> {ROW_BITS})"
    return [
        f"{texel} {{ return texelFetch(t, {place}, 0); }}",
        f"{load} {{",
        f"    {texel.split()[0]} v = {call}(t, i >> 2);",
        "    return (i & 2) == 0 ? ((i & 1) == 0 ? v.x : v.y) : ((i & 1) == 0 ? v.z : v.w);",
        "}",
    ]


def _number(value: Any, dtype: np.dtype[Any]) -> str:
    if dtype == bool_:
        return "true" if value else "false"
    if dtype == int32:
        return str(int(value))
    if math.isnan(value):
        return _NAN
    if math.isinf(value):
        return f"uintBitsToFloat({'0x7f800000u' if value > 0 else '0xff800000u'})"
    return repr(float(value))


# ---------------------------------------------------------------- expressions


def _expression(text: _Text, value: Expression, place: str, lines: list[str], direct: dict[int, str]) -> str:
    """GLSL for value at element number `place`; lines receives what must be computed first.

    direct: inputs whose element at the fragment's own place has been fetched already.
    """
    match value:
        case Load(number, dtype):
            return direct[number] if place == "i" and number in direct else text.load(number, dtype, place)
        case Scalar(number, dtype):
            text.scalars[number] = dtype
            return f"(s{number} != 0)" if dtype == bool_ else f"s{number}"
        case Read():
            return _read(text, value, place, lines, direct)
        case Apply(op, args, dtype):
            parts = [_expression(text, arg, place, lines, direct) for arg in args]
            return _apply(text, op, args, parts, dtype, lines)
        case Make(op, attrs, args):
            parts = [_expression(text, arg, place, lines, direct) for arg in args]
            if op.helper:
                text.helpers[op.helper] = None
            named = {f"a{number}": attr for number, attr in enumerate(attrs, 1)}
            return f"({op.glsl.format(*parts, i=place, **named)})"
        case Pick():
            return _pick(text, value, place, lines, direct)
        case _:
            assert_never(value)


def _apply(text: _Text, op: Any, args: Any, parts: list[str], dtype: np.dtype[Any], lines: list[str]) -> str:
    """One named line an op, so that every part is written once and the text stays readable."""
    if op.name == "cast":
        source = args[0].dtype
        written = parts[0] if source == dtype else f"{_TYPES[dtype]}({parts[0]})"
    else:
        integer = args[-1].dtype == int32
        if op.helper and not (integer and not op.integer_glsl):
            text.helpers[op.helper] = None
        written = (op.integer_glsl if integer and op.integer_glsl else op.glsl).format(*parts)
    name = text.name("v")
    lines.append(f"{_TYPES[dtype]} {name} = {written};")
    return name


def _read(text: _Text, value: Read, place: str, lines: list[str], direct: dict[int, str]) -> str:
    view, rest = value.views[0], value.views[1:]
    source = Read(rest, value.of, value.dtype, value.work) if rest else value.of
    place, inside = _step(text, view, place, lines)
    if not inside:
        return _expression(text, source, place, lines, direct)
    # the branch is not taken beyond the edge, so a place outside the array is never read
    name = text.name("v")
    inner: list[str] = []
    found = _expression(text, source, place, inner, direct)
    lines.append(f"{_TYPES[value.dtype]} {name} = {_number(view.fill, value.dtype)};")
    lines.append(f"if ({inside}) {{")
    lines.extend("    " + line for line in inner)
    lines.extend([f"    {name} = {found};", "}"])
    return name


def _step(text: _Text, view: View, place: str, lines: list[str]) -> tuple[str, str]:
    """(the element number behind place, the condition under which it exists or "")."""
    simple = view.simplified()
    terms = [str(simple.offset)] if simple.offset or not simple.shape else []
    inside = []
    sizes = contiguous_strides(simple.shape)
    for axis, (size, stride) in enumerate(zip(simple.shape, simple.strides, strict=True)):
        low, high = simple.mask[axis] if simple.mask else (0, size)
        if stride == 0 and (low, high) == (0, size):
            continue
        coordinate = f"{place} / {sizes[axis]}" if sizes[axis] > 1 else place
        if axis:
            limit = max(size, 1)  # of an empty array nothing is read, but % 0 may not compile
            coordinate = f"{coordinate} % {limit}" if sizes[axis] == 1 else f"({coordinate}) % {limit}"
        if (low, high) != (0, size):
            name = text.name("c")
            lines.append(f"int {name} = {coordinate};")
            coordinate = name
            inside.append(f"{name} >= {low} && {name} < {high}")
        if stride:
            terms.append(f"({coordinate}) * {stride}" if stride != 1 else f"({coordinate})")
    name = text.name("p")
    lines.append(f"int {name} = {' + '.join(terms) or '0'};")
    return name, " && ".join(inside)


def _pick(text: _Text, value: Pick, place: str, lines: list[str], direct: dict[int, str]) -> str:
    """An index outside its range reads NaN (or the smallest integer): visible, never a neighbour's number."""
    index = _expression(text, value.index, place, lines, direct)
    moved = list(contiguous_strides(value.shape))
    step = moved[value.axis]
    moved[value.axis] = 0
    at, _ = _step(text, View(value.index_shape, tuple(moved)), place, lines)
    chosen, name = text.name("k"), text.name("v")
    lines.append(f"int {chosen} = {index};")
    missing = {float32: _NAN, int32: "-2147483647 - 1", bool_: "false"}[value.dtype]
    lines.append(f"{_TYPES[value.dtype]} {name} = {missing};")
    inner: list[str] = []
    target = text.name("p")
    inner.append(f"int {target} = {at} + {chosen} * {step};")
    found = _expression(text, value.of, target, inner, direct)
    lines.append(f"if ({chosen} >= 0 && {chosen} < {value.shape[value.axis]}) {{")
    lines.extend("    " + line for line in inner)
    lines.extend([f"    {name} = {found};", "}"])
    return name


def _direct_loads(value: Expression) -> dict[int, np.dtype[Any]]:
    """Inputs read at the fragment's own place: their texel is fetched once for all four numbers."""
    match value:
        case Load(number, dtype):
            return {number: dtype}
        case Apply(args=args):
            return {number: dtype for arg in args for number, dtype in _direct_loads(arg).items()}
        case Pick(index=index):
            return _direct_loads(index)
        case _:
            return {}


_MAIN = f"""void main() {{
    int n = (int(gl_FragCoord.y) << {ROW_BITS}) + int(gl_FragCoord.x);
    int i = n << 2;
"""


def _block(lines: list[str], indent: int = 1) -> str:
    return "".join("    " * indent + line + "\n" for line in lines)


def _stored(value: str, dtype: np.dtype[Any]) -> str:
    return f"int({value})" if dtype == bool_ else value


def _four(call: str, dtype: np.dtype[Any]) -> str:
    """The four numbers of the texel, each from a call with {k} and {c}."""
    parts = ", ".join(_stored(call.format(k=k, c="xyzw"[k]), dtype) for k in range(4))
    return f"    result = {'vec4' if dtype == float32 else 'ivec4'}({parts});\n}}\n"


def _map(kernel: Map) -> Program:
    text = _Text()
    loads = _direct_loads(kernel.body)
    direct = {number: f"a{number}" for number in loads}
    lines: list[str] = []
    found = _expression(text, kernel.body, "i", lines, direct)
    text.inputs.update(loads)
    parameters = "".join(f", {_TYPES[dtype]} a{number}" for number, dtype in loads.items())
    body = f"{_TYPES[kernel.dtype]} element(int i{parameters}) {{\n{_block([*lines, f'return {found};'])}}}\n{_MAIN}"
    for number, dtype in loads.items():
        vector = "vec4" if dtype == float32 else "ivec4"
        fetch = "texel" if dtype == float32 else "texeli"
        body += f"    {vector} x{number} = {fetch}(t{number}, n);\n"
    arguments = "".join(
        f", x{number}.{{c}} != 0" if dtype == bool_ else f", x{number}.{{c}}" for number, dtype in loads.items()
    )
    return text.program(body + _four(f"element(i + {{k}}{arguments})", kernel.dtype), kernel.dtype)


def _fold(kernel: Fold) -> Program:
    text = _Text()
    lines: list[str] = []
    found = _expression(text, kernel.body, "i", lines, {})
    inner = _TYPES[kernel.body.dtype]
    body = f"{inner} element(int i) {{\n{_block([*lines, f'return {found};'])}}}\n"
    first = kernel.op.glsl_first.format(zero="0" if inner == "int" else "0.0", x="element(start)")
    whole = kernel.chunks == 1
    step = -(-kernel.length // kernel.chunks)
    start = f"o * {kernel.length}" if whole else f"(o / {kernel.chunks}) * {kernel.length} + (o % {kernel.chunks}) * {step}"
    count = str(kernel.length) if whole else f"min({step}, {kernel.length} - (o % {kernel.chunks}) * {step})"
    kind = _TYPES[kernel.dtype]
    body += f"{kind} fold(int o) {{\n    int start = {start};\n    int count = {count};\n"
    if kernel.op.name == "argmax":
        body += _ARGMAX.format(kind=inner, nan="isnan(x) && !isnan(best)" if inner == "float" else "false")
    else:
        update = kernel.op.glsl if inner == "float" else kernel.op.glsl.replace(" || isnan({x})", "")
        skip = 1 if "{x}" in kernel.op.glsl_first else 0
        body += f"    {kind} acc = {first};\n    for (int r = {skip}; r < count; r++) {{\n"
        body += f"        {inner} x = element(start + r);\n        acc = {update.format(acc='acc', x='x')};\n    }}\n"
        body += "    return acc;\n}\n"
    return text.program(body + _MAIN + _four("fold(i + {k})", kernel.dtype), kernel.dtype)


_ARGMAX = """    {kind} best = element(start);
    int where = 0;
    for (int r = 1; r < count; r++) {{
        {kind} x = element(start + r);
        if (x > best || {nan}) {{ best = x; where = r; }}
    }}
    return where;
}}
"""


# ---------------------------------------------------------------- contractions


def _aligned(operand: Operand, axis: int) -> bool:
    """Can four neighbours along axis be fetched as one texel, at every multiple of four?"""
    others = [stride for a, stride in enumerate(operand.strides) if a != axis]
    return operand.strides[axis] == 1 and operand.offset % 4 == 0 and all(stride % 4 == 0 for stride in others)


def _place(operand: Operand, *coordinates: str) -> str:
    terms = [str(operand.offset)] if operand.offset else []
    for coordinate, stride in zip(coordinates, operand.strides, strict=True):
        if stride and coordinate != "0":
            terms.append(coordinate if stride == 1 else f"{coordinate} * {stride}")
    return " + ".join(terms) or "0"


def _product(kernel: Product) -> Program:
    m, n, k = kernel.sizes
    text = _Text()
    kind = _TYPES[kernel.dtype]
    left, right = kernel.left, kernel.right
    load_left = text.load(left.input, kernel.dtype, _place(left, "b", "row", "k"))
    load_right = text.load(right.input, kernel.dtype, _place(right, "b", "k", "column"))
    if n % 4 == 0 and kernel.dtype == float32 and k > 0:
        return text.program(_MAIN + _product_of_four(kernel), kernel.dtype)
    lines = [f"int column = i % {n};", f"int row = (i / {n}) % {m};", f"int b = i / {m * n};", f"{kind} acc = {kind}(0);"]
    whole = k // 4 * 4 if kernel.dtype == float32 else 0
    if whole:
        lines.append(f"for (int k = 0; k < {whole}; k += 4)")
        lines.append(f"    acc += dot({_left_four(left)}, {_column_of_four(right, 'column')});")
    lines += [f"for (int k = {whole}; k < {k}; k++)", f"    acc += {load_left} * {load_right};", "return acc;"]
    body = f"{kind} element(int i) {{\n{_block(lines)}}}\n"
    return text.program(body + _MAIN + _four("element(i + {k})", kernel.dtype), kernel.dtype)


def _left_four(left: Operand) -> str:
    """Four neighbours along k of the left operand."""
    if _aligned(left, 2):
        return f"texel(t{left.input}, ({_place(left, 'b', 'row', 'k')}) >> 2)"
    loads = ", ".join(f"load(t{left.input}, {_place(left, 'b', 'row', f'(k + {s})')})" for s in range(4))
    return f"vec4({loads})"


def _column_of_four(right: Operand, column: str) -> str:
    """Four neighbours along k of the right operand."""
    if _aligned(right, 1):
        return f"texel(t{right.input}, ({_place(right, 'b', 'k', column)}) >> 2)"
    loads = ", ".join(f"load(t{right.input}, {_place(right, 'b', f'(k + {s})', column)})" for s in range(4))
    return f"vec4({loads})"


def _product_of_four(kernel: Product) -> str:
    """Four neighbours of one row at once; k in steps of four where a texel holds four of them."""
    m, n, k = kernel.sizes
    left, right = kernel.left, kernel.right
    whole = k // 4 * 4
    lines = [f"int column = i % {n};", f"int row = (i / {n}) % {m};", f"int b = i / {m * n};", "vec4 acc = vec4(0.0);"]
    lines.append(f"for (int k = 0; k < {whole}; k += 4) {{")
    lines.append(f"    vec4 x = {_left_four(left)};")
    if _aligned(right, 1):
        for s in range(4):
            lines.append(f"    acc.{'xyzw'[s]} += dot(x, {_column_of_four(right, f'(column + {s})')});")
    else:
        for s in range(4):
            lines.append(f"    acc += x.{'xyzw'[s]} * {_row_of_four(right, f'(k + {s})')};")
    lines.append("}")
    if whole < k:
        lines.append(f"for (int k = {whole}; k < {k}; k++)")
        lines.append(f"    acc += load(t{left.input}, {_place(left, 'b', 'row', 'k')}) * {_row_of_four(right, 'k')};")
    return _block([*lines, "result = acc;"]) + "}\n"


def _row_of_four(right: Operand, k: str) -> str:
    if _aligned(right, 2):
        return f"texel(t{right.input}, ({_place(right, 'b', k, 'column')}) >> 2)"
    loads = ", ".join(f"load(t{right.input}, {_place(right, 'b', k, f'(column + {s})')})" for s in range(4))
    return f"vec4({loads})"


def _convolution(kernel: Convolution) -> Program:
    text = _Text()
    oh, ow = kernel.size
    _, c, h, w = kernel.image_shape
    o, _, kh, kw = kernel.weight_shape
    kind = _TYPES[kernel.dtype]
    wide = ow % 4 == 0 and kernel.dtype == float32
    image = text.load(kernel.image.input, kernel.dtype, _place(kernel.image, "picture", "c", "y", "{x}"))
    weight = text.load(kernel.weight.input, kernel.dtype, _place(kernel.weight, "channel", "c", "ky", "kx"))
    lines = [
        f"int left = (i % {ow}) * {kernel.stride[1]} - {kernel.padding[1]};",
        f"int top = ((i / {ow}) % {oh}) * {kernel.stride[0]} - {kernel.padding[0]};",
        f"int channel = (i / {ow * oh}) % {o};",
        f"int picture = i / {o * oh * ow};",
        f"{'vec4 acc = vec4(0.0)' if wide else f'{kind} acc = {kind}(0)'};",
        f"for (int c = 0; c < {c}; c++) {{",
        f"    for (int ky = 0; ky < {kh}; ky++) {{",
        f"        int y = top + ky * {kernel.dilation[0]};",
        f"        if (y < 0 || y >= {h}) continue;",
        f"        for (int kx = 0; kx < {kw}; kx++) {{",
        f"            int x = left + kx * {kernel.dilation[1]};",
    ]
    if wide:
        s = kernel.stride[1]
        at = [f"x + {k * s}" for k in range(4)]
        loads = ", ".join(f"({x} >= 0 && {x} < {w} ? {image.format(x=f'({x})')} : 0.0)" for x in at)
        lines += [f"            acc += {weight} * vec4({loads});"]
    else:
        lines += [f"            if (x >= 0 && x < {w}) acc += {weight} * {image.format(x='x')};"]
    lines += ["        }", "    }", "}"]
    if wide:
        return text.program(_MAIN + _block([*lines, "result = acc;"]) + "}\n", kernel.dtype)
    body = f"{kind} element(int i) {{\n{_block([*lines, 'return acc;'])}}}\n"
    return text.program(body + _MAIN + _four("element(i + {k})", kernel.dtype), kernel.dtype)


def _scatter(kernel: Scatter) -> Program:
    """Every element looks along the axis for the indices that name it: no two fragments write one place."""
    text = _Text()
    kind = _TYPES[kernel.dtype]
    out, line = contiguous_strides(kernel.shape), contiguous_strides(kernel.index_shape)
    lines, terms, inside = [], [], []
    for axis, size in enumerate(kernel.shape):
        lines.append(f"int c{axis} = (i / {max(out[axis], 1)}) % {max(size, 1)};")
        if axis != kernel.axis:
            terms.append(f"c{axis} * {line[axis]}")
            if kernel.index_shape[axis] < size:
                inside.append(f"c{axis} < {kernel.index_shape[axis]}")
    index = text.load(0, int32, "at")
    source = text.load(1, kernel.dtype, "at")
    lines += [
        f"{kind} acc = {kind}(0);",
        f"int count = {' && '.join(inside) or 'true'} ? {kernel.index_shape[kernel.axis]} : 0;",
        "for (int r = 0; r < count; r++) {",
        f"    int at = {' + '.join([*terms, f'r * {line[kernel.axis]}'])};",
        f"    if ({index} == c{kernel.axis}) acc += {source};",
        "}",
        "return acc;",
    ]
    body = f"{kind} element(int i) {{\n{_block(lines)}}}\n"
    return text.program(body + _MAIN + _four("element(i + {k})", kernel.dtype), kernel.dtype)


def texels(size: int) -> int:
    """Texels that hold `size` numbers; at least one."""
    return max(1, -(-size // 4))


def grid(size: int) -> Shape:
    """(columns, rows) of the draw that fills `size` numbers."""
    count = texels(size)
    return min(count, ROW), -(-count // ROW)
