"""Data sets, batches, and the digits that ship with the library. PyTorch's torch.utils.data."""

from .digits import digits
from .loader import DataLoader, Dataset, Splits, TensorDataset

__all__ = ["DataLoader", "Dataset", "Splits", "TensorDataset", "digits"]
