"""Means, variances and sums of exponentials as the GPU finds them: exact far from 0, and right for rows without end."""

from typing import Any, Protocol

import pytest

from test_webgl_ops import JUDGE, equipped


class Lab(Protocol):
    def run(self, source: str) -> Any: ...


@pytest.fixture(scope="module")
def gpu(lab: Lab) -> Lab:
    return equipped(lab)


# rows (or columns) of these lengths, of spread 1 around the mean; found: shares of the bounds
FAR = """
F = dm.nn.functional
found = {}
for mean in (0.0, 1e4, -1e4):
    for n in (2, 5, 129, 256, 521, 5000):
        x = (np.random.RandomState(n).randn(n, 3) + mean).astype(np.float32)
        wide = x.astype(np.float64)
        seen = dm.zeros(3), dm.zeros(3)
        y = F.batch_norm(dm.tensor(x), *seen, None, None, True, 1.0, 0.0).numpy()
        away = np.abs(seen[0].numpy() - wide.mean(0)).max()
        found[f"mean of {n} around {mean}"] = away * 2**24 / (8 * np.abs(x).max())
        found[f"variance of {n} around {mean}"] = np.abs(seen[1].numpy() / wide.var(0, ddof=1) - 1).max() / 1e-5
        wanted = (wide - wide.mean(0)) / wide.std(0)
        bound = 8 * 2.0**-24 * np.abs(x).max() / wide.std(0).min() + 1e-5 * np.abs(wanted).max()
        found[f"batch_norm of {n} around {mean}"] = np.abs(y - wanted).max() / bound
for first in (1e3, 1e6):
    x = np.random.RandomState(3).randn(1000, 2).astype(np.float32)
    x[0] = first
    seen = dm.zeros(2), dm.zeros(2)
    F.batch_norm(dm.tensor(x), *seen, None, None, True, 1.0, 0.0).realize()
    found[f"variance after {first}"] = np.abs(seen[1].numpy() / x.astype(np.float64).var(0, ddof=1) - 1).max() / 2.5e-4
json.dumps({name: float(share) for name, share in found.items()})
"""


def test_moments_are_exact_however_large_the_mean_is(gpu: Lab) -> None:
    """The mean within 8 roundings of the largest number, the variance within 1e-5; 2.5e-4 where the first one is far away."""
    shares = gpu.run(JUDGE + FAR)
    assert {name: share for name, share in shares.items() if not share <= 1} == {}


ENDLESS = """
inf, nan = np.inf, np.nan
rows = [[-inf] * 3, [inf, 0, 1], [nan, 0, 1], [-inf, 0, 1], [-inf, -inf, 5], [inf, inf, -inf], [0, nan, inf], [1e30, -1e30, 0]]
faults = {}
for times in (1, 2, 200):
    x = np.tile(np.array(rows, np.float32), (1, times))
    for name in ("softmax", "log_softmax", "logsumexp"):
        call = lambda lib, x, name=name: getattr(x, name)(1)
        faults[f"{name} of {times}"] = judged(op_examples.Example(name, call, (x,), differentiable=False))
x = np.random.RandomState(0).randn(3, 900).astype(np.float32)
x[0, :600], x[1, 300:] = -inf, -inf
call = lambda lib, x: (x.softmax(1), x.log_softmax(1), x.logsumexp(1))
faults["masked parts"] = judged(op_examples.Example("masked parts", call, (x,), differentiable=False))
json.dumps({name: fault for name, fault in faults.items() if fault})
"""


def test_rows_without_end_are_the_reference_backends(gpu: Lab) -> None:
    assert gpu.run(JUDGE + ENDLESS) == {}
