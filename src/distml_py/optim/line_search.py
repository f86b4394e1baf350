"""How far to go along a direction, so that the strong Wolfe conditions hold. Numbers in, numbers out: no tensors here.

Source: Nocedal and Wright 2006, algorithms 3.5 and 3.6; places are interpolated by cubics, as PyTorch's LBFGS does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ENOUGH, CURVED, LEAST = 1e-4, 0.9, 1e-9


@dataclass(frozen=True, eq=False)
class Point:
    """What is known t along the direction. slope: of the loss, along it."""

    t: float
    loss: float
    gradient: np.ndarray
    slope: float


def cubic(one: Point, two: Point, low: float | None = None, high: float | None = None) -> float:
    """Where the cubic through two points with their slopes is smallest, within low and high; the middle where it has no minimum."""
    bounds = (one.t, two.t) if one.t <= two.t else (two.t, one.t)
    low, high = bounds[0] if low is None else low, bounds[1] if high is None else high
    first = one.slope + two.slope - 3 * (one.loss - two.loss) / (one.t - two.t)
    square = first * first - one.slope * two.slope
    if not square >= 0:
        return (low + high) / 2
    left, right = (one, two) if one.t <= two.t else (two, one)
    root = math.sqrt(square)
    place = right.t - (right.t - left.t) * ((right.slope + root - first) / (right.slope - left.slope + 2 * root))
    return min(max(place, low), high)


def strong_wolfe(at: Callable[[float], Point], start: Point, t: float, longest: float, most: int) -> tuple[Point, int]:
    """(the point to go to, evaluations). at(t): the point there; t: where to look first; longest: largest number of the direction;
    most: how often to look again."""
    before, now, tries = start, at(t), 0
    while tries < most:
        worse = now.loss > start.loss + ENOUGH * now.t * start.slope or (tries > 1 and now.loss >= before.loss)
        if not worse and abs(now.slope) <= -CURVED * start.slope:
            return now, tries + 1
        if worse or now.slope >= 0:
            return _zoom(at, start, [before, now], tries, longest, most)
        far = cubic(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10)
        before, now, tries = now, at(far), tries + 1
    return (start if start.loss <= now.loss else now), tries + 1


def _zoom(
    at: Callable[[float], Point], start: Point, ends: list[Point], tries: int, longest: float, most: int
) -> tuple[Point, int]:
    """Between two points that hold what is looked for."""
    low, stuck, used = int(ends[0].loss > ends[1].loss), False, tries + 1
    while tries < most and abs(ends[1].t - ends[0].t) * longest >= LEAST:
        left, right = sorted(point.t for point in ends)
        t, edge = cubic(ends[0], ends[1]), 0.1 * (right - left)
        close = min(right - t, t - left) < edge
        if close and (stuck or t >= right or t <= left):
            t, stuck = (right - edge if abs(t - right) < abs(t - left) else left + edge), False
        else:
            stuck = close
        now, tries, used = at(t), tries + 1, used + 1
        if now.loss > start.loss + ENOUGH * t * start.slope or now.loss >= ends[low].loss:
            ends[1 - low] = now
            low = int(ends[0].loss > ends[1].loss)
            continue
        if abs(now.slope) <= -CURVED * start.slope:
            return now, used
        if now.slope * (ends[1 - low].t - ends[low].t) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = now
    return ends[low], used
