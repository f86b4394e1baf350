"""PyTorch's torch.cuda, for scripts that ask: there is none."""

from __future__ import annotations

from typing import Any

from ..errors import BackendError
from . import amp

WHY = "there is no CUDA here: torch.cuda.is_available() is False; everything runs on the current backend"


def is_available() -> bool:
    return False


def is_initialized() -> bool:
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    return False


def device_count() -> int:
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: distml_py.manual_seed is the seed of all."""


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Nothing to empty."""


ipc_collect = reset_peak_memory_stats = reset_max_memory_allocated = empty_cache


def synchronize(device: object = None) -> None:
    """Nothing to wait for: numbers are waited for where they are read."""


def memory_allocated(device: object = None) -> int:
    """0: no CUDA memory is used. distml_py.memory() tells of the current backend's."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def _absent(*asked: Any, **named: Any) -> Any:
    """Raises BackendError: there is no CUDA here."""
    raise BackendError(WHY)


set_device = current_device = get_device_name = get_device_capability = get_device_properties = mem_get_info = _absent
Event = Stream = stream = current_stream = get_rng_state = set_rng_state = FloatTensor = LongTensor = _absent
