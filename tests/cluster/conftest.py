"""Servers and names that tests of a cluster share. `nox -s cluster` runs this folder; `nox -s tests` does not look into it."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import Cluster
from servers import Servers
from test_processes import end

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """One server for all tests that do no harm to it."""
    servers = Servers(tmp_path_factory.mktemp("nats"))
    yield servers
    servers.stop()


@pytest.fixture
def name() -> str:
    """A cluster of this test's own."""
    return f"test{next(_numbers)}"


@pytest.fixture
def own(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Servers]:
    """Servers that a test may kill: three, where it says so, else one."""
    servers = Servers(tmp_path, getattr(request, "param", 1))
    yield servers
    servers.stop()


@pytest.fixture
def cluster(tmp_path: Path, own: Servers) -> Iterator[Cluster]:
    found = Cluster(tmp_path, own.url)
    yield found
    end(found.processes)
