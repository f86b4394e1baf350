"""torch.distributions: densities, entropies, moments and divergences as PyTorch has them; draws by their moments."""

import inspect
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import distributions as ours
from distml_py.errors import MissingNameError, ShapeError, UnsupportedError

theirs = torch.distributions
RANDOM = np.random.RandomState(0)
LOC, SCALE = RANDOM.randn(3, 2).astype(np.float32), np.exp(RANDOM.randn(3, 2)).astype(np.float32)
PROBS, SHARES = RANDOM.rand(3, 2).astype(np.float32), RANDOM.rand(4, 3).astype(np.float32)
SPREAD = np.array([[[2, 0.5], [0.5, 1]], [[1, -0.3], [-0.3, 1]], [[3, 0], [0, 0.1]]], np.float32)
CASES: dict[str, tuple[str, dict[str, np.ndarray], Any]] = {
    "normal": ("Normal", {"loc": LOC, "scale": SCALE}, LOC + 1),
    "log normal": ("LogNormal", {"loc": LOC, "scale": SCALE / 4}, SCALE),
    "laplace": ("Laplace", {"loc": LOC, "scale": SCALE}, LOC + 1),
    "exponential": ("Exponential", {"rate": SCALE}, SCALE),
    "uniform": ("Uniform", {"low": LOC, "high": LOC + SCALE}, LOC + SCALE / 2),
    "bernoulli": ("Bernoulli", {"probs": PROBS}, (PROBS > 0.5).astype(np.float32)),
    "bernoulli logits": ("Bernoulli", {"logits": LOC}, (PROBS > 0.5).astype(np.float32)),
    "categorical": ("Categorical", {"probs": SHARES}, np.array([0, 2, 1, 1])),
    "categorical logits": ("Categorical", {"logits": SHARES}, np.array([[0, 2, 1, 1], [2, 2, 0, 1]])),
    "one-hot": ("OneHotCategorical", {"probs": SHARES}, np.eye(3, dtype=np.float32)[[0, 2, 1, 1]]),
    "half normal": ("HalfNormal", {"scale": SCALE}, SCALE),
    "gumbel": ("Gumbel", {"loc": LOC, "scale": SCALE}, LOC + 1),
    "gamma": ("Gamma", {"concentration": SCALE, "rate": SCALE[::-1].copy()}, SCALE),
    "chi2": ("Chi2", {"df": SCALE * 3}, SCALE),
    "beta": ("Beta", {"concentration1": SCALE, "concentration0": SCALE[::-1].copy()}, PROBS),
    "dirichlet": ("Dirichlet", {"concentration": SHARES + 0.5}, SHARES / SHARES.sum(1, keepdims=True)),
    "student": ("StudentT", {"df": SCALE + 3, "loc": LOC, "scale": SCALE}, LOC + 1),
    "normal of several": ("MultivariateNormal", {"loc": LOC, "covariance_matrix": SPREAD}, LOC + 1),
    "normal of several, lower": ("MultivariateNormal", {"loc": LOC[0], "scale_tril": np.tril(SPREAD)}, LOC + 1),
    "normal of several, precision": ("MultivariateNormal", {"loc": LOC, "precision_matrix": SPREAD[0]}, LOC + 1),
    "geometric": ("Geometric", {"probs": PROBS}, np.array(2.0, np.float32)),
}


def both(kind: str, given: dict[str, np.ndarray]) -> tuple[Any, Any]:
    mine = getattr(ours, kind)(**{name: dm.tensor(value) for name, value in given.items()})
    return mine, getattr(theirs, kind)(**{name: torch.tensor(value) for name, value in given.items()})


def test_every_distribution_has_a_case() -> None:
    others = {"Distribution", "Independent", "MixtureSameFamily"}
    kinds = {name for name, value in vars(ours).items() if inspect.isclass(value)} - others
    assert kinds == {kind for kind, _, _ in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_scores_and_moments_are_pytorchs(name: str) -> None:
    kind, given, value = CASES[name]
    mine, judge = both(kind, given)
    close = dict(rtol=2e-5, atol=5e-6 if kind in ("Beta", "Gamma", "Dirichlet", "StudentT", "Chi2") else 1e-6)  # lgamma() errs 1e-6
    np.testing.assert_allclose(mine.log_prob(dm.tensor(value)).numpy(), judge.log_prob(torch.tensor(value)).numpy(), **close)
    assert mine.batch_shape == tuple(judge.batch_shape) and mine.event_shape == tuple(judge.event_shape)
    for word in ("mean", "variance", "stddev") if not kind.startswith("Categorical") else ():
        np.testing.assert_allclose(getattr(mine, word).numpy(), getattr(judge, word).numpy(), **close)
    if kind != "Geometric":
        np.testing.assert_allclose(mine.entropy().numpy(), judge.entropy().numpy(), **close)
    draws = mine.sample((4000,))
    assert tuple(draws.shape) == tuple(judge.sample((4000,)).shape) and not draws.requires_grad
    if not kind.startswith("Categorical"):
        error = 6 * np.sqrt(judge.variance.numpy() / 4000) + 1e-6
        assert np.all(np.abs(draws.numpy().mean(0) - judge.mean.numpy()) < error)
    else:
        shares = np.stack([(draws.numpy() == k).mean(0) for k in range(3)], -1)
        assert np.all(np.abs(shares - judge.probs.numpy()) < 6 * np.sqrt(0.25 / 4000))


KINDS = [
    "Normal",
    "Bernoulli",
    "Categorical",
    "Exponential",
    "Laplace",
    "Uniform",
    "Gamma",
    "Beta",
    "Dirichlet",
    "MultivariateNormal",
]


@pytest.mark.parametrize("kind", KINDS)
def test_divergences_are_pytorchs(kind: str) -> None:
    _, given, _ = next(case for case in CASES.values() if case[0] == kind)
    other = {name: value * 0.6 + (0.05 if name in ("probs", "high") else 0) for name, value in given.items()}
    (p, p2), (q, q2) = both(kind, given), both(kind, {name: value.astype(np.float32) for name, value in other.items()})
    np.testing.assert_allclose(ours.kl_divergence(p, q).numpy(), theirs.kl_divergence(p2, q2).numpy(), rtol=1e-4, atol=5e-6)


def test_gradients_reach_the_parameters_through_a_draw_and_through_a_score() -> None:
    loc = dm.zeros(2, requires_grad=True)
    ours.Normal(loc, 1.0).rsample((3,)).sum().backward()
    assert loc.grad is not None and loc.grad.tolist() == [3.0, 3.0]
    scores = dm.zeros(3, requires_grad=True)
    ours.Categorical(logits=scores).log_prob(dm.tensor(1)).backward()
    np.testing.assert_allclose(scores.grad.numpy(), [-1 / 3, 2 / 3, -1 / 3], rtol=1e-6)  # type: ignore[union-attr]


def test_independent_dimensions_are_added() -> None:
    mine = ours.Independent(ours.Normal(dm.tensor(LOC), dm.tensor(SCALE)), 1)
    judge = theirs.Independent(theirs.Normal(torch.tensor(LOC), torch.tensor(SCALE)), 1)
    assert mine.batch_shape == (3,) and mine.event_shape == (2,) and tuple(mine.sample((5,)).shape) == (5, 3, 2)
    np.testing.assert_allclose(mine.log_prob(dm.zeros(3, 2)).numpy(), judge.log_prob(torch.zeros(3, 2)).numpy(), rtol=1e-5)
    np.testing.assert_allclose(mine.entropy().numpy(), judge.entropy().numpy(), rtol=1e-5)
    np.testing.assert_allclose(ours.kl_divergence(mine, mine).numpy(), np.zeros(3), atol=1e-6)


def test_a_mixture_is_pytorchs_and_draws_its_components() -> None:
    def mixture(lib: Any) -> Any:
        kinds, of = (ours, dm.tensor) if lib is dm else (theirs, torch.tensor)
        parts = kinds.Independent(kinds.Normal(of(LOC), of(SCALE / 9)), 1)
        return kinds.MixtureSameFamily(kinds.Categorical(of(PROBS[:, 0])), parts)

    mine, judge = mixture(dm), mixture(torch)
    assert mine.batch_shape == () and mine.event_shape == (2,)
    value = RANDOM.randn(5, 2).astype(np.float32)
    np.testing.assert_allclose(mine.log_prob(dm.tensor(value)).numpy(), judge.log_prob(torch.tensor(value)).numpy(), rtol=2e-5)
    for word in ("mean", "variance"):
        np.testing.assert_allclose(getattr(mine, word).numpy(), getattr(judge, word).numpy(), rtol=2e-5)
    draws = mine.sample((4000,)).numpy()
    assert draws.shape == (4000, 2)
    assert np.all(np.abs(draws.mean(0) - judge.mean.numpy()) < 6 * np.sqrt(judge.variance.numpy() / 4000))
    assert ours.MixtureSameFamily(ours.Categorical(dm.ones(2)), ours.Normal(dm.zeros(2), dm.ones(2))).sample().shape == ()


def test_small_gammas_are_drawn_rightly_and_gradients_reach_a_covariance() -> None:
    draws = ours.Gamma(dm.tensor([0.05, 0.5, 40.0]), 1.0).sample((4000,)).numpy()
    assert np.all(np.abs(draws.mean(0) / [0.05, 0.5, 40] - 1) < 6 / np.sqrt(4000 * np.array([0.05, 0.5, 40])))
    mine, judge = dm.tensor(SPREAD, requires_grad=True), torch.tensor(SPREAD, requires_grad=True)
    ours.MultivariateNormal(dm.tensor(LOC), mine).log_prob(dm.zeros(3, 2)).sum().backward()
    theirs.MultivariateNormal(torch.tensor(LOC), judge).log_prob(torch.zeros(3, 2)).sum().backward()
    sums = [g + np.swapaxes(g, 1, 2) for g in (mine.grad.numpy(), judge.grad.numpy())]  # type: ignore[union-attr]
    np.testing.assert_allclose(*sums, rtol=1e-4, atol=1e-5)  # only the sum over the diagonal says something


def test_what_is_not_here_says_so() -> None:
    with pytest.raises(MissingNameError, match="not implemented: torch.distributions.Wishart; nearest is"):
        _ = ours.Wishart
    with pytest.raises(ShapeError, match="takes exactly one of covariance_matrix, precision_matrix and scale_tril, got 0"):
        ours.MultivariateNormal(dm.zeros(2))
    with pytest.raises(ShapeError, match=r"loc of shape \(2,\) needs a matrix of shape \(..., 2, 2\)"):
        ours.MultivariateNormal(dm.zeros(2), dm.eye(3))
    with pytest.raises(ShapeError, match="the covariance is not positive definite"):
        ours.MultivariateNormal(dm.zeros(2), -dm.eye(2))
    with pytest.raises(ShapeError, match="3 components are named, the distribution's batch is"):
        ours.MixtureSameFamily(ours.Categorical(dm.ones(3)), ours.Normal(dm.zeros(2), 1.0))
    with pytest.raises(ShapeError, match=r"Dirichlet takes a concentration of shape \(..., shares\)"):
        ours.Dirichlet(dm.tensor(1.0))
    with pytest.raises(UnsupportedError, match=r"kl_divergence\(Normal, Uniform\); nearest is a mean of log_prob"):
        ours.kl_divergence(ours.Normal(0.0, 1.0), ours.Uniform(0.0, 1.0))
    with pytest.raises(UnsupportedError, match=r"Bernoulli.rsample; nearest is sample\(\) and log_prob\(\)"):
        ours.Bernoulli(0.5).rsample()
    with pytest.raises(ShapeError, match="Categorical takes either probs or logits, got both"):
        ours.Categorical(dm.ones(2), dm.ones(2))
