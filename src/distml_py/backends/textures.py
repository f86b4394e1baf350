"""Textures from Python: what the bridge offers, arrays that own a texture, and the pool they come from. Draws nothing."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..errors import BackendError, GpuLostError, OutOfMemoryError
from ..layout import Layout
from ..op import float32
from ..view import Shape

CAP_BYTES = 4 << 30  # of all textures; browsers do not tell how much there is
FREE_BYTES = 256 << 20  # free textures kept for reuse; beyond that they are given back to the driver
HOST_BYTES = 64 << 20  # a host array up to this size stays beside its texture, to fill another one after a lost GPU
NAMED = 5  # arrays that an out-of-memory error names


class Bridge(Protocol):
    """webgl_bridge/bridge.js, seen from Python. kind: 0 float texels, 1 integer texels.

    Errors that start with "context lost" or "out of memory" mean that.
    """

    def limits(self) -> str: ...
    def texture(self, width: int, height: int, layers: int, kind: int) -> int: ...
    def release(self, texture: int) -> None: ...
    def upload(self, texture: int, columns: int, rows: int, data: np.ndarray) -> None: ...
    def compile(self, source: str, inputs: int, scalars: str, cost: int) -> int: ...
    def run(self, commands: np.ndarray) -> None: ...
    def read(self, texture: int, columns: int, rows: int, kind: int) -> np.ndarray: ...
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
    """A size class: textures of one room are interchangeable. kind: 0 float texels, 1 integer texels."""

    layout: Layout
    kind: int

    @property
    def size_bytes(self) -> int:
        return self.layout.size_bytes


def room(layout: Layout, dtype: np.dtype[Any]) -> Room:
    return Room(layout, 0 if dtype == float32 else 1)


class Buffer:
    """One array in one texture; the texture goes back to the pool with the last reference.

    host: the same numbers on the host, where they came from there. Whoever writes into the texture again clears it.
    """

    __slots__ = ("__weakref__", "_pool", "dtype", "host", "room", "shape", "texture")

    def __init__(self, pool: Pool, place: Room, shape: Shape, dtype: np.dtype[Any]):
        self.room, self.shape, self.dtype = place, shape, dtype
        self.host: np.ndarray | None = None
        self.texture = 0
        self._pool = pool
        pool.take(place, self)

    def __del__(self) -> None:
        if self.texture:  # else none could be had
            self._pool.give(self.room, self.texture)


class Scratch:
    """Textures for values that do not outlive a run. All plans share them; one that no plan uses goes back to the pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._uses: Counter[int] = Counter()
        self.rooms: dict[int, Room] = {}  # of each texture

    def free(self) -> dict[Room, list[int]]:
        """What a plan that is being made can use; all plans run one after another."""
        found: dict[Room, list[int]] = {}
        for texture, place in self.rooms.items():
            found.setdefault(place, []).append(texture)
        return found

    def make(self, place: Room) -> int:
        """One more."""
        taken = _Taken()
        self._pool.take(place, taken)
        self.rooms[taken.texture] = place
        return taken.texture

    def hold(self, textures: Iterable[int]) -> Hold:
        """Keeps textures for one plan, as long as it holds the answer."""
        return Hold(self, tuple(textures))

    def sweep(self) -> None:
        """Gives back what nobody holds."""
        for texture in [texture for texture in self.rooms if not self._uses[texture]]:
            place = self.rooms.pop(texture)
            self._pool.give(place, texture)

    @property
    def size_bytes(self) -> int:
        return sum(place.size_bytes for place in self.rooms.values())


class Hold:
    """A plan's share of the scratch textures."""

    __slots__ = ("_scratch", "_textures")

    def __init__(self, scratch: Scratch, textures: tuple[int, ...]):
        self._scratch, self._textures = scratch, textures
        scratch._uses.update(textures)

    def __del__(self) -> None:
        self._scratch._uses.subtract(self._textures)


class _Taken:
    """Receives a texture that no Buffer owns."""

    texture = 0


class Pool:
    """Free textures by size class, and the count of all. cap_bytes: the most that all textures together may take."""

    def __init__(self, bridge: Bridge, max_side: int, cap_bytes: int = CAP_BYTES):
        self.bridge, self.max_side, self.cap_bytes = bridge, max_side, cap_bytes
        self.scratch = Scratch(self)
        self.size_bytes = 0
        self.free: dict[Room, list[int]] = {}
        self.free_bytes = 0
        self._owners: dict[int, tuple[weakref.ref[Buffer], Room]] = {}

    def take(self, place: Room, owner: Buffer | _Taken) -> None:
        """Gives owner a texture. Raises OutOfMemoryError when there is no room, BackendError when no texture is so large."""
        waiting = self.free.get(place)
        if not waiting:
            self._reclaim()
            waiting = self.free.get(place)
        if waiting:
            owner.texture = waiting.pop()
            self.free_bytes -= place.size_bytes
        else:
            owner.texture = self._make(place)
        if isinstance(owner, Buffer):
            self._owners[owner.texture] = (weakref.ref(owner), place)

    def give(self, place: Room, texture: int) -> None:
        if self.free_bytes + place.size_bytes > FREE_BYTES:
            self._owners.pop(texture, None)
            self._release(place, texture)
            return
        self.free.setdefault(place, []).append(texture)
        self.free_bytes += place.size_bytes
        self._owners.pop(texture, None)

    def shrink(self) -> None:
        """Gives all free textures back to the driver."""
        self.scratch.sweep()
        for place, textures in self.free.items():
            while textures:
                self.free_bytes -= place.size_bytes
                self._release(place, textures.pop())
        self.free.clear()
        self.free_bytes = 0

    def live(self) -> list[Buffer]:
        """The arrays that are held, largest first."""
        found = [buffer for ref, _ in list(self._owners.values()) if (buffer := ref()) is not None]
        return sorted(found, key=lambda buffer: buffer.room.size_bytes, reverse=True)

    def _make(self, place: Room) -> int:
        layout = place.layout
        if max(layout.width, layout.height) > self.max_side:
            raise BackendError(
                f"an array of {_mib(place.size_bytes)} was asked for, in a texture of {layout.width} x {layout.height}; this GPU's"
                f" go up to {self.max_side} x {self.max_side} ({_mib(self.max_side**2 * 16)}); use a smaller batch or model, or cut"
                f" the array into several"
            )
        if self.size_bytes + place.size_bytes > self.cap_bytes:
            self.shrink()
        if self.size_bytes + place.size_bytes > self.cap_bytes:
            raise self._full(place, f"the cap is {_mib(self.cap_bytes)}")
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
        texture: int = guarded(self.bridge.texture, layout.width, layout.height, layout.layers, place.kind)
        self.size_bytes += place.size_bytes
        return texture

    def _release(self, place: Room, texture: int) -> None:
        self.bridge.release(texture)
        self.size_bytes -= place.size_bytes

    def _reclaim(self) -> None:
        """Takes back textures whose arrays died without saying so: an interrupt can stop __del__ half-way."""
        dead = [(texture, place) for texture, (ref, place) in self._owners.items() if ref() is None]
        for texture, place in dead:
            if texture in self.free.get(place, ()):
                del self._owners[texture]
            else:
                self.give(place, texture)

    def _full(self, place: Room, why: str) -> OutOfMemoryError:
        live = self.live()
        largest = ", ".join(f"{buffer.dtype.name} {buffer.shape} {_mib(buffer.room.size_bytes)}" for buffer in live[:NAMED])
        held = sum(buffer.room.size_bytes for buffer in live)
        steps = self.scratch.size_bytes
        return OutOfMemoryError(
            f"no room on the GPU for {_mib(place.size_bytes)} more, {why}: {len(live)} arrays hold {_mib(held)}, values"
            f" inside steps {_mib(steps)}. Largest: {largest or 'none'}. Use a smaller batch or model, or drop tensors not needed"
        )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB"
