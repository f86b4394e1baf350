"""The WebGL2 backend: schedules become one flat list of draws that the bridge runs in one call."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..errors import BackendError
from ..graph import LEAF
from ..kernel import Kernel, Launch
from ..layout import Layout, layout_of
from ..op import bool_, float32, int32
from ..schedule import Graph, schedule
from ..view import Shape
from . import glsl

POOL_BYTES = 256 << 20  # free textures kept for reuse; beyond that they are given back to the driver


class Bridge(Protocol):
    """webgl_bridge/bridge.js, seen from Python. kind: 0 float texels, 1 integer texels. Raises on a lost GPU."""

    def limits(self) -> str: ...
    def texture(self, width: int, height: int, layers: int, kind: int) -> int: ...
    def release(self, texture: int) -> None: ...
    def upload(self, texture: int, columns: int, rows: int, data: np.ndarray) -> None: ...
    def compile(self, source: str, inputs: int, scalars: str) -> int: ...
    def run(self, commands: np.ndarray) -> None: ...
    def read(self, texture: int, columns: int, rows: int, kind: int) -> np.ndarray: ...
    def stats(self) -> str: ...


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


def guarded(call: Callable[..., Any], *arguments: Any) -> Any:
    """call(*arguments); whatever the browser throws becomes a BackendError."""
    try:
        return call(*arguments)
    except Exception as error:  # its class is not ours to name here
        hint = "; reload the page to get the GPU back" if "context lost" in str(error) else ""
        raise BackendError(f"WebGL2: {error}{hint}") from error


class Buffer:
    """One array in one texture; the texture goes back to the pool with the last reference."""

    __slots__ = ("_pool", "room", "texture")

    def __init__(self, pool: _Pool, place: Room):
        self.room = place
        self.texture = pool.take(place)
        self._pool = pool

    def __del__(self) -> None:
        if hasattr(self, "_pool"):  # else no texture could be had
            self._pool.give(self.room, self.texture)


class _Pool:
    """Free textures by size class."""

    def __init__(self, bridge: Bridge, max_side: int):
        self.bridge = bridge
        self.max_side = max_side
        self.free: dict[Room, list[int]] = {}
        self.free_bytes = 0

    def take(self, place: Room) -> int:
        waiting = self.free.get(place)
        if waiting:
            self.free_bytes -= place.size_bytes
            return waiting.pop()
        layout = place.layout
        if max(layout.width, layout.height) > self.max_side:
            raise BackendError(
                f"an array of {place.size_bytes / 2**20:.0f} MiB was asked for, this GPU's textures hold "
                f"{self.max_side**2 * 16 / 2**20:.0f} MiB; use a smaller batch or model"
            )
        return guarded(self.bridge.texture, layout.width, layout.height, layout.layers, place.kind)

    def give(self, place: Room, texture: int) -> None:
        if self.free_bytes + place.size_bytes > POOL_BYTES:
            self.bridge.release(texture)
            return
        self.free.setdefault(place, []).append(texture)
        self.free_bytes += place.size_bytes


@dataclass(frozen=True)
class _Plan:
    """A finished command list with holes: slot and scalar numbers say what goes into which place of it.

    slots: textures of scratch values, 0 where a leaf or an output goes; outputs: (slot, size class) to allocate.
    """

    commands: np.ndarray
    slot_places: np.ndarray
    slot_numbers: np.ndarray
    float_places: np.ndarray
    float_numbers: np.ndarray
    integer_places: np.ndarray
    integer_numbers: np.ndarray
    slots: np.ndarray
    made: tuple[tuple[int, Room], ...]
    outputs: tuple[int, ...]
    leaves: int


class WebGLBackend:
    """See Backend. Everything that is computed is computed in draws."""

    on_gpu = True
    dtypes = frozenset({float32, int32, bool_})

    def __init__(self, bridge: Bridge):
        self._bridge = bridge
        limits = json.loads(bridge.limits())
        self.name = f"WebGL2: {limits['renderer']}"
        self._pool = _Pool(bridge, limits["max_texture_size"])
        self._programs: dict[tuple[Kernel, tuple[Layout, ...], Layout], tuple[int, str]] = {}
        self._texts: dict[str, int] = {}
        self._scratch: dict[Room, list[int]] = {}

    def upload(self, array: np.ndarray) -> Buffer:
        dtype = array.dtype if array.dtype == float32 else int32
        layout = layout_of(array.shape)
        buffer = Buffer(self._pool, room(layout, array.dtype))
        rows = layout.rows(array.size)
        padded = np.zeros(layout.width * rows * 4, dtype)
        padded[: array.size] = array.reshape(-1)
        guarded(self._bridge.upload, buffer.texture, layout.width, rows, padded)
        return buffer

    def layout(self, buffer: Buffer) -> Layout:
        return buffer.room.layout

    def download(self, buffer: Buffer, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
        size = int(np.prod(shape, dtype=np.int64))
        layout = buffer.room.layout
        found = guarded(self._bridge.read, buffer.texture, layout.width, layout.rows(size), buffer.room.kind)
        return np.asarray(found[:size]).reshape(shape).astype(dtype)

    def plan(self, graph: Graph) -> _Plan:
        planned = schedule(graph)
        rooms = {launch.output: room(launch.layout, launch.kernel.dtype) for launch in planned.launches}
        layouts = _leaf_layouts(graph) | {slot: place.layout for slot, place in rooms.items()}
        asked = {slot for slot in planned.outputs if slot >= planned.leaves}
        slots = np.zeros(max((launch.output + 1 for launch in planned.launches), default=planned.leaves), np.int32)
        for slot, texture in self._place_scratch(planned.launches, rooms, asked).items():
            slots[slot] = texture
        commands = _Commands()
        for launch in planned.launches:
            if launch.size:
                program, scalars = self._program(launch, tuple(layouts[slot] for slot in launch.inputs))
                commands.draw(program, launch, scalars)
        made = tuple((slot, rooms[slot]) for slot in sorted(asked))
        return commands.plan(slots, made, planned.outputs, planned.leaves)

    def run(self, plan: _Plan, leaves: Sequence[Buffer], scalars: Sequence[float]) -> list[Buffer]:
        slots = plan.slots.copy()
        for number, buffer in enumerate(leaves):
            slots[number] = buffer.texture
        buffers: dict[int, Buffer] = {}
        for slot, place in plan.made:
            buffers[slot] = made = Buffer(self._pool, place)
            slots[slot] = made.texture
        commands = plan.commands.copy()
        commands[plan.slot_places] = slots[plan.slot_numbers]
        if len(scalars):
            values = np.array(scalars, np.float64)
            commands.view(np.float32)[plan.float_places] = values[plan.float_numbers]
            commands[plan.integer_places] = values[plan.integer_numbers].astype(np.int64).astype(np.int32)
        if len(commands):
            guarded(self._bridge.run, commands)
        return [leaves[slot] if slot < plan.leaves else buffers[slot] for slot in plan.outputs]

    def stats(self) -> dict[str, int]:
        found: dict[str, int] = json.loads(self._bridge.stats())
        return found

    def _place_scratch(self, launches: Sequence[Launch], rooms: dict[int, Room], asked: set[int]) -> dict[int, int]:
        """A texture for every value that does not outlive the run; one is used again when its last reader is done."""
        last = {slot: number for number, launch in enumerate(launches) for slot in launch.inputs}
        free: dict[Room, list[int]] = {place: list(textures) for place, textures in self._scratch.items()}
        placed: dict[int, int] = {}
        for number, launch in enumerate(launches):
            if launch.output not in asked:
                place = rooms[launch.output]
                if not free.get(place):
                    texture = self._pool.take(place)
                    self._scratch.setdefault(place, []).append(texture)
                    free.setdefault(place, []).append(texture)
                placed[launch.output] = free[place].pop()
            for slot in set(launch.inputs):
                if slot in placed and last[slot] == number:
                    free[rooms[slot]].append(placed[slot])
        return placed

    def _program(self, launch: Launch, layouts: tuple[Layout, ...]) -> tuple[int, str]:
        key = (launch.kernel, layouts, launch.layout)
        known = self._programs.get(key)
        if known is None:
            program = glsl.render(*key)
            if program.text not in self._texts:
                self._texts[program.text] = guarded(self._bridge.compile, program.text, len(layouts), program.scalars)
            known = self._programs[key] = (self._texts[program.text], program.scalars)
        return known


def _leaf_layouts(graph: Graph) -> dict[int, Layout]:
    return {step.attrs[0]: step.attrs[1] for step in graph.steps if step.op is LEAF}


class _Commands:
    """A command list while it is written."""

    def __init__(self) -> None:
        self.words: list[int] = []
        self.slots: list[tuple[int, int]] = []
        self.floats: list[tuple[int, int]] = []
        self.integers: list[tuple[int, int]] = []

    def draw(self, program: int, launch: Launch, scalars: str) -> None:
        self.words.append(program)
        self._slot(launch.output)
        self.words += [launch.layout.width, launch.layout.rows(launch.size)]
        for slot in launch.inputs:
            self._slot(slot)
        for letter, number in zip(scalars, launch.scalars, strict=True):
            (self.floats if letter == "f" else self.integers).append((len(self.words), number))
            self.words.append(0)

    def _slot(self, number: int) -> None:
        self.slots.append((len(self.words), number))
        self.words.append(0)

    def plan(self, slots: np.ndarray, made: tuple[tuple[int, Room], ...], outputs: tuple[int, ...], leaves: int) -> _Plan:
        pairs = [np.array(found, np.int32).reshape(-1, 2) for found in (self.slots, self.floats, self.integers)]
        (a, b), (c, d), (e, f) = ((pair[:, 0], pair[:, 1]) for pair in pairs)
        return _Plan(np.array(self.words, np.int32), a, b, c, d, e, f, slots, made, outputs, leaves)
