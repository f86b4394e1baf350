"""distml_py: PyTorch-like training in browser tabs (Pyodide and WebGL2) and in CPython (NumPy)."""

from . import autograd, data, models, nn, optim, recipe
from .capture import compile
from .creation import (
    arange,
    bernoulli,
    eye,
    from_numpy,
    full,
    ones,
    ones_like,
    rand,
    randint,
    randn,
    tensor,
    zeros,
    zeros_like,
)
from .engine import memory, use_backend
from .op import bool_ as bool
from .op import float32, float64, int32
from .profiler import profile
from .random import manual_seed
from .recipe import Recipe, train
from .selftest import self_test
from .tensor import Tensor, cat, enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled, stack, where
from .tensor import functions as _functions
from .torch_names import NAMES as _NAMES
from .tuning import load_tuning, save_tuning, tune

__version__ = "0.1.0"

globals().update({name: function for name, function in _functions().items() if name in _NAMES["torch"]})
