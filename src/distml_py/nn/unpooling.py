"""Pools and windows undone, pools by powers, and Upsample under its earlier names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..functions.volume import Triple, triple
from ..tensor import Tensor
from . import functional as F
from .functional import Pair, Single
from .module import Module
from .vision import Upsample


class _MaxUnpool(Module):
    kernel_size: tuple[int, ...]

    def _take(self, rank: int, kernel_size: Any, stride: Any, padding: Any) -> None:
        given = (kernel_size, kernel_size if stride is None else stride, padding)
        sizes = [(value,) * rank if isinstance(value, int) else tuple(value) for value in given]
        self.kernel_size, self.stride, self.padding = sizes

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """What MaxPool1d(return_indices=True) gave, where it stood, and zeros."""

    def __init__(self, kernel_size: Single, stride: Single | None = None, padding: Single = 0):
        super().__init__()
        self._take(1, kernel_size, stride, padding)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)  # type: ignore[arg-type]


class MaxUnpool2d(_MaxUnpool):
    """What MaxPool2d(return_indices=True) gave, where it stood, and zeros."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0):
        super().__init__()
        self._take(2, kernel_size, stride, padding)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)  # type: ignore[arg-type]


class MaxUnpool3d(_MaxUnpool):
    """What MaxPool3d(return_indices=True) gave, where it stood, and zeros."""

    def __init__(self, kernel_size: Triple, stride: Triple | None = None, padding: Triple = 0):
        super().__init__()
        self._take(3, triple(kernel_size, "kernel_size"), stride, padding)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)  # type: ignore[arg-type]


class _LPPool(Module):
    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False):
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def extra_repr(self) -> str:
        sizes = f"kernel_size={self.kernel_size}, stride={self.stride}"
        return f"norm_type={self.norm_type}, {sizes}, ceil_mode={self.ceil_mode}"


class LPPool1d(_LPPool):
    """See functional.lp_pool1d."""

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool1d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPool):
    """See functional.lp_pool2d."""

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class Fold(Module):
    """(n, c * kh * kw, windows) -> (n, c, h, w). See functional.fold."""

    def __init__(self, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1):
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        first = f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}"
        return f"{first}, padding={self.padding}, stride={self.stride}"


class UpsamplingNearest2d(Upsample):
    """Upsample(mode="nearest")."""

    def __init__(self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample(mode="bilinear", align_corners=True)."""

    def __init__(self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
