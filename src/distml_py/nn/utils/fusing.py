"""A linear map and the batch norm after it as one layer, for eval mode. PyTorch's torch.nn.utils.fusion."""

from __future__ import annotations

import copy
import functools
from typing import Any, TypeVar

from ...creation import zeros_like
from ...errors import ShapeError
from ...tensor import Tensor
from ..leaves import Parameter
from ..module import Module

Layer = TypeVar("Layer", bound=Module)


def _scale(running_var: Tensor, eps: float, weight: Tensor | None) -> Tensor:
    found = (running_var + eps).rsqrt()
    return found if weight is None else found * weight


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """(weight, bias) of a convolution that computes the batch norm, too."""
    scale = _scale(bn_rv, bn_eps, bn_w)
    shape = (1, -1) if transpose else (-1, 1)
    weight = conv_w * scale.reshape(*shape, *(1,) * (conv_w.ndim - 2))
    return Parameter(weight.detach(), conv_w.requires_grad), _bias(conv_b, bn_rm, scale, bn_b)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """(weight, bias) of a Linear that computes the batch norm, too."""
    scale = _scale(bn_rv, bn_eps, bn_w)
    return Parameter((linear_w * scale.unsqueeze(-1)).detach(), linear_w.requires_grad), _bias(linear_b, bn_rm, scale, bn_b)


def _bias(bias: Tensor | None, mean: Tensor, scale: Tensor, shift: Tensor | None) -> Parameter:
    found = ((zeros_like(mean) if bias is None else bias) - mean) * scale
    return Parameter((found if shift is None else found + shift).detach(), True if bias is None else bias.requires_grad)


def fuse_conv_bn_eval(conv: Layer, bn: Module, transpose: bool = False) -> Layer:
    """A copy of conv that computes bn, too. Both are in eval mode."""
    return _fused(conv, bn, functools.partial(fuse_conv_bn_weights, transpose=transpose))


def fuse_linear_bn_eval(linear: Layer, bn: Module) -> Layer:
    """A copy of linear that computes bn, too. Both are in eval mode."""
    return _fused(linear, bn, fuse_linear_bn_weights)


def _fused(layer: Layer, norm: Any, weights: Any) -> Layer:
    if layer.training or norm.training:
        raise ShapeError("Fusion only for eval: call .eval() on both layers first")
    found: Any = copy.deepcopy(layer)
    if norm.running_mean is None:
        raise ShapeError("Fusion needs the running statistics of the batch norm; make it with track_running_stats=True")
    known = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
    found.weight, found.bias = weights(found.weight, found.bias, *known)
    fused: Layer = found
    return fused


def skip_init(module_cls: type[Layer], *args: Any, **kwargs: Any) -> Layer:
    """module_cls(*args, **kwargs): its numbers are drawn all the same, which costs little here."""
    return module_cls(*args, **kwargs)


def convert_conv2d_weight_memory_format(module: Layer, memory_format: Any) -> Layer:
    """The module itself: how numbers lie in memory is the backend's matter."""
    return module


convert_conv3d_weight_memory_format = convert_conv2d_weight_memory_format
