"""Capture and replay on WebGL2: equal to eager steps bit for bit, one call across the border, no waiting for losses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest


class Lab(Protocol):
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    page: Any

    def run(self, source: str) -> Any: ...


SOURCE = (Path(__file__).parents[1] / "library" / "capture_cases.py").read_text()
NAMES = [
    "sgd", "momentum", "nesterov", "adam", "adam_decay", "adamw", "maximize", "dropout", "schedule",
    "weight_decay_schedule", "clipping", "train_eval", "two_models", "accumulation", "average", "seeded",
    "batch_norm", "batch_norm_train_eval", "batch_norm_plain_average",
]  # fmt: skip


def cases(lab: Lab, code: str) -> Any:
    """Runs code after the cases' module; its last line is a value for JSON."""
    lines = code.strip().splitlines()
    return lab.run(SOURCE + "\nimport json\n" + "\n".join(lines[:-1]) + f"\njson.dumps({lines[-1]})")


def test_every_case_is_named(lab: Lab) -> None:
    assert cases(lab, "list(CASES)") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_replayed_run_is_the_eager_one_bit_for_bit_on_webgl(lab: Lab, name: str) -> None:
    found = cases(lab, f"compared({name!r})")
    assert all(found["same"].values()), json.dumps(found)
    assert found["replays"] >= 25 and found["plans"] <= 1


COUNTING = """
import js
bridge = engine.backend()._bridge
calls, untouched = [], dict(vars(bridge))
def count(name, plain):
    def counted(*values):
        calls.append(name)
        return plain(*values)
    setattr(bridge, name, counted)
for name in ("run", "upload", "upload_all", "read", "texture", "compile"):
    count(name, getattr(bridge, name))
"""


def test_a_replayed_step_is_one_call_and_many_steps_are_one_call_too(lab: Lab) -> None:
    found = cases(
        lab,
        COUNTING
        + """
case = Case()
call = dm.compile(CASES["adam"](case))
losses = [call(*batch(k)) for k in range(4)]
calls.clear()
one = call(*batch(4))
single = [name for name in calls if name != "texture"]
calls.clear()
found = call.many([batch(k) for k in range(5, 13)])
together = [name for name in calls if name != "texture"]
found += call.many([batch(k) for k in range(13, 25)])
vars(bridge).clear()
vars(bridge).update(untouched)
numbers = [loss.item() for loss in (*losses, one, *found)]
other = Case()
eager = CASES["adam"](other)
wanted = [eager(*map(dm.tensor, batch(k))).item() for k in range(25)]
sent = {"single": single, "together": together}
sent | {"same": numbers == wanted, "replays": call.replays, "cpu_ops": engine.counters().cpu_ops}
""",
    )
    once = ["upload_all", "run"]
    sent = {"single": once, "together": once}
    assert found == {**sent, "same": True, "replays": 22, "cpu_ops": 0}


def test_textures_stay_flat_over_many_replays(lab: Lab) -> None:
    found = cases(
        lab,
        """
import gc
case = Case()
call = dm.compile(CASES["dropout"](case))
gc.collect()
gc.disable()
seen = []
for k in range(200):
    call(*batch(k)).item_later().result()
    seen.append(engine.backend().stats()["textures"])
gc.enable()
seen
""",
    )
    assert len(set(found[10:])) == 1


def test_a_number_arrives_between_two_turns_of_the_event_loop(lab: Lab) -> None:
    start = """
import distml_py as dm, distml_py
x = dm.tensor([[float(n) for n in range(64)]] * 64)
distml_py.kept = [(x @ x * scale).sum().item_later() for scale in (0.5, 1.0, 2.0)]
distml_py.wanted = [(x @ x * scale).sum().item() for scale in (0.5, 1.0, 2.0)]
"null"
"""
    lab.run(start)
    for _ in range(100):
        lab.page.wait_for_timeout(20)
        if lab.run("import distml_py, json; json.dumps(all(number.ready() for number in distml_py.kept))"):
            break
    else:
        raise AssertionError("it never arrives")
    ask = "[number.result() for number in distml_py.kept] == distml_py.wanted"
    assert lab.run(f"import distml_py, json; json.dumps({ask})") is True


def test_a_read_back_that_is_asked_at_once_waits_and_one_that_is_dropped_is_forgotten(lab: Lab) -> None:
    found = cases(
        lab,
        """
import js
def left():
    return json.loads(engine.backend()._bridge.stats())["read_backs"]
x = dm.tensor([1.5, 2.5, 4.0])
later = [(x * n).sum().item_later() for n in range(12)]
on_the_way = left()
numbers = [number.result() for number in later[:10]]
again = [number.result() for number in later[:10]]
integers = engine.fetch_later(dm.tensor([[1, -2], [3, 4]]).node).result().tolist()
flags = engine.fetch_later((x > 2).node).result().tolist()
del later
[numbers, again == numbers, integers, flags, on_the_way, left()]
""",
    )
    assert found == [[8.0 * n for n in range(10)], True, [[1, -2], [3, 4]], [False, True, True], 12, 0]


def test_numbers_on_their_way_are_not_made_up_when_the_gpu_is_lost(new_lab: Callable[[], Lab]) -> None:
    lab = new_lab()
    lab.run("import distml_py as dm, distml_py\ndistml_py.kept = [dm.tensor([3.0]).sum().item_later() for _ in 'ab']\n'null'")
    lab.page.evaluate("() => bridge.lose()")
    lab.page.wait_for_timeout(100)
    ask = """
import distml_py, json
from distml_py.errors import BackendError
found = []
for ask in (distml_py.kept[0].ready, distml_py.kept[0].result, distml_py.kept[1].result):
    try:
        found.append(ask())
    except BackendError as error:
        found.append(str(error))
json.dumps(found)
"""
    for found, wanted in zip(lab.run(ask), ["context lost", "these numbers were lost with the GPU", "context lost"], strict=True):
        assert wanted in found
    lab.page.close()
