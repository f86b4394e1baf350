"""Command lists on their way to the bridge, and numbers on their way back. What a lost GPU took with it is an error here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import GpuLostError
from ..view import Shape
from .textures import Bridge, Buffer, guarded

Fill = Callable[[Buffer, np.ndarray], None]


class Sender:
    """Command lists, sent one by one or gathered while `gathering` is not 0.

    After a loss all that waits is drawn again, on arrays that are filled again from the host. fill: writes into a texture.
    """

    def __init__(self, bridge: Bridge, fill: Fill):
        self.bridge = bridge
        self.waiting: list[np.ndarray] = []
        self.gathering = 0
        self._fill = fill
        self._leaves: dict[int, Buffer] = {}  # what the waiting draws read and none of them makes, by texture
        self._made: set[int] = set()

    def send(self, commands: np.ndarray, leaves: Sequence[Buffer], made: Sequence[Buffer]) -> None:
        """made: the arrays that these draws make of leaves."""
        if not self.gathering and not self.waiting:
            self._run(commands, leaves)
            return
        self.waiting.append(commands)
        for buffer in leaves:
            if buffer.texture not in self._made:
                self._leaves[buffer.texture] = buffer
        self._made.update(buffer.texture for buffer in made)
        if not self.gathering:
            self.flush()

    def flush(self) -> None:
        """Nothing waits any more. Before data is sent or read: the draws that were asked for earlier come first."""
        if not self.waiting:
            return
        try:
            self._run(np.concatenate(self.waiting), list(self._leaves.values()))
        except KeyboardInterrupt:
            raise  # who is interrupted has not drawn: all of it may be drawn twice, none of it never
        except BaseException:
            self._forget()
            raise
        self._forget()

    def _forget(self) -> None:
        self.waiting.clear()
        self._leaves.clear()
        self._made.clear()

    def _run(self, commands: np.ndarray, leaves: Sequence[Buffer]) -> None:
        try:
            guarded(self.bridge.run, commands)
        except GpuLostError as error:
            computed = [buffer for buffer in leaves if buffer.host is None]
            try:
                self._again(commands, leaves)
            except GpuLostError as again:
                raise (gone(computed[0], again) if computed else again) from error

    def _again(self, commands: np.ndarray, leaves: Sequence[Buffer]) -> None:
        """What came from the host goes to the new GPU; whatever else is needed must have been computed there."""
        for buffer in leaves:
            if buffer.host is not None:
                self._fill(buffer, buffer.host)
        guarded(self.bridge.run, commands)


class Later:
    """See Pending: texels that the GPU copies when it gets there. After a loss every question raises GpuLostError."""

    def __init__(self, bridge: Bridge, ticket: int, kind: int, shape: Shape, dtype: np.dtype[Any]):
        self._bridge, self._ticket, self._kind, self._shape, self._dtype = bridge, ticket, kind, shape, dtype
        self._found: np.ndarray | None = None
        self._lost = ""
        self._over = False

    def ready(self) -> bool:
        return self._poll(False) is not None

    def result(self) -> np.ndarray:
        found = self._poll(True)
        assert found is not None
        return np.asarray(found[: math.prod(self._shape)]).reshape(self._shape).astype(self._dtype)

    def _poll(self, wait: bool) -> np.ndarray | None:
        if not self._over:
            try:
                self._found = guarded(self._bridge.poll, self._ticket, wait, self._kind)
                self._over = self._found is not None
            except GpuLostError as error:
                self._over, self._lost = True, str(error)
        if self._lost:
            raise GpuLostError(f"these numbers were lost with the GPU: {self._lost}")
        return self._found

    def __del__(self) -> None:
        if not self._over:
            self._bridge.drop(self._ticket)


def gone(buffer: Buffer, error: GpuLostError) -> GpuLostError:
    return GpuLostError(
        f"{error}; a {buffer.dtype.name} tensor of shape {buffer.shape} was computed there and is gone: compute it again from"
        " host arrays, or load a checkpoint"
    )
