"""What was answered, serial numbers of messages, and mail for robots, in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tosser.address import Address
from tosser.errors import StateError
from tosser.reason import Reason
from tosser.rules.answering import Answer, AnswerKind
from tosser.rules.decision import Decision
from tosser.state.answers import RobotMail
from tosser.state.state import Results, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

US, THEM = Address.parse("1337:1/200"), Address.parse("1337:1/100.5")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """An empty database."""
    state = State(tmp_path)
    yield state
    state.close()


def answer(key: str, kind: AnswerKind = AnswerKind.PONG) -> Answer:
    """Make an answer to a point."""
    return Answer(kind, "claim", 0, 0, US, THEM, Reason.NETMAIL, key)


def test_serials_follow_the_clock_and_never_repeat(state: State) -> None:
    """Each is given once, also when the clock goes back, and a burst runs ahead of it."""
    assert state.message_serials(3, 1000.9) == 1000
    assert state.message_serials(1, 1000.9) == 1003
    assert state.message_serials(2, 500.0) == 1004
    assert state.message_serials(1, 2000.0) == 2000
    assert state.message_serials(0, 2000.0) == 0


def test_serials_of_messages_and_packets_are_two_series(state: State) -> None:
    """A busy outbound takes no serials from MSGIDs."""
    _, first = state.commit(Decision(1000.0, []), {}, 5)

    assert (first, state.message_serials(1, 1000.0)) == (1000, 1000)


def test_a_serial_that_does_not_fit_is_refused(state: State) -> None:
    """A clock beyond 2106 is told of."""
    with pytest.raises(StateError, match="is the clock right"):
        state.message_serials(1, float(1 << 32))


def test_answers_are_remembered_with_their_commit(state: State) -> None:
    """Keys count at any time, kinds and systems from a moment on; points count with their boss."""
    state.commit(Decision(100.0, [], answers=[answer("old")]), {})
    state.commit(Decision(200.0, [], answers=[answer("new"), answer("other", AnswerKind.BOUNCE)]), {})

    found = state.answered_before([answer("old"), answer("new"), answer("unknown")], 150.0)

    assert found.keys == {"old", "new"}
    assert (found.systems["pong", "1337:1/100"], found.totals["pong"]) == (1, 1)


def test_what_was_answered_is_forgotten_with_the_ledger(state: State) -> None:
    """The history is bounded by age."""
    state.commit(Decision(100.0, [], answers=[answer("old")]), {})

    state.keep_house({}, 0, 365, 100.0 + 366 * 86400)

    assert state.answered_before([answer("old")], 0.0).keys == set()


def test_robot_mail_waits_until_it_is_ended(state: State) -> None:
    """Mail for a robot comes with its batch, is given in order, attempts are counted, and ended mail is gone."""
    entry, _ = state.commit(Decision(100.0, []), {})
    assert state.begin_hand_over() is None
    state.applied(entry, Results(robot_mails=[RobotMail("A", "first", b"1"), RobotMail("B", "second", b"2")]))

    first, again = state.begin_hand_over(), state.begin_hand_over()
    assert first is not None
    assert again is not None
    assert (first.robot, first.message, first.attempts, again.id, again.attempts) == ("A", b"1", 0, first.id, 1)
    state.end_hand_over(first)
    second = state.begin_hand_over()
    assert second is not None
    assert second.robot == "B"
    state.end_hand_over(second)
    assert state.begin_hand_over() is None
