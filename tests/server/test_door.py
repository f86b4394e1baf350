"""Who may come in: the rules, without sockets."""

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
