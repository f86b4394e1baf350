"""torch.nn.utils.prune against PyTorch: the same masks from the same weights, the same names, and the way back."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.utils.prune  # noqa: F401

import distml_py as dm
from distml_py.errors import ArgumentError, ShapeError

WEIGHT = np.random.RandomState(0).randn(6, 2, 3, 3).astype(np.float32)
RULES = [
    ("l1_unstructured", {"amount": 0.3}),
    ("l1_unstructured", {"amount": 7}),
    ("ln_structured", {"amount": 0.5, "n": 2, "dim": 0}),
    ("ln_structured", {"amount": 1, "n": float("inf"), "dim": 1}),
    ("identity", {}),
]


def layer_of(library: Any) -> Any:
    layer = library.nn.Conv2d(2, 6, 3)
    layer.load_state_dict({"weight": library.tensor(WEIGHT), "bias": library.tensor(WEIGHT[:, 0, 0, 0])})
    return layer


def same(ours: Any, theirs: Any) -> None:
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name].numpy(), value.numpy(), err_msg=name)


@pytest.mark.parametrize(("rule", "options"), RULES)
def test_a_rule_gives_pytorchs_mask_and_its_gradient(rule: str, options: dict[str, Any]) -> None:
    layers = [layer_of(library) for library in (dm, torch)]
    for library, layer in zip((dm, torch), layers, strict=True):
        assert getattr(library.nn.utils.prune, rule)(layer, "weight", **options) is layer
        layer(library.ones(1, 2, 4, 4)).square().sum().backward()
    same(*layers)
    ours, theirs = layers
    np.testing.assert_allclose(ours.weight_orig.grad.numpy(), theirs.weight_orig.grad.numpy(), rtol=1e-4, atol=1e-4)
    assert dm.nn.utils.prune.is_pruned(ours)


def test_rules_one_after_another_prune_what_is_left_and_go_away_again() -> None:
    layers = [layer_of(library) for library in (dm, torch)]
    for library, layer in zip((dm, torch), layers, strict=True):
        prune = library.nn.utils.prune
        prune.l1_unstructured(layer, "weight", amount=0.3)
        prune.ln_structured(layer, "weight", amount=0.5, n=2, dim=0)
        prune.l1_unstructured(layer, "weight", amount=3)
        prune.l1_unstructured(layer, "bias", amount=2)
    same(*layers)
    for library, layer in zip((dm, torch), layers, strict=True):
        library.nn.utils.prune.remove(layer, "weight")
    same(*layers)
    ours = layers[0]
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in layers[1].named_parameters()]
    with pytest.raises(ArgumentError, match="'weight' of Conv2d is not pruned"):
        dm.nn.utils.prune.remove(ours, "weight")


def test_one_rule_over_several_parameters_and_a_rule_of_ones_own() -> None:
    def run(library: Any) -> tuple[Any, Any]:
        prune = library.nn.utils.prune
        first, second = layer_of(library), layer_of(library)
        with library.no_grad():
            second.weight.mul_(0.5)
        prune.global_unstructured([(first, "weight"), (second, "weight")], prune.L1Unstructured, amount=0.4)

        class EveryOther(prune.BasePruningMethod):  # type: ignore[misc, name-defined]
            PRUNING_TYPE = "unstructured"

            def compute_mask(self, t: Any, default_mask: Any) -> Any:
                mask = default_mask.clone()
                mask.view(-1)[::2] = 0
                return mask

        EveryOther.apply(first, "bias")
        return first, second

    for ours, theirs in zip(run(dm), run(torch), strict=True):
        same(ours, theirs)


def test_chance_prunes_as_many_as_asked_and_wrong_amounts_are_told() -> None:
    layer = layer_of(dm)
    dm.nn.utils.prune.random_unstructured(layer, "weight", amount=0.25)
    assert (layer.weight_mask == 0).sum().item() == 27
    dm.nn.utils.prune.random_structured(layer_of(dm), "weight", amount=2, dim=0)
    for amount, message in (
        ("all", "amount is a number, got str"),
        (1.5, r"a share from 0.0 to 1.0, got 1.5"),
        (999, "more than the 108"),
    ):
        with pytest.raises(ArgumentError, match=message):
            dm.nn.utils.prune.l1_unstructured(layer_of(dm), "weight", amount=amount)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="structured pruning needs at least 2 dimensions"):
        dm.nn.utils.prune.ln_structured(layer_of(dm), "bias", amount=1, n=2, dim=0)
