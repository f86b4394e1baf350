"""``import torch`` and ``import torchvision`` that find this library: a finder on sys.meta_path, there only while asked for."""

from __future__ import annotations

import dis
import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, TracebackType
from typing import Any

from .. import engine
from ..errors import MissingModuleError, MissingNameError
from ..missing import MODULES as MISSING
from ..torch_names import NAMES

ROOTS = ("torch", "torchvision", "functorch")
LIBRARY = __name__.split(".")[0]
# PyTorch's modules whose names are found elsewhere here: by the module itself, or by what is below it (.*)
PLACES = {
    "torch": "stand_in.facade",
    "functorch": "stand_in.functorch",
    "torch.functional": "stand_in.facade",
    "torch.hub": "stand_in.hub",
    "torch.utils.model_zoo": "stand_in.hub",
    "torch.utils.benchmark": "stand_in.benchmark",
    "torch.utils.data": "data",
    "torch.utils.data.*": "data",
    "torch.utils.data._utils.*": "data",
    "torch.distributions.kl": "distributions",
    "torch.distributions.utils": "distributions",
    "torch.distributions.*": "distributions",
    "torch.nn.modules.utils": "nn.sizes",
    "torch.nn.modules": "nn",
    "torch.nn.utils.parametrize": "nn.utils.parametrize",
    "torch.nn.utils.parametrizations": "nn.utils.parametrizations",
    "torch.nn.utils.prune": "nn.utils.prune",
    "torch.nn.modules.*": "nn",
    "torch.nn.common_types": "nn",
    "torch.nn.utils.clip_grad": "nn.utils",
    "torch.nn.utils.convert_parameters": "nn.utils",
    "torch.nn.utils.fusion": "nn.utils",
    "torch.nn.utils.stateless": "func",
    "torch.nn.parameter": "nn",
    "torch.nn.parallel.*": "nn.parallel",
    "torch.optim.lr_scheduler": "optim.lr_scheduler",
    "torch.optim.swa_utils": "optim.swa_utils",
    "torch.optim.*": "optim",
    "torch.amp.*": "amp",
    "torch.cuda.amp.*": "cuda.amp",
    "torch.cuda.*": "cuda",
    "torch.autograd": "autograd",
    "torch.autograd.functional": "differentials",
    "torch.autograd.graph": "saved",
    "torch.autograd.profiler": "stand_in.profiler",
    "torch.profiler": "stand_in.profiler",
    "torch.profiler.*": "stand_in.profiler",
    "torch.compiler": "stand_in.compiler",
    "torch._dynamo": "stand_in.compiler",
    "torch._dynamo.*": "stand_in.compiler",
    "torch._inductor": "stand_in.compiler",
    "torch._inductor.*": "stand_in.compiler",
    "torch.nn.attention": "stand_in.attention",
    "torch.autograd.forward_ad": "forward_ad",
    "torch.autograd.*": "autograd",
    "torch.jit.*": "jit",
    "torch.mps": "accelerator",
    "torch.xpu": "accelerator",
    "torch.tensor": "tensor",
    "torch.types": "tensor.tensor",
    "torch._tensor": "tensor.tensor",
    "torch.distributed.*": "distributed",
    "torch.utils.tensorboard.*": "utils.tensorboard",
    "torchvision.models.*": "torchvision.models",
}

NAMED = frozenset(  # those of which stand_in.names has more
    {"torch.nn.parameter", "torch.autograd.function", "torch.distributions.utils", "torch.random", "torch.serialization"}
    | {"torch.types", "torch.nn.utils.rnn"}
)


class Alias(ModuleType):
    """A module of ours under a name of PyTorch's: what is set here stays here, everything else is asked of it."""

    def __init__(self, name: str, source: Any):
        super().__init__(name, getattr(source, "__doc__", None))
        self.__dict__["_source"] = source
        self.__path__: list[str] = []
        public = getattr(source, "__all__", None) or [known for known in dir(source) if not known.startswith("_")]
        self.__dict__["__all__"] = list(public)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or self.__name__ in NAMED:
            known = importlib.import_module(f"{LIBRARY}.stand_in.names").NAMES.get(self.__name__, {})
            if name in known:
                return known[name]
        try:
            found = getattr(self.__dict__["_source"], name)
        except AttributeError as error:
            if f"{self.__name__}.{name}" in PLACES:
                return self._below(name)
            known = isinstance(error, MissingNameError) or self.__name__.startswith("torch.distributed")
            if not (known and _importing()):
                raise
            return absent(name, str(error))
        if isinstance(found, ModuleType) and f"{self.__name__}.{name}" in PLACES:
            return self._below(name)
        if callable(found):
            self.__dict__[name] = found  # asked for once
        return found

    def _below(self, name: str) -> Alias:
        """A module within this one that stands elsewhere here, also for a program that does not import it."""
        full = f"{self.__name__}.{name}"
        known = sys.modules.get(full)
        found = known if isinstance(known, Alias) else Alias(full, _source(full))
        self.__dict__[name] = found
        return found

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.__dict__["_source"])})


class _Absent(type):
    """A name that was imported and is not here: it is an error where it is used."""

    def __call__(cls, *args: Any, **named: Any) -> Any:
        raise MissingNameError(cls.__doc__)

    def __instancecheck__(cls, value: Any) -> bool:
        return False

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingNameError(cls.__doc__)


def absent(name: str, why: str) -> type:
    return _Absent(name, (), {"__doc__": why})


def _importing() -> bool:
    """Whether a program says `from torch import name`: it may never use it, and must hear of it only then."""
    frame = sys._getframe(2)
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_FROM"


class Finder(MetaPathFinder, Loader):
    """Finds what stands for torch.*, torchvision.*; says what does not."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in ROOTS:
            return None
        source = _source(fullname)
        if source is not None:
            return ModuleSpec(fullname, self, origin=str(source), is_package=True)
        for name in (fullname, *(fullname.rsplit(".", n)[0] for n in range(1, fullname.count(".")))):
            if name in MISSING:
                raise MissingModuleError(f"not implemented: {fullname}; nearest is {MISSING[name]}")
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Alias(spec.name, _source(spec.name))

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to run."""


def _source(fullname: str) -> Any:
    """What stands for a module, None where nothing does."""
    parent, _, name = fullname.rpartition(".")
    if parent == "torch.backends":
        return getattr(importlib.import_module(f"{LIBRARY}.backends.settings"), name, None)
    moved = parent in PLACES and parent not in ROOTS  # what is below a module that stands elsewhere
    own = PLACES.get(fullname, None if moved else fullname.removeprefix("torch."))
    below = PLACES.get(f"{parent}.*") if name.islower() and name not in NAMES.get(parent, ()) else None
    for place in (own, below):
        if place is None:
            continue
        try:
            return importlib.import_module(f"{LIBRARY}.{place}")
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith(LIBRARY):
                raise
    return None


class as_torch:
    """From now on, or inside `with`, `import torch` and `import torchvision` find this library, until remove().

    A real PyTorch that was imported before is set aside, and comes back with remove(). What a program holds is computed
    with the next realization, as PyTorch would have done at once; distml_py's own programs compute what they use.
    """

    def __init__(self) -> None:
        self._finder = Finder()
        self._aside = _taken()
        self._eager = engine.be_eager(True)
        sys.meta_path.insert(0, self._finder)

    def remove(self) -> None:
        """`import torch` is what it was before."""
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
            engine.be_eager(self._eager)
            _taken()
            sys.modules.update(self._aside)

    def __enter__(self) -> as_torch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.remove()


def _taken() -> dict[str, ModuleType]:
    """The modules that go by these names now, taken out of sys.modules."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in ROOTS}
