"""The RunStore in NATS: the contract of every store, and what several coordinators add to it."""

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from distml_py.errors import FormatError
from distml_server.cluster.nats_store import NatsStore
from distml_server.cluster.transport import ClusterError
from distml_server.store import LEDGER, Deposed, RunStore
from servers import Servers, free_ports
from store_contract import METRICS, RUN, StoreContract, arrays, damaged, filled, steps_of


class Bucket:
    """store_contract.Kind: the runs of one cluster."""

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name, self.opened = url, name, list[NatsStore]()

    def open(self) -> NatsStore:
        self.opened.append(NatsStore([self._url], self._name))
        return self.opened[-1]

    def kept(self) -> list[int]:
        record = self.opened[-1].records(print)["run1"]
        left = self.do(self.opened[-1]._listed("run1"))
        assert {checkpoint["file"] for checkpoint in record.checkpoints} <= set(left) and len(left) <= 3
        return sorted(int(checkpoint["step"]) for checkpoint in record.checkpoints)

    def damage(self, step: int, damage: str) -> None:
        store = self.opened[-1]
        (entry,) = [found for found in store.records(print)["run1"].checkpoints if found["step"] == step]

        async def harm() -> None:
            data = (await store._objects.get(entry["file"])).data or b""
            await store._objects.delete(entry["file"])
            if damage != "missing":
                await store._objects.put(entry["file"], damaged(data, damage))

        self.do(harm())

    def change_code(self) -> None:
        async def change() -> None:
            found = await self.opened[-1]._records.get("run1")
            fields = msgspec.msgpack.decode(found.value or b"")
            fields["run"]["code"] = "evil"
            await self.opened[-1]._records.put("run1", msgspec.msgpack.encode(fields))

        self.do(change())

    def crash(self, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
        async def crash(record: object) -> None:
            raise OSError("power cut")

        monkeypatch.setattr(store, "_put_record", crash)
        return Deposed  # a step that is not stored is none: the coordinator tells nobody

    def do(self, work: Any) -> Any:
        return self.opened[-1]._do(work)


@pytest.fixture
def kind(nats: Servers, name: str) -> Iterator[Bucket]:
    found = Bucket(nats.url, name)
    yield found
    for store in found.opened:
        store.close()


class TestNats(StoreContract):
    """With the fixture of this file."""


def test_who_lost_the_run_stores_nothing_more_of_it(kind: Bucket) -> None:
    first = filled(kind)
    before = first.open(print).record
    second = kind.open()
    taken = second.open(print)
    second.forget_after(taken.record, taken.step)
    first.note(before, {"step": 3, "by": "first"}, LEDGER)
    with pytest.raises(Deposed, match="another coordinator has"):
        first.save(before, 3, arrays(30), "training", METRICS)
    assert second.open(print).step == 2 and second.lines("run1", LEDGER) is None
    second.note(taken.record, {"step": 3}, LEDGER)
    second.save(taken.record, 3, arrays(3), "training", METRICS)
    assert second.open(print).arrays["weights/w"].tolist() == [3, 3, 3]
    assert steps_of(second, LEDGER) == [3]


def test_who_lost_the_run_and_wrote_a_checkpoint_has_spoilt_none(kind: Bucket) -> None:
    first = filled(kind)
    before = first.open(print).record
    second = kind.open()
    taken = second.open(print)
    second.forget_after(taken.record, taken.step)
    for step in (3, 4, 5):
        second.save(taken.record, step, arrays(step), "training", METRICS)
        with pytest.raises(Deposed):
            first.save(before, step, arrays(-step), "training", METRICS)
        assert second.open(print).arrays["weights/w"].tolist() == [step] * 3


def test_an_answer_that_was_lost_is_no_change_by_somebody_else(kind: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change was made and its answer did not come: it is neither made twice nor taken for another coordinator's."""
    store = filled(kind)
    record = store.open(print).record
    update, publish = store._records.update, store._stream.publish  # type: ignore[attr-defined]
    lost = {"record": 0, "lines": 0}

    async def lost_update(*given: Any, **named: Any) -> int:
        found: int = await update(*given, **named)
        if not lost["record"]:
            lost["record"] += 1
            raise TimeoutError
        return found

    async def lost_publish(subject: str, *given: Any, **named: Any) -> Any:
        found = await publish(subject, *given, **named)
        if "_lines." in subject and not lost["lines"]:
            lost["lines"] += 1
            raise TimeoutError
        return found

    monkeypatch.setattr(store._records, "update", lost_update)  # type: ignore[attr-defined]
    monkeypatch.setattr(store._stream, "publish", lost_publish)  # type: ignore[attr-defined]
    store.note(record, {"step": 3}, LEDGER)
    store.save(record, 3, arrays(3), "training", METRICS)
    store.save(record, 4, arrays(4), "training", METRICS)
    assert lost == {"record": 1, "lines": 1}
    assert store.open(print).step == 4 and steps_of(store, LEDGER) == [3]


def test_a_store_that_is_closed_lets_go_of_who_waits_for_it(tmp_path: Path) -> None:
    """A leader that lost the run while NATS was away must be able to end."""
    servers = Servers(tmp_path)
    store = NatsStore([servers.url])
    record = store.create(RUN)
    servers.stop()
    ended = threading.Event()

    def save() -> None:
        with contextlib.suppress(Exception):
            store.save(record, 0, arrays(0), "training", METRICS)
        ended.set()

    threading.Thread(target=save, daemon=True).start()
    assert not ended.wait(1.0), "a step waits for NATS as long as it takes"
    store.close()
    assert ended.wait(10.0)
    with pytest.raises(OSError, match="is closed"):  # and whoever asks later is not left waiting
        store.records(print)


def test_a_large_state_and_many_lines_come_back_whole(kind: Bucket) -> None:
    store = kind.open()
    record = store.create(RUN)
    state = {"weights/w": np.random.default_rng(0).standard_normal(1_500_000).astype(np.float32)}
    for step in range(3000):
        store.note(record, {"step": step, "text": "x" * 300}, LEDGER)
    store.save(record, 3000, state, "training", METRICS)
    assert np.array_equal(store.open(print).arrays["weights/w"], state["weights/w"])
    assert steps_of(store, LEDGER) == list(range(3000))


def test_a_recipe_that_no_record_holds_is_refused_when_the_run_begins(kind: Bucket) -> None:
    with pytest.raises(FormatError, match="keeps recipes of up to"):
        kind.open().create(dataclasses.replace(RUN, code="#" * 1_000_000))


def test_a_server_that_is_not_there_is_said_in_time() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ClusterError, match="no NATS server answers at nats://127.0.0.1"):
        NatsStore([f"nats://127.0.0.1:{port}"])


def test_a_server_that_wants_a_password_says_so_and_is_not_called_absent(tmp_path: Path) -> None:
    servers = Servers(tmp_path, password="secret-word")
    try:
        for login in ("", "distml:another-word@"):
            with pytest.raises(ClusterError, match="lets nobody in .*nats://USER:PASSWORD@HOST:PORT") as caught:
                NatsStore([servers.url.replace("//", f"//{login}")])
            assert "another-word" not in str(caught.value)
        NatsStore([servers.url.replace("//", "//distml:secret-word@")]).close()
    finally:
        servers.stop()
