"""Calls whose gradients WebGL2 and the reference backend must agree on: every op at odd sizes, empty, through views, at NaN.

NumPy alone is needed; op_examples.py says how a call is written and judged.
"""

import math
from typing import Any

import numpy as np

from distml_py.functions import attention
from op_examples import (
    ATLAS,
    BINARY,
    COMPARISONS,
    MORE_BINARY,
    MORE_UNARY,
    SPECIAL,
    UNARY,
    Call,
    Example,
    numbers,
    of_attention,
    packed,
    part,
    positive,
    slopes,
    truths,
    whole,
)

SIZES = (1, 3, 5, 17, 129)
CASES: dict[str, list[Example]] = {"sizes": [], "empty": [], "views": [], "special": []}


def case(kind: str, name: str, call: Call, *inputs: np.ndarray, **flags: Any) -> None:
    assert all(name != other.name for other in CASES[kind]), f"two cases are called {name}"
    CASES[kind].append(Example(name, call, inputs, **flags))


def functional(lib: Any) -> Any:
    return lib.nn.functional


# ---------------------------------------------------------------- sizes that fill no texel and no row

for n in SIZES:
    for name, (call, make) in UNARY.items():
        case("sizes", f"{name} of {n}", call, make(n))
    for name, call in BINARY.items():  # both operands are broadcast
        case("sizes", f"{name} of {n}", call, numbers(n, 1), numbers(1, min(n, 17), seed=1))
    case("sizes", f"floor_divide of {n}", lambda lib, x, y: x // y + x, numbers(n, 1), positive(1, 3))
    for name, reduce in {
        "sum": lambda lib, x, dim: x.sum(dim),
        "mean": lambda lib, x, dim: x.mean(dim, keepdim=True),
        "amax": lambda lib, x, dim: x.amax(dim),
        "max": lambda lib, x, dim: x.max(dim)[0],
        "logsumexp": lambda lib, x, dim: x.logsumexp(dim),
        "softmax": lambda lib, x, dim: x.softmax(dim),
        "log_softmax": lambda lib, x, dim: x.log_softmax(dim),
        "var": lambda lib, x, dim: x.var(dim, correction=0),
    }.items():
        case("sizes", f"{name} over {n}", lambda lib, x, reduce=reduce: (reduce(lib, x, 1), reduce(lib, x.t(), 0)), numbers(3, n))
    case("sizes", f"gelu by tanh of {n}", lambda lib, x: functional(lib).gelu(x, approximate="tanh"), numbers(3, n))
    case("sizes", f"softplus of {n}", lambda lib, x: functional(lib).softplus(x * 8), numbers(3, n))
    case(
        "sizes",
        f"slopes of gelu of {n}",
        lambda lib, x: slopes(lib, functional(lib).gelu(x, approximate="tanh").square(), (x,)),
        numbers(n),
    )
    case(
        "sizes",
        f"slopes of conv2d of {n}",
        lambda lib, x, w: slopes(lib, functional(lib).conv2d(x, w, padding=1).square(), (x, w)),
        numbers(1, 2, n, 5),
        numbers(3, 2, 3, 3, seed=1),
    )
    case("sizes", f"matmul of {n}", lambda lib, x, y: (x @ y, y @ x), numbers(n, 3), numbers(3, n, seed=1))
    case("sizes", f"matmul over {n}", lambda lib, x, y: x @ y, numbers(5, n), numbers(n, 3, seed=1))
    case("sizes", f"matmul of {n} matrices", lambda lib, x, y: x @ y.mT, numbers(min(n, 17), 3, 5), numbers(3, 5, seed=1))
    case(
        "sizes",
        f"conv2d of {n}",
        lambda lib, x, w: functional(lib).conv2d(x, w, padding=1),
        numbers(1, 3, n, 5),
        numbers(5, 3, 3, 3, seed=1),
    )
    case(
        "sizes",
        f"conv2d of {n} channels, every other",
        lambda lib, x, w: functional(lib).conv2d(x, w, stride=2),
        numbers(2, n, 5, 3),
        numbers(3, n, 3, 1, seed=1),
    )
    case("sizes", f"max_pool2d of {n}", lambda lib, x: functional(lib).max_pool2d(x, 2, 2, 1), numbers(1, 3, n, 5))
    case("sizes", f"avg_pool2d of {n}", lambda lib, x: functional(lib).avg_pool2d(x, 3, 1, 1), numbers(1, 1, n, 3))
    case(
        "sizes",
        f"layer_norm of {n}",
        lambda lib, x, w: functional(lib).layer_norm(x, w.shape, w),
        numbers(3, n),
        numbers(n, seed=1),
    )
    case(
        "sizes",
        f"slopes of layer_norm and softmax of {n}",
        lambda lib, x: slopes(
            lib, functional(lib).layer_norm(x, x.shape[1:], eps=0.1).log_softmax(0).square() * x.softmax(1), (x,)
        ),
        numbers(3, n),
    )
    case(
        "sizes",
        f"batch_norm of {n}",
        lambda lib, x, w: functional(lib).batch_norm(x, None, None, w, w * 2, True),
        numbers(3, n, 5),
        numbers(n, seed=1),
    )
    case(
        "sizes",
        f"attention to {n}",
        lambda lib, q, k: functional(lib).scaled_dot_product_attention(q, k, k * 2),
        numbers(2, 5, 3),
        numbers(2, n, 3, seed=1),
    )
    case(
        "sizes",
        f"cross_entropy of {n} classes",
        lambda lib, x, k: functional(lib).cross_entropy(x, k),
        numbers(5, n),
        whole(5, low=0, high=n),
    )
    case("sizes", f"embedding of {n}", lambda lib, k, w: functional(lib).embedding(k, w), whole(7, low=0, high=n), numbers(n, 3))
    case("sizes", f"columns of {n}", lambda lib, k, w: w[:, k], whole(261, low=0, high=5), numbers(n, 5))
    case("sizes", f"gather of {n}", lambda lib, x, k: x.gather(1, k), numbers(3, n), whole(3, 5, low=0, high=n))
    case(
        "sizes",
        f"scatter_add of {n}",
        lambda lib, x, k, y: x.scatter_add(0, k, y),
        numbers(n, 3),
        whole(5, 3, low=0, high=n),
        numbers(5, 3, seed=1),
    )
    case("sizes", f"cat of {n}", lambda lib, x, y: lib.cat([x, y, x[:1] * 3], 0), numbers(n, 3), numbers(5, 3, seed=1))
    case("sizes", f"detach of {n}", lambda lib, x: x * x.detach() + x, numbers(n))

for name, (low, high) in MORE_UNARY.items():
    case("sizes", f"{name} of 17", lambda lib, x, name=name: getattr(x, name)(), numbers(17, low=low, high=high))
    case("special", name, lambda lib, x, name=name: getattr(x, name)(), SPECIAL[:7], differentiable=False)
case("sizes", "half of 17", lambda lib, x: x.half().float() * x, numbers(17))
case("sizes", "bfloat16 of 17", lambda lib, x: x.bfloat16().float() * x, numbers(17))
for name, call in MORE_BINARY.items():
    case("sizes", f"{name} of 17", call, numbers(17, 1), numbers(1, 5, seed=1))

# ---------------------------------------------------------------- rows that are many and alike, in one expression each


def later_maps(lib: Any, x: Any) -> Any:
    """x, between 0 and 1, through each of MORE_UNARY, moved to where that is smooth."""
    return sum(getattr(x * (high - low) + low, name)() for name, (low, high) in MORE_UNARY.items())


def later_pairs(lib: Any, x: Any, y: Any) -> Any:
    return sum(call(lib, x, y) for call in MORE_BINARY.values())


def truths_of(lib: Any, x: Any, y: Any) -> Any:
    compared = [call(lib, x, y) for call in COMPARISONS.values()]
    either, both, neither = x.isnan().logical_or(y > 0), (x > 0).logical_and(y > 0), (x < y).logical_not()
    return (*compared, either, both, neither)


def bits_of(lib: Any, x: Any, y: Any) -> Any:
    return x & y, x | y, x ^ y, x << 2, x >> 1


def orders_of(lib: Any, x: Any) -> Any:
    """Their gradients go back through the places that were found."""
    return x.sort(-1).values, x.sort(0, descending=True).values, x.median(-1).values, x.topk(min(2, x.shape[-1]), -1).values


def share(*shape: int) -> np.ndarray:
    return numbers(*shape, low=0.02, high=0.98)


for n in SIZES:
    case("sizes", f"later maps of {n}", later_maps, share(n))
    case("sizes", f"later pairs of {n}", later_pairs, numbers(n, 1), numbers(1, 3, seed=1))
    case("sizes", f"truths of {n}", truths_of, numbers(n, 1), numbers(1, 3, seed=1), differentiable=False)
    case("sizes", f"bits of {n}", bits_of, whole(n, 1), whole(1, 3, seed=1), differentiable=False)
    case("sizes", f"orders of {n}", orders_of, numbers(3, n))
for shape in ((0,), (3, 0)):
    case("empty", f"later maps {shape}", later_maps, share(*shape))
    case("empty", f"later pairs {shape}", later_pairs, numbers(*shape), numbers(3, 1, seed=1))
    case("empty", f"truths {shape}", truths_of, numbers(*shape), numbers(3, 1, seed=1), differentiable=False)
    case("empty", f"bits {shape}", bits_of, whole(*shape), whole(3, 1, seed=1), differentiable=False)
case("empty", "orders", lambda lib, x: (x.sort(-1).values, x.argsort(0)), numbers(3, 0), differentiable=False)

# ---------------------------------------------------------------- dimensions of size 0

for shape in ((0,), (3, 0), (0, 1, 5)):
    for name, (call, make) in UNARY.items():
        case("empty", f"{name} {shape}", call, make(*shape))
for name, call in BINARY.items():
    case("empty", f"{name} with nothing", call, numbers(0, 3), numbers(1, 3, seed=1))
    case("empty", f"{name} with nothing at the end", call, numbers(3, 1), numbers(1, 0, seed=1))
for name, call, shapes in (
    ("sum", lambda lib, x, y: x.sum(0) * y, [(0, 3), (3,)]),
    ("mean", lambda lib, x, y: x.mean(1).sum() + y, [(0, 3), (3,)]),
    ("softmax", lambda lib, x, y: x.softmax(1) * y, [(0, 3), (3,)]),
    ("matmul over nothing", lambda lib, x, y: x @ y, [(3, 0), (0, 5)]),
    ("matmul of nothing", lambda lib, x, y: x @ y, [(0, 3), (3, 5)]),
    ("matmul of no matrices", lambda lib, x, y: x @ y, [(0, 2, 3), (3, 5)]),
    ("conv2d of no images", lambda lib, x, w: functional(lib).conv2d(x, w), [(0, 3, 5, 5), (2, 3, 3, 3)]),
    ("layer_norm", lambda lib, x, w: functional(lib).layer_norm(x, (3,), w), [(0, 3), (3,)]),
    ("cat", lambda lib, x, y: lib.cat([x, y], 0), [(0, 3), (5, 3)]),
    ("pad", lambda lib, x, y: functional(lib).pad(x, (1, 1)) * y, [(3, 0), (1, 2)]),
    ("slice", lambda lib, x, y: (x[:, 2:2] + 1, y[5:]), [(3, 5), (5,)]),
    ("gather", lambda lib, x, y: x[lib.tensor(np.zeros(0, np.int32))] * y, [(3, 5), (5,)]),
):
    case("empty", name, call, numbers(*shapes[0]), numbers(*shapes[1], seed=1))

# ---------------------------------------------------------------- every op behind every kind of view; each view makes (3, 5)

VIEWS: dict[str, tuple[tuple[int, ...], Call]] = {
    "backwards": ((3, 5), lambda lib, x: x.flip(0, 1)),
    "every other": ((5, 15), lambda lib, x: x[::2, 1::3]),
    "a window, turned": ((7, 6), lambda lib, x: x[1:6, 2:5].t()),
    "a view of views": ((12, 4), lambda lib, x: x[1::2].t().flip(1)[:3, 1:]),
    "turned and reshaped": ((5, 1, 3), lambda lib, x: x.permute(2, 1, 0).reshape(5, 3).t()),
    "expanded and flipped": ((5,), lambda lib, x: x.flip(0).expand(3, 5)),
    "padded backwards": ((2, 3), lambda lib, x: functional(lib).pad(x.flip(1), (2, 0, 0, 1))),
}
KINKS = {"amax", "max_pool2d", "orders"}  # equals that were expanded or padded share or do not share their gradient
READERS: dict[str, Call] = {name: call for name, (call, make) in UNARY.items() if make is numbers}
READERS |= {name: lambda lib, v, call=call: call(lib, v, v[:1] * 2 + 1) for name, call in BINARY.items()}
READERS |= {
    "sum": lambda lib, v: (v.sum(0), v.sum(1)),
    "amax": lambda lib, v: v.amax(1),
    "softmax": lambda lib, v: v.softmax(0),
    "matmul": lambda lib, v: (v @ v.t(), v.t() @ v),
    "conv2d": lambda lib, v: functional(lib).conv2d(v[None, None], v[None, None, :2, :3]),
    "max_pool2d": lambda lib, v: functional(lib).max_pool2d(v[None], 2, 1),
    "layer_norm": lambda lib, v: functional(lib).layer_norm(v, (5,), v[0]),
    "batch_norm": lambda lib, v: functional(lib).batch_norm(v, None, None, v[0], v[1], True),
    "gather": lambda lib, v: v.gather(1, lib.tensor(whole(3, 2, low=0, high=5))),
    "scatter_add": lambda lib, v: (v * 2).scatter_add(0, lib.tensor(whole(2, 5, low=0, high=3)), v[1:]),
    "embedding": lambda lib, v: functional(lib).embedding(lib.tensor(whole(4, low=0, high=3)), v),
    "cat": lambda lib, v: lib.cat([v[1:], v * 2], 0),
    "later maps": lambda lib, v: later_maps(lib, v.sigmoid()),
    "later pairs": lambda lib, v: later_pairs(lib, v, v[:1] * 2 + 1),
    "truths": lambda lib, v: (v * 2, *truths_of(lib, v, v[:, :1])),
    "orders": orders_of,
    "pack": lambda lib, v: packed(lib, *map(lib.tensor, ATLAS[:3]), v[:2] * 2).exp(),
}
for nth, (reader, read) in enumerate(READERS.items()):
    for place, (view, (shape, look)) in enumerate(VIEWS.items()):
        if (nth + place) % 2 == 0 and not (reader in KINKS and ("expanded" in view or "padded" in view)):
            case("views", f"{reader} of {view}", lambda lib, x, read=read, look=look: read(lib, look(lib, x)), numbers(*shape))

case(
    "views", "parts of a pack", lambda lib, *a: [part(lib, packed(lib, *a), n, v.shape).exp() for n, v in enumerate(ATLAS)], *ATLAS
)

# ---------------------------------------------------------------- NaN and infinities, in the gradient as well

for name, (call, _) in UNARY.items():
    case("special", name, call, SPECIAL[:7])
for name, call in BINARY.items():
    if name not in ("pow", "remainder"):
        case("special", name, call, SPECIAL[:7, None], SPECIAL[:7])
case("special", "later maps", later_maps, SPECIAL[:7])
case("special", "orders", lambda lib, x: (x.argsort(-1), x.sort(-1).values, x.topk(3, -1).values), SPECIAL, differentiable=False)
SPOILT = numbers(3, 5)
SPOILT[1, 2] = math.nan
ENDLESS = numbers(3, 5)
ENDLESS[1, 2] = math.inf
for label, array in (("NaN", SPOILT), ("infinity", ENDLESS)):
    for reader in ("sum", "amax", "softmax", "matmul", "conv2d", "layer_norm", "batch_norm", "gather", "scatter_add", "cat"):
        case("special", f"{reader} of {label}", lambda lib, x, read=READERS[reader]: read(lib, x), array)
case("special", "softplus", lambda lib, x: functional(lib).softplus(x), SPECIAL)
case("special", "masked", lambda lib, x, m: lib.where(m, x, 0.5).exp(), SPOILT, truths(3, 5))
case("special", "positive", lambda lib, x: (x.log(), x.sqrt(), x.rsqrt()), np.append(positive(4), [0, math.inf]).astype(np.float32))

# ---------------------------------------------------------------- attention that stores no scores


def fused(q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False) -> Any:
    return attention.fused(q, k, v, mask, causal, 0.5)


for n in SIZES:
    to_n = (numbers(2, 5, 4), numbers(2, n, 4, seed=1), numbers(2, n, 3, seed=2))
    case("sizes", f"attention in one piece to {n}", lambda lib, q, k, v: (fused(q, k, v), fused(q, k, v, None, True)), *to_n)
    case("sizes", f"attention in one piece of {n}", lambda lib, q, k, v: (fused(k, q, q), fused(k, q, q, None, True)), *to_n)
    case("sizes", f"attention in one piece, {n} wide", lambda lib, q, k: fused(q, k, k), numbers(2, 5, n), numbers(2, 7, n, seed=1))
    case("sizes", f"attention in one piece, {n} biased", lambda lib, q, k, v, m: fused(q, k, v, m), *to_n, numbers(2, 5, n, seed=3))
for row_name in ("attention", "attention_value", "attention_query", "attention_key"):
    for n in (3, 17):
        of_n = (numbers(2, 5, 4), numbers(2, n, 4, seed=1), numbers(2, n, 3, seed=2), numbers(2, 5, 3, seed=3))
        case("sizes", f"row {row_name} of {n}", of_attention(row_name, (True, ())), *of_n)
    case("sizes", f"row {row_name}, biased", of_attention(row_name, (False, (2,))), *of_n, numbers(1, 5, 17, seed=4))
for queries, keys in ((0, 5), (5, 0), (0, 0)):
    nothing = (numbers(2, queries, 4), numbers(2, keys, 4, seed=1))
    case(
        "empty",
        f"attention in one piece of {queries} to {keys}",
        lambda lib, q, k: (fused(q, k, k), fused(q, k, k, None, True)),
        *nothing,
    )
case("empty", "attention in one piece without width", lambda lib, q, v: fused(q, q, v), numbers(2, 5, 0), numbers(2, 5, 3))
case(
    "views",
    "attention in one piece of heads in a product's layers",
    lambda lib, x, w: fused(*(x @ w).reshape(2, 9, 3, 2, 8).permute(2, 0, 3, 1, 4).unbind(0)),
    numbers(2, 9, 5),
    numbers(5, 48, seed=1, low=-0.5, high=0.5),
)
case(
    "views",
    "attention in one piece to shared keys",
    lambda lib, q, k: fused(q, k, k.flip(1)),
    numbers(3, 5, 4),
    numbers(1, 7, 4, seed=1),
)
case(
    "views",
    "attention in one piece under masks",
    lambda lib, q, k, m: (fused(q, k, k, m), fused(q, k, k, m[:, :, :1]), fused(q, k, k, m[1, 2])),
    numbers(2, 3, 5, 4),
    numbers(2, 3, 6, 4, seed=1),
    truths(2, 3, 5, 6),
)
for bad in (math.nan, math.inf, -math.inf):
    spoilt = numbers(2, 6, 4)
    spoilt[0, 1, 2] = bad
    case(
        "special",
        f"attention in one piece, {bad} among queries",
        lambda lib, q, k: fused(q, k, k),
        spoilt,
        numbers(2, 7, 4, seed=1),
    )
    case(
        "special", f"attention in one piece, {bad} among values", lambda lib, q, v: fused(q, q, v), numbers(2, 6, 4, seed=1), spoilt
    )
