"""A real run's ledger is sound and any tampering is named; `distml runs`; health and metrics."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distml_py import safetensors, wire
from distml_server import ledger, metrics
from distml_server.cli import main
from distml_server.store import Record
from peers import Served, prefixed, serving, start, weights


async def trained(served: Served) -> str:
    async with served.peer() as host, served.worker() as worker:
        await host.send(start(), prefixed(weights()))
        run = await worker.join()
        for _ in range(8):
            lease = await worker.get(wire.Lease)
            gradient = {name: np.ones_like(array) for name, array in weights().items()}
            await worker.gradient(lease, gradient)
        async with asyncio.timeout(10):
            while served.coordinator.rounds.version < 4 or not served.coordinator.storing.idle:
                await asyncio.sleep(0.01)
        return run.run


async def lines_of(folder: Path) -> tuple[str, list[str]]:
    async with serving(folder) as served:
        run = await trained(served)
    return run, (folder / run / "ledger.jsonl").read_text().splitlines()


async def test_a_runs_ledger_is_sound_and_its_commands_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, lines = await lines_of(tmp_path)
    assert len(lines) == 5 and ledger.faults(lines) == [] and ledger.faults([*lines, '{"step": 5, "wei']) == []
    at = ["--run-dir", str(tmp_path)]
    assert main(["runs", "check", *at]) == 0 and f"{run}: 5 lines, sound" in capsys.readouterr().out
    assert main(["runs", *at]) == 0 and "step 4 of 4" in capsys.readouterr().out
    assert main(["runs", "show", run, *at]) == 0 and json.loads(capsys.readouterr().out)["run"]["run"] == run
    out = tmp_path / "w.safetensors"
    assert main(["runs", "export", run, "--out", str(out), *at]) == 0
    np.testing.assert_allclose(safetensors.loads(out.read_bytes())["w"], weights()["w"] - 4 * 0.5, rtol=1e-6)
    rows = [json.loads(line) for line in lines]
    rows[-1]["weights_sha256"] = "0" * 64
    (tmp_path / run / "ledger.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["runs", "check", run, *at]) == 1
    assert "the checkpoint's weights are not those that the ledger has after step 4" in capsys.readouterr().out
    assert main(["runs", "show", *at]) == 2 and f"name a run: {tmp_path} holds {run}" in capsys.readouterr().err
    assert main(["runs", "show", "nothing", *at]) == 2 and f"holds no run 'nothing'; it holds {run}" in capsys.readouterr().err
    assert main(["runs", "delete", run, *at]) == 0 and not (tmp_path / run).exists()
    assert main(["runs", "show", "nothing", *at]) == 2 and "holds no runs" in capsys.readouterr().err


@pytest.mark.fault("R21")
async def test_steps_whose_lines_found_no_room_are_left_out_and_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is no tampering: what is checked later must not say so."""
    async with serving(tmp_path) as served:
        note = served.coordinator.store.note

        def full(record: Record, row: ledger.Row, *more: Any, **how: Any) -> None:
            if row["step"] == 2:
                raise OSError("no space left")
            note(record, row, *more, **how)

        monkeypatch.setattr(served.coordinator.store, "note", full)
        run = await trained(served)
    lines = (tmp_path / run / "ledger.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 1, 3, 4] and ledger.faults(lines) == []
    assert ["adopted" in line for line in lines] == [False, False, True, False]


PART = [1, 0, 4, 1.0]
CHAIN = [
    {"step": 0, "weights_sha256": "a"},
    {"step": 1, "before": "a", "weights_sha256": "b", "samples": 8, "parts": [[0, 0, 4, 1.0], [0, 1, 4, 1.0]]},
    {"step": 2, "before": "b", "weights_sha256": "c", "samples": 4, "parts": [PART]},
    {"step": 9, "adopted": True, "weights_sha256": "d"},
]  # fmt: skip


def test_a_round_of_local_steps_is_a_line_of_so_many_steps_and_others_are_still_missed() -> None:
    rounds = [ledger.begun("a")]
    for step, before, after in ((16, "a", "b"), (32, "b", "c"), (40, "c", "d")):
        parts = {(step - 8, shard): (4, 1.0) for shard in range(2)}
        rounds.append(ledger.committed(step, before, after, parts, 8 if step == 40 else 16))
    assert ledger.faults(map(json.dumps, rounds)) == []
    del rounds[2]
    assert "line 3: step 40 comes after step 16" in ledger.faults(map(json.dumps, rounds))


TAMPERED: dict[str, tuple[Callable[[list[dict[str, object]]], object], str]] = {
    "gap": (lambda rows: rows.pop(1), "step 2 comes after step 0"),
    "twice": (lambda rows: rows[2].update(parts=[[0, 1, 4, 1.0]]), "shard 1 of step 0 counts again; it did in step 1"),
    "chain": (lambda rows: rows[2].update(before="x"), "step 2 was made of other weights than step 1 left"),
    "sum": (lambda rows: rows[1].update(samples=9), "the parts of step 1 have 8 samples, the step has 9"),
    "back": (lambda rows: rows[3].update(step=1), "step 1 comes after step 2"),
    "head": (lambda rows: rows.pop(0), "step 1 has no weights before it"),
    "rubbish": (lambda rows: rows[1].pop("step"), "line 2 is not a line of a ledger"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_cannot_be_true_is_named(name: str) -> None:
    rows = [dict(row) for row in CHAIN]
    assert ledger.faults(json.dumps(row) for row in rows) == []
    tamper, fault = TAMPERED[name]
    tamper(rows)
    assert any(fault in found for found in ledger.faults(json.dumps(row) for row in rows))


@pytest.mark.fault("S34")
async def test_s34_metrics_need_a_token_where_the_status_does_and_health_needs_none(tmp_path: Path) -> None:
    async with serving(tmp_path, lan=True) as served:
        network = {"Host": f"192.168.1.7:{served.port}"}
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 401), ("/debug", 404)):
            async with served.client.get(served.url + path, headers=network) as answer:
                assert answer.status == status, path
        bearer = network | {"Authorization": f"Bearer {served.access.worker_token}"}
        async with served.client.get(served.url + "/metrics", headers=bearer) as answer:
            text = await answer.text()
        assert metrics.GAUGES.keys() <= served.coordinator.status().keys()
        assert "\ndistml_workers 0\n" in text and "\ndistml_storage_works 1\n" in text
        served.coordinator.storing.trouble = "cannot store checkpoints: No space left on device"
        async with served.client.get(served.url + "/readyz", headers=network) as answer:
            assert answer.status == 503
