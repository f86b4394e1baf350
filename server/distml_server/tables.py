"""A run directory whose records are in SQLite, runs.sqlite: one transaction a checkpoint. Checkpoints, curves and ledgers are
files as in store.py: a file is what people copy and other programs read.
"""

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

from .store import Record, Store, StoreError, read_records

FILE = "runs.sqlite"
SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (run TEXT PRIMARY KEY, created_s REAL NOT NULL, record TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS newest ON runs (created_s);
"""
SELECT = "SELECT run, record FROM runs ORDER BY created_s"


class TableStore(Store):
    """The RunStore whose records are rows. Write-ahead log, synced at each commit: a record is the old one or the new one."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        try:
            # the store is used by one thread at a time: the coordinator's, or the one that writes for it
            self._tables = sqlite3.connect(folder / FILE, check_same_thread=False, isolation_level=None, timeout=5.0)
            self._tables.execute("PRAGMA journal_mode = WAL")
            self._tables.execute("PRAGMA synchronous = FULL")
            self._tables.executescript(SCHEMA)
        except sqlite3.Error as error:
            super().close()
            raise StoreError(f"cannot use {folder / FILE}: {error}; restore it from a copy, or name another --run-dir") from None

    def close(self) -> None:
        self._tables.close()
        super().close()

    def _put(self, record: Record) -> None:
        self._do(
            "INSERT INTO runs VALUES (?, ?, ?) ON CONFLICT (run) DO UPDATE SET record = excluded.record",
            (record.run["run"], record.created_s, json.dumps(dataclasses.asdict(record))),
        )

    def records(self, say: Callable[[str], None]) -> dict[str, Record]:
        return _read(self._do(SELECT), self.folder, say)

    def delete(self, run: str) -> None:
        self._do("DELETE FROM runs WHERE run = ?", (run,))
        super().delete(run)

    def _do(self, statement: str, values: tuple[str | float, ...] = ()) -> list[tuple[str, str]]:
        try:
            return self._tables.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise OSError(f"{self.folder / FILE}: {error}") from None


def open_store(folder: Path, kind: str | None = None) -> Store:
    """The store that this folder has; a new one is of this kind, "files" (None, too) or "sqlite". Raises StoreError."""
    has = "sqlite" if (folder / FILE).exists() else "files" if any(folder.glob("*/run.json")) else None
    if kind and has and kind != has:
        raise StoreError(f"the runs in {folder} are kept in {has}, not {kind}: leave --store away, or name another --run-dir")
    return TableStore(folder) if (has or kind) == "sqlite" else Store(folder)


def records_in(folder: Path, say: Callable[[str], None]) -> dict[str, Record]:
    """All runs of a folder, the oldest first, without holding it: a coordinator may be at work there."""
    if not (folder / FILE).exists():
        return read_records(folder, say)
    try:
        with contextlib.closing(sqlite3.connect(folder / FILE, timeout=5.0)) as tables:
            return _read(tables.execute(SELECT).fetchall(), folder, say)
    except sqlite3.Error as error:
        raise StoreError(f"cannot read {folder / FILE}: {error}; restore it from a copy") from None


def _read(rows: list[tuple[str, str]], folder: Path, say: Callable[[str], None]) -> dict[str, Record]:
    found = {}
    for name, text in rows:
        try:
            found[name] = Record(**json.loads(text))
        except (ValueError, TypeError) as error:
            say(f"Skipping the run {name} in {folder / FILE}: {error}")
    return found
