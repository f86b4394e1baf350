"""Optimizers judged by PyTorch's, step by step; their state and their description survive a round trip."""

import importlib
import inspect
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py import optim
from distml_py.errors import ArgumentError, RecipeError, ShapeError, UnsupportedError
from op_examples import numbers

STEPS = 20
CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.001, "momentum": 0.5, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.99)}),
    ("Adam", {"lr": 0.05, "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "amsgrad": True}),
    ("Adam", {"lr": 0.05, "maximize": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3}),
    ("AdamW", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.0}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.8, "momentum": 0.7, "centered": True, "weight_decay": 0.1, "eps": 1e-4}),
    ("RMSprop", {"lr": 0.02, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 2.0, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.1, "betas": (0.8, 0.99), "weight_decay": 0.1}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.3, "decoupled_weight_decay": True}),
    ("Rprop", {"lr": 0.05, "etas": (0.4, 1.3), "step_sizes": (1e-3, 0.1)}),
    ("ASGD", {"lr": 0.1, "lambd": 0.01, "t0": 3, "weight_decay": 0.1}),
]
NAMES = [f"{name} {options}" for name, options in CASES]
X, Y = numbers(8, 5), numbers(8, 3, seed=1)


def start(lib: Any) -> list[Any]:
    """Weight, bias, and a third parameter that never gets a gradient."""
    return [lib.tensor(numbers(*shape, seed=2), requires_grad=True) for shape in ((5, 3), (3,), (2,))]


def step(lib: Any, parameters: list[Any], optimizer: Any) -> float:
    optimizer.zero_grad()
    loss = ((lib.tensor(X) @ parameters[0] + parameters[1]).tanh() - lib.tensor(Y)).square().mean()
    loss.backward()
    optimizer.step()
    return float(loss.item())


def values(parameters: list[Any]) -> list[np.ndarray]:
    return [parameter.detach().numpy().copy() for parameter in parameters]


@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_every_step_is_pytorchs_step(name: str, options: dict[str, Any]) -> None:
    ours, theirs = start(dm), start(torch)
    mine, other = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for _ in range(STEPS):
        assert step(dm, ours, mine) == pytest.approx(step(torch, theirs, other), rel=1e-5)
        for found, wanted in zip(values(ours), values(theirs), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * float(np.abs(wanted).max()))


@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_an_optimizer_continues_from_its_state_dict(name: str, options: dict[str, Any]) -> None:
    ours = start(dm)
    mine = getattr(optim, name)(ours, **options)
    for _ in range(3):
        step(dm, ours, mine)
    again = [dm.tensor(array, requires_grad=True) for array in values(ours)]
    other = getattr(optim, name)(again)
    other.load_state_dict(mine.state_dict())
    for _ in range(3):
        step(dm, ours, mine)
        step(dm, again, other)
    assert [array.tobytes() for array in values(again)] == [array.tobytes() for array in values(ours)]


@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_a_config_makes_an_equal_optimizer(name: str, options: dict[str, Any]) -> None:
    mine = getattr(optim, name)(start(dm), **options)
    config = mine.config()
    assert config["name"] == name
    assert optim.from_config(config, start(dm)).config() == config
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}  # as JSON would
    again = optim.from_config(listed, start(dm))
    ours, others = start(dm), start(dm)
    step(dm, ours, optim.from_config(config, ours))
    step(dm, others, optim.from_config(again.config(), others))
    assert [array.tobytes() for array in values(ours)] == [array.tobytes() for array in values(others)]


@pytest.mark.parametrize("name", sorted(optim.BY_NAME))
def test_a_state_dict_has_pytorchs_layout(name: str) -> None:
    ours, theirs = start(dm), start(torch)
    options = {"momentum": 0.9} if name == "SGD" else {}
    mine, other = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    step(dm, ours, mine)
    step(torch, theirs, other)
    found, wanted = mine.state_dict(), other.state_dict()
    assert [list(group) for group in found["param_groups"]] == [list(group) for group in wanted["param_groups"]]
    for number, slots in found["state"].items():  # steps are counted in tensors, or are not, as PyTorch's
        count, meant = slots.get("step"), wanted["state"][number].get("step")
        assert hasattr(count, "dtype") == hasattr(meant, "dtype")
        assert repr(count) == repr(meant)
    # Adagrad's state begins with it in PyTorch, and with a first gradient here
    assert {number: set(slots) for number, slots in found["state"].items()} == {
        number: set(slots) for number, slots in wanted["state"].items() if number in found["state"]
    }
    assert set(found["state"]) == {0, 1}
    assert [group["params"] for group in found["param_groups"]] == [group["params"] for group in wanted["param_groups"]]


COUNTING = ("Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD")


@pytest.mark.parametrize("name", COUNTING)
def test_a_state_is_read_changed_and_exchanged_as_in_pytorch(name: str) -> None:
    """The step is a tensor without dimensions; what follows from it stands beside it; files go both ways."""
    ours, theirs = start(dm)[:2], start(torch)[:2]
    mine, other = getattr(optim, name)(ours), getattr(torch.optim, name)(theirs)
    pairs = ((dm, ours, mine), (torch, theirs, other))

    def shown(lib: Any, parameters: list[Any], optimizer: Any) -> list[Any]:
        slots = optimizer.state[parameters[1]]
        assert len(slots) == len(list(slots)) and "step" in slots and isinstance(slots.get("step"), lib.Tensor)
        return [(slot, tuple(value.shape), str(value.dtype), value.requires_grad) for slot, value in slots.items()]

    for _ in range(2):
        for pair in pairs:
            step(*pair)
    assert shown(*pairs[0]) == shown(*pairs[1])
    again = [lib.tensor(array, requires_grad=True) for lib in (dm, torch) for array in values(theirs)]
    taken, given = getattr(optim, name)(again[:2]), getattr(torch.optim, name)(again[2:])
    taken.load_state_dict(other.state_dict())
    as_theirs = {
        number: {slot: torch.tensor(value.numpy()) for slot, value in slots.items()}
        for number, slots in mine.state_dict()["state"].items()
    }
    given.load_state_dict({"state": as_theirs, "param_groups": other.state_dict()["param_groups"]})
    for found in ((dm, again[:2], taken), (torch, again[2:], given), (torch, theirs, other)):
        step(*found)
    for found in (again[:2], again[2:]):
        for array, wanted in zip(values(found), values(theirs), strict=True):
            np.testing.assert_allclose(array, wanted, rtol=1e-5, atol=1e-6)
    for lib, parameters, optimizer in pairs:
        steps_of = [optimizer.state[parameter]["step"].item() for parameter in parameters]
        optimizer.state[parameters[0]]["step"].add_(5)
        optimizer.state[parameters[1]]["step"] = lib.tensor(9.0)
        step(lib, parameters, optimizer)
        steps = [optimizer.state[parameter]["step"].item() for parameter in parameters]
        assert steps == [steps_of[0] + 6, 10] == [slots["step"].item() for slots in optimizer.state_dict()["state"].values()]


def test_a_count_that_is_changed_between_replays_counts() -> None:
    """One parameter is updated alone, so that its state may be looked at between two replays."""
    ends = []
    for compiled in (False, True):
        weight = dm.tensor(numbers(4, seed=2), requires_grad=True)
        optimizer = optim.Adam([weight], lr=0.1)

        def train(weight: Any = weight, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (weight.sin() ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        run = dm.compile(train) if compiled else train
        for number in range(8):
            run()
            if number == 4:
                optimizer.state[weight]["step"].fill_(1)
        ends.append((weight.detach().numpy().tobytes(), optimizer.state[weight]["step"].item()))
    assert ends[0] == ends[1] and ends[0][1] == 4


@pytest.mark.parametrize("name", sorted(optim.BY_NAME))
def test_arguments_have_pytorchs_order_and_defaults(name: str) -> None:
    ours = inspect.signature(getattr(optim, name).__init__).parameters
    theirs = inspect.signature(getattr(torch.optim, name).__init__).parameters
    assert {key: (p.default) for key, p in ours.items() if key in theirs} == {
        key: theirs[key].default for key in ours if key in theirs
    }
    positional = [key for key, p in theirs.items() if p.kind is not p.KEYWORD_ONLY and key in ours]
    assert [key for key in ours if key in positional] == positional


def test_groups_have_options_of_their_own() -> None:
    def groups(parameters: list[Any]) -> list[dict[str, Any]]:
        return [{"params": parameters[:1], "lr": 0.2}, {"params": parameters[1:], "weight_decay": 0.1}]

    ours, theirs = start(dm), start(torch)
    mine, other = optim.SGD(groups(ours), lr=0.05, momentum=0.9), torch.optim.SGD(groups(theirs), lr=0.05, momentum=0.9)
    for _ in range(5):
        step(dm, ours, mine)
        step(torch, theirs, other)
    for found, wanted in zip(values(ours), values(theirs), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(RecipeError, match="a run shared by several workers takes one parameter group"):
        mine.config()


def test_a_learning_rate_can_be_changed_between_steps() -> None:
    ours, theirs = start(dm), start(torch)
    mine, other = optim.Adam(ours, lr=0.1), torch.optim.Adam(theirs, lr=0.1)
    for rate in (0.1, 0.01, 0.001):
        mine.param_groups[0]["lr"] = other.param_groups[0]["lr"] = rate
        step(dm, ours, mine)
        step(torch, theirs, other)
    for found, wanted in zip(values(ours), values(theirs), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_closure_computes_the_loss_first() -> None:
    found: list[list[float]] = []
    for lib, parameters in ((dm, start(dm)), (torch, start(torch))):
        optimizer = lib.optim.SGD(parameters, lr=0.1)

        def closure(lib: Any = lib, parameters: list[Any] = parameters, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = ((lib.tensor(X) @ parameters[0] + parameters[1]).tanh() - lib.tensor(Y)).square().mean()
            loss.backward()
            return loss

        with lib.no_grad():
            found.append([float(optimizer.step(closure).item()) for _ in range(3)])
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize("search, lr, ends", [(None, 2.5, [0.8, 0.3, 0.4, 0.6]), ("strong_wolfe", 0.7, [1.6, -0.8, 0.4, 0.3])])
def test_lbfgs_goes_on_from_where_a_closure_moved_the_parameters(search: str | None, lr: float, ends: list[float]) -> None:
    found = []
    for lib in (dm, torch):
        x = lib.tensor([0.9, 0.1, 0.5, 0.05], requires_grad=True)
        rule = lib.optim.LBFGS([x], lr=lr, max_iter=4, line_search_fn=search)
        target, losses = lib.tensor(ends), []

        def closure(lib: Any = lib, x: Any = x, rule: Any = rule, target: Any = target, losses: Any = losses) -> Any:
            with lib.no_grad():
                x.clamp_(0, 1)
            rule.zero_grad()
            loss = ((x - target) ** 2 * lib.tensor([1.0, 3.0, 9.0, 2.0])).sum() + (x[0] * x[3]).exp()
            loss.backward()
            losses.append(loss.item())
            return loss

        for _ in range(3):
            rule.step(closure)
        found.append([*losses, *x.tolist()])
    np.testing.assert_allclose(found[0], found[1], rtol=2e-5, atol=2e-6)


def test_groups_are_added_later_and_parameters_may_be_named() -> None:
    ours, theirs = start(dm), start(torch)
    for lib, parameters in ((dm, ours), (torch, theirs)):
        optimizer = lib.optim.SGD([("weight", parameters[0])], lr=0.1, momentum=0.9)
        step(lib, parameters, optimizer)
        optimizer.add_param_group({"params": [("bias", parameters[1])], "lr": 0.5})
        for _ in range(3):
            step(lib, parameters, optimizer)
        assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    for mine, other in zip(values(ours), values(theirs), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "options"), [*CASES, ("LBFGS", {}), ("AdamW", {"foreach": True, "capturable": True})])
def test_an_optimizers_text_is_pytorchs(name: str, options: dict[str, Any]) -> None:
    ours, theirs = (getattr(lib.optim, name)(start(lib), **options) for lib in (dm, torch))
    assert str(ours) == str(theirs)
    named = [getattr(lib.optim, name)(zip("abc", start(lib), strict=True), **options) for lib in (dm, torch)]
    assert str(named[0]) == str(named[1])
    assert named[0].state_dict()["param_groups"] == named[1].state_dict()["param_groups"]
    for mine in (ours, dm.optim.lr_scheduler.StepLR(ours, 1).optimizer):
        assert {*mine.param_groups[0]} - {"initial_lr"} == {*theirs.param_groups[0]}


@pytest.mark.parametrize("name", sorted(optim.BY_NAME))
def test_what_is_not_here_of_a_step_is_refused(name: str) -> None:
    make = getattr(optim, name)
    with pytest.raises(UnsupportedError, match=rf"not implemented: {name}\(differentiable=True\); nearest is"):
        make(start(dm), differentiable=True)
    if "fused" in inspect.signature(make).parameters:
        with pytest.raises(RuntimeError, match="`fused` and `foreach` cannot be `True` together"):
            make(start(dm), fused=True, foreach=True)
    with pytest.raises(RecipeError, match="of 2 parameters 1 have a name; name all of them, or none"):
        make([("a", start(dm)[0]), start(dm)[1]])


def test_hooks_are_asked_around_a_step_and_around_the_state_as_in_pytorch() -> None:
    told: list[list[Any]] = []
    for lib in (dm, torch):
        seen: list[Any] = []
        parameters = start(lib)
        hooks = importlib.import_module(f"{lib.__name__}.optim.optimizer")
        optimizer = lib.optim.SGD(parameters, lr=0.1, momentum=0.9)
        say = seen.append
        everywhere = [
            hooks.register_optimizer_step_pre_hook(lambda o, a, k, say=say: say("before all")),
            hooks.register_optimizer_step_post_hook(lambda o, a, k, say=say: say("after all")),
        ]
        optimizer.register_step_pre_hook(lambda o, a, k, say=say: say(("before", a[0] is o, a[1:], k)))
        optimizer.register_step_post_hook(lambda o, a, k, say=say: say("after"))
        gone = optimizer.register_step_post_hook(lambda o, a, k, say=say: say("never"))
        gone.remove()
        optimizer.register_state_dict_pre_hook(lambda o, say=say: say("before saving"))
        optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
        optimizer.register_load_state_dict_pre_hook(lambda o, state, say=say: say(sorted(state)))
        optimizer.register_load_state_dict_post_hook(lambda o, say=say: say("loaded"))
        step(lib, parameters, optimizer)
        optimizer.load_state_dict(optimizer.state_dict())
        changed = optimizer.register_step_pre_hook(lambda o, a, k: ((o, lambda: 42), {}))
        say(optimizer.step())
        changed.remove()
        wrong = optimizer.register_step_pre_hook(lambda o, a, k: 1)
        with pytest.raises(RuntimeError, match=r"None or"):
            optimizer.step()
        wrong.remove()
        for handle in everywhere:
            handle.remove()
        optimizer.step()
        told.append(seen)
    assert told[0] == told[1] and "loaded" in told[0]


def test_a_step_that_calls_another_one_is_told_once() -> None:
    class Twice(optim.SGD):
        def step(self, closure: Any = None) -> Any:
            super().step()
            return super().step(closure)

    seen: list[str] = []
    parameters = start(dm)
    optimizer = Twice(parameters, lr=0.1)
    optimizer.register_step_post_hook(lambda o, a, k: seen.append("after"))
    step(dm, parameters, optimizer)
    assert seen == ["after"]


def test_a_state_of_other_groups_is_refused_in_pytorchs_words() -> None:
    for lib in (dm, torch):
        a, b = lib.ones(1, requires_grad=True), lib.ones(2, requires_grad=True)
        rule = lib.optim.Adam([a, b])
        with pytest.raises(ValueError, match="loaded state dict has a different number of parameter groups"):
            rule.load_state_dict({"state": {}, "param_groups": []})
        with pytest.raises(ValueError, match="contains a parameter group that doesn't match the size of optimizer's group"):
            rule.load_state_dict(lib.optim.Adam([a]).state_dict())


def test_the_text_of_several_groups_is_pytorchs() -> None:
    told = []
    for lib in (dm, torch):
        a, b = lib.ones(1, requires_grad=True), lib.ones(2, requires_grad=True)
        told.append(repr(lib.optim.Adam([{"params": [a]}, {"params": [b], "lr": 0.5}], weight_decay=0.1)))
    assert told[0] == told[1]


def test_zero_grad_forgets_or_zeroes() -> None:
    parameters = start(dm)
    optimizer = optim.SGD(parameters, lr=0.1)
    step(dm, parameters, optimizer)
    optimizer.zero_grad(set_to_none=False)
    assert parameters[0].grad.numpy().tolist() == np.zeros((5, 3)).tolist()
    assert parameters[2].grad is None
    optimizer.zero_grad()
    assert parameters[0].grad is None


def test_a_step_computes_everything_at_once() -> None:
    parameters = start(dm)
    optimizer = optim.Adam(parameters, lr=0.1)
    step(dm, parameters, optimizer)
    before = dm.engine.counters().realizations
    step(dm, parameters, optimizer)
    assert dm.engine.counters().realizations == before + 1


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: optim.SGD([]), RecipeError, r"SGD got no parameters; pass model.parameters\(\)"),
        (lambda: optim.SGD([dm.ones(1, requires_grad=True) * 2]), RecipeError, "SGD takes leaf tensors, got Tensor"),
        (lambda: optim.SGD([np.ones(1)]), ArgumentError, "SGD takes tensors, got ndarray; pass model.parameters()"),
        (lambda: optim.SGD([w := dm.ones(1), w]), RecipeError, "SGD: a parameter was given twice; each is in one group, once"),
        (lambda: optim.Adadelta(start(dm), rho=2.0), RecipeError, r"Adadelta: rho is in \[0, 1\], got 2.0"),
        (lambda: optim.NAdam(start(dm), betas=(1.0, 0.9)), RecipeError, r"NAdam: betas are in \[0, 1\), got \(1.0, 0.9\)"),
        (lambda: optim.SGD(start(dm), lr=-1), RecipeError, "SGD: lr must be at least 0, got -1"),
        (lambda: optim.SGD(start(dm), momentum=float("nan")), RecipeError, "SGD: momentum must be at least 0, got nan"),
        (lambda: optim.SGD(start(dm), nesterov=True), RecipeError, "SGD: nesterov needs momentum > 0 and dampening 0"),
        (lambda: optim.AdamW(start(dm), betas=(0.9, 1.0)), RecipeError, r"AdamW: betas are in \[0, 1\), got \(0.9, 1.0\)"),
        (
            lambda: optim.from_config({"name": "LBFGS"}, start(dm)),
            RecipeError,
            "unknown optimizer 'LBFGS'; known: SGD, Adam, AdamW",
        ),
        (
            lambda: optim.from_config({"name": "SGD", "rho": 1}, start(dm)),
            RecipeError,
            "optimizer SGD does not take these options: .*rho",
        ),
        (lambda: loaded({"state": {9: {}}}), ShapeError, "optimizer state names parameter 9, there are 3"),
        (
            lambda: loaded({"state": {0: {"exp_avg": np.ones(2)}}}),
            ShapeError,
            r"state exp_avg has shape \(2,\), its parameter \(5, 3\)",
        ),
    ],
)
def test_a_wrong_argument_is_named(wrong: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wrong()


def loaded(state: dict[str, Any]) -> None:
    optimizer = optim.Adam(start(dm))
    optimizer.load_state_dict({"param_groups": optimizer.state_dict()["param_groups"], **state})
