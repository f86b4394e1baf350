"""Random programs: every number of a list makes one choice, so that any list is a program and runs alike on every backend.

Steps are smooth and keep numbers small: what two backends find may differ by rounding alone.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import distml_py as dm
from distml_py import Tensor, engine
from op_examples import numbers

SHAPES = [(5,), (8,), (3, 4), (4, 8), (5, 3), (1, 17), (2, 3, 4), (3, 1, 8), (1, 2, 5, 5), (2, 3, 4, 8), (2, 1, 1, 5), (9, 9)]
MOST = 1500  # numbers in an array
Choose = Callable[[int], int]


def _axis(x: Tensor, choose: Choose) -> int:
    return choose(x.ndim) if x.ndim else 0


def _mapped(x: Tensor, choose: Choose) -> Tensor:
    return [lambda: x.sin(), lambda: (x * 0.5).tanh() + 0.25, lambda: x.sigmoid() * 2 - 1, lambda: x * 0.5 - 1][choose(4)]()


def _joined(x: Tensor, choose: Choose) -> Tensor:
    return (x + x.flip(_axis(x, choose))) * 0.5 if x.ndim else x + 1


def _broadcast(x: Tensor, choose: Choose) -> Tensor:
    return x * x.mean(_axis(x, choose), keepdim=True)


def _permuted(x: Tensor, choose: Choose) -> Tensor:
    order = list(range(x.ndim))
    return x.permute([order.pop(choose(len(order))) for _ in range(x.ndim)]) if x.ndim else x


def _reshaped(x: Tensor, choose: Choose) -> Tensor:
    size = [d for d in range(1, x.numel() + 1) if x.numel() % d == 0]
    return x.reshape(size[choose(len(size))], -1)


def _sliced(x: Tensor, choose: Choose) -> Tensor:
    cuts: list[Any] = [slice(None), slice(1, None), slice(None, -1), slice(None, None, 2), slice(None, 5), slice(1, None, 3)]
    found = x[tuple(cuts[choose(len(cuts))] for _ in range(x.ndim))]
    return found if found.numel() else x


def _padded(x: Tensor, choose: Choose) -> Tensor:
    return dm.nn.functional.pad(x, (choose(3), choose(3)) * min(x.ndim, 2), value=choose(2)) if x.ndim else x


def _expanded(x: Tensor, choose: Choose) -> Tensor:
    axis = choose(x.ndim + 1)
    return x.unsqueeze(axis).expand(*x.shape[:axis], choose(4) + 2, *x.shape[axis:])


def _reduced(x: Tensor, choose: Choose) -> Tensor:
    axis, keep = _axis(x, choose), bool(choose(2))
    words = (
        lambda: x.mean(axis, keepdim=keep),
        lambda: x.detach().amax(axis, keepdim=keep) + x.mean(axis, keepdim=keep),
        lambda: x.softmax(axis),
    )
    return words[choose(3)]() if x.ndim else x.sum()


def _summed(x: Tensor, choose: Choose) -> Tensor:
    return (x.sum() * (1 / x.numel())).sin() + _mapped(x, choose)


def _doubled(x: Tensor, choose: Choose) -> Tensor:
    return dm.cat([x, x * 0.5], _axis(x, choose)) if x.ndim else dm.stack([x, x])


def _gathered(x: Tensor, choose: Choose) -> Tensor:
    if not x.ndim:
        return x
    index = dm.tensor(np.array([(7 * n + choose(5)) % x.shape[0] for n in range(choose(5) + 1)], np.int32))
    return x[index]


def _picked(x: Tensor, choose: Choose) -> Tensor:
    """One number of each line."""
    if x.ndim < 2:
        return x
    flat = x.reshape(x.shape[0], -1)
    index = dm.tensor(np.array([[(3 * n + choose(4)) % flat.shape[1]] for n in range(flat.shape[0])], np.int32))
    return flat.gather(1, index)


def _multiplied(x: Tensor, choose: Choose) -> Tensor:
    flat = x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1)
    if choose(3) == 0:
        found = flat.t() @ flat * (1 / flat.shape[0])
    elif choose(2):
        found = flat @ flat.t() * (1 / flat.shape[1])
    else:
        other = dm.tensor(numbers(flat.shape[1], choose(9) + 1, seed=2))
        found = flat @ other * (1 / flat.shape[1])
    return found


def _convolved(x: Tensor, choose: Choose) -> Tensor:
    image = x.reshape(*(1,) * (4 - x.ndim), *x.shape) if x.ndim <= 4 else x.reshape(1, 1, -1, x.shape[-1])
    groups = image.shape[1] if choose(3) == 0 else 1
    kernel = choose(3) + 1, choose(5) + 1
    outputs = groups * (choose(2) + 1) if groups > 1 else choose(6) + 1
    weight = dm.tensor(numbers(outputs, image.shape[1] // groups, *kernel, low=-1, high=1, seed=3))
    options = {"stride": (choose(2) + 1, choose(2) + 1), "dilation": choose(2) + 1, "groups": groups}
    found = dm.nn.functional.conv2d(image, weight, padding=(3, choose(4) + 5), **options)
    return found * (1 / math.prod(weight.shape[1:]))


def _settled(x: Tensor, choose: Choose) -> Tensor:
    """Computed now: later steps read an array as a draw left it."""
    engine.realize([x.node])
    return x


STEPS = [
    *(_mapped, _joined, _broadcast, _permuted, _reshaped, _sliced, _padded, _expanded, _reduced, _summed),
    *(_doubled, _gathered, _picked, _multiplied, _convolved, _convolved, _settled),
]


def run(choices: Sequence[int]) -> list[np.ndarray]:
    """What the program makes, and the gradients of its beginnings."""
    left = list(choices)

    def choose(count: int) -> int:
        return left.pop(0) % count if left else 0

    begun = [dm.tensor(numbers(*SHAPES[choose(len(SHAPES))], seed=n)).requires_grad_() for n in range(2)]
    pool = list(begun)
    while left:
        x = pool[-1 - choose(2)]
        found = STEPS[choose(len(STEPS))](x, choose)
        if 0 < found.numel() <= MOST and found.ndim <= 4:
            pool.append(found)
    outputs = pool[-3:]
    loss = sum((out * dm.tensor(numbers(*out.shape, low=-1, high=1, seed=4))).mean() for out in outputs)
    loss.backward()
    grads = [tensor.grad for tensor in begun if tensor.grad is not None]
    engine.realize(tensor.node for tensor in (*outputs, *grads))
    return [tensor.detach().numpy() for tensor in (*outputs, *grads)]
