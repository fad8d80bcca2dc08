"""The journal: decisions that are made but not yet carried out.

A decision is durable before the first byte of it is written anywhere else, and is forgotten in the same transaction
that records its results. What is still here at start-up is carried out again, by the recorded verdicts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from msgspec import DecodeError, Struct
from msgspec.json import Decoder, Encoder
from msgspec.structs import replace

from tosser.errors import StateError
from tosser.rules.decision import Decision
from tosser.state import answers, dupes, ledger
from tosser.state.serials import Series, hand_out

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

_ENCODER = Encoder()
_DECODER = Decoder(Decision)


class OpenBatch(Struct, frozen=True):
    """A decision that is not yet carried out.

    Attributes:
        id: of the journal entry.
        decision: what was decided; its dupe keys are remembered already and are not repeated here.
        positions: for each base, by path, where it stood before; ``None`` where it could not be looked at yet.
        first_packet: serial number of the first of its packets; 0 when it sends none on.
        packets: how many serial numbers it has.
    """

    id: int
    decision: Decision
    positions: dict[str, dict[str, int] | None]
    first_packet: int = 0
    packets: int = 0


def commit(
    connection: sqlite3.Connection, decision: Decision, positions: Mapping[str, Mapping[str, int] | None], packets: int
) -> tuple[int, int]:
    """Make a decision durable; returns the id of its journal entry and the first serial number for its packets."""
    dupes.remember(connection, decision.dupe_keys, decision.decided)
    answers.remember(connection, decision.answers, decision.decided)
    ledger.enter(connection, decision.files)
    ledger.advance(connection, decision.progress)
    first = hand_out(connection, Series.PACKETS, packets, decision.decided)
    cursor = connection.execute(
        "INSERT INTO batches (decision, positions, first_packet, packets, keys) VALUES (?, ?, ?, ?, ?)",
        (write_decision(decision), json.dumps(dict(positions)), first, packets, decision.trace_keys),
    )
    return int(cursor.lastrowid or 0), first


def renumber(connection: sqlite3.Connection, batch: int, packets: int, now: float) -> int:
    """Give an open batch serial numbers anew, when it makes more packets than it was committed with; returns the first.

    Raises:
        StateError: there is no such batch.
    """
    first = hand_out(connection, Series.PACKETS, packets, now)
    update = "UPDATE batches SET first_packet = ?, packets = ? WHERE id = ?"
    if connection.execute(update, (first, packets, batch)).rowcount != 1:
        raise StateError(f"batch {batch} is not in the journal")
    return first


def locate(connection: sqlite3.Connection, batch: int, path: str, position: Mapping[str, int]) -> None:
    """Note where a base stands that could not be looked at when the batch was committed.

    Raises:
        StateError: there is no such batch.
    """
    row = connection.execute("SELECT positions FROM batches WHERE id = ?", (batch,)).fetchone()
    if row is None:
        raise StateError(f"batch {batch} is not in the journal")
    positions = json.loads(row[0]) | {path: dict(position)}
    connection.execute("UPDATE batches SET positions = ? WHERE id = ?", (json.dumps(positions), batch))


def forget(connection: sqlite3.Connection, batch: int) -> None:
    """Remove the entry of a decision that has been carried out.

    Raises:
        StateError: there is none: its results have been recorded, and must not be again.
    """
    if connection.execute("DELETE FROM batches WHERE id = ?", (batch,)).rowcount != 1:
        raise StateError(f"batch {batch} is not in the journal: it has been carried out before")


def open_batches(connection: sqlite3.Connection) -> list[OpenBatch]:
    """List the decisions still to be carried out, oldest first.

    Raises:
        StateError: one cannot be read.
    """
    rows = connection.execute(
        "SELECT id, decision, positions, first_packet, packets FROM batches ORDER BY id"
    ).fetchall()
    return [
        OpenBatch(batch, read_decision(text, batch), json.loads(positions), first, packets)
        for batch, text, positions, first, packets in rows
    ]


def open_bases(connection: sqlite3.Connection) -> set[str]:
    """List the paths of the bases that decisions which are not carried out may have been written to in part."""
    rows = connection.execute("SELECT positions FROM batches").fetchall()
    return {path for (positions,) in rows for path, position in json.loads(positions).items() if position}


def write_decision(decision: Decision) -> str:
    """Write a decision as JSON, but for the keys, which are kept elsewhere and which nobody needs to carry it out."""
    return _ENCODER.encode(replace(decision, dupe_keys=[], trace_keys=b"")).decode()


def read_decision(text: str, batch: int) -> Decision:
    """Read what `write_decision` wrote.

    Args:
        text: JSON.
        batch: for the error.

    Raises:
        StateError: it is something else.
    """
    try:
        return _DECODER.decode(text)
    except DecodeError as error:
        raise StateError(f"batch {batch} in the journal is not what this version of tosser writes: {error}") from error
