"""What is wrong at this moment, by subject, and the events that tell when it began, changed and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

Told = tuple[str, str, bytes]
"""An event: id, topic, payload."""


class Condition(Struct, frozen=True):
    """Something that is wrong at this moment.

    Attributes:
        subject: with what: ``toss``, ``space``.
        text: in a sentence.
        since: Unix seconds.
        changed: when the sentence last changed, Unix seconds.
    """

    subject: str
    text: str
    since: float
    changed: float


class Announce(Protocol):
    """Makes the event of a condition that is there, or of one that is no longer: then ``changed`` is its end."""

    def __call__(self, condition: Condition, *, active: bool) -> Told:
        """Make it."""


def change(
    connection: sqlite3.Connection, subject: str, text: str, now: float, announce: Announce | None = None
) -> bool:
    """Note what is wrong with a subject, or with an empty text that nothing is any more; tells whether that is new."""
    before = _find(connection, subject)
    if text == (before.text if before else ""):
        return False
    condition = Condition(subject, text or (before.text if before else ""), before.since if before else now, now)
    if text:
        connection.execute(
            """INSERT INTO conditions (subject, text, since, changed) VALUES (?, ?, ?, ?)
               ON CONFLICT (subject) DO UPDATE SET text = excluded.text, changed = excluded.changed""",
            (subject, text, condition.since, now),
        )
    else:
        connection.execute("DELETE FROM conditions WHERE subject = ?", (subject,))
    if announce is not None:
        _tell(connection, announce(condition, active=bool(text)), now)
    return True


def listing(connection: sqlite3.Connection) -> list[Condition]:
    """List the conditions, the oldest first."""
    rows = connection.execute("SELECT subject, text, since, changed FROM conditions ORDER BY since, subject")
    return [Condition(*row) for row in rows]


def tell_again(connection: sqlite3.Connection, told: Iterable[Told], now: float) -> None:
    """Have events published again that the broker may have lost, unless their topics have any waiting."""
    for event in told:
        if connection.execute("SELECT 1 FROM outbox WHERE topic = ? LIMIT 1", (event[1],)).fetchone() is None:
            _tell(connection, event, now)


def _find(connection: sqlite3.Connection, subject: str) -> Condition | None:
    query = "SELECT subject, text, since, changed FROM conditions WHERE subject = ?"
    row = connection.execute(query, (subject,)).fetchone()
    return None if row is None else Condition(*row)


def _tell(connection: sqlite3.Connection, event: Told, now: float) -> None:
    connection.execute(
        "INSERT INTO outbox (id, topic, payload, created, retain) VALUES (?, ?, ?, ?, 1)", (*event, now)
    )  # fmt: skip
