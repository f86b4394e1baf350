"""Layers. PyTorch's torch.nn."""

from . import functional, init, utils
from .activation import Dropout, ReLU, Sigmoid, Softmax, Tanh
from .container import Sequential
from .conv import AvgPool2d, Conv2d, MaxPool2d
from .linear import Flatten, Linear
from .loss import CrossEntropyLoss, MSELoss
from .module import Module, Parameter

__all__ = [
    "AvgPool2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Linear",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "functional",
    "init",
    "utils",
]
