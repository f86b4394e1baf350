"""What the tuner measures on WebGL2: one contraction with random numbers, in any variant, drawn as often as asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..graph import CONST, LEAF
from ..layout import layout_of
from ..op import float32
from ..schedule import schedule
from ..steps import Graph
from ..variant import Variant
from .textures import Buffer
from .webgl import WebGLBackend

CONSTANT = 0.5  # what a problem's constants are


class Trials:
    """See tuner.Device."""

    def __init__(self, backend: WebGLBackend):
        self.layers = backend.choices.layers
        self._backend = backend
        self._problem: Graph | None = None
        self._leaves: list[Buffer] = []

    def drawn(self, problem: Graph, variant: Variant) -> object:
        return schedule(problem, lambda graph, number: variant, self._backend.side).launches

    def trial(self, problem: Graph, variant: Variant) -> Drawing:
        if self._problem != problem:
            self._leaves.clear()  # before the next are made: both may be large
            random = np.random.default_rng(0)
            leaves = [step for step in problem.steps if step.op is LEAF]
            arrays = (random.uniform(-1, 1, step.shape) for step in leaves)
            self._leaves += [self._backend.upload(array.astype(step.dtype)) for array, step in zip(arrays, leaves, strict=True)]
            self._problem = problem
        return Drawing(self._backend, self._fitted(problem), variant, self._leaves)

    def _fitted(self, problem: Graph) -> Graph:
        """problem with its leaves as they lie on this device."""
        steps = []
        for step in problem.steps:
            layout = layout_of(step.shape, side=self._backend.side)
            steps.append(replace(step, attrs=(step.attrs[0], layout)) if step.op is LEAF else step)
        return Graph(tuple(steps), problem.outputs)


class Drawing:
    """See tuner.Trial."""

    def __init__(self, backend: WebGLBackend, problem: Graph, variant: Variant, leaves: list[Buffer]):
        self._backend, self._shape = backend, problem.steps[-1].shape
        self._plan = backend.plan(problem, lambda graph, number: variant)  # kept: it owns the scratch textures
        scalars = [CONSTANT for step in problem.steps if step.op is CONST]
        self._draw, self._output = backend.repeated(self._plan, leaves, scalars)

    def run(self, times: int) -> None:
        self._draw(times)

    def numbers(self) -> np.ndarray:
        return self._backend.download(self._output, self._shape, np.dtype(float32))
