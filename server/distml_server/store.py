"""The run directory: one folder per run with its record and its last two checkpoints, each written whole or not at all,
and curve.jsonl, a line a commit: each shared step, each checkpoint of a solo worker; ledger.jsonl: see ledger.py.

A record names the checkpoints with their SHA-256; a checkpoint that does not match is not used, the one before it is. Store
keeps records as run.json in the run's folder; tables.py has them in SQLite.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from distml_py import safetensors, wire
from distml_py.errors import DistmlError, FormatError

GENERATIONS = 2
CURVE, LEDGER = "curve.jsonl", "ledger.jsonl"


class StoreError(DistmlError, RuntimeError):
    """A run directory that cannot be used, or a run in it that cannot be continued."""


class Deposed(StoreError):
    """Another coordinator has taken the run over since it was opened here: nothing of it may be stored any more."""


@dataclass
class Record:
    """What the run is, how far it is, and which checkpoints hold it (newest first)."""

    run: dict[str, Any]
    created_s: float
    state: str = "training"
    metrics: dict[str, float | None] = field(default_factory=dict)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Stored:
    """A run as it was found on disk."""

    run: wire.Run
    record: Record
    step: int
    arrays: dict[str, np.ndarray]


class RunStore(Protocol):
    """Where runs outlive the coordinator. What save() and note() return from survives a crash of the process; with durable
    also one of the machine, at the latest when the next save() has returned. All of them raise OSError when nothing can be
    stored, and what was stored before is then still there; Deposed, where several coordinators share the runs.
    """

    @property
    def place(self) -> str:
        """Where that is, for people."""

    def create(self, run: wire.Run) -> Record: ...

    def save(
        self, record: Record, step: int, arrays: dict[str, np.ndarray], state: str, metrics: dict[str, float | None]
    ) -> None: ...

    def note(self, record: Record, row: dict[str, Any], file_name: str = CURVE, durable: bool = False) -> None: ...

    def lines(self, run: str, file_name: str) -> list[str] | None: ...

    def forget_after(self, record: Record, step: int) -> None: ...

    def records(self, say: Callable[[str], None]) -> dict[str, Record]: ...

    def open(self, say: Callable[[str], None], run: str | None = None) -> Stored: ...

    def delete(self, run: str) -> None: ...

    def close(self) -> None: ...


class Store:
    """One run directory, held by one coordinator at a time: the RunStore of plain files."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreError when the directory cannot be written to, or when another coordinator holds it."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(folder / "lock")
            write_whole(folder / "writable", b"")
            (folder / "writable").unlink()
        except OSError as error:
            raise StoreError(f"cannot write to the run directory {folder}: {error}; name another with --run-dir") from None

    @property
    def place(self) -> str:
        return str(self.folder)

    def close(self) -> None:
        self._lock.close()

    def create(self, run: wire.Run) -> Record:
        """The record of a new run; its first save puts it on disk."""
        return Record(dataclasses.asdict(run), time.time())

    def save(self, record: Record, step: int, arrays: dict[str, np.ndarray], state: str, metrics: dict[str, float | None]) -> None:
        """Stores the run after `step` steps. Raises OSError; what was stored before is then still there."""
        folder, data = self.folder / record.run["run"], safetensors.dumps(arrays)
        folder.mkdir(exist_ok=True)
        entry = {"step": step, "file": f"checkpoint-{step:08d}.safetensors", "sha256": hashlib.sha256(data).hexdigest()}
        known = [old for old in record.checkpoints if old["file"] != entry["file"]]
        if entry not in record.checkpoints:
            write_whole(folder / str(entry["file"]), data)
        newer = dataclasses.replace(record, state=state, metrics=dict(metrics), checkpoints=[entry, *known][:GENERATIONS])
        self._put(newer)
        record.state, record.metrics, record.checkpoints = newer.state, newer.metrics, newer.checkpoints
        kept = {checkpoint["file"] for checkpoint in record.checkpoints}
        for path in folder.glob("checkpoint-*"):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def _put(self, record: Record) -> None:
        path = self.folder / record.run["run"] / "run.json"
        write_whole(path, json.dumps(dataclasses.asdict(record), indent=1).encode())

    def note(self, record: Record, row: dict[str, Any], file_name: str = CURVE, durable: bool = False) -> None:
        """Adds a line to the run's curve, or to its ledger, whole or not at all. Raises OSError."""
        folder = self.folder / record.run["run"]
        folder.mkdir(exist_ok=True)
        before = None
        try:
            with open(folder / file_name, "a", encoding="utf-8") as file:
                before = file.tell()
                file.write(json.dumps(row) + "\n")
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
        except OSError:
            if before is not None:
                os.truncate(folder / file_name, before)  # the next line would be taken for the end of this one
            raise

    def lines(self, run: str, file_name: str) -> list[str] | None:
        """The lines of a run's curve or ledger; None when it has none."""
        path = self.folder / run / file_name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else None

    def forget_after(self, record: Record, step: int) -> None:
        """Takes the lines of steps that a restart has lost out of curve and ledger: they will be taken again."""
        for name in (CURVE, LEDGER):
            lines = self.lines(record.run["run"], name)
            if lines is not None:
                rows = [line for line in lines if _step_of(line) <= step]
                write_whole(self.folder / record.run["run"] / name, "".join(row + "\n" for row in rows).encode())

    def records(self, say: Callable[[str], None]) -> dict[str, Record]:
        """All runs, the oldest first; says which cannot be read."""
        return read_records(self.folder, say)

    def delete(self, run: str) -> None:
        shutil.rmtree(self.folder / run)

    def open(self, say: Callable[[str], None], run: str | None = None) -> Stored:
        """This run, or the newest, at its newest sound checkpoint. Raises StoreError; says what it had to skip."""
        record, found = run_to_resume(self.records(say), run, self.folder, say)
        return self._at_newest(record, found, say)

    def _at_newest(self, record: Record, run: wire.Run, say: Callable[[str], None]) -> Stored:
        for checkpoint in record.checkpoints:
            path = self.folder / run.run / Path(checkpoint["file"]).name
            try:
                arrays = read_checkpoint(path, checkpoint["sha256"])
            except (OSError, FormatError) as error:
                say(f"The checkpoint {path} cannot be used: {error}. Trying the one before it.")
                continue
            record.checkpoints = record.checkpoints[record.checkpoints.index(checkpoint) :]
            return Stored(run, record, int(checkpoint["step"]), arrays)
        raise StoreError(
            f"run {run.run} in {self.folder} has no sound checkpoint left; restore one from a copy, or start a new run"
        )


def read_records(folder: Path, say: Callable[[str], None]) -> dict[str, Record]:
    """What every run.json of a folder says; nothing is held or written."""
    found = {}
    for path in folder.glob("*/run.json"):
        try:
            found[path.parent.name] = Record(**json.loads(path.read_bytes()))
        except (ValueError, TypeError) as error:
            say(f"Skipping {path}: {error}")
    return dict(sorted(found.items(), key=lambda item: item[1].created_s))


def write_whole(path: Path, data: bytes) -> None:
    """Replaces the file so that a crash at any time leaves the old bytes or the new ones, never a mixture."""
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _step_of(line: str) -> float:
    """The step of a line of the curve; a line that a crash cut off belongs to none."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def read_checkpoint(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint with this SHA-256. Raises OSError and FormatError."""
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise FormatError(f"its SHA-256 is {found[:16]}..., its record says {sha256[:16]}...")
    return safetensors.loads(data)


def run_to_resume(
    records: Mapping[str, Record], run: str | None, place: object, say: Callable[[str], None]
) -> tuple[Record, wire.Run]:
    """This run of those kept at `place`, or the newest. Raises StoreError; says which records are not sound."""
    sound: dict[str, tuple[Record, wire.Run]] = {}
    for name, record in records.items():
        try:
            sound[name] = record, _run_of(record)
        except (ValueError, TypeError, DistmlError) as error:
            say(f"Skipping the run {name} in {place}: {error}")
    if not sound:
        raise StoreError(f"nothing to resume: {place} holds no run; start one without --resume")
    if run is not None and run not in sound:
        raise StoreError(f"{place} holds no run {run!r:.40} to resume; it holds {', '.join(sound)}")
    return sound[run or list(sound)[-1]]


def _run_of(record: Record) -> wire.Run:
    message = wire.message_from({"type": "run", **record.run})
    assert isinstance(message, wire.Run)
    if hashlib.sha256(message.code.encode()).hexdigest() != message.code_sha256:
        raise FormatError("the recipe's code in it does not match its SHA-256")
    return message


def _lock(path: Path) -> IO[str]:
    """The lock file, held for as long as it stays open: also kill -9 lets go of it."""
    file = open(path, "a+")  # noqa: SIM115 (it stays open)
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise StoreError(
            f"the run directory {path.parent} is in use by another coordinator (process {owner});"
            " stop that one, or name another directory with --run-dir"
        ) from None
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file
