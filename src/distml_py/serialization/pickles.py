"""Pickles as data: plain values in, plain values out. Nothing that a pickle names is imported or called.

Only the opcodes and names that PyTorch writes for dictionaries of tensors are known; any other name is an error that says it.
"""

from __future__ import annotations

import pickletools
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import FormatError

MOST_VALUES = 1 << 22  # in one pickle: more is no model


@dataclass(frozen=True)
class Name:
    """What a pickle calls by module and name, such as torch.FloatStorage; on its own it is only text."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, eq=False)
class Call:
    """A name called with arguments, to be written."""

    name: Name
    arguments: tuple[Any, ...]


class Begun:
    """What a call made of which the rest is said afterwards."""

    def built(self, state: Any) -> Any:
        """The value, with what was said."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """What lies outside the pickle, by its id, to be written."""

    id: tuple[Any, ...]


MARK = object()
Known = Mapping[str, Callable[..., Any]]
"""What may be called: "module.name" -> what is made of the arguments."""


def read(data: bytes, known: Known, elsewhere: Callable[[Any], Any], values: Mapping[str, Any] | None = None) -> Any:
    """The value of a pickle. elsewhere: the value of a persistent id. values: names that stand for a value, uncalled.

    Raises FormatError for a name that is not known, an opcode that is not, and a pickle that does not hold together.
    """
    reader = _Reader(known, elsewhere, values or {})
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return reader.pop()
            reader.take(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"the file's pickle does not hold together: {error}; it is damaged, or cut off") from None
    raise FormatError("the file's pickle has no end: it was cut off")


class _Reader:
    def __init__(self, known: Known, elsewhere: Callable[[Any], Any], values: Mapping[str, Any]):
        self.known, self.elsewhere, self.values = known, elsewhere, values
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a value is missing")
        return value

    def marked(self) -> list[Any]:
        """What was put on the stack since the last mark."""
        found = []
        while (value := self.stack.pop()) is not MARK:
            found.append(value)
        return found[::-1]

    def take(self, opcode: str, argument: Any) -> None:
        if opcode in PLAIN:
            self.push(argument)
            return
        act = getattr(self, "on_" + opcode.lower(), None)
        if act is None:
            raise FormatError(f"the file's pickle uses {opcode}, which no checkpoint of tensors needs: it was not read")
        if argument is None:
            act()
        else:
            act(argument)

    def push(self, value: Any) -> None:
        if len(self.stack) >= MOST_VALUES or len(self.memo) >= MOST_VALUES:
            raise FormatError(f"the file's pickle holds more than {MOST_VALUES} values")
        self.stack.append(value)

    # ------------------------------------------------------------ framing and memory

    def on_proto(self, version: int) -> None:
        if version > 5:
            raise FormatError(f"the file's pickle is of protocol {version}; up to 5 are known")

    def on_frame(self, size: int) -> None:
        """A frame is only a promise about the bytes that follow."""

    def on_mark(self) -> None:
        self.push(MARK)

    def on_pop(self) -> None:
        self.stack.pop()

    def on_put(self, place: int) -> None:
        self.memo[int(place)] = self.stack[-1]

    on_binput = on_long_binput = on_put

    def on_memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def on_get(self, place: int) -> None:
        self.push(self.memo[int(place)])

    on_binget = on_long_binget = on_get

    # ------------------------------------------------------------ plain values

    def on_none(self) -> None:
        self.push(None)

    def on_newtrue(self) -> None:
        self.push(True)

    def on_newfalse(self) -> None:
        self.push(False)

    def on_empty_tuple(self) -> None:
        self.push(())

    def on_empty_list(self) -> None:
        self.push([])

    def on_empty_dict(self) -> None:
        self.push({})

    def on_empty_set(self) -> None:
        self.push(set())

    def on_tuple(self) -> None:
        self.push(tuple(self.marked()))

    def on_list(self) -> None:
        self.push(self.marked())

    def on_dict(self) -> None:
        self._fill({}, self.marked(), True)

    def on_tuple1(self) -> None:
        self.push((self.pop(),))

    def on_tuple2(self) -> None:
        last = self.pop()
        self.push((self.pop(), last))

    def on_tuple3(self) -> None:
        last, middle = self.pop(), self.pop()
        self.push((self.pop(), middle, last))

    def on_append(self) -> None:
        value = self.pop()
        self._of(list).append(value)

    def on_appends(self) -> None:
        values = self.marked()
        self._of(list).extend(values)

    def on_additems(self) -> None:
        values = self.marked()
        self._of(set).update(values)

    def on_setitem(self) -> None:
        value, key = self.pop(), self.pop()
        self._fill(self._of(dict), [key, value])

    def on_setitems(self) -> None:
        pairs = self.marked()
        self._fill(self._of(dict), pairs)

    def _of(self, kind: type) -> Any:
        found = self.stack[-1]
        if not isinstance(found, kind):
            raise ValueError(f"a {kind.__name__} is missing")
        return found

    def _fill(self, into: dict[Any, Any], pairs: list[Any], new: bool = False) -> None:
        if len(pairs) % 2:
            raise ValueError("a key without a value")
        into.update(zip(pairs[::2], pairs[1::2], strict=True))
        if new:
            self.push(into)

    # ------------------------------------------------------------ names, calls, what lies elsewhere

    def on_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._named(module, name)

    def on_stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        self._named(str(module), str(name))

    def _named(self, module: str, name: str) -> None:
        whole = f"{module}.{name}"
        if whole in self.values:
            self.push(self.values[whole])
        elif whole in self.known:
            self.push(Name(module, name))
        else:
            raise FormatError(
                f"the file asks for {whole}, which is not data: only dictionaries of tensors, numbers and text are read,"
                " and no code of a file is ever run. Save model.state_dict() instead of the model"
            )

    def on_reduce(self) -> None:
        arguments, called = self.pop(), self.pop()
        if not isinstance(called, Name) or not isinstance(arguments, tuple):
            raise FormatError("the file's pickle calls what is not a name: it was not read")
        self.push(self.known[str(called)](*arguments))

    def on_newobj(self) -> None:
        self.on_reduce()

    def on_build(self) -> None:
        """The attributes of a dictionary, such as a state_dict's _metadata, are not needed; other objects have none."""
        state, begun = self.pop(), self.stack[-1]
        if isinstance(begun, Begun):
            whole = self.stack[-1] = begun.built(state)
            self.memo = {place: whole if value is begun else value for place, value in self.memo.items()}
        elif not isinstance(begun, dict):
            raise FormatError("the file's pickle sets attributes of an object that is no dictionary: it was not read")

    def on_binpersid(self) -> None:
        self.push(self.elsewhere(self.pop()))


PLAIN = frozenset(
    ["INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING"]
    + ["SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"]
)

# ---------------------------------------------------------------- writing


@dataclass
class _Writer:
    """Protocol 2, as PyTorch writes it. said: what the value of a type becomes; the same object is written once."""

    said: Callable[[Any], Any]
    parts: list[bytes] = field(default_factory=list)
    memo: dict[int, int] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)  # ids stay theirs

    def value(self, value: Any) -> None:
        known = self.memo.get(id(value))
        if known is not None:
            self.parts.append(b"j" + struct.pack("<I", known))
            return
        match value:
            case None | bool():
                self.parts.append({None: b"N", True: b"\x88", False: b"\x89"}[value])
            case int():
                self._whole(int(value))
            case float():
                self.parts.append(b"G" + struct.pack(">d", value))
            case str():
                text = value.encode("utf-8", "surrogatepass")
                self.parts.append(b"X" + struct.pack("<I", len(text)) + text)
            case _:
                self._group(value)

    def _whole(self, value: int) -> None:
        if -(2**31) <= value < 2**31:
            self.parts.append(b"J" + struct.pack("<i", value))
        else:
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            self.parts.append(b"\x8a" + bytes([len(data)]) + data)

    def _group(self, value: Any) -> None:
        match value:
            case tuple() if not hasattr(value, "_fields"):
                self.parts.append(b"(")
                self._all(value)
                self.parts.append(b"t")
            case OrderedDict():
                self._filled(value, b"ccollections\nOrderedDict\n)R")
            case dict():
                self._filled(value, b"}")
            case list():
                self._remember(value, b"](")
                self._all(value)
                self.parts.append(b"e")
            case set():
                self.value(Call(Name("__builtin__", "set"), (sorted(value, key=repr),)))
            case Name(module, name):
                self.parts.append(f"c{module}\n{name}\n".encode())
            case Call(name, arguments):
                self.value(name)
                self.value(arguments)
                self.parts.append(b"R")
            case Elsewhere(place):
                self.value(place)
                self.parts.append(b"Q")
            case _:
                self.value(self.said(value))
                self._remember(value, b"")

    def _all(self, values: Any) -> None:
        for value in values:
            self.value(value)

    def _filled(self, value: dict[Any, Any], start: bytes) -> None:
        self._remember(value, start)
        self.parts.append(b"(")
        for key, item in value.items():
            self.value(key)
            self.value(item)
        self.parts.append(b"u")

    def _remember(self, value: Any, start: bytes) -> None:
        place = len(self.memo)
        self.memo[id(value)] = place
        self.kept.append(value)
        opened = start.endswith(b"(")
        self.parts.append((start[:-1] if opened else start) + b"r" + struct.pack("<I", place) + (b"(" if opened else b""))


def write(value: Any, said: Callable[[Any], Any]) -> bytes:
    """A pickle of protocol 2. said: what to write for an object that is none of Python's own; may raise."""
    writer = _Writer(said)
    writer.value(value)
    return b"\x80\x02" + b"".join(writer.parts) + b"."
