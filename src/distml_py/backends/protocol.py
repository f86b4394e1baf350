"""What every backend does: hold arrays, plan a graph once, run the plan often."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Protocol

import numpy as np

from ..schedule import Graph
from ..view import Shape


class Backend(Protocol):
    """on_gpu: does a run leave the CPU? Buffers are opaque and immutable; dropping the last reference frees them."""

    name: str
    on_gpu: bool
    dtypes: frozenset[np.dtype[Any]]

    def upload(self, array: np.ndarray) -> Any:
        """A buffer holding a C-contiguous array. Raises BackendError when it does not fit."""

    def layout(self, buffer: Any) -> Hashable:
        """Where the numbers of a buffer lie, as far as plans depend on it; None when they do not."""

    def download(self, buffer: Any, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
        """The array of a buffer. Raises BackendError when the device was lost."""

    def plan(self, graph: Graph) -> Any:
        """All that can be done before the data is there: scheduling, compiling."""

    def run(self, plan: Any, leaves: Sequence[Any], scalars: Sequence[float]) -> list[Any]:
        """The buffers of graph.outputs."""

    def stats(self) -> dict[str, int]:
        """draws: so far; texture_bytes and textures: allocated now."""

    def memory(self) -> dict[str, Any]:
        """See engine.memory."""
