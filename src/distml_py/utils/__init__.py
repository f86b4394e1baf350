"""PyTorch's torch.utils: data, tensorboard and checkpoint. No helpers of this library."""

import sys

from .. import data
from ..missing import getter as _getter
from . import checkpoint, hooks, tensorboard

sys.modules[f"{__name__}.data"] = data  # `import distml_py.utils.data` finds it, too
__getattr__ = _getter("torch.utils", globals())
