"""Smaller modules of PyTorch's: testing, batch norms fused and synchronised, samplers, stacked models, draws on the host."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import DtypeError, NotCloseError, ShapeError

LIBRARIES = (dm, torch)
PAIRS: list[tuple[Any, Any]] = [
    ([1.0, 2.0], [1.0, 2.0]),
    ([1.0, 2.0], [1.0, 2.1]),
    ([1.0, 2.0], [1.0, 2.000001]),
    ([1, 2], [1, 3]),
    ([1.0, float("nan")], [1.0, float("nan")]),
    ([float("inf")], [float("inf")]),
    ([[1.0]], [1.0]),
    ([1.0], [1]),
    ([True, False], [True, True]),
]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("options", [{}, {"rtol": 0.1, "atol": 0.0}, {"equal_nan": True}, {"check_dtype": False}])
def test_what_is_close_is_pytorchs(pair: tuple[Any, Any], options: dict[str, Any]) -> None:
    told = []
    for lib in LIBRARIES:
        try:
            lib.testing.assert_close(lib.tensor(pair[0]), lib.tensor(pair[1]), **options)
            told.append("")
        except AssertionError as error:
            told.append(str(error).splitlines()[0].replace("torch.Size([1, 1])", "(1, 1)").replace("torch.Size([1])", "(1,)"))
    assert told[0] == told[1]


def test_groups_and_numbers_are_compared_and_a_message_of_ones_own_is_told() -> None:
    for lib in LIBRARIES:
        one = {"a": [lib.ones(2), 3.0], "b": None}
        lib.testing.assert_close(one, copy.deepcopy(one))
        for other in ({"a": [lib.ones(2), 3.5], "b": None}, {"a": [lib.ones(2)], "b": None}, {"a": [lib.ones(2), 3.0]}):
            with pytest.raises(AssertionError):
                lib.testing.assert_close(one, other)
        with pytest.raises(AssertionError, match="Expected 2 but got 1"):
            lib.testing.assert_close(1, 2)
        with pytest.raises(AssertionError, match=r"\(2,\)|mine"):
            lib.testing.assert_close(lib.ones(2), lib.zeros(2), msg=lambda text: f"mine (2,) {text}")
        with pytest.raises(ValueError, match="Both 'rtol' and 'atol' must be either specified or omitted, but got no atol."):
            lib.testing.assert_close(1.0, 1.0, rtol=1.0)
    with pytest.raises(NotCloseError, match=r"Greatest absolute difference: 1.0 at index \(1,\) \(up to 1e-05 allowed\)"):
        dm.testing.assert_close(dm.ones(2), dm.tensor([1.0, 2.0]))
    with pytest.raises(NotCloseError, match="Types must be related, got Tensor and ndarray"):
        dm.testing.assert_close(dm.ones(2), np.ones(2))


def trained(lib: Any, norm: str) -> Any:
    """A layer and a norm whose numbers are the same in both libraries."""
    first = lib.nn.Linear(3, 4) if norm == "BatchNorm1d" else lib.nn.Conv2d(3, 4, 1)
    layers = lib.nn.Sequential(first, getattr(lib.nn, norm)(4))
    random = np.random.RandomState(0)
    state = {}
    for name, value in layers.state_dict().items():
        numbers = np.float32(random.rand(*value.shape)) + np.float32(0.5)
        state[name] = lib.tensor(numbers if value.shape else 3)
    layers.load_state_dict(state)
    return layers.eval()


@pytest.mark.parametrize("norm", ["BatchNorm1d", "BatchNorm2d"])
def test_a_layer_and_its_batch_norm_become_one_as_in_pytorch(norm: str) -> None:
    x = np.random.RandomState(1).rand(2, 3, *(() if norm == "BatchNorm1d" else (2, 2))).astype(np.float32)
    found = []
    for lib in LIBRARIES:
        layers = trained(lib, norm)
        fuse = lib.nn.utils.fuse_linear_bn_eval if norm == "BatchNorm1d" else lib.nn.utils.fuse_conv_bn_eval
        one = fuse(layers[0], layers[1])
        np.testing.assert_allclose(
            one(lib.tensor(x)).detach().numpy(), layers(lib.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-5
        )
        found.append([one.weight.detach().numpy(), one.bias.detach().numpy()])
    for mine, other in zip(*found, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)
    with pytest.raises(ShapeError, match="Fusion only for eval"):
        dm.nn.utils.fuse_linear_bn_eval(dm.nn.Linear(1, 1), dm.nn.BatchNorm1d(1))
    with pytest.raises(ShapeError, match="Fusion needs the running statistics"):
        dm.nn.utils.fuse_linear_bn_eval(dm.nn.Linear(1, 1).eval(), dm.nn.BatchNorm1d(1, track_running_stats=False).eval())


def test_batch_norms_are_synchronised_in_one_process() -> None:
    layers = trained(dm, "BatchNorm2d")
    x = dm.tensor(np.random.RandomState(1).rand(2, 3, 2, 2).astype(np.float32))
    wanted = layers(x).tolist()
    found = dm.nn.SyncBatchNorm.convert_sync_batchnorm(layers)
    assert str(found[1]).startswith("SyncBatchNorm(4, ") and found(x).tolist() == wanted and not found[1].training
    assert str(found[1]) == str(torch.nn.SyncBatchNorm.convert_sync_batchnorm(trained(torch, "BatchNorm2d"))[1])


def test_whole_channels_are_dropped_by_alpha_dropout() -> None:
    dm.manual_seed(0)
    found = dm.nn.FeatureAlphaDropout(0.5)(dm.ones(40, 30, 4))
    assert bool((found == found[:, :, :1]).all()) and abs(float(found.mean())) < 1.2
    assert dm.nn.FeatureAlphaDropout(0.5).eval()(dm.ones(2, 2)).tolist() == [[1, 1], [1, 1]]
    with pytest.raises(ShapeError, match=r"feature_alpha_dropout needs \(n, channels, ...\), at least two dimensions"):
        dm.nn.functional.feature_alpha_dropout(dm.ones(2), training=True)


@pytest.mark.parametrize("count", [7, 8, 1])
@pytest.mark.parametrize("drop_last", [False, True])
def test_parts_of_several_processes_are_as_long_as_pytorchs_and_hold_everything(count: int, drop_last: bool) -> None:
    for shuffle in (False, True):
        parts = []
        for rank in range(3):
            mine = dm.data.DistributedSampler(range(count), 3, rank, shuffle, drop_last=drop_last)
            judge = torch.utils.data.DistributedSampler(range(count), 3, rank, shuffle, drop_last=drop_last)
            found = list(mine)
            assert len(found) == len(mine) == len(judge) == len(list(judge))
            assert shuffle or found == list(judge)
            parts += found
            mine.set_epoch(1)
            assert not shuffle or count < 7 or list(mine) != found
        assert drop_last or {*parts} == {*range(count)}
    with pytest.raises(ValueError, match=r"Invalid rank 3, rank should be in the interval \[0, 2\]"):
        dm.data.DistributedSampler(range(count), 3, 3)
    assert len(dm.data.DistributedSampler(range(count))) == count


def test_samples_that_are_no_batch_become_tensors() -> None:
    for lib, data in ((dm, dm.data), (torch, torch.utils.data)):
        found = data.default_convert({"a": np.ones(2), "b": [np.float32(3), "text", 4], "c": (1.5, None)})
        assert found["a"].dtype is lib.float64 and found["b"][0].item() == 3 and found["b"][1:] == ["text", 4]
        assert found["c"] == [1.5, None]
        (one,) = list(data.DataLoader([np.ones(2, np.float32)], batch_size=None))
        assert one.tolist() == [1, 1] and one.dtype is lib.float32


@pytest.mark.parametrize("kind", [float, int, bool, np.float32, np.float64, np.int32, np.int64, np.bool_])
def test_numbers_of_samples_have_pytorchs_dtypes(kind: Any) -> None:
    found, wanted = (data.default_collate([kind(1), kind(0)]) for data in (dm.data, torch.utils.data))
    assert str(found.dtype) == str(wanted.dtype) and found.tolist() == wanted.tolist()


def test_models_are_stacked_and_called_together_as_in_pytorch() -> None:
    x = np.random.RandomState(0).rand(4, 2).astype(np.float32)
    found = []
    for lib in LIBRARIES:
        models = [lib.nn.Linear(2, 1) for _ in range(3)]
        for n, model in enumerate(models):
            model.load_state_dict({"weight": lib.ones(1, 2) * n, "bias": lib.ones(1)})
        parameters, buffers = lib.func.stack_module_state(models)
        assert buffers == {} and all(value.requires_grad for value in parameters.values())

        def call(p: Any, b: Any, x: Any, model: Any = models[0], lib: Any = lib) -> Any:
            return lib.func.functional_call(model, (p, b), (x,))

        out = lib.func.vmap(call, in_dims=(0, 0, None))(parameters, buffers, lib.tensor(x))
        found.append(out.detach().numpy())
        value, push = lib.func.linearize(lambda t: t.sin(), lib.tensor(x))
        found[-1] = np.concatenate([found[-1].ravel(), value.numpy().ravel(), push(lib.ones(4, 2)).detach().numpy().ravel()])
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_counts_are_drawn_on_the_host_from_the_seed() -> None:
    def draw() -> list[Any]:
        dm.manual_seed(3)
        counts = dm.poisson(dm.full((2000,), 4.0)), dm.binomial(dm.full((2000,), 10.0), dm.full((2000,), 0.3))
        x = dm.empty(2000)
        more = [x.clone().geometric_(0.25), x.clone().cauchy_(2.0, 0.5).median(), x.clone().log_normal_(0.5, 0.25).log()]
        return [*counts, *more, dm.randint(-(2**31), 0, (2000,)), dm.randint(0, 2**31, (2000,))]

    first, again = draw(), draw()
    assert [one.tolist() for one in first] == [one.tolist() for one in again]
    poisson, binomial, geometric, middle, normal, low, high = (one.double().numpy() for one in first)
    assert abs(poisson.mean() - 4) < 0.3 and abs(poisson.var() - 4) < 0.8 and abs(binomial.mean() - 3) < 0.2
    assert abs(geometric.mean() - 4) < 0.5 and geometric.min() == 1 and abs(float(middle) - 2) < 0.1
    assert abs(normal.mean() - 0.5) < 0.05 and abs(normal.std() - 0.25) < 0.03
    assert abs(high.mean() / 2**30 - 1) < 0.1 and high.max() < 2**31 and low.max() < 0 and len({*high}) > 1990
    other = dm.Generator().manual_seed(1)
    assert dm.poisson(dm.ones(9), other).tolist() == dm.poisson(dm.ones(9), dm.Generator().manual_seed(1)).tolist()
    for wrong, kind, words in (
        (lambda: dm.poisson(dm.tensor([-1.0])), ShapeError, "poisson: rates are at least 0"),
        (lambda: dm.poisson(dm.tensor([1])), DtypeError, "poisson needs floating-point rates, got int64"),
        (lambda: dm.binomial(dm.ones(1), dm.full((1,), 2.0)), ShapeError, "probabilities in"),
        (lambda: dm.randint(0, 2**40, (1,)), ShapeError, "randint: integers are 32 bits wide here"),
        (lambda: dm.empty(1).geometric_(1.5), ShapeError, r"geometric_: p is in \(0, 1\), got 1.5"),
    ):
        with pytest.raises(kind, match=words):
            wrong()


def test_tensors_and_modules_are_copied_and_pickled_as_in_pytorch() -> None:
    for lib in LIBRARIES:
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        (x * x).sum().backward()
        for one in (copy.deepcopy(x), copy.deepcopy({"a": [x]})["a"][0]):
            assert one.requires_grad and one.grad.tolist() == [2, 4] and one.grad is not x.grad
            with lib.no_grad():
                one.add_(1)
            assert x.tolist() == [1, 2]
        with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
            copy.deepcopy(x * 2)
        whole = lib.nn.Sequential(lib.nn.Linear(2, 1), lib.nn.BatchNorm1d(1))
        again = pickle.loads(pickle.dumps({"x": x.detach().half(), "model": whole, "p": whole[0].weight}))
        assert again["x"].dtype is lib.float16 and again["x"].tolist() == [1, 2] and again["p"] is again["model"][0].weight
        assert isinstance(again["p"], lib.nn.Parameter) and str(again["model"]) == str(whole)
        assert again["model"].state_dict()["0.weight"].tolist() == whole.state_dict()["0.weight"].tolist()
        best = copy.deepcopy(whole.state_dict())
        with lib.no_grad():
            whole[0].weight.zero_()
        assert best["0.weight"].tolist() == again["p"].tolist()


def test_ranges_with_their_end_and_damaged_bytes() -> None:
    for lib in LIBRARIES:
        with pytest.warns(UserWarning, match="torch.range is deprecated"):
            assert lib.range(1, 4, 1.5).tolist() == [1, 2.5, 4]
        with pytest.raises(ValueError, match="offset|bytes"):
            lib.frombuffer(bytearray(4), dtype=lib.int32, offset=3)
    with pytest.warns(FutureWarning, match=r"in favor of `torch.nn.utils.clip_grad_norm_`"):
        dm.nn.utils.clip_grad_norm([], 1.0)
    p = dm.ones(2, requires_grad=True)
    (p * 3).sum().backward()
    dm.nn.utils.clip_grads_with_norm_([p], 1.0, dm.nn.utils.get_total_norm([p.grad]))  # type: ignore[list-item]
    assert p.grad is not None and p.grad.tolist() == pytest.approx([0.5**0.5] * 2, rel=1e-5)


def test_eigenvalues_that_are_complex_and_matrices_without_factors_are_told() -> None:
    turn = dm.tensor([[0.0, -1.0], [1.0, 0.0]])
    with pytest.raises(
        NotImplementedError, match="torch.linalg.eig of a matrix with complex eigenvalues; nearest is numpy.linalg.eig"
    ):
        dm.linalg.eig(turn)
    assert dm.linalg.inv_ex(dm.zeros(2, 2)).info.item() == 1 and bool(dm.linalg.inv_ex(dm.zeros(2, 2)).inverse.isnan().all())
    for lib in LIBRARIES:
        assert lib.linalg.lu_factor_ex(lib.zeros(2, 2)).info.item() == 1
        for wrong in (
            lambda lib=lib: lib.linalg.lu_factor(lib.zeros(2, 2)),
            lambda lib=lib: lib.linalg.inv_ex(lib.zeros(2, 2), check_errors=True),
        ):
            with pytest.raises(RuntimeError):
                wrong()
    with pytest.raises(ShapeError, match=r"lu: its gradient needs square matrices, got \(3, 2\)"):
        dm.linalg.lu(dm.randn(3, 2).requires_grad_()).U.sum().backward()
    for wrong, words in (
        (lambda: dm.linalg.tensorinv(dm.ones(2, 3), 1), "tensorinv: the first 1 sizes of"),
        (lambda: dm.linalg.tensorsolve(dm.ones(2, 3), dm.ones(2)), "tensorsolve: A .* does not map to B"),
        (lambda: dm.linalg.householder_product(dm.ones(2, 3), dm.ones(1)), "householder_product needs A"),
        (lambda: dm.linalg.lu_solve(*dm.linalg.lu_factor(dm.eye(2)), dm.ones(2)), "lu_solve needs B"),
        (lambda: dm.linalg.vander(dm.ones(2), N=0), "vander: N is at least 1, got 0"),
        (lambda: dm.mvlgamma(dm.ones(2), 0), "mvlgamma: p is at least 1, got 0"),
        (lambda: dm.bartlett_window(-1), "a window has at least 0 numbers, got -1"),
        (lambda: dm.diagonal_scatter(dm.ones(2, 2), dm.ones(3)), "diagonal_scatter: the diagonal has shape"),
    ):
        with pytest.raises(ShapeError, match=words):
            wrong()
