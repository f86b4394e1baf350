"""Sums over the same places, found in one draw: two folds that read the same arrays, each into a layer of its own."""

from __future__ import annotations

import dataclasses

from .epilogue import elsewhere, renumbered
from .kernel import Fold, Launch, Load, Read, Schedule
from .view import View

MOST_INPUTS = 12  # of both, in one draw
MOST_RESULTS = 4  # layers; WebGL2 promises as many


def paired(plan: Schedule) -> Schedule:
    """plan with its sums in pairs, and more, where both are known before either is read, and they share what they read."""
    launches: list[Launch | None] = list(plan.launches)
    made = {slot: -1 for slot in range(plan.leaves)} | dict.fromkeys(plan.parts, -1)
    folds: list[int] = []
    for place, launch in enumerate(plan.launches):
        made[launch.output] = place
        if _can_pair(plan, launch):
            partner = next((first for first in folds if _pair(launches, first, place, made)), None)
            if partner is None:
                folds.append(place)
    return dataclasses.replace(plan, launches=tuple(launch for launch in launches if launch is not None))


def _can_pair(plan: Schedule, launch: Launch) -> bool:
    kernel = launch.kernel
    if not isinstance(kernel, Fold) or kernel.op.name != "sum" or kernel.dtype.kind != "f" or kernel.after is not None:
        return False
    return launch.size > 0 and launch.region is None and launch.output not in plan.outputs


def _pair(launches: list[Launch | None], place: int, other: int, made: dict[int, int]) -> bool:
    """Let the fold at `place` find the sums of the one at `other`, too; False where it cannot."""
    first, second = launches[place], launches[other]
    assert first is not None and second is not None
    one, two = first.kernel, second.kernel
    assert isinstance(one, Fold) and isinstance(two, Fold)
    inputs = [*first.inputs, *(slot for slot in dict.fromkeys(second.inputs) if slot not in first.inputs)]  # first's may repeat
    if (one.length, one.chunks, one.rows, one.dtype) != (two.length, two.chunks, two.rows, two.dtype):
        return False
    early = all(made[slot] < place for slot in second.inputs)
    shared = set(first.inputs) & set(second.inputs)
    if not (early and shared and len(inputs) <= MOST_INPUTS and len(one.more) + 2 <= MOST_RESULTS):
        return False
    body = renumbered(two.body, [inputs.index(slot) for slot in second.inputs], len(first.scalars))
    kernel = dataclasses.replace(one, more=(*one.more, body))
    layout = dataclasses.replace(first.layout, layers=len(kernel.more) + 1)
    there = Read((View((first.size,), (1,), layout.layer_size * len(kernel.more)),), Load(0, two.dtype), two.dtype, 0)
    moved: dict[int, Launch] = {}
    for reader in range(other + 1, len(launches)):
        launch = launches[reader]
        if launch is not None and second.output in launch.inputs:
            found = elsewhere(launch, second.output, there)
            if found is None:
                return False
            moved[reader] = dataclasses.replace(found, inputs=_renamed(found.inputs, second.output, first.output))
    launches[place] = dataclasses.replace(
        first, kernel=kernel, inputs=tuple(inputs), scalars=first.scalars + second.scalars, layout=layout
    )
    launches[other] = None
    for reader, launch in moved.items():
        launches[reader] = launch
    return True


def _renamed(slots: tuple[int, ...], old: int, new: int) -> tuple[int, ...]:
    return tuple(new if slot == old else slot for slot in slots)
