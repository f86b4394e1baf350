"""Headless workers that a coordinator starts on its own machine: when nobody comes, and when nobody else could audit."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from .coordinator import Coordinator

if TYPE_CHECKING:
    from .cluster.member import Member

LOOK_S = 0.1
AUDITOR_AFTER_S = 3.0  # a second owner may be on its way


async def local_worker(coordinator: "Coordinator | Member", after_s: float, link: str) -> None:
    """Returns only when a worker was started here and has ended while nobody else works: the run will not finish."""
    quiet_s = 0.0
    while quiet_s < after_s:
        await asyncio.sleep(LOOK_S)
        quiet_s = 0.0 if coordinator.joined else quiet_s + LOOK_S
    print(f"No worker has joined for {after_s:g} s: starting one here.", flush=True)
    async with _worker(link, "local worker") as process:
        await process.wait()
        while coordinator.joined or coordinator.over.is_set():
            await asyncio.sleep(LOOK_S)


async def auditor(coordinator: Coordinator, link: str, code_sha256: str) -> None:
    """When all who work are one owner, starts a second one here, whose word counts. For this code alone, which is this
    machine's own: none that came from a tab is run here.
    """
    lonely_s = 0.0
    while lonely_s < AUDITOR_AFTER_S:
        await asyncio.sleep(LOOK_S)
        run = coordinator.rounds.run
        own = run is not None and run.code_sha256 == code_sha256 and not coordinator.over.is_set()
        able = coordinator.rounds.able() if own else []
        lonely = len({worker.answers for worker in able}) == 1 and not any(worker.judge for worker in able)
        lonely_s = lonely_s + LOOK_S if lonely else 0.0
    print("Nobody else could audit what is computed: starting a worker here that does.", flush=True)
    async with _worker(f"{link}&c={code_sha256}", "auditor") as process:
        await process.wait()


@contextlib.asynccontextmanager
async def _worker(link: str, name: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker with the host's rights, that does not outlive the block."""
    # the link holds a token: on the command line every user of this machine could read it
    command = [sys.executable, "-m", "distml_server", "worker", "-", "--name", name]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        assert process.stdin is not None
        process.stdin.write(f"{link}\n".encode())
        process.stdin.close()
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
