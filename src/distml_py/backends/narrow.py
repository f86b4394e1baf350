"""Which values are stored as half floats: those that end in float16's rounding, and so lose nothing. Nothing is drawn here."""

from __future__ import annotations

import numpy as np

from ..graph import LEAF
from ..kernel import Apply, Kernel, Map, Schedule
from ..layout import Layout
from ..op import float32
from ..ops.narrow import HALF
from ..steps import Graph, Step
from ..view import Shape


def halves(planned: Schedule) -> set[int]:
    """Slots that only kernels write whose last step rounds to float16."""
    wide = {launch.output for launch in planned.launches if not _rounds(launch.kernel)}
    return {launch.output for launch in planned.launches} - wide


def _rounds(kernel: Kernel) -> bool:
    last = kernel.body if isinstance(kernel, Map) else getattr(kernel, "after", None)
    return isinstance(last, Apply) and last.op is HALF


def edges() -> np.ndarray:
    """float16's numbers that a device may get wrong: the largest, subnormal ones, a signed zero, infinities."""
    tiny = np.array([2**-24, 2**-23, 3 * 2**-24, 2**-14, 2**-14 - 2**-24], np.float32)
    found = np.array([0, 1, 1 / 3, 2047, 65504, np.inf], np.float32).astype(np.float16).astype(np.float32)
    both = np.concatenate([found, tiny])
    return np.concatenate([both, -both])


def trial(leaf: Layout, shape: Shape) -> Graph:
    """A leaf, rounded to float16."""
    steps = (Step(LEAF, (), (0, leaf), shape, float32), Step(HALF, (0,), (), shape, float32))
    return Graph(steps, (1,))
