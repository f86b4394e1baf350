"""Gradients quantised on a real WebGL2: int8's bytes, and no more than those and the scales are read back."""

from typing import Any, Protocol


class Lab(Protocol):
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    def run(self, source: str) -> Any: ...


QUANTISED = """
import json
import numpy as np
import distml_py as dm
from distml_py import codecs, engine
from distml_py.manifest import Manifest
from distml_py.uplink import Uplink

rng = np.random.default_rng(0)
manifest = Manifest({"weight": (70, 41), "bias": (7,)})
way, host = Uplink("int8", manifest, True), codecs.Feedback(codecs.UP["int8"], manifest.size)
bridge = engine.backend()._bridge
read, report = bridge.read, {"steps": [], "read": 0}

def counted(texture, columns, rows, kind):
    report["read"] += columns * rows * 16
    return read(texture, columns, rows, kind)

bridge.read = counted
for number in range(3):
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in manifest.shapes.items()}
    grads = {name: dm.tensor(array) * 1.0 for name, array in arrays.items()}
    engine.realize([grad.node for grad in grads.values()])
    report["read"] = 0
    parts = way.encode(str(number), grads, 1.0)
    report["bytes"] = report["read"]
    wanted = host.encode(manifest.join(arrays), str(number))
    off = np.abs(parts["codec/values"].astype(int) - wanted["codec/values"].astype(int))
    report["steps"].append([int(off.max()), float((off > 0).mean()),
                            float(np.abs(parts["codec/scales"] / wanted["codec/scales"] - 1).max())])
report["rest"] = float(np.abs(way._rest.numpy() - host.rest).max())
report["scale"] = float(parts["codec/scales"].max())
report["size"] = manifest.size

def textures(rounds):
    for number in range(rounds):
        way.encode(f"again {number}", grads, 1.0)
    return dm.memory()["textures"]

report["textures"] = [textures(20), textures(40)]
json.dumps(report)
"""


def test_a_gradient_is_quantised_on_the_gpu_as_on_the_host(lab: Lab) -> None:
    found = lab.run(QUANTISED)
    for furthest, share, scale in found["steps"]:
        assert furthest <= 1 and share < 0.01 and scale < 1e-5, found  # halves may go the other way
    assert 0 < found["bytes"] < 1.5 * found["size"], found  # with the edges of textures; float32 would be 4 a number
    assert found["textures"][0] == found["textures"][1], "what is left over is kept once"
    assert found["rest"] <= 1.01 * found["scale"], found
