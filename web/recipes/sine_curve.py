"""A curve through noisy points: regression of one number on another."""

import numpy as np

from distml_py import Recipe, nn, optim, train
from distml_py.data import Splits, TensorDataset
from distml_py.nn import functional as F


class SineCurve(Recipe):
    batch_size = 64
    steps = 1000
    width = 32

    def data(self):
        rng = np.random.default_rng(0)
        x = rng.uniform(-1, 1, (600, 1)).astype(np.float32)
        y = (np.sin(4 * x[:, 0]) * 0.7 + rng.normal(0, 0.05, 600)).astype(np.float32)
        return Splits(*(TensorDataset(x[part], y[part]) for part in np.split(np.arange(600), [360, 480])))

    def model(self):
        return nn.Sequential(
            nn.Linear(1, self.width),
            nn.Tanh(),
            nn.Linear(self.width, self.width),
            nn.Tanh(),
            nn.Linear(self.width, 1),
        )

    def optimizer(self, parameters):
        return optim.Adam(parameters, lr=0.005)

    def loss(self, model, x, y):
        return F.mse_loss(model(x)[:, 0], y)

    def correct(self, model, x, y):
        """An answer counts as right when it is at most 0.15 away."""
        return ((model(x)[:, 0] - y).abs() < 0.15).sum()


if __name__ == "__main__":
    train(SineCurve())
