"""Whole models judged by the same models in PyTorch: names, then one training step in float64 from copied weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import distml_py as dm
from distml_py import models
from distml_py.errors import ShapeError
from op_examples import numbers, whole


class TorchMLP(nn.Module):
    def __init__(self, *sizes: int):
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Any) -> Any:
        return self.layers(x.flatten(1))


class TorchLeNet(nn.Module):
    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
        self.fc = nn.Linear(32 * 7 * 7, num_classes)

    def forward(self, x: Any) -> Any:
        pool = nn.functional.max_pool2d
        return self.fc(pool(self.conv2(pool(self.conv1(x).relu(), 2)).relu(), 2).flatten(1))


class TorchBlock(nn.Module):
    def __init__(self, a: int, b: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        self.downsample = None
        if stride != 1 or a != b:
            self.downsample = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))

    def forward(self, x: Any) -> Any:
        side = x if self.downsample is None else self.downsample(x)
        return (self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())) + side).relu()


class TorchResNet18(nn.Module):
    """torchvision's, with its names."""

    def __init__(self, classes: int, stem: str, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False) if stem == "cifar" else nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1, self.stem = nn.BatchNorm2d(width), stem
        for n in range(4):
            a, b = width * 2 ** max(n - 1, 0), width * 2**n
            setattr(self, f"layer{n + 1}", nn.Sequential(TorchBlock(a, b, 1 + (n > 0)), TorchBlock(b, b, 1)))
        self.fc = nn.Linear(8 * width, classes)

    def forward(self, x: Any) -> Any:
        x = self.bn1(self.conv1(x)).relu()
        if self.stem == "imagenet":
            x = nn.functional.max_pool2d(x, 3, 2, 1)
        for n in range(4):
            x = getattr(self, f"layer{n + 1}")(x)
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


class TorchAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.c_attn, self.c_proj, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads

    def forward(self, x: Any) -> Any:
        n, t, c = x.shape
        q, k, v = (part.view(n, t, self.heads, c // self.heads).transpose(1, 2) for part in self.c_attn(x).split(c, dim=2))
        scores = (q @ k.transpose(-2, -1)) / (c // self.heads) ** 0.5
        scores = scores.masked_fill(torch.tril(torch.ones(t, t)) == 0, float("-inf"))
        return self.c_proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, c))


class TorchGPTBlock(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.ln_1, self.attn, self.ln_2 = nn.LayerNorm(width), TorchAttention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Any) -> Any:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp["c_proj"](nn.functional.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh"))


class TorchGPT(nn.Module):
    """nanoGPT's, with its names."""

    def __init__(self, vocab: int, block: int, layers: int, heads: int, width: int, tied: bool):
        super().__init__()
        blocks = nn.ModuleList(TorchGPTBlock(width, heads) for _ in range(layers))
        self.transformer = nn.ModuleDict(
            {"wte": nn.Embedding(vocab, width), "wpe": nn.Embedding(block, width), "h": blocks, "ln_f": nn.LayerNorm(width)}
        )
        self.lm_head = nn.Linear(width, vocab, bias=False)
        if tied:
            self.lm_head.weight = self.transformer["wte"].weight

    def forward(self, tokens: Any) -> Any:
        x = self.transformer["wte"](tokens) + self.transformer["wpe"](torch.arange(tokens.shape[1]))
        for block in self.transformer["h"]:
            x = block(x)
        return self.lm_head(self.transformer["ln_f"](x))


@dataclass(frozen=True)
class Case:
    ours: Callable[[], dm.nn.Module]
    theirs: Callable[[], nn.Module]
    inputs: np.ndarray
    labels: np.ndarray


CASES = {
    "MLP": Case(lambda: models.MLP(12, 7, 5, 3), lambda: TorchMLP(12, 7, 5, 3), numbers(5, 3, 4), whole(5, low=0, high=3)),
    "LeNet": Case(models.LeNet, TorchLeNet, numbers(3, 1, 28, 28), whole(3, low=0, high=10)),
    "ResNet-18": Case(
        lambda: models.resnet18(5, "cifar", width=3),
        lambda: TorchResNet18(5, "cifar", 3),
        numbers(3, 3, 9, 8),
        whole(3, low=0, high=5),
    ),
    "ResNet-18 for large images": Case(
        lambda: models.resnet18(5, width=2), lambda: TorchResNet18(5, "imagenet", 2), numbers(2, 3, 33, 34), whole(2, low=0, high=5)
    ),
    "GPT": Case(
        lambda: models.GPT(11, 7, 2, 2, 6),
        lambda: TorchGPT(11, 7, 2, 2, 6, True),
        whole(3, 5, low=0, high=11),
        whole(3, 5, low=0, high=11),
    ),
    "GPT with two tables": Case(
        lambda: models.GPT(11, 5, 1, 3, 9, tie_weights=False),
        lambda: TorchGPT(11, 5, 1, 3, 9, False),
        whole(1, 5, low=0, high=11),
        whole(1, 5, low=0, high=11, seed=1),
    ),
}


def loss_of(lib: Any, model: Any, inputs: np.ndarray, labels: np.ndarray) -> Any:
    wide = (lambda a: a.astype(np.int64)) if lib is torch else (lambda a: a)
    x = lib.tensor(wide(inputs)) if inputs.dtype == np.int32 else lib.tensor(inputs.astype(np.float64))
    scores = model(x)
    if inputs.dtype == np.int32:
        scores = scores.flatten(0, 1)
    return lib.nn.functional.cross_entropy(scores, lib.tensor(wide(labels)).flatten())


@pytest.mark.parametrize("name", CASES)
def test_one_training_step_is_pytorchs(name: str) -> None:
    case = CASES[name]
    dm.manual_seed(3)
    ours, theirs = case.ours().double(), case.theirs().double()
    mine = ours.state_dict()
    for key in mine:  # biases and gains that start at 0 or 1 would judge less
        if mine[key].dtype == np.float64 and "running" not in key:
            mine[key] = mine[key] + dm.tensor(numbers(*mine[key].shape, low=-0.1, high=0.1).astype(np.float64))
    ours.load_state_dict(mine)
    state = {key: value.clone() for key, value in ours.state_dict().items()}
    assert [(key, value.shape) for key, value in state.items()] == [(k, tuple(v.shape)) for k, v in theirs.state_dict().items()]
    assert [key for key, _ in ours.named_parameters()] == [key for key, _ in theirs.named_parameters()]
    theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in state.items()})
    for optimizer, lib, model in (
        (dm.optim.SGD(ours.parameters(), lr=0.1), dm, ours),
        (torch.optim.SGD(theirs.parameters(), lr=0.1), torch, theirs),
    ):
        loss = loss_of(lib, model, case.inputs, case.labels)
        loss.backward()
        optimizer.step()
        if lib is dm:
            found = loss.item()
        else:
            assert found == pytest.approx(loss.item(), rel=1e-6)
    after = theirs.state_dict()
    assert any(not np.array_equal(value.numpy(), state[key].numpy()) for key, value in ours.state_dict().items())
    for key, value in ours.state_dict().items():
        np.testing.assert_allclose(value.numpy(), after[key].numpy(), rtol=1e-6, atol=1e-9, err_msg=key)


def test_gpt_looks_at_no_later_token() -> None:
    model = models.GPT(11, 6, 2, 2, 4).eval()
    tokens = whole(2, 6, low=0, high=11)
    later = tokens.copy()
    later[:, 4:] = (later[:, 4:] + 1) % 11
    one, two = model(dm.tensor(tokens)).detach().numpy(), model(dm.tensor(later)).detach().numpy()
    assert np.array_equal(one[:, :4], two[:, :4])
    assert not np.array_equal(one[:, 4:], two[:, 4:])


def test_what_a_model_cannot_do_is_said() -> None:
    with pytest.raises(ShapeError, match="GPT: 7 tokens, but block_size is 6; cut the input or raise block_size"):
        models.GPT(11, 6, 1, 1, 4)(dm.tensor(whole(1, 7, low=0, high=11)))
    with pytest.raises(ShapeError, match="GPT: n_head=3 must divide n_embd=4"):
        models.GPT(11, 6, 1, 3, 4)
    with pytest.raises(ShapeError, match="ResNet: stem is 'cifar' or 'imagenet', got 'mnist'"):
        models.resnet18(stem="mnist")
