"""The run directory: what is found again after a crash, a full disk, damage, and a second coordinator."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from distml_py import wire
from distml_server.store import Store, StoreError, write_whole

CODE_SHA256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of "foo"
RUN = wire.Run("run1", "r", "foo", CODE_SHA256, 0, 9, 8, 2, 100, 3, 2, {}, ["w"], False)
METRICS: dict[str, float | None] = {"loss": 0.5, "val_loss": None}


def arrays(value: float) -> dict[str, np.ndarray]:
    return {"weights/w": np.full(3, value, np.float32)}


def filled(folder: Path, steps: tuple[int, ...] = (0, 1, 2)) -> Store:
    store = Store(folder)
    record = store.create(RUN)
    for step in steps:
        store.save(record, step, arrays(step), "training", METRICS)
    return store


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "run1").glob("checkpoint-*"))


def test_a_run_is_found_again_at_its_last_step(tmp_path: Path) -> None:
    found = filled(tmp_path).open_newest(print)
    assert (found.run, found.step, found.record.metrics) == (RUN, 2, METRICS)
    assert found.arrays["weights/w"].tolist() == [2, 2, 2]


def test_two_generations_are_kept_and_nothing_else(tmp_path: Path) -> None:
    filled(tmp_path)
    assert checkpoints(tmp_path) == ["checkpoint-00000001.safetensors", "checkpoint-00000002.safetensors"]
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("damage", ["a flipped bit", "cut short", "missing", "empty"])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_used_and_said(tmp_path: Path, damage: str) -> None:
    store = filled(tmp_path)
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
    found = store.open_newest(said.append)
    assert found.step == 1 and found.arrays["weights/w"].tolist() == [1, 1, 1]
    assert len(said) == 1 and "checkpoint-00000002" in said[0] and "Trying the one before it" in said[0]


def test_with_no_sound_checkpoint_it_never_starts_at_step_0(tmp_path: Path) -> None:
    store = filled(tmp_path)
    for name in checkpoints(tmp_path):
        (tmp_path / "run1" / name).write_bytes(b"rubbish")
    with pytest.raises(StoreError, match="no sound checkpoint left"):
        store.open_newest(lambda text: None)


def test_a_run_whose_code_was_changed_on_disk_is_skipped(tmp_path: Path) -> None:
    store = filled(tmp_path)
    path = tmp_path / "run1" / "run.json"
    record = json.loads(path.read_text())
    record["run"]["code"] = "evil"
    path.write_text(json.dumps(record))
    said: list[str] = []
    with pytest.raises(StoreError, match="nothing to resume"):
        store.open_newest(said.append)
    assert "does not match its SHA-256" in said[0]


def test_the_run_that_was_created_last_is_the_newest(tmp_path: Path) -> None:
    store = filled(tmp_path)
    record = store.create(dataclasses.replace(RUN, run="run2"))
    store.save(record, 0, arrays(7), "stopped", METRICS)
    found = store.open_newest(print)
    assert (found.run.run, found.record.state) == ("run2", "stopped")


def test_a_crash_between_checkpoint_and_record_leaves_the_old_run_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path)
    real = os.replace

    def crash(source: Path, target: Path) -> None:
        if Path(target).name == "run.json":
            raise OSError("power cut")
        real(source, target)

    record = store.open_newest(print).record
    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="power cut"):
        store.save(record, 3, arrays(3), "training", METRICS)
    monkeypatch.undo()
    assert store.open_newest(print).step == 2
    store.save(record, 4, arrays(4), "training", METRICS)
    assert store.open_newest(print).step == 4
    assert checkpoints(tmp_path) == ["checkpoint-00000002.safetensors", "checkpoint-00000004.safetensors"]


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
