"""What was answered, and what robots that are programs have still to be given."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.rules.answering import Answered

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from tosser.rules.answering import Answer


class RobotMail(Struct, frozen=True):
    """A netmail for a robot that is a program.

    Attributes:
        robot: its name in the configuration.
        about: whose mail it is, for people.
        message: what the program reads.
        id: 0 until it is entered.
        attempts: how often the program was started with it and nothing is known of its end.
    """

    robot: str
    about: str
    message: bytes
    id: int = 0
    attempts: int = 0


def before(connection: sqlite3.Connection, answers: Sequence[Answer], since: float) -> Answered:
    """Give what matters of earlier answers: these keys at any time, these kinds and systems since a moment."""
    found = Answered()
    for key in {answer.key for answer in answers}:
        if connection.execute("SELECT 1 FROM answers WHERE key = ?", (key,)).fetchone():
            found.keys.add(key)
    systems: Counter[tuple[str, str]] = Counter()
    for kind, system in {(answer.kind.value, answer.system) for answer in answers}:
        query = "SELECT count(*) FROM answers WHERE kind = ? AND system = ? AND at > ?"
        (systems[kind, system],) = connection.execute(query, (kind, system, since)).fetchone()
    for kind in {answer.kind.value for answer in answers}:
        query = "SELECT count(*) FROM answers WHERE kind = ? AND at > ?"
        (found.totals[kind],) = connection.execute(query, (kind, since)).fetchone()
    found.systems = systems
    return found


def remember(connection: sqlite3.Connection, answers: Iterable[Answer], now: float) -> None:
    """Note that these are given."""
    connection.executemany(
        "INSERT INTO answers (key, kind, system, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(answer.key, answer.kind, answer.system, now) for answer in answers],
    )


def forget(connection: sqlite3.Connection, before: float) -> None:
    """Drop what was answered before a moment."""
    connection.execute("DELETE FROM answers WHERE at < ?", (before,))


def hand_over(connection: sqlite3.Connection, mails: Iterable[RobotMail]) -> None:
    """Enter mail for robots."""
    connection.executemany(
        "INSERT INTO hand_overs (robot, about, message) VALUES (?, ?, ?)",
        [(mail.robot, mail.about, mail.message) for mail in mails],
    )


def begin_hand_over(connection: sqlite3.Connection) -> RobotMail | None:
    """Give the mail that waits longest, and count the attempt; ``None`` when none waits."""
    row = connection.execute(
        "SELECT robot, about, message, id, attempts FROM hand_overs ORDER BY id LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    connection.execute("UPDATE hand_overs SET attempts = attempts + 1 WHERE id = ?", (row[3],))
    return RobotMail(*row)


def end_hand_over(connection: sqlite3.Connection, mail: RobotMail) -> None:
    """Forget mail that a robot was given, or that it cannot be given."""
    connection.execute("DELETE FROM hand_overs WHERE id = ?", (mail.id,))
