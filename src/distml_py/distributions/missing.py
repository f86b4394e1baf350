"""What is said of a distribution that PyTorch has and this library has not."""

from typing import Any

from ..errors import MissingNameError

NAMES = frozenset(
    [
        "ContinuousBernoulli",
        "CorrCholeskyTransform",
        "CumulativeDistributionTransform",
        "ExponentialFamily",
        "GeneralizedPareto",
        "LKJCholesky",
        "LowRankMultivariateNormal",
        "PositiveDefiniteTransform",
        "VonMises",
        "Wishart",
        "biject_to",
        "transform_to",
    ]
)


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"torch.distributions has no attribute {name!r} here, nor is it among PyTorch's documented names")
    raise MissingNameError(f"not implemented: torch.distributions.{name}; nearest is Normal, Categorical, or its formula")
