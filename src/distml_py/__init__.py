"""distml_py: PyTorch-like training in browser tabs (Pyodide and WebGL2) and in CPython (NumPy)."""

from . import data, models, nn, optim, recipe
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
from .tensor import Tensor, cat, is_grad_enabled, matmul, maximum, minimum, no_grad, stack, where
from .tuning import load_tuning, save_tuning, tune

__version__ = "0.1.0"
