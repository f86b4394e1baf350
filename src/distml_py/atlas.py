"""Parameters that are updated together: one array (an atlas) that holds them all, so that an optimizer's step is a few draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import graph, ops
from .graph import Node
from .layout import LEAST_ROWS, LEAST_WIDTH, MOST_ROWS, MOST_WIDTH, SURE_SIDE
from .op import float32
from .ops.atlas import Spot, sizes
from .tensor import Tensor
from .view import Shape

STEP = 8  # widths that are tried differ by so many texels


def fitting(shape: Shape) -> int | None:
    """The axis from which on an array runs along a row of an atlas; None when it fits into none."""
    for split in (min(1, len(shape) - 1), *range(2, len(shape)), 0):
        rows, length = sizes(shape, Spot(0, 0, 0, 0, max(split, 0)))
        if 0 < rows <= SURE_SIDE and 0 < length <= 4 * MOST_WIDTH:
            return max(split, 0)
    return None


def arrange(shapes: Sequence[Shape]) -> tuple[Shape, tuple[Spot, ...]]:
    """(shape of the atlas, a spot for each shape): cells that fill it, on shelves, of the width that wastes least.

    Raises ValueError when they do not fit: see `groups`.
    """
    splits = [fitting(shape) for shape in shapes]
    if None in splits:
        raise ValueError(f"an array of shape {shapes[splits.index(None)]} fits into no atlas")
    needs = []
    for shape, split in zip(shapes, splits, strict=True):
        assert split is not None
        rows, length = sizes(shape, Spot(0, 0, 0, 0, split))
        needs.append((rows, -(-length // 4), split))
    order = sorted(range(len(needs)), key=lambda n: (-needs[n][0], -needs[n][1]))
    widest = max(LEAST_WIDTH, max(width for _, width, _ in needs))
    heights = {width: _height(needs, order, width) for width in range(widest, MOST_WIDTH + 1, STEP)}
    best = min(heights, key=lambda width: (heights[width] > MOST_ROWS, heights[width] * width))
    height = heights[best]
    if height > MOST_ROWS:
        raise ValueError(f"{len(shapes)} arrays need {height} rows of an atlas, there are {MOST_ROWS}")
    return (height, 4 * best), _cells(needs, order, best, height)


Need = tuple[int, int, int]
"""rows, texels in each, split"""


def _shelves(needs: Sequence[Need], order: Sequence[int], width: int) -> list[list[int]]:
    """Arrays side by side, highest first: the numbers of those on each shelf."""
    shelves: list[list[int]] = []
    free = 0
    for number in order:
        if needs[number][1] > free or needs[number][0] * 2 <= needs[shelves[-1][0]][0]:
            shelves.append([])
            free = width
        shelves[-1].append(number)
        free -= needs[number][1]
    return shelves


def _height(needs: Sequence[Need], order: Sequence[int], width: int) -> int:
    return max(LEAST_ROWS, sum(needs[shelf[0]][0] for shelf in _shelves(needs, order, width)))


def _cells(needs: Sequence[Need], order: Sequence[int], width: int, height: int) -> tuple[Spot, ...]:
    found: dict[int, Spot] = {}
    row = 0
    shelves = _shelves(needs, order, width)
    for shelf in shelves:
        rows = needs[shelf[0]][0] if shelf is not shelves[-1] else height - row
        column = 0
        for number in shelf:
            wide = needs[number][1] if number != shelf[-1] else width - column
            found[number] = Spot(row, 4 * column, rows, 4 * wide, needs[number][2])
            column += wide
        row += rows
    return tuple(found[number] for number in range(len(needs)))


def groups(tensors: Sequence[Tensor]) -> list[list[int]]:
    """The numbers of those that go into one atlas each, where two or more do; the others are left out."""
    found: list[list[int]] = []
    size = SURE_SIDE * MOST_WIDTH
    for number, tensor in enumerate(tensors):
        split = fitting(tensor.shape)
        if split is None or tensor.dtype != float32:
            continue
        rows, length = sizes(tensor.shape, Spot(0, 0, 0, 0, split))
        # half of an atlas is promised to be of use, whatever the shapes
        if size + rows * -(-length // 4) > SURE_SIDE * MOST_WIDTH // 2:
            found.append([])
            size = 0
        found[-1].append(number)
        size += rows * -(-length // 4)
    return [numbers for numbers in found if len(numbers) > 1 and _fits([tensors[n].shape for n in numbers])]


def _fits(shapes: Sequence[Shape]) -> bool:
    try:
        (rows, _), _ = arrange(shapes)
    except ValueError:
        return False
    return rows <= SURE_SIDE  # no atlas is a stack of layers


class Home(Tensor):
    """An array that parameters share. lodgers: these, whether they are at home or not."""

    lodgers: Sequence[Tensor] = ()


class Atlas:
    """Parameters that share one array. home: that array; it is one tensor for good, which moves on with each step.

    A parameter that somebody has set to other numbers since is not at home any more, until gather().
    """

    def __init__(self, tensors: Sequence[Tensor]):
        self.tensors = list(tensors)
        self.shape, self.spots = arrange([tensor.shape for tensor in tensors])
        self.home = Home(self.pack([tensor.node for tensor in tensors]))
        self.home.lodgers = self.tensors

    def pack(self, nodes: Sequence[Node]) -> Node:
        """One array of these, each in its parameter's spot; on the host where they are."""
        arrays = [node.buffer for node in nodes]
        if all(isinstance(array, np.ndarray) for array in arrays):
            array = ops.PACK.numpy(*arrays, self.shape, self.spots)
            return graph.leaf(array, array.shape, array.dtype)
        return graph.apply(ops.PACK, *nodes, attrs=(self.shape, self.spots))

    def part(self, whole: Tensor, number: int) -> Tensor:
        """What an array like home holds for one parameter."""
        return Tensor(graph.apply(ops.PART, whole.node, attrs=(self.spots[number], self.tensors[number].shape)))

    def gather(self) -> None:
        """Brings the parameters home; costs nothing when they are."""
        if not all(is_part(tensor, self.home) for tensor in self.tensors):
            self.move(Tensor(self.pack([tensor.node for tensor in self.tensors])))

    def move(self, value: Tensor) -> None:
        """The parameters become parts of value, which is no part of a gradient's graph."""
        self.home.copy_(value)

    def hand_out(self) -> None:
        """To be called when home's node is its last: each parameter becomes its part of it."""
        for tensor, spot in zip(self.tensors, self.spots, strict=True):
            tensor._house(self.home, spot)


def is_part(tensor: Tensor, home: Tensor) -> bool:
    """Are a tensor's numbers a part of home, as it is now?"""
    node = tensor.node
    return node.op is ops.PART and node.inputs[0] is home.node
