"""S23 and S25 as `nox -s attacks` tries them, with one seed."""

from collections.abc import Callable

import pytest

import attacks

SEED, STEPS = 0, 200


@pytest.mark.fault("S23")
def test_s23_training_with_two_liars_of_eight_ends_within_three_points_of_training_without() -> None:
    rows = {attack: {"trimmed_mean": attacks.finished(attack, "trimmed_mean", SEED, STEPS)} for attack in attacks.HELD}
    rows["none"] = {}
    for attack in ("none", *attacks.WRECKING):
        rows[attack]["mean"] = attacks.finished(attack, "mean", SEED, STEPS)
    assert attacks.held(rows) == []


@pytest.mark.fault("S25")
def test_s25_what_stays_just_inside_the_spread_is_not_covered_and_its_effect_is_recorded(
    record_property: Callable[[str, object], None],
) -> None:
    for name in ("trimmed_mean", "centered_clipping"):
        record_property(f"accuracy under ALIE, {name}", attacks.finished("ALIE", name, SEED, STEPS))


def test_the_check_names_what_is_not_held_and_an_attack_that_proves_nothing() -> None:
    good = {"mean": 0.5, "trimmed_mean": 0.95}
    rows = {attack: dict(good) for attack in attacks.ATTACKS} | {"none": {"mean": 0.97, "trimmed_mean": 0.95}}
    assert attacks.held(rows) == []
    rows["copy"]["trimmed_mean"], rows["constant"]["mean"] = 0.93, 0.95
    assert attacks.held(rows) == [
        "copy: trimmed_mean has 0.930, at least 0.940 is asked",
        "constant: the plain mean bears it, so it proves nothing",
    ]
