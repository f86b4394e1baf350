"""Checkpoints: a model's parameters, buffers and optimizer's state <-> named arrays. No files, no sockets.

Names: ``weights/<parameter>``, ``buffers/<buffer>`` and ``optimizer/<slot>/<index>``; a number in a slot becomes an array
without axes. Buffers (the running statistics of batch norm) keep their dtype and have this name wherever they travel.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from .dtypes import DType
from .errors import FormatError
from .tensor import Tensor

WEIGHTS = "weights/"
BUFFERS = "buffers/"
OPTIMIZER = "optimizer/"


class Optimizer(Protocol):
    """The two verbs of an optimizer that a checkpoint needs; their dictionaries are PyTorch's."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


def weights_sha256(weights: Mapping[str, np.ndarray]) -> str:
    """Hex SHA-256 over each parameter's name, shape and little-endian float32 bytes, in the mapping's order."""
    digest = hashlib.sha256()
    for name, array in weights.items():
        if array.dtype != np.float32:
            raise FormatError(f"weights_sha256 takes float32 arrays, {name!r} is {array.dtype}")
        digest.update(json.dumps([name, list(array.shape)]).encode())
        digest.update(array.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()


def pack(
    parameters: Mapping[str, Tensor], optimizer: Optimizer, buffers: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint: all parameters in order, the buffers, then the optimizer's slots by parameter index."""
    arrays = {WEIGHTS + name: parameter._array() for name, parameter in parameters.items()} | dict(buffers or {})
    shapes = [parameter.shape for parameter in parameters.values()]
    for index, slots in sorted(optimizer.state_dict()["state"].items()):
        for slot, value in slots.items():
            if value is not None:
                arrays[f"{OPTIMIZER}{slot}/{index}"] = _as_array(slot, value, shapes[index])
    return arrays


def unpack(
    arrays: Mapping[str, np.ndarray], parameters: Mapping[str, Tensor], optimizer: Optimizer
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The weights and the optimizer's state_dict that `arrays` hold, for a model like `parameters`; loads nothing.

    Buffers are left out: see split().

    Raises FormatError unless names, order, dtypes and shapes are those of `parameters` and every number is finite.
    """
    shapes = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    weights = {name.removeprefix(WEIGHTS): array for name, array in arrays.items() if name.startswith(WEIGHTS)}
    check_weights(weights, shapes)
    state: dict[int, dict[str, Any]] = {}
    for name, array in arrays.items():
        if not name.startswith((WEIGHTS, BUFFERS)):
            slot, index = _slot(name, list(shapes.values()), array)
            state.setdefault(index, {})[slot] = Tensor(array) if array.dtype == np.float32 else array.item()
    return weights, {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}


def check_weights(weights: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises FormatError unless `weights` has exactly these names in this order, these shapes, float32, all finite."""
    if list(weights) != list(shapes):
        odd = sorted(weights.keys() ^ shapes.keys())
        raise FormatError(f"expected the parameters {_some(shapes)} in this order, got {_some(weights)}; odd: {_some(odd)}")
    for name, array in weights.items():
        if array.dtype != np.float32 or array.shape != shapes[name]:
            raise FormatError(f"{name!r} should be float32 {shapes[name]}, got {array.dtype} {array.shape}")
        if not np.isfinite(array).all():
            raise FormatError(f"{name!r} holds a NaN or an infinity")


def split(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(all but the buffers, the buffers); names stay as they are."""
    buffers = {name: array for name, array in arrays.items() if name.startswith(BUFFERS)}
    return {name: array for name, array in arrays.items() if name not in buffers}, buffers


def check_buffers(buffers: Mapping[str, np.ndarray], known: Mapping[str, Tensor] | Mapping[str, np.ndarray]) -> None:
    """Raises FormatError unless `buffers` has the names, order, shapes and dtypes of `known` and no NaN; masks are infinite."""
    if list(buffers) != list(known):
        odd = sorted(buffers.keys() ^ known.keys())
        raise FormatError(f"expected the buffers {_some(known)} in this order, got {_some(buffers)}; odd: {_some(odd)}")
    for name, array in buffers.items():
        shape, dtype = tuple(known[name].shape), known[name].dtype
        possible = (dtype.numpy, dtype.dtype) if isinstance(dtype, DType) else (dtype,)  # either as it is named or as it is stored
        if array.dtype not in possible or array.shape != shape:
            raise FormatError(f"{name!r} should be {dtype} {shape}, got {array.dtype} {array.shape}")
        if np.isnan(array).any():
            raise FormatError(f"{name!r} holds a NaN")


def _as_array(slot: str, value: Any, shape: Sequence[int]) -> np.ndarray:
    """Numbers that a state_dict shows as tensors, as PyTorch does, are numbers again, and steps whole ones."""
    if not isinstance(value, Tensor):
        return np.asarray(value)
    if slot == "step":
        return np.asarray(int(value.item()))
    return value._array() if value.shape == shape or value.ndim else np.asarray(float(value.item()))


def _slot(name: str, shapes: list[tuple[int, ...]], array: np.ndarray) -> tuple[str, int]:
    parts = name.split("/")
    if len(parts) != 3 or not name.startswith(OPTIMIZER) or not parts[1].isidentifier() or not parts[2].isdecimal():
        raise FormatError(f"a checkpoint holds weights/<name> and optimizer/<slot>/<index>, got {name!r}")
    if len(parts[2]) > 9 or int(parts[2]) >= len(shapes):
        raise FormatError(f"{name!r}: the model has only {len(shapes)} parameters")
    index = int(parts[2])
    # a tensor is float32 and shaped like its parameter; a plain number, such as Adam's step, came as float64 or int64
    if array.shape != (shapes[index] if array.dtype == np.float32 else ()):
        raise FormatError(f"{name!r} should be float32 {shapes[index]} or one number, got {array.dtype} {array.shape}")
    if not np.isfinite(array).all():
        raise FormatError(f"{name!r} holds a NaN or an infinity")
    return parts[1], index


def _some(names: Any) -> str:
    names = list(names)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "none"
