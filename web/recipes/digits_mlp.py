"""Handwritten digits with a small multilayer perceptron: 64 pixels in, 10 classes out."""

from distml_py import Recipe, nn, optim, train
from distml_py.data import digits


class DigitsMLP(Recipe):
    batch_size = 64
    steps = 400
    width = 32

    def data(self):
        return digits()

    def model(self):
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(64, self.width),
            nn.ReLU(),
            nn.Linear(self.width, 10),
        )

    def optimizer(self, parameters):
        return optim.SGD(parameters, lr=0.2, momentum=0.9, weight_decay=1e-4)


if __name__ == "__main__":
    train(DigitsMLP())
