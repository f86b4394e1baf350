"""Random tensors, by PyTorch's names. Keys are counter-based (random.py): the same seed gives the same bits on every backend."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import engine, graph, live, ops, random
from .broadcast import Number
from .dtypes import dtype_of, fraction
from .errors import ArgumentError, DtypeError, ShapeError
from .op import int32
from .random import Generator
from .tensor import Tensor, where
from .tensor.arguments import MAKING as _MAKING
from .tensor.arguments import guard as _guard
from .tensor.counting import read
from .tensor.device import check
from .tensor.tensor import method
from .view import Shape


def shape_of(size: tuple[Any, ...]) -> Shape:
    """Sizes given one by one or as one sequence. Raises ShapeError, and ArgumentError for what is no size."""
    given = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    given = tuple(int(n) if isinstance(n, Tensor) and n.numel() == 1 and n.dtype.kind == "i" else n for n in given)
    if not all(isinstance(length, (int, np.integer)) for length in given):
        raise ArgumentError(f"a shape holds integers, got {tuple(given)}")
    if any(length < 0 for length in given):
        raise ShapeError(f"a shape holds sizes of at least 0, got {tuple(given)}")
    return tuple(int(length) for length in given)


def uniform(shape: Shape, per_sample: int = 0, generator: Generator | None = None) -> Tensor:
    """Uniform on [0, 1) from the next stream; elements are numbered from per_sample * random.first_sample()."""
    keys = random.next_words(per_sample) if generator is None else generator.next_words()
    words = [graph.const(word, int32) for word in keys]
    return Tensor(graph.apply(ops.UNIFORM, *words, attrs=(shape,)))


def gaussian(shape: Shape, generator: Generator | None = None) -> Tensor:
    """Standard normal, by Box and Muller (1958) from two uniform streams."""
    radius = ((1.0 - uniform(shape, generator=generator)).log() * -2.0).sqrt()
    return radius * (uniform(shape, generator=generator) * (2 * math.pi)).cos()


def _finished(found: Tensor, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    check(device)
    return Tensor(found._node, dtype or fraction(), requires_grad)


def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform on [0, 1), multiples of 2**-24; the same bits on every backend."""
    return _finished(uniform(shape_of(size), generator=generator), dtype, device, requires_grad)


def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Standard normal."""
    return _finished(gaussian(shape_of(size), generator), dtype, device, requires_grad)


def _fractions(name: str, input: Tensor, dtype: Any = None) -> None:
    """Raises DtypeError where such numbers would be cut to integers."""
    kind = input.dtype if dtype is None else dtype_of(dtype)
    if not kind.is_floating_point:
        raise DtypeError(f"{name} gives floating-point numbers, not {kind.name}; use dtype= or .float(), or randint_like()")


def rand_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    _fractions("rand_like", input, dtype)
    return rand(input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def randn_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    _fractions("randn_like", input, dtype)
    return randn(input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def randint(
    low: int = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """randint(high, size) or randint(low, high, size): integers in [low, high), which fit into 32 bits."""
    if size is None:
        low, high, size = 0, low, high
    if high is None or not isinstance(size, (tuple, list)):
        raise ArgumentError(f"randint needs a size, a tuple: randint(high, size) or randint(low, high, size), got {size!r}")
    if not low < high:
        raise ShapeError(f"randint needs low < high, got {low} and {high}")
    if low < -(2**31) or high > 2**31 or high - low > 2**31:
        raise ShapeError(f"randint: integers are 32 bits wide here, so low and high are at most 2**31 apart; got {low} and {high}")
    check(device)
    span, shape = high - low, shape_of((size,))
    if span <= 2**24:
        found = (uniform(shape, generator=generator) * float(span)).floor().long()
    else:  # 31 bits of two numbers, and what is left of them
        upper, lower = (uniform(shape, generator=generator) for _ in range(2))
        found = (upper * 2.0**16).floor().long() * 2**15 + (lower * 2.0**15).floor().long()
        found = found if span == 2**31 else found % span
    found = found + low
    return found if dtype is None else found.to(dtype)


def randint_like(input: Tensor, low: int, high: int | None = None, *, dtype: Any = None, device: Any = None) -> Tensor:
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, input.shape, dtype=dtype or input.dtype, device=device)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None) -> Tensor:
    """0 to n - 1 in random order, int32: the order of n uniform numbers."""
    check(device)
    found = uniform(shape_of((n,)), generator=generator).argsort()
    return found if dtype is None else found.to(dtype)


def _look(name: str, given: Tensor | Number, rule: str, fits: Callable[[np.ndarray], Any]) -> None:
    """Raises ShapeError for numbers that a rule excludes, and for NaN: where that does not wait, as for distributions."""

    def check(known: np.ndarray) -> None:
        held = np.broadcast_to(fits(known), known.shape)
        if not held.all():
            raise ShapeError(f"{name}: {rule}, found {known[~held].flat[0]:g}")

    if not isinstance(given, Tensor):
        check(np.asarray(given))
    elif engine.backend().on_gpu or live.state.recorder is not None:
        engine.ask_host(given._node, check)
    else:
        check(engine.fetch(given._node, given.requires_grad))


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that input holds (or p), else 0; of input's dtype. Probabilities are looked at where nothing waits."""
    chance = input if p is None else p
    if isinstance(chance, Tensor) and not chance.is_floating_point():
        raise DtypeError(f"bernoulli needs floating-point probabilities, got {chance.dtype.name}; use .float()")
    _look("bernoulli", chance, "probabilities are in [0, 1]", lambda known: (known >= 0) & (known <= 1))
    return (uniform(input.shape, generator=generator) < (input if p is None else p)).to(input.dtype)


def normal(
    mean: Tensor | Number, std: Tensor | Number = 1.0, size: Any = None, *, generator: Generator | None = None, **options: Any
) -> Tensor:
    """Normal numbers with these means and standard deviations, which broadcast; of `size` where both are numbers."""
    if size is None:
        tensors = [value for value in (mean, std) if isinstance(value, Tensor)]
        if not tensors:
            raise ShapeError("normal: two numbers need a size")
        size = np.broadcast_shapes(*(tensor.shape for tensor in tensors))
    _look("normal", std, "std is at least 0", lambda known: known >= 0)
    found = gaussian(shape_of((size,)), generator) * std + mean
    return _finished(found, options.get("dtype"), options.get("device"), bool(options.get("requires_grad", False)))


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Tensor:
    """num_samples places of each line (n,) or (m, n) of weights, chosen with chances in their proportion; int32.

    Without replacement the places of a line differ (Efraimidis and Spirakis 2006). Weights are looked at where nothing waits.
    """
    if input.ndim not in (1, 2) or not input.is_floating_point():
        raise DtypeError(f"multinomial needs floating-point weights (n,) or (m, n), got {input.dtype.name} {input.shape}")
    size = input.shape[-1]
    if num_samples < 1 or (not replacement and num_samples > size):
        raise ShapeError(f"multinomial: {num_samples} of {size} places cannot be drawn with replacement={replacement}")
    weights = input.detach()
    _look("multinomial", input, "weights are numbers from 0 up", lambda known: (known >= 0) & np.isfinite(known))
    _look("multinomial", input, "the weights of a line are not all 0", lambda known: known.sum(-1, keepdims=True) > 0)
    if not replacement:
        late = -(1.0 - uniform(weights.shape, generator=generator)).log() / weights
        return where(weights > 0, late, math.inf).argsort(-1).narrow(-1, 0, num_samples)
    ends = weights.cumsum(-1)
    mark = uniform((*weights.shape[:-1], num_samples), generator=generator).unsqueeze(-1) * ends[..., -1:].unsqueeze(-1)
    return (ends.unsqueeze(-2) <= mark).long().sum(-1).clamp(max=size - 1)


def _host(name: str, generator: Generator | None, *inputs: Tensor) -> tuple[np.random.Generator, list[np.ndarray]]:
    """NumPy's draws from the next stream, and numbers read for them: draws that end who knows when are no kernels."""
    if live.state.recorder is not None:
        live.state.recorder.refuse(f"torch.{name} draws on the host")
    words = random.next_key() if generator is None else generator.next_words()
    key = sum(int(word) % 2**32 << (32 * place) for place, word in enumerate(words[:3]))
    return np.random.Generator(np.random.Philox(key=key)), [read(tensor.detach(), name) for tensor in inputs]


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """How often something happens that happens input times on average; of input's dtype. Reads the device."""
    if not input.is_floating_point():
        raise DtypeError(f"poisson needs floating-point rates, got {input.dtype.name}; use .float()")
    drawn, (rates,) = _host("poisson", generator, input)
    if not (rates >= 0).all():
        raise ShapeError("poisson: rates are at least 0, found a negative one or NaN")
    return Tensor(drawn.poisson(rates.astype(np.float64)), input.dtype)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of count tries succeed, each with probability prob; of prob's dtype. Reads the device."""
    if not prob.is_floating_point() or count.dtype != prob.dtype:
        raise DtypeError(f"binomial needs floating-point numbers of one dtype, got {count.dtype.name} and {prob.dtype.name}")
    drawn, (tries, chances) = _host("binomial", generator, count, prob)
    if not ((tries >= 0).all() and (chances >= 0).all() and (chances <= 1).all()):
        raise ShapeError("binomial: counts are at least 0 and probabilities in [0, 1]")
    return Tensor(drawn.binomial(tries.astype(np.int64), chances.astype(np.float64)), prob.dtype)


# ---------------------------------------------------------------- in place


def _bernoulli_method(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    return bernoulli(input, p, generator=generator)


method(_bernoulli_method, "bernoulli")
method(multinomial)


@method
def uniform_(input: Tensor, a: float = 0, b: float = 1, *, generator: Generator | None = None) -> Tensor:
    """Becomes uniform on [a, b)."""
    if not a <= b:
        raise ShapeError(f"uniform_: numbers from [a, b) need a <= b, got {a} and {b}")
    return input._move_to((uniform(input.shape, generator=generator) * (b - a) + a).to(input.dtype))


@method
def normal_(input: Tensor, mean: float = 0, std: float = 1, *, generator: Generator | None = None) -> Tensor:
    _fractions("normal_", input)
    _look("normal_", std, "std is at least 0", lambda known: known >= 0)
    return input._move_to((gaussian(input.shape, generator) * std + mean).to(input.dtype))


@method
def bernoulli_(input: Tensor, p: Tensor | float = 0.5, *, generator: Generator | None = None) -> Tensor:
    _look("bernoulli_", p, "probabilities are in [0, 1]", lambda known: (known >= 0) & (known <= 1))
    return input._move_to((uniform(input.shape, generator=generator) < p).to(input.dtype))


@method
def exponential_(input: Tensor, lambd: float = 1, *, generator: Generator | None = None) -> Tensor:
    _fractions("exponential_", input)
    if not lambd > 0:
        raise ShapeError(f"exponential_: lambd is above 0, got {lambd}")
    return input._move_to((-(1.0 - uniform(input.shape, generator=generator)).log() / lambd).to(input.dtype))


@method
def cauchy_(input: Tensor, median: float = 0, sigma: float = 1, *, generator: Generator | None = None) -> Tensor:
    _fractions("cauchy_", input)
    if not sigma > 0:
        raise ShapeError(f"cauchy_: sigma is above 0, got {sigma}")
    turn = (uniform(input.shape, generator=generator) - 0.5) * math.pi
    return input._move_to((turn.tan() * sigma + median).to(input.dtype))


@method
def log_normal_(input: Tensor, mean: float = 1, std: float = 2, *, generator: Generator | None = None) -> Tensor:
    _fractions("log_normal_", input)
    if not std > 0:
        raise ShapeError(f"log_normal_: std is above 0, got {std}")
    return input._move_to((gaussian(input.shape, generator) * std + mean).exp().to(input.dtype))


@method
def geometric_(input: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Becomes the numbers of tries until the first that succeeds."""
    if not 0 < p < 1:
        raise ShapeError(f"geometric_: p is in (0, 1), got {p}")
    tries = ((1.0 - uniform(input.shape, generator=generator)).log() / math.log1p(-p)).ceil().clamp(min=1)
    return input._move_to(tries.to(input.dtype))


@method
def random_(input: Tensor, low: int = 0, high: int | None = None, *, generator: Generator | None = None) -> Tensor:
    """Becomes integers in [low, high); random_(high) in [0, high), random_() in [0, 2**24)."""
    low, high = (low, high) if high is not None else (0, low or 2**24)
    return input._move_to(randint(low, high, input.shape, generator=generator).to(input.dtype))


def get_rng_state(device: Any = None) -> Tensor:
    """The state of the random streams, four int32 words."""
    return Tensor(np.array(random.state(), np.uint32).view(np.int32))


def set_rng_state(new_state: Tensor) -> None:
    """Back to what get_rng_state() gave."""
    seed, step, stream, first = (int(word) for word in new_state.numpy().view(np.uint32))
    random.restore((seed, step, stream, first))


_guard(globals(), idle=_MAKING)
