"""Frames of tabs and workers -> messages, strictly: whatever does not fit is a FormatError, never another exception."""

from typing import Any

import msgspec

from distml_py import safetensors, wire
from distml_py.errors import FormatError

TEXT_BYTES = 16 * 1024
NAME_CHARACTERS = 64
DEVICE_CHARACTERS = 200
MESSAGE_CHARACTERS = 2000
LARGEST = 2**63
FROM_WORKER: dict[str, type] = {cls.__name__.lower(): cls for cls in wire.FromWorker.__args__}


def decode(data: bytes | str) -> wire.Frame:
    """The message of one frame from a worker. Raises FormatError naming the field that does not fit."""
    if isinstance(data, str):
        message = _message(wire.parse_json(data))
        if type(message) in wire.WITH_TENSORS:
            raise FormatError(f"{type(message).__name__} travels as a binary frame, got text")
        return wire.Frame(message)
    header, payload = wire.split_frame(data)
    message = _message(wire.parse_json(header))
    if type(message) not in wire.WITH_TENSORS:
        raise FormatError(f"{type(message).__name__} travels as a text frame, got a binary one")
    # a gradient is read once and let go; what becomes the model is a copy of its own
    return wire.Frame(message, safetensors.loads(payload, copy=not isinstance(message, wire.Gradient)))


def _message(fields: dict[str, Any]) -> wire.FromWorker:
    kind = fields.pop("type", None)
    cls = FROM_WORKER.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise FormatError(f"unknown message type {kind!r:.50}; a worker sends {', '.join(sorted(FROM_WORKER))}")
    unknown = fields.keys() - cls.__dataclass_fields__.keys()  # type: ignore[attr-defined]
    if unknown:
        raise FormatError(f"{cls.__name__}.{sorted(unknown)[0]:.50}: unknown field")
    try:
        for name, value in fields.items():  # names are known ones
            if type(value) in (dict, list) or _trouble(value):
                _check_scalars(value, f"{cls.__name__}.{name}")
        message: wire.FromWorker = msgspec.convert(fields, cls, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        raise FormatError(f"{cls.__name__}: {error!s:.300}") from None
    return message


def _check_scalars(value: Any, where: str) -> None:
    """Numbers that fit 64 bits and text that is valid Unicode, however deep."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            _check_scalars(key, where)
            if type(item) in (dict, list) or _trouble(item):  # the place is worked out only then
                _check_scalars(item, f"{where}.{key:.50}")
    elif kind is list:
        for item in value:
            _check_scalars(item, where)
    elif trouble := _trouble(value):
        raise FormatError(f"{where}: {trouble}")


def _trouble(value: Any) -> str:
    """What is wrong with a number or text; nothing, as a rule."""
    kind = type(value)
    if kind is str:
        wrong = "\x00" in value or not value.isascii() and not _is_unicode(value)
        return "the text holds a zero or half a character" if wrong else ""
    if kind is int:
        return "" if -LARGEST <= value < LARGEST else "a number has at most 64 bits"
    # JSON's 1e999 is an infinity
    return "a number is finite" if kind is float and not abs(value) < 1e300 else ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str, most: int) -> str:
    """Text of a stranger as it may appear in a terminal, a log or a page: one line, no control characters."""
    return "".join(char if char.isprintable() else " " for char in text[:most]).strip()
