"""Views and changes in place: random programs, judged by PyTorch after every step, and the cases worth a name."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import ShapeError

TAKEN: dict[str, Callable[[Any, random.Random], Any]] = {
    "view": lambda x, r: x.view(-1) if x.is_contiguous() else x,
    "reshape": lambda x, r: x.reshape(-1, 2) if x.numel() % 2 == 0 and x.numel() else x.reshape(-1),
    "flatten": lambda x, r: x.flatten(),
    "t": lambda x, r: x.t() if x.ndim <= 2 else x.mT,
    "transpose": lambda x, r: x.transpose(0, -1) if x.ndim else x,
    "permute": lambda x, r: x.permute(*r.sample(range(x.ndim), x.ndim)) if x.ndim else x,
    "unsqueeze": lambda x, r: x.unsqueeze(r.randint(0, x.ndim)) if x.ndim < 4 else x,
    "squeeze": lambda x, r: x.squeeze(),
    "narrow": lambda x, r: x.narrow(0, x.shape[0] // 2, x.shape[0] - x.shape[0] // 2) if x.ndim else x,
    "select": lambda x, r: x.select(-1, 0) if x.ndim and x.shape[-1] else x,
    "slice": lambda x, r: x[..., ::2] if x.ndim else x,
    "row": lambda x, r: x[-1] if x.ndim and x.shape[0] else x,
    "rows": lambda x, r: x[1:] if x.ndim else x,
    "diagonal": lambda x, r: x.diagonal(r.randint(-1, 1)) if x.ndim > 1 else x,
    "split": lambda x, r: r.choice(x.split(2)) if x.ndim else x,
    "chunk": lambda x, r: r.choice(x.chunk(2, -1)) if x.ndim else x,
    "unbind": lambda x, r: r.choice(x.unbind(0)) if x.ndim and x.shape[0] else x,
    "expand": lambda x, r: x.expand(2, *x.shape) if x.ndim < 3 else x,
    "unfold": lambda x, r: x.unfold(-1, 2, 2) if x.ndim and x.shape[-1] > 1 and x.ndim < 4 else x,
    "movedim": lambda x, r: x.movedim(0, -1) if x.ndim else x,
    "detach": lambda x, r: x.detach(),
    "data": lambda x, r: x.data,
    "view_as": lambda x, r: x.view_as(x),
    "clone": lambda x, r: x.clone().contiguous(),
    "contiguous": lambda x, r: x.contiguous(),
    "times two": lambda x, r: (x * 2).contiguous(),
}
CHANGED: dict[str, Callable[[Any, Any, random.Random], Any]] = {
    "add_": lambda x, y, r: x.add_(1.5),
    "mul_": lambda x, y, r: x.mul_(-0.5),
    "tanh_": lambda x, y, r: x.tanh_(),
    "zero_": lambda x, y, r: x.zero_(),
    "fill_": lambda x, y, r: x.fill_(0.25),
    "copy_": lambda x, y, r: x.copy_(y.detach().sum()),
    "copy_ with a gradient": lambda x, y, r: x.copy_(y.sum() * 0.125),
    "masked_fill_": lambda x, y, r: x.masked_fill_(x > 0, -0.5),
    "+=": lambda x, y, r: x.__iadd__(x.detach().clone()),
    "all": lambda x, y, r: x.__setitem__(Ellipsis, 0.75),
    "row": lambda x, y, r: x.__setitem__(0, 0.5) if x.ndim and x.shape[0] else None,
    "mask": lambda x, y, r: x.__setitem__(x < 0, 0.125),
    "part +=": lambda x, y, r: x.__setitem__(slice(1), x[:1].__iadd__(2.0)) if x.ndim else None,
    "numbers": lambda x, y, r: x.__setitem__([0], -1.0) if x.ndim and x.shape[0] else None,
    "index_fill_": lambda x, y, r: x.index_fill_(0, type(y)([0]).long(), 3.0) if x.ndim and x.shape[0] else None,
    "clamp_": lambda x, y, r: x.clamp_(-1, 1),
}


def computed(x: Any) -> bool | None:
    """Does a gradient pass it? None where PyTorch forbids the question: a view that somebody else changed unlawfully."""
    try:
        return bool(x.requires_grad and not x.is_leaf)
    except RuntimeError:
        return None


def run(lib: Any, seed: int, grad: bool) -> list[Any]:
    """What a random program shows after each step: all numbers, flags, errors; at the end the gradients."""
    r = random.Random(seed)
    shape = r.choice([(4, 4), (2, 3, 4), (6,), (4, 2, 2)])
    data = (np.arange(np.prod(shape)) / 8 - 1).reshape(shape)  # sums of these are exact
    leaf = lib.tensor(data, dtype=lib.float64, requires_grad=grad)
    known = [leaf * 1 if r.random() < 0.7 else leaf]
    shown: list[Any] = []
    for _ in range(r.randint(6, 14)):
        shown.append(step(lib, known, r))
        shown.append(([t.detach().numpy().round(9).tolist() for t in known], [computed(t) for t in known]))
    if grad:
        try:
            total = sum((t.sum() * n for n, t in enumerate(known, 1) if computed(t)), start=(leaf * 0.0).sum())
            total.backward()
            shown.append(leaf.grad.numpy().round(9).tolist())
        except RuntimeError as error:
            assert "modified by an inplace operation" in str(error) or "forbidden" in str(error)
            shown.append("Exception")
    return shown


def step(lib: Any, known: list[Any], r: random.Random) -> str:
    """One more view, or one change; what was tried."""
    x, y = known[r.randrange(len(known))], known[r.randrange(len(known))]
    change, quiet, name = r.random() < 0.45, r.random() < 0.2, ""
    state = r.getstate()
    try:
        with lib.no_grad() if quiet and change else lib.enable_grad():
            if change:
                name = r.choice(list(CHANGED)) if 0 not in x.stride() else "add_"
                CHANGED[name](x, y, r)
            else:
                name = r.choice(list(TAKEN))
                known.append(TAKEN[name](x, r))
    except RuntimeError:
        name += ": error"
    r.setstate(state)
    r.random()
    return name


@pytest.mark.parametrize("grad", [False, True], ids=["numbers", "gradients"])
@pytest.mark.parametrize("seed", range(60))
def test_a_random_program_of_views_and_changes_is_pytorchs(seed: int, grad: bool) -> None:
    ours, theirs = run(dm, seed, grad), run(torch, seed, grad)
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        if isinstance(other, tuple) and None in other[1]:
            return  # what follows is forbidden there, and well-defined here
        if other == "Exception" and isinstance(mine, list) and not np.any(mine):
            return  # all was overwritten: PyTorch asks what it saved even for a gradient of zeros
        assert mine == other, f"step {number // 2} of seed {seed}"


def test_a_row_that_is_taken_changed_and_kept_reaches_all_that_see_it() -> None:
    for lib in (dm, torch):
        x = lib.zeros(2, 3)
        row, flat, turned = x[1], x.view(-1), x.t()
        row += 1
        flat[0] = 5
        turned[2].mul_(7)
        assert x.tolist() == [[5, 0, 0], [1, 1, 7]] and row.tolist() == [1, 1, 7] and turned[0].tolist() == [5, 1]
        assert x._version == row._version == 3 and row._base is x and x._base is None and row._is_view()


def test_strides_and_what_is_contiguous_are_pytorchs() -> None:
    for lib in (dm, torch):
        x = lib.arange(24).reshape(2, 3, 4)
        seen = [
            x,
            x.t() if x.ndim < 3 else x.mT,
            x.permute(2, 0, 1),
            x[:, 1:],
            x[1, :, ::2],
            x.unsqueeze(1),
            x.permute(2, 0, 1).contiguous(),
        ]
        seen += [x.permute(2, 0, 1).reshape(8, 3), x.expand(2, 2, 3, 4), x[0].diagonal(), x.unfold(2, 2, 2), x.detach()[1].t()]
        found = [(tuple(t.stride()), t.storage_offset(), t.is_contiguous()) for t in seen]
        if lib is dm:
            ours = found
    assert ours == found


@pytest.mark.parametrize(
    "of",
    [
        lambda t: t.arange(48.0).reshape(2, 3, 4, 2),
        lambda t: t.arange(48.0).reshape(2, 1, 4, 6),
        lambda t: t.arange(48.0).reshape(2, 4, 2, 3).permute(0, 3, 1, 2),
        lambda t: t.arange(96.0).reshape(2, 3, 4, 4)[:, :, ::2],
        lambda t: t.zeros(0, 3, 4, 2),
    ],
)
def test_channels_are_last_where_pytorch_says_so_and_where_they_were_put(of: Callable[[Any], Any]) -> None:
    def seen(lib: Any) -> list[Any]:
        x = of(lib)
        last, rows = lib.channels_last, lib.contiguous_format
        moved = x.to(memory_format=last).mul_(2)
        forms = [x, x.contiguous(memory_format=last), moved, moved.contiguous(), x.contiguous(), moved.to(memory_format=rows)]
        known = [[y.is_contiguous(memory_format=f) for f in (last, rows, lib.channels_last_3d)] for y in forms]
        return [known, [y.tolist() for y in forms], moved.is_contiguous()]

    assert seen(dm) == seen(torch)
    assert of(dm).to(memory_format=dm.channels_last).numel() == of(dm).numel()


def test_a_format_for_another_number_of_dimensions_is_refused() -> None:
    for lib in (dm, torch):
        with pytest.raises(RuntimeError, match="equired rank 4 tensor to use"):
            lib.zeros(2, 3).to(memory_format=lib.channels_last)


def test_a_reshape_that_strides_cannot_say_is_a_copy_and_others_are_views() -> None:
    for lib in (dm, torch):
        x = lib.zeros(2, 3)
        x.t().reshape(-1).add_(1)
        assert x.tolist() == [[0, 0, 0], [0, 0, 0]]
        x.t().reshape(3, 2, 1).add_(1)
        x[:, :1].reshape(-1).add_(1)
        assert x.tolist() == [[2, 1, 1], [2, 1, 1]]


def test_a_parameter_that_moves_on_takes_its_views_along() -> None:
    for lib in (dm, torch):
        w = lib.nn.Parameter(lib.ones(4))
        b = lib.nn.Parameter(lib.ones(2))
        flat, kept, copy = w.data.view(2, 2), b.detach(), w.detach().clone()
        optimizer = lib.optim.SGD([w, b], lr=0.5)
        for _ in range(2):
            optimizer.zero_grad()
            (w.sum() + b.sum()).backward()
            optimizer.step()
        assert flat.tolist() == [[0, 0], [0, 0]] and kept.tolist() == [0, 0] and copy.tolist() == [1, 1, 1, 1]


def test_a_graph_from_before_an_optimizers_step_is_not_gone_back_through() -> None:
    for lib in (dm, torch):
        w = lib.nn.Parameter(lib.ones(3))
        loss = (w * w).sum()
        loss.backward(retain_graph=True)
        lib.optim.SGD([w], lr=0.5).step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


def test_other_numbers_for_a_parameter_may_have_another_shape() -> None:
    for lib in (dm, torch):
        w = lib.nn.Parameter(lib.ones(2))
        before = w.detach()
        new = lib.zeros(3)
        w.data = new
        new += 2
        assert w.tolist() == [2, 2, 2] and w.requires_grad and w.is_leaf and before.tolist() == [1, 1]


def test_shapes_that_change_in_place_stay_views() -> None:
    for lib in (dm, torch):
        x = lib.zeros(2, 3)
        y = x.view(-1)
        x.t_()
        x.unsqueeze_(0)
        x[0, 2, 1] = 4
        assert x.shape == (1, 3, 2) and y.tolist() == [0, 0, 0, 0, 0, 4]


def test_views_of_a_captured_step_are_told_by_replays() -> None:
    w, count = dm.nn.Parameter(dm.ones(3)), dm.zeros(2)
    optimizer = dm.optim.SGD([w], lr=0.25)
    seen, first = w.detach(), count[:1]

    @dm.compile
    def step(x: dm.Tensor) -> dm.Tensor:
        optimizer.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        optimizer.step()
        count.add_(1)
        return loss

    for number in range(1, 6):
        step(dm.ones(3))
        assert seen.tolist() == w.tolist() == [1 - number / 4] * 3 and first.tolist() == [number]


def test_storages_are_told_apart_and_resized_as_in_pytorch() -> None:
    told = []
    for lib in (dm, torch):
        x = lib.arange(6.0)
        y, z = x.view(2, 3), x.clone()
        found = [x.data_ptr() == y.data_ptr(), x.data_ptr() == z.data_ptr(), x.data_ptr() == x[1:].data_ptr()]
        found += [x.detach().data_ptr() == x.data_ptr(), y[1].data_ptr() - y.data_ptr()]
        found += [y.is_set_to(x), y.is_set_to(x.view(2, 3)), y.t().is_set_to(y.t())]
        found += [x.to_dense() is x, x.is_mps, x.real.tolist(), z.resize_(2, 2).tolist(), z.shape, z.resize_as_(x[:1]).tolist()]
        with pytest.raises(RuntimeError, match="imag is not implemented for tensors with non-complex dtypes"):
            x.imag  # noqa: B018
        with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
            lib.ones(2, requires_grad=True).resize_(1)
        told.append(found)
    assert told[0] == told[1]
    assert dm.ones(2).resize_(3).tolist() == [1, 1, 0] and dm.ones(1).record_stream(None) is None
    for size, stride, words in (((3,), (3,), "leaves a storage of 6"), ((2,), (-1,), "as many numbers of at least 0")):
        with pytest.raises(ShapeError, match=words):
            dm.arange(6.0).as_strided(size, stride)
