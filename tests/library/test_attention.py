"""Attention that stores no scores: PyTorch's numbers and gradients under every mask, second derivatives, and when it is chosen."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import engine
from distml_py.functions import attention
from distml_py.functions.attention import MOST_SCORES, WIDEST, stores_scores
from distml_py.kernel import Attended, Normalizer, Product
from distml_py.layout import layout_of
from distml_py.schedule import schedule
from distml_py.steps import graph_of, linearize
from numpy_kernels import KernelBackend

F = dm.nn.functional
LIBRARIES: tuple[Any, ...] = (dm, torch)
Shape = tuple[int, ...]


@pytest.fixture
def fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No product is too small for it."""
    monkeypatch.setattr(attention, "stores_scores", lambda *sizes: False)


@pytest.fixture(params=["reference", "kernels"])
def backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    found = "reference" if request.param == "reference" else KernelBackend()
    engine.use_backend(found)
    yield found
    engine.use_backend("reference")


def drawn(*shapes: Shape, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.RandomState(seed)
    return [rng.randn(*shape).astype(np.float32) for shape in shapes]


def found_by(lib: Any, arrays: list[np.ndarray], mask: np.ndarray | None = None, **words: Any) -> list[np.ndarray]:
    """The output and the gradients of query, key, value and, where it has numbers, the mask."""
    inputs = [lib.tensor(array, requires_grad=True) for array in arrays]
    given = None if mask is None else lib.tensor(mask, requires_grad=mask.dtype == np.float32)
    out = lib.nn.functional.scaled_dot_product_attention(*inputs, given, **words)
    (out * lib.tensor(drawn(tuple(out.shape), seed=9)[0])).sum().backward()
    wanted = inputs + ([given] if given is not None and given.requires_grad else [])
    return [out.detach().numpy(), *(x.grad.numpy() for x in wanted)]


def compare(arrays: list[np.ndarray], mask: np.ndarray | None = None, **words: Any) -> None:
    mine, theirs = (found_by(lib, arrays, mask, **words) for lib in LIBRARIES)
    for found, wanted in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=2e-5)


SHAPES: dict[str, tuple[Shape, Shape, Shape]] = {
    "of one": ((1, 1), (1, 1), (1, 1)),
    "odd": ((2, 3, 5, 3), (2, 3, 7, 3), (2, 3, 7, 5)),
    "longer than its keys": ((17, 5), (3, 5), (3, 6)),
    "longer keys": ((2, 5, 8), (2, 129, 8), (2, 129, 4)),
    "wide values": ((3, 8, 12), (3, 6, 12), (3, 6, 41)),
    "of heads that share keys": ((2, 3, 5, 4), (2, 1, 7, 4), (1, 3, 7, 4)),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("words", [{}, {"is_causal": True}, {"scale": 0.3}], ids=str)
@pytest.mark.usefixtures("fused")
def test_attention_gives_what_pytorch_gives(name: str, words: dict[str, Any], backend: Any) -> None:
    compare(drawn(*SHAPES[name]), **words)


MASKS: list[Shape] = [(5, 7), (1, 7), (5, 1), (3, 5, 7), (3, 1, 1), (1, 1, 1, 7), (2, 3, 5, 7), (2, 1, 5, 7), (2, 1, 1, 7)]


@pytest.mark.parametrize("shape", MASKS, ids=str)
@pytest.mark.parametrize("kind", ["truths", "numbers"])
@pytest.mark.usefixtures("fused")
def test_a_mask_is_broadcast_as_pytorch_does(shape: Shape, kind: str, backend: Any) -> None:
    numbers = drawn(shape, seed=3)[0]
    compare(drawn((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 3)), np.abs(numbers) < 1 if kind == "truths" else numbers)


@pytest.mark.usefixtures("fused")
def test_a_row_that_sees_nothing_gives_and_receives_zeros(backend: Any) -> None:
    mask = np.array([[True] * 7, [False] * 7, [True, False] * 3 + [True], [False] * 6 + [True], [False] * 7])
    out, of_query, *_ = found_by(dm, drawn((2, 5, 4), (2, 7, 4), (2, 7, 3)), mask)
    assert not out[:, [1, 4]].any() and not of_query[:, [1, 4]].any()
    compare(drawn((2, 5, 4), (2, 7, 4), (2, 7, 3)), mask)
    compare(
        drawn((2, 5, 4), (2, 7, 4), (2, 7, 3)), np.where(mask | (np.arange(5) % 3 == 1)[:, None], 1.5, -np.inf).astype(np.float32)
    )


@pytest.mark.parametrize(
    "shapes", [((2, 0, 3), (2, 5, 3), (2, 5, 4)), ((2, 5, 3), (2, 0, 3), (2, 0, 4)), ((0, 5, 3),) * 3], ids=str
)
@pytest.mark.usefixtures("fused")
def test_nothing_attends_to_nothing(shapes: tuple[Shape, Shape, Shape], backend: Any) -> None:
    compare(drawn(*shapes))
    compare(drawn(*shapes), is_causal=True)


@pytest.mark.usefixtures("fused")
def test_heads_without_width_see_all_alike(backend: Any) -> None:
    compare(drawn((2, 5, 0), (2, 7, 0), (2, 7, 3)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.usefixtures("fused")
def test_what_is_no_number_stays_in_the_rows_that_read_it(bad: float, backend: Any) -> None:
    query, key, value = drawn((2, 5, 4), (2, 7, 4), (2, 7, 3))
    query[1, 2, 0] = bad
    found = F.scaled_dot_product_attention(*map(dm.tensor, (query, key, value))).numpy()
    wanted = torch.nn.functional.scaled_dot_product_attention(*map(torch.tensor, (query, key, value))).numpy()
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))
    value[0, 3, 1] = bad
    found = F.scaled_dot_product_attention(*map(dm.tensor, (query, key, value))).numpy()
    assert not np.isfinite(found[0, :, 1]).any() and np.isfinite(found[0][:, [0, 2]]).all()


@pytest.mark.parametrize("words", [{}, {"is_causal": True}], ids=str)
@pytest.mark.usefixtures("fused")
def test_large_scores_do_not_overflow(words: dict[str, Any], backend: Any) -> None:
    query, key, value = drawn((2, 9, 8), (2, 9, 8), (2, 9, 8))
    compare([query * 3, key * 3, value], scale=1.0, **words)
    found = F.scaled_dot_product_attention(*map(dm.tensor, (query * 1e3, key * 1e3, value)), **words).numpy()
    assert np.isfinite(found).all()


@pytest.mark.parametrize("words", [{}, {"is_causal": True}], ids=str)
@pytest.mark.usefixtures("fused")
def test_long_rows_are_exact(words: dict[str, Any]) -> None:
    arrays = drawn((2, 600, 16), (2, 600, 16), (2, 600, 12))
    for found, wanted in zip(found_by(dm, arrays, **words), in_float64(arrays, **words), strict=True):
        np.testing.assert_allclose(found, wanted, atol=3e-6 * np.abs(wanted).max())


def in_float64(arrays: list[np.ndarray], **words: Any) -> list[np.ndarray]:
    inputs = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in arrays]
    out = torch.nn.functional.scaled_dot_product_attention(*inputs, **words)
    (out * torch.tensor(drawn(tuple(out.shape), seed=9)[0])).sum().backward()
    return [out.detach().numpy(), *(x.grad.numpy() for x in inputs if x.grad is not None)]


def second(lib: Any, arrays: list[np.ndarray], mask: np.ndarray | None, causal: bool) -> list[np.ndarray]:
    """The gradient of the squared gradients."""
    inputs = [lib.tensor(array, requires_grad=True) for array in (*arrays, *(() if mask is None else (mask,)))]
    out = lib.nn.functional.scaled_dot_product_attention(*inputs, is_causal=causal)
    first = lib.autograd.grad((out**3).sum(), inputs, create_graph=True)
    found = lib.autograd.grad(sum((x * x).sum() for x in first), inputs)
    return [x.detach().numpy() for x in found]


@pytest.mark.parametrize("kind", ["plain", "causal", "biased"])
@pytest.mark.usefixtures("fused")
def test_second_derivatives_are_pytorchs(kind: str, backend: Any) -> None:
    arrays = drawn((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 3))
    mask = drawn((3, 1, 7), seed=5)[0] if kind == "biased" else None
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        theirs = second(torch, arrays, mask, kind == "causal")
    for found, wanted in zip(second(dm, arrays, mask, kind == "causal"), theirs, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


def kernels_of(shape: Shape, **words: Any) -> set[type]:
    """Of a forward and backward pass, which is planned only."""
    inputs = [dm.zeros(*shape, requires_grad=True) for _ in range(3)]
    out = F.scaled_dot_product_attention(*inputs, **words)
    gradients = dm.autograd.grad((out * out).sum(), inputs)
    key, _, _ = linearize([x.node for x in gradients], lambda node: layout_of(node.shape))
    return {type(launch.kernel) for launch in schedule(graph_of(key)).launches}


def test_it_is_chosen_where_the_scores_of_one_array_are_more_than_16_mib() -> None:
    assert MOST_SCORES * 4 == 16 * 2**20
    assert stores_scores(4, 1024, 1024, 64, 64) and not stores_scores(4, 1024, 1025, 64, 64)
    assert not stores_scores(1, 4096, 4096, 64, 64) and stores_scores(1, 4096, 4096, 64, WIDEST + 1)


def test_scores_that_are_chosen_not_to_be_stored_are_in_no_array() -> None:
    large, small = (1, 8, 1024, 16), (1, 2, 64, 16)
    assert {Normalizer, Attended} <= kernels_of(large) and Product not in kernels_of(large)
    assert {Normalizer, Attended} <= kernels_of(large, is_causal=True)
    assert Product in kernels_of(small) and Attended not in kernels_of(small)
    assert Product in kernels_of(large, dropout_p=0.5), "what is dropped is drawn for each score"


def test_heads_and_what_products_left_in_layers_are_read_as_they_lie() -> None:
    """Queries are scaled, statistics gathered, the output stored in order; each copy would be one Map more."""
    x, weight = map(dm.tensor, drawn((2, 2048, 32), (32, 96)))
    parts = (x @ weight).reshape(2, 2048, 3, 2, 16).permute(2, 0, 3, 1, 4)
    out = F.scaled_dot_product_attention(parts[0], parts[1], parts[2])
    key, _, _ = linearize([out.node], lambda node: layout_of(node.shape))
    names = [type(launch.kernel).__name__ for launch in schedule(graph_of(key)).launches]
    assert names.count("Map") == 3 and names.count("Normalizer") == names.count("Attended") == 1, names


@pytest.mark.usefixtures("fused")
def test_a_captured_step_equals_the_eager_one_bit_for_bit(backend: Any) -> None:
    found = []
    for compiled in (False, True):
        weight = dm.tensor(drawn((8, 24))[0], requires_grad=True)
        optimizer = dm.optim.SGD([weight], lr=0.1)

        def step(x: Any, weight: Any = weight, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            parts = (x @ weight).reshape(2, 6, 3, 2, 4).permute(2, 0, 3, 1, 4)
            loss = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=True).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        work = dm.compile(step) if compiled else step
        losses = [work(dm.tensor(drawn((2, 6, 8), seed=n)[0])).item() for n in range(6)]
        found.append((losses, weight.detach().numpy()))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])
