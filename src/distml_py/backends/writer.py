"""A fragment shader while it is written: every value is named once, as far outside the loops as it can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, assert_never

import numpy as np

from ..kernel import Apply, Expression, Load, Make, Operand, Pick, Read, Scalar, Total
from ..layout import Layout
from ..op import bool_, float32, int32
from ..view import View, contiguous_strides
from .places import Place, Var, split, variable

AFTER = 9  # the depth of what is known when all loops are over
COUNTED = 1 << 24  # a float that is counted up by ones stays here for ever
EXACT = 1 << 21  # quotients of float32 numbers below this are exact; larger places are counted in ints
TYPES = {float32: "float", int32: "int", bool_: "bool"}
NAN = "uintBitsToFloat(0x7fc00000u)"


@dataclass(frozen=True)
class Program:
    """text: the fragment shader, samplers t0, t1..., scalars s0, s1...; scalars: one letter each, f or i."""

    text: str
    scalars: str


class Value(NamedTuple):
    """A GLSL expression and the depth of the loop in which it is known."""

    text: str
    depth: int = 0


def number(value: Any, dtype: np.dtype[Any]) -> str:
    """A constant in GLSL; what GLSL cannot write is written as bits."""
    if dtype == bool_:
        return "true" if value else "false"
    if dtype == int32:
        return str(int(value)) if value > -(2**31) else "(-2147483647 - 1)"
    if math.isnan(value):
        return NAN
    if math.isinf(value):
        return f"uintBitsToFloat({'0x7f800000u' if value > 0 else '0xff800000u'})"
    return repr(float(value))


class Writer:
    """layouts: of the kernel's inputs, by number; out: of its output, which has one texel a fragment and layer.

    region: the output begins elsewhere in its texture. Where that is, and where inputs that are parts begin, comes in scalars
    before the kernel's own: two each, for the output first; then, where the output is a stack, the layer that is drawn.
    fetch: read by texelFetch, at whole coordinates, not by texture(). before: what the inputs of negative numbers are made of.
    """

    def __init__(
        self, layouts: Sequence[Layout], out: Layout, region: bool = False, fetch: bool = False, before: Sequence[Expression] = ()
    ):
        self.layouts = layouts
        self.before = before
        self.out = out
        self.region = region
        self.fetch = fetch
        moved = [number for number, layout in enumerate(layouts) if layout.whole is not None]
        self.origins = {number: 2 * (place + region) for place, number in enumerate(moved)}
        self.first_scalar = 2 * (region + len(moved)) + (out.stack > 1)
        self.lines: dict[int, list[str]] = {0: []}
        self.known: dict[tuple[str, str], Value] = {}
        self.divided: dict[tuple[Place, int], tuple[Var, Var]] = {}
        self.inputs: dict[int, np.dtype[Any]] = {}
        self.scalars: dict[int, np.dtype[Any]] = {}
        self.helpers: dict[str, None] = {}
        self.count = 0
        self.totals: dict[Place, Value] = {}

    # ------------------------------------------------------------ names

    def name(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def line(self, depth: int, text: str) -> None:
        self.lines.setdefault(depth, []).append(text)

    def let(self, kind: str, text: str, depth: int, prefix: str = "v") -> Value:
        """A name for an expression; the same text has the same name."""
        if (kind, text) not in self.known:
            name = self.name(prefix)
            self.line(depth, f"{kind} {name} = {text};")
            self.known[kind, text] = Value(name, depth)
        return self.known[kind, text]

    # ------------------------------------------------------------ places

    def own(self) -> Place:
        """The number of this fragment's texel within its layer, or stack of layers."""
        width, height = self.out.width, self.out.height
        x, y, layer = Var("x", 0, width - 1), Var("y", 0, height - 1), Var("layer", 0, self.out.stack - 1)
        return variable(layer).times(width * height).plus(variable(y), width).plus(variable(x))

    def fresh(self, place: Place, divisor: int) -> tuple[Var, Var]:
        known = self.divided.get((place, divisor))
        if known is not None:
            return known
        depth = place.depth
        whole = place.span >= EXACT or any(var.whole for var, _ in place.terms)
        if whole:
            turns = max(0, -(place.low // divisor))  # GLSL rounds towards 0
            text = f"{self.integer(place.plus(turns * divisor))} / {divisor}" + (f" - {turns}" if turns else "")
            quotient = self.let("int", text, depth, "q").text
            rest = self.let("int", f"{self.integer(place)} - {quotient} * {divisor}", depth, "r").text
        else:
            text = self.floating(place.plus(0))
            quotient = self.let("float", f"floor(({text} + 0.5) * {1 / divisor!r})", depth, "q").text
            rest = self.let("float", f"{text} - {quotient} * {divisor}.0", depth, "r").text
        low, high = place.low // divisor, place.high // divisor
        found = Var(quotient, low, high, depth, whole), Var(rest, 0, divisor - 1, depth, whole)
        self.divided[place, divisor] = found
        return found

    def split(self, place: Place, divisor: int) -> tuple[Place, Place]:
        return split(place, max(divisor, 1), self.fresh)

    def floating(self, place: Place) -> str:
        """place as a float; its magnitude must be exact in float32."""
        parts = []
        for var, times in place.terms:
            name = f"float({var.name})" if var.whole else var.name
            parts.append(name if times == 1 else f"{name} * {times}.0")
        if place.const or not parts:
            parts.append(f"{place.const}.0")
        return " + ".join(parts)

    def integer(self, place: Place) -> str:
        """place as an int."""
        if all(not var.whole for var, _ in place.terms) and place.span < EXACT:
            return f"int({self.floating(place)})" if place.terms else str(place.const)
        parts = []
        for var, times in place.terms:
            name = var.name if var.whole else f"int({var.name})"
            parts.append(name if times == 1 else f"{name} * {times}")
        if place.const or not parts:
            parts.append(str(place.const))
        return f"({' + '.join(parts)})"

    def float_of(self, place: Place) -> str:
        """place as a float expression, whatever its variables are."""
        return self.floating(place) if place.span < 8 * EXACT else f"float({self.integer(place)})"

    def through(self, view: View, place: Place) -> tuple[Place, list[Value]]:
        """(the element behind place, the conditions under which there is one)."""
        simple = view.simplified()
        conditions: list[Value] = []
        found = Place((), simple.offset)
        rest = place
        for axis in reversed(range(len(simple.shape))):
            size, stride = simple.shape[axis], simple.strides[axis]
            rest, coordinate = self.split(rest, size) if axis else (rest, rest)
            if simple.mask and simple.mask[axis] != (0, size):
                coordinate = self.inside(coordinate, *simple.mask[axis], conditions)
            found = found.plus(coordinate, stride)
        return found, conditions

    def at(self, operand: Operand, *coordinates: Place) -> Place:
        """The element of its input that an operand has at these coordinates, one an axis."""
        found = Place((), operand.offset)
        for rest, axis in zip(coordinates, operand.axes, strict=True):
            for size, stride in reversed(axis[1:]):
                rest, digit = self.split(rest, size)
                found = found.plus(digit, stride)
            found = found.plus(rest, axis[0][1])
        return found

    def inside(self, place: Place, low: int, high: int, conditions: list[Value]) -> Place:
        """place, known to be in [low, high) wherever the conditions hold."""
        if high <= low:
            conditions.append(Value("false"))
            return Place()
        if place.low >= low and place.high < high:
            return place
        narrowed = place.within(low, high - 1)
        whole = place.span >= 8 * EXACT
        number_of = self.integer(place) if whole else self.float_of(place)
        text = self.let("int" if whole else "float", number_of, place.depth, "c").text
        tests = [f"{text} >= {low}" if whole else f"{text} > {low}.0 - 0.5"] if place.low < low else []
        tests += [f"{text} < {high}" if whole else f"{text} < {high}.0 - 0.5"] if place.high >= high else []
        conditions.append(Value(" && ".join(tests), place.depth))
        return narrowed or variable(Var(text, low, high - 1, place.depth, whole))

    def chosen(self, conditions: Sequence[Value], found: Value, otherwise: str, kind: str) -> Value:
        """found where all conditions hold."""
        if not conditions:
            return found
        depth = max(condition.depth for condition in conditions)  # not found's: others may ask the same further out
        known = self.let("bool", " && ".join(condition.text for condition in conditions), depth, "b")
        test, depth = known.text, max(found.depth, known.depth)
        if kind in ("float", "vec4"):  # no branch, unlike ?:, of which renderers cannot take many
            text = f"mix({otherwise}, {found.text}, {test if kind == 'float' else f'bvec4({test})'})"
        else:
            text = f"{test} ? {found.text} : {otherwise}"
        return self.let(kind, text, depth)

    # ------------------------------------------------------------ reading

    def texel(self, input: int, place: Place, dtype: np.dtype[Any]) -> Value:
        """Texel number `place` of an input."""
        if input < 0:
            values = [self.element(input, place.times(4).plus(k), dtype) for k in range(4)]
            kind = "vec4" if dtype == float32 else "ivec4"
            text = f"{kind}({', '.join(value.text for value in values)})"
            return self.let(kind, text, max(value.depth for value in values), "x")
        self.inputs[input] = dtype
        layout = self.layouts[input]
        layer = Place()
        if layout.layers > 1:
            layer, place = self.split(place, layout.width * layout.height)
        row, column = self.split(place, layout.width)
        origin = self.origins.get(input)
        starts = ("", "") if origin is None else (f"s{origin}", f"s{origin + 1}")
        if self.fetch:
            return self._fetched(input, dtype, (column, row, layer)[: 3 if layout.layers > 1 else 2], starts)
        wide, high = layout.whole or (layout.width, layout.height)
        u = self._coordinate(column, wide, starts[0])
        v = self._coordinate(row, high, starts[1])
        depth = max(u.depth, v.depth, layer.depth)
        at = f"vec3({u.text}, {v.text}, {self.float_of(layer)})" if layout.layers > 1 else f"vec2({u.text}, {v.text})"
        return self.let("vec4" if dtype == float32 else "ivec4", f"texture(t{input}, {at})", depth, "x")

    def _fetched(self, input: int, dtype: np.dtype[Any], places: Sequence[Place], starts: Sequence[str]) -> Value:
        """A texel by its whole coordinates: column, row and, where there are several, layer; counted from starts."""
        names = [self._whole(place) for place in places]
        texts = [f"{name.text} + int({start})" if start else name.text for name, start in zip(names, (*starts, ""), strict=False)]
        text = f"texelFetch(t{input}, ivec{len(names)}({', '.join(texts)}), 0)"
        return self.let("vec4" if dtype == float32 else "ivec4", text, max(name.depth for name in names), "x")

    def _whole(self, place: Place) -> Value:
        """place as a named int; what does not change in its innermost loop is added up outside."""
        if not place.terms:
            return Value(str(place.const))
        fixed, moving = place.parted()
        text = self.integer(place)
        if fixed.terms:
            start = self.let("int", self.integer(fixed), fixed.depth, "i")
            text = f"{self.integer(moving)} + {start.text}"
        return self.let("int", text, place.depth, "i")

    def _coordinate(self, place: Place, size: int, origin: str = "") -> Value:
        """The middle of texel `place` of `size`, counted from origin, from 0 to 1."""
        if not place.terms and not origin:
            return Value(repr((place.const + 0.5) / size))
        half = f"{origin} + 0.5" if origin else "0.5"
        fixed, moving = place.parted()
        if moving.terms and (fixed.terms or (origin and place.depth)):
            start = self.let("float", f"({self.float_of(fixed)} + {half}) * {1 / size!r}", fixed.depth, "u")
            return self.let("float", f"({self.float_of(moving)}) * {1 / size!r} + {start.text}", place.depth, "u")
        return self.let("float", f"({self.float_of(place)} + {half}) * {1 / size!r}", place.depth, "u")

    def element(self, input: int, place: Place, dtype: np.dtype[Any]) -> Value:
        """Number `place` of an input."""
        if input < 0:
            return self.expression(self.before[-1 - input], place)
        number_of_texel, component = self.split(place, 4)
        texel = self.texel(input, number_of_texel, dtype)
        if not component.terms:
            text, depth = f"{texel.text}.{'xyzw'[component.const]}", texel.depth
        else:
            v, depth = texel.text, max(texel.depth, component.depth)
            c = self.let("float", self.floating(component), component.depth, "c").text
            text = f"mix(mix({v}.x, {v}.y, {c} > 0.5), mix({v}.z, {v}.w, {c} > 2.5), {c} > 1.5)"
            kind = "float" if dtype == float32 else "int"
            text = self.let(kind, text if kind == "float" else f"{v}[int({c})]", depth).text
        return Value(f"({text} != 0)" if dtype == bool_ else text, depth)

    def expression(self, value: Expression, place: Place) -> Value:
        """GLSL for value at element number `place`."""
        match value:
            case Load(input, dtype):
                return self.element(input, place, dtype)
            case Scalar(scalar, dtype):
                self.scalars[scalar] = dtype
                name = f"s{scalar + self.first_scalar}"
                return Value(f"({name} != 0)" if dtype == bool_ else name)
            case Read():
                return self._read(value, place)
            case Apply(op, args, dtype):
                return self._apply(op, args, [self.expression(arg, place) for arg in args], dtype)
            case Make(op, attrs, args, dtype):
                parts = [self.expression(arg, place) for arg in args]
                if op.helper:
                    self.helpers[op.helper] = None
                named = {f"a{number}": attr for number, attr in enumerate(attrs, 1)}
                at = self.let("int", self.integer(place), place.depth, "i")
                text = op.glsl.format(*(part.text for part in parts), i=at.text, **named)
                return self.let(TYPES[dtype], text, max(at.depth, *(part.depth for part in parts), 0))
            case Pick():
                return self._pick(value, place)
            case Total():
                return self.totals[place]
            case _:
                assert_never(value)

    def _read(self, value: Read, place: Place) -> Value:
        conditions: list[Value] = []
        fill = number(value.views[0].fill, value.dtype)
        found, conditions = self.through(value.views[0], place)
        rest = value.views[1:]
        source = Read(rest, value.of, value.dtype, value.work) if rest else value.of
        return self.chosen(conditions, self.expression(source, found), fill, TYPES[value.dtype])

    def _apply(self, op: Any, args: Sequence[Expression], parts: Sequence[Value], dtype: np.dtype[Any]) -> Value:
        texts = [part.text for part in parts]
        if op.name == "cast":
            written = texts[0] if args[0].dtype == dtype else f"{TYPES[dtype]}({texts[0]})"
        else:
            integer = args[-1].dtype != float32
            if op.helper and not (integer and not op.integer_glsl):
                self.helpers[op.helper] = None
            written = (op.integer_glsl if integer and op.integer_glsl else op.glsl).format(*texts)
        return self.let(TYPES[dtype], written, max(part.depth for part in parts))

    def _pick(self, value: Pick, place: Place) -> Value:
        """An index outside its range reads NaN (or the smallest integer): visible, never a neighbour's number."""
        index = self.expression(value.index, place)
        strides = list(contiguous_strides(value.shape))
        step, strides[value.axis] = strides[value.axis], 0
        at, _ = self.through(View(value.index_shape, tuple(strides)), place)
        size = value.shape[value.axis]
        chosen = self.let("int", index.text, index.depth, "k")
        test = Value(f"{chosen.text} >= 0 && {chosen.text} < {size}", chosen.depth)
        at = at.plus(variable(Var(chosen.text, 0, size - 1, chosen.depth, whole=True)), step)
        missing = {float32: NAN, int32: "(-2147483647 - 1)", bool_: "false"}[value.dtype]
        return self.chosen([test], self.expression(value.of, at), missing, TYPES[value.dtype])

    # ------------------------------------------------------------ the whole text

    def program(self, body: Sequence[str], dtype: np.dtype[Any]) -> Program:
        """body: the statements of main() after x and y are known."""
        lines = ["#version 300 es", "precision highp float;", "precision highp int;"]
        for kind in ("sampler2D", "isampler2D", "sampler2DArray", "isampler2DArray"):
            lines.append(f"precision highp {kind};")
        for input, dtype_of in sorted(self.inputs.items()):
            sampler = ("" if dtype_of == float32 else "i") + ("sampler2DArray" if self.layouts[input].layers > 1 else "sampler2D")
            lines.append(f"uniform {sampler} t{input};")
        lines += [f"uniform float s{place};" for place in range(self.first_scalar)]
        for scalar, dtype_of in sorted(self.scalars.items()):
            lines.append(f"uniform {'float' if dtype_of == float32 else 'int'} s{scalar + self.first_scalar};")
        vector = "vec4" if dtype == float32 else "ivec4"
        for layer in range(self.out.layers // self.out.stack):
            lines.append(f"layout(location = {layer}) out {vector} result{layer};")
        lines += list(self.helpers)
        x, y = ("0.5 - s0", "0.5 - s1") if self.region else ("0.5", "0.5")
        lines += ["void main() {", f"    float x = gl_FragCoord.x - {x};", f"    float y = gl_FragCoord.y - {y};"]
        if self.out.stack > 1:
            lines.append(f"    float layer = s{self.first_scalar - 1};")
        origins = "f" * self.first_scalar
        scalars = origins + "".join("f" if dtype_of == float32 else "i" for _, dtype_of in sorted(self.scalars.items()))
        return Program("\n".join([*lines, *("    " + text for text in body), "}"]) + "\n", scalars)


def counter(name: str, count: int, depth: int) -> Place:
    """The variable of a loop of `count` turns: a float, or, where floats would stop counting, an int."""
    return variable(Var(name, 0, max(count - 1, 0), depth, whole=count > COUNTED))


def loop(name: str, count: int, inner: Sequence[str]) -> list[str]:
    """The text of the loop of a counter()."""
    if not count:
        return []
    if count > COUNTED:
        return [f"for (int {name} = 0; {name} < {count}; {name}++) {{", *indented(inner), "}"]
    return [f"for (float {name} = 0.0; {name} < {count}.0; {name} += 1.0) {{", *indented(inner), "}"]


def result(values: Sequence[str], dtype: np.dtype[Any], layer: int = 0) -> str:
    """The statement that writes four numbers."""
    parts = [f"int({value})" if dtype == bool_ else value for value in values]
    return f"result{layer} = {'vec4' if dtype == float32 else 'ivec4'}({', '.join(parts)});"


def indented(lines: Sequence[str]) -> list[str]:
    return ["    " + line for line in lines]
