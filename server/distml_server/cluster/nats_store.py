"""The RunStore in NATS: records in a key-value bucket, checkpoints in an object store, curve and ledger in a stream.

One store writes a run at a time. Each change names the revision that it follows, so that a coordinator which lost the run to
another one, and does not know it yet, changes nothing: it gets Deposed. While the servers do not answer save() waits for them.
Methods may be called from any thread but the one that talks to NATS; that one is the store's own.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec
import numpy as np
from nats.js.api import ObjectMeta, ObjectMetaOptions, ObjectStoreConfig, StreamConfig
from nats.js.errors import KeyNotFoundError, NotFoundError
from nats.js.object_store import ObjectStore

from distml_py import safetensors, wire
from distml_py.errors import FormatError

from ..store import CURVE, GENERATIONS, Deposed, Record, Stored, StoreError, _step_of, run_to_resume
from .servers import AGAIN_S, ANSWER_S, CHUNK_BYTES, NAME, PASSING, bucket, connect, is_conflict, replicas, settled, shown

T = TypeVar("T")
MOST_RECORD_BYTES = 900 << 10
MOST_LINES_BYTES = 400 << 10
PATIENCE_S = 20.0  # of what is not a step
CUT = "cut"  # instead of a file's name: the lines after this step are void
LINES_S = 10.0


class NatsStore:
    """The runs of one cluster."""

    def __init__(self, servers: list[str], name: str = NAME) -> None:
        """Raises ClusterError."""
        self.place = f"NATS at {shown(servers)}"
        self._name, self._servers = name, servers
        self._writer, self._count = secrets.token_hex(4), 0
        self._seen: dict[str, int] = {}  # revisions of records, when they were read
        self._revisions: dict[str, int] = {}  # what this store's changes follow
        self._tails: dict[str, int] = {}  # of lines
        self._noted: dict[str, list[list[Any]]] = {}
        self._patience_s: float | None = None  # None: a step waits as long as it takes
        self._closed, self._asking = False, threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nats store", daemon=True)
        self._thread.start()
        try:
            self._do(self._connect())
        except BaseException:
            self._closed = True
            self._end()
            raise

    async def _connect(self) -> None:
        self._client = await connect(self._servers)
        self._stream = self._client.jetstream(timeout=ANSWER_S)
        kept = replicas(self._client)
        self._records = await bucket(self._client, self._stream, f"{self._name}_runs")
        objects, lines = f"{self._name}_checkpoints", f"{self._name}_lines"

        async def checkpoints() -> ObjectStore:
            try:
                return await self._stream.object_store(objects)
            except NotFoundError:
                return await self._stream.create_object_store(objects, ObjectStoreConfig(objects, replicas=kept))

        async def curve() -> Any:
            try:
                return await self._stream.stream_info(lines)
            except NotFoundError:
                return await self._stream.add_stream(StreamConfig(lines, subjects=[f"{lines}.*"], num_replicas=kept))

        self._objects: ObjectStore = await settled(checkpoints, f"an object store {objects}")
        await settled(curve, f"a stream {lines}")

    def hurry(self, seconds: float) -> None:
        """From now on a step is waited for no longer than that: the coordinator ends."""
        self._patience_s = seconds

    def close(self) -> None:
        """Who still waits for an answer in another thread gets none, and whoever asks later gets an OSError."""
        with self._asking:
            if self._closed:
                return
            self._closed = True
            last = asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop)
        last.result()
        self._end()

    async def _disconnect(self) -> None:
        """Whoever still waits for an answer waits no longer: a thread that does would keep the process from ending."""
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        with contextlib.suppress(*PASSING):
            await asyncio.wait_for(self._client.close(), ANSWER_S)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=ANSWER_S) if waiting else None

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_S)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        with self._asking:  # what the loop is asked for after close() would never be answered
            if self._closed:
                work.close()
                raise OSError(f"the connection to {self.place} is closed")
            asked = asyncio.run_coroutine_threadsafe(work, self._loop)
        return asked.result()

    # ------------------------------------------------------------ writing

    def create(self, run: wire.Run) -> Record:
        """The record of a new run; its first save puts it into NATS. Raises FormatError when it is too long for that."""
        record = Record(dataclasses.asdict(run), time.time())
        if len(_packed(record, "")) > MOST_RECORD_BYTES:
            raise FormatError(f"a cluster keeps recipes of up to {MOST_RECORD_BYTES} bytes, got {len(run.code)} characters of code")
        self._revisions[run.run] = self._tails[run.run] = 0
        return record

    def note(self, record: Record, row: dict[str, Any], file_name: str = CURVE, durable: bool = False) -> None:
        """A line of the run's curve, or of its ledger: it goes with the next save, or is there when lines are read."""
        self._noted.setdefault(record.run["run"], []).append([file_name, json.dumps(row)])

    def save(self, record: Record, step: int, arrays: dict[str, np.ndarray], state: str, metrics: dict[str, float | None]) -> None:
        """Stores the run after `step` steps, with the lines noted before. Raises Deposed; waits while NATS does not answer."""
        data = safetensors.dumps(arrays)
        known = [old for old in record.checkpoints if old["step"] != step]
        slot = next(name for name in self._slots(record.run["run"]) if all(name != old["file"] for old in record.checkpoints))
        entry = {"step": step, "file": slot, "sha256": hashlib.sha256(data).hexdigest()}
        newer = dataclasses.replace(record, state=state, metrics=dict(metrics), checkpoints=[entry, *known][:GENERATIONS])
        try:
            self._do(self._save(newer, slot, data))
        except OSError as error:  # after hurry() alone: else it waits
            raise Deposed(f"the step is not stored, so there is none: {error}") from None
        gone = [old["file"] for old in record.checkpoints if old not in newer.checkpoints]
        record.state, record.metrics, record.checkpoints = newer.state, newer.metrics, newer.checkpoints
        others = [name for name in gone if name not in self._slots(record.run["run"])]
        if others:  # of who led before: nobody will write there again
            self._do(self._forget(others))

    def _slots(self, run: str) -> list[str]:
        """Names of this store's own: one that lost the run and does not know it can spoil nothing that a record names."""
        return [f"{run}/{self._writer}-{number}.safetensors" for number in range(GENERATIONS + 1)]

    async def _save(self, record: Record, slot: str, data: bytes) -> None:
        run = record.run["run"]
        results = await asyncio.gather(self._put_lines(run), self._put_object(slot, data), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        await self._put_record(record)

    async def _put_record(self, record: Record) -> None:
        run = record.run["run"]
        packed = _packed(record, self._mark())

        async def put() -> int:
            return await self._records.update(run, packed, last=self._revisions.get(run, 0))

        async def last() -> tuple[int, bytes]:
            try:
                found = await self._records.get(run)
            except KeyNotFoundError:
                return 0, b""
            return found.revision or 0, found.value or b""

        self._revisions[run] = await self._follow(put, last, packed, self._revisions.get(run, 0), f"run {run}")

    async def _put_lines(self, run: str) -> None:
        """All that were noted, in as few messages as they take."""
        while self._noted.get(run):
            batch: list[list[Any]] = []
            size = 0
            for line in self._noted[run]:
                if batch and size + len(line[1]) > MOST_LINES_BYTES:
                    break
                batch.append(line)
                size += len(line[1])
            await self._put_batch(run, batch)
            del self._noted[run][: len(batch)]

    async def _put_batch(self, run: str, batch: list[list[Any]]) -> None:
        tail, subject = self._tails.get(run, 0), f"{self._name}_lines.{run}"
        packed = msgspec.json.encode([self._mark(), batch])

        async def put() -> int:
            headers = {"Nats-Expected-Last-Subject-Sequence": str(tail)}
            return (await self._stream.publish(subject, packed, headers=headers)).seq

        async def last() -> tuple[int, bytes]:
            return await self._last_lines(run)

        self._tails[run] = await self._follow(put, last, packed, tail, f"the ledger of run {run}")

    async def _follow(
        self,
        put: Callable[[], Awaitable[int]],
        last: Callable[[], Awaitable[tuple[int, bytes]]],
        packed: bytes,
        before: int,
        what: str,
    ) -> int:
        """A change that follows the revision `before`, once, whatever is lost on the way. Raises Deposed when another one did."""

        async def once() -> int:
            try:
                return await put()
            except PASSING as error:
                conflict = is_conflict(error)
                revision, found = await last()
                if found == packed:
                    return revision  # it was made, and its answer was lost
                if conflict and revision != before:
                    raise Deposed(f"another coordinator has {what} now: nothing of it is stored from here any more") from None
                raise OSError(f"NATS does not answer: {error}") from None

        return await self._patiently(once, self._patience_s)

    async def _put_object(self, name: str, data: bytes) -> None:
        async def put() -> None:
            meta = ObjectMeta(name=name, options=ObjectMetaOptions(max_chunk_size=CHUNK_BYTES))
            await self._objects.put(name, data, meta)

        await self._patiently(put, self._patience_s)

    async def _forget(self, names: list[str]) -> None:
        """What is left over costs room and nothing else."""
        for name in names:
            try:
                await asyncio.wait_for(self._objects.delete(name), ANSWER_S)
            except PASSING:
                continue

    async def _patiently(self, work: Callable[[], Awaitable[T]], seconds: float | None = PATIENCE_S) -> T:
        """Tries until it works. seconds: no longer than that, None: as long as it takes, or until hurry(). Raises OSError."""
        began = time.monotonic()
        while True:
            try:
                return await work()
            except NotFoundError:
                raise
            except PASSING as error:
                most = seconds if seconds is not None else self._patience_s
                if most is not None and time.monotonic() - began > most:
                    raise OSError(f"{self.place} does not answer: {error}") from None
            await asyncio.sleep(AGAIN_S)

    def _mark(self) -> str:
        """Makes each change another one than all others, so that it is known again."""
        self._count += 1
        return f"{self._writer}.{self._count}"

    # ------------------------------------------------------------ reading

    def lines(self, run: str, file_name: str) -> list[str] | None:
        """The lines of a run's curve or ledger; None when it has none."""
        self._do(self._put_lines(run))
        found, _ = self._do(self._patiently(lambda: self._read_lines(run)))
        return [line for name, line in found if name == file_name] or None

    async def _last_lines(self, run: str) -> tuple[int, bytes]:
        try:
            found = await self._stream.get_last_msg(f"{self._name}_lines", f"{self._name}_lines.{run}")
        except NotFoundError:
            return 0, b""
        return found.seq or 0, found.data or b""

    async def _read_lines(self, run: str) -> tuple[list[list[Any]], int]:
        """All lines of a run, without those that a later cut made void; and the number of the last message."""
        tail, _ = await self._last_lines(run)
        rows: list[list[Any]] = []
        if tail:
            subscription = await self._stream.subscribe(f"{self._name}_lines.{run}", ordered_consumer=True)
            try:
                seen = 0
                while seen < tail:
                    message = await subscription.next_msg(timeout=ANSWER_S)
                    seen = message.metadata.sequence.stream
                    for name, line in msgspec.json.decode(message.data)[1]:
                        if name == CUT:
                            rows = [row for row in rows if _step_of(row[1]) <= line]
                        else:
                            rows.append([name, line])
            finally:
                await subscription.unsubscribe()
        return rows, tail

    def forget_after(self, record: Record, step: int) -> None:
        """Takes the lines of lost steps out of curve and ledger; and from now on the run is this store's. Raises Deposed."""
        run = record.run["run"]

        async def take_over() -> None:
            self._noted.pop(run, None)
            self._tails[run], _ = await self._patiently(lambda: self._last_lines(run))
            await self._put_record(record)
            await self._put_batch(run, [[CUT, step]])

        self._do(take_over())

    def records(self, say: Callable[[str], None]) -> dict[str, Record]:
        """All runs, the oldest first; says which cannot be read."""
        found = {}
        for run, (data, _) in self._do(self._patiently(self._read_records)).items():
            try:
                found[run] = _unpacked(data)
            except (msgspec.MsgspecError, TypeError) as error:
                say(f"Skipping the run {run} in {self.place}: {error}")
        return dict(sorted(found.items(), key=lambda item: item[1].created_s))

    async def _read_records(self) -> dict[str, tuple[bytes, int]]:
        """By single questions: a watcher whose server is lost says nothing for a long time."""
        prefix = f"$KV.{self._name}_runs."
        info = await self._stream.stream_info(f"KV_{self._name}_runs", subjects_filter=f"{prefix}>")
        found = {}
        for subject in info.state.subjects or {}:
            name = subject.removeprefix(prefix)
            with contextlib.suppress(KeyNotFoundError):  # deleted
                entry = await self._records.get(name)
                found[name] = entry.value or b"", entry.revision or 0
        self._seen = {name: revision for name, (_, revision) in found.items()}
        return found

    def open(self, say: Callable[[str], None], run: str | None = None) -> Stored:
        """This run, or the newest, at its newest sound checkpoint. Raises StoreError; says what it had to skip."""
        record, found = run_to_resume(self.records(say), run, self.place, say)
        self._revisions[found.run] = self._seen[found.run]
        for checkpoint in record.checkpoints:
            try:
                arrays = self._checkpoint(checkpoint)
            except (OSError, FormatError) as error:
                say(f"The checkpoint {checkpoint['file']} cannot be used: {error}. Trying the one before it.")
                continue
            record.checkpoints = record.checkpoints[record.checkpoints.index(checkpoint) :]
            return Stored(found, record, int(checkpoint["step"]), arrays)
        raise StoreError(
            f"run {found.run} in {self.place} has no sound checkpoint left; restore one from a copy, or start a new run"
        )

    def _checkpoint(self, entry: dict[str, Any]) -> dict[str, np.ndarray]:
        try:
            data = self._do(self._patiently(lambda: self._read_object(entry["file"])))
        except NotFoundError as error:
            raise FormatError(f"NATS does not have it whole ({type(error).__name__})") from None
        found = hashlib.sha256(data).hexdigest()
        if found != entry["sha256"]:
            raise FormatError(f"its SHA-256 is {found[:16]}..., its record says {entry['sha256'][:16]}...")
        return safetensors.loads(data)

    async def _read_object(self, name: str) -> bytes:
        """Chunk by chunk, for the reason that _read_records has. Raises NotFoundError when one is missing."""
        info = await self._objects.get_info(name)
        data, seen = bytearray(), 0
        while len(data) < (info.size or 0):
            stream, chunk = f"OBJ_{self._name}_checkpoints", f"$O.{self._name}_checkpoints.C.{info.nuid}"
            found = await self._stream.get_msg(stream, seq=seen + 1, subject=chunk, next=True)
            data += found.data or b""
            seen = found.seq or seen + 1
        return bytes(data)

    def delete(self, run: str) -> None:
        async def delete() -> None:
            for info in await self._listed(run):
                await self._objects.delete(info)
            await self._stream.purge_stream(f"{self._name}_lines", subject=f"{self._name}_lines.{run}")
            await self._records.purge(run)

        self._do(self._patiently(delete))

    async def _listed(self, run: str) -> list[str]:
        try:
            found = await asyncio.wait_for(self._objects.list(), LINES_S)
        except NotFoundError:
            return []
        return [info.name for info in found if info.name and info.name.startswith(f"{run}/") and not info.deleted]


def _packed(record: Record, mark: str) -> bytes:
    return msgspec.msgpack.encode({"mark": mark, **dataclasses.asdict(record)})


def _unpacked(data: bytes) -> Record:
    fields = msgspec.msgpack.decode(data)
    fields.pop("mark")
    return Record(**fields)
