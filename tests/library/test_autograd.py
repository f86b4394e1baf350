"""torch.autograd's words, judged by PyTorch: grad, Function, hooks, grad modes."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import graph
from distml_py.errors import GradientError

BOTH = pytest.mark.parametrize("lib", [dm, torch], ids=["distml_py", "torch"])


def leaf(lib: Any, *numbers: float) -> Any:
    return lib.tensor(list(numbers), requires_grad=True)


@BOTH
def test_grad_gives_gradients_as_values_and_touches_no_grad(lib: Any) -> None:
    x, y = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    one, two = lib.autograd.grad((x * y).sum(), (x, y))
    assert one.tolist() == [3, 4] and two.tolist() == [1, 2] and not one.requires_grad
    assert x.grad is None and y.grad is None
    (only,) = lib.autograd.grad(x * x, x, grad_outputs=lib.tensor([1.0, 10.0]))
    assert only.tolist() == [2, 40]


@BOTH
def test_grad_of_several_outputs_adds_up(lib: Any) -> None:
    x = leaf(lib, 1.0, 2.0)
    (found,) = lib.autograd.grad([(x * 2).sum(), x * x], [x], [None, lib.tensor([1.0, 1.0])])
    assert found.tolist() == [4, 6]


@BOTH
def test_grad_of_an_intermediate_value(lib: Any) -> None:
    x = leaf(lib, 1.0, 2.0)
    h = x * 3
    (found,) = lib.autograd.grad((h * h).sum(), h)
    assert found.tolist() == [6, 12]


@BOTH
def test_unused_inputs(lib: Any) -> None:
    x, y = leaf(lib, 1.0), leaf(lib, 2.0)
    assert lib.autograd.grad(x.sum(), (x, y), allow_unused=True)[1] is None
    zeros = lib.autograd.grad(x.sum(), (x, y), materialize_grads=True)[1]
    assert zeros.tolist() == [0]
    with pytest.raises(RuntimeError):
        lib.autograd.grad(x.sum(), (x, y))


def test_gradients_of_gradients_to_the_fourth() -> None:
    found: list[list[float]] = []
    for lib in (dm, torch):
        x = leaf(lib, 0.7)
        y = (x**5).sin().sum()
        found.append([])
        for _ in range(4):
            (y,) = lib.autograd.grad(y.sum(), x, create_graph=True)
            found[-1].append(y.item())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_a_gradient_penalty_reaches_the_weights() -> None:
    found = []
    for lib in (dm, torch):
        w, x = leaf(lib, 0.5, -0.3), leaf(lib, 1.0, 2.0)
        (g,) = lib.autograd.grad((w * x).tanh().sum(), x, create_graph=True)
        (((g * g).sum().sqrt() - 1) ** 2).backward()
        found.append([w.grad.tolist(), x.grad.tolist()])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


@BOTH
def test_backward_with_create_graph_and_inputs(lib: Any) -> None:
    x, y = leaf(lib, 2.0), leaf(lib, 3.0)
    (x * x * y).sum().backward(create_graph=True, inputs=[x])
    assert x.grad.tolist() == [12] and x.grad.requires_grad and y.grad is None
    (again,) = lib.autograd.grad(x.grad.sum(), y)
    assert again.tolist() == [4]
    lib.autograd.backward([(x * 0).sum(), (y * 2).sum()], inputs=[y])
    assert y.grad.tolist() == [2]


# ---------------------------------------------------------------- Function


def functions(lib: Any) -> tuple[Any, Any, Any]:
    class Exp(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            out = x.exp()
            ctx.save_for_backward(out)
            return out

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (out,) = ctx.saved_tensors
            return g * out

    class Both(lib.autograd.Function):
        """(x + y, x * y, how often x is above y)"""

        @staticmethod
        def forward(ctx: Any, x: Any, y: Any, factor: float) -> Any:
            ctx.save_for_backward(x, y)
            ctx.factor = factor
            above = (x > y).sum()
            ctx.mark_non_differentiable(above)
            return x + y, x * y * factor, above

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any, nothing: Any) -> Any:
            x, y = ctx.saved_tensors
            assert ctx.needs_input_grad == (True, True, False)
            return g + h * y * ctx.factor, g + h * x * ctx.factor, None

    class Clip(lib.autograd.Function):
        @staticmethod
        def forward(x: Any, low: float) -> Any:
            return x.clamp(min=low)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.low = inputs[1]

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 7, None

    return Exp, Both, Clip


@BOTH
def test_a_function_has_its_own_derivative_and_can_be_differentiated_twice(lib: Any) -> None:
    exp, both, clip = functions(lib)
    x, y = leaf(lib, 0.5, 1.0), leaf(lib, 2.0, 0.25)
    np.testing.assert_allclose(exp.apply(x).detach().numpy(), np.exp([0.5, 1]), rtol=1e-6)
    (first,) = lib.autograd.grad((exp.apply(x) ** 2).sum(), x, create_graph=True)
    np.testing.assert_allclose(first.detach().numpy(), 2 * np.exp([1, 2]), rtol=1e-6)
    (second,) = lib.autograd.grad(first.sum(), x)
    np.testing.assert_allclose(second.numpy(), 4 * np.exp([1, 2]), rtol=1e-6)

    total, product, above = both.apply(x, y, 3.0)
    assert above.item() == 1 and not above.requires_grad and total.requires_grad
    (total.sum() + product.sum()).backward()
    assert x.grad.tolist() == [7, 1.75] and y.grad.tolist() == [2.5, 4]
    x.grad = y.grad = None
    both.apply(x, y, 3.0)[1].sum().backward()  # one of the outputs alone
    assert x.grad.tolist() == [6, 0.75]

    x.grad = None
    clip.apply(x, 0.7).sum().backward()
    assert x.grad.tolist() == [7, 7]
    with lib.no_grad():
        assert not exp.apply(x).requires_grad


# ---------------------------------------------------------------- hooks and modes


@BOTH
def test_hooks_see_and_change_gradients_until_they_are_removed(lib: Any) -> None:
    x = leaf(lib, 1.0, 2.0)
    seen: list[Any] = []
    h = x * 3
    h.register_hook(lambda g: seen.append(g.tolist()))
    handle = x.register_hook(lambda g: g * 10)
    (h * h).sum().backward()
    assert seen == [[6, 12]] and x.grad.tolist() == [180, 360]
    handle.remove()
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


@BOTH
def test_a_hook_on_a_parameter_stays_after_the_parameter_is_changed(lib: Any) -> None:
    x = leaf(lib, 1.0)
    x.register_hook(lambda g: g * 2)
    with lib.no_grad():
        x.add_(1)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [6]


@BOTH
def test_retain_grad_keeps_the_gradient_of_a_computed_tensor(lib: Any) -> None:
    x = leaf(lib, 1.0, 2.0)
    h = x * 3
    h.retain_grad()
    h.sum().backward()
    assert h.grad.tolist() == [1, 1]


@BOTH
def test_grad_modes(lib: Any) -> None:
    x = leaf(lib, 1.0)
    with lib.no_grad():
        with lib.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    with lib.set_grad_enabled(False):
        assert not lib.is_grad_enabled() and not (x * 2).requires_grad
    assert lib.is_grad_enabled()
    lib.set_grad_enabled(False)
    assert not lib.is_grad_enabled()
    lib.set_grad_enabled(True)
    with lib.inference_mode():
        assert not (x * 2).requires_grad
    with lib.inference_mode(False):
        assert (x * 2).requires_grad
    assert lib.is_grad_enabled()


def test_what_was_changed_in_place_is_still_right_where_its_old_numbers_are_not_needed() -> None:
    for lib in (dm, torch):
        x = leaf(lib, 1.0, 2.0)
        h = x * 3
        h /= h.sum().detach()
        h += 1
        h.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), [1 / 3, 1 / 3], rtol=1e-6)


def test_an_unknown_gradient_raises_our_error() -> None:
    with pytest.raises(GradientError, match="allow_unused"):
        dm.autograd.grad(leaf(dm, 1.0).sum(), leaf(dm, 1.0))


def test_a_mode_of_gradients_decorates_with_and_without_brackets() -> None:
    for lib in (dm, torch):
        x = lib.ones(1, requires_grad=True)

        def doubled(x: Any) -> bool:
            return bool((x * 2).requires_grad)

        found = [mode(doubled)(x) for mode in (lib.no_grad, lib.no_grad(), lib.inference_mode, lib.inference_mode(False))]
        with lib.no_grad():
            found += [lib.enable_grad(doubled)(x), lib.set_grad_enabled(False)(doubled)(x), doubled(x)]
        assert found == [False, False, False, True, True, False, False]
        assert lib.is_grad_enabled() and doubled(x)


def test_layouts_and_formats_are_shown_as_pytorchs() -> None:
    for lib in (dm, torch):
        x = lib.ones(2)
        assert (
            isinstance(x.layout, lib.layout)
            and x.layout == lib.strided
            and f"{x.layout} {lib.strided!r}" == "torch.strided torch.strided"
        )
        assert str(lib.channels_last) == "torch.channels_last" and isinstance(lib.preserve_format, lib.memory_format)


def test_what_is_asked_of_a_tensor_has_pytorchs_answer() -> None:
    for lib in (dm, torch):
        x = lib.arange(4.0).reshape(2, 2)
        assert x.is_cpu == (str(x.device) == "cpu") and lib.typename(x) == "torch.FloatTensor"
        assert (x.is_meta, x.output_nr, x.is_pinned()) == (False, 0, False)
        assert x.new(2, 3).shape == (2, 3) and x.new([1.0]).tolist() == [1.0] and x.mH.tolist() == [[0, 2], [1, 3]]
        assert x.select_scatter(lib.ones(2), 0, 1).tolist() == [[0, 1], [1, 1]]
        assert lib.zeros(3).put_(lib.tensor([1]), lib.tensor([2.0])).tolist() == [0, 2, 0]
        assert lib.ones(3).index_reduce_(0, lib.tensor([1]), lib.tensor([2.0]), "amax").tolist() == [1, 2, 1]
        assert lib.tensor([6, 9]).gcd_(lib.tensor([4, 6])).tolist() == [2, 3]
        assert str(lib.get_default_device()) == str(x.device)


POINTS: dict[str, Any] = {
    "softplus": lambda lib, x: lib.nn.functional.softplus(x),
    "softplus with beta": lambda lib, x: lib.nn.functional.softplus(x, 2.0, 1.0),
    "logsigmoid": lambda lib, x: lib.nn.functional.logsigmoid(x),
    "mish": lambda lib, x: lib.nn.functional.mish(x),
    "bce": lambda lib, x: lib.nn.functional.binary_cross_entropy_with_logits(x, lib.ones_like(x)),
    "std": lambda lib, x: x.std(),
    "std_mean": lambda lib, x: lib.std_mean(x, dim=0)[0],
    "xlogy": lambda lib, x: lib.xlogy(x, x.detach() + 2),
    "logit": lambda lib, x: lib.logit(x + 0.5),
    "fmax": lambda lib, x: lib.fmax(x, -x),
    "fmin": lambda lib, x: lib.fmin(x, x * 3),
    "median": lambda lib, x: x.median(),
    "nan to 0": lambda lib, x: lib.where(x == 0, x, x.log()),
}


@pytest.mark.parametrize("name", POINTS)
def test_gradients_where_several_numbers_are_0_are_pytorchs(name: str) -> None:
    """There a formula that is right elsewhere divides by 0, or has a corner."""
    found = []
    for lib in (dm, torch):
        x = leaf(lib, 0.0, 0.0, 0.0)
        (once,) = lib.autograd.grad(POINTS[name](lib, x).sum(), x, create_graph=True)
        found.append([once.tolist()])
        if name in ("softplus", "logsigmoid", "mish", "bce"):
            found[-1].append(lib.autograd.grad(once.sum(), x)[0].tolist())
    np.testing.assert_allclose(*found, rtol=1e-6)


@BOTH
def test_a_graph_is_gone_through_once_unless_it_is_to_stay(lib: Any) -> None:
    x = leaf(lib, 1.0, 2.0)
    for y in ((x * x).sum(), x.exp().sum(), lib.nn.functional.linear(x, lib.ones(1, 2)).sum()):
        y.backward(retain_graph=True)
        y.backward()
        with pytest.raises(RuntimeError, match="second time"):
            y.backward()
        with pytest.raises(RuntimeError, match="second time"):
            lib.autograd.grad(y, x)
    shared = x.exp()
    one, two = shared.sum(), (shared * 2).sum()
    one.backward()
    with pytest.raises(RuntimeError, match="second time"):
        two.backward()
    for y in (x.sum(), x.mean(), (x + 1).sum()):  # they need no numbers of before
        y.backward()
        y.backward()
    lib.autograd.backward([x.exp().sum(), (x * x).sum()])


@BOTH
def test_several_gradients_at_once(lib: Any) -> None:
    x = leaf(lib, 1.0, 2.0)
    (rows,) = lib.autograd.grad(x**3, x, lib.eye(2), is_grads_batched=True)
    assert rows.tolist() == [[3, 0], [0, 12]]
    kept, unused = lib.autograd.grad((x**2).sum(), (x, leaf(lib, 1.0)), lib.ones(3), is_grads_batched=True, allow_unused=True)
    assert kept.tolist() == [[2, 4]] * 3 and unused is None


NAN: list[Callable[[Any, Any], Any]] = [
    lambda lib, x: (x.sqrt() * 0).sum(),
    lambda lib, x: (x / x).sum() * 0,
    lambda lib, x: (x.log() * 0).sum(),
    lambda lib, x: (x.exp() + (x * 0).pow(0.5) * 0).sum(),
    lambda lib, x: (x + 1).sqrt().sum(),
]


@pytest.mark.parametrize("number", range(len(NAN)))
def test_the_first_nan_of_a_backward_pass_is_an_error_that_names_its_step_as_in_pytorch(number: int) -> None:
    told = []
    for lib in (dm, torch):
        x = lib.zeros(2, requires_grad=True)
        with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
            mode = lib.autograd.detect_anomaly()
        with warnings.catch_warnings(), mode:
            warnings.simplefilter("ignore")  # PyTorch's traceback
            assert lib.is_anomaly_enabled() if lib is torch else lib.autograd.is_anomaly_enabled()
            try:
                NAN[number](lib, x).backward()
                told.append("")
            except RuntimeError as error:
                told.append(str(error))
        NAN[number](lib, lib.zeros(2, requires_grad=True)).backward()  # off again
    assert told[0].startswith(told[1].removesuffix(".")) and bool(told[0]) == bool(told[1])


def test_the_call_that_made_the_failing_step_is_shown_as_in_pytorch() -> None:
    told = []
    for lib in (dm, torch):
        early = lib.zeros(2, requires_grad=True).sqrt() * 0.0
        with lib.autograd.set_detect_anomaly(True):
            late = lib.zeros(2, requires_grad=True).sqrt() * 0.0
            for bad in (early, late):
                with warnings.catch_warnings(record=True) as caught, pytest.raises(RuntimeError):
                    warnings.simplefilter("always")
                    bad.sum().backward()
                (text,) = [str(one.message) for one in caught if "Error detected" in str(one.message)]
                lines = text.partition(" (Triggered")[0].splitlines()
                told.append((lines[0], "late = lib.zeros(2, requires_grad=True).sqrt() * 0.0" in lines[-1], __file__ in text))
    assert told[:2] == told[2:] and [shown for _, shown, _ in told[:2]] == [False, True]
    assert graph.watching == []


def test_a_nan_of_a_function_of_ones_own_names_it_and_the_mode_can_be_set() -> None:
    class Bad(dm.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: dm.Tensor) -> dm.Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: dm.Tensor) -> dm.Tensor:
            return g * math.nan

    x = dm.ones(2, requires_grad=True)
    said = "Function 'BadBackward' returned nan values in its 0th output"
    shown = pytest.warns(UserWarning, match=r"(?s)Error detected in BadBackward. Traceback .*Bad.apply\(x \* 2\)")
    with dm.autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match=said), shown:
        Bad.apply(x * 2).sum().backward()
    with dm.autograd.set_detect_anomaly(True, check_nan=False):
        assert dm.autograd.is_anomaly_enabled() and not dm.autograd.is_anomaly_check_nan_enabled()
        Bad.apply(x * 2).sum().backward()
    assert not dm.autograd.is_anomaly_enabled() and dm.autograd.is_anomaly_check_nan_enabled()
