"""The benchmark's rows as text for people."""

from collections.abc import Sequence
from typing import Any

COLUMNS = {
    "captured": ("captured_ms", 1, 2),
    "tuned": ("tuned_ms", 1, 2),
    "eager": ("eager_ms", 1, 2),
    "tfjs": ("tfjs_webgl_ms", 1, 2),
    "x tfjs": ("ratio_tfjs", 1, 2),
    "jax-js": ("jaxjs_webgl_ms", 1, 2),
    "numpy": ("numpy_pyodide_ms", 1, 2),
    "torch": ("torch_cpu_ms", 1, 2),
    "draws": ("draws", 1, 0),
    "python": ("python_ms", 1, 2),
    "MiB": ("texture_bytes", 2**20, 1),
    "frame": ("frame_gap_ms", 1, 0),
    "first": ("first_step_ms", 1, 0),
    "plan": ("compile_ms", 1, 0),
}  # heading: key, divisor, digits


def table(rows: Sequence[dict[str, Any]]) -> str:
    """One line a row, milliseconds; below it why a time is missing, and which variants the autotuner chose."""
    lines = [["", *COLUMNS]]
    for row in rows:
        cells = [_number(row.get(key), divisor, digits) for key, divisor, digits in COLUMNS.values()]
        lines.append([row["name"] if row["checked"] else f"{row['name']} FAILED", *cells])
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in enumerate(zip(line, widths, strict=True)))
            for line in lines]  # fmt: skip
    notes = [f"  {row['name']}, {who}: {why}" for row in rows for who, why in row["notes"].items()]
    choices = [f"  {row['name']}, tuned: {line}" for row in rows for line in row.get("choices", [])]
    return "\n".join([*text, *notes, *choices, *(line for row in rows for line in _roofline(row))])


def _roofline(row: dict[str, Any]) -> list[str]:
    """What each kernel reaches of a plain copy's bytes a second, and of the best product's operations."""
    found = row.get("roofline")
    if not found:
        return []
    lines = [f"  {row['name']}: copy {found['copy_gb_per_s']:.1f} GB/s, best product {found['matmul_gflops']:.1f} GFLOP/s"]
    for one in found["kernels"]:
        shares = f"{one['of_copy']:7.1%} of the copy {one['of_matmul']:7.1%} of the product"
        lines.append(f"  {one['ms']:9.3f} ms {one['draws']:4d} draws {shares}  {one['kernel']} of {one['op']}")
    return lines


def _number(value: float | None, divisor: float, digits: int) -> str:
    return "-" if value is None else f"{value / divisor:.{digits}f}"
