"""What an optimizer makes of its gradients, made where each of them is packed: their atlas is then never stored, nor read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from .epilogue import MOST_INPUTS, following
from .kernel import Apply, Expression, Launch, Load, Map, Part, Region, Scalar, Schedule
from .layout import Layout

MOST_WORK = 24  # ops in one kernel: beyond it, packing and updating stay apart


def updated(plan: Schedule, layouts: Mapping[int, Layout]) -> Schedule:
    """plan with the maps over freshly packed atlases in the draws that pack. layouts: of leaves.

    A map is moved when it is the only reader of the packed atlas and all else that it reads are leaves that lie alike:
    parameters and momenta, never what the same step computes.
    """
    launches: list[Launch | None] = list(plan.launches)
    parts = dict(plan.parts)
    free = max([plan.leaves, *parts, *(launch.output for launch in plan.launches)], default=0) + 1
    packs: dict[int, list[int]] = {}
    readers: dict[int, list[int]] = {}
    for place, launch in enumerate(plan.launches):
        if launch.region is not None:
            packs.setdefault(launch.output, []).append(place)
        for slot in launch.inputs:
            readers.setdefault(slot, []).append(place)
    for slot, places in packs.items():
        if slot in plan.outputs or len(readers.get(slot, [])) != 1:
            continue
        (reader,) = readers[slot]
        found = _moved(plan, [plan.launches[place] for place in places], plan.launches[reader], layouts, free)
        if found is None:
            continue
        drawn, more = found
        parts |= more
        free = max([free, *(number + 1 for number in more)])
        launches[reader] = None
        for place, launch in zip(places, drawn, strict=True):
            launches[place] = launch
    return dataclasses.replace(plan, launches=tuple(launch for launch in launches if launch is not None), parts=parts)


def _moved(
    plan: Schedule, packs: list[Launch], update: Launch, layouts: Mapping[int, Layout], free: int
) -> tuple[list[Launch], dict[int, Part]] | None:
    """The draws that pack, each with its part of the update, and the parts of leaves that they read; None where it cannot be."""
    kernel, packed = update.kernel, packs[0].output
    if not isinstance(kernel, Map) or update.region is not None or not _plain(kernel.body):
        return None
    others = [slot for slot in update.inputs if slot != packed]
    whole = update.layout
    if any(slot >= plan.leaves or layouts[slot] != whole for slot in others):
        return None
    if any(pack.region is None or pack.region.whole != whole for pack in packs):
        return None
    parts: dict[int, Part] = {}
    drawn = []
    for pack in packs:
        found = _with_update(pack, update, others, free + len(parts))
        if found is None:
            return None
        drawn.append(found)
        region = pack.region
        assert region is not None
        lies = Layout(pack.layout.width, pack.layout.height, whole=(whole.width, whole.height))
        for slot in others:
            parts[free + len(parts)] = Part(slot, region.x, region.y, lies)
    return drawn, parts


def _with_update(pack: Launch, update: Launch, others: list[int], free: int) -> Launch | None:
    """The draw that packs a gradient, with its part of the update; it reads the parts of `others` from slot `free` on."""
    own, kernel = pack.kernel, update.kernel
    if not isinstance(own, Map) or not isinstance(kernel, Map) or pack.region in (None, Region(0, 0, pack.layout)):
        return None
    inputs = (*pack.inputs, *range(free, free + len(others)))
    if len(inputs) > MOST_INPUTS or own.body.work + kernel.body.work > MOST_WORK:
        return None
    number = update.inputs.index(pack.output)
    places = [len(pack.inputs) + others.index(slot) if slot in others else -1 for slot in update.inputs]
    body = following(kernel.body, number, Load(number, own.dtype), own.body, places, len(pack.scalars))
    if body is None:
        return None
    scalars = (*pack.scalars, *update.scalars)
    both = dataclasses.replace(pack, kernel=dataclasses.replace(kernel, body=body), inputs=inputs, scalars=scalars)
    return dataclasses.replace(both, output=update.output, step=update.step)


def _plain(value: Expression) -> bool:
    """Does it read every array at its own place only?"""
    if isinstance(value, Apply):
        return all(map(_plain, value.args))
    return isinstance(value, (Load, Scalar))
