"""Python text that loads a downloaded model into PyTorch: its layers by the same names, its weights from the file."""

from __future__ import annotations

import keyword

from .. import nn

READER = '''"""Loads {file} into PyTorch. Needs torch alone."""

import json
import struct

import torch
from torch import nn

DTYPES = {{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
          "I32": torch.int32, "U8": torch.uint8, "BOOL": torch.bool}}


def load_file(path):
    """The tensors of a safetensors file, by name."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(length)), bytearray(file.read())
    state = {{}}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            flat = torch.frombuffer(data[begin:end], dtype=DTYPES[entry["dtype"]]) if end > begin else torch.empty(0)
            state[name] = flat.reshape(entry["shape"]).clone()
    return state


state = load_file({file!r})
'''


def pytorch_snippet(model: nn.Module, file: str = "model.safetensors") -> str:
    """A program for PyTorch that makes `model`, a module with the same names and shapes, and loads `file` into it.

    A model of layers in a row computes at once. A module of your own has its layers by name there, too; what its forward() does
    is in your code, which runs in PyTorch when its import is changed.
    """
    state = model.state_dict()
    own = sorted({type(part).__name__ for part in model.modules() if not _is_known(part) and list(part.children())})
    lines = [READER.format(file=file)]
    if own:
        lines.append(f"# {', '.join(own)}: forward() is in your own code; here are the layers, by the names of the file")
    lines.append(f"model = {_made(model, 0)}" if _is_row(model) else "model = nn.Module()")
    if not _is_row(model):
        lines += _filled(model, "model")
    lines.append("model.load_state_dict({name: value for name, value in state.items() if name in model.state_dict()})")
    lines.append("model.eval()")
    total = sum(tensor.numel() for tensor in state.values())
    lines.append(f'print("loaded {len(state)} tensors, {total:,} numbers")')
    return "\n".join(lines) + "\n"


def _is_known(module: nn.Module) -> bool:
    """Is it a layer that PyTorch has by the same name?"""
    return vars(nn).get(type(module).__name__) is type(module)


def _is_row(module: nn.Module) -> bool:
    """Can it be written down with all inside it?"""
    if not _is_known(module):
        return False
    children = list(module.children())
    if isinstance(module, (nn.Sequential, nn.ModuleList)):
        return all(map(_is_row, children)) and [name for name, _ in module.named_children()] == [*map(str, range(len(children)))]
    return not children


def _made(module: nn.Module, depth: int) -> str:
    """The call that makes it."""
    name = type(module).__name__
    if not isinstance(module, (nn.Sequential, nn.ModuleList)):
        return f"nn.{name}({module.extra_repr()})"
    inside = "    " * (depth + 1)
    parts = "".join(f"{inside}{_made(child, depth + 1)},\n" for child in module.children())
    row = f"\n{parts}{'    ' * depth}" if parts else ""
    return f"nn.{name}([{row}])" if isinstance(module, nn.ModuleList) else f"nn.{name}({row})"


def _filled(module: nn.Module, path: str) -> list[str]:
    """Statements that give `path` the children, parameters and buffers of a module."""
    lines = []
    persistent = module.state_dict()
    for name, parameter in module.named_parameters(recurse=False):
        lines.append(f"{path}.register_parameter({name!r}, nn.Parameter(torch.empty({tuple(parameter.shape)!r})))")
    for name, buffer in module.named_buffers(recurse=False):
        if name in persistent:
            kind = "torch.float32" if buffer.is_floating_point() else "torch.int64"
            lines.append(f"{path}.register_buffer({name!r}, torch.empty({tuple(buffer.shape)!r}, dtype={kind}))")
    for name, child in module.named_children():
        whole = _is_row(child)
        lines.append(f"{path}.add_module({name!r}, {_made(child, 0) if whole else 'nn.Module()'})")
        if not whole:
            attribute = f"{path}.{name}" if name.isidentifier() and not keyword.iskeyword(name) else f"getattr({path}, {name!r})"
            lines += _filled(child, attribute)
    return lines
