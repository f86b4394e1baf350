"""reset_parameters(): layers that begin again, and classes derived from them that say themselves how they begin."""

from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import nn

LAYERS = [
    ("Linear", (3, 4)),
    ("Bilinear", (2, 3, 4)),
    ("Conv2d", (2, 4, 3)),
    ("ConvTranspose1d", (2, 3, 3)),
    ("BatchNorm2d", (3,)),
    ("LayerNorm", (4,)),
    ("RMSNorm", (4,)),
    ("GroupNorm", (2, 4)),
    ("Embedding", (5, 3, 1)),
    ("EmbeddingBag", (5, 3)),
    ("LSTM", (3, 4, 2)),
    ("GRUCell", (3, 4)),
]


@pytest.mark.parametrize(("name", "args"), LAYERS, ids=[name for name, _ in LAYERS])
def test_a_layer_begins_again_with_the_same_parameters(name: str, args: tuple[int, ...]) -> None:
    layer = getattr(nn, name)(*args)
    first = {key: parameter for key, parameter in layer.named_parameters()}
    spread = {key: float(np.ptp(parameter.detach().numpy())) for key, parameter in first.items()}
    with dm.no_grad():
        for parameter in first.values():
            parameter.fill_(70.0)
    layer.reset_parameters()
    for key, parameter in layer.named_parameters():
        assert parameter is first[key] and parameter.requires_grad and parameter.is_leaf
        numbers = parameter.detach().numpy()
        assert np.abs(numbers).max() < 6, key
        assert (np.ptp(numbers) == 0) == (spread[key] == 0), f"{key} is drawn where it was drawn before"
    if name == "Embedding":
        assert not layer.weight[1].any()


def test_running_statistics_begin_again() -> None:
    layer = nn.BatchNorm1d(2)
    layer(dm.tensor([[1.0, 2.0], [3.0, 5.0]]))
    layer.reset_running_stats()
    assert layer.running_mean.tolist() == [0, 0] and layer.running_var.tolist() == [1, 1]
    assert layer.num_batches_tracked.item() == 0


@pytest.mark.parametrize("library", [dm, torch], ids=["ours", "theirs"])
def test_a_derived_layer_that_says_how_it_begins_is_asked_once_while_it_is_made(library: Any) -> None:
    asked: list[tuple[int, int]] = []

    class Twos(library.nn.Linear):
        def reset_parameters(self) -> None:
            asked.append(library.nn.init._calculate_fan_in_and_fan_out(self.weight))
            library.nn.init.constant_(self.weight, 2.0)
            self.bias.data.zero_()

    class Named(Twos):
        def __init__(self) -> None:
            super().__init__(4, 3)
            self.name = "named"

    layer = Named()
    assert layer.weight.sum().item() == 24 and layer.bias.sum().item() == 0 and asked == [(4, 3)]
