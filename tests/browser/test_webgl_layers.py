"""Layers and functions of torch.nn on WebGL, forward and backward, judged by the reference backend."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

import functional_examples
import layer_cases
import op_examples
from test_webgl_ops import JUDGE

pytestmark = pytest.mark.browser
PART = 40


class Lab(Protocol):
    def run(self, source: str) -> Any: ...


def page(new_lab: Callable[[], Lab]) -> Lab:
    lab = new_lab()
    lab.run("import pathlib\npathlib.Path('/lab').mkdir()\n'0'")
    for module in (op_examples, functional_examples, layer_cases):
        path = Path(module.__file__)
        lab.run(f"import pathlib\npathlib.Path('/lab/{path.name}').write_text({path.read_text()!r})\n'0'")
    return lab


def faults(lab: Lab, table: str) -> Any:
    found = f"json.dumps({{name: fault for name, fault in verdicts({table}).items() if fault}})"
    return lab.run(JUDGE + "import functional_examples, layer_cases\n" + found)


@pytest.mark.parametrize("first", range(0, len(functional_examples.EXAMPLES), PART))
def test_functions_give_what_the_reference_backend_gives(new_lab: Callable[[], Lab], first: int) -> None:
    assert faults(page(new_lab), f"functional_examples.EXAMPLES[{first}:{first + PART}]") == {}


def test_layers_give_what_the_reference_backend_gives(new_lab: Callable[[], Lab]) -> None:
    assert faults(page(new_lab), "layer_cases.CASES") == {}
