"""One safetensors file with all that training needs to go on exactly: model, optimizer, schedule, random state, data position.

The model's tensors have their plain names, so that any reader of safetensors finds them; the rest is named by what it belongs to.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from .. import nn, random, safetensors
from ..errors import FormatError
from .archive import bytes_of, put
from .states import given, taken

KEY = "distml_py.bundle"
FORMAT = 1


class Stateful(Protocol):
    """A model, an optimizer, a schedule, a DataLoader, a GradScaler ..."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state_dict: Any) -> Any: ...


def save_bundle(f: Any, model: nn.Module, **parts: Any) -> None:
    """Stores a training run as it stands between two steps.

    f: a path or an open binary file. parts: optimizer=, scheduler=, loader= and whatever else has state_dict(), or is made of
    numbers, text and tensors (epoch=3). The random state of manual_seed() is always stored; a DataLoader's says how far its
    pass has come. Raises FormatError for what cannot be stored.
    """
    put(dumps(model, **parts), f, "save_bundle")


def dumps(model: nn.Module, **parts: Any) -> bytes:
    """The bytes of save_bundle()."""
    state = model.state_dict()
    arrays = {name: tensor.detach().numpy() for name, tensor in state.items()}
    described: dict[str, Any] = {"format": FORMAT, "random": list(random.state()), "model": list(state), "parts": {}}
    for name, part in parts.items():
        kept = hasattr(part, "state_dict")
        found: dict[str, Any] = {}
        value = taken(part.state_dict() if kept else part, name, found)
        taken_names = arrays.keys() & found.keys()
        if taken_names:
            raise FormatError(
                f"the part {name!r} and the model both have a tensor {min(taken_names)!r}; call the part something else"
            )
        arrays |= found
        described["parts"][name] = {"state" if kept else "value": value}
    return safetensors.dumps(arrays, {KEY: json.dumps(described, allow_nan=False)})


def load_bundle(f: Any, model: nn.Module | None = None, **parts: Stateful) -> dict[str, Any]:
    """Training goes on where save_bundle() stored it: the parts given here get their states, the random state is set.

    Returns what was stored as a value, by name: {"epoch": 3}. Raises FormatError, before anything is changed, for a file
    that is no bundle, a part that is not in it, and a model whose names or shapes are others.
    """
    return loads(bytes_of(f, "load_bundle"), model, **parts)


def loads(data: bytes, model: nn.Module | None = None, **parts: Stateful) -> dict[str, Any]:
    """load_bundle() from the bytes of a file."""
    described = _described(data)
    arrays = safetensors.loads(data)
    stored = described["parts"]
    missing = [name for name in parts if "state" not in stored.get(name, {})]
    if missing:
        have = ", ".join(name for name, part in stored.items() if "state" in part) or "none"
        raise FormatError(f"the bundle has no state of {', '.join(missing)}; it has that of: {have}")
    states = {name: given(stored[name]["state"], arrays) for name in parts}
    values = {name: given(part["value"], arrays) for name, part in stored.items() if "value" in part}
    if model is not None:
        _check(model, {name: arrays[name].shape for name in described["model"] if name in arrays})
        model.load_state_dict(given({"pairs": [[name, {"tensor": name}] for name in described["model"]]}, arrays))
    for name, part in parts.items():
        part.load_state_dict(states[name])
    random.restore(tuple(described["random"]))
    return values


def _described(data: bytes) -> dict[str, Any]:
    text = safetensors.metadata(data).get(KEY)
    if text is None:
        raise FormatError("this safetensors file is no bundle, only tensors; read it with load_file() and load_state_dict()")
    try:
        found = json.loads(text)
        words = found["random"]
        sound = isinstance(found["parts"], dict) and all(isinstance(name, str) for name in found["model"])
    except (ValueError, KeyError, TypeError, RecursionError):
        sound, found, words = False, {}, []
    if not sound or len(words) != 4 or not all(type(word) is int and 0 <= word < 2**63 for word in words):
        raise FormatError("the bundle's description does not hold together: it is damaged, or of another program")
    if found["format"] != FORMAT:
        raise FormatError(f"the bundle is of format {found['format']}, this version reads {FORMAT}; take a newer distml_py")
    assert isinstance(found, dict)
    return found


def _check(model: nn.Module, stored: dict[str, tuple[int, ...]]) -> None:
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    odd = sorted(own.keys() ^ stored.keys())
    if odd:
        where = "the bundle" if odd[0] in own else "this model"
        raise FormatError(f"{where} has no {odd[0]!r}: the bundle is of another model ({len(odd)} names differ)")
    for name, shape in own.items():
        if shape != stored[name]:
            raise FormatError(f"{name!r} is {shape} in this model and {stored[name]} in the bundle: it is of another size")
