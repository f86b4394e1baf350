"""The coordinator's view of its run as plain data, the same for GET /api/status and Status frames. No tokens, no data."""

from typing import Any

from .leases import Worker
from .rounds import Rounds

MOST_LISTED = 64  # workers in a frame that everybody gets several times a second


def status(rounds: Rounds, sha256: str | None, trouble: str | None, now: float, most: int | None = None) -> dict[str, Any]:
    """trouble: what the coordinator itself has to report, such as a full disk; most: how many workers to list."""
    run, joined = rounds.run, rounds.joined()
    return {
        "state": "waiting" if rounds.state == "training" and not rounds.able() else rounds.state,
        "step": rounds.step if run else None,
        "steps": run.steps if run else None,
        **{key: value if key != "cpu_ops" else _whole(value) for key, value in rounds.metrics.items()},
        "workers": len(joined),
        "workers_contributing": sum(worker.contributing(now) for worker in joined),
        "run": run.run if run else None,
        "recipe": run.recipe if run else None,
        "weights_version": rounds.version if run else None,
        "weights_sha256": sha256,
        "error": rounds.error or rounds.short_of or trouble,
        "mode": rounds.mode,
        "deterministic": rounds.deterministic,
        "worker_list": [_row(worker, now) for worker in joined[:most]],
        "rejected": dict(rounds.rejected),
    }


def _row(worker: Worker, now: float) -> dict[str, Any]:
    return {
        "id": worker.id,
        "name": worker.name,
        "backend": worker.backend,
        "device": worker.device,
        "role": worker.role,
        "shards_done": worker.shards_done,
        "strikes": worker.strikes,
        "quarantined": worker.quarantined,
        "samples_per_s": None if worker.rate is None else round(worker.rate, 1),
        "contributing": worker.contributing(now),
        "last_seen_s": round(max(now - worker.seen_s, 0.0), 1),
    }


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
