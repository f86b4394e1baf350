"""Rebuilds docs/support.md: every name of PyTorch's modules, marked yes, composed or no. With --write; a test runs it without."""

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import distml_py as dm
from distml_py.op import Op
from distml_py.torch_names import NAMES

TARGET = Path(__file__).parents[2] / "docs" / "support.md"
HOMES: dict[str, Any] = {
    "torch": dm,
    "torch.Tensor": dm.Tensor,
    "torch.nn": dm.nn,
    "torch.nn.functional": dm.nn.functional,
    "torch.nn.init": dm.nn.init,
    "torch.nn.utils": dm.nn.utils,
    "torch.optim": dm.optim,
    "torch.optim.lr_scheduler": getattr(dm.optim, "lr_scheduler", None),
    "torch.utils.data": dm.data,
    "torch.autograd": dm.autograd,
    "torch.linalg": dm.linalg,
    "torch.func": dm.func,
    "torch.special": dm.special,
}
OWN = re.compile(r"\b(ops\.[A-Z]|apply\(|graph\.|unary\(|binary\(|_bits\(|reduced\()")
HEAD = """# What of PyTorch is here

Made by `nox -s support` from PyTorch's own lists of names; a test holds it current. **yes**: there, with a kernel (or, for what
computes nothing, an implementation) of its own. **composed**: there, made of other operations, on the GPU as well: nothing goes to
the CPU unsaid. What gives as many numbers as it finds (`nonzero`, `unique`, `masked_select`, an index by a mask) waits for the GPU
and says so once; so does what NumPy computes on the host, with gradients on the device (inverses, solutions, determinants and
factorisations of `torch.linalg`, `LBFGS`). **no**: asking for it says "not implemented" and names the nearest thing.

Numbers are stored as `float32`, `int32` and `bool`, on the reference backend as `float64`, too (also by `set_default_dtype`).
The other dtypes keep their names and rules: `int64` (what Python's integers are) holds 32 bits; more is an error where it enters
and, on the reference backend, where arithmetic leads there (a GPU wraps). `int8`, `int16`, `int32` and `uint8` wrap, but for matrix
products and sums by index of `int32`, where what does not fit is an error, too. `float16` and `bfloat16` are computed in float32
and rounded after each operation, so a sum of many is more exact than PyTorch's; few composed functions round more often than there.
There are no complex and quantized dtypes.
A change in place reaches everything that shares its numbers (views of every kind, `detach()`, `.data`,
parameters that an optimizer moves on), with PyTorch's version checks. What is no view counts as contiguous: `view` never refuses,
`numpy()` and `from_numpy` copy. A graph stays as long as somebody holds it; to go through it twice without `retain_graph` is an
error where PyTorch would have let numbers go (but for a factor that is one number).
`DataLoader` makes float64 of Python's floats, as PyTorch does, on the reference backend, and float32 on a GPU. `torch.save` of a
whole module is read by this library alone. Distributions look at their parameters where that does not wait for a GPU, or with
`validate_args=True`.
"""


def mark(home: Any, name: str) -> str:
    """yes, composed or no."""
    if home is None or inspect.getattr_static(home, name, inspect.Signature.empty) is inspect.Signature.empty:
        return "no"
    value = inspect.getattr_static(home, name)
    if hasattr(value, "__guarded__"):
        value = value.__wrapped__
    if not inspect.isfunction(value):
        return "yes"
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    inner = next((cell for cell in cells if inspect.isfunction(cell)), None)
    if any(isinstance(cell, Op) for cell in cells):
        return "yes"
    if inner is not None:
        return mark_function(inner)
    return mark_function(value)


def mark_function(function: Any) -> str:
    function = inspect.unwrap(function)
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    if any(isinstance(cell, Op) for cell in cells) or "ops" not in function.__globals__:
        return "yes"
    return "yes" if OWN.search(inspect.getsource(function)) else "composed"


def text() -> str:
    lines = [HEAD]
    for module, names in NAMES.items():
        marks = {name: mark(HOMES[module], name) for name in sorted(names)}
        here = sum(found != "no" for found in marks.values())
        lines += [f"## {module}", "", f"{here} of {len(marks)} names.", "", "| name | here |", "|---|---|"]
        lines += [f"| `{name}` | {found} |" for name, found in marks.items()]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    if "--write" in sys.argv:
        TARGET.write_text(text())
    else:
        print(text())
