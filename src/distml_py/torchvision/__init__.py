"""torchvision, the parts that ordinary programs use: data sets from files that are given, transforms on the host, models, grids."""

from . import datasets, models, transforms, utils

__version__ = "0.28.0+distml"
