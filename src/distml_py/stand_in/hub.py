"""PyTorch's torch.hub and torch.utils.model_zoo: weights that others trained. A file that is there is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from ..errors import UnsupportedError
from ..serialization import torch_files

_folder: list[str] = []  # what set_dir() said last: what may change here


def get_dir() -> str:
    """Where PyTorch keeps such files, too: TORCH_HOME or ~/.cache/torch, folder hub."""
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "torch")
    return _folder[-1] if _folder else str(Path(home, "hub"))


def set_dir(d: Any) -> None:
    _folder[:] = [str(d)]


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """The numbers of the file that an address names, if it lies in model_dir or in get_dir()/checkpoints.

    Raises UnsupportedError that says where to put it.
    """
    folder = Path(model_dir or Path(get_dir(), "checkpoints"))
    path = folder / (file_name or os.path.basename(urlparse(url).path))
    if not path.exists():
        raise UnsupportedError(
            f"not implemented: a download of {url}; nearest is the file itself: download it, put it at {path} (or beside the "
            f"script, and use torch.load), or train without pretrained weights"
        )
    return torch_files.load(str(path), map_location)


load_url = load_state_dict_from_url


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Raises UnsupportedError, unless the file is there."""
    if not Path(dst).exists():
        raise UnsupportedError(f"not implemented: a download of {url}; nearest is to put the file at {dst} yourself")


def load(repo_or_dir: str, model: str, *args: Any, **named: Any) -> Any:
    """Raises UnsupportedError."""
    raise UnsupportedError(
        f"not implemented: torch.hub.load({repo_or_dir!r}, {model!r}); nearest is the model's own source beside the script, or a "
        "model of distml_py.models, and load_state_dict(torch.load(file))"
    )


list = help = load
