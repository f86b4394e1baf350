"""What is said of a name that PyTorch has and this library has not: never an AttributeError from deep inside."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from importlib import import_module
from typing import Any

from .errors import MissingNameError
from .torch_names import NAMES

# the nearest thing, where it has another name
NEAREST = {
    "as_strided_": "torch.as_strided",
    "autocast": "float32 throughout",
    "complex64": "two float32 tensors",
    "complex128": "two float64 tensors",
    **dict.fromkeys(("complex", "polar", "view_as_complex", "view_as_real"), "two float32 tensors, real and imaginary parts"),
    "eig": "torch.linalg.eig",
    "symeig": "torch.linalg.eigh",
    "lstsq": "torch.linalg.lstsq",
    "solve": "torch.linalg.solve",
    "storage": "x.numpy()",
    "untyped_storage": "x.numpy()",
    "stft": "numpy.fft of x.numpy()",
    "istft": "numpy.fft of x.numpy()",
    "fft": "numpy.fft of x.numpy()",
    "jit": "distml_py.compile",
    **dict.fromkeys(("qint8", "quint8", "qint32", "quantize_per_tensor", "quantize_per_channel"), "float32 throughout"),
    **dict.fromkeys(("float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64"), "float16, bfloat16, uint8 and int64"),
    **dict.fromkeys(("FloatStorage", "LongStorage", "UntypedStorage", "TypedStorage"), "x.numpy()"),
    **dict.fromkeys(("monitor", "futures", "classes", "contrib", "rpc", "_C"), "the program's own Python"),
}

# modules that are not here, and what does their work
MODULES = {
    "torch.ops": "the function by its own name, as torch.add",
    "torch.fx": "the module's own Python",
    "torch.fft": "numpy.fft of x.numpy()",
    **dict.fromkeys(("torch.monitor", "torch.futures", "torch.classes", "torch.contrib", "torch._C"), "the program's own Python"),
    **dict.fromkeys(("torch.nn.qat", "torch.nn.intrinsic", "torch.nn.quantizable"), "float32 throughout"),
    **dict.fromkeys(("torch.utils.mobile_optimizer", "torch.utils.bottleneck"), "distml_py.profile"),
    "torch.nn.attention.flex_attention": "F.scaled_dot_product_attention with a mask",
    "torch.hub": "a model of distml_py.models, and load_state_dict()",
    "torch.onnx": "a model of distml_py.models and its export",
    "torch.profiler": "distml_py.profile",
    "torch.quantization": "float32 throughout",
    "torch.ao": "float32 throughout",
    "torch.export": "distml_py.compile",
    "torch.signal": "torch.hann_window and the like",
    "torch.overrides": "plain functions",
    "torch.nn.quantized": "float32 throughout",
    "torch.utils.benchmark": "distml_py.profile",
    "torch.nested": "padded tensors and masks",
    "torch.masked": "where() and masked_fill()",
    "torch.package": "the program's own files",
    "torch.utils.cpp_extension": "an autograd.Function in Python",
    "torch._dynamo": "distml_py.compile",
    "torch._inductor": "distml_py.compile",
    "torch.nn.attention": "F.scaled_dot_product_attention",
    "torch.library": "an autograd.Function in Python",
    "torch.utils.flop_counter": "distml_py.profile",
    "torch.utils.dlpack": "from_numpy() and numpy()",
    "torch.storage": "x.numpy()",
    "torchvision.datasets.utils": "a file that is there",
    "torchvision.ops": "its formula in tensor operations",
    "torchvision.io": "PIL, and transforms.ToTensor()",
}
OF_MODULE = frozenset(
    {"T_destination", "call_super_init", "dump_patches", "get_extra_state", "ipu", "mtia", "set_extra_state", "xpu"}
)


def missing(module: str, name: str, ours: Iterable[str]) -> AttributeError:
    """The error for module.name; ours: the names that are here."""
    if f"{module}.{name}" in MODULES:
        return MissingNameError(f"not implemented: {module}.{name}; nearest is {MODULES[f'{module}.{name}']}")
    undocumented = module == "torch" and name in NEAREST
    if name.startswith("__") or not (undocumented or name in NAMES.get(module, ())):
        return AttributeError(f"{module} has no attribute {name!r} here, nor is it among PyTorch's documented names")
    near = NEAREST.get(name)
    if near is None:
        close = difflib.get_close_matches(name, sorted(set(ours) & NAMES[module]), 1, 0.4)
        near = f"{module}.{close[0]}" if close else "NumPy on x.numpy()"
    return MissingNameError(f"not implemented: {module}.{name}; nearest is {near}")


def without(owner: object, name: str, theirs: Iterable[str], kind: str, near: str) -> AttributeError:
    """The error for an attribute that an object has not; theirs: those that PyTorch's kind has and ours has not."""
    if name in theirs:
        return MissingNameError(f"not implemented: {kind}.{name}; nearest is {near}")
    return AttributeError(f"{type(owner).__name__!r} object has no attribute {name!r}")


def getter(module: str, names: dict[str, Any], later: Collection[str] = ()) -> Callable[[str], Any]:
    """A module's __getattr__. names: its globals(); later: the modules below it that are imported when they are asked for."""

    def find(name: str) -> Any:
        if name in later:
            return import_module(f"{names['__name__']}.{name}")
        raise missing(module, name, names)

    return find
