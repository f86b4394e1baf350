"""Tokens: integers to vectors. PyTorch's torch.nn.functional."""

from __future__ import annotations

from .. import creation, engine
from ..errors import ExpectedError, ShapeError
from ..indexing import gather
from ..ops.index import check_range
from ..tensor import Tensor, made, no_grad, where


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

    The row padding_idx gets no gradient. max_norm: rows that are looked up and longer than that are shortened to it, in weight.
    scale_grad_by_freq: a row's gradient is divided by how often it is looked up. sparse: how PyTorch stores the gradient, which
    is dense here. Raises IndexRangeError for indices on the host outside [0, rows); on the GPU such an index reads NaN.
    """
    if weight.ndim != 2:
        raise ShapeError(f"embedding needs weight (rows, width), got {weight.shape}")
    count = weight.shape[0]
    if padding_idx is not None and not -count <= padding_idx < count:
        raise ExpectedError(f"embedding: padding_idx is one of {count} rows, got {padding_idx}")
    engine.ask_host(input.node, lambda known: check_range(known, count))
    if max_norm is not None:
        _shorten(input, weight, max_norm, norm_type)
    rows = input.reshape(-1, 1).expand(input.numel(), weight.shape[1])
    found = made(gather(weight.node, 0, rows.node), weight).reshape(*input.shape, weight.shape[1])
    if scale_grad_by_freq:
        share = (1 / _counts(input, weight)).to(weight.dtype)[input].unsqueeze(-1)
        found = found * share + (found * (1 - share)).detach()
    if padding_idx is None:
        return found
    return where((input == padding_idx % weight.shape[0]).unsqueeze(-1), found._aside(), found)


def _counts(input: Tensor, weight: Tensor) -> Tensor:
    """How often each row of weight is looked up."""
    flat = input.detach().reshape(-1)
    ones = creation.ones(flat.shape[0], dtype=weight.dtype)
    return creation.zeros(weight.shape[0], dtype=weight.dtype).index_add(0, flat, ones)


def _shorten(input: Tensor, weight: Tensor, max_norm: float, norm_type: float) -> None:
    with no_grad():
        lengths = weight.norm(norm_type, 1)
        long = (_counts(input, weight) > 0) & (lengths > max_norm)
        weight.mul_(where(long, max_norm / (lengths + 1e-7), 1.0).to(weight.dtype).unsqueeze(1))
