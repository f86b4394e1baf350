"""Helpers of training. PyTorch's torch.nn.utils."""

from inspect import isfunction

from ...missing import getter as _getter
from ...tensor.arguments import guard as _guard
from . import parametrizations, parametrize, prune, rnn
from .fusing import (
    convert_conv2d_weight_memory_format,
    convert_conv3d_weight_memory_format,
    fuse_conv_bn_eval,
    fuse_conv_bn_weights,
    fuse_linear_bn_eval,
    fuse_linear_bn_weights,
    skip_init,
)
from .gradients import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
    parameters_to_vector,
    vector_to_parameters,
)
from .norms import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm

_guard(globals(), [name for name, value in globals().items() if isfunction(value)], frozenset({"foreach"}))
__getattr__ = _getter("torch.nn.utils", globals())
