"""Element-wise rows in ONNX: those that are one word there, and those that are composed of several."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from ..graph import Node
from ..op import bool_, int32
from . import protobuf

WORDS = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "neg": "Neg", "exp": "Exp", "log": "Log", "sqrt": "Sqrt",
    "reciprocal": "Reciprocal", "sin": "Sin", "cos": "Cos", "tanh": "Tanh", "sigmoid": "Sigmoid", "erf": "Erf", "relu": "Relu",
    "abs": "Abs", "sign": "Sign", "floor": "Floor", "pow": "Pow", "maximum": "Max", "minimum": "Min", "lt": "Less",
    "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual", "logical_and": "And", "logical_or": "Or", "logical_not": "Not",
    "where": "Where", "acos": "Acos", "acosh": "Acosh", "asin": "Asin", "asinh": "Asinh", "atan": "Atan", "atanh": "Atanh",
    "cosh": "Cosh", "sinh": "Sinh", "round": "Round", "softplus": "Softplus", "isnan": "IsNaN", "eq": "Equal",
}  # fmt: skip


class Writer(Protocol):
    """What of rows.Writer is used here."""

    def call(self, kind: str, *inputs: str, **attributes: Any) -> str: ...
    def scalar(self, value: float, node: Node) -> str: ...


Say = Callable[..., str]
COMPOSED: dict[str, Say] = {}


def composed(name: str) -> Callable[[Say], Say]:
    def kept(say: Say) -> Say:
        COMPOSED[name] = say
        return say

    return kept


@composed("cast")
def _cast(writer: Writer, node: Node, x: str) -> str:
    return writer.call("Cast", x, to=protobuf.kind_of(node.dtype))


@composed("ne")
def _ne(writer: Writer, node: Node, x: str, y: str) -> str:
    return writer.call("Not", writer.call("Equal", x, y))


@composed("isfinite")
def _isfinite(writer: Writer, node: Node, x: str) -> str:
    return writer.call("Not", writer.call("Or", writer.call("IsNaN", x), writer.call("IsInf", x)))


@composed("floor_divide")
def _floor_divide(writer: Writer, node: Node, x: str, y: str) -> str:
    if node.dtype != int32:
        return writer.call("Floor", writer.call("Div", x, y))
    wide = [writer.call("Cast", part, to=protobuf.DOUBLE) for part in (x, y)]
    return writer.call("Cast", writer.call("Floor", writer.call("Div", *wide)), to=protobuf.INT32)


@composed("remainder")
def _remainder(writer: Writer, node: Node, x: str, y: str) -> str:
    if node.dtype == int32:
        return writer.call("Mod", x, y, fmod=0)
    return writer.call("Sub", x, writer.call("Mul", y, writer.call("Floor", writer.call("Div", x, y))))


@composed("fmod")
def _fmod(writer: Writer, node: Node, x: str, y: str) -> str:
    return writer.call("Mod", x, y, fmod=1)


@composed("trunc")
def _trunc(writer: Writer, node: Node, x: str) -> str:
    if node.dtype == int32:
        return x
    return writer.call("Mul", writer.call("Sign", x), writer.call("Floor", writer.call("Abs", x)))


@composed("normalize")
def _normalize(writer: Writer, node: Node, x: str, mean: str, scale: str) -> str:
    return writer.call("Mul", writer.call("Sub", x, mean), scale)


@composed("softmax")
def _softmax(writer: Writer, node: Node, x: str, top: str, total: str) -> str:
    return writer.call("Div", writer.call("Exp", writer.call("Sub", x, top)), total)


@composed("log_softmax")
def _log_softmax(writer: Writer, node: Node, x: str, top: str, total: str) -> str:
    return writer.call("Sub", writer.call("Sub", x, top), writer.call("Log", total))


@composed("gelu_tanh")
def _gelu_tanh(writer: Writer, node: Node, x: str) -> str:
    cube = writer.call("Mul", writer.call("Mul", x, x), x)
    inner = writer.call("Add", x, writer.call("Mul", cube, writer.scalar(0.044715, node)))
    bent = writer.call("Tanh", writer.call("Mul", inner, writer.scalar(math.sqrt(2 / math.pi), node)))
    half = writer.call("Mul", x, writer.scalar(0.5, node))
    return writer.call("Mul", half, writer.call("Add", bent, writer.scalar(1, node)))


@composed("erfc")
def _erfc(writer: Writer, node: Node, x: str) -> str:
    return writer.call("Sub", writer.scalar(1, node), writer.call("Erf", x))


@composed("exp2")
def _exp2(writer: Writer, node: Node, x: str) -> str:
    return writer.call("Pow", writer.scalar(2, node), x)


@composed("expm1")
def _expm1(writer: Writer, node: Node, x: str) -> str:
    return writer.call("Sub", writer.call("Exp", x), writer.scalar(1, node))


@composed("log1p")
def _log1p(writer: Writer, node: Node, x: str) -> str:
    return writer.call("Log", writer.call("Add", x, writer.scalar(1, node)))


@composed("log2")
def _log2(writer: Writer, node: Node, x: str) -> str:
    return writer.call("Mul", writer.call("Log", x), writer.scalar(1 / math.log(2), node))


@composed("log10")
def _log10(writer: Writer, node: Node, x: str) -> str:
    return writer.call("Mul", writer.call("Log", x), writer.scalar(1 / math.log(10), node))


@composed("hypot")
def _hypot(writer: Writer, node: Node, x: str, y: str) -> str:
    return writer.call("Sqrt", writer.call("Add", writer.call("Mul", x, x), writer.call("Mul", y, y)))


def _bits(kind: str, logical: str) -> Say:
    """Booleans have words of their own; bits of integers came with opset 18."""

    def say(writer: Writer, node: Node, x: str, y: str) -> str:
        return writer.call(logical if node.dtype == bool_ else kind, x, y)

    return say


COMPOSED |= {f"bitwise_{name}": _bits(f"Bitwise{name.title()}", name.title()) for name in ("and", "or", "xor")}
