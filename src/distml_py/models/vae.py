"""Variational autoencoder (Kingma and Welling 2014) of grey images, with the names of PyTorch's example."""

from __future__ import annotations

from .. import nn, sampling
from ..nn import functional as F
from ..tensor import Tensor


class VAE(nn.Module):
    """Images (n, ...) of `pixels` numbers in [0, 1] to (images again (n, pixels), mu (n, latent), logvar (n, latent))."""

    def __init__(self, pixels: int = 784, hidden: int = 400, latent: int = 20):
        super().__init__()
        self.pixels = pixels
        self.fc1 = nn.Linear(pixels, hidden)
        self.fc21, self.fc22 = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.fc3 = nn.Linear(latent, hidden)
        self.fc4 = nn.Linear(hidden, pixels)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of what may have made x."""
        hidden = F.relu(self.fc1(x))
        return self.fc21(hidden), self.fc22(hidden)

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """A sample, as a function of noise that the gradient passes by."""
        return mu + sampling.randn(mu.shape, dtype=mu.dtype) * (logvar * 0.5).exp()

    def decode(self, z: Tensor) -> Tensor:
        return F.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mu, logvar = self.encode(x.reshape(-1, self.pixels))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar

    def loss(self, x: Tensor) -> Tensor:
        """The negative evidence lower bound, summed over the batch, in nats. Source: appendix B of the paper."""
        recon, mu, logvar = self(x)
        misfit = F.binary_cross_entropy(recon, x.reshape(-1, self.pixels), reduction="sum")
        return misfit - (logvar + 1.0 - mu.square() - logvar.exp()).sum() * 0.5
