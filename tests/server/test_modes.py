"""Local and asynchronous steps, quorum, shares by speed: the rounds under a clock that only moves when told."""

from pathlib import Path
from typing import Any

import pytest

from distml_py import Recipe, wire
from distml_py.errors import FormatError, RecipeError
from distml_py.exchange import NAMES, Exchange, exchange_of
from distml_server import cli
from distml_server import effects as do
from distml_server.access import Access
from distml_server.coordinator import Coordinator
from distml_server.store import Store
from distml_server.tempo import Tempo
from peers import start, weights
from test_rounds import World, rejections


def world(mode: str = "sync", /, **changes: Any) -> World:
    names = {"codec", "local_steps", "staleness", "quorum"}
    settings = {name: changes.pop(name) for name in list(changes) if name in names}
    return World(exchange={"mode": mode, **settings}, **changes)


def commits(found: World) -> list[int]:
    return [effect.version for effect in found.log if isinstance(effect, do.Commit)]


class Simulation:
    """Workers that take so many seconds a sample, in a world with time."""

    def __init__(self, found: World, speeds: dict[str, float]) -> None:
        self.world, self.speeds = found, speeds
        self.ready: dict[str, tuple[str, float]] = {}  # worker -> lease, when it is done
        self.done: dict[str, int] = dict.fromkeys(speeds, 0)
        self.ends: list[float] = []
        found.join(*speeds)

    def run(self, until_s: float, every_s: float = 0.05) -> None:
        """Answers leases one after another; ticks as the coordinator does."""
        end = self.world.now + until_s
        tick = self.world.now + every_s
        while self.world.now < end and self.world.rounds.state == "training":
            for worker in self.speeds:
                held = self.world.rounds.workers[worker].leases
                if worker in self.ready and self.ready[worker][0] not in held:
                    continue  # it goes on with what nobody waits for
                if worker not in self.ready and held:
                    lease = next(iter(held.values()))
                    size = lease.size if lease.shard is not None else 20
                    self.ready[worker] = (lease.id, self.world.now + self.speeds[worker] * size)
            self.world.now = min([tick, *(when for _, when in self.ready.values())])
            if self.world.now == tick:
                self.world.wait(0)
                tick += every_s
            for worker, (lease_id, when) in list(self.ready.items()):
                if when <= self.world.now:
                    del self.ready[worker]
                    self.answer(worker, lease_id)

    def answer(self, worker: str, lease_id: str) -> None:
        lease = self.world.rounds.workers[worker].leases.get(lease_id)
        before = len(commits(self.world))
        if lease is None:
            self.world.say(worker, wire.Gradient("run", 0, 0, 0, lease_id, 4, 0.5, 0))
        elif lease.shard is None:
            self.world.evaluate(worker)
        else:
            message = wire.Gradient("run", lease.step, lease.version, lease.shard, lease.id, lease.count, 0.5, 0)
            self.world.say(worker, message)
            self.done[worker] += 1
        self.ends += [self.world.now] * (len(commits(self.world)) - before)

    def step_times(self) -> list[float]:
        return [after - before for before, after in zip(self.ends, self.ends[1:], strict=False)]


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mode": "magic"}, "mode is sync, local, async, got 'magic'"),
        ({"codec": "zip"}, "codec is fp32, fp16, int8, topk, got 'zip'"),
        ({"local_steps": -1}, "local_steps is int from 0 to 1024, got -1"),
        ({"local_steps": 2.5}, "local_steps is int"),
        ({"staleness": True}, "staleness is int"),
        ({"quorum": 0.0}, "quorum is float from 0.1 to 1"),
        ({"outer_lr": float("nan")}, "outer_lr is float"),
        ({"speed": 1}, "an exchange has mode, codec, .*, got 'speed'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(FormatError, match=words):
        exchange_of(changes)


def test_a_deterministic_run_is_synchronous_with_fp32() -> None:
    assert Exchange("async", "topk", quorum=0.5).deterministic() == Exchange()


def test_with_topk_workers_take_the_steps_themselves() -> None:
    assert Exchange(codec="topk").settled() == Exchange("local", "topk", 1)
    for kept in (Exchange("async", "topk"), Exchange("local", "topk", 4), Exchange(codec="int8"), Exchange("async")):
        assert kept.settled() == kept
    assert [Exchange(mode, codec).own_steps for mode, codec in (("async", "topk"), ("local", "fp32"), ("async", "int8"))] == [
        True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("exchange", "outer"),
    [
        (Exchange("local"), (0.7, 0.9)),
        (Exchange("local", "int8", 64), (0.7, 0.9)),
        (Exchange("local", local_steps=15), (1.0, 0.0)),
        (Exchange("local", local_steps=0), (1.0, 0.0)),
        (Exchange("local", "topk", 64), (1.0, 0.0)),
        (Exchange("async", "topk"), (1.0, 0.0)),
        (Exchange("local", "topk", 4, 0.5, 0.8), (0.5, 0.8)),
        (Exchange("local", local_steps=1, outer_momentum=0.9), (1.0, 0.9)),
        (Exchange("local", outer_lr=1.0), (1.0, 0.9)),
    ],
)
def test_the_mean_of_few_steps_is_taken_as_it_is_and_what_was_chosen_is_kept(
    exchange: Exchange, outer: tuple[float, float]
) -> None:
    assert exchange.outer == outer


def test_what_the_document_says_is_what_recipes_and_the_command_take() -> None:
    text = (Path(__file__).parents[2] / "docs" / "exchange.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    found: dict[str, Any] = {"Recipe": Recipe}
    exec(code, found)
    assert found["Mine"]().exchange() == Exchange("local", "int8")
    command = text.split("```text\n")[1].split("```")[0].split()
    options = cli.parser().parse_args(command[1:])
    assert exchange_of({name: getattr(options, name) for name in NAMES if getattr(options, name) is not None}) == Exchange(
        "local", "int8", 16
    )


def test_a_recipe_with_an_impossible_exchange_is_refused_by_name() -> None:
    class Odd(Recipe):
        codec = "zip"

    with pytest.raises(RecipeError, match="Odd: a run's codec is fp32, fp16, int8, topk, got 'zip'"):
        Odd().exchange()


@pytest.mark.parametrize("asked", [{"codec": "int8"}, {"mode": "async"}, {"quorum": 0.5}])
def test_a_deterministic_coordinator_refuses_what_would_not_repeat(tmp_path: Path, asked: dict[str, Any]) -> None:
    store = Store(tmp_path)
    try:
        name = next(iter(asked))
        with pytest.raises(FormatError, match=f"a deterministic run has {name} .*: leave one of them away"):
            Coordinator(store, Access(False), True, exchange=asked).begin(start(), weights())
        quiet = Coordinator(store, Access(False), True)
        quiet.begin(start(exchange={"codec": "int8", "mode": "async"}), weights())  # a recipe's wish gives way
        assert quiet.rounds.run is not None and quiet.rounds.run.exchange == Exchange().config()
    finally:
        store.close()


# ---------------------------------------------------------------- local


def test_in_local_mode_a_round_is_several_steps_of_every_shard() -> None:
    found = world("local", local_steps=3, steps=8, evaluate_every=4)
    found.join("a", "b")
    assert [(lease.step, lease.steps) for lease in found.leases("a") + found.leases("b")] == [(0, 3)] * 2
    found.work("a", "b")
    assert commits(found) == [3, 6, 8] and found.rounds.state == "finished"
    assert [lease.steps for lease in found.sent("a", wire.Lease) + found.sent("b", wire.Lease)].count(2) == 2
    evaluated = sorted(m.step for worker in "ab" for m in found.sent(worker, wire.Evaluate) if m.split == "validation")
    assert evaluated == [6, 8]  # step 4 was passed over on the way


def test_in_local_mode_nobody_steps_alone() -> None:
    found = world("local")
    found.join("h", role="host")
    assert found.rounds.mode == "shared" and found.leases("h")


def test_the_number_of_local_steps_follows_what_transfers_take() -> None:
    slow_network, fast_network = Tempo(0), Tempo(0)
    assert slow_network.steps() == 4
    for _ in range(50):
        slow_network.add(1.0 + 0.01 * slow_network.steps(), 0.01 * slow_network.steps(), slow_network.steps())
        fast_network.add(0.001 + 0.01 * fast_network.steps(), 0.01 * fast_network.steps(), fast_network.steps())
    assert slow_network.steps() == 128 and fast_network.steps() == 1
    assert Tempo(7).steps() == 7
    fast_network.add(1.0, 99.0, 1)  # no worker computed for longer than it took
    assert fast_network._transfer_s is not None and fast_network._transfer_s >= 0


def test_adaptive_rounds_come_to_an_end() -> None:
    found = world("local", local_steps=0, steps=50)
    found.join("a")
    found.work("a")
    assert commits(found)[-1] == 50 and commits(found) == sorted(set(commits(found)))


# ---------------------------------------------------------------- asynchronous


def test_in_async_mode_a_slow_worker_stops_nobody_and_each_shard_counts_once() -> None:
    found = world("async", staleness=2, steps=40, evaluate_every=100)
    simulation = Simulation(found, {"fast": 0.01, "slow": 0.35})
    simulation.run(60)
    assert found.rounds.state == "finished" and commits(found) == list(range(1, 41))
    taken = [(effect.step, effect.shard) for effect in found.log if isinstance(effect, do.Take)]
    assert sorted(taken) == [(step, shard) for step in range(40) for shard in range(2)]


def test_in_async_mode_an_old_answer_counts_less_and_one_too_old_not_at_all() -> None:
    found = world("async", staleness=1, steps=9)
    found.join("a", "b")
    old = found.leases("b")[0]
    assert old.newest
    mine = found.leases("a")
    for lease in mine:
        found.answer("a", lease)
    assert commits(found) == [1]
    found.answer("b", old)
    take = [effect for effect in found.log if isinstance(effect, do.Take)][-1]
    assert (take.step, take.shard) == (old.step, old.shard)
    assert take.weight == pytest.approx(2**-0.5)
    older = found.leases("b")[0]
    assert older.version == 0
    while found.rounds.version < 2:
        found.answer("a", found.leases("a")[0], version=found.rounds.version)
    assert rejections(found.answer("b", older)) == ["stale"]
    assert older.lease not in found.rounds.workers["b"].leases, "it is to be computed again, by anybody"
    assert rejections(found.answer("b", found.leases("b")[0], version=7)) == ["no_lease"]


def test_in_async_mode_no_work_lies_further_ahead_than_the_staleness() -> None:
    found = world("async", staleness=3, steps=50)
    found.join(*"abcdefgh")
    units = [lease for worker in "abcdefgh" for lease in found.leases(worker)]
    assert max(lease.step for lease in units) <= 3
    assert len({(lease.step, lease.shard) for lease in units}) == len(units) == 8


# ---------------------------------------------------------------- quorum


def test_with_a_quorum_a_step_waits_twice_the_usual_time_and_no_longer() -> None:
    found = world(quorum=0.5, steps=50)
    found.join("a", "b")
    for lease in found.leases("a"):
        found.now += 1
        found.answer("a", lease)
    for _ in range(3):  # the usual step: a second
        found.now += 1
        for worker in "ab":
            for lease in found.leases(worker):
                found.answer(worker, lease)
    before = found.rounds.version
    found.rounds.book.pace.mean_s = 100.0  # nobody is given b's shard as well
    (mine,), (late,) = found.leases("a"), found.leases("b")
    found.answer("a", mine)
    found.wait(1.0)
    assert found.rounds.version == before
    found.wait(3.0)
    assert found.rounds.version == before + 1
    assert rejections(found.answer("b", late)) == ["stale"]


def test_without_a_quorum_and_in_deterministic_runs_all_shards_are_waited_for() -> None:
    for found in (world(quorum=1.0, steps=9), World(True, exchange={"quorum": 0.5}, steps=9)):
        found.join("a", "b")
        for lease in found.leases("a"):
            found.now += 1
            found.answer("a", lease)
        found.rounds.book.pace.mean_s = 100.0
        found.answer("a", found.leases("a")[0])
        found.wait(30.0)
        assert found.rounds.version == 1


# ---------------------------------------------------------------- shares


def test_a_worker_ten_times_slower_does_not_slow_the_steps_and_gets_fewer_shards() -> None:
    found = World(shards=8, batch_size=64, steps=10**6, evaluate_every=10**6)
    simulation = Simulation(found, {"a": 0.01, "b": 0.01, "c": 0.01, "slow": 0.1})
    simulation.run(30)
    times = sorted(simulation.step_times()[3:])  # it has been met by then
    even = 8 / 3 * 8 * 0.01  # three workers share eight shards of eight samples
    assert times[len(times) // 2] <= 1.4 * even
    assert times[-1] <= 2 * times[len(times) // 2]
    assert simulation.done["slow"] < 0.3 * min(simulation.done[name] for name in "abc")
    assert len(found.sent("slow", wire.Lease)) > 2  # it is tried again


def test_a_worker_twice_as_fast_gets_about_twice_the_shards() -> None:
    found = World(shards=12, batch_size=48, steps=10**6, evaluate_every=10**6)
    simulation = Simulation(found, {"fast": 0.01, "slow": 0.02})
    simulation.run(20)
    assert 1.6 < simulation.done["fast"] / simulation.done["slow"] < 2.5


def test_a_tab_much_slower_than_a_terminals_worker_still_counts_now_and_then() -> None:
    found = World(shards=4, batch_size=16, steps=10**6, evaluate_every=10**6)
    simulation = Simulation(found, {"terminal": 0.003, "tab": 0.05})
    simulation.run(10)
    tab = found.rounds.workers["tab"]
    assert simulation.done["tab"] >= 2 and tab.contributing(found.now)
    assert simulation.done["terminal"] > 20 * simulation.done["tab"]


def test_two_tabs_of_one_machine_share_fairly() -> None:
    """Equal workers, or two that take turns in being slow: neither gets less than a third."""
    for speeds in ({"a": 0.01, "b": 0.0101}, {"a": 0.0125, "b": 0.01}):
        found = World(shards=3, batch_size=12, steps=10**6, evaluate_every=10**6)
        simulation = Simulation(found, speeds)
        for _ in range(20):
            simulation.run(1)
            speeds["a"], speeds["b"] = speeds["b"], speeds["a"]
        share = simulation.done["a"] / sum(simulation.done.values())
        assert 1 / 3 < share < 2 / 3


@pytest.mark.fault("R3")
@pytest.mark.parametrize("second_s", [0.005, 0.05])
def test_a_worker_that_was_frozen_has_work_again_within_seconds_however_long_that_was(second_s: float) -> None:
    """Pieces of 20 and 200 ms. It is given some in vain while it is frozen, all of which teach no more than the first."""
    for frozen_s, within_s in ((3, 12.0), (30, 2.5)):  # after 3 s it may as well be slow
        found = World(shards=4, batch_size=16, steps=10**6, evaluate_every=10**6)
        simulation = Simulation(found, {"frozen": second_s, "other": second_s})
        simulation.run(2)
        simulation.speeds["frozen"] = 1e9
        simulation.run(frozen_s)
        simulation.speeds["frozen"], before = second_s, simulation.done["frozen"]
        simulation.ready["frozen"] = simulation.ready["frozen"][0], found.now + 4 * second_s  # goes on with what it had in hand
        simulation.run(within_s)
        assert simulation.done["frozen"] > before + 2


def test_an_idle_worker_that_was_slow_once_is_tried_again() -> None:
    found = World(shards=2, steps=10**6, evaluate_every=10**6)
    speeds = {"a": 0.04, "b": 2.0}
    simulation = Simulation(found, speeds)
    simulation.run(20)
    before = simulation.done["b"]
    speeds["b"] = 0.04
    simulation.run(60)
    assert simulation.done["b"] - before > 50


def test_a_joiner_comes_in_with_the_next_step() -> None:
    found = World(shards=2, steps=50)
    found.join("a")
    found.join("b")
    assert not found.leases("b")
    for lease in found.leases("a"):
        found.answer("a", lease)
    assert found.leases("b")


# ---------------------------------------------------------------- coming back


def test_who_comes_back_with_its_session_is_known_again_and_has_its_weights() -> None:
    found = World(steps=50)
    found.note(found.rounds.connect("w1", "w", "worker", found.now, "s"))
    found.say("w1", wire.Join("run", "reference", "d", "p"))
    for lease in found.leases("w1"):
        found.answer("w1", lease)
    pace = found.rounds.workers["w1"].pace
    found.leave("w1")
    found.note(found.rounds.connect("w2", "w", "worker", found.now, "s"))
    worker = found.rounds.workers["w2"]
    assert worker.shards_done == 2 and worker.pace is pace
    effects = found.say("w2", wire.Join("run", "reference", "d", "p", 1, "hash"))
    assert not [effect for effect in effects if isinstance(effect, do.SendWeights)]
    assert found.leases("w2")
    found.note(found.rounds.connect("w3", "w", "worker", found.now, "s"))
    assert found.rounds.workers["w3"].shards_done == 0  # known once


def test_who_asks_for_its_weights_again_gets_them_and_its_work_is_free() -> None:
    found = World(steps=50)
    found.join("a")
    leases = found.leases("a")
    effects = found.say("a", wire.Resync("run", 0))
    assert [effect for effect in effects if isinstance(effect, do.SendWeights)] == [do.SendWeights(("a",), 0)]
    assert rejections(found.answer("a", leases[0])) == ["stale"]
    assert {lease.shard for lease in found.leases("a")} == {0, 1}
    assert found.say("a", wire.Resync("old", 0)) == []


@pytest.mark.parametrize("text", ["-5", "nan", "1e9", "soon"])
def test_a_wait_that_is_none_is_refused_in_words(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.parser().parse_args(["serve", "--local-worker-after", text])
    assert f"seconds from 0 to 86400, got '{text}'" in capsys.readouterr().err
