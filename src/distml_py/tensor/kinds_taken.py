"""Which kinds of numbers functions take, where that is less than all: PyTorch's rules as tables. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DtypeError
from .tensor import Tensor

# the first argument is floating-point, unless dtype= says what it becomes
_FLOATING = """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d batch_norm binary_cross_entropy
    binary_cross_entropy_with_logits cdist celu cross_entropy ctc_loss elu frac gelu glu group_norm gumbel_softmax hardshrink
    hardsigmoid hardswish histc instance_norm kl_div layer_norm leaky_relu log_softmax logsigmoid mish multi_margin_loss
    multilabel_soft_margin_loss nanmean nll_loss normalize prelu rrelu selu silu soft_margin_loss softmax softmin softplus
    softshrink
"""
# no argument is bool
_NUMERIC = """
    abs absolute argmax argmin ceil dist fix floor gaussian_nll_loss hardtanh hinge_embedding_loss huber_loss
    interpolate kthvalue l1_loss local_response_norm logcumsumexp margin_ranking_loss median neg negative
    pairwise_distance positive relu relu6 round rsub smooth_l1_loss softsign sub subtract tanhshrink threshold topk
    trace trapezoid trapz triplet_margin_loss trunc
"""
FLOATING, NUMERIC = frozenset(_FLOATING.split()), frozenset(_NUMERIC.split())
# arguments that are all floating-point, all integers or all bool
ALIKE: dict[str, tuple[str, ...]] = {
    **{name: ("input", "weight", "bias") for name in ("layer_norm", "group_norm", "instance_norm", "rms_norm", "prelu")},
    **{name: ("weight", "bias") for name in ("linear", "conv1d", "conv2d", "conv3d")},
    **{name: ("input", "weight", "bias") for name in ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")},
    "batch_norm": ("input", "weight", "bias", "running_mean", "running_var"),
    "bilinear": ("input1", "input2", "weight", "bias"),
    **{name: ("input", "target") for name in ("binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div")},
    **{name: ("input", "mat1", "mat2") for name in ("addmm",)},
    **{name: ("input", "batch1", "batch2") for name in ("addbmm", "baddbmm")},
    "addmv": ("input", "mat", "vec"),
    "lerp": ("input", "end", "weight"),
    **{name: ("input", "other") for name in ("allclose", "isclose", "cross")},
    "cdist": ("x1", "x2"),
    "nll_loss": ("input", "weight"),
    **{name: ("input", "src") for name in ("scatter", "scatter_add", "scatter_reduce")},
    **{name: ("input", "source") for name in ("index_add", "index_copy", "index_reduce", "masked_scatter")},
    "index_put": ("input", "values"),
}


def limited(name: str) -> bool:
    """Whether check() has something to say of a function."""
    word = name.removesuffix("_")
    return word in FLOATING or word in NUMERIC or word in ALIKE


def check(name: str, given: Mapping[str, Any]) -> None:
    """Raises DtypeError for a function's arguments, in their order, that are of a kind of number it does not take."""
    word = name.removesuffix("_")
    tensors = {part: value.dtype for part, value in given.items() if isinstance(value, Tensor)}
    if word in FLOATING and given.get("dtype") is None:
        first = tensors.get(next(iter(given), ""))
        if first is not None and first.kind != "f":
            raise DtypeError(f"{name} needs floating-point numbers, got {first.name}; use .float()")
    if word in NUMERIC and any(dtype.kind == "b" for dtype in tensors.values()):
        raise DtypeError(f"{name} needs numbers, got bool; use .float() or .long(), or ~ and logical_xor for truths")
    alike = {part: tensors[part] for part in ALIKE.get(word, ()) if part in tensors}
    if len({dtype.kind for dtype in alike.values()}) > 1:
        found = ", ".join(f"{part} {dtype.name}" for part, dtype in alike.items())
        raise DtypeError(f"{name} needs arguments of one kind of number, got {found}; convert with .to(...)")
