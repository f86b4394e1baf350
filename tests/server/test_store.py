"""The run directory: what is found again after a crash, a full disk, damage, and a second coordinator.

What every RunStore promises is in store_contract.py.
"""

import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from distml_server.cli import main
from distml_server.store import CURVE, LEDGER, RunStore, Store, StoreError, write_whole
from distml_server.tables import FILE, TableStore, open_store, records_in
from store_contract import METRICS, RUN, StoreContract, arrays, damaged, filled


class Folder:
    """store_contract.Kind: one run directory."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind, self.opened = folder, kind, list[Store]()

    def open(self) -> Store:
        self.opened.append(open_store(self._folder, self._kind))
        return self.opened[-1]

    def kept(self) -> list[int]:
        assert not list(self._folder.rglob("*.part"))
        return sorted(int(path.stem.split("-")[1]) for path in (self._folder / "run1").glob("checkpoint-*"))

    def damage(self, step: int, damage: str) -> None:
        path = self._folder / "run1" / f"checkpoint-{step:08d}.safetensors"
        data = path.read_bytes()
        path.unlink()
        if damage != "missing":
            path.write_bytes(damaged(data, damage))

    def change_code(self) -> None:
        if self._kind == "sqlite":
            with sqlite3.connect(self._folder / FILE) as tables:
                tables.execute("""UPDATE runs SET record = replace(record, '"code": "foo"', '"code": "evil"')""")
        else:
            path = self._folder / "run1" / "run.json"
            path.write_text(path.read_text().replace('"code": "foo"', '"code": "evil"'))

    def crash(self, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
        def crash(record: object) -> None:
            raise OSError("power cut")

        monkeypatch.setattr(store, "_put", crash)
        return OSError


class TestFolders(StoreContract):
    @pytest.fixture(params=["files", "sqlite"])
    def kind(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Folder]:
        found = Folder(tmp_path, request.param)
        yield found
        for store in found.opened:
            store.close()

    def test_a_deleted_run_leaves_nothing(self, kind: Folder, tmp_path: Path) -> None:
        store = filled(kind)
        assert list(records_in(tmp_path, print)) == ["run1"]
        store.delete("run1")
        assert not (tmp_path / "run1").exists()

    def test_a_line_that_was_cut_off_is_forgotten_too(self, kind: Folder, tmp_path: Path) -> None:
        store = filled(kind)
        record = store.open(print).record
        store.note(record, {"step": 1}, LEDGER, durable=True)
        with open(tmp_path / "run1" / LEDGER, "a") as file:
            file.write('{"step": 1, "par')
        store.forget_after(record, 2)
        assert store.lines("run1", LEDGER) == ['{"step": 1}']


def test_a_directory_keeps_its_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = filled(Folder(tmp_path / "a", "sqlite"))
    table.close()
    again = open_store(tmp_path / "a")
    assert isinstance(again, TableStore) and again.open(print).step == 2
    assert main(["runs", "--run-dir", str(tmp_path / "a")]) == 0 and "run1" in capsys.readouterr().out, "while it is held"
    again.close()
    with pytest.raises(StoreError, match="are kept in sqlite, not files"):
        open_store(tmp_path / "a", "files")
    filled(Folder(tmp_path / "b", "files")).close()
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


@pytest.mark.fault("R21")
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"


@pytest.mark.fault("R21")
def test_a_line_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    """Half of it would spoil the next one, too. RLIMIT_FSIZE stands for a full disk."""
    with contextlib.closing(Store(tmp_path)) as store:
        record = store.create(RUN)
        store.note(record, {"step": 1})
        path = tmp_path / RUN.run / CURVE
        before, (soft, hard) = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 5, hard))
        try:
            with pytest.raises(OSError, match="large"):
                store.note(record, {"step": 2})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == before
        store.note(record, {"step": 3})
        assert path.read_bytes() == before + b'{"step": 3}\n'


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
