"""``distml runs``: what a run directory holds, whether it can be true, and a run's weights as a file."""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np

from distml_py import io, safetensors
from distml_py.errors import FormatError

from . import ledger
from .decoding import printable
from .store import LEDGER, Record, RunStore, StoreError, read_checkpoint, write_whole
from .tables import open_store, records_in


def main(options: argparse.Namespace) -> int:
    """Returns the exit code: 1 when a check finds faults."""
    if options.cluster is not None:
        return _of_cluster(options)
    folder = Path(options.run_dir)
    records = records_in(folder, print)
    _some(records, f"{folder} holds no runs; name another folder with --run-dir")
    match options.action:
        case "list":
            for name, record in records.items():
                print(_line(name, record))
        case "show":
            print(json.dumps(dataclasses.asdict(_one(records, options.run, folder)), indent=1))
        case "export":
            _export(folder, options.run, _one(records, options.run, folder), options.out)
        case "delete":
            _one(records, options.run, folder)
            store = open_store(folder)  # held: no coordinator is using it
            try:
                store.delete(options.run)
            finally:
                store.close()
            print(f"Run {options.run} is deleted.")
        case _:
            names = list(records) if options.run is None else [options.run]
            return max([_check(folder / name, _one(records, name, folder)) for name in names], default=0)
    return 0


def _of_cluster(options: argparse.Namespace) -> int:
    """The same of the runs that several coordinators share."""
    try:
        from .cluster.nats_store import NatsStore
        from .cluster.servers import addresses
    except ModuleNotFoundError as error:
        raise StoreError(f"--cluster needs the package {error.name}: pip install 'distml-py[cluster]'") from None
    store = NatsStore(addresses(options.cluster))
    try:
        records, place = store.records(print), store.place
        _some(records, f"{place} holds no runs yet")
        match options.action:
            case "list":
                for name, record in records.items():
                    print(_line(name, record))
            case "show":
                print(json.dumps(dataclasses.asdict(_one(records, options.run, place)), indent=1))
            case "export":
                _one(records, options.run, place)
                stored = store.open(print, options.run)
                _write(options.run, stored.step, stored.arrays, options.out)
            case "delete":
                if _one(records, options.run, place).state not in ("finished", "stopped"):
                    raise StoreError(f"run {options.run} is under way: stop it on the page first")
                store.delete(options.run)
                print(f"Run {options.run} is deleted.")
            case _:
                names = list(records) if options.run is None else [options.run]
                return max([_check_stored(store, name, _one(records, name, place)) for name in names], default=0)
        return 0
    finally:
        store.close()


def _check_stored(store: RunStore, name: str, record: Record) -> int:
    stored = store.open(print, name)
    return _judge(name, store.lines(name, LEDGER) or [], stored.step, stored.arrays)


def _export(folder: Path, run: str, record: Record, out: str | None) -> None:
    """The weights and buffers of the newest sound checkpoint, under their own names."""
    _write(run, *_sound(folder / run, record), out)


def _write(run: str, step: int, arrays: dict[str, np.ndarray], out: str | None) -> None:
    weights, buffers = io.split(arrays)
    named = {name.removeprefix(io.WEIGHTS): array for name, array in weights.items() if name.startswith(io.WEIGHTS)}
    target = Path(out or f"{run}-{step:08d}.safetensors")
    write_whole(target, safetensors.dumps({name: np.asarray(array) for name, array in (named | dict(buffers)).items()}))
    print(f"{target}: {len(named)} parameters after step {step} of run {run}")


def _some(records: dict[str, Record], none: str) -> None:
    """Nothing to look at is no success: a check of the wrong folder would pass."""
    if not records:
        raise StoreError(none)


def _one(records: dict[str, Record], name: str | None, place: Path | str) -> Record:
    if name is None:
        raise StoreError(f"name a run: {place} holds {', '.join(records)}")
    if name not in records:
        raise StoreError(f"{place} holds no run {name!r:.40}; it holds {', '.join(records)}")
    return records[name]


def _line(name: str, record: Record) -> str:
    step = record.checkpoints[0]["step"] if record.checkpoints else 0
    begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.created_s))
    recipe = printable(str(record.run.get("recipe")), 64)
    return f"{name}  {begun}  {record.state:<9} step {step} of {record.run.get('steps')}  {recipe}"


def _sound(folder: Path, record: Record) -> tuple[int, dict[str, np.ndarray]]:
    for checkpoint in record.checkpoints:
        try:
            return int(checkpoint["step"]), read_checkpoint(folder / Path(checkpoint["file"]).name, checkpoint["sha256"])
        except (OSError, FormatError) as error:
            print(f"The checkpoint {checkpoint['file']} cannot be used: {error}. Trying the one before it.")
    raise StoreError(f"run {folder.name} has no sound checkpoint left; restore one from a copy")


def _check(folder: Path, record: Record) -> int:
    """The ledger by itself, and the checkpoint's weights against what the ledger says of their step."""
    path = folder / LEDGER
    if not path.exists():
        print(f"{folder.name}: no ledger")
        return 1
    return _judge(folder.name, path.read_text(encoding="utf-8").splitlines(), *_sound(folder, record))


def _judge(name: str, lines: list[str], step: int, arrays: dict[str, np.ndarray]) -> int:
    found = ledger.faults(lines)
    weights = {name.removeprefix(io.WEIGHTS): array for name, array in arrays.items() if name.startswith(io.WEIGHTS)}
    if ledger.weights_at(lines, step) != io.weights_sha256(weights):
        found.append(f"the checkpoint's weights are not those that the ledger has after step {step}")
    for fault in found:
        print(f"{name}: {fault}")
    if not found:
        print(f"{name}: {len(lines)} lines, sound")
    return 1 if found else 0
