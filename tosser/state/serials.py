"""Serial numbers of 32 bits that are never given twice, by what they are for.

They follow the clock, so that those of a database that was lost are hardly given again: only a burst that ran ahead of
it could be. MSGID asks for three years without repetition (FTS-0009).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from tosser.errors import StateError

if TYPE_CHECKING:
    import sqlite3

_HIGHEST = 0xFFFF_FFFF


class Series(StrEnum):
    """What numbers are for."""

    PACKETS = "packets"
    MESSAGES = "messages"


def hand_out(connection: sqlite3.Connection, series: Series, count: int, now: float) -> int:
    """Give so many serial numbers that nobody else gets; returns the first, 0 when none is wanted.

    Raises:
        StateError: the numbers would not fit 32 bits.
    """
    if not count:
        return 0
    row = connection.execute("SELECT value FROM serials WHERE name = ?", (series,)).fetchone()
    first = max((row[0] if row else 0) + 1, int(now))
    last = first + count - 1
    if last > _HIGHEST:
        raise StateError(f"serial number {last} of {series} does not fit 32 bits: is the clock right?")
    connection.execute(
        "INSERT INTO serials (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (series, last),
    )
    return first
