"""Long attention on a real WebGL2: NumPy's numbers, and no array of scores on the GPU."""

from typing import Any, Protocol


class Lab(Protocol):
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    def run(self, source: str) -> Any: ...


LONG = """
import json, js
import numpy as np
import distml_py as dm
from distml_py import engine
from distml_py.backends.webgl import WebGLBackend
from distml_py.browser import JsBridge
from distml_py.functions import attention

heads, length, width = 6, 1024, 16
rng = np.random.RandomState(0)
arrays = [rng.randn(heads, length, width).astype(np.float32) for _ in range(4)]
gpu, rule = engine.backend(), attention.stores_scores

def trained():
    # the output, the gradients, and all that a new pool of textures has lent for them
    engine.use_backend(WebGLBackend(JsBridge(js.bridge)))
    inputs = [dm.tensor(array, requires_grad=True) for array in arrays[:3]]
    out = dm.nn.functional.scaled_dot_product_attention(*inputs)
    (out * dm.tensor(arrays[3])).sum().backward()
    found = [out, *(x.grad for x in inputs)]
    engine.realize([x.node for x in found])
    return [x.detach().numpy() for x in found], dm.memory()["bytes"]

try:
    found, bytes_ = trained()
    attention.stores_scores = lambda *sizes: True
    _, composed_bytes = trained()
finally:
    attention.stores_scores = rule
    engine.use_backend(gpu)

q, k, v, g = (array.astype(np.float64) for array in arrays)
wrong = [0.0] * 4
for head in range(heads):
    weights = np.exp(q[head] @ k[head].T / 4)
    weights /= weights.sum(1, keepdims=True)
    sent = g[head] @ v[head].T
    slopes = weights * (sent - (weights * sent).sum(1, keepdims=True)) / 4
    wanted = (weights @ v[head], slopes @ k[head], slopes.T @ q[head], weights.T @ g[head])
    for number, (mine, array) in enumerate(zip(found, wanted)):
        wrong[number] = max(wrong[number], float(np.abs(mine[head] - array).max() / np.abs(array).max()))
json.dumps({"wrong": wrong, "bytes": bytes_, "composed": composed_bytes, "scores": 4 * heads * length * length})
"""


def test_long_attention_is_numpys_and_its_scores_are_never_stored(lab: Lab) -> None:
    found = lab.run(LONG)
    assert max(found["wrong"]) < 1e-5, found
    assert found["bytes"] < found["scores"] / 2, found
    assert found["composed"] > found["scores"] * 2, found
