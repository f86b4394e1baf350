"""Finds a Chromium for the browser tests, or says why there is none. Run as a script it prints the path."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Measured: WebGL2 on SwiftShader, also on an OffscreenCanvas in a worker, without GPU and without screen.
LAUNCH_FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_APPLICATIONS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
WINDOWS_ROOTS = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
WINDOWS_PROGRAMS = ("Google/Chrome/Application/chrome.exe", "Chromium/Application/chrome.exe")
# Its own process: Playwright's synchronous API refuses to run inside a test's event loop.
ASK_PLAYWRIGHT = "from playwright.sync_api import sync_playwright\nwith sync_playwright() as p: print(p.chromium.executable_path)"


class NoBrowserError(RuntimeError):
    """No Chromium or Chrome: browser tests fail, since a skipped one would look like a passed one."""


@functools.cache
def chromium_path() -> str:
    """An installed Chromium or Chrome, else Playwright's own, else Debian's, installed now. Raises NoBrowserError."""
    tried = []
    for path in installed():
        if runs(path):
            return path
        tried.append(f"{path} does not run (a stub?)")
    tried.append(f"no working one of {', '.join(COMMANDS)} on the PATH or in the usual folders")
    own = playwrights_own()
    if own and runs(own):
        return own
    tried.append("Playwright has not downloaded one")
    why = install_debians()
    if why is None:
        return next(path for path in installed() if runs(path))
    tried.append(why)
    raise NoBrowserError(
        "the browser tests need Chromium or Chrome:\n  - " + "\n  - ".join(tried)
        + "\nInstall Chromium or Google Chrome with the system's package manager, or run `playwright install chromium`."
    )  # fmt: skip


def installed() -> Iterator[str]:
    """Paths of what looks like an installed Chromium or Chrome, best first."""
    for command in COMMANDS:
        path = shutil.which(command)
        if path:
            yield path
    candidates = [Path(path) for path in MAC_APPLICATIONS if sys.platform == "darwin"]
    if sys.platform == "win32":
        roots = [os.environ[name] for name in WINDOWS_ROOTS if name in os.environ]
        candidates += [Path(root, program) for root in roots for program in WINDOWS_PROGRAMS]
    yield from (str(path) for path in candidates if path.is_file())


def runs(path: str) -> bool:
    """Whether it starts: Ubuntu's `chromium-browser` may be a script that only asks for the snap."""
    if sys.platform == "win32":
        return True  # chrome.exe --version opens a window there
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and "chrom" in answer.stdout.lower()


def playwrights_own() -> str | None:
    """The browser that `playwright install chromium` downloaded, if it did."""
    answer = subprocess.run([sys.executable, "-c", ASK_PLAYWRIGHT], capture_output=True, text=True, timeout=120)
    path = answer.stdout.strip()
    return path if answer.returncode == 0 and Path(path).is_file() else None


def install_debians() -> str | None:
    """Installs the package `chromium`. Returns why not, None when a browser that runs is there afterwards."""
    if not shutil.which("apt-get"):
        return "there is no apt-get to install Debian's chromium with"
    if os.geteuid() != 0:
        return "only root may install Debian's chromium: sudo apt-get install chromium"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        result = subprocess.run(["apt-get", *arguments], capture_output=True, text=True, env=environment)
        if result.returncode != 0:
            return f"`apt-get {' '.join(arguments)}` failed: {result.stderr.strip()[-500:]}"
    return None if any(runs(path) for path in installed()) else "apt-get installed chromium, but it does not run (a snap stub?)"


if __name__ == "__main__":
    try:
        print(chromium_path())
    except NoBrowserError as error:
        sys.exit(str(error))
