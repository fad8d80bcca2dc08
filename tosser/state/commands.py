"""Requests to post by MQTT that were accepted: each once, with its answer, and its packet until it is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.state import serials, totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

_HOUR = 3600.0


class Command(Struct, frozen=True):
    """A request that is to be carried out.

    Attributes:
        user: who sent it.
        id: what the user calls it.
        digest: of its content.
        messages: how many it posts.
        limit: how many the user may post within an hour.
    """

    user: str
    id: str
    digest: bytes
    messages: int
    limit: int


class Carried(Struct, frozen=True):
    """What carrying it out comes to.

    Attributes:
        answer: JSON.
        file: name of its packet in the post box.
        packet: the packet.
    """

    answer: str
    file: str
    packet: bytes


def answered(connection: sqlite3.Connection, user: str, id: str) -> tuple[bytes, str] | None:  # noqa: A002 - its name in requests
    """Give digest and answer of an accepted request of this id; ``None`` where there is none."""
    row = connection.execute("SELECT digest, answer FROM commands WHERE user = ? AND id = ?", (user, id)).fetchone()
    return None if row is None else (bytes(row[0]), str(row[1]))


def record(
    connection: sqlite3.Connection, command: Command, now: float, carry_out: Callable[[int], Carried]
) -> str | None:
    """Accept a request: its key, its serial numbers, its packet and its answer, all at once.

    Args:
        connection: in a transaction.
        command: the request.
        now: Unix seconds.
        carry_out: writes it, given the first of its serial numbers.

    Returns:
        The answer; ``None`` when the user has posted as much as it may, and then nothing is recorded.
    """
    query = "SELECT coalesce(sum(messages), 0) FROM commands WHERE user = ? AND at BETWEEN ? AND ?"
    within = (now - _HOUR, now + _HOUR)  # what is later was recorded while the clock was wrong
    (posted,) = connection.execute(query, (command.user, *within)).fetchone()
    if posted + command.messages > command.limit:
        return None
    first = serials.hand_out(connection, serials.Series.MESSAGES, command.messages, now)
    carried = carry_out(first)
    connection.execute(
        "INSERT INTO commands (user, id, digest, messages, answer, file, packet, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (command.user, command.id, command.digest, command.messages, carried.answer, carried.file, carried.packet, now),
    )
    count(connection, {"accepted": 1})
    return carried.answer


def waiting(connection: sqlite3.Connection) -> list[tuple[str, bytes]]:
    """List the packets (name, content) that are not known to be in the post box, oldest first."""
    rows = connection.execute("SELECT file, packet FROM commands WHERE packet IS NOT NULL ORDER BY file")
    return [(file, bytes(packet)) for file, packet in rows]


def dropped(connection: sqlite3.Connection, file: str) -> None:
    """Note that a packet is in the post box, or was."""
    connection.execute("UPDATE commands SET packet = NULL WHERE file = ? AND packet IS NOT NULL", (file,))


def count(connection: sqlite3.Connection, outcomes: Mapping[str, int]) -> None:
    """Count requests by what became of them."""
    totals.add(connection, (), (), {f"command.{outcome}": number for outcome, number in outcomes.items()})


def forget(connection: sqlite3.Connection, before: float) -> None:
    """Drop what was accepted before a moment, and is in the post box."""
    connection.execute("DELETE FROM commands WHERE at < ? AND packet IS NULL", (before,))
