"""PyTorch's torch.utils.hooks: what registering a hook returns."""

from ..tensor.gradient import RemovableHandle as RemovableHandle
