"""The outbox: order, topics that are skipped, refusals, bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.state import outbox
from tosser.state.database import Database
from tosser.state.outbox import MANY_BYTES, RefusedTopic, StoredEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from sqlite3 import Connection

    from tosser.state.state import State


def put(state: State, *topics: str, created: float = 0.0, payload: bytes = b"{}") -> None:
    """Add an event for each topic; its id is the number of those before it."""
    before = state.overview().outbox_events
    state.add_events([(f"id/{before + each}", topic, payload) for each, topic in enumerate(topics)], created)


def seqs(events: Sequence[StoredEvent]) -> list[int]:
    """The positions of events."""
    return [event.seq for event in events]


def test_events_in_order(state: State) -> None:
    """Events come in the order in which they were added, byte for byte, some at a time."""
    put(state, "a", "b")
    put(state, "a", payload=bytes(range(256)))
    assert state.next_events(0, 10) == [
        StoredEvent(1, "id/0", "a", b"{}"),
        StoredEvent(2, "id/1", "b", b"{}"),
        StoredEvent(3, "id/2", "a", bytes(range(256))),
    ]
    assert seqs(state.next_events(0, 2)) == [1, 2]
    assert seqs(state.next_events(2, 2)) == [3]
    assert state.next_events(3, 2) == []


def test_topics_are_skipped(state: State) -> None:
    """Topics that wait are left out, however many they are, and whatever is in their names."""
    put(state, "a", "b", "c", "b", "a")
    assert seqs(state.next_events(0, 10, {"b"})) == [1, 3, 5]
    assert seqs(state.next_events(1, 1, ["a", "b"])) == [3]
    assert state.next_events(0, 10, ["c", "b", "a"]) == []
    assert seqs(state.next_events(0, 10, [f"x'\"{number}" for number in range(5000)])) == [1, 2, 3, 4, 5]


def test_large_events_come_fewer_at_a_time(state: State) -> None:
    """Memory is bounded: large payloads end a list early, but never before its first."""
    put(state, *"abcd", payload=bytes(MANY_BYTES // 2))
    put(state, "huge", payload=bytes(MANY_BYTES + 1))
    assert seqs(state.next_events(0, 100)) == [1, 2, 3]
    assert seqs(state.next_events(4, 100)) == [5]


def test_delivered_events_are_gone(state: State) -> None:
    """What the broker has is dropped, in whatever order it says so, and may be dropped again."""
    put(state, *"abcd")
    state.events_delivered([3, 1])
    assert seqs(state.next_events(0, 10)) == [2, 4]
    state.events_delivered([1, 2, 99])
    state.events_delivered([])
    assert seqs(state.next_events(0, 10)) == [4]


def test_numbers_are_never_given_again(state: State) -> None:
    """An event gets a number of its own, also after the last one was delivered."""
    put(state, "a", "b")
    state.events_delivered([1, 2])
    put(state, "c")
    assert seqs(state.next_events(0, 10)) == [3]


def test_refused_events_stay(state: State) -> None:
    """What the broker says no to stays where it is; the topic is told, with all that waits for it."""
    put(state, "a", "b", "a", "c", "a")
    assert state.overview().refused_topics == []
    state.event_refused(1, 0x87)
    state.event_refused(1, 0x97)
    state.event_refused(4, 0x90)
    state.event_refused(99, 0x90)
    assert seqs(state.next_events(0, 10)) == [1, 2, 3, 4, 5]
    assert state.overview().refused_topics == [RefusedTopic("a", 0x97, 3), RefusedTopic("c", 0x90, 1)]
    state.events_delivered([1, 4])
    assert state.overview().refused_topics == []


def test_depth(state: State) -> None:
    """The overview tells how many events wait, and since when."""
    overview = state.overview()
    assert (overview.outbox_events, overview.outbox_oldest) == (0, None)
    put(state, "a", created=30.5)
    put(state, "b", "c", created=20.0)
    overview = state.overview()
    assert (overview.outbox_events, overview.outbox_oldest) == (3, 20.0)


@pytest.mark.parametrize(
    ("max_events", "before", "gone", "left"),
    [
        (9, 0.0, 0, [1, 2, 3, 4]),
        (4, 10.0, 0, [1, 2, 3, 4]),
        (9, 10.1, 2, [3, 4]),
        (3, 0.0, 1, [2, 3, 4]),
        (1, 10.1, 3, [4]),
        (0, 0.0, 4, []),
        (9, 99.0, 4, []),
    ],
)
def test_bound(state: State, max_events: int, before: float, gone: int, left: list[int]) -> None:
    """The outbox is bounded by age and by number; the oldest go, and how many is told."""
    put(state, "a", "b", created=10.0)
    put(state, "a", "b", created=20.0)
    assert state.bound_outbox(max_events, before) == gone
    assert seqs(state.next_events(0, 10)) == left
    assert state.bound_outbox(max_events, before) == 0


@pytest.mark.parametrize("read", [outbox.depth, outbox.refused_topics])
def test_counting_reads_no_payload(tmp_path: Path, read: Callable[[Connection], object]) -> None:
    """However large the outbox grows, counting it reads indexes only."""
    statements: list[str] = []

    def explain(connection: Connection) -> list[str]:
        connection.set_trace_callback(statements.append)
        read(connection)
        connection.set_trace_callback(None)
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statements[0]}")]

    database = Database(tmp_path / "tosser.db")
    steps = [step for step in database.call(explain) if " outbox " in f"{step} "]
    database.close()
    assert steps
    assert all("INDEX outbox_" in step for step in steps)


@given(st.lists(st.sampled_from("abc"), max_size=20), st.sets(st.sampled_from("abcd")), st.integers(1, 5))
def test_every_event_is_reached(
    tmp_path_factory: pytest.TempPathFactory, topics: list[str], skipped: set[str], limit: int
) -> None:
    """Going through the outbox some events at a time meets each event of the other topics once, in order."""
    database = Database(tmp_path_factory.mktemp("outbox") / "tosser.db")
    database.call(outbox.add, [(f"id/{number}", topic, b"") for number, topic in enumerate(topics)], 0.0)
    met: list[str] = []
    after = 0
    while events := database.call(outbox.following, after, limit, skipped):
        assert len(events) <= limit
        met += [event.topic for event in events]
        after = events[-1].seq
    database.close()
    assert met == [topic for topic in topics if topic not in skipped]
