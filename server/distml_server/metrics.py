"""The status as Prometheus' text format. What is measured is the coordinator's business; names of workers are never in it."""

from typing import Any

GAUGES = {
    "step": ("distml_step", "steps committed in the current run"),
    "loss": ("distml_loss", "training loss of the last step, reported by workers"),
    "accuracy": ("distml_validation_accuracy", "reported by workers"),
    "workers": ("distml_workers", "workers that take part"),
    "workers_contributing": ("distml_workers_contributing", "workers whose work counted lately"),
}


def exposition(status: dict[str, Any], clipped: int, storage_works: bool) -> str:
    """clipped: gradients that were shortened."""
    lines: list[str] = []
    for key, (name, about) in GAUGES.items():
        if status.get(key) is not None:
            lines += _metric(name, "gauge", about, {"": float(status[key])})
    lines += _metric("distml_storage_works", "gauge", "0 while nothing can be stored", {"": float(storage_works)})
    lines += _metric("distml_clipped_total", "counter", "gradients that were shortened", {"": float(clipped)})
    refused = {f'{{reason="{reason}"}}': float(count) for reason, count in sorted(status["rejected"].items())}
    lines += _metric("distml_rejected_total", "counter", "messages that were refused", refused)
    return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, about: str, values: dict[str, float]) -> list[str]:
    return [
        f"# HELP {name} {about}",
        f"# TYPE {name} {kind}",
        *(f"{name}{labels} {value:.10g}" for labels, value in values.items()),
    ]
