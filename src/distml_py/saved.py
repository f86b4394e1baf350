"""PyTorch's torch.autograd.graph: contexts about what is kept for backward. Here nothing is kept for it but the graph itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .tensor.grad_fn import GradFn as Node  # noqa: F401


class saved_tensors_hooks:
    """Taken so that programs run: the hooks are never called, since no copies are kept for backward that they could pack."""

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if "hooks" not in _told:
            _told.add("hooks")
            warnings.warn("saved_tensors_hooks: nothing is kept apart for backward here, so the hooks are not called", stacklevel=2)

    def __exit__(self, *error: object) -> None:
        """Nothing was changed."""


class save_on_cpu:
    """A context that changes nothing: what is kept stays where it is."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        self.pin_memory = pin_memory

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, *error: object) -> None:
        """Nothing was changed."""


class disable_saved_tensors_hooks(save_on_cpu):
    """A context that changes nothing: there are no such hooks."""

    def __init__(self, error_message: str):
        super().__init__()


_told: set[str] = set()  # what may change here: what was said once
