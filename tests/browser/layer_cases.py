"""Layers on tensors: calls for the judges of op_examples.py, in a tab as well. Each holds its weights among its inputs."""

from typing import Any

import numpy as np

import distml_py as dm
from distml_py import nn
from op_examples import Example, numbers

CASES: list[Example] = []


def case(name: str, layer: nn.Module, *inputs: np.ndarray) -> None:
    """The layer's outputs for these inputs, with its own parameters."""

    def call(lib: Any, *tensors: Any) -> list[Any]:
        given, weights = tensors[: len(inputs)], tensors[len(inputs) :]
        places = [(module, key) for module in layer.modules() for key in module._parameters if getattr(module, key) is not None]
        kept = [getattr(module, key) for module, key in places]
        for (module, key), weight in zip(places, weights, strict=True):
            object.__setattr__(module, key, weight)
        try:
            return [out for out in flat(layer(*given)) if out is not None]
        finally:
            for (module, key), parameter in zip(places, kept, strict=True):
                object.__setattr__(module, key, parameter)

    weights = [parameter.detach().numpy() for module in layer.modules() for parameter in module.parameters(recurse=False)]
    CASES.append(Example(name, call, (*inputs, *weights), torch=False))


def flat(found: Any) -> list[Any]:
    return [part for one in found for part in flat(one)] if isinstance(found, (tuple, list)) else [found]


dm.manual_seed(4)
SEQUENCE = numbers(5, 3, 4)
case("RNN", nn.RNN(4, 3), SEQUENCE)
case("LSTM of two layers, both ways", nn.LSTM(4, 3, 2, bidirectional=True), SEQUENCE)
case("GRU", nn.GRU(4, 5), SEQUENCE)
case("LSTM over 33 steps", nn.LSTM(4, 5), numbers(33, 2, 4))
case("attention", nn.MultiheadAttention(4, 2), SEQUENCE, SEQUENCE + 1, SEQUENCE * 2)
case("an encoder layer", nn.TransformerEncoderLayer(4, 2, 7, 0.0), SEQUENCE)
case("a decoder layer", nn.TransformerDecoderLayer(4, 2, 7, 0.0, norm_first=True), SEQUENCE, SEQUENCE * 0.5)
case("a transposed convolution", nn.ConvTranspose2d(3, 5, 3, 2, 1, 1), numbers(2, 3, 5, 4))
case("a convolution with copies around", nn.Conv2d(3, 5, 3, padding=1, padding_mode="reflect"), numbers(2, 3, 5, 4))
case("a convolution of lines", nn.Conv1d(3, 5, 3, 2, 2), numbers(2, 3, 17))
case("PReLU", nn.PReLU(3), numbers(2, 3, 5))
case("Bilinear", nn.Bilinear(3, 5, 2), numbers(4, 3), numbers(4, 5, seed=1))
