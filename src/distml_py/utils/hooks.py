"""PyTorch's torch.utils.hooks: what registering a hook returns."""

from ..nn.hooks import RemovableHandle as RemovableHandle
