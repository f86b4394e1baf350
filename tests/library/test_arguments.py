"""Wrong arguments, for every function that an example calls: made from the right ones, not written by hand.

A wrong call ends in an error of the library's own, in words of the call and of PyTorch's class, or PyTorch takes it, too.
"""

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
import functional_examples
import op_examples
import surface_examples
from distml_py.errors import ArgumentError, DistmlError
from distml_py.tensor import legacy

Call = tuple[tuple[Any, ...], dict[str, Any]]
HOMES: dict[str, tuple[Any, Any]] = {
    "torch": (dm, torch),
    "torch.Tensor": (dm.Tensor, torch.Tensor),
    "torch.nn.functional": (dm.nn.functional, torch.nn.functional),
    "torch.linalg": (dm.linalg, torch.linalg),
    "torch.special": (dm.special, torch.special),
}
FREE = {"backward", "register_hook", "retain_grad", "requires_grad_", "item", "numpy", "tolist", "realize", "detach"}
# here taken although PyTorch refuses them: each does what it says
LENIENT = {
    ("torch.nn.functional", "alpha_dropout"),
    ("torch.nn.functional", "softmin"),
    ("torch.Tensor", "to"),
    ("torch", "trapz"),
}


def recorded() -> dict[tuple[str, str], Call]:
    """The first call of each function that the examples make, with its arguments."""
    calls: dict[tuple[str, str], Call] = {}
    undo: list[tuple[Any, str, Any]] = []

    def listening(home: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if sys._getframe(1).f_code.co_filename.endswith("_examples.py"):
                calls.setdefault((home, name), (args, dict(named)))
            return function(*args, **named)

        return call

    for home, (ours, _) in HOMES.items():
        for name, function in list(vars(ours).items()):
            if inspect.isfunction(function) and not name.startswith("_") and name not in FREE:
                undo.append((ours, name, function))
                setattr(ours, name, listening(home, name, function))
    try:
        for example in (*op_examples.EXAMPLES, *surface_examples.EXAMPLES, *functional_examples.EXAMPLES):
            tensors = [dm.tensor(array.astype(np.int64) if array.dtype == np.int32 else array) for array in example.inputs]
            if all(tensor.numel() for tensor in tensors):
                for tensor in tensors:
                    tensor.requires_grad_(tensor.is_floating_point() and example.differentiable)
                example.call(dm, *tensors)
    finally:
        for ours, name, function in undo:
            setattr(ours, name, function)
    return calls


CALLS = recorded()


def wrong(args: tuple[Any, ...], named: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """(what is wrong, arguments): one thing at a time."""
    yield "a keyword that is not there", args, {**named, "nonsense": 1}
    for number, value in enumerate(args):
        if isinstance(value, dm.Tensor):
            instead: list[Any] = ["x", None, {}, object(), value.bool()]
        elif isinstance(value, int) and not isinstance(value, bool):
            instead = ["x", object(), 99, dm.ones(2, 2)]
        else:
            instead = [object()]
        for one in instead:
            yield f"argument {number} is {type(one).__name__}", (*args[:number], one, *args[number + 1 :]), named


def theirs(value: Any) -> Any:
    if isinstance(value, dm.Tensor):
        return torch.tensor(value.detach().numpy())
    if isinstance(value, dm.dtype):
        return getattr(torch, value.name)
    return type(value)(map(theirs, value)) if type(value) in (list, tuple) else value


def outcome(function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Exception | None:
    try:
        found = function(*args, **named)
        for part in found if isinstance(found, (list, tuple)) else (found,):
            if isinstance(part, dm.Tensor):
                part.realize()
    except Exception as error:
        return error
    return None


def test_the_examples_call_what_is_public() -> None:
    assert len(CALLS) > 450
    assert sum(home == "torch.nn.functional" for home, _ in CALLS) > 60


@pytest.mark.parametrize("home", HOMES)
def test_a_wrong_call_is_refused_in_words_of_the_call(home: str) -> None:
    foreign, accepted = [], []
    ours, other = HOMES[home]
    for (place, name), (args, named) in CALLS.items():
        if place != home:
            continue
        for what, bad, keywords in wrong(args, named):
            if home == "torch.Tensor" and not isinstance(bad[0], dm.Tensor):
                continue
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                error = outcome(getattr(ours, name), bad, keywords)
                if error is not None and not isinstance(error, DistmlError):
                    foreign.append(f"{name}: {what}: {type(error).__name__} {error}")
                elif error is None and hasattr(other, name) and (home, name) not in LENIENT:
                    again = {key: theirs(value) for key, value in keywords.items()}
                    if isinstance(outcome(getattr(other, name), tuple(map(theirs, bad)), again), TypeError):
                        accepted.append(f"{name}: {what}")
    assert foreign == []
    assert accepted == []


X = dm.ones(2, 3)


def test_keywords_that_change_nothing_here_are_taken() -> None:
    dm.zeros(2, pin_memory=True, layout=None, device="cpu", requires_grad=True)
    dm.ones_like(X, memory_format=dm.preserve_format)
    dm.arange(3, layout=None, pin_memory=False)
    X.to(memory_format=dm.preserve_format)
    dm.optim.AdamW([dm.nn.Parameter(X)], fused=True, foreach=None, capturable=False)


def test_numpys_names_and_out_are_taken_as_pytorch_takes_them() -> None:
    for lib in (dm, torch):
        x = lib.arange(6.0).reshape(2, 3)
        assert x.sum(axis=1).tolist() == [3, 12]
        assert x.mean(axis=0, keepdims=True).tolist() == [[1.5, 2.5, 3.5]]
        assert lib.cat([x, x], axis=1).shape == (2, 6)
        out = lib.zeros(2)
        assert lib.sum(x, 1, out=out) is out and out.tolist() == [3, 12]
        assert lib.zeros(size=(2, 1)).shape == (2, 1)


def test_words_that_pytorch_deprecated_still_say_how_a_loss_is_reduced() -> None:
    x, y = [1.0, 2.0], [0.0, 0.0]
    for lib in (dm, torch):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            losses = [lib.nn.MSELoss(size_average=False)(lib.tensor(x), lib.tensor(y))]
            losses += [lib.nn.functional.mse_loss(lib.tensor(x), lib.tensor(y), reduce=False).sum()]
        assert [loss.item() for loss in losses] == [5, 5]
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        dm.nn.MSELoss(size_average=False)


def places(signature: inspect.Signature) -> tuple[int, ...]:
    return tuple(list(signature.parameters).index(word) for word in ("size_average", "reduce"))


def test_deprecated_words_have_their_places_among_a_losses_arguments() -> None:
    theirs = {}
    for home in (torch.nn.functional, torch.nn):
        for name, value in vars(home).items():
            function = value.__init__ if isinstance(value, type) and issubclass(value, torch.nn.Module) else value
            if inspect.isfunction(function) and "size_average" in inspect.signature(function).parameters:
                theirs[name] = places(inspect.signature(function))
    for older in ("_Loss", "_WeightedLoss", "NLLLoss2d"):
        theirs.pop(older, None)
    assert theirs == legacy.SLOTS
    x, y = [[0.5, 1.5], [2.0, -1.0]], [0, 1]
    for lib in (dm, torch):
        F, nn, scores, labels = lib.nn.functional, lib.nn, lib.tensor(x), lib.tensor(y)
        assert F.cross_entropy(scores, labels, None, None, 1).item() == pytest.approx(
            nn.CrossEntropyLoss(None, None, 1)(scores, labels).item()
        )
        assert F.cross_entropy(scores, labels, None, None, 1).item() == pytest.approx(1.3132617)
        assert F.mse_loss(scores, scores * 2, None, None, "none").shape == (2, 2)
        with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
            assert F.mse_loss(scores, scores * 2, False).item() == 7.5
        with pytest.warns(UserWarning, match="please use reduction='none' instead"):
            assert nn.L1Loss(True, False)(scores, scores * 2).shape == (2, 2)
    with pytest.raises(TypeError, match="mse_loss: this argument is size_average in PyTorch, got 'sum'; write reduction='sum'"):
        dm.nn.functional.mse_loss(X, X, "sum")


def test_what_a_persons_own_code_raises_is_left_as_it_is() -> None:
    class Rows:
        def __len__(self) -> int:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        dm.data.random_split(Rows(), [1, 2])


def test_whoever_catches_pytorchs_errors_catches_these() -> None:
    assert all(issubclass(ArgumentError, kind) for kind in (RuntimeError, TypeError, ValueError, IndexError))
