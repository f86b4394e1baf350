"""Padding: more elements around the last dimensions. PyTorch's torch.nn.functional.pad."""

from __future__ import annotations

from .. import ops
from ..errors import ShapeError
from ..tensor import Tensor, apply


def pad(input: Tensor, pad: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Constants around the last dimensions: (before last, after last, before second to last...). Negative sizes cut."""
    if mode != "constant":
        raise ShapeError(f"pad: mode {mode!r} is not implemented; nearest is mode='constant'")
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ShapeError(f"pad: {len(pad)} sizes for {input.ndim} dimensions; give two for each of the last ones")
    pairs = [(0, 0)] * (input.ndim - len(pad) // 2)
    pairs += [(pad[n], pad[n + 1]) for n in reversed(range(0, len(pad), 2))]
    for axis, (before, after) in enumerate(pairs):
        if min(before, after) < 0:
            count = input.shape[axis] + min(before, 0) + min(after, 0)
            if count < 0:
                raise ShapeError(f"pad: {pad} cuts more than there is in {input.shape}")
            input = input[(slice(None),) * axis + (slice(max(-before, 0), max(-before, 0) + count),)]
    grown = tuple((max(before, 0), max(after, 0)) for before, after in pairs)
    return input if not any(map(any, grown)) else apply(ops.PAD, input, attrs=(grown, float(value)))
