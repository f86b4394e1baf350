"""What the coordinator takes from workers, and that nothing else gets in as another exception than FormatError."""

import contextlib
import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distml_py import wire
from distml_py.errors import FormatError
from distml_server.decoding import decode, printable
from test_wire import GOLDEN, NAMES, REFUSED, binary

FROM_WORKER = get_args(wire.FromWorker)


@pytest.mark.parametrize(("message", "tensors", "parts"), GOLDEN, ids=NAMES)
def test_it_takes_what_workers_send_and_nothing_that_only_a_coordinator_sends(message: Any, tensors: Any, parts: Any) -> None:
    if type(message) in FROM_WORKER:
        frame = decode(parts)
        assert frame.message == message and list(frame.tensors) == list(tensors or {})
    else:
        with pytest.raises(FormatError, match="unknown message type"):
            decode(parts)


@pytest.mark.parametrize("name", list(REFUSED))
def test_it_refuses_as_the_library_does(name: str) -> None:
    with pytest.raises(FormatError):
        decode(REFUSED[name][0])


def join(**changes: Any) -> str:
    return json.dumps({"type": "join", "run": "a", "backend": "b", "device": "d", "platform": "p"} | changes)


PROBLEM = '{"type": "problem", "run": "a", "message": "m", "line": %s}'
MORE = {
    "an unknown field": (join(more=1), "Join.more: unknown field"),
    "a missing field": ('{"type": "join", "run": "a"}', "missing required field"),
    "a number for text": (join(run=7), "Expected `str`, got `int` - at `$.run`"),
    "text for a number": (PROBLEM % '"7"', "Expected `int`, got `str` - at `$.line`"),
    "a number of 65 bits": (PROBLEM % 2**64, "at most 64 bits"),
    "a negative number of 65 bits": (PROBLEM % -(2**64), "at most 64 bits"),
    "a fraction": (PROBLEM % "1.5", "Expected `int`"),
    "half a character": (PROBLEM.replace('"m"', '"\\ud800"') % 0, "half a character"),
    "a zero character": (join(device="a\x00b"), "half a character"),
    "an infinity in disguise": ('{"type": "progress", "run": "a", "step": 1, "loss": 1e999}', "a number is finite"),
    "nesting of 900 levels": ('{"type": "join", "run": ' + "[" * 900 + "]" * 900 + "}", "nested more than 64 levels deep"),
}


@pytest.mark.fault("S14")
@pytest.mark.parametrize("name", list(MORE))
def test_it_refuses_by_name(name: str) -> None:
    data, words = MORE[name]
    with pytest.raises(FormatError) as caught:
        decode(data)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.fault("S13")
@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300), st.binary(max_size=200).map(binary)))
def test_no_bytes_raise_anything_else(data: bytes | str) -> None:
    with contextlib.suppress(FormatError):
        decode(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.fault("S14")
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FROM_WORKER), st.data())
def test_no_values_of_known_fields_raise_anything_else(cls: type, data: st.DataObject) -> None:
    fields = {name: data.draw(json_values) for name in cls.__dataclass_fields__}  # type: ignore[attr-defined]
    text = json.dumps({"type": cls.__name__.lower(), **fields})
    with contextlib.suppress(FormatError):
        decode(binary(text.encode()) if cls in wire.WITH_TENSORS else text)


@pytest.mark.fault("S20")
def test_text_of_strangers_becomes_one_harmless_line() -> None:
    assert printable("\x1b[31mred\x1b[0m\r\n<b>", 64) == "[31mred [0m  <b>"
    assert printable("a" * 100, 8) == "aaaaaaaa"
    assert printable("\u202egnp.exe", 64) == "gnp.exe"
