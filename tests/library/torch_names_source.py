"""Rebuilds src/distml_py/torch_names.py, the names that PyTorch's modules have. Run with --write; a test runs it without."""

import inspect
import re
import sys
import textwrap
from pathlib import Path

import torch

TARGET = Path(__file__).parents[2] / "src" / "distml_py" / "torch_names.py"
MODULES = {
    "torch": torch,
    "torch.Tensor": torch.Tensor,
    "torch.nn": torch.nn,
    "torch.nn.functional": torch.nn.functional,
    "torch.nn.init": torch.nn.init,
    "torch.nn.utils": torch.nn.utils,
    "torch.optim": torch.optim,
    "torch.optim.lr_scheduler": torch.optim.lr_scheduler,
    "torch.utils.data": torch.utils.data,
    "torch.autograd": torch.autograd,
    "torch.linalg": torch.linalg,
    "torch.func": torch.func,
    "torch.special": torch.special,
}


# what PyTorch exports and does not document
INTERNAL = re.compile(
    r"(cudnn|mkldnn|miopen|fbgemm|quantize|q_per|q_sc|q_ze|choose_qp|fused_|fake_q|sym_|batch_norm_|empty_q|native_|autocast|is_vulk"
    r"|per_channel|per_tensor|parse_|import_ir|merge_type|unify_|vitals|read_v|set_v|quint|qint|int_repr|dequant|is_autocast|clear_auto)"
    r"|(?<!index)_copy$|_autocast|^[iu]?int[1-7]$|^bits|^float[48]_|^SUM|^AVG|Storage$|^USE_|ccol|crow"
)
EXPORTED = {
    "set_grad_enabled",
    "unique",
    "index_copy",
    "block_diag",
    "broadcast_shapes",
    "logical_not",
    "is_same_size",
}  # by other ways
CLASSES = {"Tensor", "Size", "Generator", "Event", "Stream"}


def public(module: object) -> list[str]:
    """What users call: functions, classes, dtypes; not modules, nor what was imported from elsewhere."""
    found = []
    for name in getattr(module, "__all__", None) or dir(module):
        value = inspect.getattr_static(module, name, None)
        home = str(getattr(value, "__module__", None) or "torch")
        if name.startswith("_") or inspect.ismodule(value) or not home.startswith("torch") or INTERNAL.search(name):
            continue
        if module is torch and name[0].isupper() and name not in CLASSES:
            continue
        found.append(name)
    extra = [name for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)] if module is torch else []
    return sorted({*found, *(EXPORTED if module is torch else ()), *(name for name in extra if not INTERNAL.search(name))})


HEAD = '''"""The names of PyTorch's modules, so errors can say what is not here. Made by tests/library/torch_names_source.py."""

_NAMES = {
'''
TAIL = """}
NAMES = {module: frozenset(names.split()) for module, names in _NAMES.items()}
"""


def text() -> str:
    lines = []
    for title, module in MODULES.items():
        words = textwrap.wrap(" ".join(public(module)), 110, break_long_words=False, break_on_hyphens=False)
        lines += [f'    "{title}": """', *("        " + line for line in words), '    """,']
    return HEAD + "\n".join(lines) + "\n" + TAIL


if __name__ == "__main__":
    if "--write" in sys.argv:
        TARGET.write_text(text())
    else:
        print(text())
