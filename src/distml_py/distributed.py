"""PyTorch's torch.distributed, for scripts that ask: it is not available. Tabs share a run through `distml serve` instead."""

from __future__ import annotations

from typing import Any

from .errors import UnsupportedError


def is_available() -> bool:
    return False


def is_initialized() -> bool:
    return False


def is_torchelastic_launched() -> bool:
    return False


def init_process_group(*args: Any, **named: Any) -> None:
    """Raises UnsupportedError."""
    raise UnsupportedError(
        "not implemented: torch.distributed; nearest is one process, which torch.distributed.is_available() = False asks for, "
        "or a recipe, whose steps `distml serve` shares among tabs"
    )


get_rank = get_world_size = barrier = all_reduce = all_gather = broadcast = reduce = init_process_group
new_group = destroy_process_group = gather = scatter = send = recv = init_process_group
