"""Example calls: every row of the op table and every function composed of them. All judges of an op read this one list.

Besides the library NumPy alone is needed, so the list also runs in a tab. A call is written in PyTorch's words and takes
(lib, *tensors), where lib is distml_py or torch.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distml_py import differentiation, graph
from distml_py.op import TABLE
from distml_py.ops.atlas import PACK, PART, Spot
from distml_py.tensor import made

Call = Callable[..., Any]


@dataclass(frozen=True)
class Example:
    """smooth: central differences apply, no kink or jump is near the inputs. differentiable: backward() may be asked.

    twin: how torch says it, where its words differ; torch: False where it has no words for it.
    """

    name: str
    call: Call
    inputs: tuple[np.ndarray, ...]
    smooth: bool = True
    differentiable: bool = True
    twin: Call | None = None
    torch: bool = True


EXAMPLES: list[Example] = []


def example(name: str, call: Call, *inputs: np.ndarray, **flags: Any) -> None:
    assert all(name != other.name for other in EXAMPLES), f"two examples are called {name}"
    EXAMPLES.append(Example(name, call, inputs, **flags))


# ---------------------------------------------------------------- inputs


def numbers(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """Float32 numbers, evenly spread in random order: none is 0, none is met twice, nor again under another seed."""
    count = math.prod(shape)
    places = np.random.RandomState(seed).permutation(count) + 0.37 + 0.11 * seed
    return (low + (high - low) * places / max(count, 1)).reshape(shape).astype(np.float32)


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    return numbers(*shape, low=0.3, high=3.0, seed=seed)


def whole(*shape: int, low: int = -6, high: int = 7, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(low, high, shape).astype(np.int32)


def truths(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).rand(*shape) < 0.5


def cotangent(shape: Sequence[int]) -> np.ndarray:
    """What an output's numbers weigh in the loss that is differentiated."""
    return numbers(*shape, seed=4)


# ---------------------------------------------------------------- how a judge runs an example


def listed(found: Any) -> list[Any]:
    return list(found) if isinstance(found, (tuple, list)) else [found]


def loss_of(lib: Any, outputs: Sequence[Any]) -> Any:
    """One number that every floating-point output moves; None when there is none."""
    parts = [out * lib.tensor(cotangent(tuple(out.shape)), dtype=out.dtype) for out in outputs if out.requires_grad]
    return sum(part.sum() for part in parts) if parts else None


def evaluate(lib: Any, example: Example, inputs: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """(outputs, gradients): one gradient an input, None where none is asked or none arrives. Integers are int64."""
    outputs, gradients = computed(lib, example, inputs)
    found = [None if gradient is None else gradient.numpy() for gradient in gradients]
    return [out.numpy() for out in outputs], found


def computed(lib: Any, example: Example, inputs: Sequence[np.ndarray]) -> tuple[list[Any], list[Any]]:
    """evaluate() whose numbers are still where they were computed."""
    tensors = [lib.tensor(array.astype(np.int64) if array.dtype == np.int32 else array) for array in inputs]
    wanted = [tensor for tensor in tensors if tensor.is_floating_point() and example.differentiable]
    for tensor in wanted:
        tensor.requires_grad_()
    call = example.twin if example.twin and lib.__name__ == "torch" else example.call
    outputs = listed(call(lib, *tensors))
    loss = loss_of(lib, outputs)
    if loss is not None:
        loss.backward()
    if hasattr(lib, "engine"):  # all at once, as a training step does
        grads = [tensor.grad for tensor in wanted if tensor.grad is not None]
        lib.engine.realize(tensor.node for tensor in (*outputs, *grads))
    gradients = [None if tensor.grad is None else tensor.grad.detach() for tensor in tensors]
    return [out.detach() for out in outputs], gradients


# ---------------------------------------------------------------- element-wise

UNARY: dict[str, tuple[Call, Call]] = {
    "neg": (lambda lib, x: -x, numbers),
    "exp": (lambda lib, x: x.exp(), numbers),
    "log": (lambda lib, x: x.log(), positive),
    "sqrt": (lambda lib, x: x.sqrt(), positive),
    "rsqrt": (lambda lib, x: x.rsqrt(), positive),
    "reciprocal": (lambda lib, x: x.reciprocal(), positive),
    "sin": (lambda lib, x: x.sin(), numbers),
    "cos": (lambda lib, x: x.cos(), numbers),
    "tanh": (lambda lib, x: x.tanh(), numbers),
    "sigmoid": (lambda lib, x: x.sigmoid(), numbers),
    "erf": (lambda lib, x: x.erf(), numbers),
    "relu": (lambda lib, x: x.relu(), numbers),
    "abs": (lambda lib, x: abs(x), numbers),
    "sign": (lambda lib, x: x.sign(), numbers),
    "floor": (lambda lib, x: x.floor(), lambda *shape: numbers(*shape, low=-2.03, high=1.98)),
    "square": (lambda lib, x: x.square(), numbers),
}
SHAPES = [(), (1,), (5,), (0,), (2, 3), (1, 17), (3, 0, 2), (2, 1, 3, 1)]
for name, (call, make) in UNARY.items():
    for shape in SHAPES:
        example(f"{name} {shape}", call, make(*shape))

# rows of their own, each judged at fewer shapes; surface_examples.py has their edges. name -> the range
MORE_UNARY: dict[str, tuple[float, float]] = {
    **{name: (-2, 2) for name in ("exp2", "expm1", "atan", "sinh", "cosh", "asinh", "erfc", "trunc", "round")},
    **{name: (-0.9, 0.9) for name in ("asin", "acos", "atanh", "erfinv", "log1p")},
    **{"log2": (0.3, 3), "log10": (0.3, 3), "acosh": (1.2, 4)},
}
for name, (low, high) in MORE_UNARY.items():
    example(f"{name} (3, 5)", lambda lib, x, name=name: getattr(x, name)(), numbers(3, 5, low=low, high=high))
MORE_BINARY: dict[str, Call] = {
    "atan2": lambda lib, x, y: x.atan2(y),
    "hypot": lambda lib, x, y: x.hypot(y),
    "fmod": lambda lib, x, y: (x * 3).fmod(y),
}
for name, call in MORE_BINARY.items():
    example(f"{name} (3, 1) (5,)", call, numbers(3, 1), numbers(5, seed=1))
example("softplus (3, 5)", lambda lib, x: lib.nn.functional.softplus(x), numbers(3, 5, low=-3, high=3))
example("isnan", lambda lib, x: x.isnan(), np.array([1, math.nan, math.inf], np.float32))
example("bits of numbers", lambda lib, x, y: (x & y, x | y, x ^ y, x << 2, x >> 1), whole(9, 1), whole(5, seed=1))

BINARY: dict[str, Call] = {
    "add": lambda lib, x, y: x + y,
    "sub": lambda lib, x, y: x - y,
    "mul": lambda lib, x, y: x * y,
    "div": lambda lib, x, y: x / y,
    "maximum": lambda lib, x, y: x.maximum(y),
    "minimum": lambda lib, x, y: lib.minimum(x, y),
    "pow": lambda lib, x, y: x.abs() ** y,
    "remainder": lambda lib, x, y: x % (y.abs() + 2.1),
    "where": lambda lib, x, y: lib.where(x < y, x * 2, y),
}
PAIRS = [
    ((3, 4), (3, 4)),
    ((3, 1), (1, 4)),
    ((4,), (3, 4)),
    ((3, 4), (4,)),
    ((), (2, 3)),
    ((2, 3), ()),
    ((2, 1, 3), (5, 1)),
    ((0, 3), (1, 3)),
    ((1, 3), (0, 1)),
    ((1,), (1,)),
    ((), ()),
]
for name, call in BINARY.items():
    for one, two in PAIRS:
        example(f"{name} {one} {two}", call, numbers(*one), numbers(*two, seed=1))

COMPARISONS: dict[str, Call] = {
    "eq": lambda lib, x, y: x == y,
    "ne": lambda lib, x, y: x != y,
    "lt": lambda lib, x, y: x < y,
    "le": lambda lib, x, y: x <= y,
    "gt": lambda lib, x, y: x > y,
    "ge": lambda lib, x, y: x >= y,
}
for name, call in COMPARISONS.items():
    example(f"{name} of ints", call, whole(4, 1, high=2, low=-2), whole(5, low=-2, high=2, seed=1))
    example(f"{name} of floats", call, whole(4, 1, high=2, low=-2).astype(np.float32), numbers(5))
    example(f"{name} of int and float", call, whole(4, 1, high=2, low=-2), whole(5, low=-2, high=2).astype(np.float32))
    example(f"{name} of bools", call, truths(3, 1), truths(7, seed=1))
    example(f"{name} of nothing", call, numbers(0, 2), numbers(2))
example("comparisons with numbers", lambda lib, x: (x < 1, x <= 0.5, x > -1, x >= 0, x == 2, x != 2, 1 < x), whole(3, 5))

for name, call in BINARY.items():
    if name not in ("pow", "remainder"):
        example(f"{name} of ints", call, whole(3, 1), whole(5, low=1, seed=1))
        example(f"{name} of int and float", call, whole(3, 1), numbers(5))
        if name != "sub":  # with truths there is none
            example(f"{name} of int and bool", call, whole(3, 1), truths(5))
INTEGERS: dict[str, Call] = {
    "neg": lambda lib, x: -x,
    "abs": lambda lib, x: x.abs(),
    "sign": lambda lib, x: x.sign(),
    "relu": lambda lib, x: x.relu(),
    "floor": lambda lib, x: x.floor(),
    "square": lambda lib, x: x.square(),
    "small powers": lambda lib, x: (x**1, x**2, x**3, x**4),
    "powers": lambda lib, x: (x**0, x**5, x**7),
    "float functions": lambda lib, x: (x.exp(), x.sin(), x.cos(), x.tanh(), x.sigmoid()),
    "numbers": lambda lib, x: (x + 1, 1 - x, x * 3, x / 4, x // 4, x % 4, x + 0.5, 2.5 * x),
    "clamp": lambda lib, x: (x.clamp(-2, 3), x.clamp(min=0), x.clamp(max=1)),
    "casts": lambda lib, x: (x.float(), x.bool(), x.int(), x.long()),
}
for name, call in INTEGERS.items():
    example(f"{name} of ints", call, whole(3, 5))
example("floor_divide of ints", lambda lib, x, y: x // y, whole(9, 1), np.array([-7, -3, -2, -1, 1, 2, 3, 7], np.int32))
example("remainder of ints", lambda lib, x, y: x % y, whole(9, 1), np.array([-7, -3, -2, -1, 1, 2, 3, 7], np.int32))
example("floor_divide", lambda lib, x, y: x // y, numbers(3, 5), positive(5), differentiable=False)
example("slope of floor_divide", lambda lib, x, y: x // y + x, numbers(3, 5), positive(5), torch=False)  # PyTorch has no derivative
example("division by a number", lambda lib, x: (x // 0.7, x % 0.7, x / 0.7), numbers(3, 5), differentiable=False)
example(
    "negative divisors",
    lambda lib, x, y: (x // y, x % y),
    numbers(3, 5, low=-9, high=9),
    numbers(5, low=-3.1, high=-0.2),
    differentiable=False,
)

example("and", lambda lib, x, y: x & y, truths(3, 1), truths(5, seed=1))
example("or", lambda lib, x, y: x | y, truths(3, 1), truths(5, seed=1))
example("not", lambda lib, x: (~x, x.logical_not()), truths(3, 5))
example("not of floats", lambda lib, x: x.logical_not(), whole(3, 5, low=-1, high=2).astype(np.float32))
example("sums of bools", lambda lib, x: (x.sum(), x.sum(0), x + 1, x * 2.5, x.float().mean()), truths(3, 5))
example("all and any", lambda lib, x: (x.all(), x.any(), x.all(1), x.any(0), x.all(0, keepdim=True)), truths(3, 5))
example("all and any of nothing", lambda lib, x: (x.all(), x.any(), x.all(0), x.any(1)), truths(0, 3))
example("casts of bools", lambda lib, x: (x.float(), x.int(), x.bool()), truths(3, 5))
example("largest of bools", lambda lib, x: (x.amax(0), x.amin(1), x.amax()), truths(3, 5))
example("casts", lambda lib, x: (x.int(), x.bool(), x.long()), numbers(3, 5))
example("cast to float32", lambda lib, x: (x * 3).float().exp(), numbers(3, 5), smooth=False)
example("floats read as integers", lambda lib, x: x.float().view(lib.int32), numbers(3, 5), differentiable=False)
example(
    "integers read as floats",
    lambda lib, x: x.int().view(lib.float32),
    whole(3, 5, low=1, high=9) * 100_000_000,
    differentiable=False,
)
example("isfinite", lambda lib, x: x.isfinite(), np.array([1, math.nan, math.inf, -math.inf, 0], np.float32))

example("scalar on the right", lambda lib, x: (x + 2, x - 1.5, x * 3, x / 2, x**3, x**-1.5, x**0), positive(2, 5))
example("scalar on the left", lambda lib, x: (2 + x, 1.5 - x, 3 * x, 2 / x, 2**x, 1.5**x), numbers(2, 5))
example("scalar maximum", lambda lib, x: (x.clamp(min=0.3), x.clamp(max=0.2), x.clamp(-0.9, 1.1)), numbers(2, 7))
example("powers of negatives", lambda lib, x: (x**2, x**3, x**4), numbers(2, 5))
example("named arithmetic", lambda lib, x, y: (x.add(y), x.sub(y), x.mul(y), x.div(y), x.neg()), numbers(3), numbers(3, seed=1))
example("named comparisons", lambda lib, x, y: (x.eq(y), x.ne(y), x.lt(y), x.le(y), x.gt(y), x.ge(y)), whole(9), whole(9, seed=1))
example("pow of tensors", lambda lib, x, y: x.pow(y), positive(3, 1), numbers(4))
example("masked_fill", lambda lib, x, m: x.masked_fill(m, -1.5), numbers(3, 4), truths(3, 4))
example(
    "where with numbers",
    lambda lib, c, x: (lib.where(c, x, 0.5), lib.where(c, 0.5, x), lib.where(c, 1.0, 0.0)),
    truths(3, 1),
    numbers(4),
)
example("where of ints and a number", lambda lib, c, x: lib.where(c, x, 3), truths(3, 1), whole(4))
example("lib.maximum", lambda lib, x, y: lib.maximum(x, y), numbers(3, 1), numbers(4, seed=1))
example("detach", lambda lib, x: x * x.detach(), numbers(3, 4), smooth=False)
example("used many times", lambda lib, x: (x + x) * x - x / (x * x + 1), numbers(3, 4))
example("a long chain", lambda lib, x: [x := (x * 1.01).sin() + 0.1 for _ in range(60)][-1], numbers(3, 5))

# kinks: torch says which subgradient PyTorch's users expect
TIES = np.array([0, 1, -1, 0, 1, 1], np.float32)
example("relu at 0", lambda lib, x: x.relu(), TIES, smooth=False)
example("abs at 0", lambda lib, x: x.abs(), TIES, smooth=False)
example("sign at 0", lambda lib, x: x.sign(), TIES, smooth=False)
example("clamp on the limits", lambda lib, x: x.clamp(0, 1), TIES, smooth=False)
example("maximum of equals", lambda lib, x, y: (x.maximum(y), x.minimum(y)), TIES, TIES[::-1].copy(), smooth=False)
example("amax of equals", lambda lib, x: (x.amax(), x.amin(), x.max(), x.min()), TIES, smooth=False)
example("max along equals", lambda lib, x: (*x.max(0), *x.min(0)), TIES.reshape(3, 2), smooth=False)
example("leaky_relu at 0", lambda lib, x: lib.nn.functional.leaky_relu(x, 0.1), TIES, smooth=False)
example("powers at 0", lambda lib, x: (x**2, x**1, x**3, x**0, x**2.0), TIES, smooth=False)
example("0 ** y", lambda lib, x, y: x**y, np.zeros(3, np.float32), positive(3), smooth=False)

SPECIAL = np.array([math.nan, math.inf, -math.inf, 0.0, 1.0, -1.0, 3.5, 1e30, -1e30], np.float32)
for name, (call, _) in UNARY.items():
    if name not in ("sin", "cos"):
        example(
            f"{name} of NaN and infinities", call, SPECIAL, differentiable=False, torch=name != "sign"
        )  # NumPy: NaN, PyTorch: 0
example("sin and cos of NaN and infinities", lambda lib, x: (x.sin(), x.cos()), SPECIAL[:7], differentiable=False)
example("sin and cos far out", lambda lib, x: (x.sin(), x.cos()), numbers(101, low=-3000, high=3000), smooth=False)
example(
    "sin and cos near multiples of pi", lambda lib, x: (x.sin(), x.cos()), (np.arange(-8, 9) * (math.pi / 2)).astype(np.float32)
)
for name, call in {**BINARY, **COMPARISONS}.items():
    if name not in ("pow", "remainder"):
        example(f"{name} of NaN and infinities", call, SPECIAL[:, None], SPECIAL, differentiable=False)
example(
    "sums of NaN and infinities",
    lambda lib, x: (x.sum(0), x.mean(1), x.amax(0), x.amax(1), x.amin(1)),
    np.where(np.eye(9) > 0, SPECIAL, numbers(9, 9)).astype(np.float32),
    differentiable=False,
)
example(
    "argmax of NaN",
    lambda lib, x: (x.argmax(0), x.argmin(1)),
    np.where(np.eye(5, 3) > 0, np.nan, numbers(5, 3)).astype(np.float32),
    differentiable=False,
)
example("NaN stays in its part", lambda lib, x, y: lib.cat([x, y]), SPECIAL, numbers(4), differentiable=False)
example("clamp of NaN", lambda lib, x: (x.clamp(-1, 1), x.relu()), SPECIAL, differentiable=False)
example(
    "softmax of infinities",
    lambda lib, x: (x.softmax(0), x.log_softmax(0), x.logsumexp(0)),
    np.array([-math.inf, 1, 2, -math.inf], np.float32),
    differentiable=False,
)
example("logsumexp of -infinity", lambda lib, x: x.logsumexp(1), np.full((2, 3), -math.inf, np.float32), differentiable=False)
example("softmax of large numbers", lambda lib, x: (x.softmax(0), x.log_softmax(0)), np.array([1000, 1001, -1000], np.float32))
example(
    "erf far out", lambda lib, x: x.erf(), np.array([-80, -4.1, -0.93, 1e-7, 0.0, -1e-20, 0.92, 3.9, 12], np.float32), smooth=False
)
example(
    "softmax of NaN",
    lambda lib, x: (x.softmax(0), x.softmax(1)),
    np.where(np.eye(3, 5) > 0, np.nan, numbers(3, 5)),
    differentiable=False,
)
example("sigmoid far out", lambda lib, x: x.sigmoid(), np.array([-80, -30, -15, 15, 80], np.float32))

# ---------------------------------------------------------------- moves

MOVES: dict[str, tuple[Call, tuple[int, ...]]] = {
    "reshape": (lambda lib, x: (x.reshape(6, 4), x.reshape(-1), x.reshape((2, -1)), x.view(3, 8)), (2, 3, 4)),
    "reshape 0-d": (lambda lib, x: (x.reshape(1, 1), x.reshape(()), x.unsqueeze(0)), ()),
    "reshape of nothing": (lambda lib, x: (x.reshape(0), x.reshape(3, 0, 7), x.reshape(-1)), (2, 0, 3)),
    "flatten": (lambda lib, x: (x.flatten(), x.flatten(1), x.flatten(0, 1), x.flatten(-2)), (2, 3, 4)),
    "flatten 0-d": (lambda lib, x: x.flatten(), ()),
    "permute": (lambda lib, x: (x.permute(2, 0, 1), x.permute((1, 0, 2)), x.permute(-1, -2, -3)), (2, 3, 4)),
    "transpose": (lambda lib, x: (x.transpose(0, 2), x.transpose(-1, -2), x.mT), (2, 3, 4)),
    "t": (lambda lib, x: (x.t(), x.T), (2, 5)),
    "t of a vector": (lambda lib, x: x.t(), (5,)),
    "squeeze": (lambda lib, x: (x.squeeze(), x.squeeze(0), x.squeeze(1), x.squeeze((0, 2))), (1, 3, 1, 2)),
    "unsqueeze": (lambda lib, x: (x.unsqueeze(0), x.unsqueeze(-1), x.unsqueeze(1)), (2, 3)),
    "expand": (lambda lib, x: (x.expand(4, 2, 3), x.expand(-1, -1, 3), x.broadcast_to(5, 4, 2, 3)), (4, 2, 1)),
    "expand to nothing": (lambda lib, x: x.expand(2, 0), (2, 1)),
    "expand 0-d": (lambda lib, x: x.expand(3, 2), ()),
    "flip": (lambda lib, x: (x.flip(0), x.flip(1), x.flip(0, 2), x.flip((0, 1, 2)), x.flip(-1)), (2, 3, 4)),
    "flip of nothing": (lambda lib, x: x.flip(0, 1), (0, 3)),
    "contiguous": (lambda lib, x: x.permute(1, 0).contiguous() * 2, (2, 3)),
    "split": (lambda lib, x: (*x.split(2), *x.split([1, 4], 0), *x.split(3, 1)), (5, 4)),
    "chunk": (lambda lib, x: (*x.chunk(2), *x.chunk(3, 1), *x.chunk(7)), (5, 4)),
    "slice": (lambda lib, x: (x[1], x[1:3], x[:, 1], x[-1], x[..., -1], x[:, ::2], x[1:, 1:3, ::3]), (4, 5, 6)),
    "slice beyond": (lambda lib, x: (x[3:100], x[-100:2], x[4:2], x[5:]), (5, 2)),
    "slice with None": (lambda lib, x: (x[None], x[:, None], x[..., None], x[None, 1, None, 2:]), (3, 4)),
    "slice of slices": (lambda lib, x: (x[1:][::2], x[:, 1::2][:, 1], x[::2][1:, ::3][:, 1:]), (7, 8)),
    "pad": (lambda lib, x: [lib.nn.functional.pad(x, p, value=1.5) for p in ((1, 2), (0, 1, 2, 0), (1, 1, 1, 1, 1, 1))], (2, 3, 4)),
    "pad by less than nothing": (
        lambda lib, x: [lib.nn.functional.pad(x, p) for p in ((-1, 2), (0, -1, -1, 0), (-1, -1, 1, 1))],
        (4, 5),
    ),
    "pad of nothing": (lambda lib, x: lib.nn.functional.pad(x, (1, 1)), (2, 0)),
    "pad with infinity": (lambda lib, x: lib.nn.functional.pad(x, (1, 0), value=-math.inf).amax(1), (2, 3)),
    "cat": (lambda lib, x: (lib.cat([x, x * 2, x[:1]]), lib.cat([x, x[:, :1]], 1), lib.cat([x, x], -1)), (3, 4)),
    "cat with nothing": (lambda lib, x: (lib.cat([x, x[:0]]), lib.cat([x[:0], x], 0)), (3, 4)),
    "cat of many": (lambda lib, x: lib.cat([x[n : n + 1] * (n + 1) for n in range(20)]), (20, 3)),
    "stack": (lambda lib, x: (lib.stack([x, x * 2]), lib.stack([x, x.exp()], 1), lib.stack([x, x, x], -1)), (3, 4)),
    "stack 0-d": (lambda lib, x: lib.stack([x, x * 2]), ()),
    "iterate": (lambda lib, x: [row * 2 for row in x], (3, 4)),
}
for name, (call, shape) in MOVES.items():
    example(name, call, numbers(*shape))
example("cat of several dtypes", lambda lib, x, y: lib.cat([x, y]), numbers(3), whole(2))
example("cat of ints", lambda lib, x, y: lib.cat([x, y]), whole(3), whole(2))
example("stack of bools", lambda lib, x, y: lib.stack([x, y], 1), truths(3), truths(3, seed=1))
example("pad of ints", lambda lib, x: lib.nn.functional.pad(x, (1, 2), value=7), whole(2, 3))
example("moves of bools", lambda lib, x: (x.permute(1, 0), x[:, 1:], x.flip(0)), truths(3, 5))
example(
    "flipped and sliced",
    lambda lib, x: (x.flip(0), x.flip(0, 1)[::2, 1:4], x.flip(0)[1:4:2]),
    numbers(5, 6),
)

# ---------------------------------------------------------------- reductions

REDUCED: list[tuple[tuple[int, ...], Any, bool]] = [
    ((), None, False),
    ((5,), None, False),
    ((5,), 0, False),
    ((2, 3, 4), None, False),
    ((2, 3, 4), 0, False),
    ((2, 3, 4), 1, True),
    ((2, 3, 4), -1, False),
    ((2, 3, 4), (0, 2), False),
    ((2, 3, 4), (0, 1, 2), True),
    ((1, 1), (0,), True),
    ((3, 129), 1, False),
    ((129, 3), 0, False),
]
for shape, dim, keep in REDUCED:
    label = f"{shape} dim={dim}{' keepdim' if keep else ''}"
    example(
        f"sum {label}", lambda lib, x, dim=dim, keep=keep: x.sum(dim, keepdim=keep) if dim is not None else x.sum(), numbers(*shape)
    )
    example(
        f"mean {label}",
        lambda lib, x, dim=dim, keep=keep: x.mean(dim, keepdim=keep) if dim is not None else x.mean(),
        numbers(*shape),
    )
    example(
        f"amax {label}",
        lambda lib, x, dim=dim, keep=keep: x.amax(dim or (), keepdim=keep) if dim is None else x.amax(dim, keepdim=keep),
        numbers(*shape),
    )
    example(
        f"amin {label}",
        lambda lib, x, dim=dim, keep=keep: x.amin(dim, keepdim=keep) if dim is not None else x.amin(),
        numbers(*shape),
    )
    if dim is None or isinstance(dim, int):
        example(
            f"argmax {label}",
            lambda lib, x, dim=dim, keep=keep: (x.argmax(dim, keepdim=keep), x.argmin(dim, keepdim=keep)),
            numbers(*shape),
        )
    if isinstance(dim, int):
        example(
            f"max {label}",
            lambda lib, x, dim=dim, keep=keep: (*x.max(dim, keepdim=keep), *x.min(dim, keepdim=keep)),
            numbers(*shape),
        )
    if dim is not None:
        example(f"logsumexp {label}", lambda lib, x, dim=dim, keep=keep: x.logsumexp(dim, keepdim=keep), numbers(*shape))
example("sum of nothing", lambda lib, x: (x.sum(), x.sum(0), x.sum(1), x.sum((0, 1), keepdim=True)), numbers(0, 3))
example("sum of ints", lambda lib, x: (x.sum(), x.sum(0), x.amax(1), x.amin(0), x.argmax(1), x.max(1)[0]), whole(3, 5))
example("argmax of ties", lambda lib, x: (x.argmax(0), x.argmax(1), x.argmin(0), x.argmin()), whole(7, 9, low=0, high=2))
example("max of a 0-d tensor", lambda lib, x: (*x.max(0), *x.min(0), x.argmax(), x.argmax(0), x.softmax(0)), numbers())
example("sum of 300 numbers", lambda lib, x: (x.sum(1), x.sum(), x.amax(1), x.argmax(1)), numbers(2, 300))
example("variance", lambda lib, x: (x.var(), x.var(1), x.var(0, correction=0), x.std(1, keepdim=True), x.std()), numbers(4, 5))
example("variance over two", lambda lib, x: (x.var((0, 2)), x.std((1, 2), correction=0, keepdim=True)), numbers(3, 4, 2))
example(
    "reduce what was reduced",
    lambda lib, x: ((x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)).square().sum(0),
    numbers(4, 5),
)
for dim in (0, 1, -1):
    example(f"softmax {dim}", lambda lib, x, dim=dim: (x.softmax(dim), lib.nn.functional.softmax(x, dim)), numbers(3, 5))
    example(
        f"log_softmax {dim}", lambda lib, x, dim=dim: (x.log_softmax(dim), lib.nn.functional.log_softmax(x, dim)), numbers(3, 5)
    )
example(
    "a layer's norm",
    lambda lib, x, w: (x - x.mean(-1, keepdim=True)) * (x.var(-1, keepdim=True) + 1e-5).rsqrt() * w,
    numbers(2, 3, 5),
    numbers(5, seed=1),
)

# ---------------------------------------------------------------- products

for one, two in [
    ((2, 3), (3, 4)),
    ((1, 1), (1, 1)),
    ((5, 7), (7, 3)),
    ((4, 8), (8, 4)),
    ((3, 17), (17, 5)),
    ((5, 6), (6, 8)),
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((2, 4, 3), (2, 3, 5)),
    ((2, 1, 4, 3), (5, 3, 2)),
    ((2, 4, 3), (3, 5)),
    ((4, 3), (2, 3, 4)),
    ((3,), (2, 3, 4)),
    ((2, 4, 3), (3,)),
    ((0, 3), (3, 4)),
    ((2, 0), (0, 4)),
    ((2, 3), (3, 0)),
    ((0, 2, 3), (3, 4)),
]:
    example(f"matmul {one} {two}", lambda lib, x, y: (x @ y, lib.matmul(x, y)), numbers(*one), numbers(*two, seed=1))
# (m, k, n) of every pair of sizes around whole texels and blocks, with either factor turned
TAILS = (1, 3, 5, 8, 9, 17, 129)
for i, j in itertools.product(range(len(TAILS)), repeat=2):
    m, k, n = TAILS[i], TAILS[j], TAILS[(i + j) % len(TAILS)]
    left, right = (i + j // 2) % 2, j % 2
    example(
        f"matmul {m} {k} {n}{' left turned' * left}{' right turned' * right}",
        lambda lib, x, y, left=left, right=right: (x.t() if left else x) @ (y.t() if right else y),
        numbers(*((k, m) if left else (m, k))),
        numbers(*((n, k) if right else (k, n)), seed=1),
        smooth=max(m, k, n) < 129,  # central differences of so many would take long
    )
example(
    "matmul of a batch turned",
    lambda lib, x, y: (x.mT @ y, y.mT @ x, x.mT @ x),
    numbers(3, 9, 5),
    numbers(3, 9, 6, seed=1),
)
example("matmul of a chain of odd sizes", lambda lib, x, y: (x @ y) @ (x @ y).t(), numbers(3, 9), numbers(9, 5, seed=1))
# so long that the sum is cut into parts: few (added where they are read) and many (a draw of their own)
example("matmul in few parts", lambda lib, x, y: x @ y, numbers(3, 256), numbers(256, 5, seed=1), smooth=False)
example("matmul in many parts", lambda lib, x, y: (x @ y).relu(), numbers(2, 1024), numbers(1024, 2, seed=1), smooth=False)
example("matmul of a long sum by turned", lambda lib, x: x.t() @ x, numbers(768, 5), smooth=False)
example("matmul of ints", lambda lib, x, y: x @ y, whole(3, 5), whole(5, 4, seed=1))
example("matmul of ints turned", lambda lib, x, y: (x.t() @ y, y.t() @ x), whole(17, 9), whole(17, 6, seed=1))
example("matmul of ints in parts", lambda lib, x, y: x @ y, whole(3, 512), whole(512, 5, seed=1))
example("matmul of turned", lambda lib, x, y: (x.t() @ y, y.t() @ x, (x.t() @ y).t()), numbers(8, 4), numbers(8, 4, seed=1))
example("matmul of odd turned", lambda lib, x, y: (x.t() @ y, y.t() @ x), numbers(7, 5), numbers(7, 3, seed=1))
example("matmul of blocks", lambda lib, x, y: x[1:, 2:] @ y[:-2, ::2], numbers(5, 8), numbers(8, 9, seed=1))
example("matmul with itself", lambda lib, x: x @ x @ x.t(), numbers(5, 5))
example(
    "linear",
    lambda lib, x, w, b: (lib.nn.functional.linear(x, w, b), lib.nn.functional.linear(x[0], w)),
    numbers(2, 3, 5),
    numbers(4, 5, seed=1),
    numbers(4, seed=2),
)

CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((2, 3, 5, 6), (4, 3, 3, 2), {}),
    "one pixel": ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    "1x1": ((2, 3, 4, 5), (2, 3, 1, 1), {}),
    "padded": ((2, 2, 5, 5), (3, 2, 3, 3), {"padding": 1}),
    "padded by more than the kernel": ((1, 1, 3, 3), (1, 1, 2, 2), {"padding": (3, 4)}),
    "stride": ((2, 2, 7, 6), (3, 2, 3, 3), {"stride": 2}),
    "stride that leaves a rest": ((1, 2, 8, 9), (4, 2, 3, 3), {"stride": (3, 2), "padding": 1}),
    "stride beyond the kernel": ((1, 1, 7, 7), (2, 1, 2, 2), {"stride": 3}),
    "dilated": ((1, 2, 7, 8), (2, 2, 3, 2), {"dilation": 2}),
    "all at once": ((2, 3, 9, 8), (4, 3, 2, 3), {"stride": (2, 1), "padding": (1, 2), "dilation": (3, 2)}),
    "same": ((1, 2, 5, 4), (3, 2, 3, 2), {"padding": "same"}),
    "same, dilated": ((1, 2, 7, 6), (3, 2, 3, 4), {"padding": "same", "dilation": 2}),
    "valid": ((1, 2, 5, 4), (3, 2, 3, 2), {"padding": "valid"}),
    "groups": ((2, 4, 5, 5), (6, 2, 3, 3), {"groups": 2, "padding": 1}),
    "depthwise": ((1, 3, 5, 4), (3, 1, 3, 3), {"groups": 3}),
    "whole texels": ((4, 4, 6, 6), (8, 4, 3, 3), {"padding": 1}),
    "odd pixels": ((3, 1, 5, 5), (8, 1, 3, 3), {}),
    "no pictures": ((0, 2, 5, 5), (3, 2, 3, 3), {}),
    "no batch": ((2, 5, 5), (3, 2, 3, 3), {"padding": 1}),
    "2x2": ((2, 3, 5, 5), (5, 3, 2, 2), {}),
    "2x2, strided": ((2, 5, 6, 6), (4, 5, 2, 2), {"stride": 2}),
    "1x1, strided": ((2, 5, 5, 7), (9, 5, 1, 1), {"stride": 2}),
    "five wide": ((2, 2, 4, 9), (3, 2, 2, 5), {"padding": (0, 2)}),
    "five wide, dilated": ((1, 2, 5, 12), (2, 2, 3, 5), {"padding": (2, 3), "dilation": 2}),
    "7x7": ((1, 2, 8, 9), (2, 2, 7, 7), {"padding": 3}),
    "7x7, strided": ((1, 1, 9, 11), (3, 1, 7, 7), {"padding": 3, "stride": 2}),
    "more channels than a block": ((2, 3, 4, 5), (9, 3, 3, 3), {"padding": 1}),
    "depthwise, multiplied": ((2, 3, 5, 6), (6, 1, 3, 3), {"groups": 3, "padding": 1}),
    "depthwise, strided": ((2, 5, 7, 6), (5, 1, 3, 3), {"groups": 5, "padding": 1, "stride": 2}),
    "depthwise, dilated": ((1, 4, 7, 7), (4, 1, 3, 3), {"groups": 4, "padding": 2, "dilation": 2}),
    "groups of 1x1": ((2, 6, 3, 5), (4, 3, 1, 1), {"groups": 2}),
    "groups of blocks": ((1, 4, 4, 5), (18, 2, 2, 2), {"groups": 2, "stride": (1, 2)}),
    "strides and dilations that differ": ((1, 2, 9, 10), (3, 2, 2, 3), {"stride": (3, 2), "dilation": (1, 3), "padding": (1, 0)}),
    "one row": ((1, 1, 1, 9), (2, 1, 1, 3), {"padding": (0, 1)}),
    "one column": ((1, 2, 9, 1), (3, 2, 3, 1), {"padding": (1, 0)}),
    "many pictures": ((24, 1, 3, 3), (2, 1, 2, 2), {}),
}
for name, (one, two, options) in CONVOLUTIONS.items():
    example(
        f"conv2d {name}",
        lambda lib, x, w, b, options=options: lib.nn.functional.conv2d(x, w, b, **options),
        numbers(*one),
        numbers(*two, seed=1),
        numbers(two[0], seed=2),
    )
example(
    "conv2d of a cut image",  # whole texels, but no zeros after them
    lambda lib, x, w: lib.nn.functional.conv2d(x[:, :, 1:, :5], w, padding=1),
    numbers(2, 2, 5, 8),
    numbers(3, 2, 3, 3, seed=1),
)
example(
    "conv2d of a conv2d",
    lambda lib, x, w: lib.nn.functional.conv2d(lib.nn.functional.conv2d(x, w, padding=1), w, padding=1),
    numbers(2, 2, 5, 5),
    numbers(2, 2, 3, 3, seed=1),
)
example(
    "conv2d of what is read elsewhere, too",
    lambda lib, x, w: lib.nn.functional.conv2d(y := (x * 2).exp(), w, padding=1).sum() + (y * y).sum(),
    numbers(1, 1, 1, 5),
    numbers(2, 1, 3, 3, seed=1),
)


def slopes(lib: Any, found: Any, inputs: Sequence[Any]) -> list[Any]:
    """The gradients of a tensor, as tensors that can be differentiated again."""
    loss = loss_of(lib, [found])
    if lib.__name__ == "torch":
        return list(lib.autograd.grad(loss, inputs, create_graph=True))
    nodes = differentiation.gradients(loss.node, graph.full(1, (), loss.dtype), [tensor.node for tensor in inputs])
    return [made(node, *inputs) for node in nodes if node is not None]


TWICE = (
    "plain",
    "one pixel",
    "1x1",
    "2x2",
    "stride that leaves a rest",
    "all at once",
    "groups",
    "depthwise, strided",
    "five wide",
)
for name in TWICE:  # each row's derivative is made of the other two: both appear, and are differentiated
    one, two, options = CONVOLUTIONS[name]
    example(
        f"slopes of conv2d {name}",
        lambda lib, x, w, options=options: slopes(lib, lib.nn.functional.conv2d(x, w, **options).square(), (x, w)),
        numbers(*one),
        numbers(*two, seed=1),
        smooth=name in ("one pixel", "1x1", "2x2", "groups"),  # central differences of all would take long
    )
example("slopes of gelu", lambda lib, x: slopes(lib, lib.nn.functional.gelu(x, approximate="tanh").square(), (x,)), numbers(3, 5))
example("slopes of a matmul", lambda lib, x, y: slopes(lib, (x @ y).square(), (x, y)), numbers(3, 5), numbers(5, 9, seed=1))
example(
    "conv2d twice",
    lambda lib, x, w: lib.nn.functional.conv2d(lib.nn.functional.conv2d(x, w, padding=1).relu(), w),
    numbers(1, 2, 5, 5),
    numbers(2, 2, 3, 3, seed=1),
)

SPOTS = ((0, 4, 4, 12, 1), (0, 0, 4, 4, 0), (4, 0, 1, 16, 0), (5, 0, 2, 8, 1))  # rows 5 and 6 have eight numbers more


def packed(lib: Any, *arrays: Any) -> Any:
    """Arrays in an atlas of 7 x 16 numbers."""
    if lib.__name__ == "torch":
        whole = lib.zeros(7, 16)
        for array, (row, column, _, _, split) in zip(arrays, SPOTS, strict=True):
            flat = array.reshape(math.prod(array.shape[:split]), -1)
            whole = whole + lib.nn.functional.pad(flat, (column, 16 - column - flat.shape[1], row, 7 - row - flat.shape[0]))
        return whole
    spots = tuple(Spot(*spot) for spot in SPOTS)
    return made(graph.apply(PACK, *(array.node for array in arrays), attrs=((7, 16), spots)), *arrays)


def part(lib: Any, whole: Any, number: int, shape: tuple[int, ...]) -> Any:
    """One array of an atlas."""
    if lib.__name__ == "torch":
        row, column, _, _, split = SPOTS[number]
        rows, columns = math.prod(shape[:split]), math.prod(shape[split:])
        return whole[row : row + rows, column : column + columns].reshape(shape)
    return made(graph.apply(PART, whole.node, attrs=(Spot(*SPOTS[number]), shape)), whole)


ATLAS = (numbers(4, 3, 3), numbers(3, seed=1), numbers(13, seed=2), numbers(2, 5, seed=3))
example("pack", lambda lib, *arrays: packed(lib, *(array * array for array in arrays)), *ATLAS)
example("pack what is read elsewhere", lambda lib, *arrays: packed(lib, arrays[0].flip(0), *arrays[1:]) * 2 + 1, *ATLAS)
example("part", lambda lib, x: [part(lib, x, n, array.shape) for n, array in enumerate(ATLAS)], numbers(7, 16))
example("part of a sum", lambda lib, x, y: y @ part(lib, x + 1, 3, (2, 5)), numbers(7, 16), numbers(3, 2, seed=1))
example("part in a product", lambda lib, x, y: y @ part(lib, x, 0, (4, 9)), numbers(7, 16), numbers(3, 4, seed=1))
example("part with an offset", lambda lib, x: part(lib, x, 0, (4, 3, 3)).permute(2, 0, 1).exp(), numbers(7, 16))

POOLS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "2": ((2, 2, 4, 6), {"kernel_size": 2}),
    "3 by 2": ((1, 2, 7, 7), {"kernel_size": (3, 2), "stride": (2, 1)}),
    "overlapping": ((1, 1, 5, 5), {"kernel_size": 3, "stride": 1}),
    "padded": ((1, 2, 5, 5), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "with a rest": ((1, 1, 5, 7), {"kernel_size": 2}),
    "no batch": ((2, 4, 4), {"kernel_size": 2}),
}
for name, (shape, options) in POOLS.items():
    example(f"max_pool2d {name}", lambda lib, x, options=options: lib.nn.functional.max_pool2d(x, **options), numbers(*shape))
    example(f"avg_pool2d {name}", lambda lib, x, options=options: lib.nn.functional.avg_pool2d(x, **options), numbers(*shape))
for size, kernel, stride, padding in ((5, 2, 2, 0), (6, 3, 2, 1), (7, 3, 3, 1), (4, 3, 2, 0), (5, 2, 3, 1)):
    options = {"stride": stride, "padding": padding, "ceil_mode": True}
    example(
        f"max_pool2d ceil_mode {size} {kernel} {stride} {padding}",
        lambda lib, x, kernel=kernel, options=options: lib.nn.functional.max_pool2d(x, kernel, **options),
        numbers(1, 2, size, size + 1),
    )
example(
    "avg_pool2d with a divisor", lambda lib, x: lib.nn.functional.avg_pool2d(x, 2, 2, 1, divisor_override=3), numbers(1, 2, 5, 5)
)
example("max_pool2d dilated", lambda lib, x: lib.nn.functional.max_pool2d(x, 2, stride=1, dilation=2), numbers(1, 2, 5, 6))
example(
    "max_pool2d of equals",
    lambda lib, x: lib.nn.functional.max_pool2d(x, 3, 2, 1),
    whole(1, 2, 6, 6, low=0, high=2).astype(np.float32),
    smooth=False,
)
example(
    "avg_pool2d without its padding",
    lambda lib, x: lib.nn.functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    numbers(1, 2, 5, 5),
)

# ---------------------------------------------------------------- indices

LABELS = np.array([2, 0, 1, 1, -1], np.int32)
example("index by a tensor", lambda lib, x, n: (x[n], x[:, n], x[n, 1], x[..., n]), numbers(3, 3), LABELS)
example("pairs", lambda lib, x, n: (x[lib.arange(5), n], x[n, n], x[n[:, None], n]), numbers(5, 3), LABELS)
example(
    "pairs in the middle",
    lambda lib, x, n: (x[:, n, n], x[:, n[:2], n[:2], :], x[n, :, n], x[n, ..., n]),
    numbers(3, 3, 3, 4),
    LABELS,
)
example(
    "int and tensor",
    lambda lib, x, n: (x[0, n], x[n, 0], x[:, 0, n], x[0, :, n], x[n, None, 1], x[None, n]),
    numbers(3, 3, 3),
    LABELS,
)
example("slice and tensor", lambda lib, x, n: (x[1:, n], x[n, ::2], x[None, n, 1:]), numbers(3, 4), LABELS)
example("a table of indices", lambda lib, x, n: (x[n], x[n, n]), numbers(3, 3), np.array([[0, 2], [1, -1]], np.int32))
example("a single index", lambda lib, x, n: (x[n], x[:, n], x[n, n]), numbers(3, 3), np.array(1, np.int32))
example("no indices", lambda lib, x, n: (x[n], x[:, n]), numbers(3, 3), np.zeros(0, np.int32))
example("indices of ints", lambda lib, x, n: (x[n], x[lib.arange(5), n]), whole(5, 3), LABELS)
example("a list of indices", lambda lib, x: (x[[0, 2]], x[:, [1, 1, 0]], x[np.array([2, 0])]), numbers(3, 4))
example("gather", lambda lib, x, n: (x.gather(1, n), x.gather(-2, n)), numbers(4, 3), whole(2, 3, low=0, high=3))
example("gather of a slice", lambda lib, x, n: x[::2].gather(1, n), numbers(8, 3), whole(4, 2, low=0, high=3))
example("gather in three dimensions", lambda lib, x, n: x.gather(1, n), numbers(2, 3, 4), whole(2, 5, 3, low=0, high=3))
example(
    "index_select", lambda lib, x, n: (x.index_select(0, n), x.index_select(1, n)), numbers(3, 4), np.array([0, 2, 2], np.int32)
)
example(
    "scatter_add",
    lambda lib, x, n, y: (x.scatter_add(0, n, y), x.scatter_add(1, n, y)),
    numbers(4, 3),
    whole(2, 3, low=0, high=3),
    numbers(2, 3, seed=1),
)
example(
    "scatter_add in three dimensions",
    lambda lib, x, n, y: x.scatter_add(1, n, y),
    numbers(2, 3, 4),
    whole(2, 5, 3, low=0, high=3),
    numbers(2, 5, 3, seed=1),
)
example("argsort", lambda lib, x: (x.argsort(1), x.argsort(0, descending=True)), numbers(4, 9))
example("rows put", lambda lib, x, y: lib.index_put(x, (lib.tensor([2, 0]),), y), numbers(3, 5), numbers(2, 5, seed=1))
example("one_hot", lambda lib, n: lib.nn.functional.one_hot(n, 4), whole(2, 3, low=0, high=4))

# ---------------------------------------------------------------- functional

F_CALLS: dict[str, Call] = {
    "relu": lambda lib, x: lib.nn.functional.relu(x),
    "tanh": lambda lib, x: lib.nn.functional.tanh(x),
    "sigmoid": lambda lib, x: lib.nn.functional.sigmoid(x),
    "leaky_relu": lambda lib, x: (lib.nn.functional.leaky_relu(x), lib.nn.functional.leaky_relu(x, 0.3)),
    "dropout when not training": lambda lib, x: lib.nn.functional.dropout(x, 0.5, training=False),
    "dropout of nothing": lambda lib, x: lib.nn.functional.dropout(x, 0.0),
    "dropout of all": lambda lib, x: lib.nn.functional.dropout(x, 1.0),
}
F_CALLS |= {
    "gelu": lambda lib, x: (lib.nn.functional.gelu(x), lib.nn.functional.gelu(x * 3, approximate="tanh")),
    "silu": lambda lib, x: lib.nn.functional.silu(x),
    "elu": lambda lib, x: (lib.nn.functional.elu(x), lib.nn.functional.elu(x, 1.7)),
    "softplus": lambda lib, x: (lib.nn.functional.softplus(x), lib.nn.functional.softplus(x, 2.5, 3.0)),
}
for name, call in F_CALLS.items():
    example(f"F.{name}", call, numbers(3, 5))
for reduction in ("mean", "sum", "none"):
    for name in ("mse_loss", "l1_loss", "binary_cross_entropy_with_logits"):
        example(
            f"{name} {reduction}",
            lambda lib, x, y, name=name, how=reduction: getattr(lib.nn.functional, name)(x, y, reduction=how),
            numbers(3, 5),
            numbers(3, 5, low=0, high=1, seed=1),
        )
    example(
        f"nll_loss {reduction}",
        lambda lib, x, n, how=reduction: lib.nn.functional.nll_loss(x.log_softmax(1), n, reduction=how),
        numbers(4, 3),
        whole(4, low=0, high=3),
    )
    example(
        f"cross_entropy {reduction}",
        lambda lib, x, n, how=reduction: lib.nn.functional.cross_entropy(x, n, reduction=how),
        numbers(4, 3),
        whole(4, low=0, high=3),
    )
    example(
        f"cross_entropy ignoring {reduction}",
        lambda lib, x, n, how=reduction: lib.nn.functional.cross_entropy(x, n, ignore_index=1, reduction=how),
        numbers(4, 3),
        np.array([0, 1, 2, 1], np.int32),
    )
    example(
        f"cross_entropy smoothed {reduction}",
        lambda lib, x, n, how=reduction: lib.nn.functional.cross_entropy(x, n, ignore_index=1, reduction=how, label_smoothing=0.2),
        numbers(4, 3),
        np.array([0, 1, 2, 2], np.int32),
    )
    example(
        f"cross_entropy of pixels {reduction}",
        lambda lib, x, n, how=reduction: lib.nn.functional.cross_entropy(x, n, reduction=how),
        numbers(2, 3, 4, 2),
        whole(2, 4, 2, low=0, high=3),
    )
    example(
        f"cross_entropy of probabilities {reduction}",
        lambda lib, x, y, how=reduction: lib.nn.functional.cross_entropy(x, y.softmax(1), reduction=how, label_smoothing=0.1),
        numbers(4, 3),
        numbers(4, 3, seed=1),
    )
    example(
        f"nll_loss with weights {reduction}",
        lambda lib, x, w, n, how=reduction: lib.nn.functional.nll_loss(x.log_softmax(1), n, w.to(x.dtype), reduction=how),
        numbers(4, 3),
        whole(3, low=1, high=5),
        whole(4, low=0, high=3),
    )
    example(
        f"cross_entropy with weights {reduction}",
        lambda lib, x, w, n, how=reduction: lib.nn.functional.cross_entropy(
            x, n, w.to(x.dtype), ignore_index=1, reduction=how, label_smoothing=0.1
        ),
        numbers(4, 3),
        whole(3, low=1, high=5),
        np.array([0, 1, 2, 2], np.int32),
    )
    example(
        f"cross_entropy of weighted probabilities {reduction}",
        lambda lib, x, y, w, how=reduction: lib.nn.functional.cross_entropy(x, y.softmax(1), w.to(x.dtype), reduction=how),
        numbers(2, 3, 4),
        numbers(2, 3, 4, seed=1),
        whole(3, low=1, high=5),
    )
example("cross_entropy of one sample", lambda lib, x, n: lib.nn.functional.cross_entropy(x, n), numbers(5), np.array(3, np.int32))
example(
    "cross_entropy of computed labels",
    lambda lib, x, n: lib.nn.functional.cross_entropy(x, (n + 1) % 3),
    numbers(4, 3),
    whole(4, low=0, high=3),
)
example(
    "binary_cross_entropy_with_logits at 0",
    lambda lib, x, y: lib.nn.functional.binary_cross_entropy_with_logits(x, y),
    np.array([0, 0, 90, -90], np.float32),
    np.array([0, 1, 0.5, 1], np.float32),
    smooth=False,
)
FAR = np.array([-90, -30, -15, -1e-4, 1e-4, 15, 30, 90], np.float32)
for name in ("gelu", "silu", "elu", "softplus"):
    example(f"F.{name} far out", lambda lib, x, name=name: getattr(lib.nn.functional, name)(x), FAR, smooth=False)

NORMALIZED: dict[str, tuple[Call, tuple[int, ...], tuple[int, ...]]] = {
    "layer_norm": (lambda lib, x, w, b: lib.nn.functional.layer_norm(x, (5,), w, b), (2, 3, 5), (5,)),
    "layer_norm over two": (lambda lib, x, w, b: lib.nn.functional.layer_norm(x, (3, 5), w, b, 0.1), (2, 3, 5), (3, 5)),
    "layer_norm of one number": (lambda lib, x, w, b: lib.nn.functional.layer_norm(x, (1,), w, b), (3, 1), (1,)),
    "layer_norm of 129": (lambda lib, x, w, b: lib.nn.functional.layer_norm(x, (129,), w, b), (17, 129), (129,)),
    "layer_norm without weights": (lambda lib, x, w, b: lib.nn.functional.layer_norm(x, (5,)) * w + b, (3, 5), (5,)),
    "rms_norm": (lambda lib, x, w, b: lib.nn.functional.rms_norm(x, (5,), w) + b, (2, 3, 5), (5,)),
    "rms_norm without weights": (lambda lib, x, w, b: lib.nn.functional.rms_norm(x, (3, 5), eps=0.1) * w + b, (2, 3, 5), (5,)),
    "group_norm": (lambda lib, x, w, b: lib.nn.functional.group_norm(x, 2, w, b), (2, 6, 3, 1), (6,)),
    "group_norm of each": (lambda lib, x, w, b: lib.nn.functional.group_norm(x, 3, w, b, 0.1), (3, 3, 5), (3,)),
    "batch_norm": (lambda lib, x, w, b: lib.nn.functional.batch_norm(x, None, None, w, b, True), (3, 5), (5,)),
    "batch_norm of images": (lambda lib, x, w, b: lib.nn.functional.batch_norm(x, None, None, w, b, True), (2, 3, 5, 3), (3,)),
    "batch_norm of one channel": (lambda lib, x, w, b: lib.nn.functional.batch_norm(x, None, None, w, b, True), (1, 1, 17), (1,)),
    "batch_norm without bias": (
        lambda lib, x, w, b: lib.nn.functional.batch_norm(x, None, None, w, None, True) * b[0],
        (5, 3),
        (3,),
    ),
    "batch_norm without weights": (
        lambda lib, x, w, b: lib.nn.functional.batch_norm(x, None, None, None, None, True, eps=0.1) * w + b,
        (5, 3),
        (3,),
    ),
    "batch_norm when not training": (
        lambda lib, x, w, b: lib.nn.functional.batch_norm(x, w.detach() - 1, w.detach().square(), w, b),
        (2, 3, 5),
        (3,),
    ),
}
for name, (call, shape, width) in NORMALIZED.items():
    parts = (numbers(*shape), numbers(*width, seed=1), numbers(*width, seed=2))
    # no gradient reaches running statistics; PyTorch's LayerNorm of one number is its rounding error
    example(f"F.{name}", call, *parts, smooth="not training" not in name, torch="one number" not in name)
LONG = 521  # a prime: its stages are not equally long
example(
    "moments in stages",
    lambda lib, x, w: lib.nn.functional.layer_norm(x * 3 + 2, (LONG,), w, eps=0.01),
    numbers(3, LONG),
    numbers(LONG, seed=1),
)
example(
    "moments of columns in stages",
    lambda lib, x, w: lib.nn.functional.batch_norm(x.t(), None, None, w, None, True),
    numbers(3, LONG),
    numbers(3, seed=1),
)
example(
    "softmax in stages",
    lambda lib, x: ((x * 3).softmax(1), (x.t() * 5).log_softmax(0), x.logsumexp(1)),
    numbers(2, LONG),
)
example(
    "cross_entropy in stages",
    lambda lib, x, n: lib.nn.functional.cross_entropy(x * 4, n),
    numbers(3, LONG),
    np.array([0, 520, 256], np.int32),
)
ENDLESS_ROWS = numbers(6, 5)
ENDLESS_ROWS[0], ENDLESS_ROWS[1, 2], ENDLESS_ROWS[2, 3], ENDLESS_ROWS[3, 1:] = -np.inf, np.inf, np.nan, -np.inf
ENDLESS_ROWS[4, :4] = -np.inf
example(
    "softmax of rows without end",
    lambda lib, x: (x.softmax(1), x.log_softmax(1), lib.cat([x] * 60, 1).softmax(1), lib.cat([x] * 60, 1).log_softmax(1)),
    ENDLESS_ROWS,
    differentiable=False,
)
example(
    "batch_norm, which is then turned",
    lambda lib, x: lib.nn.functional.batch_norm(x.t() * 2, None, None, None, None, True).t(),
    numbers(3, 5),
)

example(
    "F.embedding",
    lambda lib, n, w: (lib.nn.functional.embedding(n, w), lib.nn.functional.embedding(n[0], w)),
    whole(2, 3, low=0, high=4),
    numbers(4, 5),
)
example("F.embedding of one token", lambda lib, n, w: lib.nn.functional.embedding(n, w), np.array(3, np.int32), numbers(4, 1))
for row in (1, -1):
    example(
        f"F.embedding padded with {row}",
        lambda lib, n, w, row=row: lib.nn.functional.embedding(n, w, padding_idx=row),
        np.array([[1, 3], [0, 1]], np.int32),
        numbers(4, 5),
        smooth=False,
    )
example(
    "F.embedding of computed tokens",
    lambda lib, n, w: lib.nn.functional.embedding((n + 1) % 4, w),
    whole(17, low=0, high=4),
    numbers(4, 3),
)
example("F.embedding of nothing", lambda lib, n, w: lib.nn.functional.embedding(n, w), np.zeros((2, 0), np.int32), numbers(4, 3))

ATTENTION = (numbers(2, 3, 5, 4), numbers(2, 3, 7, 4, seed=1), numbers(2, 3, 7, 3, seed=2))
example("scaled_dot_product_attention", lambda lib, q, k, v: lib.nn.functional.scaled_dot_product_attention(q, k, v), *ATTENTION)
example(
    "scaled_dot_product_attention, causal",
    lambda lib, q, k, v: (
        lib.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        lib.nn.functional.scaled_dot_product_attention(k, q, q, is_causal=True, scale=0.3),
    ),
    *ATTENTION,
)
example(
    "scaled_dot_product_attention with a mask",
    lambda lib, q, k, v, m: lib.nn.functional.scaled_dot_product_attention(q, k, v, m),
    *ATTENTION,
    np.array([[True] * 7, [False] * 7, [True, False] * 3 + [True], [False] * 6 + [True], [True] * 6 + [False]]),
)
example(
    "scaled_dot_product_attention with a bias",
    lambda lib, q, k, v, m: lib.nn.functional.scaled_dot_product_attention(q, k, v, m),
    *ATTENTION,
    numbers(3, 1, 7, seed=3),
)
example(
    "scaled_dot_product_attention of one", lambda lib, q: lib.nn.functional.scaled_dot_product_attention(q, q, q), numbers(1, 1, 1)
)

FLAT = (numbers(6, 5, 4), numbers(6, 7, 4, seed=1), numbers(6, 7, 3, seed=2))
ARRIVES = numbers(6, 5, 3, seed=4)
MASKS: dict[str, tuple[bool, tuple[int, ...], tuple[np.ndarray, ...]]] = {
    "": (False, (), ()),
    ", causal": (True, (), ()),
    ", of heads with a bias": (False, (2, 3), (numbers(3, 1, 7, seed=3)[None],)),
    ", with a bias": (False, (6,), (numbers(1, 5, 7, seed=3),)),
}


def attention_weights(lib: Any, q: Any, k: Any, mask: Any, causal: bool) -> Any:
    """In torch's words."""
    scores = q @ k.mT
    if causal:
        scores = scores.masked_fill(lib.ones(scores.shape[1:], dtype=lib.bool).triu(1), -math.inf)
    for added in mask:
        scores = (scores.reshape(*((2, 3) if added.ndim == 4 else (6,)), *scores.shape[1:]) + added).reshape(scores.shape)
    return scores.softmax(-1)


def attention_slopes(lib: Any, q: Any, k: Any, v: Any, g: Any, mask: Any, causal: bool) -> Any:
    weights, sent = attention_weights(lib, q, k, mask, causal), g @ v.mT
    return weights * (sent - (weights * sent).sum(-1, keepdim=True))


def of_attention(name: str, attrs: tuple[Any, ...]) -> Call:
    """A row of attention on (q, k, v, gradient of the output, mask or nothing)."""

    def call(lib: Any, q: Any, k: Any, v: Any, g: Any, *mask: Any) -> Any:
        def row(name: str, *tensors: Any) -> Any:
            return made(graph.apply(TABLE[name], *(tensor.node for tensor in tensors), attrs=attrs), *tensors)

        lse = row("attention_lse", q, k, *mask)
        if name == "attention_lse":
            return lse
        if name in ("attention", "attention_value"):
            return row(name, q, k, v if name == "attention" else g, lse, *mask)
        return row(name, q, k, v, g, lse, (g * row("attention", q, k, v, lse, *mask)).sum(-1), *mask)

    return call


TWINS: dict[str, Callable[..., Any]] = {
    "attention": lambda lib, causal, q, k, v, g, *mask: attention_weights(lib, q, k, mask, causal) @ v,
    "attention_value": lambda lib, causal, q, k, v, g, *mask: attention_weights(lib, q, k, mask, causal).mT @ g,
    "attention_query": lambda lib, causal, q, k, v, g, *mask: attention_slopes(lib, q, k, v, g, mask, causal) @ k,
    "attention_key": lambda lib, causal, q, k, v, g, *mask: attention_slopes(lib, q, k, v, g, mask, causal).mT @ q,
}
for row_name, twin in TWINS.items():
    for mask_name, (causal, batch, mask) in MASKS.items():
        example(
            f"row {row_name}{mask_name}",
            of_attention(row_name, (causal, batch)),
            *FLAT,
            ARRIVES,
            *mask,
            twin=lambda lib, *tensors, twin=twin, causal=causal: twin(lib, causal, *tensors),
        )
example(
    "row attention_lse",
    of_attention("attention_lse", (False, (2, 3))),
    *FLAT,
    ARRIVES,
    numbers(1, 1, 5, 7, seed=3),
    twin=lambda lib, q, k, v, g, mask: (q @ k.mT + mask[0]).logsumexp(-1),
)
example(
    "attention",
    lambda lib, q, k, v: ((q @ k.mT) / 2).softmax(-1) @ v,
    numbers(2, 3, 4),
    numbers(2, 5, 4, seed=1),
    numbers(2, 5, 3, seed=2),
)

# ---------------------------------------------------------------- every kind of view in front of every kind of reader

VIEWS: dict[str, tuple[tuple[int, ...], Call]] = {  # each makes (4, 6)
    "permuted": ((6, 4), lambda lib, x: x.permute(1, 0)),
    "stepped": ((8, 18), lambda lib, x: x[::2, 1::3]),
    "flipped": ((4, 6), lambda lib, x: x.flip(0, 1)),
    "cropped": ((5, 8), lambda lib, x: x[1:, 1:-1]),
    "a view of views": ((6, 9), lambda lib, x: x.permute(1, 0)[1::2].flip(1)),
    "expanded": ((4, 1), lambda lib, x: x.expand(4, 6)),
    "expanded rows": ((6,), lambda lib, x: x.expand(4, 6)),
    "padded": ((2, 5), lambda lib, x: lib.nn.functional.pad(x, (1, 0, 1, 1))),
    "padded and turned": ((5, 3), lambda lib, x: lib.nn.functional.pad(x, (0, 1, 1, 0)).t()),
    "turned and reshaped": ((3, 2, 4), lambda lib, x: x.permute(2, 0, 1).reshape(4, 6)),
    "turned twice": ((6, 4), lambda lib, x: x.t().reshape(2, 2, 6).permute(1, 0, 2).reshape(4, 6)),
    "joined": ((4, 6), lambda lib, x: lib.cat([x[2:], x[:2]])),
    "computed": ((6, 4), lambda lib, x: (x * 2 + 1).t()),
}
FULLY_CROSSED = 5  # readers that meet every view; the others, which read as these do, meet every third
READERS: dict[str, tuple[Call, tuple[np.ndarray, ...]]] = {
    "an element-wise op": (lambda lib, v: v.exp() + v, ()),
    "a sum of columns": (lambda lib, v: v.sum(0), ()),
    "a left factor": (lambda lib, v, w: v @ w, (numbers(6, 4, seed=1),)),
    "a right factor": (lambda lib, v, w: w @ v, (numbers(3, 4, seed=1),)),
    "a gather": (lambda lib, v, n: (v.gather(1, n), v[n[:, 0]]), (whole(4, 3, low=0, high=4),)),
    "itself, flipped": (lambda lib, v: v * v.flip(0), ()),
    "a sum of rows": (lambda lib, v: v.sum(1), ()),
    "a maximum": (lambda lib, v: v.square().max(1)[0], ()),
    "an image": (lambda lib, v, w: lib.nn.functional.conv2d(v[None, None], w, padding=1), (numbers(2, 1, 2, 3, seed=1),)),
    "a weight": (lambda lib, v, x: lib.nn.functional.conv2d(x, v.reshape(4, 1, 2, 3)), (numbers(1, 1, 4, 5, seed=1),)),
    "a scatter_add": (lambda lib, v, n: lib.zeros(3, 6, dtype=v.dtype).scatter_add(0, n, v), (whole(4, 6, low=0, high=3),)),
    "a softmax": (lambda lib, v: v.softmax(1), ()),
    "a pool": (lambda lib, v: lib.nn.functional.avg_pool2d(v[None, None], 2), ()),
}
for (nth, (reader, (read, more))), (place, (view, (shape, look))) in itertools.product(
    enumerate(READERS.items()), enumerate(VIEWS.items())
):
    if nth >= FULLY_CROSSED and (nth + place) % 3:
        continue
    # the largest of equals has a kink: expanded and padded arrays hold equals
    kink = reader == "a maximum" and ("expanded" in view or "padded" in view)
    example(
        f"{view} in {reader}",
        lambda lib, x, *rest, look=look, read=read: read(lib, look(lib, x), *rest),
        numbers(*shape),
        *more,
        smooth=not kink,
    )

TINY_TO_HUGE = np.array([1e-9, -6e-8, 3e-6, -7e-5, 0.1, -1.5, 3.14159, 1000.3, -65519.0, 65521.0, 0.0, 2049.0, 2051.0], np.float32)
for short in ("half", "bfloat16"):
    example(
        f"to {short} and back",
        lambda lib, x, short=short: (getattr(x, short)().float(), (getattr(x, short)() * 3).float()),
        TINY_TO_HUGE,
        smooth=False,
        differentiable=False,
    )
