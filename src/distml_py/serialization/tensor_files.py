"""safetensors files of tensors, as the package safetensors.torch reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import safetensors
from ..errors import FormatError
from ..tensor import Tensor
from .archive import bytes_of, put


def save_file(tensors: Mapping[str, Tensor], filename: Any, metadata: Mapping[str, str] | None = None) -> None:
    """Named tensors, such as model.state_dict(), as a safetensors file. filename: a path or an open binary file."""
    put(dumps(tensors, metadata), filename, "save_file")


def load_file(filename: Any, device: Any = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file. bfloat16 becomes float32; device: accepted. Raises FormatError."""
    return loads(bytes_of(filename, "load_file"))


def dumps(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of save_file()."""
    wrong = next((name for name, value in tensors.items() if not isinstance(value, Tensor)), None)
    if wrong is not None:
        raise FormatError(
            f"save_file takes tensors by name, {wrong!r} is {type(tensors[wrong]).__name__}; see save_bundle for the rest"
        )
    return safetensors.dumps({name: tensor.detach().numpy() for name, tensor in tensors.items()}, metadata)


def loads(data: bytes) -> dict[str, Tensor]:
    """load_file() from the bytes of a file."""
    if data.startswith(b"PK"):
        raise FormatError("this is a zip file, as torch.save writes them; read it with distml_py.load()")
    return {name: Tensor(array) for name, array in safetensors.loads(data, foreign=True).items()}
