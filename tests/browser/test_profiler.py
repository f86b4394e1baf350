"""profile() on WebGL2: every draw of a training step is timed, and the step computes what it computed before."""

from typing import Any, Protocol


class Lab(Protocol):
    def run(self, source: str) -> Any: ...


STEP = """
import json
import numpy as np
import distml_py as dm
from distml_py import engine, nn, optim

def weights(watched):
    dm.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x, labels = dm.tensor(np.linspace(-1, 1, 256, dtype=np.float32).reshape(4, 1, 8, 8)), dm.tensor([0, 1, 2, 3])
    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()
    step()
    before = engine.backend().stats()["draws"]
    p = None
    if watched:
        with dm.profile() as p:
            step()
    else:
        step()
    return [v.tolist() for v in model.state_dict().values()], p, engine.backend().stats()["draws"] - before

plain, _, draws = weights(False)
seen, p, again = weights(True)
json.dumps({
    "same": plain == seen, "draws": draws, "again": again, "rows": sum(row.draws for row in p.rows), "ms": p.ms,
    "kernels": sorted({row.kernel for row in p.rows}), "ops": sorted({row.op for row in p.rows}),
    "bytes": min(row.bytes for row in p.rows), "lines": sorted({row.line for row in p.rows}),
})
"""


def test_every_draw_is_timed_and_nothing_else_changes(lab: Lab) -> None:
    found = lab.run(STEP)
    assert found["same"]
    assert found["rows"] == found["draws"] == found["again"] > 5
    assert found["ms"] > 0 and found["bytes"] > 0
    assert {"Convolution", "WeightGradient", "Product", "Map"} <= set(found["kernels"])
    assert {"conv2d", "conv2d_weight", "matmul"} <= set(found["ops"])
    assert any(line.startswith("<exec>:") for line in found["lines"])
