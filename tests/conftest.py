"""What several folders of tests share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from served import Coordinator

settings.register_profile("chaos", max_examples=500)  # pytest --hypothesis-profile=chaos


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ux", action="store_true", help="print the page's features and whether their tests pass")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright's synchronous API leaves an event loop running in this thread."""
    items.sort(key=lambda item: "/browser/" in item.path.as_posix())


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[Coordinator]:
    """A coordinator of its own, without a run."""
    served = Coordinator(tmp_path)
    yield served
    served.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Any]:
    """serve(*options): as many coordinators as a test asks for, each in its own folder."""
    started: list[Coordinator] = []

    def start(*options: str) -> Coordinator:
        folder = tmp_path / f"coordinator{len(started)}"
        folder.mkdir()
        started.append(Coordinator(folder, *options))
        return started[-1]

    yield start
    for served in started:
        served.stop()
