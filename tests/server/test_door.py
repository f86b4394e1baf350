"""Who may come in: the rules, without sockets."""

import pytest

from distml_server.door import Door


def test_a_locked_door_lets_back_in_who_was_here_before() -> None:
    door = Door()
    assert door.refusal("worker a", "worker") is None
    door.locked = True
    assert door.refusal("worker a", "worker") is None
    refused = door.refusal("worker b", "worker")
    assert refused is not None and refused.reason == "locked" and "unlock joining" in refused.detail
    assert door.refusal("host c", "host") is None


def test_who_has_no_session_is_never_known_again() -> None:
    door = Door()
    assert door.refusal("", "worker") is None
    assert door.known == []
    door.locked = True
    refused = door.refusal("", "worker")
    assert refused is not None and refused.reason == "locked", "another one without a session was here before"
    door.locked = False
    door.ban([""])
    assert door.refusal("", "worker") is None, "one that was sent away is not all"


def test_who_was_sent_away_stays_away_even_when_the_door_is_open() -> None:
    door = Door()
    door.ban({"worker a"})
    refused = door.refusal("worker a", "worker")
    assert refused is not None and refused.reason == "kicked"
    assert door.refusal("worker b", "worker") is None


@pytest.mark.fault("S26")
def test_where_a_stranger_was_sent_away_only_those_beside_it_may_stay_and_come_back() -> None:
    door = Door()
    for session in ("worker a", "worker b", "worker c"):
        assert door.refusal(session, "worker", "1.2.3.4") is None
    door.ban({"worker a"})
    door.close_to("1.2.3.4", ["worker b", "worker c", ""])
    for session in ("worker a", "worker d", ""):
        refused = door.refusal(session, "worker", "1.2.3.4")
        assert refused is not None and refused.reason == "kicked", session
    assert "no other one is let in from there" in door.refusal("worker d", "worker", "1.2.3.4").detail  # type: ignore[union-attr]
    assert door.refusal("worker b", "worker", "1.2.3.4") is None
    assert door.refusal("host e", "host", "1.2.3.4") is None
    assert door.refusal("worker d", "worker", "1.2.3.5") is None and door.refusal("worker e", "worker") is None
    door.close_to("1.2.3.4", ["worker c", "worker f"])
    assert door.refusal("worker b", "worker", "1.2.3.4") is not None
    assert door.refusal("worker f", "worker", "1.2.3.4") is not None, "nobody comes in by somebody else's being sent away"
    assert door.shut == {"1.2.3.4": ["worker c"]}


def test_nobody_who_is_trusted_answers_for_others() -> None:
    door = Door()
    door.close_to("", [])
    assert door.shut == {} and door.refusal("worker a", "worker") is None
