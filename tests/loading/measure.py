"""`nox -s loading`: how long the page takes until its first screen, its engine and its first loss point; and how many bytes it is.

Each visit is one Chromium tab in which Train is pressed as soon as it can be. Cold: a new profile. Warm: the same profile again.
With --snapshot also what Pyodide's memory snapshot would save."""

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from browser_finder import LAUNCH_FLAGS, chromium_path
from served import Coordinator
from slow_line import SlowLine
from snapshot import compare

WARM_S, COLD_S, SCREEN_S = 4.0, 30.0, 1.0  # the bars of --check
BARS = {("screen", "cold"): SCREEN_S, ("loss", "cold"): COLD_S, ("loss", "warm"): WARM_S}
VISIT = """async () => {
    const passed = () => performance.now() / 1000;
    const until = async (holds) => { while (!holds()) await new Promise((go) => setTimeout(go, 5)); return passed(); };
    const train = document.getElementById("train");
    const screen = await until(() => !train.disabled && train.offsetWidth && globalThis.distml?.code().length > 100);
    await until(() => document.getElementById("link").dataset.phase === "open");
    const before = distml.status().run; // the visit before left one, and its loss is shown
    train.click();
    const ready = await until(() => distml.status().backend !== null);
    const begun = () => distml.status().run !== before && (distml.status().step ?? 0) >= 1;
    const loss = await until(() => begun() && document.getElementById("n-loss").textContent !== "–");
    const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime / 1000;
    return { paint, screen, ready, loss };
}"""
STOP = """async () => {
    document.getElementById("stop").click();
    while (distml.status().state !== "stopped") await new Promise((go) => setTimeout(go, 20));
}"""
FILES = """performance.getEntriesByType("resource")
    .map((entry) => [new URL(entry.name).pathname, entry.transferSize, entry.decodedBodySize])"""
WIDTHS = {"paint": 6, "screen": 6, "ready": 6, "loss": 10}
GROUPS = {
    "the page's own text": ("/web/", "/bridge/", "/recipes/"), "CodeMirror": ("codemirror",), "uPlot": ("uPlot",),
    "Pyodide": ("pyodide.",), "Python's standard library": ("python_stdlib",), "NumPy": ("/numpy-",),
    "the library": ("/distml_py-",),
}  # fmt: skip


def visit(context: BrowserContext, link: str) -> tuple[dict[str, float], list[list[Any]]]:
    """Seconds from the click on the link, and the files that came: path, bytes on the line, bytes unpacked."""
    page = context.new_page()
    page.goto(link, wait_until="commit")
    page.wait_for_selector("#train", state="attached")
    found = page.evaluate(VISIT)
    files = page.evaluate(FILES) + page.workers[0].evaluate(FILES)
    page.evaluate(STOP)
    page.close()
    return found, files


def visits(browser: Browser, link: str, warm: int, line: str = "fast", cold: int = 1) -> tuple[dict[str, Any], list[list[Any]]]:
    """Cold visits, each in a profile of its own, and warm ones in that of the last; each is printed when it is over."""
    first, again = [], []
    for left in reversed(range(cold)):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        found, files = visit(context, link)
        first.append(found)
        tell(f"{line}, cold", found)
        if left:
            context.close()
    for _ in range(warm):
        again.append(visit(context, link)[0])
        tell(f"{line}, warm", again[-1])
    context.close()
    return {"cold": first, "warm": again}, files


def tell(name: str, one: dict[str, float]) -> None:
    print(f"{name:22}", *(f"{one[what]:{width}.2f}" for what, width in WIDTHS.items()), sep="  ", flush=True)


def sizes(files: list[list[Any]]) -> dict[str, list[int]]:
    """Bytes on the line and unpacked, by group; a file belongs to the last group that names it."""
    found = {group: [0, 0] for group in [*GROUPS, "all"]}
    for path, sent, size in files:
        group = [name for name, parts in GROUPS.items() if any(part in path for part in parts)]
        for name in [*group[-1:], "all"]:
            found[name] = [found[name][0] + sent, found[name][1] + size]
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s loading --", description=__doc__)
    parser.add_argument("--warm", type=int, default=3, help="warm visits (3)")
    parser.add_argument("--megabits", type=float, default=3.0, help="a second, of the slow line (3); 0: no slow line")
    parser.add_argument("--snapshot", action="store_true", help="measure Pyodide's memory snapshot, too")
    bars = f"{SCREEN_S} s for a screen, {WARM_S} s to a warm first loss, {COLD_S} s to a cold one"
    parser.add_argument("--check", action="store_true", help=f"fails above {bars}")
    parser.add_argument("--json", type=Path, help="write all that was found to this file")
    return parser.parse_args()


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        served = Coordinator(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(LAUNCH_FLAGS), headless=True)
        found: dict[str, Any] = {"load_before": os.getloadavg()[0], "cores": os.cpu_count()}
        print(f"{found['cores']} cores, load {found['load_before']:.1f}; seconds since the click")
        print(f"{'visit':22}", *(f"{what:>{width}}" for what, width in WIDTHS.items()), sep="  ", flush=True)
        try:
            found["fast"], files = visits(browser, served.host_link, asked.warm, cold=2)
            found["sizes"] = sizes(files)
            if asked.megabits:
                line = SlowLine(served.url, asked.megabits)
                found["slow"], _ = visits(browser, served.host_link.replace(served.url, line.url), 1, f"{asked.megabits:g} Mbit/s")
                line.stop()
            if asked.snapshot:
                found["snapshot"] = compare(browser, served.url)
        finally:
            browser.close()
            served.stop()
    return found | {"load_after": os.getloadavg()[0]}


def lines(found: dict[str, Any]) -> list[str]:
    said = [f"{'bytes':28}  {'on the line':>11}  {'unpacked':>11}"]
    said += [f"{name:28}  {sent:11,}  {size:11,}" for name, (sent, size) in found["sizes"].items()]
    return ["", *said, "", *found.get("snapshot", [])]


def missed(found: dict[str, Any]) -> list[str]:
    """The bars that are not reached; of several visits the best counts: what else a machine does only adds to one."""
    best = {(what, kind): min(one[what] for one in found["fast"][kind]) for what, kind in BARS}
    late = [one for one, most in BARS.items() if best[one] > most]
    return [f"first {what}, {kind}: {best[what, kind]:.2f} s, at most {BARS[what, kind]} s" for what, kind in late]


def main() -> int:
    asked = arguments()
    found = measured(asked)
    print(*lines(found), sep="\n")
    warm = statistics.median(one["loss"] for one in found["fast"]["warm"])
    print(f"load {found['load_after']:.1f}; median of the warm visits: {warm:.2f} s")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    late = missed(found) if asked.check else []
    print(*late, sep="\n")
    return int(bool(late))


if __name__ == "__main__":
    raise SystemExit(main())
