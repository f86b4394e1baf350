"""kl_divergence between kinds of distributions: every pair for which PyTorch has a formula, its number and its gradient."""

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm

KINDS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "Normal": ("Normal", ([0.3, 1.0], [0.5, 2.0])),
    "Bernoulli": ("Bernoulli", ([0.3, 0.6],)),
    "Beta": ("Beta", ([0.5, 2.0], [1.5, 2.0])),
    "Binomial": ("Binomial", (3, [0.3, 0.6])),
    "Cauchy": ("Cauchy", ([0.0, 1.0], [1.0, 2.0])),
    "another Cauchy": ("Cauchy", ([0.5, 1.0], [3.0, 1.0])),
    "ContinuousBernoulli": ("ContinuousBernoulli", ([0.3, 0.7],)),
    "Exponential": ("Exponential", ([0.5, 2.0],)),
    "Gamma": ("Gamma", ([0.5, 2.0], [1.5, 1.0])),
    "Gumbel": ("Gumbel", ([0.3, 1.0], [0.5, 2.0])),
    "HalfCauchy": ("HalfCauchy", ([1.0, 2.0],)),
    "InverseGamma": ("InverseGamma", ([3.0, 2.0], [1.0, 2.0])),
    "another InverseGamma": ("InverseGamma", ([1.0, 2.5], [2.0, 2.0])),
    "Laplace": ("Laplace", ([0.3, 1.0], [0.5, 2.0])),
    "LogNormal": ("LogNormal", ([0.3, 1.0], [0.5, 2.0])),
    "Pareto": ("Pareto", ([1.0, 2.0], [3.0, 2.5])),
    "a wider Pareto": ("Pareto", ([0.5, 0.05], [2.0, 1.5])),
    "Poisson": ("Poisson", ([0.5, 2.0],)),
    "Uniform": ("Uniform", ([0.2, 0.5], [0.9, 2.0])),
    "a wider Uniform": ("Uniform", ([-1.0, 0.1], [3.0, 3.0])),
    "Weibull": ("Weibull", ([1.0, 2.0], [1.0, 2.0])),
}


def divergence(lib: Any, one: str, two: str) -> tuple[np.ndarray, list[np.ndarray]] | None:
    """The numbers and their gradients, or None where there is no formula."""
    sources: list[Any] = []

    def of(name: str) -> Any:
        kind, values = KINDS[name]
        given = [lib.tensor(v, requires_grad=True) if isinstance(v, list) else v for v in values]
        sources.extend(v for v in given if not isinstance(v, int))
        return getattr(lib.distributions, kind)(*given)

    p, q = of(one), of(two)
    try:
        found = lib.distributions.kl_divergence(p, q)
    except NotImplementedError:
        return None
    numbers = found.detach().numpy()
    if not (np.isfinite(numbers).all() and found.requires_grad):
        return numbers, []
    found = lib.autograd.grad(found.sum(), sources, allow_unused=True)
    return numbers, [np.zeros(2) if grad is None else grad.numpy() for grad in found]


@pytest.mark.parametrize(("one", "two"), itertools.product(KINDS, KINDS))
def test_a_divergence_is_pytorchs_where_it_has_one(one: str, two: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted, found = divergence(torch, one, two), divergence(dm, one, two)
    if wanted is not None:
        assert found is not None and found[0].shape == wanted[0].shape
        np.testing.assert_allclose(found[0], wanted[0], rtol=1e-4, atol=1e-5)
        for mine, other in zip(found[1] if wanted[1] else [], wanted[1], strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4)
