"""Loops of long sums: each turn is taken once, and how many roundings a number goes through."""

import math
import re

import numpy as np
import pytest

import distml_py as dm
from distml_py import ops
from distml_py.backends.choices import FOLDS
from distml_py.backends.glsl import render
from distml_py.backends.sums import Tree, pairs
from distml_py.kernel import Fold, Load
from distml_py.layout import layout_of
from distml_py.op import float32, int32
from distml_py.schedule import schedule
from distml_py.steps import graph_of, linearize
from distml_py.variant import Variant


class Rounded:
    """A sum: how many roundings its worst term went through, and the turns in it."""

    def __init__(self, roundings: int = 0, turns: tuple[int, ...] = ()):
        self.roundings, self.turns = roundings, turns

    def __iadd__(self, other: "Rounded") -> "Rounded":
        more = 1 if self.turns and other.turns else 0  # the first number is added to 0, exactly
        return Rounded(max(self.roundings, other.roundings) + more, (*self.turns, *other.turns))


def executed(tree: Tree) -> Rounded:
    """What the text of its loops does, as Python."""
    lines = []
    for line in tree.loops("r", [f"{tree.accumulator(0)} += turn(r);"]):
        head = re.fullmatch(r"( *)for \(\w+ (\w+) = ([\w.]+); \w+ < (.+); \w+ (?:\+= ([\d.]+)|\+\+)\) {", line)
        text = re.sub(r"^( *)float (\w+) = 0.0;", r"\1\2 = Rounded()", line)
        if head:
            text = f"{head[1]}for {head[2]} in np.arange({head[3]}, {head[4]}, {head[5] or 1}):"
        lines.append(re.sub(r"}", "", text).rstrip(";"))
    names = {"Rounded": Rounded, "np": np, "min": min, "turn": lambda r: Rounded(0, (int(r),))}
    names |= {f"acc{k}": Rounded() for k in range(4)}
    exec("\n".join(lines), names)
    found = names["acc0"]
    assert isinstance(found, Rounded)
    return found


@pytest.mark.parametrize("group", [4, 8])
@pytest.mark.parametrize("turns", [1, 2, 4, 5, 16, 17, 63, 64, 65, 100, 256, 257, 1000])
def test_each_turn_is_taken_once_and_no_number_is_rounded_often(turns: int, group: int) -> None:
    found = executed(Tree(turns, group))
    assert found.turns == tuple(range(turns))
    assert found.roundings <= (group - 1) * max(1, math.ceil(math.log(turns, group) - 1e-9))


def stages(size: int, length: int) -> list[Fold]:
    """The kernels that a sum of so many numbers takes, folded to this length."""
    key, _, _ = linearize([dm.zeros(size).realize().sum().node], lambda leaf: None)
    found = [launch.kernel for launch in schedule(graph_of(key), lambda graph, number: Variant(fold=length)).launches]
    assert all(isinstance(kernel, Fold) for kernel in found)
    return [kernel for kernel in found if isinstance(kernel, Fold)]


@pytest.mark.parametrize("length", FOLDS)
@pytest.mark.parametrize("size", [256, 4096, 65_536, 10**6, 10**7, 2**24])
def test_the_stages_of_a_sum_together_round_no_more_than_the_bound(size: int, length: int) -> None:
    """(16 + log2(n)) roundings, folded to any length that may be chosen: tests/browser/test_webgl_gradients.py measures them."""
    total = 0
    for kernel in stages(size, length):
        step = -(-kernel.length // kernel.chunks)
        assert step <= length
        text = render(kernel, [layout_of((kernel.length * kernel.rows,))], layout_of((kernel.chunks * kernel.rows,))).text
        levels = re.findall(r"for \(float \w+ = ", text)
        unrolled = 4 if re.search(r"\+= \(\(", text) else 1
        tree = Tree(step // unrolled, 4)
        assert len(levels) == tree.levels + 1
        total += executed(tree).roundings + int(math.log2(unrolled))
    assert total <= 16 + math.log2(size)


def test_pairs_are_added_before_pairs_of_pairs() -> None:
    assert pairs(list("abcd")) == "((a + b) + (c + d))" and pairs(["a"]) == "a"


@pytest.mark.parametrize("length, wanted", [(2**24, "float r = 0.0; r < 16777216.0"), (2**24 + 1, "int r = 0; r < 16777217")])
def test_a_loop_too_long_for_floats_counts_in_ints(length: int, wanted: str) -> None:
    """2^24 + 1 is no float32: a float counter would stay at 2^24 for ever."""
    kernel = Fold(ops.ARGMAX, Load(0, float32), length, 1, 1, int32)
    long = Fold(ops.AMAX, Load(0, float32), length, 1, 3, float32)
    for fold in (kernel, long):
        rendered = render(fold, [layout_of((length * fold.rows,))], layout_of((fold.rows,))).text
        if length % 4:
            assert f"for ({wanted}; " in rendered
        assert not re.search(r"float r = 0.0; r < (1677721[7-9]|[2-9]\d{7}|\d{9,})", rendered)
