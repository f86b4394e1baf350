"""onnx.export: a model's graph as an ONNX file, by PyTorch's arguments. How each row is said in ONNX stands in rows.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import nn
from ..dtypes import INT64, DType
from ..errors import UnsupportedError
from ..serialization.archive import put
from ..tensor import Tensor
from . import protobuf
from .rows import Writer
from .tracing import Sizes, Trace, trace

OPSETS = range(17, 22)
MORE = (1, 4)  # by how much a size that may change is larger in the traces that are compared
DynamicAxes = Mapping[str, Mapping[int, str] | Sequence[int]]


def export(
    model: Callable[..., Any],
    args: Tensor | tuple[Any, ...],
    f: Any = None,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    dynamic_axes: DynamicAxes | None = None,
    export_params: bool = True,
    verbose: bool | None = None,
    do_constant_folding: bool = True,
    training: Any = None,
    keep_initializers_as_inputs: bool = False,
    dynamo: bool = False,
    external_data: bool = False,
) -> None:
    """Writes what model(*args) computes as an ONNX file, for onnxruntime and other programs. The model is taken in eval mode.

    f: a path or an open binary file. args: example inputs; their shapes are the file's, but for dynamic_axes:
    {"input": {0: "batch"}}, or {"input": [0]}, says which sizes may change. Weights keep the names of state_dict().
    What depends on numbers (an if, a loop) is written down as this call went; random numbers are drawn anew by who runs the file.
    verbose, do_constant_folding, training and dynamo are taken for PyTorch's sake. Raises UnsupportedError for what ONNX has no
    words for, and for sizes that the graph cannot follow.
    """
    if not export_params or keep_initializers_as_inputs or external_data:
        raise UnsupportedError("onnx.export: weights are constants inside the one file; leave these arguments out")
    put(exported(model, args, input_names, output_names, opset_version, dynamic_axes), f, "onnx.export")


def exported(
    model: Callable[..., Any],
    args: Tensor | tuple[Any, ...],
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    dynamic_axes: DynamicAxes | None = None,
) -> bytes:
    """The bytes of export()."""
    opset_version = OPSETS[0] if opset_version is None else opset_version
    arguments = [args] if isinstance(args, Tensor) else list(args)
    if not all(isinstance(argument, Tensor) for argument in arguments):
        raise UnsupportedError("onnx.export: args is a tensor, or a tuple of tensors")
    if opset_version not in OPSETS:
        raise UnsupportedError(f"onnx.export: opset_version is {OPSETS[0]} to {OPSETS[-1]}, got {opset_version}")
    arguments = [Tensor(argument.detach().numpy()) for argument in arguments]  # leaves of their own
    inputs = _names(input_names, len(arguments), "input", "input_names")
    axes = _axes(dynamic_axes or {}, inputs, arguments)
    for name in {
        name for argument, named in zip(arguments, axes, strict=True) for axis, name in named.items() if argument.shape[axis] == 1
    }:
        # what is 1 by chance is not expanded: another graph than for all other sizes
        arguments = [_longer(argument, named, name, 1) for argument, named in zip(arguments, axes, strict=True)]
    first = trace(model, arguments)
    sizes = _sizes(model, arguments, first, axes)
    outputs = _names(output_names, len(first.outputs), "output", "output_names")
    stored = [_inner(name, argument.dtype) for name, argument in zip(inputs, arguments, strict=True)]
    left = [_inner(name, kind) for name, kind in zip(outputs, first.dtypes, strict=True)]
    writer = Writer(first, sizes, _weights(model), stored, left, opset_version)
    given = [
        protobuf.value(
            name,
            protobuf.kind_of(argument.detach().numpy().dtype),
            [axes[number].get(axis, size) for axis, size in enumerate(argument.shape)],
        )
        for number, (name, argument) in enumerate(zip(inputs, arguments, strict=True))
    ]
    wide, narrow = protobuf.kind_of(np.int64), protobuf.kind_of(np.int32)
    taken = [
        protobuf.value(name, kind if name == inner else wide, dims)
        for name, (inner, kind, dims) in zip(outputs, writer.results(), strict=True)
    ]
    before = [_cast(name, inner, narrow) for name, inner in zip(inputs, stored, strict=True) if name != inner]
    after = [_cast(inner, name, wide) for name, inner in zip(outputs, left, strict=True) if name != inner]
    title = type(model).__name__ if isinstance(model, nn.Module) else "model"
    return protobuf.model(title, [*before, *writer.nodes(), *after], writer.constants(), given, taken, opset_version)


def _inner(name: str, dtype: DType) -> str:
    """What an input or output is called inside, where integers have 32 bits."""
    return f"{name}_of_32_bits" if dtype is INT64 else name


def _cast(name: str, made: str, kind: int) -> bytes:
    return protobuf.node("Cast", (name,), [made], f"Cast_{made}", {"to": kind})


def _names(given: Sequence[str] | None, count: int, usual: str, what: str) -> list[str]:
    names = [usual if count == 1 else f"{usual}_{number}" for number in range(count)] if given is None else list(given)
    if len(names) != count or len(set(names)) != count:
        raise UnsupportedError(f"onnx.export: {what} has {count} different names, got {names}")
    return names


def _axes(asked: DynamicAxes, inputs: Sequence[str], arguments: Sequence[Tensor]) -> list[dict[int, str]]:
    """For each input the names of its sizes that may change, by axis."""
    found: list[dict[int, str]] = []
    for name, argument in zip(inputs, arguments, strict=True):
        wanted = asked.get(name, {})
        named = dict(wanted) if isinstance(wanted, Mapping) else {axis: f"{name}_dynamic_axes_{axis}" for axis in wanted}
        wrong = [axis for axis in named if not -argument.ndim <= axis < argument.ndim]
        if wrong:
            raise UnsupportedError(f"onnx.export: {name!r} has {argument.ndim} axes, dynamic_axes names axis {wrong[0]}")
        found.append({axis % argument.ndim: text for axis, text in named.items()})
    return found


def _sizes(model: Callable[..., Any], arguments: Sequence[Tensor], first: Trace, axes: Sequence[Mapping[int, str]]) -> Sizes:
    symbols: dict[str, int] = {}
    for argument, named in zip(arguments, axes, strict=True):
        for axis, name in named.items():
            if symbols.setdefault(name, argument.shape[axis]) != argument.shape[axis]:
                raise UnsupportedError(f"onnx.export: {name!r} is {symbols[name]} and {argument.shape[axis]} in the example inputs")
    others = {}
    for name, size in symbols.items():
        for more in MORE:
            changed = [_longer(argument, named, name, more) for argument, named in zip(arguments, axes, strict=True)]
            others[name, size + more] = trace(model, changed)
    return Sizes(first, symbols, others)


def _longer(argument: Tensor, named: Mapping[int, str], name: str, more: int) -> Tensor:
    """An example with its last entries repeated along the axes of that name."""
    array = argument.detach().numpy()
    for axis, other in named.items():
        if other == name:
            array = np.concatenate([array, *[np.take(array, [-1], axis)] * more], axis)
    return Tensor(array)


def _weights(model: Callable[..., Any]) -> dict[int, tuple[str, Tensor]]:
    """Parameters and buffers by their nodes."""
    if not isinstance(model, nn.Module):
        return {}
    named = [*model.named_parameters(), *model.named_buffers()]
    return {id(tensor.node): (name, tensor) for name, tensor in named}
