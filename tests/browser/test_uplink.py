"""Gradients encoded on a real WebGL2: the codecs' bytes, and no more than those is read back, at once."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from distml_py import Tensor
from distml_py.recipe import Training, load_recipe

RECIPES = Path(__file__).parents[2] / "web" / "recipes"


class Lab(Protocol):
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    def run(self, source: str) -> Any: ...


ENCODED = """
import json
import numpy as np
import distml_py as dm
from distml_py import codecs, engine
from distml_py.manifest import Manifest
from distml_py.uplink import Uplink

rng = np.random.default_rng(0)
manifest = Manifest({"weight": (170, 141), "bias": (7,)})
codec = codecs.UP[CODEC]
way, host = Uplink(CODEC, manifest, True), codecs.Feedback(codec, manifest.size)
bridge = engine.backend()._bridge
read, report = bridge.read, {"steps": [], "read": []}

def counted(texture, columns, rows, kind):
    report["read"].append(columns * rows * 16)
    return read(texture, columns, rows, kind)

bridge.read = counted
for number in range(5):
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in manifest.shapes.items()}
    grads = {name: dm.tensor(array) * 1.0 for name, array in arrays.items()}
    engine.realize([grad.node for grad in grads.values()])
    report["read"].clear()
    parts = way.encode(str(number), grads, 1.0)
    report["bytes"] = list(report["read"])
    wanted = host.encode(manifest.join(arrays), str(number))
    found, meant = (codec.decode(each, manifest.size) for each in (parts, wanted))
    report["steps"].append([list(parts) == list(wanted), float((found != meant).mean()), float(np.abs(found - meant).max())])
report["rest"] = float(np.abs(way._rest.numpy() - host.rest).max())
report["quantum"] = float(np.abs(found).max() / 127)
report["size"] = manifest.size

def textures(rounds):
    for number in range(rounds):
        way.encode(f"again {number}", grads, 1.0)
    return dm.memory()["textures"]

report["textures"] = [textures(20), textures(40)]
bridge.read = read
json.dumps(report)
"""


@pytest.mark.parametrize(("codec", "bytes_each"), [("fp16", 2), ("int8", 1), ("topk", 0.06)])
def test_a_gradient_is_encoded_on_the_gpu_as_on_the_host(lab: Lab, codec: str, bytes_each: float) -> None:
    found = lab.run(f"CODEC = {codec!r}\n{ENCODED}")
    for alike, share, furthest in found["steps"]:  # what stands at a half, or where one lets in, may go the other way
        assert alike and share < (0.01 if codec == "int8" else 0.001), found
        assert furthest <= (5.0 if codec == "topk" else 1.01 * found["quantum"]), found
    (read,) = found["bytes"]
    assert 0 < read < 1.5 * bytes_each * found["size"], found  # with the edges of textures; float32 would be 4 a number
    assert found["textures"][0] == found["textures"][1], "what is left over is kept once"
    assert found["rest"] <= (5.0 if codec == "topk" else 1.01 * found["quantum"]), found


TRAINED = """
import json
import numpy as np
import distml_py as dm
from distml_py import codecs, engine
from distml_py.manifest import Manifest
from distml_py.recipe import Training, load_recipe
from distml_py.uplink import Uplink

bridge = engine.backend()._bridge
read, bytes_read = bridge.read, []

def counted(texture, columns, rows, kind):
    bytes_read.append(columns * rows * 16)
    return read(texture, columns, rows, kind)

def trained(on_gpu, rounds=8):
    training = Training(load_recipe("digits_mlp", SOURCE), 0)
    manifest = Manifest({name: tensor.shape for name, tensor in training.parameters.items()})
    way, weights, textures = Uplink("topk", manifest, on_gpu), manifest.join(training.weights()), 0
    for step in range(rounds):
        training.load_weights(manifest.part(weights))
        bytes_read.clear()
        _, moved = training.local(step, 1, 0, 64, way.owed(step))
        parts = way.encode(str(step), moved, 1.0)
        weights = weights - codecs.UP["topk"].decode(parts, manifest.size)
        if step == rounds - 3:
            textures = dm.memory()["textures"]
    return weights, sum(bytes_read), manifest.size, dm.memory()["textures"] - textures

bridge.read = counted
(host, whole, size, _), (gpu, part, _, grown) = trained(False), trained(True)
bridge.read = read
off, moved = float(np.abs(host - gpu).max()), float(np.abs(host).max())
json.dumps({"off": off, "moved": moved, "read": [whole, part], "size": size, "grown": grown})
"""


def test_a_tab_that_owes_most_of_its_steps_never_reads_them_back(lab: Lab) -> None:
    """With topk a step begins at the weights less what is owed, and that stays on the GPU as well."""
    found = lab.run(f"SOURCE = {(RECIPES / 'digits_mlp.py').read_text()!r}\n{TRAINED}")
    whole, part = found["read"]
    assert whole >= 4 * found["size"] and part < found["size"], found
    assert found["off"] < 1e-4 * found["moved"] and found["grown"] == 0, found


CHANGED = """
import json
import numpy as np
from distml_py import Tensor
from distml_py.recipe import Training, load_recipe

training = Training(load_recipe("digits_mlp", SOURCE), 0)
begun, found = training.weights(), []
for ahead in (None, AHEAD):
    for again in range(2):  # the second time all but the first step is replayed
        training.load_weights(begun)
        loss, moved = training.local(0, 5, 0, 16, ahead and Tensor(np.array(ahead, np.float32)))
        found.append([loss, np.concatenate([part.numpy().reshape(-1) for part in moved.values()]).tolist()])
json.dumps(found)
"""


def test_several_steps_of_its_own_change_weights_in_a_tab_as_they_do_on_numpy(lab: Lab) -> None:
    """Also from weights ahead of the run's; what they were before is not what the optimizer writes over."""
    source = (RECIPES / "digits_mlp.py").read_text()
    training = Training(load_recipe("digits_mlp", source), 0)
    begun = training.weights()
    ahead = np.random.default_rng(0).standard_normal(sum(array.size for array in begun.values())).astype(np.float32) / 50
    wanted = []
    for first in (None, Tensor(ahead)):
        for _ in range(2):
            training.load_weights(begun)
            loss, moved = training.local(0, 5, 0, 16, first)
            wanted.append((loss, np.concatenate([part.numpy().reshape(-1) for part in moved.values()])))
    found = lab.run(f"SOURCE = {source!r}\nAHEAD = {ahead.tolist()}\n{CHANGED}")
    for (loss, moved), (wanted_loss, wanted_moved) in zip(found, wanted, strict=True):
        assert abs(loss - wanted_loss) < 1e-4, (loss, wanted_loss)
        assert np.abs(np.array(moved) - wanted_moved).max() < 1e-3 * np.abs(wanted_moved).max()
