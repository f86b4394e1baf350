"""The benchmark's runner, `nox -s bench`: one Chromium page holds every contender but PyTorch, which runs here."""

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from bars import bars
from browser_finder import LAUNCH_FLAGS, chromium_path
from served import Coordinator
from table import table
from torch_rows import THREADS, TorchContender, torch

CONTENDERS = ("torch", "tfjs", "eager", "captured", "tuned", "jaxjs", "numpy")
USUAL = [name for name in CONTENDERS if name != "tuned"]
UNJUDGED = ("jaxjs", "numpy")  # no bar is about them, and most of a whole run's time is theirs: in the first run only
ROW_S = 240  # a row takes about so long; of several runs each takes half of it, for it is their medians that count
RUN = """(options) => bench.run({
    ...options,
    outside: options.contenders.includes("torch") ? window.outside : undefined,
    said: window.said,
    onRow: window.onRow,
})"""


def main() -> int:
    """Returns 1 where a bar that was asked about is missed."""
    asked = arguments()
    names = asked.contenders.split(",")
    later = [name for name in names if name not in UNJUDGED]
    runs = [whole_run(asked, later if run else names) for run in range(asked.runs)]
    found = runs[0] | ({"runs": [run["rows"] for run in runs]} if asked.runs > 1 else {})
    print(json.dumps(found["machine"]))
    judged = bars([run["rows"] for run in runs])
    if asked.check:
        print(f"\nBars, medians of {asked.runs} whole runs", *judged, sep="\n")
        found["bars"] = [{"row": bar.row, "what": bar.what, "found": bar.found, "reached": bar.reached} for bar in judged]
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    return int(asked.check and not all(bar.reached for bar in judged))


def whole_run(asked: argparse.Namespace, contenders: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        served = Coordinator(Path(folder))
        flags = [] if asked.gpu else list(LAUNCH_FLAGS)
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=flags, headless=True)
        try:
            found = measured(browser.new_page(), served.url, asked, contenders)
        finally:
            browser.close()
            served.stop()
    found["machine"] |= machine()
    print(table(found["rows"]))
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go as JSON")
    parser.add_argument("--only", metavar="NAMES", help="rows, separated by commas: mlp_step,conv")
    parser.add_argument("--contenders", metavar="NAMES", default=",".join(USUAL), help="default: %(default)s")
    parser.add_argument("--repeats", type=int, metavar="N", help="default: 7, and 2 for resnet18_step")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="whole runs; bars are judged by their medians (default 1)")
    parser.add_argument("--check", action="store_true", help="judge the bars; exit code 1 where one is missed")
    parser.add_argument("--patience", type=float, metavar="SECONDS", help="for an answer (900; at most 120 of minor rivals)")
    parser.add_argument("--tune", type=float, metavar="SECONDS", help="also captured with tuned kernels; so long in each row")
    parser.add_argument("--gpu", action="store_true", help="Chromium's own choice of GPU, not the software renderer")
    parser.add_argument("--roofline", action="store_true", help="each kernel beside a copy and the best product; --gpu does it too")
    parser.add_argument("--tfjs-flags", metavar="NAME=0|1", help="settings of TensorFlow.js to try: WEBGL_EXP_CONV=1")
    asked = parser.parse_args()
    unknown = set(asked.contenders.split(",")) - set(CONTENDERS)
    if unknown:
        parser.error(f"unknown contenders {', '.join(sorted(unknown))}; known: {', '.join(CONTENDERS)}")
    return asked


def measured(page: Page, url: str, asked: argparse.Namespace, contenders: list[str]) -> dict[str, Any]:
    """Rows and machine as the page found them; rows are printed as they come."""
    page.set_default_timeout(0)
    page.expose_function("outside", TorchContender().answer)
    page.expose_function("said", lambda text: print(text, flush=True))
    page.expose_function("onRow", lambda row: print(table([row]), flush=True))
    page.goto(url + "bench")
    page.wait_for_function("window.bench !== undefined", timeout=30_000)
    known = page.evaluate("bench.ROWS")
    rows = asked.only.split(",") if asked.only else known
    wrong = [name for name in rows if name not in known]
    if wrong:
        raise SystemExit(f"unknown rows {', '.join(wrong)}; known: {', '.join(known)}")
    options: dict[str, Any] = {"rows": rows, "contenders": contenders, "row_s": ROW_S if asked.runs == 1 else ROW_S // 2}
    options["roofline"] = asked.roofline or asked.gpu
    options |= {"repeats": asked.repeats} if asked.repeats else {}
    options |= {"patience_s": asked.patience} if asked.patience else {}
    if asked.tune:
        options["contenders"] = list(dict.fromkeys([*contenders, "tuned"]))
        options["tune_s"] = asked.tune
    if asked.tfjs_flags:
        pairs = [pair.split("=") for pair in asked.tfjs_flags.split(",")]
        options["flags"] = {flag: value == "1" for flag, value in pairs}
    found: dict[str, Any] = page.evaluate(RUN, options)
    return found


def machine() -> dict[str, Any]:
    names = {"cpu": platform.processor(), "platform": platform.platform(), "python": platform.python_version()}
    described = Path("/proc/cpuinfo")
    if described.exists():
        lines = [line.partition(":")[2].strip() for line in described.read_text().splitlines() if line.startswith("model name")]
        names["cpu"] = lines[0] if lines else names["cpu"]
    return {**names, "cores": os.cpu_count(), "torch": torch.__version__, "torch_threads": THREADS}


if __name__ == "__main__":
    raise SystemExit(main())
