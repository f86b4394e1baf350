"""``distml doctor``: looks at what a coordinator and its tabs need on this machine, and says what to do. Changes nothing."""

import argparse
import html
import importlib.metadata
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import assets, listening

OLDEST = (3, 11)
LEAST_FREE_BYTES = 1 << 30
BROWSER_S = 30.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
APPLICATIONS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
SOFTWARE = ("swiftshader", "llvmpipe", "softpipe", "basic render")
FIX = "update the browser and the graphics driver, and turn hardware acceleration on in its settings"
PAGE = """<pre id="found"></pre><script>
const gl = document.createElement("canvas").getContext("webgl2");
const info = gl && gl.getExtension("WEBGL_debug_renderer_info");
const floats = gl && gl.getExtension("EXT_color_buffer_float") ? "floats" : "no floats";
document.getElementById("found").textContent = gl ? `${floats}|${gl.getParameter(info ? 0x9246 : gl.RENDERER)}` : "none|";
</script>"""


@dataclass(frozen=True)
class Finding:
    """state: "ok", "warning" (it works, but) or "problem" (`distml serve` or its page will not work)."""

    what: str
    state: str
    words: str


def main(options: argparse.Namespace) -> int:
    """Returns the exit code: 1 when there is a problem."""
    found = list(findings(options))
    for finding in found:
        print(f"{finding.state:<8} {finding.what}: {finding.words}")
    problems = sum(finding.state == "problem" for finding in found)
    print("Nothing stands in the way." if not problems else f"{problems} of {len(found)} need your hand, see above.")
    return 1 if problems else 0


def findings(options: argparse.Namespace) -> Iterator[Finding]:
    yield python()
    yield packages()
    yield port(options.port)
    yield disk(Path(options.run_dir))
    yield browser_files(Path(options.cache) if options.cache else None)
    yield network()
    path = browser()
    if path is None:
        words = "no Chromium or Chrome found here; the page needs one on each machine with a tab, `distml worker` needs none"
        yield Finding("browser", "warning", f"{words}. Firefox and Safari are not looked for")
    else:
        yield Finding("browser", "ok", path)
        yield webgl(path)


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    name = ".".join(map(str, version))
    if version < OLDEST:
        return Finding("Python", "problem", f"{name} is too old: install {OLDEST[0]}.{OLDEST[1]} or newer")
    return Finding("Python", "ok", f"{name} on {platform.system()} {platform.machine()}")


def packages(version_of: Callable[[str], str] = importlib.metadata.version) -> Finding:
    found = []
    for name in ("numpy", "aiohttp", "msgspec"):
        try:
            found.append(f"{name} {version_of(name)}")
        except importlib.metadata.PackageNotFoundError:
            return Finding("packages", "problem", f"{name} is missing: install distml-py again with pip")
    return Finding("packages", "ok", ", ".join(found))


def port(number: int) -> Finding:
    with socket.socket() as probe:
        try:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", number))
        except (OSError, OverflowError) as error:
            words = f"{number} cannot be used ({error}): stop what listens there, or choose another with `distml serve --port`"
            return Finding("port", "problem", words)
    return Finding("port", "ok", f"{number} is free")


def disk(folder: Path, free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free) -> Finding:
    """The run directory, or, before there is one, the folder it would be made in."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        return Finding("run directory", "problem", f"{there} is a file: name a folder with --run-dir")
    try:
        with tempfile.NamedTemporaryFile(dir=there) as part:
            part.write(b"x")
            part.flush()
            os.fsync(part.fileno())
    except OSError as error:
        return Finding("run directory", "problem", f"cannot write in {there} ({error}): name another with --run-dir")
    free = free_bytes(there)
    if free < LEAST_FREE_BYTES:
        words = f"{free / 1e6:.0f} MB free in {there}: make room; a run whose disk is full goes on in memory and cannot be stored"
        return Finding("run directory", "warning", words)
    return Finding("run directory", "ok", f"{folder}, {free / 1e9:.0f} GB free")


def browser_files(cache: Path | None) -> Finding:
    """Pyodide and NumPy in the cache, by their SHA-256, and the page's own third-party files."""
    lock = assets.read_lock()
    try:
        assets.check_vendor(assets.shipped_folder("web") / "vendor", lock)
    except assets.AssetError as error:
        return Finding("browser files", "problem", str(error))
    folder = (cache or assets.default_cache()) / f"pyodide-{lock.pyodide}"
    missing = [name for name, pin in lock.files.items() if not _is(folder / name, pin)]
    if missing:
        words = f"{len(missing)} of {len(lock.files)} are not in {folder}, or damaged: the first `distml serve` fetches them:"
        return Finding("browser files", "warning", f"{words} be online then, or copy the folder from another machine")
    return Finding("browser files", "ok", f"Pyodide {lock.pyodide} and NumPy in {folder}, as the lock has them")


def _is(path: Path, pin: assets.Pin) -> bool:
    try:
        return pin.complaint(path.read_bytes()) is None
    except OSError:
        return False


def network() -> Finding:
    address = listening.lan_address()
    if address.startswith("127."):
        return Finding("network", "warning", "this machine has no address in a network: --lan will not reach other machines")
    return Finding("network", "ok", f"others reach this machine as {address} with `distml serve --lan`; behind no firewall")


def browser() -> str | None:
    found = (shutil.which(name) for name in BROWSERS)
    return next((path for path in found if path), next((path for path in APPLICATIONS if os.access(path, os.X_OK)), None))


def webgl(path: str) -> Finding:
    """What a page of this browser gets, asked of the browser itself without a window."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = Path(folder) / "page.html"
        page.write_text(PAGE)
        command = [path, "--headless=new", "--no-first-run", f"--user-data-dir={folder}/profile", "--dump-dom", page.as_uri()]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # it does not start as root with one; the page is our own
        try:
            text = subprocess.run(command, capture_output=True, timeout=BROWSER_S).stdout.decode(errors="replace")
        except (OSError, subprocess.TimeoutExpired) as error:
            words = f"{path} did not answer ({type(error).__name__}): open the page and see its own check"
            return Finding("WebGL2", "warning", words)
    return judged(text, path)


def judged(text: str, path: str) -> Finding:
    """What the browser wrote about itself, in words."""
    found = re.search(r'id="found">([^|<]*)\|([^<]*)<', text)
    if found is None:
        return Finding("WebGL2", "warning", f"{path} did not answer: open the page and see its own check")
    kind, device = found[1], html.unescape(found[2])
    if kind != "floats":
        lacking = "WebGL2" if kind == "none" else "textures of floats"
        return Finding("WebGL2", "warning", f"no {lacking}: tabs compute on the CPU, slowly; {FIX}")
    if any(word in device.lower() for word in SOFTWARE):
        return Finding("WebGL2", "warning", f"drawn by software ({device}): it works, slowly; for a GPU, {FIX}")
    return Finding("WebGL2", "ok", device)
