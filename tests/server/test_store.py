"""The run directory: what is found again after a crash, a full disk, damage, and a second coordinator.

The contract of a RunStore is tried with every kind there is.
"""

import contextlib
import dataclasses
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from distml_py import wire
from distml_server.cli import main
from distml_server.store import CURVE, LEDGER, Store, StoreError, write_whole
from distml_server.tables import FILE, TableStore, open_store, records_in

CODE_SHA256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of "foo"
RUN = wire.Run("run1", "r", "foo", CODE_SHA256, 0, 9, 8, 2, 100, 3, 2, {}, ["w"], False)
METRICS: dict[str, float | None] = {"loss": 0.5, "val_loss": None}


def arrays(value: float) -> dict[str, np.ndarray]:
    return {"weights/w": np.full(3, value, np.float32)}


Make = Callable[[Path], Store]


@pytest.fixture(params=["files", "sqlite"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Opens stores of one kind, and closes them."""
    opened: list[Store] = []

    def make(folder: Path) -> Store:
        opened.append(open_store(folder, request.param))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def filled(make: Make, folder: Path, steps: tuple[int, ...] = (0, 1, 2)) -> Store:
    store = make(folder)
    record = store.create(RUN)
    for step in steps:
        store.save(record, step, arrays(step), "training", METRICS)
    return store


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "run1").glob("checkpoint-*"))


def test_a_run_is_found_again_at_its_last_step(make: Make, tmp_path: Path) -> None:
    found = filled(make, tmp_path).open(print)
    assert (found.run, found.step, found.record.metrics) == (RUN, 2, METRICS)
    assert found.arrays["weights/w"].tolist() == [2, 2, 2]


def test_two_generations_are_kept_and_nothing_else(make: Make, tmp_path: Path) -> None:
    filled(make, tmp_path)
    assert checkpoints(tmp_path) == ["checkpoint-00000001.safetensors", "checkpoint-00000002.safetensors"]
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("damage", ["a flipped bit", "cut short", "missing", "empty"])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_used_and_said(make: Make, tmp_path: Path, damage: str) -> None:
    store = filled(make, tmp_path)
    newest = tmp_path / "run1" / "checkpoint-00000002.safetensors"
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    match damage:
        case "a flipped bit":
            newest.write_bytes(data)
        case "cut short":
            newest.write_bytes(data[:-4])
        case "missing":
            newest.unlink()
        case "empty":
            newest.write_bytes(b"")
    said: list[str] = []
    found = store.open(said.append)
    assert found.step == 1 and found.arrays["weights/w"].tolist() == [1, 1, 1]
    assert len(said) == 1 and "checkpoint-00000002" in said[0] and "Trying the one before it" in said[0]


def test_with_no_sound_checkpoint_it_never_starts_at_step_0(make: Make, tmp_path: Path) -> None:
    store = filled(make, tmp_path)
    for name in checkpoints(tmp_path):
        (tmp_path / "run1" / name).write_bytes(b"rubbish")
    with pytest.raises(StoreError, match="no sound checkpoint left"):
        store.open(lambda text: None)


def test_a_run_whose_code_was_changed_on_disk_is_skipped(make: Make, tmp_path: Path) -> None:
    store = filled(make, tmp_path)
    if isinstance(store, TableStore):
        with sqlite3.connect(tmp_path / FILE) as tables:
            tables.execute("""UPDATE runs SET record = replace(record, '"code": "foo"', '"code": "evil"')""")
    else:
        path = tmp_path / "run1" / "run.json"
        path.write_text(path.read_text().replace('"code": "foo"', '"code": "evil"'))
    said: list[str] = []
    with pytest.raises(StoreError, match="nothing to resume"):
        store.open(said.append)
    assert "does not match its SHA-256" in said[0]


def test_the_run_that_was_created_last_is_the_newest(make: Make, tmp_path: Path) -> None:
    store = filled(make, tmp_path)
    record = store.create(dataclasses.replace(RUN, run="run2"))
    store.save(record, 0, arrays(7), "stopped", METRICS)
    found = store.open(print)
    assert (found.run.run, found.record.state) == ("run2", "stopped")


def test_a_crash_between_checkpoint_and_record_leaves_the_old_run_usable(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(make, tmp_path)

    def crash(record: object) -> None:
        raise OSError("power cut")

    record = store.open(print).record
    monkeypatch.setattr(store, "_put", crash)
    with pytest.raises(OSError, match="power cut"):
        store.save(record, 3, arrays(3), "training", METRICS)
    monkeypatch.undo()
    assert store.open(print).step == 2
    store.save(record, 4, arrays(4), "training", METRICS)
    assert store.open(print).step == 4
    assert checkpoints(tmp_path) == ["checkpoint-00000002.safetensors", "checkpoint-00000004.safetensors"]


def test_a_run_can_be_named_and_one_that_is_not_there_is_refused_with_those_that_are(make: Make, tmp_path: Path) -> None:
    store = filled(make, tmp_path)
    store.save(store.create(dataclasses.replace(RUN, run="run2")), 0, arrays(7), "training", METRICS)
    assert store.open(print, "run1").step == 2 and store.open(print).run.run == "run2"
    with pytest.raises(StoreError, match="holds no run '../run1' to resume; it holds run1, run2"):
        store.open(print, "../run1")
    assert list(store.records(print)) == list(records_in(tmp_path, print)) == ["run1", "run2"]
    store.delete("run2")
    assert list(store.records(print)) == ["run1"] and not (tmp_path / "run2").exists()


def test_lines_after_a_step_are_forgotten_also_one_that_was_cut_off(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    record = store.create(RUN)
    assert store.lines("run1", LEDGER) is None
    for step in range(4):
        store.note(record, {"step": step}, LEDGER, durable=True)
        store.note(record, {"step": step, "loss": 0.5})
    with open(tmp_path / "run1" / LEDGER, "a") as file:
        file.write('{"step": 1, "par')
    store.forget_after(record, 2)
    assert [json.loads(line)["step"] for line in store.lines("run1", LEDGER) or []] == [0, 1, 2]
    assert len(store.lines("run1", CURVE) or []) == 3


def test_a_directory_keeps_its_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = filled(lambda folder: open_store(folder, "sqlite"), tmp_path / "a")
    table.close()
    again = open_store(tmp_path / "a")
    assert isinstance(again, TableStore) and again.open(print).step == 2
    assert main(["runs", "--run-dir", str(tmp_path / "a")]) == 0 and "run1" in capsys.readouterr().out, "while it is held"
    again.close()
    with pytest.raises(StoreError, match="are kept in sqlite, not files"):
        open_store(tmp_path / "a", "files")
    filled(open_store, tmp_path / "b").close()
    with pytest.raises(StoreError, match="are kept in files, not sqlite"):
        open_store(tmp_path / "b", "sqlite")
    (tmp_path / "a" / FILE).write_bytes(b"rubbish" * 1000)
    for read in (open_store, lambda folder: records_in(folder, print)):
        with pytest.raises(StoreError, match="restore it from a copy"):
            read(tmp_path / "a")


def test_a_full_table_is_an_error_of_the_disk_and_the_old_record_stays(tmp_path: Path) -> None:
    with contextlib.closing(TableStore(tmp_path)) as store:
        record = store.create(RUN)
        store.save(record, 1, arrays(1), "training", METRICS)
        store._tables.execute("PRAGMA query_only = ON")
        with pytest.raises(OSError, match="runs.sqlite"):
            store.save(record, 2, arrays(2), "training", METRICS)
        assert store.open(print).step == 1


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_second_coordinator_is_refused_with_the_first_ones_process_and_let_in_after_it(tmp_path: Path) -> None:
    script = "import sys\nfrom pathlib import Path\nfrom distml_server.store import Store\nStore(Path(sys.argv[1]))\n"
    store = Store(tmp_path)
    second = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert second.returncode != 0 and f"in use by another coordinator (process {os.getpid()})" in second.stderr
    store.close()
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)]).returncode == 0


@pytest.mark.fault("R22")
def test_a_directory_that_cannot_be_written_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write to the run directory .*--run-dir"):
        Store(tmp_path / "file" / "runs")
