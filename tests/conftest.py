"""What several folders of tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from faults import FaultTable
from served import Coordinator

settings.register_profile("chaos", max_examples=500)  # pytest --hypothesis-profile=chaos


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ux", action="store_true", help="print the page's features and whether their tests pass")

    parser.addoption("--faults", choices=("R", "S"), help="only tests of docs/faults.md's rows of this letter; prints each row")
    parser.addoption("--chaos", action="store_true", help="also tests marked chaos, which take their time")
    parser.addoption("--long", action="store_true", help="tests of faults repeat as often, and last as long, as they should")


TABLE = pytest.StashKey[FaultTable]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLE] = FaultTable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright's synchronous API leaves an event loop running in this thread."""
    items.sort(key=lambda item: "/browser/" in item.path.as_posix())
    kind = config.getoption("--faults")
    others = [item for item in items if item.get_closest_marker("chaos") and not (kind == "R" or config.getoption("--chaos"))]
    if kind:
        others += [item for item in items if not any(name.startswith(kind) for name in rows_of(item))]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What a row tries with random numbers it tries with ten kinds of them under `--faults R`, which is `nox -s chaos`."""
    if "dice_seed" in metafunc.fixturenames:
        metafunc.parametrize("dice_seed", range(10 if metafunc.config.getoption("--faults") == "R" else 1))


@pytest.fixture
def often(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """How often something is to be tried: (usually, with --long)."""
    return lambda usual, long: long if request.config.getoption("--long") else usual


def rows_of(item: pytest.Item) -> list[str]:
    return [str(name) for mark in item.iter_markers("fault") for name in mark.args]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    names = rows_of(item)
    if names and (report.when == "call" or report.failed):
        item.config.stash[TABLE].note(names, item.nodeid, report.passed)
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    kind = config.getoption("--faults")
    if kind:
        terminalreporter.section("rows of docs/faults.md")
        for line in config.stash[TABLE].lines(kind):
            terminalreporter.write_line(line)


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
