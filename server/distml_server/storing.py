"""What is to outlive the coordinator, on its way to the store: states, of each run the newest one, and lines. One thread writes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .store import Deposed, Record, RunStore

DURABLE_S = 1.0
State = tuple[int, dict[str, np.ndarray], str, dict[str, float | None]]  # step, arrays, the run's state, metrics


class Storing:
    """A store that fails is told, and not waited for: training goes on in memory, and what was stored before is as it was."""

    def __init__(self, store: RunStore, durability_s: float, clock: Callable[[], float]) -> None:
        """durability_s: of so much work a crash may cost the last; 0: of none, and then lines are durable as well."""
        self.store, self.durability_s, self._clock = store, durability_s, clock
        self.trouble: str | None = None
        # another coordinator has the run, nothing that was not stored may be told
        self.deposed = asyncio.Event()
        self._waiting: dict[str, tuple[Record, State]] = {}  # by run
        self._wake, self._writing = asyncio.Event(), asyncio.Lock()
        self._handed_s = clock() - durability_s
        self._disk = ThreadPoolExecutor(1, "disk")  # one: an older state is never stored after a newer one

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be written."""
        return not self._waiting

    @property
    def due(self) -> bool:
        """Whether the last state was handed over as long ago as a crash may cost."""
        return self._clock() - self._handed_s >= self.durability_s

    def hand_over(self, record: Record, state: State) -> None:
        """Has a state written, in place of one of this run that still waits."""
        self._handed_s = self._clock()
        self._waiting[record.run["run"]] = record, state
        self._wake.set()

    def note(self, record: Record, row: dict[str, Any], file_name: str) -> bool:
        """A line of the run's curve, or of its ledger. Whether it could be written."""
        try:
            self.store.note(record, row, file_name, durable=not self.durability_s)
        except OSError as error:
            self.trouble = f"cannot write to {self.store.place}: {error.strerror or error}"
            return False
        return True

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            await self.write()

    async def write(self) -> None:
        """Returns when all that waited is written, or could not be."""
        async with self._writing:
            self._wake.clear()
            while self._waiting:
                record, state = self._waiting.pop(next(iter(self._waiting)))
                try:
                    await asyncio.get_running_loop().run_in_executor(self._disk, self.store.save, record, *state)
                    self.trouble = None
                except Deposed:
                    self.deposed.set()
                    await asyncio.Event().wait()  # who waits for this tells of a step that there is not: it is cancelled
                except OSError as error:
                    self.trouble = f"cannot store checkpoints in {self.store.place}: {error.strerror or error}"

    def abandon(self) -> None:
        self._disk.shutdown(wait=False, cancel_futures=True)

    async def close(self) -> None:
        """Writes what waits; then nothing more."""
        await self.write()
        self._disk.shutdown()
