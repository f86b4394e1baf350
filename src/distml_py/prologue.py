"""What comes before a contraction, made by its kernel at each read: a map that only contractions read, each number a few times.

The map's array is then never stored. Edges, tails and packing stay as they were: the kernel asks for the same elements.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from .epilogue import MOST_INPUTS, MOST_WORK, renumbered
from .kernel import Convolution, Expression, Launch, Map, Operand, Product, Schedule, WeightGradient

Contraction = Product | Convolution | WeightGradient
OPERANDS = ("left", "right", "image", "gradient")


def begun(plan: Schedule, results: set[int], most_reads: Callable[[Launch], int]) -> Schedule:
    """plan with maps in the contractions that read them. results: slots of contractions, whose maps follow them instead.

    most_reads: how often a contraction may read a number for which it is made again each time.
    """
    readers: dict[int, list[int]] = {}
    for place, launch in enumerate(plan.launches):
        for slot in launch.inputs:
            readers.setdefault(slot, []).append(place)
    launches: list[Launch | None] = list(plan.launches)
    for place, launch in enumerate(plan.launches):
        if not _can_be_made_again(launch, plan, results):
            continue
        own = readers.get(launch.output, [])
        made = [_with_map(launches[reader], launch, most_reads) for reader in own]
        if not own or len(set(own)) < len(own) or None in made:
            continue
        launches[place] = None
        for reader, found in zip(own, made, strict=True):
            launches[reader] = found
    return dataclasses.replace(plan, launches=tuple(launch for launch in launches if launch is not None))


def _can_be_made_again(launch: Launch, plan: Schedule, results: set[int]) -> bool:
    kernel = launch.kernel
    if not isinstance(kernel, Map) or launch.region or launch.output in plan.outputs or not launch.inputs:
        return False
    return 0 < kernel.body.work <= MOST_WORK and not results & set(launch.inputs)


def _with_map(reader: Launch | None, launch: Launch, most_reads: Callable[[Launch], int]) -> Launch | None:
    """The contraction that makes its operand of what the map reads; None where it cannot, or would too often."""
    assert isinstance(launch.kernel, Map)
    if reader is None or not isinstance(reader.kernel, Contraction) or not reader.size:
        return None
    kernel, number = reader.kernel, reader.inputs.index(launch.output)
    names = [name for name in OPERANDS if getattr(kernel, name, None) is not None and getattr(kernel, name).input == number]
    more = [slot for slot in launch.inputs[1:] if slot not in reader.inputs]
    if len(names) != 1 or kernel.dtype != launch.kernel.dtype or len(reader.inputs) + len(more) > MOST_INPUTS:
        return None
    if reads(kernel, names[0]) > most_reads(reader):
        return None
    inputs = (*reader.inputs[:number], launch.inputs[0], *reader.inputs[number + 1 :], *more)
    body = renumbered(launch.kernel.body, [inputs.index(slot) for slot in launch.inputs], len(reader.scalars))
    given: Operand = getattr(kernel, names[0])
    made: tuple[Expression, ...] = (*kernel.before, body)
    changed: dict[str, Any] = {"before": made, names[0]: dataclasses.replace(given, input=-len(made))}
    kernel = dataclasses.replace(kernel, **changed)
    return dataclasses.replace(reader, kernel=kernel, inputs=inputs, scalars=(*reader.scalars, *launch.scalars))


def reads(kernel: Contraction, name: str) -> int:
    """How often about a kernel reads each number of an operand."""
    match kernel, name:
        case Product(sizes=(_, n, _)), "left":
            return -(-n // 4)
        case Product(sizes=(m, _, _)), _:
            return -(-m // kernel.block)
    assert not isinstance(kernel, Product)
    o, channels, kh, kw = kernel.window.weight
    if name == "gradient":
        return channels * kh
    down, along = kernel.window.stride
    return max(-(-o // kernel.window.groups // kernel.block) * kh * kw // (down * along), 1)
