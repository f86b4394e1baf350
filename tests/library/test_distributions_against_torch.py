"""torch.distributions: densities, entropies, moments and divergences as PyTorch has them; draws by their moments."""

import inspect
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import distributions as ours
from distml_py.distributions.pathwise import slopes
from distml_py.errors import ShapeError, UnsupportedError

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
    "cauchy": ("Cauchy", {"loc": LOC, "scale": SCALE}, LOC + 1),
    "half cauchy": ("HalfCauchy", {"scale": SCALE}, SCALE),
    "pareto": ("Pareto", {"scale": SCALE, "alpha": SCALE[::-1].copy() + 3}, SCALE + 1),
    "weibull": ("Weibull", {"scale": SCALE, "concentration": SCALE[::-1].copy() + 0.5}, SCALE),
    "kumaraswamy": ("Kumaraswamy", {"concentration1": SCALE, "concentration0": SCALE[::-1].copy()}, PROBS),
    "inverse gamma": ("InverseGamma", {"concentration": SCALE + 4, "rate": SCALE}, SCALE),
    "fisher": ("FisherSnedecor", {"df1": SCALE + 3, "df2": SCALE[::-1].copy() + 9}, SCALE),
    "poisson": ("Poisson", {"rate": SCALE * 4}, np.round(SCALE * 3)),
    "binomial": ("Binomial", {"total_count": np.full((3, 2), 7, np.float32), "probs": PROBS}, np.round(PROBS * 7)),
    "binomial logits": ("Binomial", {"total_count": np.full((3, 2), 7, np.float32), "logits": LOC}, np.round(PROBS * 7)),
    "negative binomial": ("NegativeBinomial", {"total_count": SCALE * 3, "probs": PROBS * 0.9}, np.round(SCALE * 3)),
    "multinomial": ("Multinomial", {"total_count": 6, "probs": SHARES}, np.array([[1, 2, 3], [6, 0, 0], [0, 3, 3], [2, 2, 2]])),
    "relaxed bernoulli": ("RelaxedBernoulli", {"temperature": np.array(0.7, np.float32), "logits": LOC}, PROBS),
    "relaxed one-hot": (
        "RelaxedOneHotCategorical",
        {"temperature": np.array(0.7, np.float32), "logits": SHARES},
        SHARES / SHARES.sum(1, keepdims=True),
    ),
    "one-hot, straight through": (
        "OneHotCategoricalStraightThrough",
        {"logits": SHARES},
        np.eye(3, dtype=np.float32)[[0, 2, 1, 1]],
    ),
    "continuous bernoulli": ("ContinuousBernoulli", {"probs": PROBS}, PROBS[::-1].copy()),
    "continuous bernoulli, logits": ("ContinuousBernoulli", {"logits": LOC * 3}, PROBS),
    "generalized pareto": (
        "GeneralizedPareto",
        {"loc": LOC, "scale": SCALE, "concentration": np.array([[0.2, -0.5], [0.0, -1.0], [0.1, -2.0]], np.float32)},
        LOC + SCALE / 4,
    ),
    "von mises": ("VonMises", {"loc": LOC, "concentration": SCALE**2 * 3}, LOC + 1),
    "wishart": ("Wishart", {"df": np.array([3.5, 4, 6], np.float32), "covariance_matrix": SPREAD}, SPREAD * 2),
    "wishart, lower": ("Wishart", {"df": np.array(5, np.float32), "scale_tril": np.tril(SPREAD)}, SPREAD),
    "wishart, precision": ("Wishart", {"df": np.array([3.5, 4, 6], np.float32), "precision_matrix": SPREAD[0]}, SPREAD),
    "normal of low rank": (
        "LowRankMultivariateNormal",
        {"loc": LOC, "cov_factor": SPREAD[:, :, :1].copy(), "cov_diag": SCALE},
        LOC + 1,
    ),
    "correlations": (
        "LKJCholesky",
        {"dim": 3, "concentration": np.array([0.7, 1, 4], np.float32)},
        np.linalg.cholesky(np.array([[1, 0.3, -0.2], [0.3, 1, 0.5], [-0.2, 0.5, 1]])).astype(np.float32),
    ),
    "logistic normal": ("LogisticNormal", {"loc": LOC, "scale": SCALE}, np.full((3, 3), 1 / 3, np.float32)),
}
NO_MOMENTS = {"RelaxedBernoulli", "RelaxedOneHotCategorical", "LogisticNormal", "Categorical", "LKJCholesky"}
ENDLESS = {"Cauchy", "HalfCauchy", "VonMises"}  # no mean to look for among draws, or one that is a circle's
NO_ENTROPY = {
    *NO_MOMENTS - {"Categorical"},
    "FisherSnedecor",
    "Poisson",
    "NegativeBinomial",
    "Multinomial",
    "VonMises",
    "LKJCholesky",
}
COARSE = {"Beta", "Gamma", "Dirichlet", "StudentT", "Chi2", "InverseGamma", "FisherSnedecor", "Poisson", "Binomial", "Multinomial"}
COARSE |= {
    "NegativeBinomial",
    "Weibull",
    "Kumaraswamy",
    "Wishart",
    "LKJCholesky",
    "ContinuousBernoulli",
    "VonMises",
}  # lgamma() errs 1e-6


def both(kind: str, given: dict[str, np.ndarray]) -> tuple[Any, Any]:
    made = [
        getattr(home, kind)(**{name: value if isinstance(value, int) else lib.tensor(value) for name, value in given.items()})
        for home, lib in ((ours, dm), (theirs, torch))
    ]
    return made[0], made[1]


def test_every_distribution_has_a_case() -> None:
    others = {"Distribution", "Independent", "MixtureSameFamily", "TransformedDistribution", "ExponentialFamily"}
    assert {name for name in theirs.__all__ if not hasattr(ours, name)} == set()
    kinds = {name for name, value in vars(ours).items() if inspect.isclass(value) and issubclass(value, ours.Distribution)} - others
    assert kinds == {kind for kind, _, _ in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_scores_and_moments_are_pytorchs(name: str) -> None:
    kind, given, value = CASES[name]
    mine, judge = both(kind, given)
    if repr(judge) != f"{kind}()" and kind != "MultivariateNormal":  # where PyTorch's text says something
        assert repr(mine) == repr(judge)
    close = dict(rtol=3e-5, atol=1e-5 if kind in COARSE else 1e-6)
    given = dm.tensor(value.astype(np.float32) if kind != "Categorical" else value)
    np.testing.assert_allclose(mine.log_prob(given).numpy(), judge.log_prob(torch.tensor(given.numpy())).numpy(), **close)
    assert mine.batch_shape == tuple(judge.batch_shape) and mine.event_shape == tuple(judge.event_shape)
    words = [] if kind in NO_MOMENTS else ["mean", "variance", "stddev"]
    if "mode" in dir(type(mine)) and kind not in (*NO_MOMENTS - {"Categorical"}, "Multinomial"):
        words.append("mode") if kind not in ("Kumaraswamy", "ContinuousBernoulli") else None
    for word in words:
        np.testing.assert_allclose(getattr(mine, word).numpy(), getattr(judge, word).numpy(), **close)
    if kind not in NO_ENTROPY:
        np.testing.assert_allclose(mine.entropy().numpy(), judge.entropy().numpy(), **close)
    draws = mine.sample((4000,))
    assert tuple(draws.shape) == tuple(judge.sample((4000,)).shape) and not draws.requires_grad
    if kind == "LKJCholesky":
        return  # its draws have a test of their own
    if kind not in NO_MOMENTS | ENDLESS:
        error = 6 * np.sqrt(judge.variance.numpy() / 4000) + 1e-6
        assert np.all(np.abs(draws.numpy().mean(0) - judge.mean.numpy()) < error)
    elif kind == "Categorical":
        shares = np.stack([(draws.numpy() == k).mean(0) for k in range(3)], -1)
        assert np.all(np.abs(shares - judge.probs.numpy()) < 6 * np.sqrt(0.25 / 4000))
    else:  # half of the draws lie below PyTorch's median
        middle = np.median(judge.sample((4000,)).numpy(), 0)
        assert np.all(np.abs((draws.numpy() < middle).mean(0) - 0.5) < 0.06)


def test_shares_of_the_cumulative_function_are_pytorchs_and_come_back() -> None:
    tried = (
        "normal",
        "laplace",
        "exponential",
        "uniform",
        "gumbel",
        "cauchy",
        "half cauchy",
        "half normal",
        "log normal",
        "pareto",
    )
    for name in (*tried, "weibull", "continuous bernoulli", "continuous bernoulli, logits", "generalized pareto"):
        kind, given, value = CASES[name]
        mine, judge = both(kind, given)
        found, wanted = mine.cdf(dm.tensor(value)).numpy(), judge.cdf(torch.tensor(value)).numpy()
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6, err_msg=name)
        if name != "gumbel":
            np.testing.assert_allclose(
                mine.icdf(dm.tensor(PROBS)).numpy(), judge.icdf(torch.tensor(PROBS)).numpy(), rtol=2e-4, atol=1e-5, err_msg=name
            )


@pytest.mark.parametrize("name", CASES)
def test_a_distribution_is_repeated_over_more_batches(name: str) -> None:
    kind, given, _ = CASES[name]
    mine, judge = both(kind, given)
    size = (2, *mine.batch_shape)
    wide, other = mine.expand(size), judge.expand(torch.Size(size))
    assert wide.batch_shape == tuple(other.batch_shape) and wide.event_shape == tuple(other.event_shape)
    assert wide.sample().shape == other.sample().shape


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
    "LowRankMultivariateNormal",
    "LogNormal",
    "HalfNormal",
    "Gumbel",
    "Poisson",
    "Geometric",
    "Binomial",
]


@pytest.mark.parametrize("kind", KINDS)
def test_divergences_are_pytorchs(kind: str) -> None:
    _, given, _ = next(case for case in CASES.values() if case[0] == kind)
    whole = ("total_count",)
    other = {
        name: value if name in whole else value * 0.6 + (0.05 if name in ("probs", "high") else 0) for name, value in given.items()
    }
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


TRANSFORMS: list[tuple[str, tuple[Any, ...], Any]] = [
    ("ExpTransform", (), LOC),
    ("SigmoidTransform", (), LOC),
    ("TanhTransform", (), LOC / 3),
    ("SoftplusTransform", (), LOC),
    ("PowerTransform", (2.0,), SCALE),
    ("AffineTransform", (1.0, -2.0), LOC),
    ("StickBreakingTransform", (), LOC),
    ("SoftmaxTransform", (), LOC),
    ("AbsTransform", (), LOC),
    ("LowerCholeskyTransform", (), SPREAD),
    ("ReshapeTransform", ((2,), (2, 1)), LOC),
    ("PositiveDefiniteTransform", (), SPREAD),
    ("CorrCholeskyTransform", (), np.array([[0.3, -1, 0.5, 2, 0, -0.4], [1, 1, 1, 1, 1, 1]], np.float32)),
]


@pytest.mark.parametrize(("name", "arguments", "value"), TRANSFORMS, ids=[name for name, _, _ in TRANSFORMS])
def test_transforms_and_their_slopes_are_pytorchs(name: str, arguments: tuple[Any, ...], value: np.ndarray) -> None:
    mine, judge = getattr(ours, name)(*arguments), getattr(theirs, name)(*arguments)
    x, x2 = dm.tensor(value), torch.tensor(value)
    y, y2 = mine(x), judge(x2)
    np.testing.assert_allclose(y.numpy(), y2.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mine.inv(y).numpy(), judge.inv(y2).numpy(), rtol=1e-4, atol=1e-5)
    if name not in ("SoftmaxTransform", "AbsTransform", "LowerCholeskyTransform", "PositiveDefiniteTransform"):
        slopes = mine.log_abs_det_jacobian(x, y), judge.log_abs_det_jacobian(x2, y2)
        np.testing.assert_allclose(slopes[0].numpy(), slopes[1].numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(mine.inv.log_abs_det_jacobian(y, x).numpy(), -slopes[1].numpy(), rtol=1e-4, atol=1e-5)


def test_a_chain_of_transforms_is_scored_as_pytorch_scores_it() -> None:
    def squashed(lib: Any) -> Any:
        home, of = (ours, dm.tensor) if lib is dm else (theirs, torch.tensor)
        base = home.Independent(home.Normal(of(LOC), of(SCALE)), 1)
        return home.TransformedDistribution(base, [home.TanhTransform(), home.AffineTransform(of([0.0, 1.0]), 2.0, event_dim=1)])

    mine, judge = squashed(dm), squashed(torch)
    value = np.tanh(LOC / 4) * 2 + np.array([0, 1], np.float32)
    assert (mine.batch_shape, mine.event_shape) == (tuple(judge.batch_shape), tuple(judge.event_shape))
    found, wanted = mine.log_prob(dm.tensor(value)), judge.log_prob(torch.tensor(value))
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-4, atol=1e-5)
    loc = dm.zeros(2, requires_grad=True)
    ours.TransformedDistribution(ours.Normal(loc, 1.0), ours.ExpTransform()).rsample((5,)).log().sum().backward()
    assert loc.grad is not None and np.allclose(loc.grad.tolist(), [5, 5], rtol=1e-5)


def test_a_divergence_can_be_registered() -> None:
    class Mine(ours.Normal):
        pass

    @ours.register_kl(Mine, ours.Normal)
    def _(p: Mine, q: ours.Normal) -> dm.Tensor:
        return p.loc + 42

    assert ours.kl_divergence(Mine(1.0, 1.0), ours.Normal(0.0, 1.0)).item() == 43
    assert ours.kl_divergence(ours.Normal(0.0, 1.0), ours.Normal(0.0, 1.0)).item() == 0


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("Normal", {"loc": 0.0, "scale": -1.0}),
    ("Uniform", {"low": 1.0, "high": 0.0}),
    ("Bernoulli", {"probs": 1.5}),
    ("Gamma", {"concentration": 0.0, "rate": 1.0}),
    ("Poisson", {"rate": -1.0}),
    ("Binomial", {"total_count": 2.5, "probs": 0.5}),
]


@pytest.mark.parametrize(("kind", "given"), WRONG)
def test_parameters_and_values_that_cannot_be_are_refused_as_in_pytorch(kind: str, given: dict[str, Any]) -> None:
    for home in (ours, theirs):
        with pytest.raises(ValueError, match=r"Expected parameter|Uniform is not defined when low>= high"):
            getattr(home, kind)(**given, validate_args=True)
    if not dm.engine.backend().on_gpu:  # there it would wait
        with pytest.raises(ValueError, match=r"Expected parameter|Uniform is not defined when low>= high"):
            getattr(ours, kind)(**given)
    getattr(ours, kind)(**given, validate_args=False)
    for home, lib in ((ours, dm), (theirs, torch)):
        with pytest.raises(ValueError, match="Expected value argument"):
            home.Exponential(1.0, validate_args=True).log_prob(lib.tensor(-1.0))
        with pytest.raises(ValueError, match="The value argument to log_prob must be a"):
            home.Normal(0.0, 1.0, validate_args=True).log_prob(1.0)
    with pytest.raises(ValueError, match="Expected reinterpreted_batch_ndims"):
        ours.Independent(ours.Normal(0.0, 1.0), 1)
    with pytest.raises(ValueError, match="inhomogeneous total_count is not supported"):
        ours.Multinomial(dm.ones(2), dm.ones(2, 3))


def test_what_is_not_here_says_so() -> None:
    with pytest.raises(AttributeError, match="torch.distributions has no attribute 'Wischart' here"):
        _ = ours.Wischart
    with pytest.raises(ShapeError, match="Wishart takes exactly one of covariance_matrix, precision_matrix, scale_tril, got 0"):
        ours.Wishart(3.0)
    with pytest.raises(ValueError, match="Expected parameter df"):
        ours.Wishart(1.0, dm.eye(2), validate_args=True)
    with pytest.raises(ValueError, match="Expected dim to be an integer greater than or equal to 2. Found dim=1"):
        ours.LKJCholesky(1)
    with pytest.raises(ValueError, match="cov_factor must be a batch of matrices with shape 2 x m"):
        ours.LowRankMultivariateNormal(dm.zeros(2), dm.zeros(3, 1), dm.ones(2))
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
    with pytest.raises(UnsupportedError, match=r"kl_divergence\(Uniform, Laplace\); nearest is a mean of log_prob"):
        ours.kl_divergence(ours.Uniform(0.0, 1.0), ours.Laplace(0.0, 1.0))
    with pytest.raises(UnsupportedError, match=r"Bernoulli.rsample; nearest is sample\(\) and log_prob\(\)"):
        ours.Bernoulli(0.5).rsample()
    with pytest.raises(ShapeError, match="Categorical takes either probs or logits, got both"):
        ours.Categorical(dm.ones(2), dm.ones(2))


@pytest.mark.parametrize("name, more", [("CatTransform", (1, [1, 1])), ("StackTransform", (1,))])
def test_several_transforms_have_a_part_each(name: str, more: tuple[Any, ...]) -> None:
    found = []
    for lib, dist in ((dm, ours), (torch, theirs)):
        both = getattr(dist, name)([dist.ExpTransform(), dist.AffineTransform(1.0, 2.0)], *more)
        x = lib.tensor(PROBS)
        y = both(x)
        found.append([part.numpy() for part in (y, both.inv(y), both.log_abs_det_jacobian(x, y))])
    for mine, meant in zip(*found, strict=True):
        np.testing.assert_allclose(mine, meant, rtol=1e-5, atol=1e-6)


def test_a_gamma_draw_changes_with_its_shape() -> None:
    alpha = np.exp(np.random.RandomState(0).uniform(np.log(0.05), np.log(500), 400))
    x = np.maximum(np.random.RandomState(1).gamma(alpha), 1e-30)
    found, step = slopes(alpha, x), 1e-5 * alpha
    shares = [torch.special.gammainc(torch.tensor(alpha + sign * step), torch.tensor(x)).numpy() for sign in (1, -1)]
    density = torch.distributions.Gamma(torch.tensor(alpha), 1.0).log_prob(torch.tensor(x)).exp().numpy()
    close = (x > alpha / 2) & (x < alpha * 1.5)  # where differences keep enough digits
    np.testing.assert_allclose(found[close], (-(shares[0] - shares[1]) / (2 * step * density))[close], rtol=1e-4)
    wanted = torch._standard_gamma_grad(torch.tensor(alpha), torch.tensor(x)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-3)  # PyTorch's own is an approximation


@pytest.mark.parametrize(
    ("name", "given", "mean"),
    [
        ("Gamma", {"concentration": 2.0, "rate": 3.0}, [1 / 3, -2 / 9]),
        ("Beta", {"concentration1": 2.0, "concentration0": 3.0}, [3 / 25, -2 / 25]),
        ("Dirichlet", {"concentration": [2.0, 0.5, 3.0]}, [[3.5 / 5.5**2, -2 / 5.5**2, -2 / 5.5**2]]),
        ("InverseGamma", {"concentration": 4.0, "rate": 2.0}, [-2 / 9, 1 / 3]),
        ("Chi2", {"df": 5.0}, [1.0]),
        ("StudentT", {"df": 9.0, "loc": 1.0, "scale": 2.0}, [0.0, 1.0, 0.0]),
        ("FisherSnedecor", {"df1": 4.0, "df2": 12.0}, [0.0, -2 / 100]),
    ],
)
def test_gradients_reach_what_draws_of_gamma_are_made_of(name: str, given: dict[str, Any], mean: list[Any]) -> None:
    """The gradient of the mean of many draws is that of the mean."""
    dm.manual_seed(0)
    parameters = [dm.tensor(value, requires_grad=True) for value in given.values()]
    made = getattr(ours, name)(**dict(zip(given, parameters, strict=True)))
    assert made.has_rsample and getattr(theirs, name).has_rsample
    assert not made.sample((2,)).requires_grad
    drawn = made.rsample((20_000,))
    (drawn[:, 0] if drawn.ndim > 1 else drawn).mean().backward()
    for parameter, wanted in zip(parameters, mean, strict=True):
        np.testing.assert_allclose(parameter.grad.numpy(), wanted, atol=0.03)


def constraint_examples(c: Any, lib: Any) -> list[tuple[Any, Any]]:
    """Constraints of every kind, with numbers that a transform takes there."""
    line, square = lib.tensor(LOC), lib.tensor(SPREAD)
    return [
        (c.real, line),
        (c.positive, line),
        (c.nonnegative, line),
        (c.greater_than(2.0), line),
        (c.greater_than_eq(-1.0), line),
        (c.less_than(3.0), line),
        (c.interval(-2.0, 5.0), line),
        (c.unit_interval, line),
        (c.half_open_interval(0.0, 1.0), line),
        (c.simplex, line),
        (c.independent(c.positive, 1), line),
        (c.cat([c.positive, c.unit_interval], 1, [1, 1]), line),
        (c.stack([c.positive, c.less_than(0.0)], 1), line),
        (c.corr_cholesky, lib.tensor([[0.5, -1.0, 2.0]])),
        (c.lower_cholesky, square),
        (c.positive_definite, square),
        (c.positive_semidefinite, square),
    ]


def test_a_constraint_has_pytorchs_transform_text_and_check() -> None:
    pairs = zip(constraint_examples(ours.constraints, dm), constraint_examples(theirs.constraints, torch), strict=True)
    for number, ((mine, x), (judge, x2)) in enumerate(pairs):
        assert mine.event_dim == judge.event_dim and mine.is_discrete == judge.is_discrete, judge
        assert repr(mine) == repr(judge) or isinstance(judge, (type(theirs.constraints.real_vector),)) or number in (11, 12)
        for word in ("transform_to", "biject_to"):
            try:
                wanted = getattr(theirs, word)(judge)
            except NotImplementedError:
                with pytest.raises(NotImplementedError, match="Cannot transform"):
                    getattr(ours, word)(mine)
                continue
            y, y2 = getattr(ours, word)(mine)(x), wanted(x2)
            np.testing.assert_allclose(y.numpy(), y2.numpy(), rtol=1e-5, atol=1e-6, err_msg=str(judge))
            assert mine.check(y).tolist() == judge.check(y2).tolist(), judge
            if word == "transform_to" and mine is not ours.constraints.real:
                assert mine.check(y * 0 - 7).tolist() == judge.check(y2 * 0 - 7).tolist(), judge


def test_constraints_of_ones_own_can_be_registered() -> None:
    class Even(ours.constraints.Constraint):
        is_discrete = True

        def check(self, value: dm.Tensor) -> dm.Tensor:
            return value % 2 == 0

    @ours.transform_to.register(Even)
    def _(constraint: Even) -> ours.Transform:
        return ours.AffineTransform(0.0, 2.0)

    assert ours.transform_to(Even())(dm.tensor(3.0)).item() == 6
    with pytest.raises(TypeError, match="Expected constraint to be either a Constraint subclass or instance"):
        ours.transform_to.register(3, lambda given: given)
    with pytest.raises(NotImplementedError, match="Cannot transform Even constraints"):
        ours.biject_to(Even())
    named = ours.constraints.dependent_property(is_discrete=False, event_dim=0)(lambda self: 3)
    assert ours.constraints.is_dependent(named) and named.event_dim == 0
    with pytest.raises(NotImplementedError, match="is_discrete cannot be determined statically"):
        _ = ours.constraints.dependent.is_discrete


def test_a_family_of_ones_own_has_its_entropy() -> None:
    def bernoulli(home: Any) -> Any:
        class Own(home.ExponentialFamily):  # type: ignore[misc]
            _mean_carrier_measure = 0
            arg_constraints: dict[str, Any] = {}

            def __init__(self, logits: Any):
                self.logits = logits
                super().__init__(logits.shape)

            @property
            def _natural_params(self) -> tuple[Any]:
                return (self.logits,)

            def _log_normalizer(self, x: Any) -> Any:
                return (1 + x.exp()).log()

        return Own

    mine, judge = bernoulli(ours)(dm.tensor(LOC)).entropy(), bernoulli(theirs)(torch.tensor(LOC)).entropy()
    np.testing.assert_allclose(mine.detach().numpy(), judge.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_exponential_families_are_pytorchs() -> None:
    close = dict(rtol=3e-5, atol=2e-5)
    for kind, given, _ in CASES.values():
        mine, judge = both(kind, given)
        assert isinstance(mine, ours.ExponentialFamily) is isinstance(judge, theirs.ExponentialFamily), kind
        if not isinstance(judge, theirs.ExponentialFamily):
            continue
        for found, wanted in zip(mine._natural_params, judge._natural_params, strict=True):
            np.testing.assert_allclose(found.numpy(), wanted.numpy(), **close)
        if kind not in ("Beta", "Dirichlet", "Poisson"):  # which do not say the mean of their carrier measure
            entropy = ours.ExponentialFamily.entropy(mine).detach().numpy()
            np.testing.assert_allclose(entropy, judge.entropy().numpy(), **close)
        itself = ours.exp_family.bregman(mine, mine).detach().numpy()
        assert itself.shape == tuple(judge.batch_shape) and np.abs(itself).max() < 1e-5
    with pytest.raises(NotImplementedError, match="cross KL-divergence between different exponential .*: Gamma and Dirichlet"):
        ours.kl_divergence(ours.Gamma(1.0, 1.0), ours.Dirichlet(dm.ones(2)))


def test_divergences_of_families_are_those_of_their_formulas() -> None:
    pairs = [("Normal", (0.3, 1.2), (-0.5, 0.7)), ("Gamma", (2.0, 1.5), (1.2, 0.4)), ("Beta", (2.0, 3.0), (1.5, 0.8))]
    pairs += [("Exponential", (2.0,), (0.3,)), ("Bernoulli", (0.2,), (0.7,)), ("Poisson", (2.0,), (3.5,))]
    pairs += [("ContinuousBernoulli", (0.2,), (0.7,))]
    for kind, first, second in pairs:
        p, q = (getattr(ours, kind)(*(dm.tensor([number, number]) for number in given)) for given in (first, second))
        wanted = theirs.kl_divergence(getattr(theirs, kind)(*first), getattr(theirs, kind)(*second)).numpy()
        for found in (ours.exp_family.bregman(p, q), ours.kl_divergence(p, q)):
            np.testing.assert_allclose(found.detach().numpy(), [wanted] * 2, rtol=1e-4)
    p, q = ours.Wishart(dm.tensor(5.0), dm.eye(2)), ours.Wishart(dm.tensor(4.0), dm.eye(2) * 2)
    draws = p.sample((40000,))
    mean = (p.log_prob(draws) - q.log_prob(draws)).mean().item()
    assert ours.kl_divergence(p, q).item() == pytest.approx(mean, abs=0.02)


def test_singular_draws_are_drawn_again() -> None:
    """Of a density that says nothing is fine but what lies above 1: most draws are drawn again, and a warning says so."""

    class Above(ours.constraints.Constraint):
        event_dim = 2

        def check(self, value: dm.Tensor) -> dm.Tensor:
            return value[..., 0, 0] > 1

    class Narrow(ours.Wishart):
        support = Above()

    dm.manual_seed(0)
    narrow = Narrow(dm.tensor([3.0, 4.0]), dm.eye(2))
    with pytest.warns(UserWarning, match="Singular sample detected."):
        draws = narrow.rsample((100,), max_try_correction=40)
    assert draws.shape == (100, 2, 2, 2) and draws[..., 0, 0].amin().item() > 1
    draws = narrow.rsample((100,), max_try_correction=0)
    assert draws[..., 0, 0].amin().item() < 1


@pytest.mark.parametrize("shape", [0.7, 1.0, 4.0])
def test_correlations_are_drawn_as_their_density_says(shape: float) -> None:
    """Each correlation r of d variables is 2 Beta(a, a) - 1 with a = shape + d / 2 - 1 (Lewandowski, Kurowicka and Joe 2009), so
    its variance is 1 / (2 a + 1). PyTorch 2.13 draws the third row and those below with another Beta than its density has."""
    dm.manual_seed(0)
    draws = ours.LKJCholesky(4, shape).sample((8000,))
    assert bool(ours.constraints.corr_cholesky.check(draws).all())
    matrices = (draws @ draws.mT).numpy()
    meant = 1 / (2 * (shape + 1) + 1)
    for row, column in ((1, 0), (2, 0), (2, 1), (3, 0), (3, 2)):
        found = matrices[:, row, column]
        assert abs(found.mean()) < 6 * np.sqrt(meant / 8000) and abs(found.var() / meant - 1) < 0.09, (row, column)


def test_angles_are_drawn_for_small_and_for_large_concentrations() -> None:
    dm.manual_seed(0)
    for kappa in (1e-6, 1e-2, 1.0, 50.0, 1e6):
        mine, judge = ours.VonMises(1.0, kappa), theirs.VonMises(torch.tensor(1.0, dtype=torch.float64), kappa)
        away = mine.sample((8000,)).numpy().astype(np.float64) - 1
        assert np.abs(away + 1).max() <= np.pi + 1e-6
        spread, meant = 2 * np.mean(np.sin(away / 2) ** 2), judge.variance.item()
        assert abs(spread / meant - 1) < 0.06 and abs(np.mean(np.sin(away))) < 6 / np.sqrt(8000), kappa


def test_gradients_reach_a_wishart_a_low_rank_and_a_bounded_draw() -> None:
    dm.manual_seed(0)
    df, lower = dm.tensor(4.0, requires_grad=True), dm.eye(2).requires_grad_()
    ours.Wishart(df, scale_tril=lower).rsample((4000,)).mean(0).diagonal().sum().backward()
    assert df.grad is not None and abs(df.grad.item() - 2) < 0.15  # the mean is df times the covariance
    np.testing.assert_allclose(lower.grad.numpy().diagonal(), [8, 8], atol=0.5)  # type: ignore[union-attr]
    factor = dm.ones(3, 1).requires_grad_()
    ours.LowRankMultivariateNormal(dm.zeros(3), factor, dm.ones(3)).rsample((4000,)).square().mean(0).sum().backward()
    np.testing.assert_allclose(factor.grad.numpy(), np.full((3, 1), 2), atol=0.3)  # type: ignore[union-attr]
    for logit in (-3.0, 0.2, 3.0):
        mine, judge = dm.tensor(logit, requires_grad=True), torch.tensor(logit, requires_grad=True, dtype=torch.float64)
        u = np.linspace(0.05, 0.95, 7)
        ours.ContinuousBernoulli(logits=mine).icdf(dm.tensor(u.astype(np.float32))).sum().backward()
        theirs.ContinuousBernoulli(logits=judge).icdf(torch.tensor(u)).sum().backward()
        np.testing.assert_allclose(mine.grad.item(), judge.grad.item(), rtol=1e-4)  # type: ignore[union-attr]


def test_texts_of_mixtures_sizes_and_errors_are_pytorchs() -> None:
    told = []
    for lib, home in ((dm, ours), (torch, theirs)):
        mixture = home.MixtureSameFamily(home.Categorical(probs=lib.ones(2)), home.Normal(lib.zeros(2), 1.0))
        squashed = home.TransformedDistribution(home.Normal(lib.zeros(3), 1.0), home.ExpTransform())
        words = [repr(mixture).replace(", logits: torch.Size([2])", ""), repr(squashed.support)]
        words += [str(mixture.batch_shape), str(squashed.batch_shape), str(squashed.event_shape)]
        with pytest.raises(ValueError, match="Expected parameter scale") as raised:
            home.Normal(lib.zeros(1), lib.full((1,), -1.0), validate_args=True)
        told.append([*words, str(raised.value)])
    assert told[0] == [word.replace("torch.Size([1])", "(1,)") for word in told[1]]
