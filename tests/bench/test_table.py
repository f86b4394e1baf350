"""The benchmark's table, and the files that its JSON and its rivals come from. The benchmark itself is `nox -s bench`."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from table import COLUMNS, table

ROOT = Path(__file__).parents[2]
# the keys that readers of the JSON rely on
PROMISED = {
    "name", "captured_ms", "tuned_ms", "eager_ms", "tfjs_webgl_ms", "jaxjs_webgl_ms", "numpy_pyodide_ms", "torch_cpu_ms",
    "draws", "python_ms", "texture_bytes", "first_step_ms", "compile_ms", "checked", "ratio_tfjs", "frame_gap_ms",
}  # fmt: skip


@pytest.fixture
def row() -> dict[str, Any]:
    return {key: None for key in PROMISED} | {"name": "conv", "checked": True, "notes": {}}


def test_a_row_shows_its_times_and_a_dash_for_each_missing_one(row: dict[str, Any]) -> None:
    row |= {"eager_ms": 12.346, "tfjs_webgl_ms": 24.69, "ratio_tfjs": 2.0, "texture_bytes": 3 << 20}
    heads, cells = table([row]).splitlines()
    assert cells.split() == ["conv", "-", "-", "12.35", "24.69", "2.00", "-", "-", "-", "-", "-", "3.0", "-", "-", "-"]
    assert len(heads) == len(cells)


def test_a_row_with_wrong_numbers_is_marked_and_says_who_was_wrong(row: dict[str, Any]) -> None:
    row |= {"checked": False, "notes": {"eager": "wrong numbers (judge: torch): output is off"}}
    lines = table([row]).splitlines()
    assert lines[1].startswith("conv FAILED")
    assert lines[2] == "  conv, eager: wrong numbers (judge: torch): output is off"


def test_the_variants_that_were_chosen_stand_below_the_table(row: dict[str, Any]) -> None:
    lines = table([row | {"tuned_ms": 8.0, "choices": ["1.50 x  layers 4", "1 tuned, 0 known, 0 left, 0.5 s"]}]).splitlines()
    assert "8.00" in lines[1].split()
    assert lines[2:] == ["  conv, tuned: 1.50 x  layers 4", "  conv, tuned: 1 tuned, 0 known, 0 left, 0.5 s"]


def test_each_kernel_stands_beside_the_copy_and_the_product(row: dict[str, Any]) -> None:
    kernel = {"kernel": "Map", "op": "relu", "ms": 2.5, "draws": 1, "bytes": 1, "flops": 1, "of_copy": 0.9, "of_matmul": 0.051}
    *_, head, line = table([row | {"roofline": {"copy_gb_per_s": 3.0, "matmul_gflops": 9.0, "kernels": [kernel]}}]).splitlines()
    assert head == "  conv: copy 3.0 GB/s, best product 9.0 GFLOP/s"
    assert line == "      2.500 ms    1 draws   90.0% of the copy    5.1% of the product  Map of relu"


def test_every_column_of_the_table_is_a_promised_key() -> None:
    assert {key for key, _, _ in COLUMNS.values()} <= PROMISED


def test_the_version_said_of_jax_js_is_the_pinned_one() -> None:
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]["@jax-js/jax"]
    (said,) = re.findall(r'version: "([\d.]+)"', (ROOT / "web" / "bench" / "jaxjs.js").read_text())
    assert said == pinned
