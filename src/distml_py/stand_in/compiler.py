"""PyTorch's torch.compiler, torch._dynamo and torch._inductor, for scripts that set and ask them: nothing is compiled by them here.

What captures a step is distml_py.compile.
"""

from __future__ import annotations

from typing import Any

from ..backends.settings import Settings

config = Settings()  # torch._dynamo.config and torch._inductor.config: whatever is set there is kept and changes nothing


def _itself(fn: Any = None, *args: Any, **options: Any) -> Any:
    return fn if callable(fn) else lambda function: function


disable = allow_in_graph = disallow_in_graph = run = optimize = assume_constant_result = substitute_in_graph = _itself


def is_compiling() -> bool:
    return False


is_dynamo_compiling = is_exporting = is_compiling


def reset() -> None:
    """Nothing is kept."""


cudagraph_mark_step_begin = mark_step_begin = reset


def mark_dynamic(t: Any, *args: Any, **named: Any) -> None:
    """Sizes may always change."""


mark_static = maybe_mark_dynamic = mark_dynamic


class set_stance:
    """A context, and a decorator, that changes nothing."""

    def __init__(self, stance: str = "default", **options: Any):
        self.stance = stance

    def __enter__(self) -> set_stance:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing was changed."""

    def __call__(self, function: Any) -> Any:
        return function


def list_backends(exclude_tags: Any = ()) -> list[str]:
    return []
