"""Servers and names that tests of a cluster share. `nox -s cluster` runs this folder; `nox -s tests` does not look into it."""

import itertools
from collections.abc import Iterator

import pytest

from servers import Servers

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
