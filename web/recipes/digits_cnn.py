"""Handwritten digits with a small convolutional network: three convolutions, two poolings, one linear layer."""

from distml_py import Recipe, nn, optim, train
from distml_py.data import digits


class DigitsCNN(Recipe):
    batch_size = 64
    steps = 300

    def data(self):
        return digits()

    def model(self):
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(128, 10),
        )

    def optimizer(self, parameters):
        return optim.Adam(parameters, lr=0.006)


if __name__ == "__main__":
    train(DigitsCNN())
