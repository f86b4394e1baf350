"""The curve that is kept for pages that come later."""

from distml_server.curve import MOST, Curve


def told(step: int | None, run: str | None = "a", **evaluated: float) -> dict[str, object]:
    return {"run": run, "step": step, "loss": None if step is None else 1 / (1 + step), **evaluated}


def steps(curve: Curve) -> list[int]:
    return [point["step"] for point in curve.points]


def test_a_step_is_one_point_and_an_evaluation_is_told_where_it_was_made() -> None:
    curve = Curve()
    evaluated = {"val_loss": 0.5, "accuracy": 0.9}
    for status in (told(None, None), told(0), told(3), told(3), told(5, **evaluated), told(8, **evaluated)):
        curve.add(status)
    assert steps(curve) == [3, 5, 8]
    assert [point["val_loss"] for point in curve.points] == [None, 0.5, None]
    curve.add(told(8, val_loss=0.4, accuracy=0.9))
    assert curve.points[-1]["val_loss"] == 0.4


def test_a_run_that_goes_back_loses_what_did_not_happen_and_another_run_begins_anew() -> None:
    curve = Curve()
    for step in (10, 20, 30, 15):
        curve.add(told(step))
    assert steps(curve) == [10, 15]
    curve.add(told(1, "b"))
    assert (curve.run, steps(curve)) == ("b", [1])
    curve.add(told(None, None))
    assert (curve.run, curve.points) == (None, [])


def test_a_long_run_keeps_its_shape_and_its_evaluations_in_so_many_points() -> None:
    curve = Curve()
    for step in range(1, 5 * MOST):
        evaluated = {"val_loss": 1 / step, "accuracy": 0.5} if step % 500 == 0 else {}
        curve.add(told(step, **evaluated))
        assert len(curve.points) <= MOST
    assert {point["step"] for point in curve.points if point["val_loss"] is not None} == set(range(500, 5 * MOST, 500))
    assert steps(curve) == sorted(steps(curve)) and steps(curve)[0] < 10 and steps(curve)[-1] > 5 * MOST - 20


def test_a_run_that_is_evaluated_at_each_look_keeps_its_beginning() -> None:
    curve = Curve()
    for step in range(1, 5 * MOST):
        curve.add(told(step, val_loss=1 / step, accuracy=0.5))
        assert len(curve.points) <= MOST
    assert steps(curve)[0] == 1 and steps(curve)[-1] > 5 * MOST - 20
