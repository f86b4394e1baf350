"""The surface on WebGL2 in a real Chromium against the reference backend in the same tab: one shape of each call."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

import op_examples
import surface_examples
from test_webgl_ops import JUDGE


class Lab(Protocol):
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    def run(self, source: str) -> Any: ...


PART = 130  # examples a page
# of the same call at several shapes one is drawn here; test_surface.py has them all, kernel by kernel
SHAPE = re.compile(r"^(?P<call>[a-z_0-9 ]+?) (?P<shape>\(.*)$")
KEPT = re.compile(r"\((5,|3, 1\) \(1, 4|2, 3, 4\) (1 True|None False)|3, 5\) 1|129,|2, 40|3, 17\) 1)")
WIDE = "a wide 0-d tensor"  # of float64, which WebGL2 has not
CASES = [e.name for e in surface_examples.EXAMPLES if (not SHAPE.match(e.name) or KEPT.search(e.name)) and e.name != WIDE]


def judged(new_lab: Callable[[], Lab], names: list[str]) -> dict[str, str]:
    """What is wrong with each example, "" when nothing is. No page sees all: thousands of programs wear a renderer out."""
    found: dict[str, str] = {}
    for first in range(0, len(names), PART):
        page = new_lab()
        page.run("import pathlib\npathlib.Path('/lab').mkdir()\n'0'")
        for module in (op_examples, surface_examples):
            path = Path(module.__file__)
            page.run(f"import pathlib\npathlib.Path('/lab/{path.name}').write_text({path.read_text()!r})\n'0'")
        part = names[first : first + PART]
        found |= page.run(
            JUDGE
            + f"import surface_examples, warnings\nwarnings.simplefilter('ignore')\nnames = {part!r}\n"
            + "json.dumps(verdicts(e for e in surface_examples.EXAMPLES if e.name in names))"
        )
        page.page.close()  # type: ignore[attr-defined]
    return found


@pytest.fixture(scope="module")
def verdicts(new_lab: Callable[[], Lab]) -> dict[str, str]:
    return judged(new_lab, CASES)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_call_gives_what_the_reference_backend_gives(verdicts: dict[str, str], name: str) -> None:
    assert verdicts[name] == ""
