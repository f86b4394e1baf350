"""PyTorch's torch.multiprocessing, as far as one process goes: a browser tab has no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import UnsupportedError


def cpu_count() -> int:
    return 1


def set_start_method(method: str, force: bool = False) -> None:
    """Nothing: no process is started."""


set_sharing_strategy = set_start_method


def freeze_support() -> None:
    """Nothing: no process is started."""


def spawn(fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True, **_: Any) -> None:
    """fn(0, *args), here. Raises UnsupportedError for more than one process."""
    if nprocs != 1:
        raise _unsupported(f"spawn(nprocs={nprocs})")
    fn(0, *args)


def _unsupported(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"not implemented: torch.multiprocessing.{what}; nearest is one process, or a recipe, whose steps `distml serve` shares "
        "among tabs"
    )


def Process(*args: Any, **named: Any) -> Any:
    """Raises UnsupportedError."""
    raise _unsupported("Process")


Pool = Queue = SimpleQueue = Manager = get_context = Process
