"""The WebGL2 backend: schedules become one flat list of draws that the bridge runs in one call."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import GpuLostError
from ..graph import LEAF
from ..kernel import (
    Attended,
    Chain,
    Convolution,
    Draw,
    Fold,
    Joint,
    Kernel,
    Launch,
    Map,
    Normalizer,
    Part,
    Product,
    Scatter,
    ScatterChains,
    WeightGradient,
)
from ..layout import MOST_SIDE, Layout, layout_of
from ..op import bool_, float32, int32
from ..schedule import Choose, schedule
from ..steps import Graph
from ..view import Shape
from . import glsl, narrow
from .choices import Choices
from .programs import Compiled, Programs
from .protocol import Arrived, Pending, Told
from .sender import Later, Sender, gone
from .textures import CAP_BYTES, HALF, HOST_BYTES, INTEGER, Bridge, Buffer, Hold, Pool, Room, guarded, room


@dataclass(frozen=True)
class _Made:
    """An array that a run allocates."""

    slot: int
    room: Room
    shape: Shape
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class _Plan:
    """A finished command list with holes: slot and scalar numbers say what goes into which place of it.

    slots: textures of scratch values, 0 where a leaf or an output goes; made: outputs to allocate; scratch and
    programs keep what the commands name.
    """

    commands: np.ndarray
    slot_places: np.ndarray
    slot_numbers: np.ndarray
    float_places: np.ndarray
    float_numbers: np.ndarray
    integer_places: np.ndarray
    integer_numbers: np.ndarray
    slots: np.ndarray
    made: tuple[_Made, ...]
    outputs: tuple[int, ...]
    leaves: tuple[Layout, ...]
    scratch: Hold
    programs: tuple[Compiled, ...]
    draws: tuple[tuple[int, int, int, Draw], ...]  # for profiles: where a draw's command begins and ends, its texels' kind


class WebGLBackend:
    """See Backend. Everything that is computed is computed in draws."""

    on_gpu = True
    dtypes = frozenset({float32, int32, bool_})

    def __init__(self, bridge: Bridge, cap_bytes: int = CAP_BYTES):
        self._bridge = bridge
        limits = json.loads(guarded(bridge.limits))
        self.name = f"WebGL2: {limits['renderer']}"
        self.side = min(limits["max_texture_size"], MOST_SIDE)
        self.choices = Choices(limits["max_layers"])
        self._sender = Sender(bridge, self._fill)
        sizes = (limits["max_texture_size"], limits["max_array_layers"])
        self._pool = Pool(bridge, *sizes, cap_bytes, self._sender.flush, lambda: bool(self._sender.waiting))
        self._programs = Programs(bridge)
        self._halves: bool | None = None

    def upload(self, array: np.ndarray) -> Buffer:
        return self._upload(array, layout_of(array.shape, side=self.side))

    def _upload(self, array: np.ndarray, layout: Layout) -> Buffer:
        buffer = Buffer(self._pool, room(layout, array.dtype), array.shape, array.dtype)
        self._sender.flush()  # the texture may have been another array's, which draws that wait read
        self._fill(buffer, array)
        if array.nbytes <= HOST_BYTES:
            buffer.host = array
        return buffer

    def _fill(self, buffer: Buffer, array: np.ndarray) -> None:
        layout = buffer.room.layout
        rows = layout.rows(array.size)
        padded = np.zeros(layout.width * rows * 4, float32 if array.dtype == float32 else int32)
        padded[: array.size] = array.reshape(-1)
        guarded(self._bridge.upload, buffer.texture, layout.width, rows, padded)

    def layout(self, buffer: Buffer) -> Layout:
        return buffer.room.layout

    def download(self, buffer: Buffer, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
        size = math.prod(shape)
        if not size:
            return np.zeros(shape, dtype)
        if buffer.host is not None:  # a tensor may be the array's first part
            return np.array(buffer.host.reshape(-1)[:size], dtype=dtype, copy=True).reshape(shape)
        layout = buffer.room.layout
        self._sender.flush()
        try:
            found = guarded(self._bridge.read, buffer.texture, layout.width, layout.rows(size), buffer.room.kind)
        except GpuLostError as error:
            raise gone(buffer, error) from error
        return np.asarray(found[:size]).reshape(shape).astype(dtype)

    def download_later(self, buffer: Buffer, shape: Shape, dtype: np.dtype[Any]) -> Pending:
        if buffer.host is not None or not math.prod(shape):
            return Arrived(self.download(buffer, shape, dtype))
        layout = buffer.room.layout
        self._sender.flush()
        try:
            ticket = guarded(self._bridge.read_later, buffer.texture, layout.width, layout.rows(math.prod(shape)))
        except GpuLostError as error:
            raise gone(buffer, error) from error
        return Later(self._bridge, ticket, buffer.room.kind, shape, dtype)

    @contextmanager
    def together(self) -> Iterator[None]:
        self._sender.gathering += 1
        try:
            yield
        finally:
            self._sender.gathering -= 1
            if not self._sender.gathering:
                self._sender.flush()
                self._pool.trim()

    def plan(self, graph: Graph, choose: Choose | None = None) -> _Plan:
        """choose: other variants of contractions than `choices` names."""
        if not self._sender.waiting:
            self._programs.sweep()
        planned = schedule(graph, choose or self.choices.of, self.side)
        rooms = {launch.output: room(_whole(launch), launch.kernel.dtype) for launch in planned.launches}
        rooms |= {slot: Room(rooms[slot].layout, HALF) for slot in narrow.halves(planned) if self._has_halves()}
        leaves = _leaf_layouts(graph)
        layouts = dict(enumerate(leaves)) | {slot: place.layout for slot, place in rooms.items()}
        layouts |= {slot: part.layout for slot, part in planned.parts.items()}
        steps = dict(zip(planned.outputs, (graph.steps[number] for number in graph.outputs), strict=True))
        made = [_Made(slot, rooms[slot], step.shape, step.dtype) for slot, step in sorted(steps.items()) if slot >= planned.leaves]
        slots = np.zeros(max((launch.output + 1 for launch in planned.launches), default=planned.leaves), np.int32)
        hold = self._pool.scratch.hold()
        placed = self._place_scratch(planned.launches, rooms, {output.slot for output in made}, hold)
        for slot, texture in placed.items():
            slots[slot] = texture
        commands = _Commands(planned.parts)
        for launch in planned.launches:
            if launch.size:
                read = tuple(layouts[slot] for slot in launch.inputs)
                commands.draw(self._program(launch, read), launch, sum(layout.size_bytes for layout in (*read, launch.layout)))
        self._pool.scratch.sweep()
        return commands.plan(slots, tuple(made), planned.outputs, leaves, hold)

    def _has_halves(self) -> bool:
        """Do half floats hold float16's numbers as they are on this device? Tried once, when the first are to be stored."""
        if self._halves is None:
            self._halves = True
            wanted = narrow.edges()
            leaf = self.upload(wanted)
            (found,) = self.run(self.plan(narrow.trial(self.layout(leaf), wanted.shape)), [leaf], [])
            self._halves = self.download(found, wanted.shape, float32).tobytes() == wanted.tobytes()
        return self._halves

    def run(self, plan: _Plan, leaves: Sequence[Buffer], scalars: Sequence[float], told: Told | None = None) -> list[Buffer]:
        commands, leaves, buffers = self._filled(plan, leaves, scalars)
        if told is not None:
            self._one_by_one(plan, commands, told)
        elif len(commands):
            self._sender.send(commands, leaves, list(buffers.values()))
        return [leaves[slot] if slot < len(plan.leaves) else buffers[slot] for slot in plan.outputs]

    def repeated(self, plan: _Plan, leaves: Sequence[Buffer], scalars: Sequence[float]) -> tuple[Callable[[int], None], Buffer]:
        """(draws the plan of one output so many times and waits; its output), for the tuner."""
        commands, leaves, buffers = self._filled(plan, leaves, scalars)
        output = buffers[plan.outputs[0]]

        def draw(times: int) -> None:
            self._sender.flush()
            if plan.programs:  # held for as long as this function
                guarded(self._bridge.run, np.tile(commands, times))
            guarded(self._bridge.read, output.texture, 1, 1, output.room.kind)

        return draw, output

    def _filled(
        self, plan: _Plan, leaves: Sequence[Buffer], scalars: Sequence[float]
    ) -> tuple[np.ndarray, list[Buffer], dict[int, Buffer]]:
        """The command list without holes, the leaves as the plan reads them, and new arrays for its outputs by slot."""
        slots = plan.slots.copy()
        leaves = [self._as(buffer, layout) for buffer, layout in zip(leaves, plan.leaves, strict=True)]
        for number, buffer in enumerate(leaves):
            slots[number] = buffer.texture
        buffers: dict[int, Buffer] = {}
        for output in plan.made:
            buffers[output.slot] = made = Buffer(self._pool, output.room, output.shape, output.dtype)
            slots[output.slot] = made.texture
        commands = plan.commands.copy()
        commands[plan.slot_places] = slots[plan.slot_numbers]
        if len(scalars):
            values = np.array(scalars, np.float64)
            commands.view(np.float32)[plan.float_places] = values[plan.float_numbers]
            commands[plan.integer_places] = values[plan.integer_numbers].astype(np.int64).astype(np.int32)
        return commands, leaves, buffers

    def _one_by_one(self, plan: _Plan, commands: np.ndarray, told: Told) -> None:
        """Each draw alone, and waited for: by reading back one texel of what it wrote."""
        self._sender.flush()
        for start, stop, kind, draw in plan.draws:
            began = time.perf_counter()
            guarded(self._bridge.run, commands[start:stop].copy())
            guarded(self._bridge.read, int(commands[start + 1]), 1, 1, kind)
            told(draw, time.perf_counter() - began)

    def _as(self, buffer: Buffer, layout: Layout) -> Buffer:
        """buffer in the layout that a plan was made for. A replay may meet another one: an array that was a view before."""
        if buffer.room.layout == layout:
            return buffer
        if buffer.host is not None:
            return self._upload(buffer.host, layout)
        size = min(layout.layer_size, buffer.room.layout.layer_size)
        array = self.download(buffer, (size,), int32 if buffer.room.kind == INTEGER else float32)
        return self._upload(np.resize(array, layout.layer_size), layout)

    def stats(self) -> dict[str, int]:
        found: dict[str, int] = json.loads(self._bridge.stats())
        return found

    def memory(self) -> dict[str, Any]:
        return self._pool.memory()

    def _place_scratch(self, launches: Sequence[Launch], rooms: dict[int, Room], asked: set[int], hold: Hold) -> dict[int, int]:
        """A texture for every value that does not outlive the run; one is used again when its last reader is done."""
        last = {slot: number for number, launch in enumerate(launches) for slot in launch.inputs}
        free = self._pool.scratch.free()
        placed: dict[int, int] = {}
        for number, launch in enumerate(launches):
            if launch.output not in asked and launch.output not in placed:
                place = rooms[launch.output]
                if not free.get(place):
                    free.setdefault(place, []).append(self._pool.scratch.make(place, hold))
                placed[launch.output] = texture = free[place].pop()
                hold.textures.add(texture)
            for slot in set(launch.inputs):
                if slot in placed and last[slot] == number:
                    free[rooms[slot]].append(placed[slot])
        return placed

    def _program(self, launch: Launch, layouts: tuple[Layout, ...]) -> Compiled:
        key = (launch.kernel, layouts, launch.layout, launch.region is not None)
        known = self._programs.known(key)
        return known or self._programs.make(key, glsl.render(*key), len(layouts), _cost(launch.kernel))


def _cost(kernel: Kernel) -> int:
    """About how many operations on four numbers one fragment takes: what the bridge cuts long draws by."""
    match kernel:
        case Map(body=body):
            return 4 + body.work
        case Fold(body=body, length=length, chunks=chunks, after=after, more=more):
            work = sum(2 + each.work for each in (body, *more))
            return -(-length // chunks) * work + (after.work if after is not None else 0)
        case Joint(op=op, bodies=bodies, length=length, chunks=chunks):
            work = sum(2 + each.work for each in bodies)
            return -(-length // chunks) * (4 + (2 if op.top else 1) * work)
        case Product(sizes=sizes, splits=splits, block=block):
            return -(-sizes[2] // splits) * block
        case Convolution(window=window, block=block):
            return math.prod(window.weight[1:]) * block
        case WeightGradient(window=window, splits=splits, block=block):
            return -(-window.image[0] // splits) * math.prod(window.size) * block
        case Normalizer(sizes=sizes):
            return sizes[2] * (sizes[3] + 5)
        case Attended(sizes=sizes, block=block):
            return sizes[2] * (sizes[3] // 4 + sizes[4] // 4 + block + 2)
        case Scatter(index_shape=shape, axis=axis):
            return 8 * shape[axis]
        case Chain(length=length):
            return 4 * length
        case ScatterChains(sizes=sizes):
            return 8 * (1 + sizes[2] // sizes[0])


def _whole(launch: Launch) -> Layout:
    """The layout of the texture that a draw writes into."""
    return launch.layout if launch.region is None else launch.region.whole


def _leaf_layouts(graph: Graph) -> tuple[Layout, ...]:
    found = {step.attrs[0]: step.attrs[1] for step in graph.steps if step.op is LEAF}
    return tuple(found[number] for number in range(len(found)))


class _Commands:
    """A command list while it is written. parts: slots that are rectangles of others."""

    def __init__(self, parts: dict[int, Part]) -> None:
        self.parts = parts
        self.words: list[int] = []
        self.programs: list[Compiled] = []
        self.slots: list[tuple[int, int]] = []
        self.floats: list[tuple[int, int]] = []
        self.integers: list[tuple[int, int]] = []
        self.draws: list[tuple[int, int, int, Draw]] = []

    def draw(self, program: Compiled, launch: Launch, size_bytes: int) -> None:
        """One command, or one for each layer of a stack that the array reaches."""
        self.programs.append(program)
        layout, left = launch.layout, launch.layout.rows(launch.size)
        for layer in range(layout.stack):
            rows = min(left, layout.height) if layout.stack > 1 else left
            if rows:
                self._command(program, launch, layer, rows, size_bytes // layout.stack)
            left -= rows

    def _command(self, program: Compiled, launch: Launch, layer: int, rows: int, size_bytes: int) -> None:
        start = len(self.words)
        self.words.append(program.number)
        self._slot(launch.output)
        fixed = [launch.region.x, launch.region.y] if launch.region is not None else []
        self.words += [layer, *(fixed or (0, 0)), launch.layout.width, rows]
        for slot in launch.inputs:
            part = self.parts.get(slot)
            self._slot(slot if part is None else part.slot)
            fixed += [] if part is None else [part.x, part.y]
        fixed += [layer] if launch.layout.stack > 1 else []
        self.words += np.array(fixed, np.float32).view(np.int32).tolist()
        for letter, number in zip(program.scalars[len(fixed) :], launch.scalars, strict=True):
            (self.floats if letter == "f" else self.integers).append((len(self.words), number))
            self.words.append(0)
        done = Draw(launch.step, type(launch.kernel).__name__, size_bytes)
        self.draws.append((start, len(self.words), 0 if launch.kernel.dtype == float32 else 1, done))

    def _slot(self, number: int) -> None:
        self.slots.append((len(self.words), number))
        self.words.append(0)

    def plan(
        self, slots: np.ndarray, made: tuple[_Made, ...], outputs: tuple[int, ...], leaves: tuple[Layout, ...], scratch: Hold
    ) -> _Plan:
        pairs = [np.array(found, np.int32).reshape(-1, 2) for found in (self.slots, self.floats, self.integers)]
        (a, b), (c, d), (e, f) = ((pair[:, 0], pair[:, 1]) for pair in pairs)
        return _Plan(
            np.array(self.words, np.int32),
            a,
            b,
            c,
            d,
            e,
            f,
            slots,
            made,
            outputs,
            leaves,
            scratch,
            tuple(self.programs),
            tuple(self.draws),
        )
