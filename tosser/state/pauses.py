"""Links that are paused at run time: who paused them, when and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.rules.shipping import LinkKey
from tosser.state import totals

if TYPE_CHECKING:
    import sqlite3


class Pause(Struct, frozen=True):
    """One paused link.

    Attributes:
        link: which.
        since: Unix seconds.
        who: who paused it: a person, or ``auto``.
        why: in a sentence.
    """

    link: LinkKey
    since: float
    who: str
    why: str


def pause(connection: sqlite3.Connection, entry: Pause) -> None:
    """Pause a link; one that is paused already stays as it is. Its published state changes."""
    cursor = connection.execute(
        "INSERT OR IGNORE INTO paused (network, link, since, who, why) VALUES (?, ?, ?, ?, ?)",
        (*entry.link, entry.since, entry.who, entry.why),
    )
    if cursor.rowcount:
        totals.touch(connection, [entry.link])


def resume(connection: sqlite3.Connection, link: LinkKey) -> bool:
    """End the pause of a link; tells whether it was paused."""
    cursor = connection.execute("DELETE FROM paused WHERE network = ? AND link = ?", link)
    if cursor.rowcount:
        totals.touch(connection, [link])
    return bool(cursor.rowcount)


def listing(connection: sqlite3.Connection) -> list[Pause]:
    """List the paused links."""
    rows = connection.execute("SELECT network, link, since, who, why FROM paused ORDER BY network, link")
    return [Pause(LinkKey(network, link), since, who, why) for network, link, since, who, why in rows]
