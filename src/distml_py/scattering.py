"""Adding by index -> kernels. Every way adds in the order of the index, so that a replay gives the same bits."""

from __future__ import annotations

import math

from .kernel import Chain, Dtype, Expression, Operand, Read, Scatter, ScatterChains
from .lowering import MOST_PARTS, Builder, packed, sum_of_parts, through, whole
from .op import bool_, int32
from .view import Shape, View

SHORTEST_CHAIN = 64  # indices of a part; looking for the next one costs their square


def scatter(
    build: Builder, index: Expression, source: Expression, given: Shape, shape: Shape, axis: int, dtype: Dtype
) -> Expression:
    """Zeros of a shape with source added at index along axis; index and source are of shape `given`.

    An index that names whole rows (an embedding's gradient) is chained first: each row then walks along its own entries.
    Any other index is looked at by every element.
    """
    lead, tail = math.prod(given[:axis]), math.prod(given[axis + 1 :])
    rows, count, width = shape[axis], given[axis], lead * tail
    alike = (*given[:axis], *given[axis + 1 :]) == (*shape[:axis], *shape[axis + 1 :])
    if not (alike and rows and count and width and dtype != bool_ and _names_rows(index, lead, tail)):
        slots = (build.store(index, given).input, build.store(source, given).input)
        return build.launch(Scatter(given, shape, axis, dtype), slots, shape)
    keys = through(View((count,), (tail,)), index)
    turned = through(View((count, lead, tail), (tail, count * tail, 1)), source)
    operand, slot = packed(build, turned, (count, width), (1,), 2)
    found = _walked(build, keys, operand, slot, (rows, width, count), dtype)
    return through(View((lead, rows, tail), (tail, width, 1)), found)


def _names_rows(index: Expression, lead: int, tail: int) -> bool:
    """Is it the same for all `lead` numbers before its axis and all `tail` behind it? Only a view can tell."""
    dims: list[tuple[int, int, bool]] = []
    if isinstance(index, Read):
        view = index.views[0].simplified()
        windows = view.mask or tuple((0, size) for size in view.shape)
        dims = [(size, step, window == (0, size)) for size, step, window in zip(view.shape, view.strides, windows, strict=True)]
    before = lead == 1 or (len(dims) > 1 and dims[0] == (lead, 0, True))
    return before and (tail == 1 or (len(dims) > 0 and dims[-1] == (tail, 0, True)))


def _walked(build: Builder, keys: Expression, source: Operand, slot: int, sizes: Shape, dtype: Dtype) -> Expression:
    """Shape (rows, width). The indices are filled up with some that name no row."""
    rows, width, count = sizes
    wide, parts = whole(width), _parts(rows, width, count)
    length = whole(-(-count // parts))
    filled = View((parts * length,), (1,), 0, ((0, count),), -1)
    index = build.store(through(filled, keys), filled.shape).input
    first = build.launch(Chain(rows, length, parts, False, int32), (index,), (parts, whole(rows))).input
    behind = build.launch(Chain(rows, length, parts, True, int32), (index,), filled.shape).input
    found = build.launch(ScatterChains(source, sizes, length, parts, dtype), (first, behind, slot), (parts, rows, wide))
    logical = through(View((rows, width, parts), (wide, 1, rows * wide)), found)
    return sum_of_parts(build, logical, (rows, width), parts)


def _parts(rows: int, width: int, count: int) -> int:
    """Parts make chains shorter and quicker to find, and the results more: as many as keep both in balance."""
    balanced = int(count / (2 * math.sqrt(rows * width)))
    return max(1, min(MOST_PARTS, count // SHORTEST_CHAIN, balanced))
