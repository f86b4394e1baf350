"""Sampled audits: who sends zeros, noise or old work is caught in time, ejected, and loses its credit; who is right never is."""

import asyncio
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crowd import RECIPE
from distml_py import wire
from distml_py.exchange import Exchange
from distml_server import audit, local_workers
from distml_server import effects as do
from distml_server.audit import Answer, Audits, Sketcher
from distml_server.guards import Guards
from distml_server.rounds import Rounds
from distml_server.serve import prepare
from peers import serving, start, weights
from test_rounds import World

SIZE = 1000
SKETCH = Sketcher(SIZE, 7)


def right(unit: int) -> np.ndarray:
    """The work of a shard, the same whoever does it."""
    return np.random.default_rng(unit).normal(0, 1, SIZE).astype(np.float32)


def on_a_gpu(unit: int) -> np.ndarray:
    return right(unit) * np.float32(1 + 1e-3) + np.random.default_rng(unit + 1).normal(0, 1e-3, SIZE).astype(np.float32)


def stale(unit: int) -> np.ndarray:
    return right(unit - 1)


CHEATS = {"zeros": lambda unit: np.zeros(SIZE, np.float32), "stale": stale, "noise": lambda unit: right(unit + 10**6)}


class Cluster(World):
    """Workers that answer with real numbers; each is its own owner."""

    def __init__(self, seed: int, rate: float, work: dict[str, object], network: str = "10.0.0.") -> None:
        super().__init__(steps=10_000, shards=len(work), evaluate_every=10_000)
        self.rounds = Rounds(False, rate, random.Random(seed).random)
        self.note(self.rounds.start(self.run))
        self.how, self.network = work, network
        self.sent_by = dict.fromkeys(work, 0)
        for name in work:
            self.enter(name)

    def enter(self, name: str, role: str = "worker", backend: str = "reference") -> None:
        self.note(self.rounds.connect(name, name, role, self.now, name, self.network and self.network + name))
        self.say(name, wire.Join("run", backend, "d", "p"))

    def host(self, backend: str = "reference") -> "Cluster":
        self.how["h"], self.sent_by["h"] = right, 0
        self.enter("h", "host", backend)
        return self

    def turn(self, name: str) -> list[do.Effect]:
        """One answer of this worker, if it has been asked for one."""
        leases = self.leases(name) if name in self.rounds.workers else []
        if not leases:
            return []
        lease = leases[0]
        vector = self.how[name](lease.step * self.run.shards + lease.shard + 1)  # type: ignore[operator]
        message = wire.Gradient("run", lease.step, lease.version, lease.shard, lease.lease, lease.count, 0.5, 0)
        self.sent_by[name] += 1
        self.now += 0.01
        return self.note(self.rounds.receive(name, message, self.now, SKETCH.of(vector)))

    def until_caught(self, cheat: str, most: int) -> list[do.Eject]:
        names = list(self.how)
        for _ in range(most):
            for name in names:
                self.turn(name)
                caught = [effect for effect in self.log if isinstance(effect, do.Eject)]
                if caught:
                    return caught
            self.wait(0.2)
            self.log = [effect for effect in self.log if not isinstance(effect, do.Commit | do.SendWeights)][-200:]
        return []


@pytest.mark.fault("S24")
def test_s24_a_free_rider_is_caught_within_59_shards_of_a_hundred_runs_in_95() -> None:
    in_time = 0
    for seed in range(100):
        cluster = Cluster(seed, audit.RATE, {"a": right, "b": on_a_gpu, "c": right, "x": CHEATS["zeros"]})
        cluster.until_caught("x", 59)
        in_time += bool([effect for effect in cluster.log if isinstance(effect, do.Eject)])
        assert {effect.worker for effect in cluster.log if isinstance(effect, do.Eject)} <= {"x"}
    assert in_time >= 93, "0.95 to be expected, less two deviations"


@pytest.mark.fault("S24")
@pytest.mark.parametrize("cheat", CHEATS)
def test_s24_who_is_caught_is_ejected_banned_and_loses_its_credit(cheat: str) -> None:
    cluster = Cluster(3, 0.5, {"a": right, "b": on_a_gpu, "c": right, "x": CHEATS[cheat]})
    cluster.turn("x")
    assert cluster.rounds.workers["x"].shards_done == 1
    (caught,) = cluster.until_caught("x", 200)
    assert caught.worker == "x" and "two others computed the same shard" in caught.detail
    worker = cluster.rounds.workers["x"]
    assert (worker.shards_done, worker.quarantined, worker.strikes, worker.leases) == (0, True, 6, {})
    assert cluster.rounds.conduct.banned("10.0.0.x") and cluster.rounds.rejected["audit"] == 1
    assert not any(cluster.rounds.workers[name].strikes for name in "abc")
    cluster.leave("x")
    cluster.enter("x")
    assert not cluster.leases("x") and cluster.rounds.workers["x"].shards_done == 0


def test_an_audited_shard_counts_once_and_right_work_is_never_convicted() -> None:
    cluster = Cluster(1, 1.0, {"a": right, "b": on_a_gpu, "c": right})
    before = cluster.rounds.version
    for _ in range(40):
        for name in "abc":
            cluster.turn(name)
        cluster.wait(0.05)
    assert cluster.rounds.version > before + 5 and not any(isinstance(effect, do.Eject) for effect in cluster.log)
    assert all(sorted(shards) == [0, 1, 2] for step, shards in cluster.took.items() if step < cluster.commits)
    audits = cluster.rounds.book.audits  # type: ignore[union-attr]
    assert audits is not None and audits.done > 20 and audits.caught == 0


def test_a_worker_that_is_alone_or_left_alone_goes_on_without_audits() -> None:
    cluster = Cluster(1, 1.0, {"a": right, "b": right})
    cluster.turn("a")
    assert cluster.rounds.book is not None and cluster.rounds.book.audits is not None and cluster.rounds.book.audits.open
    cluster.leave("b")
    for _ in range(30):
        cluster.turn("a")
        cluster.wait(1.0)
    # of a capped owner there is a share of a step alone; the host does the rest
    cluster.host()
    for _ in range(30):
        cluster.turn("a")
        cluster.turn("h")
        cluster.wait(1.0)
    assert cluster.rounds.version >= 3


@pytest.mark.fault("S24")
@pytest.mark.parametrize("cheat", CHEATS)
def test_s24_the_hosts_own_worker_alone_is_enough_to_convict(cheat: str) -> None:
    cluster = Cluster(3, 0.5, {"x": CHEATS[cheat]}, network="").host()
    (caught,) = cluster.until_caught("x", 200)
    assert caught.worker == "x" and caught.detail == "the host's own worker computed the same shard and got something else"
    cluster.wait(0.2)
    assert cluster.rounds.mode == "solo" and not cluster.rounds.workers["h"].strikes, "it goes on, by itself"


def test_a_judge_finds_nothing_wrong_with_a_gpu_and_is_not_audited_and_a_hosts_gpu_is_no_judge() -> None:
    cluster = Cluster(3, 0.5, {"a": on_a_gpu, "b": right, "c": on_a_gpu}, network="").host()
    audits = cluster.rounds.book.audits  # type: ignore[union-attr]
    assert audits is not None
    for _ in range(40):
        for name in "habc":
            cluster.turn(name)
            assert not any(answers[0].judge for answers in audits.open.values())
        cluster.wait(0.1)
    assert audits.done >= 10 and audits.caught == 0 and cluster.rounds.version > 10 and cluster.sent_by["h"] > audits.done
    cluster = Cluster(3, 0.5, {"x": CHEATS["zeros"]}, network="").host("webgl")
    assert cluster.until_caught("x", 100) == [], "two that differ: nobody knows which is wrong"


def test_a_frozen_judge_does_not_hold_a_step_up_for_longer_than_its_lease() -> None:
    cluster = Cluster(1, 1.0, {"a": right, "b": right, "c": right}, network="")
    cluster.turn("a")
    before = cluster.rounds.version
    for _ in range(100):  # b holds what it has and never answers again
        cluster.turn("a")
        cluster.turn("c")
        cluster.wait(2.0)
    assert cluster.rounds.version > before


def test_three_that_disagree_count_nothing_and_accuse_nobody() -> None:
    audits = Audits(Exchange(), 1.0, lambda: 0.0)
    for owner in "abc":
        verdict = audits.weigh(5, Answer(owner, owner, SKETCH.of(right(ord(owner)))), True)
        assert not verdict.counts and not verdict.liars
    assert not audits.open
    assert audits.weigh(6, Answer("a", "a1", SKETCH.of(right(6))), True) == audit.Verdict(False)
    assert audits.weigh(6, Answer("a", "a2", SKETCH.of(right(6))), True) == audit.Verdict(False), "one owner is one opinion"
    assert audits.barred(6) == {"a"} and audits.barred(None) == set()


def test_sketches_are_near_when_gradients_are_and_secret() -> None:
    one, other = SKETCH.of(right(1)), SKETCH.of(on_a_gpu(1))
    length = np.linalg.norm(one)
    assert np.linalg.norm(one - other) < 0.01 * length < 0.5 * length < np.linalg.norm(one - SKETCH.of(right(2)))
    assert len(one) == audit.BUCKETS
    assert not np.allclose(one, Sketcher(SIZE, 8).of(right(1)))
    changed = right(1)
    changed[-1] += 100.0
    assert np.linalg.norm(SKETCH.of(changed) - one) == pytest.approx(100, rel=1e-3), "also the last, odd numbers count"


def test_the_codecs_that_cannot_be_compared_are_not_audited_and_rounding_is_no_lie() -> None:
    assert Audits(Exchange(codec="topk"), 1.0, lambda: 0.0).rate == 0.0
    audits = Audits(Exchange(), 1.0, lambda: 0.0)
    audits.weigh(1, Answer("a", "a", SKETCH.of(right(1))), False)
    tiny = [SKETCH.of(right(unit) * np.float32(1e-5)) for unit in (2, 3)]
    audits.open[9] = [Answer("a", "a", tiny[0])]
    assert audits.weigh(9, Answer("b", "b", tiny[1]), True).counts


@pytest.mark.fault("S24")
async def test_s24_over_sockets_the_cheat_is_told_and_closed_and_the_run_has_the_right_weights(tmp_path: Path) -> None:
    async with serving(tmp_path, guards=Guards(audited=1.0)) as served:
        served.coordinator.begin(start(steps=1, shards=1), weights())
        good = {name: np.ones_like(array) for name, array in weights().items()}
        async with served.worker("s1") as cheat, served.worker("s2") as two, served.worker("s3") as three:
            await cheat.join()
            lease = await cheat.get(wire.Lease)
            for peer in (two, three):
                await peer.join()
            async with asyncio.timeout(10):
                while len(served.coordinator.rounds.joined()) < 3:
                    await asyncio.sleep(0.01)
            await cheat.gradient(lease, {name: np.zeros_like(array) for name, array in good.items()})
            done, _ = await asyncio.wait(
                [asyncio.create_task(peer.get(wire.Lease)) for peer in (two, three)], return_when=asyncio.FIRST_COMPLETED
            )
            first = two if served.coordinator.rounds.workers[two.welcome.worker].leases else three
            await first.gradient(done.pop().result(), good)
            async with asyncio.timeout(10):
                last = three if first is two else two
                while not served.coordinator.rounds.workers[last.welcome.worker].leases:
                    await asyncio.sleep(0.01)
            (held,) = served.coordinator.rounds.workers[last.welcome.worker].leases.values()
            await last.send(wire.Gradient(lease.run, 0, 0, 0, held.id, held.count, 0.5, 0), good)
            assert (await cheat.get(wire.Rejected)).reason == "audit"
            assert await cheat.closed() == 4403
            async with asyncio.timeout(10):
                while served.coordinator.rounds.version < 1:
                    await asyncio.sleep(0.01)
            for name, array in served.coordinator.model.weights().items():  # type: ignore[union-attr]
                np.testing.assert_allclose(array, weights()[name] - 0.5)
        with pytest.raises(ConnectionError, match="4403"):
            async with served.worker("s1"):
                pass


async def test_where_one_owner_works_a_judge_is_started_for_this_machines_own_code_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    real = local_workers._worker

    def noted(link: str, name: str) -> Any:
        started.append(link)
        return real(link, name)

    monkeypatch.setattr(local_workers, "AUDITOR_AFTER_S", 0.2)
    monkeypatch.setattr(local_workers, "_worker", noted)
    async with serving(tmp_path, guards=Guards(audited=1.0)) as served:
        coordinator, link = served.coordinator, f"{served.url}/#t={served.access.host_token}"
        coordinator.begin(*prepare("line", RECIPE, 0, 1000))
        assert coordinator.rounds.run is not None
        other = asyncio.create_task(local_workers.auditor(coordinator, link, "0" * 64))
        async with served.worker("s1") as lonely:
            await lonely.join()
            await asyncio.sleep(0.6)
            assert started == [], "the run's code is another one: it may be a tab's"
            auditor = asyncio.create_task(local_workers.auditor(coordinator, link, coordinator.rounds.run.code_sha256))
            async with asyncio.timeout(30):
                while not any(worker.judge for worker in coordinator.rounds.joined()):
                    await asyncio.sleep(0.02)
            assert started == [f"{link}&c={coordinator.rounds.run.code_sha256}"], "and the worker refuses another code, too"
            for task in (other, auditor):
                task.cancel()
            await asyncio.wait([other, auditor])
            async with asyncio.timeout(10):
                while len(coordinator.rounds.joined()) > 1:
                    await asyncio.sleep(0.02)
