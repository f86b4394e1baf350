"""What is said of a name that PyTorch has and this library has not: never an AttributeError from deep inside."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from .errors import MissingNameError
from .torch_names import NAMES

# the nearest thing, where it has another name
NEAREST = {
    "as_strided": "Tensor.unfold, or slices",
    "as_strided_": "Tensor.unfold, or slices",
    "autocast": "float32 throughout",
    "complex64": "two float32 tensors",
    "complex128": "two float64 tensors",
    "data_ptr": "the tensor itself as a key: tensors hash by identity",
    "eig": "numpy.linalg.eig of x.numpy()",
    "fft": "numpy.fft of x.numpy()",
    "jit": "distml_py.compile",
    "linearize": "torch.func.jvp",
    "load": "distml_py.io",
    "save": "distml_py.io",
    "share_memory_": "nothing: workers are other tabs",
    "storage": "x.numpy()",
}


def missing(module: str, name: str, ours: Iterable[str]) -> AttributeError:
    """The error for module.name; ours: the names that are here."""
    if name.startswith("__") or name not in NAMES.get(module, ()):
        return AttributeError(f"{module} has no attribute {name!r}, here as in PyTorch")
    near = NEAREST.get(name)
    if near is None:
        close = difflib.get_close_matches(name, sorted(set(ours) & NAMES[module]), 1, 0.4)
        near = f"{module}.{close[0]}" if close else "NumPy on x.numpy()"
    return MissingNameError(f"not implemented: {module}.{name}; nearest is {near}")


def getter(module: str, names: dict[str, Any]) -> Callable[[str], Any]:
    """A module's __getattr__. names: its globals()."""

    def find(name: str) -> Any:
        raise missing(module, name, names)

    return find
