"""What is said of an error of a person's recipe or program: its words, and the line of theirs that it came from."""

import sys
import traceback


def words_of(error: BaseException) -> str:
    """What an error is called and says. Python's own MemoryError says nothing, and nobody's says what to do."""
    if not isinstance(error, MemoryError):
        return f"{type(error).__name__}: {error}"
    room = "a tab's Python has at most 4 GB" if sys.platform == "emscripten" else "this machine has no more"
    return f"MemoryError: {str(error) or 'the memory is full'}; {room}: take a smaller data set, batch_size or model"


def line_of(error: BaseException) -> int:
    """The line of the recipe an error came from, 0 when none. Recipes run as modules named recipe_<name>, programs as __main__."""
    cause: BaseException | None = error
    while cause is not None:
        lines = [
            number
            for frame, number in traceback.walk_tb(cause.__traceback__)
            if str(frame.f_globals.get("__name__")).startswith("recipe_")
            or (frame.f_globals.get("__name__") == "__main__" and "/" not in frame.f_code.co_filename)
        ]
        if lines:
            return lines[-1]
        if getattr(cause, "line", 0):
            return int(cause.line)  # type: ignore[attr-defined]
        if isinstance(cause, SyntaxError) and "/" not in (cause.filename or "/"):  # of the recipe itself, not of an import
            return cause.lineno or 0
        cause = cause.__cause__ or cause.__context__
    return 0
