"""Digits through a bottleneck: a variational autoencoder keeps eight numbers of a picture and paints it again."""

from distml_py import Recipe, optim, train
from distml_py.data import Splits, TensorDataset, digits
from distml_py.models import VAE


class DigitsVAE(Recipe):
    batch_size = 64
    steps = 1200
    width = 64

    def data(self):
        known = digits()
        parts = [part.fields[0] for part in (known.train, known.validation, known.test)]
        least, most = parts[0].min(), parts[0].max()  # no ink, and the most of it
        return Splits(*(TensorDataset((part - least) / (most - least)) for part in parts))

    def model(self):
        return VAE(pixels=64, hidden=self.width, latent=8)

    def optimizer(self, parameters):
        return optim.Adam(parameters, lr=0.003)

    def loss(self, model, images):
        return model.loss(images) / images.shape[0]

    def correct(self, model, images):
        """The share of pixels that come back as they were, give or take a fifth."""
        return ((self.again(model, images) - images.reshape(-1, 64)).abs() < 0.2).float().mean(1).sum()

    def again(self, model, images):
        mu, _ = model.encode(images.reshape(-1, 64))
        return model.decode(mu)


if __name__ == "__main__":
    train(DigitsVAE())
