"""distml_py: PyTorch-like training in browser tabs (Pyodide and WebGL2) and in CPython (NumPy)."""

from typing import TYPE_CHECKING as _CHECKING

from . import (
    accelerator,
    amp,
    autograd,
    backends,
    cuda,
    data,
    distributed,
    einops_backend,
    func,
    jit,
    linalg,
    multiprocessing,
    nn,
    optim,
    recipe,
    sparse,
    special,
    testing,
    utils,
    version,
)
from . import accelerator as mps
from . import accelerator as xpu
from . import constants as _constants
from . import creation as _creation
from . import sampling as _sampling
from .amp import autocast, is_autocast_enabled
from .capture import compile
from .constants import (
    Size,
    are_deterministic_algorithms_enabled,
    can_cast,
    channels_last,
    channels_last_3d,
    contiguous_format,
    dtype,
    e,
    finfo,
    get_float32_matmul_precision,
    get_num_threads,
    iinfo,
    inf,
    layout,
    memory_format,
    nan,
    newaxis,
    pi,
    preserve_format,
    promote_types,
    result_type,
    set_float32_matmul_precision,
    set_num_threads,
    set_printoptions,
    strided,
    use_deterministic_algorithms,
)
from .creation import (
    arange,
    as_tensor,
    asarray,
    blackman_window,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    get_default_device,
    get_default_dtype,
    hamming_window,
    hann_window,
    linspace,
    logspace,
    ones,
    ones_like,
    scalar_tensor,
    set_default_device,
    set_default_dtype,
    tensor,
    vander,
    zeros,
    zeros_like,
)
from .dtypes import BFLOAT16 as bfloat16
from .dtypes import BOOL as bool
from .dtypes import FLOAT16 as float16
from .dtypes import FLOAT16 as half
from .dtypes import FLOAT32 as float
from .dtypes import FLOAT32 as float32
from .dtypes import FLOAT64 as double
from .dtypes import FLOAT64 as float64
from .dtypes import INT8 as int8
from .dtypes import INT16 as int16
from .dtypes import INT16 as short
from .dtypes import INT32 as int
from .dtypes import INT32 as int32
from .dtypes import INT64 as int64
from .dtypes import INT64 as long
from .dtypes import UINT8 as uint8
from .engine import memory, use_backend
from .func import vmap
from .kinds import (
    BFloat16Tensor,
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
    set_default_tensor_type,
)
from .missing import getter as _getter
from .optim import swa_utils as _swa_utils  # noqa: F401  # torch.optim.swa_utils
from .profiler import profile
from .random import Generator, default_generator, initial_seed, manual_seed, seed
from .recipe import Recipe, train
from .sampling import (
    bernoulli,
    get_rng_state,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    set_rng_state,
)
from .selftest import self_test
from .serialization import load, load_bundle, load_file, pytorch_snippet, save, save_bundle, save_file
from .sparse import sparse_coo_tensor, spmm
from .stand_in import as_torch
from .tensor import (
    Tensor,
    cat,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
    stack,
    where,
)
from .tensor import functions as _functions
from .tensor.device import device
from .torch_names import NAMES as _NAMES
from .tuning import load_tuning, save_tuning, tune

if _CHECKING:
    from . import distributions, models, onnx, torchvision

__version__ = "0.1.0"
_LATER = ("distributions", "models", "onnx", "torchvision")  # read when they are asked for: a page starts without them
_HOMES = (nn.functional, _creation, _sampling, _constants, autograd)
einops_backend.start()


def _found(name: str) -> object:
    """What stands for torch.name: a function of a family or of another module, or the method that changes its tensor."""
    method = vars(Tensor).get(name) if name.endswith("_") else None
    for names in (_functions(), linalg.older.NAMES, *map(vars, _HOMES)):
        if name in names:
            return names[name]
    return method


globals().update({name: found for name in _NAMES["torch"] if name not in globals() and callable(found := _found(name))})
__getattr__ = _getter("torch", globals(), _LATER)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
