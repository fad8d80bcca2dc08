"""The outbox: events in the order they happened, each kept until the broker has acknowledged it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence


MANY_BYTES = 8 * 1024 * 1024
"""Payload taken into memory at once, give or take one event."""


class StoredEvent(Struct, frozen=True):
    """One event waiting for the broker, which may be to keep it as the last value of its topic."""

    seq: int
    id: str
    topic: str
    payload: bytes
    retain: bool = False


class RefusedTopic(Struct, frozen=True):
    """A topic the broker says no to, and how many events wait for it."""

    topic: str
    code: int
    events: int


def add(connection: sqlite3.Connection, events: Iterable[tuple[str, str, bytes]], created: float) -> None:
    """Append (id, topic, payload)."""
    connection.executemany(
        "INSERT INTO outbox (id, topic, payload, created) VALUES (?, ?, ?, ?)",
        [(*event, created) for event in events],
    )


def following(
    connection: sqlite3.Connection, after: int, limit: int, skip_topics: Collection[str] = ()
) -> list[StoredEvent]:
    """List the oldest events behind a sequence number, leaving out some topics; fewer when they are large."""
    rows = connection.execute(
        """SELECT seq, id, topic, payload, retain FROM outbox
           WHERE seq > ? AND topic NOT IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?""",
        (after, json.dumps(list(skip_topics)), limit),
    )
    found: list[StoredEvent] = []
    size = 0
    for seq, event, topic, payload, retain in rows:
        found.append(StoredEvent(seq, event, topic, payload, bool(retain)))
        size += len(found[-1].payload)
        if size > MANY_BYTES:
            break
    return found


def waits(connection: sqlite3.Connection, event_id: str) -> bool:
    """Tell whether there is an event of this id; looks through all of them."""
    return connection.execute("SELECT 1 FROM outbox WHERE id = ? LIMIT 1", (event_id,)).fetchone() is not None


def delivered(connection: sqlite3.Connection, seqs: Sequence[int]) -> None:
    """Drop the events the broker has acknowledged."""
    connection.executemany("DELETE FROM outbox WHERE seq = ?", [(seq,) for seq in seqs])


def refused(connection: sqlite3.Connection, seq: int, code: int) -> None:
    """Note that the broker said no to an event, which stays."""
    connection.execute("UPDATE outbox SET refusals = refusals + 1, code = ? WHERE seq = ?", (code, seq))


def depth(connection: sqlite3.Connection) -> tuple[int, float | None]:
    """Give how many events wait, and when the oldest of them happened (Unix seconds)."""
    count, oldest = connection.execute("SELECT count(*), min(created) FROM outbox").fetchone()
    return int(count), oldest


def refused_topics(connection: sqlite3.Connection) -> list[RefusedTopic]:
    """List the topics the broker said no to, with all that waits for them."""
    rows = connection.execute(
        """SELECT topic, code, (SELECT count(*) FROM outbox WHERE outbox.topic = refused.topic)
           FROM (SELECT topic, max(code) AS code FROM outbox WHERE refusals > 0 GROUP BY topic) AS refused
           ORDER BY topic"""
    )
    return [RefusedTopic(*row) for row in rows]


def bound(connection: sqlite3.Connection, max_events: int, before: float) -> int:
    """Drop events that happened before the moment, and the oldest beyond the number; returns how many went."""
    gone = connection.execute("DELETE FROM outbox WHERE created < ?", (before,)).rowcount
    (count,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
    if count > max_events:
        gone += connection.execute(
            "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox ORDER BY seq LIMIT ?)", (count - max_events,)
        ).rowcount
    return gone
