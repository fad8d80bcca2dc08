"""Links nothing is tossed from for now, and the counts by which storms are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.rules.shipping import LinkKey
from tosser.rules.storm import HOUR, Intake
from tosser.state import totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

_MINUTE = 60


class Hold(Struct, frozen=True):
    """One link on hold.

    Attributes:
        link: which.
        since: Unix seconds.
        who: who put it there: a person, or ``auto``.
        why: in a sentence.
    """

    link: LinkKey
    since: float
    who: str
    why: str


def hold(connection: sqlite3.Connection, entry: Hold) -> bool:
    """Put a link on hold; one that is there already stays as it is. Tells whether it was not."""
    cursor = connection.execute(
        """INSERT INTO holds (network, link, since, who, why) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (network, link) DO UPDATE SET since = excluded.since, who = excluded.who, why = excluded.why,
           released = NULL WHERE released IS NOT NULL""",
        (*entry.link, entry.since, entry.who, entry.why),
    )
    if cursor.rowcount:
        totals.touch(connection, [entry.link])
    return bool(cursor.rowcount)


def release(connection: sqlite3.Connection, link: LinkKey, now: float) -> bool:
    """End the hold of a link; tells whether it was on hold."""
    update = "UPDATE holds SET released = ? WHERE network = ? AND link = ? AND released IS NULL"
    cursor = connection.execute(update, (now, *link))
    if cursor.rowcount:
        totals.touch(connection, [link])
    return bool(cursor.rowcount)


def listing(connection: sqlite3.Connection) -> list[Hold]:
    """List the links on hold."""
    rows = connection.execute(
        "SELECT network, link, since, who, why FROM holds WHERE released IS NULL ORDER BY network, link"
    )
    return [Hold(LinkKey(network, link), since, who, why) for network, link, since, who, why in rows]


def count(connection: sqlite3.Connection, intake: Mapping[LinkKey, Intake], now: float) -> None:
    """Add what came from links at a moment."""
    connection.executemany(
        """INSERT INTO intake (network, link, minute, messages, duplicates) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (network, link, minute) DO UPDATE SET messages = messages + excluded.messages,
           duplicates = duplicates + excluded.duplicates""",
        [(*link, now // _MINUTE, more.messages, more.duplicates) for link, more in intake.items()],
    )


def within_hour(connection: sqlite3.Connection, links: Iterable[LinkKey], now: float) -> dict[LinkKey, Intake]:
    """Sum up what came from links in the last hour; nothing for those that were released within it."""
    found = {}
    for link in links:
        released = connection.execute(
            "SELECT 1 FROM holds WHERE network = ? AND link = ? AND released > ? AND released <= ?",
            (*link, now - HOUR, now),
        ).fetchone()
        row = connection.execute(
            """SELECT coalesce(sum(messages), 0), coalesce(sum(duplicates), 0) FROM intake
               WHERE network = ? AND link = ? AND minute > ? AND minute <= ?""",
            (*link, (now - HOUR) // _MINUTE, now // _MINUTE),
        ).fetchone()
        found[link] = Intake() if released else Intake(*row)
    return found


def forget(connection: sqlite3.Connection, now: float) -> None:
    """Drop counts and ended holds that are older than an hour, or ahead of the clock."""
    connection.execute(
        "DELETE FROM intake WHERE minute <= ? OR minute > ?", ((now - HOUR) // _MINUTE, now // _MINUTE)
    )  # fmt: skip
    connection.execute("DELETE FROM holds WHERE released <= ? OR released > ?", (now - HOUR, now))
