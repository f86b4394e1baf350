"""Variant: the ways in which a contraction or reduction can be computed, and the one taken until something was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """layers: the most rows or channels a fragment computes, each in a layer of its own.

    enough: fragments that keep the device busy; a contraction with fewer has its long sums cut into parts. 0: no sum is cut.
    fetch: texels are read by texelFetch, not by texture().
    prologue: what an operand is made of is made at each read, not stored, where every number is read so many times at most.
    fold: numbers that one fragment adds up, or finds the largest of, at most; longer rows are cut, and their parts reduced again.
    """

    layers: int = 8
    enough: int = 1 << 8
    fetch: bool = False
    prologue: int = 4
    fold: int = 1 << 8


DEFAULT = Variant()
