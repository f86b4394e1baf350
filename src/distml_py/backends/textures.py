"""Textures from Python: what the bridge offers, arrays that own a texture, and the pool they come from. Draws nothing."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..errors import BackendError, GpuLostError, OutOfMemoryError
from ..holdings import Holding, held, largest, mib
from ..layout import Layout
from ..op import float32
from ..view import Shape

CAP_BYTES = 4 << 30  # of all textures; browsers do not tell how much there is
RECLAIM_EVERY = 1 << 12  # arrays
FREE_BYTES = 256 << 20  # free textures kept for reuse; beyond that they are given back to the driver
HOST_BYTES = 64 << 20  # a host array up to this size stays beside its texture, to fill another one after a lost GPU
FLOAT, INTEGER, HALF = 0, 1, 2  # kinds of texels
NAMES = {FLOAT: "float32", INTEGER: "int32", HALF: "float16"}
NAMED = 5  # arrays that an out-of-memory error names


class Bridge(Protocol):
    """webgl_bridge/bridge.js, seen from Python. kind: of texels, 0 float, 1 integer, 2 half float. stack: how many layers hold
    one array; rows that are uploaded or read run on through them. upload_all: several uploads, the bits of all one after another;
    places are their textures, columns and rows.

    Errors that start with "context lost" or "out of memory" mean that.
    """

    def limits(self) -> str: ...
    def texture(self, width: int, height: int, layers: int, stack: int, kind: int) -> int: ...
    def release(self, texture: int) -> None: ...
    def upload(self, texture: int, columns: int, rows: int, data: np.ndarray) -> None: ...
    def upload_all(self, places: np.ndarray, data: np.ndarray) -> None: ...
    def compile(self, source: str, inputs: int, scalars: str, cost: int) -> int: ...
    def discard(self, program: int) -> None: ...
    def run(self, commands: np.ndarray) -> None: ...
    def read(self, texture: int, columns: int, rows: int, kind: int) -> np.ndarray: ...
    def read_later(self, texture: int, columns: int, rows: int) -> int: ...
    def poll(self, ticket: int, wait: bool, kind: int) -> np.ndarray | None: ...
    def drop(self, ticket: int) -> None: ...
    def stats(self) -> str: ...


def guarded(call: Callable[..., Any], *arguments: Any) -> Any:
    """call(*arguments); whatever the browser throws becomes a BackendError."""
    try:
        return call(*arguments)
    except Exception as error:  # its class is not ours to name here
        text = str(error).removeprefix("Error: ")
        kind = GpuLostError if text.startswith("context lost") else BackendError
        kind = OutOfMemoryError if text.startswith("out of memory") else kind
        raise kind(f"WebGL2: {text}") from error


@dataclass(frozen=True)
class Room:
    """A size class: textures of one room are interchangeable. kind: as the bridge has it."""

    layout: Layout
    kind: int

    @property
    def size_bytes(self) -> int:
        return self.layout.size_bytes // 2 if self.kind == HALF else self.layout.size_bytes


NOWHERE = Room(Layout(0, 0), 0)


def room(layout: Layout, dtype: np.dtype[Any]) -> Room:
    return Room(layout, FLOAT if dtype == float32 else INTEGER)


class Buffer:
    """One array in one texture; the texture goes back to the pool with the last reference.

    host: the same numbers on the host, where they came from there. Whoever writes into the texture again clears it.
    """

    __slots__ = ("__weakref__", "_claim", "_pool", "dtype", "host", "room", "shape", "texture")

    def __init__(self, pool: Pool, place: Room, shape: Shape, dtype: np.dtype[Any]):
        self.room, self.shape, self.dtype = place, shape, dtype
        self.host: np.ndarray | None = None
        self.texture = 0
        self._pool = pool
        self._claim = (weakref.ref(self), place)
        pool.lend(self, self._claim)

    def __del__(self) -> None:
        if self.texture:  # else none could be had
            self._pool.give(self.texture, self._claim)


Claim = tuple[weakref.ref[Buffer], Room]


class Hold:
    """The scratch textures of one plan, for as long as it lives."""

    __slots__ = ("__weakref__", "textures")

    def __init__(self) -> None:
        self.textures: set[int] = set()


class Scratch:
    """Textures for values that do not outlive a run. All plans share them; one that no plan holds goes back to the pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._holds: weakref.WeakSet[Hold] = weakref.WeakSet()
        self.rooms: dict[int, Room] = {}  # of each texture

    def hold(self) -> Hold:
        """For a plan that is being made: what it makes and takes goes in there at once."""
        made = Hold()
        self._holds.add(made)
        return made

    def free(self) -> dict[Room, list[int]]:
        """What a plan that is being made can use; all plans run one after another."""
        found: dict[Room, list[int]] = {}
        for texture, place in self.rooms.items():
            found.setdefault(place, []).append(texture)
        return found

    def make(self, place: Room, hold: Hold) -> int:
        """One more."""
        texture = self._pool.take(place)
        self.rooms[texture] = place
        hold.textures.add(texture)
        return texture

    def sweep(self) -> None:
        """Gives back what nobody holds."""
        held_now = set().union(*(hold.textures for hold in self._holds))
        for texture in self.rooms.keys() - held_now:
            self._pool.put(texture, self.rooms.pop(texture))

    @property
    def size_bytes(self) -> int:
        return sum(place.size_bytes for place in self.rooms.values())


class Pool:
    """All textures: those that arrays own, those of steps, and free ones by size class.

    cap_bytes: the most that all together may take. flush, waiting: draws that wait may name any texture that was in use when
    they were asked for; while some do, none is released. An interrupt can strike between any two lines of Python: whatever it
    leaves without an owner is found by _reclaim, which runs when `_open` says that something was not finished, and now and then:
    an interrupt before the first line of give() leaves no word.
    """

    def __init__(
        self,
        bridge: Bridge,
        max_side: int,
        max_layers: int,
        cap_bytes: int = CAP_BYTES,
        flush: Callable[[], None] = lambda: None,
        waiting: Callable[[], bool] = lambda: False,
    ):
        self.bridge, self.max_side, self.max_layers, self.cap_bytes = bridge, max_side, max_layers, cap_bytes
        self._flush, self._waiting = flush, waiting
        self.scratch = Scratch(self)
        self.size_bytes = 0
        self.free: dict[Room, list[int]] = {}
        self.free_bytes = 0
        self._all: dict[int, Room] = {}
        self._owners: dict[int, Claim] = {}
        self._leaving: set[int] = set()
        self._open = 0
        self._lent = 0

    def lend(self, buffer: Buffer, claim: Claim) -> None:
        """Gives an array its texture. Raises OutOfMemoryError when there is no room, BackendError when none is so large."""
        self._lent += 1
        if self._open or self._lent % RECLAIM_EVERY == 0:
            self._reclaim()
        self._open += 1
        texture = self.take(buffer.room)
        self._owners[texture] = claim
        buffer.texture = texture
        self._open -= 1

    def give(self, texture: int, claim: Claim) -> None:
        """Takes a texture back; one that is somebody else's by now stays where it is."""
        self._open += 1
        if self._owners.get(texture) is claim:
            del self._owners[texture]
            self.put(texture, claim[1])
        self._open -= 1

    def take(self, place: Room) -> int:
        """A texture without an owner, new or free."""
        waiting = self.free.get(place)
        if not waiting:
            return self._make(place)
        self.free_bytes -= place.size_bytes
        return waiting.pop()

    def put(self, texture: int, place: Room) -> None:
        if self.free_bytes + place.size_bytes > FREE_BYTES and not self._waiting():
            self._release(texture, place)
        else:
            self.free.setdefault(place, []).append(texture)
            self.free_bytes += place.size_bytes

    def shrink(self) -> None:
        """Gives all free textures back to the driver."""
        self._flush()
        self.scratch.sweep()
        self.trim(0)
        self.free.clear()

    def trim(self, most_bytes: int = FREE_BYTES) -> None:
        """Gives free textures back until at most so many bytes are kept. Nothing waits to be drawn."""
        for place, textures in list(self.free.items()):
            while textures and self.free_bytes > most_bytes:
                self.free_bytes -= place.size_bytes
                self._release(textures.pop(), place)

    def live(self) -> list[Buffer]:
        """The arrays that are held, largest first."""
        found = [buffer for ref, _ in list(self._owners.values()) if (buffer := ref()) is not None]
        return sorted(found, key=lambda buffer: buffer.room.size_bytes, reverse=True)

    def holdings(self) -> list[Holding]:
        """What each texture in use is for."""
        kinds: dict[int, str] = {}
        for buffer, kind in held():
            kinds.setdefault(id(buffer), kind)
        found = []
        for buffer in self.live():
            kind = kinds.get(id(buffer), "value")
            kind = "data" if kind == "value" and buffer.host is not None else kind
            found.append(Holding(buffer.shape, buffer.dtype.name, buffer.room.size_bytes, kind))
        for place in self.scratch.rooms.values():
            numbers = place.size_bytes // 4
            found.append(Holding((numbers,), NAMES[place.kind], place.size_bytes, "scratch"))
        return found

    def memory(self) -> dict[str, Any]:
        """See engine.memory."""
        if any(ref() is None for ref, _ in list(self._owners.values())):
            self._reclaim()
        found = self.holdings()
        scratch = self.scratch.size_bytes
        return {
            "textures": len(found) + sum(map(len, self.free.values())),
            "bytes": self.size_bytes,
            "free_bytes": self.free_bytes,
            "scratch_bytes": scratch,
            "live_bytes": sum(holding.bytes for holding in found) - scratch,
            "largest": largest(found),
            "cap_bytes": self.cap_bytes,
        }

    def _make(self, place: Room) -> int:
        layout = place.layout
        if max(layout.width, layout.height) > self.max_side or layout.layers > self.max_layers:
            most = mib(self.max_side**2 * 16 * self.max_layers)
            raise BackendError(
                f"an array of {mib(place.size_bytes)} was asked for, in a texture of {layout.width} x {layout.height} and"
                f" {layout.layers} layers; this GPU's go up to {self.max_side} x {self.max_side} and {self.max_layers} layers"
                f" ({most}); use a smaller batch or model, or cut the array into several"
            )
        if self.size_bytes + place.size_bytes > self.cap_bytes:
            self.shrink()
        if self.size_bytes + place.size_bytes > self.cap_bytes:
            raise self._full(place, f"the cap is {mib(self.cap_bytes)}")
        try:
            return self._ask(place)
        except OutOfMemoryError:
            self.shrink()
        try:
            return self._ask(place)
        except OutOfMemoryError as error:
            raise self._full(place, "the GPU has no more") from error

    def _ask(self, place: Room) -> int:
        layout = place.layout
        size = (layout.width, layout.height, layout.layers, layout.stack)
        # One line: an interrupt before the texture is known would lose it for good.
        self._all[texture := guarded(self.bridge.texture, *size, place.kind)] = place
        self.size_bytes += place.size_bytes
        return int(texture)

    def _release(self, texture: int, place: Room) -> None:
        self._leaving.add(texture)
        self.bridge.release(texture)
        self._all.pop(texture, None)
        self.size_bytes -= place.size_bytes
        self._leaving.discard(texture)

    def _reclaim(self) -> None:
        """Frees every texture that nothing alive owns, and counts anew."""
        for texture in list(self._leaving):
            self._release(texture, self._all.get(texture, NOWHERE))
        self.scratch.sweep()
        owned = {texture for texture, (ref, _) in self._owners.items() if ref() is not None}
        free = {texture for textures in self.free.values() for texture in textures}
        self.free_bytes = sum(self._all[texture].size_bytes for texture in free)
        self.size_bytes = sum(place.size_bytes for place in self._all.values())
        for texture in self._all.keys() - owned - free - self.scratch.rooms.keys():
            self._owners.pop(texture, None)
            self.put(texture, self._all[texture])
        self._open = 0  # last: this, too, can be interrupted

    def _full(self, place: Room, why: str) -> OutOfMemoryError:
        found = self.holdings()
        named = "; ".join(map(str, largest(found)[:NAMED]))
        held_bytes = self.size_bytes - self.free_bytes
        return OutOfMemoryError(
            f"no room on the GPU for {mib(place.size_bytes)} more, {why}: {len(found)} arrays hold {mib(held_bytes)}. The largest:"
            f" {named or 'none'}. Use a smaller batch or model, or drop tensors that are not needed any more"
        )
