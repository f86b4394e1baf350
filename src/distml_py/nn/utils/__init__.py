"""Helpers of training. PyTorch's torch.nn.utils."""

from ...missing import getter as _getter
from . import rnn
from .gradients import (
    clip_grad_norm_,
    clip_grad_value_,
    get_total_norm,
    parameters_to_vector,
    vector_to_parameters,
)

__getattr__ = _getter("torch.nn.utils", globals())
