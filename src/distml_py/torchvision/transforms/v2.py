"""torchvision.transforms.v2, by the names that it shares with the first version."""

from . import *  # noqa: F403
from . import __getattr__ as __getattr__
