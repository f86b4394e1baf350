"""Handwritten digits with a small convolutional network: three convolutions, two poolings, one linear layer."""

from distml_py import Recipe, nn, optim, train
from distml_py.data import digits


class DigitsCNN(Recipe):
    batch_size = 64
    steps = 300
    width = 8

    def data(self):
        return digits()

    def model(self):
        return nn.Sequential(
            nn.Conv2d(1, self.width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(self.width, 2 * self.width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(2 * self.width, 4 * self.width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(16 * self.width, 10),
        )

    def optimizer(self, parameters):
        return optim.Adam(parameters, lr=0.006)


if __name__ == "__main__":
    train(DigitsCNN())
