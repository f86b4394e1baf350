"""Coordinators of one cluster as real processes: workers at any of them, and each of them killed, the leader and a server too."""

import asyncio
import re
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from clusters import WITHOUT_HELP, Balancer, Cluster, Watch, all_end, check_ledger, leader_of, leads, port_of, step_of
from distml_py import safetensors, wire
from distml_server.cluster.transport import BEAT_S
from distml_server.worker import address
from servers import Servers
from test_processes import final, join_link, status, wait


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The final weights of one coordinator by itself, and one worker."""
    bench = Cluster(tmp_path_factory.mktemp("single"), "")
    server = bench.distml("serve", "--no-page", "--port", "0", "--recipe", bench.recipe(), "--exit", *WITHOUT_HELP)
    worker = bench.worker(join_link(server))
    assert (server.end(), worker.end()) == (0, 0)
    return final(server)


def test_workers_at_three_coordinators_make_the_weights_that_one_alone_makes(cluster: Cluster, undisturbed: str) -> None:
    servers = cluster.coordinators(3, "--recipe", cluster.recipe(gated=True), "--exit", *WITHOUT_HELP)
    assert [leads(server) for server in servers].count(True) == 1
    links = [join_link(server) for server in servers]
    assert len({link.split("#")[1] for link in links}) == 1, "one link for all, whichever coordinator is behind it"
    workers = [cluster.worker(link) for link in links]
    cluster.all_join(servers[0], 3)
    all_end(servers)
    assert {final(server) for server in servers} == {undisturbed}
    assert [worker.end() for worker in workers] == [0, 0, 0]
    assert all(undisturbed in worker.text for worker in workers)
    check_ledger(cluster.url)


def test_the_runs_of_a_cluster_are_listed_checked_and_taken_out(cluster: Cluster, tmp_path: Path) -> None:
    server = cluster.coordinator("--recipe", cluster.recipe(), "--steps", "6", "--exit", "--local-worker-after", "0.3")
    all_end([server])
    run = server.until(r"Run (\w+) finished")
    for words, said in {
        ("list",): f"{run} .* finished +step 6 of 6  small",
        ("show", run): '"state": "finished"',
        ("check",): rf"{run}: \d+ lines, sound",
        ("export", run, "--out", "w.safetensors"): f"4 parameters after step 6 of run {run}",
        ("delete", run): f"Run {run} is deleted",
    }.items():
        done = cluster.distml("runs", *words, "--cluster", cluster.url)
        assert done.end() == 0 and re.search(said, done.text), (words, done.text)
    assert len(safetensors.loads((tmp_path / "w.safetensors").read_bytes())) == 4
    gone = cluster.distml("runs", "show", run, "--cluster", cluster.url)
    assert gone.end() == 2 and f"NATS at {cluster.url} holds no runs yet" in gone.text


def shared(status: dict[str, object], count: int) -> bool:
    return status["workers_contributing"] == count


@pytest.mark.parametrize("victim", ["follower", "leader"])
def test_a_coordinator_that_is_killed_costs_no_step(cluster: Cluster, undisturbed: str, victim: str) -> None:
    servers = cluster.coordinators(3, "--recipe", cluster.recipe(sleep_s=0.01), "--exit", *WITHOUT_HELP)
    balancer = Balancer([port_of(server) for server in servers])
    try:
        workers = [cluster.worker(balancer.link(join_link(servers[0]))) for _ in range(3)]
        wait(lambda: shared(status(join_link(servers[0])), 3) and step_of(servers[0]) >= 4, servers[0])
        leader = leader_of(servers)
        dies = leader if victim == "leader" else next(server for server in servers if server is not leader)
        watch = Watch(servers)
        dies.process.kill()
        left = [server for server in servers if server is not dies]
        assert step_of(left[0]) < 25, "the run must not be over before anything was killed"
        all_end(left)
        watch.stop()
        assert {final(server) for server in left} == {undisturbed}
        assert [worker.end() for worker in workers] == [0, 0, 0]
    finally:
        balancer.stop()
    check_ledger(cluster.url)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("own", [3], indirect=True)
def test_a_server_of_three_that_is_killed_costs_no_step(cluster: Cluster, own: Servers, undisturbed: str, number: int) -> None:
    """Whichever it is: one of them leads what is stored, and the coordinators are connected to any."""
    servers = cluster.coordinators(2, "--recipe", cluster.recipe(sleep_s=0.01), "--exit", *WITHOUT_HELP)
    workers = [cluster.worker(join_link(server)) for server in servers]
    wait(lambda: shared(status(join_link(servers[0])), 2) and step_of(servers[0]) >= 3, servers[0])
    watch = Watch(servers)
    own.kill(number)
    assert step_of(servers[0]) < 25
    all_end(servers)
    watch.stop()
    assert {final(server) for server in servers} == {undisturbed}
    assert [worker.end() for worker in workers] == [0, 0]
    check_ledger(cluster.url)


def test_a_leader_that_was_frozen_and_lost_the_run_changes_nothing_and_follows(cluster: Cluster, undisturbed: str) -> None:
    servers = cluster.coordinators(2, "--recipe", cluster.recipe(sleep_s=0.02), "--exit", *WITHOUT_HELP)
    workers = [cluster.worker(join_link(server)) for server in servers]
    wait(lambda: shared(status(join_link(servers[0])), 2) and step_of(servers[0]) >= 3, servers[0])
    leader = leader_of(servers)
    (other,) = [server for server in servers if server is not leader]
    leader.process.send_signal(signal.SIGSTOP)
    wait(lambda: "no coordinator of the cluster leads" in (status(join_link(other))["error"] or ""), other)
    wait(lambda: leads(other), other)
    reached = step_of(other)
    wait(lambda: step_of(other) >= reached + 2, other)
    leader.process.send_signal(signal.SIGCONT)
    wait(lambda: not leads(leader) and step_of(leader) > reached, leader)
    all_end(servers)
    assert {final(server) for server in servers} == {undisturbed}
    assert [worker.end() for worker in workers] == [0, 0]
    check_ledger(cluster.url)


def test_a_leader_that_is_asked_to_end_hands_the_run_on(cluster: Cluster, undisturbed: str) -> None:
    servers = cluster.coordinators(2, "--recipe", cluster.recipe(sleep_s=0.01), "--exit", *WITHOUT_HELP)
    leader = leader_of(servers)
    (other,) = [server for server in servers if server is not leader]
    worker = cluster.worker(join_link(other))
    wait(lambda: step_of(other) >= 3, other)
    began = time.monotonic()
    leader.process.terminate()
    assert leader.end() == 0
    wait(lambda: leads(other), other)
    assert time.monotonic() - began < 8
    assert other.end() == 0 and worker.end() == 0
    assert final(other) == undisturbed
    assert "closed the connection" not in worker.text, "its coordinator is still the same"


def rubbish(link: str, frames: int) -> tuple[str, int | None]:
    """Comes as one and the same worker, and sends what is no frame: why it was refused at first, and the close code."""

    async def come() -> tuple[str, int | None]:
        url, token = address(link)
        async with aiohttp.ClientSession() as client, client.ws_connect(url, compress=0) as socket:
            await socket.send_str(str(wire.encode(wire.Hello(wire.PROTOCOL, token, "worker", "liar", "liar"))))
            reason = ""
            async with asyncio.timeout(10):
                async for received in socket:
                    message = wire.decode(received.data).message
                    if isinstance(message, wire.Welcome):
                        for _ in range(frames):
                            await socket.send_str("rubbish")
                    elif isinstance(message, wire.Rejected):
                        reason = reason or message.reason
            return reason, socket.close_code

    return asyncio.run(come())


@pytest.mark.parametrize("end", ["killed", "asked to end"])
def test_who_was_banned_stays_so_when_another_coordinator_leads(cluster: Cluster, end: str) -> None:
    servers = cluster.coordinators(2)
    leader = leader_of(servers)
    (other,) = [server for server in servers if server is not leader]
    assert rubbish(join_link(other), 3)[1] == 1007
    assert rubbish(join_link(leader), 3) == ("format", 1007)
    assert rubbish(join_link(leader), 0) == rubbish(join_link(other), 0) == ("banned", 4403)
    time.sleep(BEAT_S / 5)  # a strike does not wait for the next beat
    leader.process.kill() if end == "killed" else leader.process.terminate()
    wait(lambda: leads(other), other)
    assert rubbish(join_link(other), 0) == ("banned", 4403)


def test_a_step_that_lost_a_part_is_done_again(cluster: Cluster, undisturbed: str) -> None:
    """Followers are killed one after another while steps are summed: the leader has all shards done again by who is left."""
    servers = cluster.coordinators(3, "--recipe", cluster.recipe(sleep_s=0.01), "--exit", *WITHOUT_HELP)
    leader = leader_of(servers)
    others = [server for server in servers if server is not leader]
    workers = [cluster.worker(join_link(server)) for server in servers]
    wait(lambda: shared(status(join_link(leader)), 3) and step_of(leader) >= 2, leader)
    for dies in others:
        dies.process.kill()
        reached = step_of(leader)
        wait(lambda: step_of(leader) >= reached + 2, leader)  # noqa: B023
    assert leader.end() == 0 and final(leader) == undisturbed
    assert workers[servers.index(leader)].end() == 0
    check_ledger(cluster.url)


@pytest.mark.parametrize(
    "options",
    [
        ("--codec", "int8"),
        ("--mode", "local", "--local-steps", "4", "--codec", "topk"),
        ("--mode", "async", "--codec", "fp16"),
        ("--aggregator", "trimmed_mean", "--audit", "0.3"),
    ],
    ids=" ".join,
)
def test_other_modes_codecs_and_rules_go_through_a_cluster_as_well(cluster: Cluster, options: tuple[str, ...]) -> None:
    servers = cluster.coordinators(2, "--recipe", cluster.recipe(shards=16), "--exit", "--local-worker-after", "999", *options)
    workers = [cluster.worker(join_link(server)) for server in servers]
    all_end(servers)
    (found,) = {final(server) for server in servers}
    assert [worker.end() for worker in workers] == [0, 0] and all(found in worker.text for worker in workers)
    assert float(servers[0].until(r"test_accuracy (\S+)")) > 0.6
    refused = {reason for worker in workers for reason in re.findall(r"refused something \((\w+)\)", worker.text)}
    assert refused <= {"stale", "duplicate"}


CANNOT: dict[str, tuple[tuple[str, ...], str]] = {
    "no server": (("--cluster", "nats://127.0.0.1:9"), "no NATS server answers at nats://127.0.0.1:9"),
    "another protocol": (("--cluster", "redis://127.0.0.1"), "--cluster takes nats://HOST:PORT"),
    "resume": (("--cluster", "nats://127.0.0.1:9", "--resume"), "a cluster goes on with its run by itself"),
    "durability": (("--cluster", "nats://127.0.0.1:9", "--durability", "2"), "every step is stored before it is told"),
}


@pytest.mark.parametrize("name", list(CANNOT))
def test_serve_says_why_it_cannot_be_one_of_a_cluster(cluster: Cluster, name: str) -> None:
    arguments, words = CANNOT[name]
    server = cluster.distml("serve", "--no-page", "--port", "0", *arguments)
    assert server.end() == 2 and words in server.text and "listening" not in server.text
