"""Compiled programs from Python: one for each text, released when no plan draws with it any more. Writes no text."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Hashable

from .textures import Bridge, guarded
from .writer import Program

KEPT = 128  # programs kept though no plan needs them: who changes the backend and comes back finds them


class Compiled:
    """A program of the bridge, for as long as it lives; scalars: see writer.Program."""

    __slots__ = ("__weakref__", "_leaving", "number", "scalars")

    def __init__(self, number: int, scalars: str, leaving: list[int]):
        self.number, self.scalars, self._leaving = number, scalars, leaving

    def __del__(self) -> None:
        self._leaving.append(self.number)  # only that: commands that wait may name it


class Programs:
    """Plans hold what they draw with; this knows it, and holds the ones that were asked for last."""

    def __init__(self, bridge: Bridge):
        self._bridge = bridge
        self._known: weakref.WeakValueDictionary[Hashable, Compiled] = weakref.WeakValueDictionary()
        self._texts: weakref.WeakValueDictionary[tuple[str, int], Compiled] = weakref.WeakValueDictionary()
        self._last: OrderedDict[Compiled, None] = OrderedDict()
        self._leaving: list[int] = []

    def known(self, key: Hashable) -> Compiled | None:
        """The program that was made for a key, if it is there still."""
        return self._used(self._known.get(key))

    def make(self, key: Hashable, program: Program, inputs: int, cost: int) -> Compiled:
        """The program of a text, from now on also that of the key. Raises BackendError when the GPU is lost."""
        found = self._texts.get((program.text, inputs))
        if found is None:
            number = guarded(self._bridge.compile, program.text, inputs, program.scalars, cost)
            found = self._texts[program.text, inputs] = Compiled(number, program.scalars, self._leaving)
        self._known[key] = found
        self._used(found)
        return found

    def _used(self, found: Compiled | None) -> Compiled | None:
        if found is not None:
            self._last[found] = None
            self._last.move_to_end(found)
            if len(self._last) > KEPT:
                self._last.popitem(last=False)
        return found

    def sweep(self) -> None:
        """Gives back to the bridge what nobody holds. No commands wait to be drawn."""
        while self._leaving:
            self._bridge.discard(self._leaving[-1])
            self._leaving.pop()  # after it: who is interrupted in between discards it again, which does nothing
