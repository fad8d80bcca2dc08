"""How far message bases were looked through for mail of other programs, and what was found there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.rules.scanning import ScanPosition

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence


class ScannedMail(Struct, frozen=True):
    """A message that was found in a base.

    Attributes:
        serial: given to no other message.
        path: of the base.
        number: in the base, when it was found.
        digest: what tells it from any other message of the base.
        packet: the packet that it is sent with.
    """

    serial: int
    path: str
    number: int
    digest: bytes
    packet: bytes


def position(connection: sqlite3.Connection, path: str) -> ScanPosition | None:
    """Tell how far a base was looked at; ``None`` before the first look."""
    query = "SELECT since, created, next, mark, waiting FROM scans WHERE path = ?"
    row = connection.execute(query, (path,)).fetchone()
    if row is None:
        return None
    since, created, following, mark, waiting = row
    return ScanPosition(since, created, following, mark, tuple(json.loads(waiting)))


def advance(connection: sqlite3.Connection, path: str, at: ScanPosition) -> None:
    """Note how far a base was looked at."""
    connection.execute(
        "INSERT OR REPLACE INTO scans (path, since, created, next, mark, waiting) VALUES (?, ?, ?, ?, ?, ?)",
        (path, at.since, at.created, at.next, at.mark, json.dumps(at.waiting)),
    )


def find(connection: sqlite3.Connection, path: str, at: ScanPosition, mail: Sequence[ScannedMail], now: float) -> None:
    """Note what was found in a base, and how far it was looked at."""
    advance(connection, path, at)
    connection.executemany(
        "INSERT INTO scanned (serial, path, number, digest, packet, found) VALUES (?, ?, ?, ?, ?, ?)",
        [(each.serial, each.path, each.number, each.digest, each.packet, now) for each in mail],
    )


def left(connection: sqlite3.Connection, path: str) -> list[ScannedMail]:
    """List the mail of a base that is still to be tossed, or to be marked as sent, in the order of finding."""
    rows = connection.execute(
        "SELECT serial, path, number, digest, packet FROM scanned WHERE path = ? AND packet IS NOT NULL "
        "ORDER BY serial", (path,)
    )  # fmt: skip
    return [ScannedMail(*row) for row in rows]


def paths_left(connection: sqlite3.Connection) -> list[str]:
    """List the bases that there is such mail of."""
    rows = connection.execute("SELECT DISTINCT path FROM scanned WHERE packet IS NOT NULL ORDER BY path")
    return [path for (path,) in rows]


def done(connection: sqlite3.Connection, serials: Collection[int]) -> None:
    """Note that messages are tossed and marked."""
    connection.executemany("UPDATE scanned SET packet = NULL WHERE serial = ?", [(serial,) for serial in serials])


def known(connection: sqlite3.Connection, path: str, digests: Collection[bytes]) -> set[bytes]:
    """Tell which of these messages of a base were found before."""
    query = "SELECT 1 FROM scanned WHERE path = ? AND digest = ? LIMIT 1"
    return {digest for digest in digests if connection.execute(query, (path, digest)).fetchone() is not None}


def forget(connection: sqlite3.Connection, before: float) -> None:
    """Drop what was found, and done with, before a moment."""
    connection.execute("DELETE FROM scanned WHERE found < ? AND packet IS NULL", (before,))
