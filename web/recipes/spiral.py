"""Two spirals in a plane: a small network bends a border between them."""

import numpy as np

from distml_py import Recipe, nn, optim, train
from distml_py.data import Splits, TensorDataset


class Spiral(Recipe):
    batch_size = 64
    steps = 1500
    width = 24
    classes = ["blue", "orange"]

    def data(self):
        rng = np.random.default_rng(0)
        way = rng.uniform(0.15, 1, 900)  # how far along its arm a point lies
        arm = rng.integers(0, 2, 900)
        angle = way * 3.2 * np.pi + arm * np.pi
        points = np.stack([way * np.cos(angle), way * np.sin(angle)], 1) + rng.normal(0, 0.015, (900, 2))
        parts = np.split(np.arange(900), [540, 720])
        return Splits(*(TensorDataset(points[part].astype(np.float32) * 2, arm[part].astype(np.int32)) for part in parts))

    def model(self):
        return nn.Sequential(
            nn.Linear(2, self.width),
            nn.Tanh(),
            nn.Linear(self.width, self.width),
            nn.Tanh(),
            nn.Linear(self.width, 2),
        )

    def optimizer(self, parameters):
        return optim.Adam(parameters, lr=0.01)


if __name__ == "__main__":
    train(Spiral())
