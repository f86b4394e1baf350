"""NATS servers of a test's own, on loopback, at ports that are free. No tests here."""

import contextlib
import shutil
import socket
import subprocess
import time
from pathlib import Path

STARTED_S = 20.0


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def program() -> str:
    """The nats-server of this machine. Debian's package puts it where only root looks."""
    found = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/sbin:/sbin")
    assert found is not None, "these tests start nats-server themselves: `apt-get install nats-server`, as `nox -s cluster` does"
    return found


class Servers:
    """One server, or several that keep everything together."""

    def __init__(self, folder: Path, count: int = 1, monitor: int = 0, password: str = "") -> None:
        """monitor: the port at which the first tells of itself over HTTP; password: of the user "distml"; "": none is wanted."""
        self._monitor, self._password = monitor, password
        self.ports, self._routes = free_ports(count), free_ports(count)
        self.folders = [folder / f"nats{number}" for number in range(count)]
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * count
        for number in range(count):
            self.start(number)

    @property
    def url(self) -> str:
        return ",".join(f"nats://127.0.0.1:{port}" for port in self.ports)

    def start(self, number: int) -> None:
        folder = self.folders[number]
        folder.mkdir(parents=True, exist_ok=True)
        command = [program(), "-js", "-a", "127.0.0.1", "-p", str(self.ports[number]), "-sd", str(folder), "-n", f"n{number}"]
        if self._monitor and number == 0:
            command += ["-m", str(self._monitor)]
        if self._password:
            command += ["--user", "distml", "--pass", self._password]
        if len(self.ports) > 1:
            routes = ",".join(f"nats://127.0.0.1:{port}" for port in self._routes)
            command += ["-cluster_name", "tests", "-cluster", f"nats://127.0.0.1:{self._routes[number]}", "-routes", routes]
        with open(folder / "log.txt", "a") as log:
            self.processes[number] = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + STARTED_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.ports[number]), 1):
                return
            time.sleep(0.02)
        raise AssertionError(f"nats-server did not start:\n{(folder / 'log.txt').read_text()}")

    def kill(self, number: int) -> None:
        process = self.processes[number]
        assert process is not None
        process.kill()
        process.wait()
        self.processes[number] = None

    def stop(self) -> None:
        for process in self.processes:
            if process is not None:
                process.kill()
                process.wait()
