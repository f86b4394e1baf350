"""The reference backend: every op is its row's NumPy function, one after the other. Also computes in float64."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph import CONST, LEAF
from ..holdings import largest, on_host
from ..kernel import Draw
from ..op import DTYPES, int32
from ..steps import Graph
from ..view import Shape
from . import wide
from .protocol import Arrived, Pending, Told


@dataclass(frozen=True)
class _Plan:
    """The graph, and for each step the values that nobody reads after it."""

    graph: Graph
    drop: tuple[tuple[int, ...], ...]


class ReferenceBackend:
    """See Backend. A buffer is a NumPy array that nobody writes to."""

    name = "reference (NumPy)"
    on_gpu = False
    dtypes = frozenset(DTYPES)
    choices = None

    def upload(self, array: np.ndarray) -> np.ndarray:
        return array

    def upload_all(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self.upload(array) for array in arrays]

    def layout(self, buffer: np.ndarray) -> None:
        return None

    def download(self, buffer: np.ndarray, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
        return np.array(buffer, dtype=dtype, copy=True).reshape(shape)

    def download_later(self, buffer: Any, shape: Shape, dtype: np.dtype[Any]) -> Pending:
        return Arrived(self.download(buffer, shape, dtype))

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def plan(self, graph: Graph) -> _Plan:
        last: dict[int, int] = {}
        for number, step in enumerate(graph.steps):
            for parent in step.inputs:
                last[parent] = number
        drop: list[list[int]] = [[] for _ in graph.steps]
        outputs = set(graph.outputs)
        for value, number in last.items():
            if value not in outputs:
                drop[number].append(value)
        return _Plan(graph, tuple(map(tuple, drop)))

    @np.errstate(all="ignore")  # NaN and infinities are values here; training checks for them where it reads numbers
    def run(
        self, plan: _Plan, leaves: Sequence[np.ndarray], scalars: Sequence[float], told: Told | None = None
    ) -> list[np.ndarray]:
        values: list[Any] = []
        for place, (step, drop) in enumerate(zip(plan.graph.steps, plan.drop, strict=True)):
            began = time.perf_counter()
            if step.op is LEAF:
                value = leaves[step.attrs[0]].reshape(step.shape)
            elif step.op is CONST:
                value = np.asarray(scalars[step.attrs[0]], dtype=step.dtype)
            else:
                inputs = [values[number] for number in step.inputs]
                watched = step.op in wide.WATCHED and step.dtype == int32
                value = wide.computed(step.op, inputs, step.attrs) if watched else step.op.numpy(*inputs, *step.attrs)
                if told is not None:
                    size = value.nbytes + sum(array.nbytes for array in inputs)
                    told(Draw(place, "NumPy", size), time.perf_counter() - began)
            values.append(value)
            for number in drop:
                values[number] = None
        return [np.ascontiguousarray(values[number]) for number in plan.graph.outputs]

    def stats(self) -> dict[str, int]:
        return {"draws": 0, "textures": 0, "texture_bytes": 0}

    def memory(self) -> dict[str, Any]:
        found = on_host()
        total = sum(holding.bytes for holding in found)
        none = {"textures": 0, "free_bytes": 0, "scratch_bytes": 0, "cap_bytes": None}
        return {"bytes": total, "live_bytes": total, "largest": largest(found), **none}
