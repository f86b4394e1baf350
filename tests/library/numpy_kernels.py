"""A backend that runs schedules kernel by kernel in NumPy: the judge of fusion, views and staging, without a GPU."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from distml_py import ops
from distml_py.backends.protocol import Arrived, Pending
from distml_py.kernel import (
    Apply,
    Convolution,
    Expression,
    Fold,
    Kernel,
    Load,
    Make,
    Map,
    Operand,
    Pick,
    Product,
    Read,
    Scalar,
    Scatter,
    Schedule,
)
from distml_py.op import DTYPES, bool_, int32
from distml_py.schedule import Graph, schedule
from distml_py.view import View, contiguous_strides


class KernelBackend:
    """See Backend. As on a GPU, an array is a row of numbers without a shape. kernels: all that were ever planned."""

    name = "kernels in NumPy"
    on_gpu = True
    dtypes = frozenset(DTYPES)

    def __init__(self) -> None:
        self.schedules: list[Schedule] = []

    def upload(self, array: np.ndarray) -> np.ndarray:
        return array.reshape(-1)

    def download(self, buffer: np.ndarray, shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray:
        assert buffer.dtype == dtype
        return buffer[: math.prod(shape)].reshape(shape)  # the first elements of an array share its buffer

    def download_later(self, buffer: np.ndarray, shape: Sequence[int], dtype: np.dtype[Any]) -> Pending:
        return Arrived(self.download(buffer, shape, dtype))

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def plan(self, graph: Graph) -> Schedule:
        self.schedules.append(schedule(graph))
        return self.schedules[-1]

    @np.errstate(all="ignore")
    def run(self, plan: Schedule, leaves: Sequence[np.ndarray], scalars: Sequence[float]) -> list[np.ndarray]:
        slots = list(leaves)
        for launch in plan.launches:
            inputs = [slots[number] for number in launch.inputs]
            found = run_kernel(launch.kernel, inputs, [scalars[number] for number in launch.scalars], launch.size)
            assert found.size == launch.size
            slots.append(found.astype(launch.kernel.dtype).reshape(-1))
        return [slots[number] for number in plan.outputs]

    def stats(self) -> dict[str, int]:
        return {"draws": 0, "textures": 0, "texture_bytes": 0}


def run_kernel(kernel: Kernel, inputs: list[np.ndarray], scalars: list[float], size: int) -> np.ndarray:
    if size == 0:
        return np.zeros(0)
    match kernel:
        case Map():
            return element(kernel.body, np.arange(size), inputs, scalars)
        case Fold():
            return fold(kernel, inputs, scalars, size)
        case Product():
            m, n, k = kernel.sizes
            batch = size // (m * n)
            left, right = operand(kernel.left, (batch, m, k), inputs), operand(kernel.right, (batch, k, n), inputs)
            return left @ right
        case Convolution():
            image = operand(kernel.image, kernel.image_shape, inputs)
            weight = operand(kernel.weight, kernel.weight_shape, inputs)
            return ops.CONV2D.numpy(image, weight, kernel.stride, kernel.padding, kernel.dilation, kernel.size)
        case Scatter():
            index, source = (array[: math.prod(kernel.index_shape)].reshape(kernel.index_shape) for array in inputs)
            return ops.SCATTER_ADD.numpy(index, source, kernel.shape, kernel.axis)


def operand(given: Operand, shape: Sequence[int], inputs: list[np.ndarray]) -> np.ndarray:
    where = given.offset + sum(axis * stride for axis, stride in zip(np.indices(shape), given.strides, strict=True))
    return inputs[given.input][np.broadcast_to(where, shape)]


def fold(kernel: Fold, inputs: list[np.ndarray], scalars: list[float], size: int) -> np.ndarray:
    step = -(-kernel.length // kernel.chunks)
    found = []
    for number in range(size):
        row, chunk = divmod(number, kernel.chunks)
        count = min(step, kernel.length - chunk * step)
        places = row * kernel.length + chunk * step + np.arange(count)
        numbers = element(kernel.body, places, inputs, scalars)
        found.append(kernel.op.numpy(numbers, (0,))[0])
    return np.array(found)


def element(body: Expression, places: np.ndarray, inputs: list[np.ndarray], scalars: list[float]) -> np.ndarray:
    """The numbers of an expression at element numbers `places`."""
    match body:
        case Load():
            assert inputs[body.input].dtype == body.dtype
            return inputs[body.input][places]
        case Scalar():
            return np.full(places.shape, scalars[body.scalar], body.dtype)
        case Read():
            return through(body, places, inputs, scalars)
        case Apply():
            found = [element(arg, places, inputs, scalars) for arg in body.args]
            return body.op.numpy(*found, *((body.dtype,) if body.op.name == "cast" else ()))
        case Make() if body.op is ops.IOTA:
            return ((places // body.attrs[1]) % body.attrs[2]).astype(int32)
        case Make():
            words = [element(arg, np.zeros(1, int), inputs, scalars)[0] for arg in body.args]
            return body.op.numpy(*words, (int(places.max(initial=0)) + 1,))[places]
        case Pick():
            return pick(body, places, inputs, scalars)


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


def pick(body: Pick, places: np.ndarray, inputs: list[np.ndarray], scalars: list[float]) -> np.ndarray:
    index = element(body.index, places, inputs, scalars)
    strides = list(contiguous_strides(body.shape))
    step, strides[body.axis] = strides[body.axis], 0
    where = source(View(body.index_shape, tuple(strides)), places)[0] + index * step
    inside = (index >= 0) & (index < body.shape[body.axis])
    missing = False if body.dtype == bool_ else -(2**31) if body.dtype == int32 else math.nan
    found = np.full(places.shape, missing, body.dtype)
    found[inside] = element(body.of, where[inside], inputs, scalars)
    return found
