"""The benchmark's work, written as users of the library write theirs: single ops, and whole training steps.

ours.py times it in a tab; the runner makes the same numbers from it for PyTorch. Every number is the same on every machine.
"""

import numpy as np

import distml_py as dm
from distml_py import models, nn, optim

F = nn.functional


class Work:
    """call(*inputs) is one unit of work and returns a tensor. model: None, or what call() trains.

    units: how many are done between two synchronisations. checked: units after which numbers are compared.
    """

    units = 1
    checked = 1
    model = None

    def __init__(self):
        self.random = np.random.default_rng(7)
        self.inputs = {}

    def uniform(self, name, *shape, reach=1.0):
        """Another input: uniform on [-reach, reach)."""
        self.inputs[name] = (self.random.random(shape, np.float32) * 2 - 1) * np.float32(reach)

    def labels(self, name, *shape, classes):
        self.inputs[name] = self.random.integers(0, classes, shape).astype(np.int32)

    def tensors(self):
        return [dm.tensor(array) for array in self.inputs.values()]

    def weights(self):
        """Every number a step changes, by PyTorch's names; its counts of batches are left out."""
        state = {} if self.model is None else self.model.state_dict()
        return {name: tensor for name, tensor in state.items() if "num_batches_tracked" not in name}


class Matmul(Work):
    size = 512
    units = 4

    def __init__(self):
        super().__init__()
        self.uniform("a", self.size, self.size)
        self.uniform("b", self.size, self.size)

    def call(self, a, b):
        return a @ b


class Matmul1024(Matmul):
    size = 1024
    units = 1


class Chain(Work):
    """relu(a * b + c) on 2^20 numbers."""

    units = 10

    def __init__(self):
        super().__init__()
        for name in "abc":
            self.uniform(name, 1024, 1024)

    def call(self, a, b, c):
        return (a * b + c).relu()


class Conv(Work):
    """3x3, 64 to 64 channels, on 32 images of 32x32."""

    def __init__(self):
        super().__init__()
        self.uniform("x", 32, 64, 32, 32)
        self.uniform("w", 64, 64, 3, 3, reach=0.05)

    def call(self, x, w):
        return F.conv2d(x, w, padding=1)


class ConvInputGrad(Conv):
    def __init__(self):
        super().__init__()
        self.uniform("g", 32, 64, 32, 32)

    def call(self, x, w, g):
        leaf = x.detach().requires_grad_()
        F.conv2d(leaf, w, padding=1).backward(g)
        return leaf.grad


class ConvWeightGrad(ConvInputGrad):
    def call(self, x, w, g):
        leaf = w.detach().requires_grad_()
        F.conv2d(x, leaf, padding=1).backward(g)
        return leaf.grad


class Training(Work):
    """One whole step: forward, cross entropy, backward, SGD. The loss stays where it is."""

    units = 10
    checked = 3
    lr = 0.05

    def __init__(self):
        super().__init__()
        dm.manual_seed(0)
        self.model = self.build()
        self.optimizer = optim.SGD(self.model.parameters(), lr=self.lr)

    def call(self, x, y):
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def loss(self, scores, y):
        return F.cross_entropy(scores, y)


class MLP(Training):
    def __init__(self):
        super().__init__()
        self.uniform("x", 64, 784)
        self.labels("y", 64, classes=10)

    def build(self):
        return nn.Sequential(
            nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
        )  # fmt: skip


class CNN(Training):
    units = 2

    def __init__(self):
        super().__init__()
        self.uniform("x", 64, 1, 28, 28)
        self.labels("y", 64, classes=10)

    def build(self):
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(1568, 10),
        )


class ResNet(Training):
    units = 1
    checked = 2
    lr = 0.01

    def __init__(self):
        super().__init__()
        self.uniform("x", 16, 3, 32, 32)
        self.labels("y", 16, classes=10)

    def build(self):
        return models.resnet18(num_classes=10, stem="cifar")


class GPT(Training):
    """Next token of 64, in two layers of four heads."""

    units = 2

    def __init__(self):
        super().__init__()
        self.labels("x", 16, 64, classes=96)
        self.labels("y", 16, 64, classes=96)

    def build(self):
        return models.GPT(vocab_size=96, block_size=64, n_layer=2, n_head=4, n_embd=128)

    def loss(self, scores, y):
        return F.cross_entropy(scores.reshape(-1, 96), y.reshape(-1))


WORK = {
    "matmul_512": Matmul,
    "matmul_1024": Matmul1024,
    "chain_1m": Chain,
    "conv": Conv,
    "conv_input_grad": ConvInputGrad,
    "conv_weight_grad": ConvWeightGrad,
    "mlp_step": MLP,
    "cnn_step": CNN,
    "resnet18_step": ResNet,
    "gpt_step": GPT,
}
