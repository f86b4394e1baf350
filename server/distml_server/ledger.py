"""A run's ledger, ledger.jsonl: a line a change of its weights, and whether the lines of one can be true. Writes nothing.

A committed step says of which weights it made which, and what counted: parts of [step, shard, samples, weight]. What a solo
worker's checkpoint brought says "adopted": steps may then be missing before it.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

Row = dict[str, Any]


def begun(sha256: str | None) -> Row:
    return {"step": 0, "weights_sha256": sha256}


def adopted(step: int, sha256: str | None) -> Row:
    return {"step": step, "adopted": True, "weights_sha256": sha256}


def committed(
    step: int, before: str | None, after: str | None, parts: Mapping[tuple[int, int], tuple[int, float]], steps: int = 1
) -> Row:
    """parts: (step, shard) of the data -> samples and weight; steps: by so many it grew, in local mode more than one."""
    listed = [[*unit, samples, weight] for unit, (samples, weight) in sorted(parts.items())]
    samples = sum(samples for samples, _ in parts.values())
    row: Row = {"step": step, "before": before, "weights_sha256": after, "samples": samples, "parts": listed}
    return row if steps == 1 else row | {"steps": steps}


def faults(lines: Iterable[str]) -> list[str]:
    """What cannot be true, in words; nothing when all can. A last line that a crash cut off is none."""
    rows, found, lines = [], [], list(lines)
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            rows.append((number, int(row["step"]), str(row["weights_sha256"]), row))
        except (ValueError, KeyError, TypeError):
            if number < len(lines):
                found.append(f"line {number} is not a line of a ledger")
    counted: dict[tuple[int, int], int] = {}
    before: tuple[int, str] | None = None
    for number, step, sha256, row in rows:
        found += [f"line {number}: {fault}" for fault in _faults(row, step, before, counted)]
        before = step, sha256
    return found


def weights_at(lines: Iterable[str], step: int) -> str | None:
    """The SHA-256 that the weights had after so many steps; None when the ledger does not say."""
    found = None
    for line in lines:
        try:
            row = json.loads(line)
            found = str(row["weights_sha256"]) if row["step"] == step else found
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _faults(row: Row, step: int, before: tuple[int, str] | None, counted: dict[tuple[int, int], int]) -> list[str]:
    if "parts" not in row:
        if before is None:
            return []
        return [] if row.get("adopted") and step >= before[0] else [f"step {step} comes after step {before[0]}"]
    found = []
    if before is None:
        found.append(f"step {step} has no weights before it")
    elif step - before[0] != row.get("steps", 1):
        found.append(f"step {step} comes after step {before[0]}")
    elif row.get("before") != before[1]:
        found.append(f"step {step} was made of other weights than step {before[0]} left")
    samples = 0
    for unit_step, shard, size, _ in row["parts"]:
        samples += size
        if (unit_step, shard) in counted:
            found.append(f"shard {shard} of step {unit_step} counts again; it did in step {counted[unit_step, shard]}")
        counted[unit_step, shard] = step
    if samples != row.get("samples"):
        found.append(f"the parts of step {step} have {samples} samples, the step has {row.get('samples')}")
    return found
