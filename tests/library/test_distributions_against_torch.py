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
    "geometric": ("Geometric", {"probs": PROBS}, np.array(2.0, np.float32)),
}


def both(kind: str, given: dict[str, np.ndarray]) -> tuple[Any, Any]:
    mine = getattr(ours, kind)(**{name: dm.tensor(value) for name, value in given.items()})
    return mine, getattr(theirs, kind)(**{name: torch.tensor(value) for name, value in given.items()})


def test_every_distribution_has_a_case() -> None:
    kinds = {name for name, value in vars(ours).items() if inspect.isclass(value)} - {"Distribution", "Independent"}
    assert kinds == {kind for kind, _, _ in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_scores_and_moments_are_pytorchs(name: str) -> None:
    kind, given, value = CASES[name]
    mine, judge = both(kind, given)
    close = dict(rtol=2e-5, atol=1e-6)
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


@pytest.mark.parametrize("kind", ["Normal", "Bernoulli", "Categorical", "Exponential", "Laplace", "Uniform"])
def test_divergences_are_pytorchs(kind: str) -> None:
    _, given, _ = next(case for case in CASES.values() if case[0] == kind)
    other = {name: value * 0.9 + (0.05 if name in ("probs", "high") else 0) for name, value in given.items()}
    (p, p2), (q, q2) = both(kind, given), both(kind, {name: value.astype(np.float32) for name, value in other.items()})
    np.testing.assert_allclose(ours.kl_divergence(p, q).numpy(), theirs.kl_divergence(p2, q2).numpy(), rtol=1e-4, atol=1e-6)


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


def test_what_is_not_here_says_so() -> None:
    with pytest.raises(MissingNameError, match="not implemented: torch.distributions.Gamma; nearest is"):
        _ = ours.Gamma
    with pytest.raises(UnsupportedError, match=r"kl_divergence\(Normal, Uniform\); nearest is a mean of log_prob"):
        ours.kl_divergence(ours.Normal(0.0, 1.0), ours.Uniform(0.0, 1.0))
    with pytest.raises(UnsupportedError, match=r"Bernoulli.rsample; nearest is sample\(\) and log_prob\(\)"):
        ours.Bernoulli(0.5).rsample()
    with pytest.raises(ShapeError, match="Categorical takes either probs or logits, got both"):
        ours.Categorical(dm.ones(2), dm.ones(2))
