"""The contract of a RunStore, tried with every kind there is: test_store.py, and tests/cluster for the one that needs a server."""

import dataclasses
import json
from typing import Any, Protocol

import numpy as np
import pytest

from distml_py import wire
from distml_server.store import LEDGER, RunStore, StoreError

CODE_SHA256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of "foo"
RUN = wire.Run("run1", "r", "foo", CODE_SHA256, 0, 9, 8, 2, 100, 3, 2, {}, ["w"], False)
METRICS: dict[str, float | None] = {"loss": 0.5, "val_loss": None}
DAMAGES = ["a flipped bit", "cut short", "missing", "empty"]


def arrays(value: float) -> dict[str, np.ndarray]:
    return {"weights/w": np.full(3, value, np.float32)}


def damaged(data: bytes, damage: str) -> bytes:
    """As a file is after this, but for "missing"."""
    flipped = data[:-1] + bytes([data[-1] ^ 1])
    return {"a flipped bit": flipped, "cut short": data[:-4], "empty": b""}[damage]


class Kind(Protocol):
    """Stores of one kind that keep the same runs, one after another, and what can befall run1 beneath them."""

    def open(self) -> RunStore: ...

    def kept(self) -> list[int]:
        """The steps that checkpoints are kept of, the oldest first."""

    def damage(self, step: int, damage: str) -> None: ...

    def change_code(self) -> None: ...

    def crash(self, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
        """From now on the checkpoint is stored and the record is not; what save() raises then."""


def filled(kind: Kind, steps: tuple[int, ...] = (0, 1, 2)) -> RunStore:
    store = kind.open()
    record = store.create(RUN)
    for step in steps:
        store.save(record, step, arrays(step), "training", METRICS)
    return store


class StoreContract:
    """A subclass has a fixture `kind`."""

    def test_a_run_is_found_again_at_its_last_step(self, kind: Kind) -> None:
        found = filled(kind).open(print)
        assert (found.run, found.step, found.record.metrics) == (RUN, 2, METRICS)
        assert found.arrays["weights/w"].tolist() == [2, 2, 2]

    def test_an_empty_store_has_nothing_to_resume(self, kind: Kind) -> None:
        store = kind.open()
        assert store.records(print) == {}
        with pytest.raises(StoreError, match="nothing to resume"):
            store.open(print)

    def test_two_generations_are_kept(self, kind: Kind) -> None:
        filled(kind)
        assert kind.kept() == [1, 2]

    @pytest.mark.fault("R20")
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_used_and_said(self, kind: Kind, damage: str) -> None:
        store = filled(kind)
        kind.damage(2, damage)
        said: list[str] = []
        found = store.open(said.append)
        assert found.step == 1 and found.arrays["weights/w"].tolist() == [1, 1, 1]
        assert len(said) == 1 and "Trying the one before it" in said[0]

    @pytest.mark.fault("R20")
    def test_with_no_sound_checkpoint_it_never_starts_at_step_0(self, kind: Kind) -> None:
        store = filled(kind)
        for step in kind.kept():
            kind.damage(step, "empty")
        with pytest.raises(StoreError, match="no sound checkpoint left"):
            store.open(lambda text: None)

    def test_a_run_whose_code_was_changed_in_the_store_is_skipped(self, kind: Kind) -> None:
        store = filled(kind)
        kind.change_code()
        said: list[str] = []
        with pytest.raises(StoreError, match="nothing to resume"):
            store.open(said.append)
        assert "does not match its SHA-256" in said[0]

    def test_the_run_that_was_created_last_is_the_newest(self, kind: Kind) -> None:
        store = filled(kind)
        record = store.create(dataclasses.replace(RUN, run="run2"))
        store.save(record, 0, arrays(7), "stopped", METRICS)
        found = store.open(print)
        assert (found.run.run, found.record.state) == ("run2", "stopped")

    @pytest.mark.fault("R19")
    def test_a_crash_between_checkpoint_and_record_leaves_the_old_run_usable(
        self, kind: Kind, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = filled(kind)
        record = store.open(print).record
        error = kind.crash(store, monkeypatch)
        with pytest.raises(error, match="power cut"):
            store.save(record, 3, arrays(3), "training", METRICS)
        monkeypatch.undo()
        assert store.open(print).step == 2
        store.save(record, 4, arrays(4), "training", METRICS)
        assert store.open(print).step == 4
        assert kind.kept() == [2, 4]

    def test_a_run_can_be_named_and_one_that_is_not_there_is_refused_with_those_that_are(self, kind: Kind) -> None:
        store = filled(kind)
        store.save(store.create(dataclasses.replace(RUN, run="run2")), 0, arrays(7), "training", METRICS)
        assert store.open(print, "run1").step == 2 and store.open(print).run.run == "run2"
        with pytest.raises(StoreError, match="holds no run '../run1' to resume; it holds run1, run2"):
            store.open(print, "../run1")
        assert list(store.records(print)) == ["run1", "run2"]
        store.delete("run2")
        assert list(store.records(print)) == ["run1"]

    def test_a_store_that_is_opened_again_goes_on(self, kind: Kind) -> None:
        filled(kind).close()
        store = kind.open()
        stored = store.open(print)
        store.forget_after(stored.record, stored.step)
        store.save(stored.record, 3, arrays(3), "paused", METRICS)
        assert kind.kept() == [2, 3] and store.open(print).record.state == "paused"

    def test_lines_after_a_step_are_forgotten(self, kind: Kind) -> None:
        store = kind.open()
        record = store.create(RUN)
        assert store.lines("run1", LEDGER) is None
        for step in range(4):
            store.note(record, {"step": step}, LEDGER, durable=True)
            store.note(record, {"step": step, "loss": 0.5})
        store.save(record, 3, arrays(3), "training", METRICS)
        store.forget_after(record, 2)
        assert steps_of(store, LEDGER) == [0, 1, 2] and steps_of(store) == [0, 1, 2]
        store.note(record, {"step": 3}, LEDGER, durable=True)
        assert steps_of(store, LEDGER) == [0, 1, 2, 3] and steps_of(store) == [0, 1, 2]


def steps_of(store: RunStore, *file_name: str) -> list[Any]:
    return [json.loads(line)["step"] for line in store.lines("run1", *(file_name or ("curve.jsonl",))) or []]
