"""Moments that were noted while the clock could be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_HOUSEKEEPING = "housekeeping"


def last_housekeeping(connection: sqlite3.Connection) -> float | None:
    """Give the moment of the last housekeeping, Unix seconds; ``None`` before the first."""
    row = connection.execute("SELECT at FROM moments WHERE name = ?", (_HOUSEKEEPING,)).fetchone()
    return None if row is None else float(row[0])


def note_housekeeping(connection: sqlite3.Connection, now: float) -> None:
    """Note that house is kept."""
    connection.execute(
        "INSERT INTO moments (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at",
        (_HOUSEKEEPING, now),
    )
