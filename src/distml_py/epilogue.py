"""What follows a contraction, computed by its kernel: a chain that reads each of its numbers once, at the number's own place.

The contraction then stores the chain's numbers, as it would have stored its own; whoever read the chain reads them there.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from .kernel import (
    Apply,
    Attended,
    Chain,
    Convolution,
    Expression,
    Fold,
    Joint,
    Kernel,
    Launch,
    Load,
    Make,
    Map,
    Normalizer,
    Operand,
    Pick,
    Product,
    Read,
    Scalar,
    Scatter,
    ScatterChains,
    Schedule,
    Total,
    WeightGradient,
)
from .operands import composed, is_packed, operand, straight_left, through, view_of
from .view import Shape

MOST_WORK = 8  # ops made of each number; a block of a product makes them 32 times in one text
MOST_INPUTS = 12  # of the contraction and what follows, in one draw


def finished(plan: Schedule, results: dict[int, Expression]) -> Schedule:
    """plan with its chains in the contractions they follow. results: how a contraction's numbers are read in order, by slot."""
    readers: dict[int, list[int]] = {}
    for place, launch in enumerate(plan.launches):
        for slot in launch.inputs:
            readers.setdefault(slot, []).append(place)
    launches: list[Launch | None] = list(plan.launches)
    made = {launch.output: place for place, launch in enumerate(plan.launches)}
    for slot, result in results.items():
        if slot in plan.outputs or len(readers.get(slot, [])) != 1:
            continue
        first, place = launches[made[slot]], readers[slot][0]
        chain = launches[place]
        assert first is not None
        if chain is None or chain.region or chain.output in plan.outputs or not isinstance(chain.kernel, Map):
            continue
        both = _with_chain(first, chain, chain.kernel, result)
        moved = [elsewhere(launches[reader], chain.output, result) for reader in readers.get(chain.output, [])]
        if both is None or None in moved:
            continue
        launches[made[slot]], launches[place] = None, both
        made[chain.output] = place
        for reader, found in zip(readers.get(chain.output, []), moved, strict=True):
            launches[reader] = found
    return dataclasses.replace(plan, launches=tuple(launch for launch in launches if launch is not None))


def _with_chain(first: Launch, chain: Launch, body: Map, result: Expression) -> Launch | None:
    """The contraction that stores what the chain makes of its numbers, in the chain's place."""
    kernel = first.kernel
    assert isinstance(kernel, (Product, Convolution))
    if body.dtype != kernel.dtype or body.body.work > MOST_WORK or chain.size != _count(kernel):
        return None
    number = chain.inputs.index(first.output)
    inputs = list(first.inputs) + [slot for slot in chain.inputs if slot not in first.inputs and slot != first.output]
    places = [inputs.index(slot) if slot in inputs else -1 for slot in chain.inputs]
    own = _as_input(result, number)
    after = following(body.body, number, own, Total(kernel.dtype), places, len(first.scalars))
    if after is None or len(inputs) > MOST_INPUTS:
        return None
    joined = dataclasses.replace(kernel, after=after)
    scalars = first.scalars + chain.scalars
    return dataclasses.replace(first, kernel=joined, inputs=tuple(inputs), scalars=scalars, output=chain.output, step=chain.step)


def _count(kernel: Product | Convolution) -> int:
    if isinstance(kernel, Product):
        return kernel.batch * kernel.sizes[0] * kernel.sizes[1]
    return kernel.window.image[0] * kernel.window.weight[0] * math.prod(kernel.window.size)


def _as_input(result: Expression, number: int) -> Expression:
    """A contraction's numbers in order, read as input `number`."""
    if isinstance(result, Read):
        return dataclasses.replace(result, of=Load(number, result.dtype))
    return Load(number, result.dtype)


def following(
    value: Expression, number: int, own: Expression, total: Expression, places: list[int], scalars: int
) -> Expression | None:
    """value with `own`, how it reads input `number`, as total, and the others renumbered, its scalars after `scalars` others.

    None when it reads that input elsewhere, too.
    """

    def within(part: Expression, here: Expression = own) -> Expression | None:
        return following(part, number, here, total, places, scalars)

    if value == own:
        return total
    match value:
        case Load(input, kind):
            return Load(places[input], kind) if input != number else None
        case Scalar(scalar, kind):
            return Scalar(scalar + scalars, kind)
        case Read(of=of):
            inner = within(of, total)
            return None if inner is None else dataclasses.replace(value, of=inner)
        case Apply(args=args) | Make(args=args):
            parts = [found for arg in args if (found := within(arg)) is not None]
            return dataclasses.replace(value, args=tuple(parts)) if len(parts) == len(args) else None
        case Pick(of=of, index=index):
            whole, at = within(of, total), within(index)
            return None if whole is None or at is None else dataclasses.replace(value, of=whole, index=at)
        case _:
            return value


def elsewhere(launch: Launch | None, slot: int, result: Expression) -> Launch | None:
    """launch, with the array in `slot` read where a contraction keeps its numbers; None when it cannot."""
    if launch is None:
        return None
    kernel: Kernel | None = launch.kernel
    for number, read in enumerate(launch.inputs):
        if read == slot and kernel is not None:
            kernel = _kernel_elsewhere(kernel, number, _as_input(result, number))
    return None if kernel is None else dataclasses.replace(launch, kernel=kernel)


def _expressions_elsewhere(kernel: Kernel, number: int, there: Expression) -> dict[str, Any]:
    """The kernel's expressions by name, reading `there` in place of input `number`."""
    changed: dict[str, Any] = {}
    for name in ("body", "after") if not isinstance(kernel, Joint) else ():
        value = getattr(kernel, name, None)
        if value is not None:
            changed[name] = _moved(value, number, there)
    for name in ("more", "bodies", "before"):
        values = getattr(kernel, name, ())
        if values:
            changed[name] = tuple(_moved(value, number, there) for value in values)
    return changed


def _kernel_elsewhere(kernel: Kernel, number: int, there: Expression) -> Kernel | None:
    changed = _expressions_elsewhere(kernel, number, there)
    if isinstance(kernel, (Fold, Joint)):
        return dataclasses.replace(kernel, **changed)
    operands: dict[str, Shape] = {}
    match kernel:
        case Product(sizes=sizes, batch=batch):
            operands = {"left": (batch, sizes[0], sizes[2]), "right": (batch, sizes[2], sizes[1])}
        case Convolution(window=window) if number != 1:
            operands = {"image": window.image}
        case WeightGradient(window=window):
            operands = {"image": window.image, "gradient": (window.image[0], window.weight[0], *window.size)}
        case ScatterChains(sizes=(_, width, count)) if number == 2:
            operands = {"source": (count, width)}
        case Convolution() | Scatter() | Chain() | ScatterChains():  # a weight and an index lie in an order of their own
            return None
        case Normalizer() | Attended():  # several of their operands may be one array
            return None
    for name, shape in operands.items():
        given: Operand = getattr(kernel, name)
        if given.input == number:
            views = (view_of(given), *(there.views if isinstance(there, Read) else ()))
            view = composed(shape, views)
            found = None if view is None else operand(number, view, shape)
            axes = (1, 2) if len(shape) == 3 else (len(shape) - 1,)
            straight = straight_left(kernel.sizes[1]) if isinstance(kernel, Product) and name == "left" else None
            if found is None or not is_packed(found, axes, straight) or (name == "image" and shape[3] % 4):
                return None
            changed[name] = found
    return dataclasses.replace(kernel, **changed) if changed else None


def _moved(value: Expression, number: int, there: Expression) -> Expression:
    """value, reading `there` in place of input `number`."""

    def within(part: Expression) -> Expression:
        return _moved(part, number, there)

    match value:
        case Load(input=input) if input == number:
            return there
        case Read(views, of):
            found = within(of)
            if found == of:
                return value
            for view in reversed(views):
                found = through(view, found)
            return found  # may be the array itself, where two orders cancel out
        case Apply(args=args) | Make(args=args):
            return dataclasses.replace(value, args=tuple(map(within, args)))
        case Pick(of=of, index=index):
            return dataclasses.replace(value, of=within(of), index=within(index))
        case _:
            return value


def renumbered(value: Expression, places: list[int], scalars: int) -> Expression:
    """value in another kernel: its input n is there number places[n], its scalars follow `scalars` others."""

    def within(part: Expression) -> Expression:
        return renumbered(part, places, scalars)

    match value:
        case Load(input, kind):
            return Load(places[input], kind)
        case Scalar(scalar, kind):
            return Scalar(scalar + scalars, kind)
        case Read(of=of):
            return dataclasses.replace(value, of=within(of))
        case Apply(args=args) | Make(args=args):
            return dataclasses.replace(value, args=tuple(map(within, args)))
        case Pick(of=of, index=index):
            return dataclasses.replace(value, of=within(of), index=within(index))
        case _:
            return value
