"""Layers that learn how many inputs they have from the first one they get, and become plain layers then."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..dtypes import fraction
from ..errors import ShapeError
from ..size import Size
from ..tensor import Tensor
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .linear import Linear
from .module import Module, Parameter
from .normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, _InstanceNorm


class UninitializedParameter(Parameter):
    """The parameter of a lazy layer before its first input. It has no shape yet, and its data no numbers, as in PyTorch."""

    __slots__ = ()

    @property
    def data(self) -> Tensor:
        """No numbers: what is done to them is forgotten."""
        return Tensor(np.zeros(0), fraction())

    @data.setter
    def data(self, value: Tensor) -> None:
        raise ShapeError("a lazy layer's parameter has no shape yet; call the model once, then set its numbers")

    @property
    def shape(self) -> Size:
        raise ShapeError("a lazy layer's parameter has no shape yet; call the model once, then make the optimizer")

    def __repr__(self) -> str:
        return "<UninitializedParameter>"


class _Lazy(Module):
    """becomes: the plain layer; counted: its attribute for the number of inputs; axis: where an input has that number."""

    becomes: ClassVar[type[Module]]
    counted: ClassVar[str]

    def __init__(self, *args: Any, **named: Any):
        groups = args[5] if len(args) > 5 else named.get("groups", 1)
        super().__init__(groups if self.counted == "in_channels" else 1, *args, **named)  # type: ignore[call-arg]
        object.__setattr__(self, "_given", (args, named))
        object.__setattr__(self, self.counted, 0)
        for name, parameter in list(self._parameters.items()):
            if parameter is not None:
                setattr(self, name, UninitializedParameter())

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        self._become(inputs[0] if inputs else next(iter(named.values())))
        return self(*inputs, **named)

    def _inputs(self, input: Tensor) -> int:
        return input.shape[-1]

    def _become(self, input: Tensor) -> None:
        args, named = self.__dict__.pop("_given")
        count = self._inputs(input)
        plain = self.becomes(count, *args, **named)  # type: ignore[call-arg]
        for name, fresh in plain._parameters.items():
            own = self._parameters[name]
            if own is not None and fresh is not None:
                own.__class__ = Parameter
                own.data = fresh.detach()
        for name, buffer in plain._buffers.items():
            setattr(self, name, buffer)
        object.__setattr__(self, self.counted, count)
        self.__class__ = self.becomes  # type: ignore[assignment]


class LazyLinear(_Lazy, Linear):
    """Linear of as many in_features as the first input has."""

    becomes, counted = Linear, "in_features"

    def __init__(self, out_features: int, bias: bool = True):
        super().__init__(out_features, bias)


class _LazyConv(_Lazy):
    rank: int

    def _inputs(self, input: Tensor) -> int:
        rank = self.rank
        if input.ndim not in (rank + 1, rank + 2):
            raise ShapeError(f"{type(self).__name__} needs {rank + 1} or {rank + 2} dimensions, got {input.shape}")
        return input.shape[-rank - 1]


class LazyConv1d(_LazyConv, Conv1d):
    """Conv1d of as many in_channels as the first input has."""

    becomes, counted = Conv1d, "in_channels"


class LazyConv2d(_LazyConv, Conv2d):
    """Conv2d of as many in_channels as the first input has."""

    becomes, counted = Conv2d, "in_channels"


class LazyConv3d(_LazyConv, Conv3d):
    """Conv3d of as many in_channels as the first input has."""

    becomes, counted = Conv3d, "in_channels"


class LazyConvTranspose1d(_LazyConv, ConvTranspose1d):
    """ConvTranspose1d of as many in_channels as the first input has."""

    becomes, counted = ConvTranspose1d, "in_channels"


class LazyConvTranspose2d(_LazyConv, ConvTranspose2d):
    """ConvTranspose2d of as many in_channels as the first input has."""

    becomes, counted = ConvTranspose2d, "in_channels"


class LazyConvTranspose3d(_LazyConv, ConvTranspose3d):
    """ConvTranspose3d of as many in_channels as the first input has."""

    becomes, counted = ConvTranspose3d, "in_channels"


class _LazyNorm(_Lazy):
    def _inputs(self, input: Tensor) -> int:
        ranks: tuple[int, ...] = self.becomes.ranks  # type: ignore[attr-defined]
        if input.ndim not in ranks:
            raise ShapeError(f"{type(self).__name__} needs {' or '.join(map(str, ranks))} dimensions, got {input.shape}")
        return input.shape[0] if issubclass(self.becomes, _InstanceNorm) and input.ndim < ranks[0] else input.shape[1]


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """BatchNorm1d of as many features as the first input has."""

    becomes, counted = BatchNorm1d, "num_features"


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """BatchNorm2d of as many features as the first input has."""

    becomes, counted = BatchNorm2d, "num_features"


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """BatchNorm3d of as many features as the first input has."""

    becomes, counted = BatchNorm3d, "num_features"


class _LazyInstance(_LazyNorm):
    """PyTorch's lazy instance norms have weights and running statistics unless told otherwise."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ):
        super().__init__(eps, momentum, affine, track_running_stats, bias=bias)


class LazyInstanceNorm1d(_LazyInstance, InstanceNorm1d):
    """InstanceNorm1d of as many features as the first input has."""

    becomes, counted = InstanceNorm1d, "num_features"


class LazyInstanceNorm2d(_LazyInstance, InstanceNorm2d):
    """InstanceNorm2d of as many features as the first input has."""

    becomes, counted = InstanceNorm2d, "num_features"


class LazyInstanceNorm3d(_LazyInstance, InstanceNorm3d):
    """InstanceNorm3d of as many features as the first input has."""

    becomes, counted = InstanceNorm3d, "num_features"
