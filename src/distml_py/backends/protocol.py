"""What every backend does: hold arrays, plan a graph once, run the plan often."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from ..kernel import Draw
from ..steps import Graph
from ..view import Shape


class Pending(Protocol):
    """An array on its way to the host."""

    def ready(self) -> bool:
        """Whether result() would not wait. Between two turns of the browser's event loop the answer does not change."""

    def result(self) -> np.ndarray:
        """The array; waits if it must. Raises BackendError when the device was lost."""


class Arrived:
    """See Pending: an array that is here."""

    def __init__(self, array: np.ndarray):
        self._array = array

    def ready(self) -> bool:
        return True

    def result(self) -> np.ndarray:
        return self._array


Told = Callable[[Draw, float], None]


class Backend(Protocol):
    """on_gpu: does a run leave the CPU? Buffers are opaque and immutable; dropping the last reference frees them."""

    name: str
    on_gpu: bool
    dtypes: frozenset[np.dtype[Any]]

    @property
    def choices(self) -> Hashable:
        """What plans depend on beside their graph; None when on nothing."""

    def upload(self, array: np.ndarray) -> Any:
        """A buffer holding a C-contiguous array. Raises BackendError when it does not fit."""

    def upload_all(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        """upload() of each, sent in one go."""

    def layout(self, buffer: Any) -> Hashable:
        """Where the numbers of a buffer lie, as far as plans depend on it; None when they do not."""

    def download(self, buffer: Any, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
        """The array of a buffer. Raises BackendError when the device was lost."""

    def download_later(self, buffer: Any, shape: Shape, dtype: np.dtype[Any]) -> Pending:
        """The array of a buffer as it is now, without waiting for it."""

    def plan(self, graph: Graph) -> Any:
        """All that can be done before the data is there: scheduling, compiling."""

    def run(self, plan: Any, leaves: Sequence[Any], scalars: Sequence[float], told: Told | None = None) -> list[Any]:
        """The buffers of graph.outputs. told: receives each draw and its seconds; then draws are awaited one by one."""

    def together(self) -> AbstractContextManager[None]:
        """Runs inside may be sent to the device at its end, in one go. An upload or a download inside sends them earlier."""

    def stats(self) -> dict[str, int]:
        """draws: so far; texture_bytes and textures: allocated now."""

    def memory(self) -> dict[str, Any]:
        """See engine.memory."""
