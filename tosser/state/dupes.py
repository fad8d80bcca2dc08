"""The dupe history: which messages have been seen, per area, with the time they were first seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosser.state import moments

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

_ASKED = 500
"""Keys asked for at a time, which takes a third of what it takes one by one; SQLite has room for 999 everywhere."""
_WRITTEN = 100
"""Keys written at a time, for the same reasons."""
SLICE = 100_000
"""Keys looked at in one transaction of housekeeping: others wait for it, some tenth of a second."""


def known(connection: sqlite3.Connection, keys: Iterable[bytes]) -> set[bytes]:
    """Tell which of the keys are remembered."""
    found: set[bytes] = set()
    rest = list(keys)
    for at in range(0, len(rest), _ASKED):
        some = rest[at : at + _ASKED]
        marks = ",".join("?" * len(some))
        found.update(key for (key,) in connection.execute(f"SELECT key FROM dupes WHERE key IN ({marks})", some))  # noqa: S608 - only question marks are put in
    return found


def seen(connection: sqlite3.Connection, key: bytes) -> float | None:
    """Tell when a key was seen, in Unix seconds; ``None`` when it is not remembered."""
    row = connection.execute("SELECT seen FROM dupes WHERE key = ?", (key,)).fetchone()
    return None if row is None else float(row[0])


def remember(connection: sqlite3.Connection, keys: Iterable[tuple[str, str, bytes]], seen: float) -> None:
    """Remember (network, tag, key) as seen; a key that is known keeps its first time.

    A moment before the last housekeeping is that of a clock that was set back: with it the key would be forgotten as
    soon as the clock is right again.
    """
    moment = int(max(seen, moments.last_housekeeping(connection) or 0.0))
    areas: dict[tuple[str, str], int] = {}
    rows = []
    for network, tag, key in keys:
        area = areas.get((network, tag))
        if area is None:
            area = areas[network, tag] = area_id(connection, network, tag)
        rows.append((key, area, moment))
    rows.sort()  # neighbouring keys share a page of the table
    for at in range(0, len(rows), _WRITTEN):
        some = rows[at : at + _WRITTEN]
        marks = ",".join(["(?, ?, ?)"] * len(some))
        insert = f"INSERT INTO dupes (key, area, seen) VALUES {marks} ON CONFLICT (key) DO NOTHING"  # noqa: S608 - as above
        connection.execute(insert, [value for row in some for value in row])


def area_id(connection: sqlite3.Connection, network: str, tag: str) -> int:
    """Give the row id of an area, making the row on first use."""
    connection.execute("INSERT INTO areas (network, tag) VALUES (?, ?) ON CONFLICT DO NOTHING", (network, tag))
    (row,) = connection.execute("SELECT id FROM areas WHERE network = ? AND tag = ?", (network, tag)).fetchone()
    return int(row)


def forget_some(
    connection: sqlite3.Connection, histories: Mapping[tuple[str, str], int], default: int, now: float, after: bytes
) -> tuple[int, bytes]:
    """Drop, of the next keys, those that are older than the history of their area (seconds).

    There is no index by age: keeping one would cost every message more than looking at all keys once an hour does.

    Args:
        connection: the database.
        histories: seconds by (network, tag).
        default: seconds for areas that are no longer configured.
        now: Unix seconds.
        after: looks at what follows this key.

    Returns:
        How many went, and the last key looked at; empty when it was the last of all.
    """
    areas = connection.execute("SELECT id, network, tag FROM areas").fetchall()
    limits = {area: int(now) - histories.get((network, tag), default) for area, network, tag in areas}
    last = connection.execute("SELECT key FROM dupes WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?", (after, SLICE - 1))
    (end,) = last.fetchone() or (b"",)
    rows = connection.execute(
        "SELECT key, area, seen FROM dupes WHERE key > ? AND seen < ? AND (key <= ? OR ? = x'')",
        (after, max(limits.values(), default=0), end, end),
    )
    old = [(key,) for key, area, seen in rows if seen < limits[area]]
    connection.executemany("DELETE FROM dupes WHERE key = ?", old)
    return len(old), end
