"""Sequences of different lengths as one tensor. PyTorch's torch.nn.utils.rnn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import ShapeError
from ...functions.padding import pad
from ...tensor import Tensor, stack, where


def pad_sequence(
    sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Tensors (length, ...) to (longest, n, ...), or (n, longest, ...) if batch_first; shorter ones are filled up."""
    if not sequences or len({sequence.shape[1:] for sequence in sequences}) != 1 or not all(s.ndim for s in sequences):
        shapes = [sequence.shape for sequence in sequences]
        raise ShapeError(f"pad_sequence needs sequences (length, ...) that are equal otherwise, got {shapes}")
    if padding_side not in ("left", "right"):
        raise ShapeError(f"pad_sequence: padding_side is 'left' or 'right', got {padding_side!r}")
    longest = max(sequence.shape[0] for sequence in sequences)
    filled = []
    for sequence in sequences:
        more = longest - sequence.shape[0]
        sides = (more, 0) if padding_side == "left" else (0, more)
        filled.append(pad(sequence, (0, 0) * (sequence.ndim - 1) + sides, value=padding_value))
    return stack(filled, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """pad_sequence undone: the first `length` steps of each sequence."""
    whole = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    given = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    if len(given) != whole.shape[0] or max(given, default=0) > whole.shape[1]:
        raise ShapeError(
            f"unpad_sequence: {len(given)} lengths up to {max(given, default=0)} for sequences {padded_sequences.shape}"
        )
    return [whole[number, :length] for number, length in enumerate(given)]


class PackedSequence(NamedTuple):
    """Sequences without their padding. data: all first steps, all second steps ..., of the longest sequence first.

    batch_sizes: how many sequences have each step. sorted_indices, unsorted_indices: the order they were brought into, and back.
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

    def to(self, *target: Any, **named: Any) -> PackedSequence:
        return self._replace(data=self.data.to(*target, **named))

    def cpu(self) -> PackedSequence:
        return self

    @property
    def is_cuda(self) -> bool:
        return False


def _listed(lengths: Any) -> list[int]:
    return [int(length) for length in (lengths.tolist() if isinstance(lengths, Tensor) else lengths)]


def pack_padded_sequence(input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> PackedSequence:
    """Padded sequences (time, n, ...), or (n, time, ...) if batch_first, of these lengths, which are read, without the padding."""
    given = _listed(lengths)
    whole = input.transpose(0, 1) if batch_first else input
    if len(given) != whole.shape[1] or not given or min(given) < 1 or max(given) > whole.shape[0]:
        raise ShapeError(
            f"pack_padded_sequence: lengths {given} for {whole.shape[1]} sequences of {whole.shape[0]} steps; each is at least 1"
        )
    order = list(range(len(given)))
    if not enforce_sorted:
        order.sort(key=lambda n: -given[n])
    elif any(one < two for one, two in zip(given, given[1:], strict=False)):
        raise ShapeError(f"pack_padded_sequence: lengths {given} do not decrease; pass enforce_sorted=False")
    sizes = [sum(length > step for length in given) for step in range(max(given))]
    steps = _whole([step for step, size in enumerate(sizes) for _ in range(size)])
    rows = _whole([order[n] for size in sizes for n in range(size)])
    back = sorted(range(len(order)), key=order.__getitem__)
    places = (None, None) if enforce_sorted else (_whole(order), _whole(back))
    return PackedSequence(whole[steps, rows], _whole(sizes), *places)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """(padded sequences (time, n, ...), or (n, time, ...) if batch_first, their lengths)."""
    sizes = _listed(sequence.batch_sizes)
    steps, count = len(sizes), sizes[0]
    if total_length is not None and total_length < steps:
        raise ShapeError(f"pad_packed_sequence: total_length {total_length} is less than the longest sequence's {steps} steps")
    back = None if sequence.unsorted_indices is None else _listed(sequence.unsorted_indices)
    order = back or list(range(count))
    begins = [sum(sizes[:step]) for step in range(steps)]
    rows = [[begins[step] + n if n < sizes[step] else 0 for n in order] for step in range(steps)]
    there = [[n < sizes[step] for n in order] for step in range(steps)]
    found = sequence.data[_whole(rows)]
    mask = Tensor(np.asarray(there)).reshape(steps, count, *(1,) * (found.ndim - 2))
    found = where(mask, found, Tensor(padding_value).to(found.dtype))
    if total_length is not None:
        found = pad(found, (0, 0) * (found.ndim - 1) + (0, total_length - steps), value=padding_value)
    lengths = _whole([sum(n < size for size in sizes) for n in order])
    return (found.transpose(0, 1) if batch_first else found), lengths


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Tensors (length, ...) as one PackedSequence."""
    return pack_padded_sequence(pad_sequence(sequences), [len(sequence) for sequence in sequences], False, enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """pack_sequence undone."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def _whole(numbers: Sequence[int] | Sequence[Sequence[int]]) -> Tensor:
    return Tensor(np.asarray(numbers, np.int64))
