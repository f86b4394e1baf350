"""PyTorch's torch.distributions, those that common programs use: draw, score, compare."""

from .continuous import Exponential, Gumbel, HalfNormal, Laplace, LogNormal, Normal, Uniform
from .discrete import Bernoulli, Categorical, Geometric, OneHotCategorical
from .distribution import Distribution, Independent
from .divergence import kl_divergence
from .gamma import Beta, Chi2, Dirichlet, Gamma, StudentT
from .missing import __getattr__
from .multivariate import MixtureSameFamily, MultivariateNormal

__all__ = [
    "Bernoulli",
    "Beta",
    "Categorical",
    "Chi2",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfNormal",
    "Independent",
    "Laplace",
    "LogNormal",
    "MixtureSameFamily",
    "MultivariateNormal",
    "Normal",
    "OneHotCategorical",
    "StudentT",
    "Uniform",
    "kl_divergence",
]
