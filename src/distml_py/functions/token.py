"""Tokens: integers to vectors. PyTorch's torch.nn.functional."""

from __future__ import annotations

from .. import creation, engine
from ..errors import ShapeError, UnsupportedError
from ..indexing import gather
from ..ops.index import check_range
from ..tensor import Tensor, made, where


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int32, one more dimension of num_classes at the end; -1: the largest class and one, which is read from the device."""
    if tensor.dtype.kind != "i" or num_classes < -1 or num_classes == 0:
        raise ShapeError(f"one_hot takes integers and num_classes from 1 up, or -1, got {tensor.dtype.name} and {num_classes}")
    if num_classes < 0:
        num_classes = int(tensor.amax().item()) + 1
    engine.ask_host(tensor.node, lambda known: check_range(known, num_classes))
    return (tensor.unsqueeze(-1) == creation.arange(num_classes)).long()


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of weight (rows, width) that input, integers of any shape, names: (*input.shape, width).

    The row padding_idx gets no gradient. Raises IndexRangeError for indices on the host outside [0, rows); on the GPU such
    an index reads NaN. UnsupportedError for max_norm, scale_grad_by_freq and sparse.
    """
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise UnsupportedError("not implemented: embedding(max_norm, scale_grad_by_freq, sparse); nearest is their defaults")
    if weight.ndim != 2:
        raise ShapeError(f"embedding needs weight (rows, width), got {weight.shape}")
    count = weight.shape[0]
    if padding_idx is not None and not -count <= padding_idx < count:
        raise ShapeError(f"embedding: padding_idx is one of {count} rows, got {padding_idx}")
    engine.ask_host(input.node, lambda known: check_range(known, count))
    rows = input.reshape(-1, 1).expand(input.numel(), weight.shape[1])
    found = made(gather(weight.node, 0, rows.node), weight).reshape(*input.shape, weight.shape[1])
    if padding_idx is None:
        return found
    return where((input == padding_idx % weight.shape[0]).unsqueeze(-1), found._aside(), found)
