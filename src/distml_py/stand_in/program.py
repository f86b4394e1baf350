"""A program written for PyTorch, run as Python would run it, with this library under PyTorch's names."""

from __future__ import annotations

import builtins
import linecache
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TextIO

from ..errors import DistmlError
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
        _tell(error, errors)
        return 1


def execute(path: str, arguments: Sequence[str] = (), code: str | None = None) -> None:
    """run_program(), and whatever the script raises is raised here."""
    if code is None:
        code = Path(path).read_text(encoding="utf-8")
    else:
        linecache.cache[path] = (len(code), None, code.splitlines(keepends=True), path)
    module = ModuleType("__main__")
    module.__file__ = path
    known = sys.argv, list(sys.path), sys.modules.get("__main__")
    sys.argv, sys.modules["__main__"] = [path, *arguments], module
    sys.path.insert(0, str(Path(path).resolve().parent))
    with as_torch():
        try:
            exec(builtins.compile(code, path, "exec"), module.__dict__)
        finally:
            sys.argv, sys.path[:], main = known
            if main is not None:
                sys.modules["__main__"] = main


def _exit_code(asked: SystemExit, errors: TextIO | None) -> int:
    if asked.code is None or isinstance(asked.code, int):
        return asked.code or 0
    print(asked.code, file=errors or sys.stderr)
    return 1


def _tell(error: BaseException, errors: TextIO | None) -> None:
    """The traceback from the program's first line on."""
    shown: Any = error
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:  # this file's own frames are left out
        frames = frames.tb_next
    if isinstance(error, (DistmlError, AttributeError)):  # a name that is not here is an AttributeError
        frames = _outside(frames)
    traceback.print_exception(type(shown), shown, frames, file=errors or sys.stderr)


def _outside(frames: TracebackType | None) -> TracebackType | None:
    """The frames that are not this library's."""
    kept = []
    while frames is not None:
        if not frames.tb_frame.f_code.co_filename.startswith(LIBRARY):
            kept.append(frames)
        frames = frames.tb_next
    found: TracebackType | None = None
    for frame in reversed(kept):
        found = TracebackType(found, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return found
