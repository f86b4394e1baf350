"""Gradients on WebGL2 against the reference backend where shapes, views and numbers are awkward; and how exact long sums are."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

import distml_py as dm
import gradient_cases
import op_examples
from distml_py import differentiation
from distml_py.op import TABLE
from test_webgl_ops import JUDGE

PART = 100  # cases a call into the page


class Lab(Protocol):
    def run(self, source: str) -> Any: ...


@pytest.fixture(scope="module")
def gpu(lab: Lab) -> Lab:
    """The page of this module, with the cases in it."""
    lab.run("import pathlib\npathlib.Path('/lab').mkdir()\n'0'")
    for module in (op_examples, gradient_cases):
        source = Path(module.__file__).read_text()
        lab.run(f"import pathlib\npathlib.Path('/lab/{module.__name__}.py').write_text({source!r})\n'0'")
    return lab


@pytest.mark.parametrize("kind", gradient_cases.CASES)
def test_values_and_gradients_are_the_reference_backends(gpu: Lab, kind: str) -> None:
    faults: dict[str, str] = {}
    for first in range(0, len(gradient_cases.CASES[kind]), PART):
        part = f"gradient_cases.CASES[{kind!r}][{first}:{first + PART}]"
        faults |= gpu.run(JUDGE + f"import gradient_cases\njson.dumps({{n: f for n, f in verdicts({part}).items() if f}})")
    assert faults == {}


def test_every_derivative_is_among_the_cases() -> None:
    """A new row goes red here until a case passes a gradient through it."""
    passed: set[str] = set()
    for case in (case for cases in gradient_cases.CASES.values() for case in cases):
        tensors = [dm.Tensor(array, requires_grad=array.dtype == np.float32) for array in case.inputs]
        leads = {id(tensor.node) for tensor in tensors if tensor.requires_grad}
        for node in differentiation.order([out.node for out in op_examples.listed(case.call(dm, *tensors))]):
            if node.op.name != "detach" and any(id(parent) in leads for parent in node.inputs):
                leads.add(id(node))
                passed.add(node.op.name)
    elsewhere = {"cast"}  # WebGL2 has one floating-point dtype
    assert sorted({name for name, op in TABLE.items() if op.vjp is not None} - passed - elsewhere) == []


# The bound: (16 + log2(n)) roundings of the sum of the absolute values, that of a sum in pairs of blocks of 16 added in a row
# (Higham 2002, section 4.2). All 10^6 tenths in a row would be off by 160,000 roundings; so would 256 at a time be, by 140.
LONG = """
import math
numbers_of = {
    "uniform": lambda n: np.random.RandomState(0).rand(n),
    "of both signs": lambda n: np.random.RandomState(1).randn(n),
    "tenths": lambda n: np.full(n, 0.1),
    "one and many tiny ones": lambda n: np.where(np.arange(n) == 0, 1.0, 2.0**-25),
    "alternating": lambda n: np.where(np.arange(n) % 2, -1.0, 1.0) * (1 + np.arange(n) * 1e-7),
}
found = {}
for n in (10**6, 10**7):
    for name, make in numbers_of.items():
        array = make(n).astype(np.float32)
        wide = array.astype(np.float64)
        x = dm.tensor(array, requires_grad=True)
        total = x.sum()
        total.backward()
        found[f"{name}, {n}"] = abs(total.item() - wide.sum()) / np.abs(wide).sum() * 2**24 / (16 + math.log2(n))
        if n == 10**6:
            assert (x.grad.numpy() == 1).all()
            for dim in (0, 1):
                sums = x.detach().reshape(1000, 1000).sum(dim).numpy()
                error = np.abs(sums - wide.reshape(1000, 1000).sum(dim)) / np.abs(wide).reshape(1000, 1000).sum(dim)
                found[f"{name}, along {dim}"] = error.max() * 2**24 / (16 + math.log2(1000))
        mean = x.detach().mean().item()
        found[f"mean of {name}, {n}"] = abs(mean - wide.mean()) / np.abs(wide).mean() * 2**24 / (17 + math.log2(n))
json.dumps(found)
"""


def test_long_sums_are_as_exact_as_sums_in_pairs_of_blocks(gpu: Lab) -> None:
    shares = gpu.run(JUDGE + LONG)
    assert {name: share for name, share in shares.items() if not share <= 1} == {}


def test_a_product_of_a_million_random_terms_keeps_the_same_bound(gpu: Lab) -> None:
    share = gpu.run(
        JUDGE
        + """
import math
x, y = (np.random.RandomState(n).rand(1, 2**20).astype(np.float32) for n in (0, 1))
wide = (x.astype(np.float64) * y).sum()
json.dumps(float(abs((dm.tensor(x) @ dm.tensor(y).t()).item() - wide) / wide * 2**24 / (64 + 21)))
"""
    )
    assert share <= 1
