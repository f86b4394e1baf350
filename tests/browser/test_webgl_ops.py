"""WebGL2 in a real Chromium against the reference backend, both in the tab: every example call, and what only a GPU can get wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import op_examples
import pytest


class Lab(Protocol):
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    def run(self, source: str) -> Any: ...


PART = 100  # examples a call into the page
CASES = [example.name for example in op_examples.EXAMPLES]

# In the tab: judged(example) -> "" or what is wrong. GLSL allows exp, log, pow and sin a few more bits of error than
# NumPy has, hence 1e-4 of the largest number; integers and booleans are exact, NaN and infinities in their places.
JUDGE = """
import json, sys
import numpy as np
if "/lab" not in sys.path: sys.path.insert(0, "/lab")
import op_examples, distml_py as dm
from distml_py import browser, engine
from distml_py.backends.reference import ReferenceBackend

if not hasattr(op_examples, "gpu"):
    op_examples.gpu, op_examples.cpu = engine.backend(), ReferenceBackend()
    assert op_examples.gpu.on_gpu
gpu, cpu = op_examples.gpu, op_examples.cpu

def on(backend, work):
    before = engine.backend()
    engine.use_backend(backend)
    try:
        return work()
    finally:
        engine.use_backend(before)

def difference(found, wanted):
    if (found is None) != (wanted is None):
        return f"found {found}, wanted {wanted}"
    if found is None:
        return ""
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return f"found {found.dtype} {found.shape}, wanted {wanted.dtype} {wanted.shape}"
    if found.dtype.kind != "f":
        same = np.array_equal(found, wanted)
    else:
        finite = np.abs(wanted[np.isfinite(wanted)])
        same = np.allclose(found, wanted, rtol=1e-5, atol=2e-6 * max(1.0, finite.max(initial=0)), equal_nan=True)
    return "" if same else f"found {found.ravel()[:12]}, wanted {wanted.ravel()[:12]}"

def judged(example):
    try:
        found, wanted = (on(b, lambda: op_examples.evaluate(dm, example, example.inputs)) for b in (gpu, cpu))
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:1500]}"
    names = [f"output {n}" for n in range(len(found[0]))] + [f"gradient {n}" for n in range(len(found[1]))]
    faults = [difference(a, b) for a, b in zip(found[0] + found[1], wanted[0] + wanted[1], strict=True)]
    return "; ".join(f"{name}: {fault}" for name, fault in zip(names, faults) if fault)
"""


def run(lab: Lab, source: str) -> Any:
    return lab.run(JUDGE + source)


@pytest.fixture(scope="module")
def gpu(lab: Lab) -> Lab:
    """The page of this module, with the examples in it."""
    source = Path(op_examples.__file__).read_text()
    lab.run(f"import pathlib\npathlib.Path('/lab').mkdir()\npathlib.Path('/lab/op_examples.py').write_text({source!r})\n'0'")
    return lab


@pytest.fixture(scope="module")
def verdicts(gpu: Lab) -> dict[str, str]:
    """What is wrong with each example, "" when nothing is."""
    found: dict[str, str] = {}
    for first in range(0, len(CASES), PART):
        found |= run(gpu, f"json.dumps({{e.name: judged(e) for e in op_examples.EXAMPLES[{first}:{first + PART}]}})")
    return found


@pytest.mark.parametrize("name", CASES)
def test_an_example_gives_what_the_reference_backend_gives(verdicts: dict[str, str], name: str) -> None:
    assert verdicts[name] == ""
