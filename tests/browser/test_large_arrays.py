"""Arrays larger than a texture on a real WebGL2, whose bridge says that its textures are small."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

import op_examples


class Lab(Protocol):
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    def run(self, source: str) -> Any: ...


SIDE = 64  # a texture of 16,384 numbers
SETUP = """
import json, js, sys
import numpy as np
if "/lab" not in sys.path: sys.path.insert(0, "/lab")
import distml_py as dm
from distml_py import engine
from distml_py.backends.webgl import WebGLBackend
from distml_py.backends.reference import ReferenceBackend
from distml_py.browser import JsBridge
from distml_py.errors import BackendError
from op_examples import numbers

class Small(JsBridge):
    def __init__(self, **limits):
        super().__init__(js.bridge)
        plain = self.limits
        self.limits = lambda: json.dumps(json.loads(plain()) | limits)

F = dm.nn.functional

def results(call, arrays):
    inputs = [dm.tensor(array, requires_grad=array.dtype == np.float32) for array in arrays]
    outs = op_examples.listed(call(*inputs))
    floats = [out for out in outs if out.is_floating_point() and out.requires_grad]
    if floats:
        sum((out * out * (0.5 + n)).sum() for n, out in enumerate(floats)).backward()
    return [out.detach().numpy() for out in outs] + [x.grad.numpy() for x in inputs if x.grad is not None]

import op_examples
index = np.random.RandomState(3).randint(0, 290, 20_001).astype(np.int32)
x = numbers(290, 301)  # five textures and a bit
CASES = {
    "there and back": (lambda x: x + 0, (numbers(5 * 16_384 + 3),)),
    "a chain": (lambda x: [(x * 2 + x.flip(0)).exp(), x + 1], (x,)),
    "reductions": (lambda x: [x.sum(), x.sum(0), x.sum(1), x.amax(1), x.argmax(0), x.mean()], (x,)),
    "few long rows": (lambda x: [x.sum(0), x.sum(1)], (numbers(2, 40_001),)),
    "a product": (lambda x, y: x @ y, (numbers(301, 40), numbers(40, 303))),
    "a wider product": (lambda x, y: x @ y, (numbers(401, 40), numbers(40, 405))),
    "a product of turned matrices": (lambda x, y: x.t() @ y, (numbers(900, 90), numbers(900, 91))),
    "a product of few rows": (lambda x, y: x @ y, (numbers(3, 7), numbers(7, 30_001))),
    "slices": (lambda x: [x[::2, 3:290], x[5:].flip(1), x.t() * 2], (x,)),
    "gather": (lambda x, n: x.gather(0, n.reshape(-1, 1).expand(20_001, 301)[:280]), (x, index)),
    "rows": (lambda x, n: x[n[:500]], (x, index)),
    "an embedding": (lambda w, n: F.embedding(n, w), (numbers(3000, 33), index[:4001])),
    "softmax": (lambda x: [x.softmax(1), x.log_softmax(0)], (x,)),
    "a norm": (lambda x: F.layer_norm(x, (301,)), (x,)),
    "a convolution": (lambda x, w: F.conv2d(x, w, padding=1), (numbers(9, 5, 50, 50), numbers(7, 5, 3, 3))),
    "joined": (lambda x: [dm.cat([x, x * 2], 1), dm.stack([x, x + 1])], (x,)),
    "integers": (lambda n: [n * 3 + 1, n[:60_000].sum(), n.float() * 0.5, n > 45_000], (np.arange(90_001, dtype=np.int32),)),
}
"""


@pytest.fixture(scope="module")
def page(new_lab: Callable[[], Lab]) -> Lab:
    opened = new_lab()
    opened.run("import pathlib\npathlib.Path('/lab').mkdir()\n'0'")
    opened.run(f"import pathlib\npathlib.Path('/lab/op_examples.py').write_text({Path(op_examples.__file__).read_text()!r})\n'0'")
    return opened


def test_arrays_five_times_as_large_as_a_texture_give_what_the_reference_backend_gives(page: Lab) -> None:
    found = page.run(
        SETUP
        + f"""
faults, stacked, blocks = {{}}, 0, 0
for name, (call, arrays) in CASES.items():
    small = WebGLBackend(Small(max_texture_size={SIDE}))
    sides = []
    seen = []
    for backend in (small, ReferenceBackend()):
        engine.use_backend(backend)
        seen.append(results(call, arrays))
    rooms = {{place.layout for place in small._pool._all.values()}}
    assert all(max(room.width, room.height) <= {SIDE} for room in rooms)
    stacked += any(room.stack >= 5 for room in rooms)
    blocks += any(room.stack > 1 and room.layers > room.stack for room in rooms)
    for n, (mine, meant) in enumerate(zip(*seen, strict=True)):
        near = np.allclose(mine, meant, rtol=2e-5, atol=4e-6 * max(1, np.abs(meant).max()))
        if mine.shape != meant.shape or mine.dtype != meant.dtype or not near:
            faults[f"{{name}}, array {{n}}"] = int((mine != meant).sum())
engine.use_backend("reference")
json.dumps([faults, stacked, blocks, len(CASES)])
"""
    )
    faults, stacked, blocks, cases = found
    assert faults == {}
    assert stacked == cases and blocks >= 3, "as large as meant; products wrote blocks into stacks"


def test_numbers_of_a_stack_come_back_later_and_after_a_lost_gpu(page: Lab) -> None:
    found = page.run(
        SETUP
        + f"""
engine.use_backend(WebGLBackend(Small(max_texture_size={SIDE})))
host = numbers(290, 301)
x = dm.tensor(host)
later = engine.fetch_later((x * 2).node)
first = bool((later.result() == host * 2).all())
js.bridge.lose()
second = bool(((x + 1).numpy() == host + 1).all())
engine.use_backend("reference")
json.dumps([first, second])
"""
    )
    assert found == [True, True]


def test_an_array_of_more_layers_than_there_are_is_an_error_that_says_how_much_there_is(page: Lab) -> None:
    found = page.run(
        SETUP
        + f"""
engine.use_backend(WebGLBackend(Small(max_texture_size={SIDE}, max_array_layers=4)))
fits = (dm.arange(4 * 16_384) * 2).sum().item()
try:
    text = str((dm.arange(4 * 16_384 + 1) * 2).realize())
except BackendError as error:
    text = str(error)
engine.use_backend("reference")
json.dumps([fits, text])
"""
    )
    fits, text = found
    assert fits == 4 * 16_384 * (4 * 16_384 - 1) - 2**32  # int32 arithmetic goes round
    assert "in a texture of 64 x 64 and 5 layers; this GPU's go up to 64 x 64 and 4 layers (0.2 MiB)" in text
    assert "use a smaller batch or model" in text
