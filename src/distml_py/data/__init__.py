"""Data sets, batches, files of known formats, and the digits that ship with the library. PyTorch's torch.utils.data."""

from ..missing import getter as _getter
from ..tensor.arguments import guard as _guard
from ..tensor.arguments import guard_classes as _guard_classes
from . import transforms
from .cifar import CIFAR10
from .dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    Splits,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .digits import digits
from .distributed import DistributedSampler
from .images import ImageFolder
from .loader import DataLoader, default_collate, default_convert
from .mnist import MNIST, FashionMNIST, read_idx
from .png import read_png
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from .table import CSVDataset
from .text import BytePairTokenizer, CharTokenizer, TextDataset

__all__ = [
    "CIFAR10",
    "MNIST",
    "BatchSampler",
    "BytePairTokenizer",
    "CSVDataset",
    "ChainDataset",
    "CharTokenizer",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "FashionMNIST",
    "ImageFolder",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Splits",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "TextDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "digits",
    "get_worker_info",
    "random_split",
    "read_idx",
    "read_png",
    "transforms",
]


def get_worker_info() -> None:
    """None, as in PyTorch's main process: a tab has no workers of this kind."""
    return None


_guard(globals(), ["default_collate", "default_convert", "random_split"])
_guard_classes(value for value in list(globals().values()) if isinstance(value, type))
__getattr__ = _getter("torch.utils.data", globals())
