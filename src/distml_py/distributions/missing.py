"""What is said of a distribution that PyTorch has and this library has not."""

from typing import Any

from ..errors import MissingNameError

NAMES = frozenset(
    [
        "Binomial",
        "Cauchy",
        "ContinuousBernoulli",
        "FisherSnedecor",
        "GeneralizedPareto",
        "HalfCauchy",
        "InverseGamma",
        "Kumaraswamy",
        "LKJCholesky",
        "LogisticNormal",
        "LowRankMultivariateNormal",
        "Multinomial",
        "NegativeBinomial",
        "OneHotCategoricalStraightThrough",
        "Pareto",
        "Poisson",
        "RelaxedBernoulli",
        "RelaxedOneHotCategorical",
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
        raise AttributeError(f"torch.distributions has no attribute {name!r} here, nor is it among PyTorch's documented names")
    raise MissingNameError(f"not implemented: torch.distributions.{name}; nearest is Normal, Categorical, or its formula")
