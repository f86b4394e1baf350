"""Real tabs at two coordinators of one run, each by an address of its own, as a load balancer gives it; the leader is killed."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from browser_finder import LAUNCH_FLAGS, chromium_path
from clusters import Balancer, Cluster, Watch, check_ledger, leader_of, port_of
from distml_server.cluster.nats_store import NatsStore
from distml_server.store import CURVE
from tabs import Tab
from test_processes import final, join_link, status

STEPS = 400


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium_path(), args=[*LAUNCH_FLAGS])
        yield started
        started.close()


def curve(url: str) -> dict[int, float]:
    """The loss of each committed step, as the cluster has stored it."""
    store = NatsStore(url.split(","))
    try:
        (run,) = store.records(print)
        return {row["step"]: row["loss"] for row in map(json.loads, store.lines(run, CURVE) or []) if row.get("loss") is not None}
    finally:
        store.close()


def test_two_tabs_at_two_coordinators_train_on_when_the_leader_is_killed(cluster: Cluster, browser: Browser) -> None:
    options = ("--recipe", "digits_mlp", "--steps", str(STEPS), "--exit", "--local-worker-after", "999")
    servers = cluster.coordinators(2, *options, page=True)
    ports = [port_of(server) for server in servers]
    fronts = [Balancer(order, in_turn=False) for order in (ports, ports[::-1])]
    leader = leader_of(servers)
    (other,) = [server for server in servers if server is not leader]
    try:
        tabs = [Tab(browser.new_context(), front.link(join_link(leader))) for front in fronts]
        for tab in tabs:
            tab.join()
        at = tabs[0].until("both at work", lambda s: s["workers_contributing"] == 2 and s["step"] >= 10, 90)
        assert [set(front.reached) for front in fronts] == [{ports[0]}, {ports[1]}], "each coordinator has a tab of its own"
        assert at["step"] < STEPS // 2, "the run must not be over before anything was killed"
        watch = Watch(servers)
        leader.process.kill()
        killed = status(join_link(other))
        for tab in tabs:
            found = tab.until("further steps", lambda s: (s["step"] or 0) > killed["step"] + 20, 60)
            assert found["run"] == killed["run"] and found["error"] is None
        assert {row["backend"] for row in status(join_link(other))["worker_list"]} == {"webgl"}
        assert status(join_link(other))["workers_contributing"] == 2, "the leader's own tab came to the other coordinator"
        ends = [tab.until("the end", lambda s: s["state"] in ("finished", "error"), 120) for tab in tabs]
        assert other.end() == 0
        watch.stop()
    finally:
        for front in fronts:
            front.stop()
    assert {end["weights_sha256"] for end in ends} == {final(other)} and all(not tab.errors for tab in tabs)
    check_ledger(cluster.url)
    losses = curve(cluster.url)
    assert sorted(losses) == list(range(1, STEPS + 1)), "every step is committed exactly once"
    assert losses[STEPS] < losses[at["step"]] < losses[1]
