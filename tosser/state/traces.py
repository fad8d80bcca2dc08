"""What happened to each message: the decisions that are done, found again by eight bytes of each message's key.

A row is what the journal had of a batch anyway, and costs next to nothing while mail is tossed; all the work is done
when somebody asks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tosser.rules.decision import TRACE_KEY_SIZE
from tosser.state.journal import read_decision

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from tosser.address import Address
    from tosser.codec.flow import Flavour
    from tosser.rules.decision import Decision, PieceDecision
    from tosser.rules.shipping import PacketOut
    from tosser.rules.verdict import Verdict


class TracedPacket(Struct, frozen=True):
    """A packet that has a message in it.

    Attributes:
        network: of the link.
        link: its address, without domain.
        serial: of the packet.
        file: what the mailer finds, or found; ``None`` while it waits.
        at: when it was put there, Unix seconds; ``None`` while it waits.
    """

    network: str
    link: str
    serial: int
    file: str | None
    at: float | None


class Trace(Struct, frozen=True):
    """One message of a batch that is done.

    Attributes:
        decision: of the whole batch.
        piece: the part of a packet that it was in.
        index: of the message in its packet.
        verdict: on it.
        number: in the base; ``None`` where it is in none, or the base gives no numbers.
        packets: those it went into, by link.
        finished: when the batch was done, Unix seconds.
        exact: whether its key is one that was asked for, not just the beginning of one.
    """

    decision: Decision
    piece: PieceDecision
    index: int
    verdict: Verdict
    number: int | None
    packets: list[TracedPacket]
    finished: float
    exact: bool

    @property
    def event_id(self) -> str:
        """The id of the event that told of it."""
        return f"{self.piece.claim}/{self.piece.member}/{self.index}"


def runs(numbers: Sequence[int]) -> list[list[int]]:
    """Write numbers as runs: the first one, and how many follow each other."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == sum(found[-1]):
            found[-1][1] += 1
        else:
            found.append([number, 1])
    return found


def keep(
    connection: sqlite3.Connection,
    batch: int,
    numbers: Mapping[str, Sequence[int]],
    packets: Sequence[PacketOut],
    finished: float,
) -> None:
    """Keep what the journal has of a batch that is done; to be called before the journal forgets it."""
    written = json.dumps({path: runs(each) for path, each in numbers.items()})
    made = json.dumps([[packet.serial, *packet.link, packet.flavour, packet.messages] for packet in packets])
    connection.execute(
        """INSERT INTO traces (batch, decision, keys, numbers, packets, finished)
           SELECT id, decision, keys, ?, ?, ? FROM batches WHERE id = ?""",
        (written, made, finished, batch),
    )


def shipped(connection: sqlite3.Connection, files: Mapping[int, str], now: float) -> None:
    """Note what packets are in that the mailer finds, by their serial numbers."""
    connection.executemany(
        "INSERT INTO shipped (serial, file, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(serial, file, now) for serial, file in files.items()],
    )


def forget(connection: sqlite3.Connection, before: float) -> None:
    """Drop what was done before a moment."""
    connection.execute("DELETE FROM traces WHERE finished < ?", (before,))
    connection.execute("DELETE FROM shipped WHERE at < ?", (before,))


def since(connection: sqlite3.Connection) -> float | None:
    """Tell how far back it goes, in Unix seconds; ``None`` when there is nothing."""
    (oldest,) = connection.execute("SELECT min(finished) FROM traces").fetchone()
    return None if oldest is None else float(oldest)


def find(connection: sqlite3.Connection, keys: Collection[bytes], serial: bytes | None) -> list[Trace]:
    """Find messages, oldest first.

    Args:
        connection: the database.
        keys: what they may have as their key.
        serial: how a key may begin of a message that was not accepted, whose area may be one we do not know.

    Raises:
        StateError: a row cannot be read.
    """
    found: list[Trace] = []
    rows = connection.execute("SELECT batch, keys, finished FROM traces ORDER BY finished, batch")
    for batch, blob, finished in rows:
        exact = {place for key in keys for place in _places(blob, key)}
        loose = set(_places(blob, serial)) - exact if serial else set()
        if exact or loose:
            found += _read(connection, batch, exact, loose, finished)
    return found


def _places(blob: bytes, wanted: bytes) -> Iterator[int]:
    """Find the messages whose keys begin so."""
    at = blob.find(wanted)
    while at >= 0:
        if at % TRACE_KEY_SIZE == 0:
            yield at // TRACE_KEY_SIZE
        at = blob.find(wanted, at + 1)


def _read(
    connection: sqlite3.Connection, batch: int, exact: set[int], loose: set[int], finished: float
) -> Iterator[Trace]:
    query = "SELECT decision, numbers, packets FROM traces WHERE batch = ?"
    text, numbers, packets = connection.execute(query, (batch,)).fetchone()
    decision = read_decision(text, batch)
    walk = _Walk(decision, json.loads(numbers), json.loads(packets))
    for place, (piece, index, verdict, number, serials) in enumerate(walk.messages()):
        if place in exact or (place in loose and not verdict.accepted):
            traced = [_packet(connection, network, link, serial) for network, link, serial in serials]
            yield Trace(decision, piece, index, verdict, number, traced, finished, place in exact)


def _packet(connection: sqlite3.Connection, network: str, link: str, serial: int) -> TracedPacket:
    row = connection.execute("SELECT file, at FROM shipped WHERE serial = ?", (serial,)).fetchone()
    return TracedPacket(network, link, serial, *(row or (None, None)))


class _Walk:
    """A walk over all messages of a decision, with the numbers and the packets each got."""

    def __init__(self, decision: Decision, numbers: dict[str, list[list[int]]], packets: list[Any]) -> None:
        self._decision = decision
        self._numbers = {
            path: iter([first + step for first, count in each for step in range(count)])
            for path, each in numbers.items()
        }
        lanes: dict[tuple[str, Flavour | None], list[tuple[str, str, int]]] = {}
        for serial, network, link, flavour, messages in packets:
            lane = lanes.setdefault((link, flavour), [])
            lane += [(network, link, serial)] * messages
        self._lanes = {key: iter(lane) for key, lane in lanes.items()}

    def messages(self) -> Iterator[tuple[PieceDecision, int, Verdict, int | None, list[tuple[str, str, int]]]]:
        """Go through them in order."""
        for piece in self._decision.pieces:
            for index, chosen in enumerate(piece.verdicts, piece.first):
                verdict = self._decision.verdicts[chosen]
                target = verdict.target
                number = next(self._numbers.get(target.path, iter(())), None) if target else None
                yield piece, index, verdict, number or None, list(self._packets(verdict))

    def _packets(self, verdict: Verdict) -> Iterator[tuple[str, str, int]]:
        """Take the next place in the packets of each link it was sent to; netmail may be in more urgent ones."""
        ways: list[tuple[Address, Flavour | None]] = [(address, None) for address in verdict.recipients]
        ways += [(onward.link, onward.flavour) for onward in verdict.onward]
        for address, flavour in ways:
            link = str(address.without_domain)
            lane = self._lanes.get((link, flavour)) or self._lanes.get((link, None))
            place = next(lane, None) if lane else None
            if place is not None:
                yield place
