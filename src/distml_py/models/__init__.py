"""Whole models: LeNet, MLP, ResNet-18 and GPT, written in public words only."""

from .gpt import GPT
from .lenet import LeNet
from .mlp import MLP
from .resnet import ResNet, resnet18

__all__ = ["GPT", "MLP", "LeNet", "ResNet", "resnet18"]
