"""The float64 sum of a step in an order that only the step's data decide, whoever holds the parts. NumPy alone, no protocol.

Terms stand in the order of the data. A *range* is RANGE of them, added up one after another; the ranges are added up in pairs,
the pairs in pairs, and so on: a *node* (level, index) is the sum of the ranges from index << level on, 1 << level of them or as
many as there are. Who holds all of a node can add it up alone; its bits are the same wherever that happens.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

RANGE = 4  # of a few shards each coordinator has some whole ones

Node = tuple[int, int, np.ndarray]


def ranges(count: int) -> int:
    """How many ranges so many terms have."""
    return -(-count // RANGE)


def members(index: int, count: int) -> range:
    """The terms of one range."""
    return range(index * RANGE, min((index + 1) * RANGE, count))


def add_up(terms: Iterable[tuple[np.ndarray, float]], size: int, into: np.ndarray | None = None) -> np.ndarray:
    """The sum of vector * factor, one after another. into: memory that may be used."""
    total = np.empty(size, np.float64) if into is None else into
    total.fill(0.0)
    scaled = np.empty(size, np.float64)
    for vector, factor in terms:
        np.multiply(vector, factor, out=scaled, dtype=np.float64)
        total += scaled
    return total


def fold(nodes: Iterable[Node], count: int, spare: list[np.ndarray] | None = None) -> list[Node]:
    """The fewest nodes that these, in order, make of `count` ranges: one, the root, when none is missing.

    Sums are made in the memory of the left one, where that can be written. spare: gets the memory that is free again.
    """
    found: list[Node] = []
    for level, index, vector in nodes:
        while not (index == 0 and 1 << level >= count):
            if index % 2:
                if not found or found[-1][:2] != (level, index - 1):
                    break
                left = found.pop()[2]
                total = np.add(left, vector, out=left if left.flags.writeable else None)
                if spare is not None and vector.flags.writeable:
                    spare.append(vector)
                vector = total
            elif (index + 1) << level < count:
                break  # what lies to its right is still to come, or somebody else's
            level, index = level + 1, index // 2
        found.append((level, index, vector))
    return found


def total(terms: list[tuple[np.ndarray, float]], size: int) -> np.ndarray:
    """The sum of all terms, vector * factor."""
    count, spare = len(terms), list[np.ndarray]()

    def nodes() -> Iterator[Node]:
        for index in range(ranges(count)):
            part = (terms[place] for place in members(index, count))
            yield 0, index, add_up(part, size, spare.pop() if spare else None)

    ((_, _, found),) = fold(nodes(), ranges(count), spare)
    return found


def held(terms: Mapping[int, tuple[np.ndarray, float]], count: int, size: int) -> tuple[list[Node], list[int]]:
    """Of `count` terms these, by their places: the nodes that can be added up here, and the places of what is left over."""
    whole = {index for index in {place // RANGE for place in terms} if all(place in terms for place in members(index, count))}
    sums = ((0, index, add_up((terms[place] for place in members(index, count)), size)) for index in sorted(whole))
    return fold(sums, ranges(count)), [place for place in sorted(terms) if place // RANGE not in whole]


def joined(nodes: Iterable[Node], rows: Mapping[int, tuple[np.ndarray, float]], count: int, size: int) -> np.ndarray:
    """The sum of all: everybody's nodes, and the terms that nobody could add up alone. Raises LookupError when one is missing."""
    found = list(nodes)
    for index in sorted({place // RANGE for place in rows}):
        found.append((0, index, add_up((rows[place] for place in members(index, count)), size)))
    found = fold(sorted(found, key=lambda node: node[1] << node[0]), ranges(count))
    if len(found) != 1 or 1 << found[0][0] < ranges(count):
        raise LookupError(f"{len(found)} nodes of {ranges(count)} ranges are no sum")
    return found[0][2]
