"""Devices and layouts, by PyTorch's words. All tensors live on the current backend, so a device is checked and then passed over;
how numbers lie in memory is the backend's matter, so a layout is not even checked."""

from __future__ import annotations

from typing import Any, NoReturn

from .. import engine
from ..errors import AbsentDeviceError
from ..random import Generator

HERE = ("cpu", "webgl")
KNOWN = (*HERE, "cuda", "mps", "xpu", "meta", "hpu", "xla", "mtia")  # a device may be named that is not here


class device:
    """device("cpu"), device("webgl") or device("webgl", 0). Others can be named, and are a BackendError where they are used."""

    __slots__ = ("index", "type")

    def __init__(self, type: Any, index: int | None = None):
        kind, _, number = str(type).partition(":")
        self.type = kind
        self.index = int(number) if number else index
        if isinstance(type, int):
            self.type, self.index = "cuda", type
        if self.type not in KNOWN:
            _refuse(str(type))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        extra = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{extra})"

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __enter__(self) -> device:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class layout(str):
    """What layout= and Tensor.layout say."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"torch.{str.__str__(self)}"

    __repr__ = __str__


class memory_format(layout):
    """What memory_format= says."""

    __slots__ = ()


strided = layout("strided")


def current() -> device:
    """Where tensors are now."""
    return device("webgl" if engine.backend().on_gpu else "cpu")


def check(given: Any) -> None:
    """Raises BackendError for a device that is not here. None, "cpu" and "webgl" all mean the current backend, and so does "meta":
    what asks for shapes alone gets numbers beside them, and load_state_dict(assign=True) or to_empty() go on from there."""
    if given is not None and (given if isinstance(given, device) else device(given)).type not in (*HERE, "meta"):
        _refuse(str(given))


def _refuse(asked: str) -> NoReturn:
    raise AbsentDeviceError(
        f"there is no device {asked!r} here; use 'cpu' or 'webgl': everything runs on the current backend, {engine.backend().name}"
    )


# what programs ask of a random stream: its state lies on the host
setattr(Generator, "device", property(lambda self: device("cpu")))  # noqa: B010 (mypy has no better words for it)
