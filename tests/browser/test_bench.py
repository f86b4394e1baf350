"""The page /bench: it opens, compares before it times, and runs our own rows with or without the rivals' files."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from served import Coordinator
from tabs import Tab

PROMISED = {
    "name", "captured_ms", "eager_ms", "tfjs_webgl_ms", "jaxjs_webgl_ms", "numpy_pyodide_ms", "torch_cpu_ms",
    "draws", "python_ms", "texture_bytes", "first_step_ms", "compile_ms", "checked", "ratio_tfjs", "notes",
}  # fmt: skip
RUN = "(options) => bench.run(options)"
DIFFERENCES = """async ([right, wrong, start]) => {
    const { digest, differences } = await import("/web/bench/compare.js");
    const all = (numbers) => Object.fromEntries(Object.entries(numbers).map(([name, list]) => [name, digest(list)]));
    return differences(all(right), all(wrong), all(start));
}"""
Differences = Callable[..., str]


@pytest.fixture
def tab(context: BrowserContext, coordinator: Coordinator) -> Tab:
    opened = Tab(context, coordinator.url + "bench")
    opened.page.wait_for_function("window.bench !== undefined")
    return opened


@pytest.fixture
def differences(tab: Tab) -> Differences:
    return lambda right, wrong, start=None: tab.page.evaluate(DIFFERENCES, [right, wrong, start or {}])


def test_our_rows_are_checked_and_timed_and_shown(tab: Tab, coordinator: Coordinator) -> None:
    options = {"rows": ["mlp_step"], "contenders": ["eager", "numpy"], "repeats": 1}
    found: dict[str, Any] = tab.page.evaluate(RUN, options)
    (row,) = found["rows"]
    assert set(row) >= PROMISED
    assert (row["name"], row["checked"], row["judge"], row["notes"]) == ("mlp_step", True, "numpy", {})
    assert row["eager_ms"] > 0 and row["numpy_pyodide_ms"] > 0 and row["draws"] >= 1 and row["texture_bytes"] > 0
    assert 0 < row["python_ms"] < row["eager_ms"] and 0 < row["compile_ms"] < row["first_step_ms"]
    assert row["tfjs_webgl_ms"] is None and row["ratio_tfjs"] is None
    assert "SwiftShader" in found["machine"]["renderer"]
    assert tab.page.locator("#times tr").count() == 1
    assert json.loads(tab.page.locator("#json").input_value()) == found
    assert tab.foreign_requests(coordinator.url) == [] and tab.errors == []


def test_a_kernel_is_compared_with_a_copy_and_frames_are_watched(tab: Tab) -> None:
    options = {"rows": ["chain_1m"], "contenders": ["captured", "numpy"], "repeats": 2, "roofline": True}
    (row,) = tab.page.evaluate(RUN, options)["rows"]
    assert (row["checked"], row["notes"]) == (True, {})
    assert row["frame_gap_ms"] > 10, "frames come 60 times a second"
    found = row["roofline"]
    (kernel,) = found["kernels"]
    assert (kernel["kernel"], kernel["op"], kernel["draws"]) == ("Map", "relu", 1)
    assert kernel["bytes"] == 4 * 4 * 2**20, "three arrays read, one written"
    assert 2**20 < kernel["flops"] < 2**20 * 16
    assert 0 < kernel["of_copy"] and 0 < kernel["of_matmul"]  # how much is the machine's business
    assert found["copy_gb_per_s"] > 0.05 and found["matmul_gflops"] > 0.5
    assert tab.page.locator("#kernels li").count() == 2


def test_tuned_kernels_are_a_contender_and_say_what_was_chosen(tab: Tab) -> None:
    options = {"rows": ["mlp_step"], "contenders": ["captured", "tuned", "numpy"], "repeats": 1, "tune_s": 6.0}
    (row,) = tab.page.evaluate(RUN, options)["rows"]
    assert (row["checked"], row["notes"]) == (True, {})
    assert row["tuned_ms"] > 0 and row["captured_ms"] > 0
    assert len(row["choices"]) >= 2 and "tuned, 0 known" in row["choices"][-1] and "matmul" in row["choices"][0]


def test_a_rival_whose_file_is_not_there_is_named_and_the_row_goes_on(tab: Tab) -> None:
    tab.page.route("**/bench/tfjs/*", lambda route: route.fulfill(status=404))
    options = {"rows": ["matmul_512"], "contenders": ["tfjs", "numpy"], "repeats": 1}
    (row,) = tab.page.evaluate(RUN, options)["rows"]
    why = "TensorFlow.js is not there: run `npm ci --ignore-scripts` where the coordinator was started from"
    assert row["notes"] == {"tfjs": why}
    assert row["numpy_pyodide_ms"] > 0 and row["tfjs_webgl_ms"] is None


# Enough of jax-js for relu(a * b + c), which is computed once and then never again.
HANGS = """
const arr = (data) => ({
    data, ndim: 1, shape: [data.length], dispose() {}, slice: () => arr(data.slice(0, 1)), dataSync: () => data,
    get ref() { return arr(data); }, reshape: () => arr(data),
    mul: (other) => arr(data.map((x, n) => x * other.data[n])), add: (other) => arr(data.map((x, n) => x + other.data[n])),
});
let calls = 0;
export const init = async () => ["webgl"];
export const defaultDevice = () => {};
export const numpy = { array: arr };
export const nn = { relu: (x) => arr(x.data.map((y) => Math.max(y, 0))) };
export const jit = (work) => (...inputs) => {
    while (calls++);
    return work(...inputs);
};
"""


def test_a_rival_that_hangs_is_ended_and_the_row_goes_on(tab: Tab) -> None:
    tab.page.route("**/bench/jaxjs/*", lambda route: route.fulfill(content_type="text/javascript", body=HANGS))
    options = {"rows": ["chain_1m"], "contenders": ["jaxjs", "numpy"], "repeats": 2, "others_s": 5}
    (row,) = tab.page.evaluate(RUN, options)["rows"]
    assert row["notes"] == {"jaxjs": "took more than 5 s"}
    assert row["checked"] and row["numpy_pyodide_ms"] > 0 and row["jaxjs_webgl_ms"] is None
    deadline = time.monotonic() + 10
    while len(tab.page.workers) > 2 and time.monotonic() < deadline:
        tab.page.wait_for_timeout(100)
    assert len(tab.page.workers) <= 2, "only NumPy's worker and the one that describes the rows are left, if any"


def test_a_person_chooses_rows_and_presses_run(tab: Tab) -> None:
    page = tab.page
    for box in page.locator("#rows input").all():
        box.set_checked(box.get_attribute("name") == "chain_1m")
    page.get_by_role("button", name="Run").click()
    page.get_by_text("Done on").wait_for(timeout=120_000)
    assert page.locator("#times th").inner_text().startswith("chain_1m")
    assert page.get_by_role("button", name="Copy").is_enabled()


def test_equal_numbers_do_not_differ(differences: Differences) -> None:
    numbers = {"output": [1.0, -2.0, 3.0]}
    assert differences(numbers, {"output": [1.0, -2.00001, 3.0]}) == ""


def test_wrong_missing_and_spoilt_numbers_are_told(differences: Differences) -> None:
    right = {"output": [1.0, -2.0, 3.0]}
    assert "off by" in differences(right, {"output": [1.0, -2.01, 3.0]})
    assert "is missing" in differences(right, {})
    assert "has 2 numbers, not 3" in differences(right, {"output": [1.0, -2.0]})
    assert differences(right, {"output": [1.0, None, 3.0]}) != ""


def test_an_update_is_judged_by_its_own_size_not_the_weights(differences: Differences) -> None:
    start, right = {"weight w": [1.0, 1.0]}, {"weight w": [1.001, 0.999]}
    assert differences(right, {"weight w": [1.00101, 0.99901]}, start) == ""
    assert "weight w is off by" in differences(right, {"weight w": [1.0, 1.0]}, start)
