"""A program written for PyTorch, run as Python would run it, with this library under PyTorch's names."""

from __future__ import annotations

import builtins
import importlib
import linecache
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TextIO

from ..dtypes import fraction, make_fraction
from ..errors import DistmlError
from ..tensor import enable_grad
from .finder import as_torch

LIBRARY = str(Path(__file__).parents[1])


def run_program(path: str, arguments: Sequence[str] = (), code: str | None = None, errors: TextIO | None = None) -> int:
    """Runs a script as __main__, with its arguments and its own folder to import from. Returns its exit code.

    code: the script's text, where path is only its name. What it raises is told as Python would, on errors (standard error);
    of an error of this library the lines of the program alone.
    """
    try:
        execute(path, arguments, code)
        return 0
    except SystemExit as asked:
        return _exit_code(asked, errors)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        print(told(error), end="", file=errors or sys.stderr)
        return 1


def execute(path: str, arguments: Sequence[str] = (), code: str | None = None) -> None:
    """run_program(), and whatever the script raises is raised here."""
    if code is None:
        code = Path(path).read_text(encoding="utf-8")
    else:
        linecache.cache[path] = (len(code), None, code.splitlines(keepends=True), path)
    module = ModuleType("__main__")
    module.__file__ = path
    before = _roots()
    known = sys.argv, list(sys.path), sys.modules.get("__main__")
    sys.argv, sys.modules["__main__"] = [path, *arguments], module
    folder = str(Path(path).resolve().parent)
    sys.path.insert(0, folder)
    default = fraction()
    with as_torch(), enable_grad():
        try:
            exec(builtins.compile(code, path, "exec"), module.__dict__)
        finally:
            sys.argv, sys.path[:], main = known
            make_fraction(default)
            if main is not None:
                sys.modules["__main__"] = main
            _forget(folder, _roots() - before)


def _roots() -> set[str]:
    return {name.partition(".")[0] for name in sys.modules}


def _forget(folder: str, roots: set[str]) -> None:
    """The modules beside the program were its own: the next program finds those that lie there then."""
    own = {root for root in roots if any(Path(folder, name).exists() for name in (root, f"{root}.py"))}
    for name in list(sys.modules):
        if name.partition(".")[0] in own:
            del sys.modules[name]
    importlib.invalidate_caches()


def _exit_code(asked: SystemExit, errors: TextIO | None) -> int:
    if asked.code is None or isinstance(asked.code, int):
        return asked.code or 0
    print(asked.code, file=errors or sys.stderr)
    return 1


def told(error: BaseException) -> str:
    """The traceback from the program's first line on."""
    shown: Any = error
    frames = error.__traceback__
    for frame in _each(frames):
        if frame.tb_frame.f_code.co_filename == __file__:  # whoever ran it, and this file's own frames, are left out
            frames = frame.tb_next
    if isinstance(error, (DistmlError, AttributeError)):  # a name that is not here is an AttributeError
        frames = _outside(frames)
    return "".join(traceback.format_exception(type(shown), shown, frames))


def _each(frames: TracebackType | None) -> list[TracebackType]:
    found = []
    while frames is not None:
        found.append(frames)
        frames = frames.tb_next
    return found


def _outside(frames: TracebackType | None) -> TracebackType | None:
    """The frames that are not this library's."""
    kept = [frame for frame in _each(frames) if not frame.tb_frame.f_code.co_filename.startswith(LIBRARY)]
    found: TracebackType | None = None
    for frame in reversed(kept):
        found = TracebackType(found, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return found
