"""PyTorch's torch.accelerator, torch.mps and torch.xpu, for scripts that ask: there are none. WebGL is the current backend's."""

from __future__ import annotations

from .errors import BackendError


def is_available() -> bool:
    return False


def device_count() -> int:
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """None, as in PyTorch's CPU build."""


def manual_seed(seed: int) -> None:
    """Nothing: distml_py.manual_seed is the seed of all."""


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Nothing to empty."""


def synchronize(device: object = None) -> None:
    """Nothing to wait for: numbers are waited for where they are read."""


def current_device_index() -> int:
    """Raises BackendError: there is no accelerator."""
    raise BackendError("there is no accelerator here: torch.accelerator.is_available() is False; leave its index out")
