"""Whole models in public words only: their parameters have the names of the usual public implementations."""

from .char_lstm import CharLSTM
from .gpt import GPT
from .lenet import LeNet
from .llama import Llama
from .mlp import MLP
from .resnet import ResNet, resnet18, resnet34
from .sampling import KVCache
from .unet import UNet
from .vae import VAE
from .vit import VisionTransformer, vit_tiny

__all__ = [
    "GPT",
    "MLP",
    "VAE",
    "CharLSTM",
    "KVCache",
    "LeNet",
    "Llama",
    "ResNet",
    "UNet",
    "VisionTransformer",
    "resnet18",
    "resnet34",
    "vit_tiny",
]
