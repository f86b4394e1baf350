"""A backend that runs schedules kernel by kernel in NumPy: the judge of fusion, views and staging, without a GPU."""

import dataclasses
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from distml_py import ops
from distml_py.backends.protocol import Arrived, Pending
from distml_py.kernel import (
    Apply,
    Attended,
    Chain,
    Convolution,
    Expression,
    Fold,
    Joint,
    Launch,
    Load,
    Make,
    Map,
    Normalizer,
    Operand,
    Part,
    Pick,
    Product,
    Read,
    Scalar,
    Scatter,
    ScatterChains,
    Schedule,
    Total,
    WeightGradient,
    Window,
)
from distml_py.layout import MOST_SIDE
from distml_py.op import DTYPES, bool_, int32
from distml_py.schedule import schedule
from distml_py.steps import Graph
from distml_py.view import View, contiguous_strides


class KernelBackend:
    """See Backend. As on a GPU, an array is a row of numbers without a shape. kernels: all that were ever planned."""

    name = "kernels in NumPy"
    on_gpu = True
    dtypes = frozenset(DTYPES)
    choices = None

    def __init__(self, side: int = MOST_SIDE) -> None:
        """side: the longest of a texture."""
        self.side = side
        self.schedules: list[Schedule] = []

    def upload(self, array: np.ndarray) -> np.ndarray:
        return array.reshape(-1)

    def upload_all(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self.upload(array) for array in arrays]

    def download(self, buffer: np.ndarray, shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray:
        assert buffer.dtype == dtype
        return buffer[: math.prod(shape)].reshape(shape)  # the first elements of an array share its buffer

    def layout(self, buffer: np.ndarray) -> None:
        return None

    def download_later(self, buffer: np.ndarray, shape: Sequence[int], dtype: np.dtype[Any]) -> Pending:
        return Arrived(self.download(buffer, shape, dtype))

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def plan(self, graph: Graph) -> Schedule:
        self.schedules.append(schedule(graph, side=self.side))
        return self.schedules[-1]

    @np.errstate(all="ignore")
    def run(self, plan: Schedule, leaves: Sequence[np.ndarray], scalars: Sequence[float]) -> list[np.ndarray]:
        slots = dict(enumerate(leaves))
        for slot, part in plan.parts.items():
            slots[slot] = rectangle(slots[part.slot], part)
        for launch in plan.launches:
            inputs = [slots[number] for number in launch.inputs]
            found = run_kernel(launch, inputs, [scalars[number] for number in launch.scalars])
            found = found.astype(launch.kernel.dtype).reshape(-1)
            slots[launch.output] = found if launch.region is None else within(launch, found, slots.get(launch.output))
        return [slots[number] for number in plan.outputs]

    def stats(self) -> dict[str, int]:
        return {"draws": 0, "textures": 0, "texture_bytes": 0}


def rectangle(array: np.ndarray, part: Part) -> np.ndarray:
    """The numbers of a part, row by row."""
    layout = part.layout
    assert layout.whole is not None
    pitch = 4 * layout.whole[0]
    rows = array[: array.size // pitch * pitch].reshape(-1, pitch)
    return rows[part.y : part.y + layout.height, 4 * part.x : 4 * (part.x + layout.width)].reshape(-1)


def within(launch: Launch, found: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """What a draw into a region leaves of its output: NaN where nothing has been drawn."""
    assert launch.region is not None
    whole = launch.region.whole
    fill = math.nan if found.dtype.kind == "f" else -(2**31)
    made = np.full(whole.layer_size, fill, found.dtype) if known is None else known.copy()
    rows = made.reshape(whole.height, whole.width * 4)
    x, y, layout = 4 * launch.region.x, launch.region.y, launch.layout
    high = -(-found.size // (4 * layout.width))
    rows[y : y + high, x : x + 4 * layout.width] = found.reshape(high, 4 * layout.width)
    return made


def run_kernel(launch: Launch, inputs: list[np.ndarray], scalars: list[float]) -> np.ndarray:
    kernel, size = launch.kernel, launch.size
    if size == 0:
        return np.zeros(0)
    if isinstance(kernel, (Product, Convolution, WeightGradient)):
        inputs = [*inputs, *(Made(body, inputs, scalars) for body in reversed(kernel.before))]  # type: ignore[list-item]
    match kernel:
        case Map():
            return element(kernel.body, np.arange(size), inputs, scalars)
        case Fold():
            found = [fold(dataclasses.replace(kernel, body=b, more=()), inputs, scalars, size) for b in (kernel.body, *kernel.more)]
            assert launch.layout.layers == len(found) and (kernel.after is None or not kernel.more)
            gap = launch.layout.layer_size - size if kernel.more else 0
            return np.concatenate([np.pad(layer, (0, gap), constant_values=-1) for layer in found])
        case Joint():
            results = joint(kernel, inputs, scalars, size)
            return np.concatenate([np.pad(r, (0, launch.layout.layer_size - size), constant_values=math.nan) for r in results])
        case Product():
            return layered(finished(kernel, product(kernel, inputs), inputs, scalars), 2, launch)
        case Convolution():
            return layered(convolution(kernel, inputs, scalars), 1, launch)
        case WeightGradient():
            return layered(weight_gradient(kernel, inputs), 1, launch)
        case Normalizer():
            return normalizer(kernel, inputs)
        case Attended():
            return layered(attended(kernel, inputs), 3, launch)
        case Scatter():
            index, source = (array[: math.prod(kernel.index_shape)].reshape(kernel.index_shape) for array in inputs)
            return ops.SCATTER_ADD.numpy(index, source, kernel.shape, kernel.axis)
        case Chain():
            return chain(kernel, inputs[0])
        case ScatterChains():
            return scatter_chains(kernel, inputs)


class Made:
    """An operand that is no array: its numbers are made where they are read."""

    def __init__(self, body: Expression, inputs: list[np.ndarray], scalars: list[float]):
        self.body, self.inputs, self.scalars = body, list(inputs), scalars

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        return element(self.body, places.reshape(-1), self.inputs, self.scalars).astype(self.body.dtype).reshape(places.shape)


def layered(found: np.ndarray, axis: int, launch: Launch) -> np.ndarray:
    """Rows (or channels) in blocks, one of a block in each layer; NaN where nothing is written."""
    block = launch.kernel.block  # type: ignore[union-attr]
    padding = [(0, 0)] * found.ndim
    padding[axis] = (0, -found.shape[axis] % block)
    padding[-1] = (0, -found.shape[-1] % 4)
    fill = {"constant_values": math.nan if found.dtype.kind == "f" else -(2**31)}
    found = np.pad(found, padding, **fill)  # type: ignore[call-overload]
    found = found.reshape(*found.shape[:axis], -1, block, *found.shape[axis + 1 :])
    found = np.moveaxis(found, axis + 1, 0).reshape(block, -1)
    assert found.shape[1] == launch.size and launch.layout.layers == block * launch.layout.stack
    if block == 1:
        return found[0]
    return np.pad(found, ((0, 0), (0, launch.layout.layer_size - launch.size)), **fill)  # type: ignore[call-overload]


def finished(kernel: Product | Convolution, found: np.ndarray, inputs: list[np.ndarray], scalars: list[float]) -> np.ndarray:
    """What is made of each number, in order."""
    if kernel.after is None:
        return found
    assert isinstance(kernel, Convolution) or kernel.splits == 1
    return element(kernel.after, np.arange(found.size), inputs, scalars, found.reshape(-1)).reshape(found.shape)


def product(kernel: Product, inputs: list[np.ndarray]) -> np.ndarray:
    (m, n, k), parts = kernel.sizes, kernel.splits
    left = operand(kernel.left, (kernel.batch, m, k), inputs).reshape(kernel.batch, m, parts, k // parts)
    right = operand(kernel.right, (kernel.batch, k, n), inputs).reshape(kernel.batch, parts, k // parts, n)
    return left.transpose(0, 2, 1, 3) @ right


def whole_rows(given: Operand, shape: tuple[int, int, int], inputs: list[np.ndarray]) -> np.ndarray:
    """Rows as a GPU reads them, in whole texels: zeros must follow each."""
    found = operand(given, (*shape[:2], -(-shape[2] // 4) * 4), inputs)
    assert not found[..., shape[2] :].any(), "something else than zeros follows a row"
    return found


def scores(query: np.ndarray, key: np.ndarray, mask: Operand | None, causal: bool, inputs: list[np.ndarray]) -> np.ndarray:
    found = query @ key.swapaxes(1, 2)
    if mask is not None:
        found = found + strided(mask, found.shape, inputs)
    seen = np.arange(found.shape[1])[:, None] >= np.arange(found.shape[2])
    return np.where(seen, found, -np.inf) if causal else found


def normalizer(kernel: Normalizer, inputs: list[np.ndarray]) -> np.ndarray:
    """(b, queries up to whole texels)."""
    b, queries, keys, e = kernel.sizes
    query, key = whole_rows(kernel.query, (b, queries, e), inputs), whole_rows(kernel.key, (b, keys, e), inputs)
    total = np.exp(scores(query, key, kernel.mask, kernel.causal, inputs).astype(np.float64)).sum(2)
    found = np.where(total == 0, 0, np.log(total))
    return np.pad(found, ((0, 0), (0, -queries % 4)), constant_values=math.nan)


def attended(kernel: Attended, inputs: list[np.ndarray]) -> np.ndarray:
    """(b, rows, groups of texels, texels up to whole groups of layers, 4)."""
    b, rows, others, e, c, width = kernel.sizes
    own, other = whole_rows(kernel.own, (b, rows, e), inputs), whole_rows(kernel.other, (b, others, e), inputs)
    query, key = (other, own) if kernel.turned else (own, other)
    known = whole_rows(kernel.statistics, (b, query.shape[1], 4), inputs)
    weights = np.exp(scores(query, key, kernel.mask, kernel.causal, inputs) - known[..., :1])
    weights = weights.swapaxes(1, 2) if kernel.turned else weights
    if kernel.slope is not None:
        first, second = (whole_rows(given, (b, size, c), inputs) for given, size in zip(kernel.slope, (rows, others), strict=True))
        delta = known[:, None, :, 1] if kernel.turned else known[..., 1:2]
        weights = weights * (first @ second.swapaxes(1, 2) - delta)
    found = weights @ whole_rows(kernel.of, (b, others, width), inputs)
    return found.reshape(b, rows, 1, -1, 4)


def chain(kernel: Chain, index: np.ndarray) -> np.ndarray:
    """(parts, rows up to whole texels), or one number an index."""
    length = kernel.length
    cut = np.split(index[: length * kernel.parts], kernel.parts)
    if kernel.behind:
        return np.concatenate([[_first(part, row, k, s * length) for k, row in enumerate(part)] for s, part in enumerate(cut)])
    rows = range(-(-kernel.rows // 4) * 4)
    return np.array([[_first(part, row, -1, s * length) for row in rows] for s, part in enumerate(cut)])


def _first(part: np.ndarray, row: int, after: int, offset: int) -> int:
    """Where in the part, which begins at offset, row is found first, after a place; -1: nowhere."""
    places = np.flatnonzero(part == row)
    places = places[places > after]
    return int(places[0]) + offset if len(places) else -1


def scatter_chains(kernel: ScatterChains, inputs: list[np.ndarray]) -> np.ndarray:
    """(parts, rows, width up to whole texels)."""
    rows, width, count = kernel.sizes
    source = operand(kernel.source, (count, width), inputs)
    first = inputs[0][: kernel.parts * (-(-rows // 4) * 4)].reshape(kernel.parts, -1)
    found = np.zeros((kernel.parts, rows, -(-width // 4) * 4), kernel.dtype)
    for place in np.ndindex(kernel.parts, rows):
        entry = first[place]
        while entry >= 0:
            found[place][:width] += source[entry]
            entry = inputs[1][entry]
    return found


def geometry(window: Window) -> tuple[Any, ...]:
    return window.stride, window.padding, window.dilation


def convolution(kernel: Convolution, inputs: list[np.ndarray], scalars: list[float]) -> np.ndarray:
    """(n, channels filled up to whole blocks in each group, oh, ow)."""
    window = kernel.window
    o, c, kh, kw = window.weight
    own = -(-(o // window.groups) // kernel.block) * kernel.block
    image = image_of(kernel, inputs)
    weight = inputs[1][: window.groups * own * c * kh * kw].reshape(-1, c, kh, kw, kernel.block)
    weight = np.moveaxis(weight, -1, 1).reshape(window.groups * own, c, kh, kw)
    found = ops.CONV2D.numpy(image, weight, *geometry(window), window.size, window.groups)
    if kernel.after is None:
        return found
    (n, _, oh, ow), real = found.shape, o // window.groups
    found = found.reshape(n, window.groups, own, oh, ow)
    done = finished(kernel, np.ascontiguousarray(found[:, :, :real]).reshape(n, o, oh, ow), inputs, scalars)
    found[:, :, :real] = done.reshape(n, window.groups, real, oh, ow)
    return found.reshape(n, -1, oh, ow)


def weight_gradient(kernel: WeightGradient, inputs: list[np.ndarray]) -> np.ndarray:
    """(parts, channels filled up, channel texels, kh, numbers of a texel)."""
    window = kernel.window
    o, c, kh, kw = window.weight
    image = image_of(kernel, inputs)
    sent = operand(kernel.gradient, (window.image[0], o, *window.size), inputs)
    found = []
    for x, g in zip(np.split(image, kernel.splits), np.split(sent, kernel.splits), strict=True):
        whole = ops.CONV2D_WEIGHT.numpy(x, g, *geometry(window), (kh, kw), window.groups)
        whole = whole.reshape(window.groups, -1, c, kh, kw)
        whole = np.pad(whole, ((0, 0), (0, -whole.shape[1] % kernel.block), (0, -c % window.channels), (0, 0), (0, 0)))
        whole = whole.reshape(-1, whole.shape[2] // window.channels, window.channels, kh, kw)
        found.append(whole.transpose(0, 1, 3, 2, 4).reshape(*whole.shape[:2], kh, -1))
    return np.array(found)


def image_of(kernel: Convolution | WeightGradient, inputs: list[np.ndarray]) -> np.ndarray:
    """Its image; a GPU reads whole texels of it, so zeros must follow every row."""
    shape = kernel.window.image
    whole = operand(kernel.image, (*shape[:3], -(-shape[3] // 4) * 4), inputs)
    assert not whole[..., shape[3] :].any(), "something else than zeros follows a row"
    return whole[..., : shape[3]]


def operand(given: Operand, shape: Sequence[int], inputs: list[np.ndarray]) -> np.ndarray:
    assert_packed(given, shape)
    return strided(given, shape, inputs)


def strided(given: Operand, shape: Sequence[int], inputs: list[np.ndarray]) -> np.ndarray:
    """The numbers of an operand, wherever its texels begin."""
    where = np.full(shape, given.offset)
    for coordinate, axis in zip(np.indices(shape), given.axes, strict=True):
        rest = coordinate
        for size, stride in reversed(axis[1:]):
            where, rest = where + rest % size * stride, rest // size
        where = where + rest * axis[0][1]
    return inputs[given.input][where]


def assert_packed(given: Operand, shape: Sequence[int]) -> None:
    """Texels run along one of the last two axes; the offset and all other strides that are walked keep them whole."""
    digits = [(axis, digit) for axis in range(len(shape)) for digit in range(len(given.axes[axis]))]

    def along(axis: int) -> bool:
        last = (axis, len(given.axes[axis]) - 1)
        sizes = [given.axes[a][d] for a, d in digits if (a, d) != last]
        size, stride = given.axes[axis][-1]
        whole = len(given.axes[axis]) == 1 or size % 4 == 0
        return (size == 1 or (stride == 1 and whole)) and all(step % 4 == 0 for length, step in sizes if length > 1)

    assert given.offset % 4 == 0 and any(along(axis) for axis in range(len(shape) - 2, len(shape))), given


def fold(kernel: Fold, inputs: list[np.ndarray], scalars: list[float], size: int) -> np.ndarray:
    step = -(-kernel.length // kernel.chunks)
    found = []
    for number in range(size):
        chunk, row = divmod(number, kernel.rows)
        count = min(step, kernel.length - chunk * step)
        places = row * kernel.length + chunk * step + np.arange(count)
        numbers = element(kernel.body, places, inputs, scalars)
        found.append(kernel.op.numpy(numbers, (0,))[0])
    if kernel.after is None:
        return np.array(found)
    return element(kernel.after, np.arange(size), inputs, scalars, np.array(found))


def joint(kernel: Joint, inputs: list[np.ndarray], scalars: list[float], size: int) -> np.ndarray:
    """(layers, size)"""
    step = -(-kernel.length // kernel.chunks)
    found = np.zeros((kernel.layers, size), kernel.dtype)
    for number in range(size):
        chunk, row = divmod(number, kernel.rows)
        inner = chunk * step + np.arange(min(step, kernel.length - chunk * step))
        counts = np.where(inner == kernel.length - 1, kernel.counts[1], kernel.counts[0]).astype(kernel.dtype)
        parts = [element(body, row * kernel.length + inner, inputs, scalars) for body in kernel.bodies]
        whole = kernel.op.merge(*parts, counts) if kernel.staged else kernel.op.gather(parts[0])
        if kernel.final:
            whole = kernel.op.finish(*whole, counts.sum(), *kernel.attrs)
        assert counts.sum() == kernel.totals[chunk == kernel.chunks - 1]
        found[:, number] = whole
    return found


def element(
    body: Expression, places: np.ndarray, inputs: list[np.ndarray], scalars: list[float], total: np.ndarray | None = None
) -> np.ndarray:
    """The numbers of an expression at element numbers `places`; total: what a fold has found there."""
    match body:
        case Total():
            assert total is not None and total.shape == places.shape
            return total.astype(body.dtype)
        case Load():
            assert inputs[body.input].dtype == body.dtype
            return inputs[body.input][places]
        case Scalar():
            return np.full(places.shape, scalars[body.scalar], body.dtype)
        case Read():
            return through(body, places, inputs, scalars)
        case Apply():
            found = [element(arg, places, inputs, scalars, total) for arg in body.args]
            return body.op.numpy(*found, *((body.dtype,) if body.op.name == "cast" else ()))
        case Make() if body.op is ops.IOTA:
            return ((places // body.attrs[1]) % body.attrs[2]).astype(int32)
        case Make():
            words = [element(arg, np.zeros(1, int), inputs, scalars)[0] for arg in body.args]
            return body.op.numpy(*words, (int(places.max(initial=0)) + 1,))[places]
        case Pick():
            return pick(body, places, inputs, scalars, total)


def source(view: View, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(element number behind each place, has it one?)."""
    where, inside = np.full(places.shape, view.offset), np.ones(places.shape, bool)
    for axis, (size, stride, step) in enumerate(zip(view.shape, view.strides, contiguous_strides(view.shape), strict=True)):
        coordinate = (places // max(step, 1)) % max(size, 1)
        where = where + coordinate * stride
        if view.mask:
            inside &= (view.mask[axis][0] <= coordinate) & (coordinate < view.mask[axis][1])
    return where, inside


def through(body: Read, places: np.ndarray, inputs: list[np.ndarray], scalars: list[float]) -> np.ndarray:
    where, inside = source(body.views[0], places)
    rest = Read(body.views[1:], body.of, body.dtype, body.work) if body.views[1:] else body.of
    found = np.full(places.shape, body.views[0].fill, body.dtype)
    found[inside] = element(rest, where[inside], inputs, scalars)
    return found


def pick(body: Pick, places: np.ndarray, inputs: list[np.ndarray], scalars: list[float], total: np.ndarray | None) -> np.ndarray:
    index = element(body.index, places, inputs, scalars, total)
    strides = list(contiguous_strides(body.shape))
    step, strides[body.axis] = strides[body.axis], 0
    where = source(View(body.index_shape, tuple(strides)), places)[0] + index * step
    inside = (index >= 0) & (index < body.shape[body.axis])
    missing = False if body.dtype == bool_ else -(2**31) if body.dtype == int32 else math.nan
    found = np.full(places.shape, missing, body.dtype)
    found[inside] = element(body.of, where[inside], inputs, scalars)
    return found
