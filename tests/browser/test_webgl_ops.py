"""WebGL2 in a real Chromium against the reference backend in the same tab: every example call, and what only a GPU gets wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

import op_examples
import programs


class Lab(Protocol):
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    def run(self, source: str) -> Any: ...


PART = 200  # examples a page
CASES = [example.name for example in op_examples.EXAMPLES]

# In the tab: verdicts(examples) -> {name: "" or what is wrong}. A read that waits costs more than most examples, so all the
# numbers of a batch are on their way while the next example is planned and the reference backend computes. Floats: within
# 1e-5 of the number and 2e-6 of the largest one, since GLSL allows exp, log and pow a few more bits of error than NumPy has;
# integers and booleans are exact.
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

def begun(example):
    # what will be its outputs and gradients, or what went wrong
    def later():
        outputs, gradients = op_examples.computed(dm, example, example.inputs)
        return [[None if t is None else (engine.fetch_later(t.node), t.dtype.numpy) for t in part] for part in (outputs, gradients)]
    try:
        return on(gpu, later)
    except Exception as error:
        return error

def verdict(example, coming):
    try:
        if isinstance(coming, Exception):
            raise coming
        found = [[None if its is None else its[0].result().astype(its[1], copy=False) for its in part] for part in coming]
        wanted = on(cpu, lambda: op_examples.evaluate(dm, example, example.inputs))
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:1500]}"
    names = [f"output {n}" for n in range(len(found[0]))] + [f"gradient {n}" for n in range(len(found[1]))]
    faults = [difference(a, b) for a, b in zip(found[0] + found[1], wanted[0] + wanted[1], strict=True)]
    return "; ".join(f"{name}: {fault}" for name, fault in zip(names, faults) if fault)

def verdicts(examples, batch=32):
    examples, found = list(examples), {}
    for first in range(0, len(examples), batch):
        part = examples[first : first + batch]
        coming = [begun(example) for example in part]
        found |= {example.name: verdict(example, its) for example, its in zip(part, coming)}
    return found

def judged(example):
    return verdicts([example])[example.name]
"""


def run(lab: Lab, source: str) -> Any:
    return lab.run(JUDGE + source)


def equipped(lab: Lab) -> Lab:
    """A page, with the examples in it."""
    lab.run("import pathlib\npathlib.Path('/lab').mkdir()\n'0'")
    for module in (op_examples, programs):
        path = Path(module.__file__)
        lab.run(f"import pathlib\npathlib.Path('/lab/{path.name}').write_text({path.read_text()!r})\n'0'")
    return lab


@pytest.fixture(scope="module")
def gpu(lab: Lab) -> Lab:
    """The page of this module."""
    return equipped(lab)


@pytest.fixture(scope="module")
def verdicts(new_lab: Callable[[], Lab]) -> dict[str, str]:
    """What is wrong with each example, "" when nothing is. No page sees all: thousands of programs wear a renderer out."""
    found: dict[str, str] = {}
    for first in range(0, len(CASES), PART):
        page = equipped(new_lab())
        found |= run(page, f"json.dumps(verdicts(op_examples.EXAMPLES[{first}:{first + PART}]))")
        page.page.close()
    return found


@pytest.mark.parametrize("name", CASES)
def test_an_example_gives_what_the_reference_backend_gives(verdicts: dict[str, str], name: str) -> None:
    assert verdicts[name] == ""


SIZES = [1, 3, 5, 17, 129, 4096, 4097, 70_000]
AT_SIZE = """
def calls(n):
    x = op_examples.positive(n)  # a sum near 0 would judge rounding alone
    square = op_examples.numbers(2, n) if n <= 129 else op_examples.numbers(2, 3)
    yield "map", lambda lib, x: x * 2 + x.flip(0), (x,)
    yield "sum", lambda lib, x: (x.sum(), x.mean(), x.amax(), x.argmax(0)), (x,)
    yield "slice", lambda lib, x: (x[n // 2 :: 3], x[: n - 1 : 2].flip(0)), (x,)
    yield "columns", lambda lib, x: (x.unsqueeze(1).expand(n, 3).t().sum(0), x.reshape(1, n).expand(2, n).sum(1)), (x,)
    yield "join", lambda lib, x: lib.cat([x[n // 3 :], x[: n // 3]]) * x, (x,)
    yield "gather", lambda lib, x, k: x[k], (x, op_examples.whole(7, low=0, high=n))
    yield "matmul", lambda lib, x: (x @ x.t(), x.t() @ x), (square,)

examples = []
for n in SIZES:
    for name, call, inputs in calls(n):
        examples.append(op_examples.Example(f"{name} of {n}", call, inputs))
json.dumps({name: fault for name, fault in verdicts(examples).items() if fault})
"""


def test_sizes_that_do_not_fill_texels_or_rows_are_right(gpu: Lab) -> None:
    assert run(gpu, AT_SIZE.replace("SIZES", str(SIZES))) == {}


def test_places_beyond_what_a_float_holds_are_exact(gpu: Lab) -> None:
    """Beyond 2**21 quotients are of ints, beyond 2**24 comparisons, too. Sums of ones miss none and meet none twice."""
    found = run(
        gpu,
        """
pad = dm.nn.functional.pad
found = []
for n in (2**21 + 3, 2**24 + 5):
    ones = dm.full((n,), 1, dtype=dm.int32)
    found.append([(pad(ones, (1, 1)) if cut else ones).sum().item() - n for cut in (True, False)])
x = dm.arange(3 * (2**20 + 1), dtype=dm.int32).reshape(3, 2**20 + 1)
found.append([int(np.abs(t.numpy() - on(cpu, lambda: x.numpy()).T).max()) for t in (x.t() + 0, pad(x.t(), (0, 1))[:, :3] + 0)])
json.dumps(found)
""",
    )
    assert found == [[0, 0], [0, 0], [0, 0]]


def test_a_loop_over_more_numbers_than_floats_count_ends(gpu: Lab) -> None:
    found = run(gpu, "json.dumps(dm.arange(2**24 + 3).realize().argmax().item())")
    assert found == 2**24 + 2


PROGRAMS = 12  # each compiles dozens of shaders; a software renderer's process holds a few thousand in all
CHOICES = 30  # about eight steps a program


def test_random_programs_give_what_the_reference_backend_gives(gpu: Lab) -> None:
    faults = run(
        gpu,
        f"""
import programs
faults = {{}}
for seed in range({PROGRAMS}):
    choices = np.random.RandomState(seed).randint(0, 720, {CHOICES}).tolist()
    try:
        found, wanted = (on(b, lambda: programs.run(choices)) for b in (gpu, cpu))
        texts = [difference(a, b) for a, b in zip(found, wanted, strict=True)]
        fault = "; ".join(f"array {{n}}: {{text}}" for n, text in enumerate(texts) if text)
    except Exception as error:
        fault = f"{{type(error).__name__}}: {{str(error)[:1500]}}"
    if fault:
        faults[seed] = fault
json.dumps(faults)
""",
    )
    assert faults == {}


def test_an_image_ends_where_its_rows_end_whatever_lies_behind_them(gpu: Lab) -> None:
    faults = run(
        gpu,
        """
def settled(tensor):
    engine.realize([tensor.node])
    return tensor

conv2d = dm.nn.functional.conv2d
CALLS = {
    "a cut image": lambda lib, x, w: conv2d(x[..., :5], w, padding=1),
    "a convolution": lambda lib, x, w: conv2d(conv2d(x[..., 1:6], w, padding=1), w, padding=1),
    "what was drawn before": lambda lib, x, w: conv2d(settled(x[0:1, 0:1, 0:1, :5].exp()), w[:1, :1], padding=1),
    "what was drawn before, read twice": lambda lib, x, w: conv2d(y := x[..., :5].exp().sin().cos(), w, padding=1).sum() + y.sum(),
}
inputs = op_examples.numbers(2, 2, 8, 8), op_examples.numbers(2, 2, 3, 3, seed=1)
faults = verdicts(op_examples.Example(name, call, inputs) for name, call in CALLS.items())
json.dumps({name: fault for name, fault in faults.items() if fault})
""",
    )
    assert faults == {}


def test_a_fold_and_what_follows_it_may_read_the_same_number(gpu: Lab) -> None:
    faults = run(
        gpu,
        """
call = lambda lib, table, index: table[index] * index.sum(1, keepdim=True)
fault = judged(op_examples.Example("x", call, (op_examples.numbers(4), np.array([[0], [2], [1]], np.int32))))
json.dumps(fault)
""",
    )
    assert faults == ""


def test_random_bits_are_the_same_on_both_backends(gpu: Lab) -> None:
    faults = run(
        gpu,
        """
def draw(seed):
    dm.manual_seed(seed)
    uniform, odd, integers = dm.rand(70_000), dm.rand(3, 5), dm.randint(-5, 1000, (999,))
    with dm.random.training_step(seed, 7, 5):
        dropped = dm.nn.functional.dropout(dm.ones(6, 50), 0.3)
    normal, coin = dm.randn(1001), dm.bernoulli(dm.full((500,), 0.2))
    return [t.numpy() for t in (uniform, odd, integers, dropped, coin, normal)]

faults = []
for seed in (0, 1, 2**31 + 5, 2**32 - 1):
    *found, normal = on(gpu, lambda: draw(seed))
    *wanted, other = on(cpu, lambda: draw(seed))
    faults += [f"seed {seed}: array {n}" for n, (a, b) in enumerate(zip(found, wanted)) if a.tobytes() != b.tobytes()]
    faults += [difference(normal, other)] if difference(normal, other) else []
json.dumps(faults)
""",
    )
    assert faults == []


def test_integers_beyond_2_to_the_24_are_exact(gpu: Lab) -> None:
    faults = run(
        gpu,
        """
big = np.array([2**24 + 1, 2**24 + 3, 2**31 - 1, -(2**31), -(2**24) - 1, 12345, -7], np.int32)
CALLS = {
    "sums": lambda lib, x: (x + 1, x - 1, -x, x + x.flip(0), x.sum(), x[4:6].sum()),
    "products": lambda lib, x: (x * 3, x[:2] * x[5:], x[:2].reshape(1, 2) @ lib.tensor([[3], [5]]).int()),
    "quotients": lambda lib, x: (x // 3, x % 1000, x // -16777217, x % -1000),
    "scalars": lambda lib, x: (x + 16777217, x * 0 + 2147483647, x * 0 + -2147483648, x.clamp(-16777217, 16777219)),
    "comparisons": lambda lib, x: (x == 16777217, x < 16777219, x > x.flip(0), x.amax(), x.argmax(), x.max(0)[0]),
    "choices": lambda lib, x: (lib.where(x > 0, x, 16777217), x.masked_fill(x < 0, 16777219)),
    "moves": lambda lib, x: (x.flip(0), x[1::2], lib.cat([x, x]), lib.nn.functional.pad(x, (1, 1), value=16777217)),
    "gather": lambda lib, x: x[lib.tensor([2, 0, 3])],
    "scatter": lambda lib, x: lib.zeros(2, dtype=lib.int32).scatter_add(0, lib.tensor([1, 0, 1]), x[[0, 5, 1]]),
    "ranges": lambda lib, x: (lib.arange(16777215, 16777230), lib.arange(5, dtype=lib.int32) * 16777217),
}
faults = verdicts(op_examples.Example(name, lambda lib, x, call=call: call(lib, x.int()), (big,)) for name, call in CALLS.items())
json.dumps({name: fault for name, fault in faults.items() if fault})
""",
    )
    assert faults == {}


def test_a_label_out_of_range_reads_nan_and_never_a_neighbour(gpu: Lab) -> None:
    found = run(
        gpu,
        """
scores, labels = dm.arange(12).float().reshape(3, 4), dm.tensor([0, 4, 1]) + 0
found = (scores[dm.arange(3), labels], scores[labels], scores.gather(1, labels.unsqueeze(1)), dm.arange(4)[labels])
json.dumps([repr(t.numpy().tolist()) for t in found])
""",
    )
    nan = "[nan, nan, nan, nan]"
    assert found[0] == "[0.0, nan, 9.0]"
    assert found[1] == f"[[0.0, 1.0, 2.0, 3.0], {nan}, [4.0, 5.0, 6.0, 7.0]]"
    assert found[2:] == ["[[0.0], [nan], [9.0]]", "[0, -2147483648, 1]"]


TRAIN = """
class Small(dm.Recipe):
    batch_size = 32
    def data(self):
        return dm.data.digits()
    def model(self):
        nn = dm.nn
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(36, 10))
    def optimizer(self, parameters):
        return dm.optim.Adam(parameters, lr=0.01)
"""


def test_textures_stay_flat_over_200_training_steps_and_nothing_is_computed_on_the_cpu(gpu: Lab) -> None:
    found = run(
        gpu,
        TRAIN
        + """
import gc
gc.disable()
try:
    training = dm.recipe.Training(Small(), 0)
    seen, cpu_ops, plans = [], 0, []
    for step in range(200):
        training.step(step)
        cpu_ops += training.last["cpu_ops"]
        seen.append([gpu.stats()["textures"], gpu.stats()["texture_bytes"]])
        plans.append(engine.counters().plans)
finally:
    gc.enable()
json.dumps({"seen": seen, "cpu_ops": cpu_ops, "new_plans": plans[-1] - plans[9], "loss": training.evaluate("train")[0]})
""",
    )
    assert found["seen"][10] == found["seen"][199]
    assert found["cpu_ops"] == found["new_plans"] == 0
    assert found["loss"] < 1.0


def test_training_goes_the_way_it_goes_on_the_reference_backend(gpu: Lab) -> None:
    found = run(
        gpu,
        TRAIN
        + """
def losses():
    training = dm.recipe.Training(Small(), 3)
    return [training.step(step) for step in range(8)] + list(training.evaluate("validation"))
json.dumps([on(gpu, losses), on(cpu, losses)])
""",
    )
    assert found[0] == pytest.approx(found[1], rel=1e-3)
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)


def test_arrays_move_between_backends(gpu: Lab) -> None:
    found = run(
        gpu,
        """
x = dm.tensor([1.0, 2.0]) * 2
first = x.numpy().tolist()
second = on(cpu, lambda: (x + 1).numpy().tolist())
json.dumps([first, second, (x * 2).numpy().tolist()])
""",
    )
    assert found == [[2, 4], [3, 5], [4, 8]]


def error_of(lab: Lab, source: str) -> str:
    """The BackendError or DtypeError that an expression raises."""
    found: str = run(
        lab,
        f"""
from distml_py.errors import BackendError, DtypeError
try:
    text = "no error: " + repr({source})
except (BackendError, DtypeError) as error:
    text = type(error).__name__ + ": " + str(error)
json.dumps(text)
""",
    )
    return found


def test_float64_is_refused_with_what_to_try(gpu: Lab) -> None:
    told = error_of(gpu, "[x := dm.ones(3) * 2, x.numpy(), (x.double() + 1).numpy()]")
    assert "has no float64; convert with .float() or use the reference backend" in told


def test_float64_of_the_host_is_read_and_converted_there(gpu: Lab) -> None:
    found = run(
        gpu,
        """
s = np.arange(10.0)
windows = [(dm.tensor(s[i : i + 4]), dm.tensor(s[i + 4])) for i in range(6)]
x, y = next(iter(dm.data.DataLoader(windows, batch_size=6)))
json.dumps([(dm.tensor(s[:3]) + 1).tolist(), (x.float() * 2).sum().item(), y.float().sum().item()])
""",
    )
    assert found == [[1, 2, 3], 192, 39]


def test_a_kernel_that_does_not_compile_shows_its_numbered_source(gpu: Lab) -> None:
    run(
        gpu,
        """
from distml_py.op import TABLE, Elementwise
op_examples.broken = TABLE.get("broken") or Elementwise("broken", np.negative, glsl="no_such_function({0})")
'0'
""",
    )
    found = error_of(gpu, "dm.Tensor(dm.graph.apply(op_examples.broken, dm.ones(3).node)).numpy()")
    assert found.startswith("BackendError: WebGL2:") and "shader failed" in found
    lines = found.splitlines()
    assert any(line.strip().startswith("1  #version 300 es") for line in lines)
    assert any("no_such_function(" in line and line.strip()[0].isdigit() for line in lines)
