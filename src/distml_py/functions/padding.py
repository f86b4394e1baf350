"""Padding: more elements around the last dimensions. PyTorch's torch.nn.functional.pad."""

from __future__ import annotations

from collections.abc import Sequence

from .. import ops
from ..errors import ShapeError
from ..tensor import Tensor, apply, cat


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """More elements around the last dimensions: (before last, after last, before second to last...). Negative sizes cut.

    mode: "constant" (value, 0 by default), "reflect" (mirrored, without the edge), "replicate" (the edge), "circular".
    """
    pad = tuple(pad)
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ShapeError(f"pad: mode is 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}")
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ShapeError(f"pad: {len(pad)} sizes for {input.ndim} dimensions; give two for each of the last ones")
    pairs = [(0, 0)] * (input.ndim - len(pad) // 2)
    pairs += [(pad[n], pad[n + 1]) for n in reversed(range(0, len(pad), 2))]
    for axis, (before, after) in enumerate(pairs):
        if min(before, after) < 0:
            count = input.shape[axis] + min(before, 0) + min(after, 0)
            if count < 0:
                raise ShapeError(f"pad: {pad} cuts more than there is in {input.shape}")
            input = _part(input, axis, max(-before, 0), count)
    grown = tuple((max(before, 0), max(after, 0)) for before, after in pairs)
    if not any(map(any, grown)):
        return input
    if mode == "constant":
        return apply(ops.PAD, input, attrs=(grown, float(value or 0)))
    for axis, (before, after) in enumerate(grown):
        if before or after:
            input = _copied(input, axis, before, after, mode)
    return input


def _part(input: Tensor, axis: int, first: int, count: int) -> Tensor:
    return input[(slice(None),) * axis + (slice(first, first + count),)]


def _copied(input: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    """Copies of the input's own elements on both sides along one axis."""
    size = input.shape[axis]
    most = {"reflect": size - 1, "circular": size, "replicate": before + after if size else 0}[mode]
    if max(before, after) > most:
        raise ShapeError(f"pad: mode {mode!r} has at most {most} elements to add to a size of {size}, not {max(before, after)}")
    if mode == "replicate":
        wide = [list(input.shape), list(input.shape)]
        wide[0][axis], wide[1][axis] = before, after
        left, right = _part(input, axis, 0, 1).expand(*wide[0]), _part(input, axis, size - 1, 1).expand(*wide[1])
    elif mode == "circular":
        left, right = _part(input, axis, size - before, before), _part(input, axis, 0, after)
    else:
        left, right = _part(input, axis, 1, before).flip(axis), _part(input, axis, size - 1 - after, after).flip(axis)
    return cat([part for part, count in ((left, before), (input, 1), (right, after)) if count], axis)
