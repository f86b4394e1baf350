"""Sequences of different lengths as one tensor. PyTorch's torch.nn.utils.rnn, without packed sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import ShapeError, UnsupportedError
from ...functions.padding import pad
from ...tensor import Tensor, stack


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


def pack_padded_sequence(*arguments: Any, **options: Any) -> Any:
    """Raises UnsupportedError: recurrent layers take padded tensors here."""
    raise UnsupportedError("not implemented: torch.nn.utils.rnn.pack_padded_sequence; nearest is the padded tensor, and a mask")


pad_packed_sequence = pack_sequence = pack_padded_sequence
