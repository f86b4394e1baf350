"""PyTorch's torch.utils.checkpoint: the function is called as it is, since nothing is kept for backward that could be saved.

PyTorch calls it once more in backward, and a BatchNorm inside counts each batch twice there (its running statistics go two steps
and num_batches_tracked grows by two): here it counts it once, so what such a model says in eval() differs from PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def checkpoint(function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, **kwargs: Any) -> Any:
    """function(*args). PyTorch's own options are taken and change nothing."""
    options = ("context_fn", "determinism_check", "debug", "preserve_rng_state", "early_stop")
    return function(*args, **{name: value for name, value in kwargs.items() if name not in options})


def checkpoint_sequential(functions: Any, segments: int, input: Any, **_: Any) -> Any:
    """The functions, one after another."""
    layers: Sequence[Any] = list(functions.children()) if hasattr(functions, "children") else list(functions)
    for layer in layers:
        input = layer(input)
    return input
