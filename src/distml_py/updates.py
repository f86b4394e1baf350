"""What an optimizer makes of its gradients, made where each of them is packed: their atlas is then never stored, nor read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from .epilogue import MOST_INPUTS, renumbered
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
    parts: dict[int, Part] = {}
    drawn = []
    for pack in packs:
        region, own = pack.region, pack.kernel
        assert region is not None
        if not isinstance(own, Map) or region.whole != whole or region == Region(0, 0, pack.layout):
            return None
        if len(pack.inputs) + len(others) > MOST_INPUTS or own.body.work + kernel.body.work > MOST_WORK:
            return None
        lies = Layout(pack.layout.width, pack.layout.height, whole=(whole.width, whole.height))
        inputs = (*pack.inputs, *(free + len(parts) + number for number in range(len(others))))
        for slot in others:
            parts[free + len(parts)] = Part(slot, region.x, region.y, lies)
        where = {slot: len(pack.inputs) + others.index(slot) for slot in others}
        places = [where.get(slot, -1) for slot in update.inputs]
        body = _with(renumbered(kernel.body, places, len(pack.scalars)), own.body)
        local = dataclasses.replace(kernel, body=body)
        scalars = (*pack.scalars, *update.scalars)
        drawn.append(
            dataclasses.replace(pack, kernel=local, inputs=inputs, scalars=scalars, output=update.output, step=update.step)
        )
    return drawn, parts


def _plain(value: Expression) -> bool:
    """Does it read every array at its own place only?"""
    if isinstance(value, Apply):
        return all(map(_plain, value.args))
    return isinstance(value, (Load, Scalar))


def _with(value: Expression, gradient: Expression) -> Expression:
    """value with the packed numbers, input -1, as what they are made of."""
    if isinstance(value, Apply):
        args = tuple(_with(arg, gradient) for arg in value.args)
        return dataclasses.replace(value, args=args, work=1 + sum(arg.work for arg in args))
    return gradient if isinstance(value, Load) and value.input == -1 else value
