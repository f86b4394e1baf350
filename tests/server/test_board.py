"""Event files of TensorBoard, read back record by record: sums checked here, messages by the package that defines them."""

import struct
import sys
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from distml_server.board import Board, BoardError
from test_processes import Bench, bench

__all__ = ["bench"]


def crc32c(data: bytes) -> int:
    """Castagnoli's, bit by bit."""
    found = 0xFFFFFFFF
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = found >> 1 ^ (0x82F63B78 if found & 1 else 0)
    return found ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    found = crc32c(data)
    return ((found >> 15 | found << 17) + 0xA282EAD8) & 0xFFFFFFFF


def events(path: Path) -> list[Event]:
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        length, body = data[at : at + 8], data[at + 12 : at + 12 + size]
        assert struct.unpack_from("<I", data, at + 8) == (masked(length),)
        assert struct.unpack_from("<I", data, at + 12 + size) == (masked(body),)
        found.append(Event.FromString(body))
        at += 16 + size
    assert found[0].file_version == "brain.Event:2"
    return found


def curve(found: list[Event], tag: str) -> dict[int, float]:
    return {event.step: value.simple_value for event in found for value in event.summary.value if value.tag == tag}


def test_crc32c_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def test_a_run_leaves_its_loss_of_every_step_and_what_else_is_known(bench: Bench) -> None:
    options = ("--exit", "--local-worker-after", "0", "--tensorboard", "board", "--mode", "local", "--local-steps", "1")
    assert bench.serve("--recipe", bench.recipe(), *options).end() == 0
    (path,) = bench.folder.glob("board/*/events.out.tfevents.*")
    (run,) = bench.folder.glob("runs/*/run.json")
    assert path.parent.name == run.parent.name
    found = events(path)
    losses = curve(found, "train/loss")
    assert sorted(losses) == list(range(1, 31)) and losses[30] < losses[1]
    assert sorted(curve(found, "validation/accuracy"))[-1] == 30 and curve(found, "validation/loss")
    assert curve(found, "test/accuracy").keys() == {30}
    assert curve(found, "cluster/received_bytes")[30] > 10_000 < curve(found, "cluster/sent_bytes")[30]
    assert max(curve(found, "cluster/workers").values()) <= 1 and "cluster/workers_contributing" in str(found)


def test_a_worker_that_steps_alone_is_seen_as_well(bench: Bench) -> None:
    server = bench.serve(
        "--recipe", bench.recipe(sleep_s=0.05), "--exit", "--local-worker-after", "0", "--steps", "60", "--tensorboard", "board"
    )
    assert server.end() == 0
    (path,) = bench.folder.glob("board/*/events.out.tfevents.*")
    found = events(path)
    assert len(curve(found, "train/loss")) >= 3 and max(curve(found, "train/loss")) == 60
    assert max(curve(found, "cluster/steps_per_s").values()) > 1


def test_a_run_that_goes_on_makes_what_was_lost_void_and_unknown_numbers_are_left_out(tmp_path: Path) -> None:
    for steps in ((1, 2, 3), (2, 3, 4)):
        board = Board(tmp_path)
        for step in steps:
            board.note("run", step, {"train/loss": 0.5, "other": None, "odd": float("nan")})
        board.write()
        board.close()
    first, second = sorted(tmp_path.glob("run/events*"), key=lambda path: path.stat().st_mtime_ns)
    begun = [event for event in events(second) if event.session_log.status == SessionLog.START]
    assert [event.step for event in begun] == [2]
    assert curve(events(first), "train/loss").keys() == {1, 2, 3} and curve(events(second), "train/loss").keys() == {2, 3, 4}
    assert "other" not in str(events(first)) and "odd" not in str(events(first))


def test_numbers_that_stay_are_written_once_where_that_is_asked_for_and_a_new_run_begins_a_new_folder(tmp_path: Path) -> None:
    board = Board(tmp_path)
    for step in (1, 2, 3):
        board.note("a", step, {"accuracy": 0.5}, always=False)
    board.note("b", 1, {"accuracy": 0.5}, always=False)
    board.write()
    board.close()
    (first,), (second,) = tmp_path.glob("a/events*"), tmp_path.glob("b/events*")
    assert curve(events(first), "accuracy") == {1: 0.5} == curve(events(second), "accuracy")


def test_a_disk_that_fails_is_said_once_and_what_waited_is_written_when_it_works_again(tmp_path: Path) -> None:
    said: list[str] = []
    board = Board(tmp_path / "board", said.append)
    (tmp_path / "board" / "run").write_text("a file where a folder is to be")
    for step in (1, 2):
        board.note("run", step, {"train/loss": 1.0})
        board.write()
    assert len(said) == 1 and said[0].startswith(f"Cannot write event files to {tmp_path / 'board'}: ")
    assert said[0].endswith("Training goes on.")
    (tmp_path / "board" / "run").unlink()
    board.write()
    board.close()
    (path,) = tmp_path.glob("board/run/events*")
    assert curve(events(path), "train/loss").keys() == {1, 2}


def test_without_the_package_or_a_folder_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BoardError, match="cannot write event files to .*file/board.*; name another folder"):
        Board(tmp_path / "file" / "board")
    monkeypatch.setitem(sys.modules, "tensorboardX.event_file_writer", None)
    with pytest.raises(BoardError, match=r"--tensorboard needs the package tensorboardX: pip install 'distml-py\[tensorboard\]'"):
        Board(tmp_path)
