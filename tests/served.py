"""The coordinator as a process, as its users start it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

LISTENING_S = 60
Status = dict[str, Any]
Holds = Callable[[Status], Any]


def first_status(what: str, ask: Callable[[], Status], holds: Holds, timeout_s: float, more: Callable[[], str]) -> Status:
    """The first answer of ask() for which holds(status). Fails with the last one and what more() says."""
    deadline = time.monotonic() + timeout_s
    status: Status = {}
    while time.monotonic() < deadline:
        status = ask()
        if holds(status):
            return status
        time.sleep(0.1)
    raise AssertionError(f"waited {timeout_s} s for: {what}\nstatus: {status}\n{more()}")


class Coordinator:
    """`distml serve` in a process of its own. host_link and join_link carry tokens; url does not.

    source: another checkout to run from.
    """

    def __init__(self, folder: Path, *options: str, source: Path | None = None):
        self.log = folder / "serve.log"
        command = [sys.executable, "-m", "distml_server", "serve", "--port", "0", "--run-dir", str(folder / "runs")]
        with self.log.open("w") as log:
            paths = os.pathsep.join([f"{source}/src", f"{source}/server"]) if source else ""
            environment = os.environ | ({"PYTHONPATH": paths} if paths else {})
            self.process = subprocess.Popen([*command, *options], stdout=log, stderr=subprocess.STDOUT, env=environment)
        self.host_link, self.join_link = self._links()
        self.url = self.host_link.split("#")[0]

    def _links(self) -> tuple[str, str]:
        """The two links it prints, once it listens."""
        deadline = time.monotonic() + LISTENING_S
        while time.monotonic() < deadline:
            said = self.log.read_text()
            if "Ctrl+C" in said:  # its last line
                links = list(dict.fromkeys(re.findall(r"http://[\w.:\[\]-]+/#t=[\w-]+", said)))
                return links[0], links[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the coordinator did not start:\n{self.log.read_text()}")

    def worker(self, *options: str, link: str = "") -> subprocess.Popen[bytes]:
        """A headless worker on the join link; what it says waits in its stdout."""
        command = [sys.executable, "-m", "distml_server", "worker", link or self.join_link, *options]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + "api/status", timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def until(self, what: str, holds: Holds, timeout_s: float = 60) -> dict[str, Any]:
        """The first status for which holds(status). Fails with the last status and the log."""
        return first_status(what, self.status, holds, timeout_s, lambda: f"log:\n{self.log.read_text()}")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
