"""Learning rates step by step against PyTorch's; schedules go on from their state."""

import inspect
from typing import Any

import pytest
import torch

import distml_py as dm
from distml_py import optim
from distml_py.errors import RecipeError

STEPS = 24
CASES: list[tuple[str, dict[str, Any]]] = [
    ("LambdaLR", {"lr_lambda": lambda n: 0.9**n}),
    ("LambdaLR", {"lr_lambda": [lambda n: 0.9**n, lambda n: 1 / (n + 1)]}),
    ("MultiplicativeLR", {"lr_lambda": lambda n: 1 - 0.01 * n}),
    ("StepLR", {"step_size": 5, "gamma": 0.3}),
    ("StepLR", {"step_size": 1}),
    ("MultiStepLR", {"milestones": [3, 9, 9, 20], "gamma": 0.5}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 3}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 9}),
    ("ExponentialLR", {"gamma": 0.93}),
    ("PolynomialLR", {"total_iters": 9, "power": 2.0}),
    ("PolynomialLR", {}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 30}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 5}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.4, "step_size_up": 3, "step_size_down": 5}),
    ("CyclicLR", {"base_lr": [0.1, 0.2], "max_lr": 0.4, "step_size_up": 4, "mode": "triangular2", "base_momentum": 0.7}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.4, "step_size_up": 4, "mode": "exp_range", "gamma": 0.9, "cycle_momentum": False}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 25}),
    ("OneCycleLR", {"max_lr": [0.5, 0.2], "epochs": 5, "steps_per_epoch": 6, "anneal_strategy": "linear", "pct_start": 0.4}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 30, "three_phase": True, "div_factor": 10.0, "base_momentum": 0.7}),
]


def optimizer(lib: Any, name: str = "SGD") -> Any:
    groups = [{"params": [lib.ones(1, requires_grad=True)]}, {"params": [lib.ones(2, requires_grad=True)], "lr": 0.05}]
    return getattr(lib.optim, name)(groups, lr=0.3, **({"momentum": 0.9} if name == "SGD" else {}))


def made(lib: Any, name: str, options: dict[str, Any]) -> Any:
    return getattr(lib.optim.lr_scheduler, name)(optimizer(lib), **options)


def options_of(scheduler: Any) -> list[Any]:
    groups = scheduler.optimizer.param_groups
    return [[group["lr"] for group in groups], [group.get("momentum", group.get("betas")) for group in groups]]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name} {list(options)}" for name, options in CASES])
def test_every_rate_is_pytorchs(name: str, options: dict[str, Any]) -> None:
    ours, theirs = made(dm, name, options), made(torch, name, options)
    for step in range(STEPS):
        assert ours.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-12), step
        assert options_of(ours)[1] == pytest.approx(options_of(theirs)[1]), step
        ours.step()
        theirs.step()
    again = made(dm, name, options)
    again.load_state_dict(ours.state_dict())
    for _ in range(1 if name == "OneCycleLR" else 5):
        assert again.get_last_lr() == ours.get_last_lr()
        again.step()
        ours.step()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "options"),
    [case for case in CASES if case[0] not in ("OneCycleLR", "MultiplicativeLR")],
    ids=lambda part: part if isinstance(part, str) else " ".join(part),
)
def test_a_number_can_be_gone_to(name: str, options: dict[str, Any]) -> None:
    ours, theirs = made(dm, name, options), made(torch, name, options)
    for epoch in (4, 7, 3):
        ours.step(epoch)
        theirs.step(epoch)
        assert ours.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-12)


def test_a_warm_restart_takes_fractions() -> None:
    ours, theirs = (made(lib, "CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2}) for lib in (dm, torch))
    for epoch in (0.25, 2.9, 3.5, 11.75):
        ours.step(epoch)
        theirs.step(epoch)
        assert ours.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-12)


def test_one_cycle_turns_adams_first_beta() -> None:
    ours, theirs = (lib.optim.lr_scheduler.OneCycleLR(optimizer(lib, "Adam"), 0.1, total_steps=10) for lib in (dm, torch))
    for _ in range(9):
        ours.step()
        theirs.optimizer.step()
        theirs.step()
        for mine, other in zip(ours.optimizer.param_groups, theirs.optimizer.param_groups, strict=True):
            assert mine["betas"] == pytest.approx(other["betas"])


@pytest.mark.filterwarnings("ignore")
def test_schedules_follow_each_other_and_act_together() -> None:
    def sequence(lib: Any) -> Any:
        rules, mine = lib.optim.lr_scheduler, optimizer(lib)
        parts = [rules.LinearLR(mine, 0.1, total_iters=4), rules.ExponentialLR(mine, 0.9), rules.StepLR(mine, 3)]
        return rules.SequentialLR(mine, parts, [5, 11])

    def chain(lib: Any) -> Any:
        rules, mine = lib.optim.lr_scheduler, optimizer(lib)
        return rules.ChainedScheduler([rules.ConstantLR(mine, 0.2, 4), rules.ExponentialLR(mine, 0.9)])

    for make in (sequence, chain):
        ours, theirs = make(dm), make(torch)
        for step in range(STEPS):
            rates = [group["lr"] for group in theirs.optimizer.param_groups]
            assert ours.get_last_lr() == pytest.approx(rates, rel=1e-12), (make.__name__, step)
            ours.step()
            theirs.step()
        again = make(dm)
        again.load_state_dict(ours.state_dict())
        for _ in range(4):
            assert again.get_last_lr() == ours.get_last_lr()
            again.step()
            ours.step()


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"mode": "max", "factor": 0.5, "patience": 1, "cooldown": 2, "threshold_mode": "abs", "threshold": 0.3},
        {"patience": 0, "min_lr": [0.01, 0.04], "threshold": 0.1},
        {"mode": "max", "patience": 1, "min_lr": 0.02},
        {"patience": 1, "eps": 0.2},
    ],
)
def test_a_plateau_lowers_the_rate_as_pytorchs(options: dict[str, Any]) -> None:
    ours, theirs = made(dm, "ReduceLROnPlateau", options), made(torch, "ReduceLROnPlateau", options)
    for number in (3.0, 2.0, 2.0, 2.1, 1.99, 2.2, 2.2, 2.2, 1.0, 0.99, 0.99, 5.0, 5.0, 5.5, 4.0, 4.0, 4.0):
        ours.step(dm.tensor(number))
        theirs.step(number)
        assert options_of(ours) == options_of(theirs)
    again = made(dm, "ReduceLROnPlateau", options)
    again.load_state_dict(ours.state_dict())
    assert (again.best, again.num_bad_epochs, again.get_last_lr()) == (ours.best, ours.num_bad_epochs, ours.get_last_lr())


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES} | {"SequentialLR", "ChainedScheduler", "ReduceLROnPlateau"}))
def test_arguments_have_pytorchs_order_and_defaults(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(lib.optim.lr_scheduler, name).__init__).parameters for lib in (dm, torch))
    assert {key: value.default for key, value in ours.items()} == {key: value.default for key, value in theirs.items()}
    assert list(ours) == list(theirs)


def test_a_schedule_of_ones_own_defines_get_lr() -> None:
    class Halving(optim.lr_scheduler.LRScheduler):
        def get_lr(self) -> list[float]:
            return [base * 0.5**self.last_epoch for base in self.base_lrs]

    rule = Halving(optimizer(dm))
    rule.step()
    assert rule.get_last_lr() == pytest.approx([0.15, 0.025])
    with pytest.raises(NotImplementedError, match=r"LRScheduler has no get_lr\(\); define the rates of the groups"):
        optim.lr_scheduler.LRScheduler(optimizer(dm))


rules = optim.lr_scheduler


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: rules.StepLR(optimizer(dm), 1, last_epoch=3), "StepLR: last_epoch=3 needs initial_lr in group 0"),
        (lambda: rules.LambdaLR(optimizer(dm), [abs]), "LambdaLR: 1 functions for 2 groups; give one, or one for each group"),
        (lambda: rules.ConstantLR(optimizer(dm), 2.0), r"ConstantLR: factor is in \[0, 1\], got 2.0"),
        (
            lambda: rules.LinearLR(optimizer(dm), 0.0),
            r"LinearLR: start_factor is in \(0, 1\], end_factor in \[0, 1\]",
        ),
        (lambda: rules.CosineAnnealingWarmRestarts(optimizer(dm), 0), "T_0 and T_mult are ints of at least 1, got 0 and 1"),
        (lambda: rules.CosineAnnealingWarmRestarts(optimizer(dm), 2).step(-1), "epoch is at least 0, got -1"),
        (lambda: rules.OneCycleLR(optimizer(dm), 0.1), "OneCycleLR needs total_steps, or epochs and steps_per_epoch"),
        (lambda: rules.OneCycleLR(optimizer(dm), 0.1, 0), r"OneCycleLR: total_steps from 1, pct_start in \[0, 1\]"),
        (lambda: rules.OneCycleLR(optimizer(dm, "Adagrad"), 0.1, 9), "cycle_momentum needs an optimizer with momentum or betas"),
        (lambda: rules.SequentialLR(first := optimizer(dm), [rules.StepLR(first, 1)], [2]), "1 schedules need 0 milestones, got 1"),
        (lambda: rules.ChainedScheduler([]), "ChainedScheduler got no schedules; give at least one"),
        (
            lambda: rules.ChainedScheduler([rules.StepLR(optimizer(dm), 1), rules.StepLR(optimizer(dm), 1)]),
            "ChainedScheduler: all schedules belong to one optimizer",
        ),
        (lambda: rules.ReduceLROnPlateau(optimizer(dm), factor=1.0), "ReduceLROnPlateau: factor below 1, 'min' or 'max'"),
    ],
)
def test_a_wrong_argument_is_named(wrong: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        wrong()


def test_one_cycle_ends() -> None:
    rule = rules.OneCycleLR(optimizer(dm), 0.1, total_steps=3)
    for _ in range(3):
        rule.step()
    with pytest.raises(RecipeError, match=r"OneCycleLR: call 4 of step\(\), total_steps is 3"):
        rule.step()


STATES: dict[str, dict[str, Any]] = {
    **{"StepLR": {"step_size": 2}, "MultiStepLR": {"milestones": [1, 2]}, "ExponentialLR": {"gamma": 0.9}, "PolynomialLR": {}},
    **{"ConstantLR": {}, "LinearLR": {}, "CosineAnnealingLR": {"T_max": 4}, "CosineAnnealingWarmRestarts": {"T_0": 3}},
    **{"OneCycleLR": {"max_lr": 0.1, "total_steps": 9, "three_phase": True}, "LambdaLR": {"lr_lambda": lambda epoch: 0.9**epoch}},
    **{"MultiplicativeLR": {"lr_lambda": lambda epoch: 0.9}, "ReduceLROnPlateau": {}, "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1}},
}


@pytest.mark.parametrize("name", STATES)
def test_the_state_of_a_schedule_has_pytorchs_names_order_and_numbers(name: str) -> None:
    told, last = [], []
    for lib in (dm, torch):
        rule = lib.optim.SGD([lib.ones(2, requires_grad=True)], lr=0.1, momentum=0.9)
        schedule = getattr(lib.optim.lr_scheduler, name)(rule, **STATES[name])
        for _ in range(3):
            rule.step()
            schedule.step(1.0) if name == "ReduceLROnPlateau" else schedule.step()
        told.append(schedule.state_dict())
        rule.param_groups[0]["lr"] = 7.0
        last.append(schedule.get_last_lr())
        again = getattr(lib.optim.lr_scheduler, name)(rule, **STATES[name])
        again.load_state_dict(dict(told[0]))  # either way
        assert again.last_epoch == 3
    mine, judge = ({**state, "_schedule_phases": 0} for state in told)
    assert mine.keys() == judge.keys() and last[0] == pytest.approx(last[1], rel=1e-6)
    for key, value in judge.items():
        if isinstance(value, (float, list)) and key not in ("lr_lambdas", "_schedulers"):
            assert mine[key] == pytest.approx(value, rel=1e-6), key
        elif key != "_anneal_func_type":
            assert mine[key] == value, key


def test_schedules_of_several_have_pytorchs_state_and_last_rate() -> None:
    told = []
    for lib in (dm, torch):
        kinds, rule = lib.optim.lr_scheduler, lib.optim.SGD([lib.ones(2, requires_grad=True)], lr=0.1)
        parts = [kinds.LinearLR(rule, 0.1, total_iters=2), kinds.CosineAnnealingLR(rule, 6)]
        row = kinds.SequentialLR(rule, parts, [2])
        for _ in range(4):
            rule.step()
            row.step()
        rule.param_groups[0]["lr"] = 5.0
        both = kinds.ChainedScheduler([kinds.StepLR(rule, 2)])
        told.append([*row.get_last_lr(), *both.get_last_lr(), sorted(row.state_dict()), sorted(both.state_dict())])
    assert told[0][:2] == pytest.approx(told[1][:2], rel=1e-6) and told[0][2:] == told[1][2:]
