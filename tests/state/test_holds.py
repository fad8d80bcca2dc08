"""Links on hold, and the counts by which storms are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.rules.world import NOW
from tosser.rules.decision import Decision
from tosser.rules.shipping import LinkKey
from tosser.rules.storm import HOUR, Intake
from tosser.state.holds import Hold

if TYPE_CHECKING:
    from tosser.state.state import State

HUB, POINT = LinkKey("tqwnet", "1337:1/100"), LinkKey("tqwnet", "1337:1/201.5")


def count(state: State, messages: int, duplicates: int, at: float) -> None:
    """Commit a batch that brought so much from the hub."""
    state.commit(Decision(at, []), {}, 0, {HUB: Intake(messages, duplicates)})


def hour(state: State, at: float) -> Intake:
    """What came from the hub in the hour before a moment."""
    return state.intake_within_hour([HUB], at)[HUB]


def test_holds_are_kept(state: State) -> None:
    """A hold is known until it is released; a second one changes nothing; afterwards there may be a new one."""
    entry = Hold(HUB, NOW, "auto", "a storm")
    assert state.hold_link(entry)
    assert not state.hold_link(Hold(HUB, NOW + 1, "jane", "again"))
    assert state.held_links() == [entry]
    assert not state.release_link(POINT, NOW)
    assert state.release_link(HUB, NOW)
    assert not state.release_link(HUB, NOW)
    assert state.held_links() == []
    again = Hold(HUB, NOW + 2, "jane", "again")
    assert state.hold_link(again)
    assert state.held_links() == [again]


def test_the_last_hour_counts(state: State) -> None:
    """What came from a link is summed up over the last hour, to the minute; others are not mixed in."""
    count(state, 10, 1, NOW)
    count(state, 20, 2, NOW + 30 * 60)
    count(state, 30, 3, NOW + 30 * 60)
    assert hour(state, NOW) == Intake(10, 1)
    assert hour(state, NOW + 30 * 60) == Intake(60, 6)
    assert hour(state, NOW + HOUR + 60) == Intake(50, 5)
    assert hour(state, NOW + 2 * HOUR) == Intake()
    assert state.intake_within_hour([POINT], NOW) == {POINT: Intake()}


def test_a_release_gives_an_hour(state: State) -> None:
    """For an hour after a release nothing counts, so that what waited does not break the limit again."""
    state.hold_link(Hold(HUB, NOW, "auto", "a storm"))
    state.release_link(HUB, NOW)
    count(state, 1000, 0, NOW + 60)
    assert hour(state, NOW + 60) == Intake()
    assert hour(state, NOW + HOUR - 60) == Intake()
    assert hour(state, NOW + HOUR + 30) == Intake(1000, 0)


def test_housekeeping(state: State) -> None:
    """Counts and releases of hours ago are dropped, and those that a wrong clock left in the future; holds are not."""
    state.hold_link(Hold(HUB, NOW, "auto", "a storm"))
    state.hold_link(Hold(POINT, NOW, "auto", "a storm"))
    state.release_link(POINT, NOW + 10 * HOUR)
    count(state, 10, 0, NOW)
    count(state, 10, 0, NOW + 10 * HOUR)
    state.keep_house({}, 1, 1, NOW + 2 * HOUR)
    assert hour(state, NOW) == Intake()
    assert hour(state, NOW + 10 * HOUR) == Intake()
    assert [entry.link for entry in state.held_links()] == [HUB]


def test_a_hold_is_told_of(state: State) -> None:
    """The published state of a link is due again when it is put on hold, and when it is released."""
    state.hold_link(Hold(HUB, NOW, "auto", "a storm"))
    _, (link,) = state.unpublished_totals(10)
    state.totals_published([], [("tqwnet", link.address, link.version)])
    state.release_link(HUB, NOW)
    _, (again,) = state.unpublished_totals(10)
    assert again.version > link.version
