"""PyTorch's words for nodes: a Tensor, and its families of functions, which are its methods, too."""

from .conversion import double, long
from .elementwise import maximum, minimum, where
from .grad_mode import is_grad_enabled, no_grad
from .host_data import host_data
from .joining import broadcast_dtypes, cat, stack
from .picking import gather
from .products import matmul
from .reduction import logsumexp
from .shape import reshape
from .tensor import Later, Tensor, apply, made
