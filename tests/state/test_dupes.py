"""The dupe history: what is remembered, for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tosser.rules.decision import Decision
from tosser.state import dupes
from tosser.state.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DAY = 86400
TECH, GEN, OTHER = ("tqwnet", "TQW_TECH"), ("tqwnet", "TQW_GEN"), ("othernet", "TQW_TECH")


def key(number: int) -> bytes:
    """A key."""
    return number.to_bytes(16, "big")


def remember(state: State, area: tuple[str, str], numbers: Sequence[int], seen: float = 0.0) -> None:
    """Commit a decision to remember keys."""
    state.commit(Decision(seen, [], dupe_keys=[(*area, key(number)) for number in numbers]), {})


def test_known(state: State) -> None:
    """Of the keys asked for those are told that were remembered, in whichever area."""
    remember(state, TECH, [1, 2])
    remember(state, OTHER, [3])
    assert state.known_dupes([key(number) for number in range(6)]) == {key(1), key(2), key(3)}
    assert state.known_dupes([]) == set()


def test_known_forever_once_committed(tmp_path: Path) -> None:
    """What was remembered is known by who opens the database next."""
    first = State(tmp_path)
    remember(first, TECH, [1])
    first.close()
    second = State(tmp_path, read_only=True)
    assert second.known_dupes([key(1), key(2)]) == {key(1)}
    second.close()


def test_forget_by_area(state: State) -> None:
    """Each area has a history of its own; areas that are no longer configured have the default."""
    for area, first in ((TECH, 0), (GEN, 10), (OTHER, 20)):
        remember(state, area, [first], seen=1 * DAY)
        remember(state, area, [first + 1], seen=8 * DAY)
    gone = state.keep_house({TECH: 3 * DAY, GEN: 30 * DAY}, 10 * DAY, 90, now=10 * DAY)
    assert gone == 1
    assert state.known_dupes(map(key, range(30))) == {key(1), key(10), key(11), key(20), key(21)}
    assert state.keep_house({TECH: 3 * DAY, GEN: 30 * DAY}, 10 * DAY, 90, now=12 * DAY) == 2
    assert state.known_dupes(map(key, range(30))) == {key(10), key(11), key(21)}


@pytest.mark.parametrize(("now", "gone"), [(100 + DAY, 0), (100.9 + DAY, 0), (101 + DAY, 1)])
def test_forget_to_the_second(state: State, now: float, gone: int) -> None:
    """A key is remembered for as long as its area says, and not forgotten earlier."""
    remember(state, TECH, [1], seen=100.7)
    assert state.keep_house({TECH: DAY}, 0, 90, now) == gone


def test_first_time_counts(state: State) -> None:
    """A key that comes again keeps its first time: a duplicate does not prolong the memory."""
    remember(state, TECH, [1], seen=1 * DAY)
    remember(state, TECH, [1], seen=5 * DAY)
    assert state.keep_house({TECH: 3 * DAY}, 0, 90, now=6 * DAY) == 1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_forgetting_goes_through_all(state: State, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """However few keys are looked at in one transaction, all old ones go."""
    monkeypatch.setattr(dupes, "SLICE", size)
    remember(state, TECH, range(0, 14, 2), seen=1 * DAY)
    remember(state, TECH, range(1, 14, 2), seen=8 * DAY)
    assert state.keep_house({TECH: 3 * DAY}, 0, 90, now=10 * DAY) == 7
    assert state.known_dupes(map(key, range(14))) == set(map(key, range(1, 14, 2)))


def test_decision_is_not_changed(state: State) -> None:
    """Committing leaves the decision as it is."""
    decision = Decision(1.0, [], dupe_keys=[(*TECH, key(2)), (*TECH, key(1))])
    before = replace(decision, dupe_keys=list(decision.dupe_keys))
    state.commit(decision, {})
    assert decision == before
