"""The state as the rest of the program sees it: methods that are one transaction each, and no SQL.

A hub that outgrows one machine can put the same methods on another database; nothing outside this package may assume
that it is SQLite or that this process is the only one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tosser.state import dupes, journal, ledger, outbox, totals
from tosser.state.database import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from tosser.rules.batch import FileIn
    from tosser.rules.decision import Decision, FileOutcome, FileProgress
    from tosser.state.journal import OpenBatch
    from tosser.state.ledger import LedgerEntry
    from tosser.state.outbox import RefusedTopic, StoredEvent
    from tosser.state.totals import AreaTally, AreaTotals, LinkTally, LinkTotals

DATABASE_NAME = "tosser.db"


@dataclass(slots=True)
class Results:
    """What carrying out a batch came to; recorded in one transaction.

    Attributes:
        outcomes: the files that ended.
        progress: where the files that go on stand.
        events: (id, topic, payload), in order.
        areas: totals to add per area.
        links: totals to add per link.
        counters: totals to add by name.
        finished: Unix seconds.
    """

    outcomes: Sequence[FileOutcome] = ()
    progress: Mapping[str, FileProgress] = field(default_factory=dict)
    events: Sequence[tuple[str, str, bytes]] = ()
    areas: Sequence[AreaTally] = ()
    links: Sequence[LinkTally] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    finished: float = 0.0


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that is counted, at one moment."""

    areas: list[AreaTotals]
    links: list[LinkTotals]
    counters: dict[str, int]
    outbox_events: int
    outbox_oldest: float | None
    refused_topics: list[RefusedTopic]
    open_batches: int
    open_files: int


class State:
    """The state database of one tosser.

    Args:
        directory: the state directory.
        read_only: look only; the daemon may be at work beside.
    """

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        self._database = Database(directory / DATABASE_NAME, read_only=read_only)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # --- the toss

    def known_dupes(self, keys: Iterable[bytes]) -> set[bytes]:
        """Tell which of the dupe keys are remembered."""
        return self._database.call(dupes.known, keys)

    def progress_of(self, claims: Sequence[str]) -> dict[str, FileProgress]:
        """Give the progress of those of the files that earlier batches dealt with in part."""
        return self._database.call(ledger.progress_of, claims)

    def commit(self, decision: Decision, positions: Mapping[str, Mapping[str, int]]) -> int:
        """Make a decision durable before it is carried out; returns the id of its journal entry."""
        return self._database.call(journal.commit, decision, positions)

    def park(self, batch: int, done: Collection[str]) -> None:
        """Note which bases of a batch are finished, while others wait for a lock."""
        self._database.call(journal.park, batch, done)

    def applied(self, batch: int, results: Results) -> None:
        """Record that a batch has been carried out, with its events and totals; forgets its journal entry."""
        self._database.call(_applied, batch, results)

    def open_batches(self) -> list[OpenBatch]:
        """List the decisions still to be carried out, oldest first."""
        return self._database.call(journal.open_batches)

    def try_again(self, file: FileIn) -> int:
        """Count an attempt at a file that was left without a verdict; returns how many there were with this one."""
        return self._database.call(ledger.try_again, file)

    def finished_claims(self, claims: Sequence[str]) -> set[str]:
        """Tell which of the files have reached their final state."""
        return self._database.call(ledger.finished_claims, claims)

    # --- the publisher

    def next_events(self, after: int, limit: int, skip_topics: Collection[str] = ()) -> list[StoredEvent]:
        """List the oldest events behind a sequence number, leaving out some topics."""
        return self._database.call(outbox.following, after, limit, skip_topics)

    def events_delivered(self, seqs: Sequence[int]) -> None:
        """Drop the events the broker has acknowledged."""
        self._database.call(outbox.delivered, seqs)

    def event_refused(self, seq: int, code: int) -> None:
        """Note that the broker said no to an event, which stays."""
        self._database.call(outbox.refused, seq, code)

    def bound_outbox(self, max_events: int, before: float) -> int:
        """Drop events older than a moment or beyond a number; returns how many went."""
        return self._database.call(outbox.bound, max_events, before)

    def unpublished_totals(self) -> tuple[list[AreaTotals], list[LinkTotals]]:
        """List the totals whose last change the broker does not have."""
        return self._database.call(_unpublished)

    def totals_published(self, areas: Sequence[tuple[str, str, int]], links: Sequence[tuple[str, int]]) -> None:
        """Note which version the broker has of areas (network, tag, version) and links (address, version)."""
        self._database.call(totals.published, areas, links)

    def forget_published(self) -> None:
        """Forget what the broker has of the totals: a new connection may be to a broker that kept nothing."""
        self._database.call(totals.all_unpublished)

    # --- people

    def overview(self) -> Overview:
        """Give everything that is counted."""
        return self._database.call(_overview)

    def latest_files(self, limit: int) -> list[LedgerEntry]:
        """List the files that finished last, newest first."""
        return self._database.call(ledger.latest, limit)

    def keep_house(self, histories: Mapping[tuple[str, str], int], default: int, ledger_days: int, now: float) -> int:
        """Drop dupe keys and ledger lines that are too old; returns how many keys went."""
        return self._database.call(_keep_house, histories, default, now - ledger_days * 86400, now)


def _applied(connection: sqlite3.Connection, batch: int, results: Results) -> None:
    ledger.advance(connection, results.progress)
    ledger.finish(connection, results.outcomes, results.finished)
    outbox.add(connection, results.events, results.finished)
    totals.add(connection, results.areas, results.links, results.counters)
    journal.forget(connection, batch)


def _unpublished(connection: sqlite3.Connection) -> tuple[list[AreaTotals], list[LinkTotals]]:
    return totals.areas(connection, unpublished=True), totals.links(connection, unpublished=True)


def _overview(connection: sqlite3.Connection) -> Overview:
    depth, oldest = outbox.depth(connection)
    (batches,) = connection.execute("SELECT count(*) FROM batches").fetchone()
    (files,) = connection.execute("SELECT count(*) FROM files WHERE state IS NULL").fetchone()
    return Overview(
        totals.areas(connection), totals.links(connection), totals.counters(connection),
        depth, oldest, outbox.refused_topics(connection), batches, files,
    )  # fmt: skip


def _keep_house(
    connection: sqlite3.Connection, histories: Mapping[tuple[str, str], int], default: int, before: float, now: float
) -> int:
    ledger.prune(connection, before)
    return dupes.forget(connection, histories, default, now)
