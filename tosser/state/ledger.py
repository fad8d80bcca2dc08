"""The inbound ledger: every file that was ever claimed, how often it was tried, and how it ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import DecodeError, Struct
from msgspec.json import Decoder, Encoder

from tosser.errors import StateError
from tosser.reason import FileState, Reason
from tosser.rules.decision import FileOutcome, FileProgress

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from tosser.rules.batch import FileIn

_ENCODER = Encoder()
_PROGRESS = Decoder(FileProgress)


class LedgerEntry(Struct, frozen=True):
    """One line of the ledger, for people."""

    claim: str
    name: str
    inbound: str
    cls: str
    size: int
    arrived: float
    attempts: int
    state: str | None
    reason: str | None
    what: str | None
    offset: int | None
    sender: str | None
    digest: str | None
    packets: int | None
    finished: float | None
    counts: dict[str, int]


def enter(connection: sqlite3.Connection, files: Iterable[FileIn]) -> None:
    """Enter files about which something was decided; that ends the count of attempts without a verdict."""
    connection.executemany(
        """INSERT INTO files (claim, name, inbound, class, size, arrived) VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (claim) DO UPDATE SET attempts = 0""",
        [(file.claim, file.name, file.inbound, file.cls, file.size, file.arrived) for file in files],
    )


def try_again(connection: sqlite3.Connection, file: FileIn) -> int:
    """Count an attempt at a file that was left without a verdict; returns how many there were with this one."""
    connection.execute(
        """INSERT INTO files (claim, name, inbound, class, size, arrived, attempts) VALUES (?, ?, ?, ?, ?, ?, 1)
           ON CONFLICT (claim) DO UPDATE SET attempts = attempts + 1""",
        (file.claim, file.name, file.inbound, file.cls, file.size, file.arrived),
    )
    (attempts,) = connection.execute("SELECT attempts FROM files WHERE claim = ?", (file.claim,)).fetchone()
    return int(attempts)


def advance(connection: sqlite3.Connection, progress: Mapping[str, FileProgress]) -> None:
    """Note where files that go on in a later batch stand."""
    connection.executemany(
        "UPDATE files SET progress = ? WHERE claim = ?",
        [(_ENCODER.encode(item).decode(), claim) for claim, item in progress.items()],
    )


def finish(connection: sqlite3.Connection, outcomes: Iterable[FileOutcome], finished: float) -> None:
    """Write down how files ended."""
    connection.executemany(
        """UPDATE files SET progress = NULL, state = ?, reason = ?, what = ?, "offset" = ?, sender = ?, digest = ?,
           packets = ?, counts = ?, kept = ?, finished = ? WHERE claim = ?""",
        [
            (
                o.state,
                o.reason,
                o.what,
                o.offset,
                o.sender,
                o.digest,
                o.packets,
                json.dumps(o.counts),
                o.kept,
                finished,
                o.claim,
            )
            for o in outcomes
        ],
    )


def progress_of(connection: sqlite3.Connection, claims: Sequence[str]) -> dict[str, FileProgress]:
    """Give the progress of those of the files that earlier batches dealt with in part."""
    found: dict[str, FileProgress] = {}
    for claim in claims:
        row = connection.execute("SELECT progress FROM files WHERE claim = ?", (claim,)).fetchone()
        if row is not None and row[0] is not None:
            try:
                found[claim] = _PROGRESS.decode(row[0])
            except DecodeError as error:
                raise StateError(f"the ledger's progress of file {claim} is not what this version writes") from error
    return found


def outcomes_of(connection: sqlite3.Connection, claims: Sequence[str]) -> dict[str, FileOutcome]:
    """Give the outcomes of those of the files that have reached their final state."""
    found: dict[str, FileOutcome] = {}
    for claim in claims:
        row = connection.execute(
            """SELECT state, reason, what, "offset", sender, digest, packets, counts, kept FROM files
               WHERE claim = ? AND state IS NOT NULL""",
            (claim,),
        ).fetchone()
        if row is not None:
            state, reason, what, offset, sender, digest, packets, counts, kept = row
            found[claim] = FileOutcome(
                claim, FileState(state), Reason(reason) if reason else None, what, offset, sender, digest, packets,
                json.loads(counts), bool(kept),
            )  # fmt: skip
    return found


def names_in(connection: sqlite3.Connection, inbound: str) -> set[str]:
    """List the names of all files of an inbound that are in the ledger."""
    return {name for (name,) in connection.execute("SELECT name FROM files WHERE inbound = ?", (inbound,))}


def latest(connection: sqlite3.Connection, limit: int) -> list[LedgerEntry]:
    """List the files that finished last, newest first."""
    rows = connection.execute(
        """SELECT claim, name, inbound, class, size, arrived, attempts, state, reason, what, "offset", sender, digest,
           packets, finished, counts FROM files WHERE state IS NOT NULL ORDER BY finished DESC, claim DESC LIMIT ?""",
        (limit,),
    )
    return [_entry(row) for row in rows]


def entry(connection: sqlite3.Connection, claim: str) -> LedgerEntry | None:
    """Give the line of one file, or ``None``."""
    row = connection.execute(
        """SELECT claim, name, inbound, class, size, arrived, attempts, state, reason, what, "offset", sender, digest,
           packets, finished, counts FROM files WHERE claim = ?""",
        (claim,),
    ).fetchone()
    return None if row is None else _entry(row)


def _entry(row: Sequence[Any]) -> LedgerEntry:
    *facts, counts = row
    return LedgerEntry(*[*facts, json.loads(counts or "{}")])


def prune(connection: sqlite3.Connection, before: float) -> int:
    """Drop the lines of files that finished before the moment (Unix seconds); returns how many went."""
    return connection.execute("DELETE FROM files WHERE finished < ?", (before,)).rowcount
