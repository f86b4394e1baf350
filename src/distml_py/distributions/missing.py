"""What is said of a distribution that PyTorch has and this library has not."""

from typing import Any

from ..errors import MissingNameError

NAMES = frozenset(
    [
        "Beta",
        "Binomial",
        "Cauchy",
        "Chi2",
        "ContinuousBernoulli",
        "Dirichlet",
        "FisherSnedecor",
        "Gamma",
        "GeneralizedPareto",
        "Gumbel",
        "HalfCauchy",
        "HalfNormal",
        "InverseGamma",
        "Kumaraswamy",
        "LKJCholesky",
        "LogisticNormal",
        "LowRankMultivariateNormal",
        "MixtureSameFamily",
        "Multinomial",
        "MultivariateNormal",
        "NegativeBinomial",
        "OneHotCategoricalStraightThrough",
        "Pareto",
        "Poisson",
        "RelaxedBernoulli",
        "RelaxedOneHotCategorical",
        "StudentT",
        "Transform",
        "TransformedDistribution",
        "VonMises",
        "Weibull",
        "Wishart",
        "biject_to",
        "constraints",
        "register_kl",
        "transform_to",
        "transforms",
    ]
)


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"torch.distributions has no attribute {name!r}, here as in PyTorch")
    raise MissingNameError(f"not implemented: torch.distributions.{name}; nearest is Normal, Categorical, or its formula")
