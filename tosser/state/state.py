"""The state as the rest of the program sees it: methods that are one transaction each, and no SQL.

A hub that outgrows one machine can put the same methods on another database; nothing outside this package may assume
that it is SQLite or that this process is the only one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tosser.state import conditions, dupes, holds, journal, ledger, moments, outbox, pauses, shipping, totals
from tosser.state.database import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from tosser.rules.batch import FileIn
    from tosser.rules.decision import Decision, FileOutcome, FileProgress
    from tosser.rules.shipping import BundleName, LinkKey, PacketOut, Placement, StagedMail, StagedPacket
    from tosser.rules.storm import Intake
    from tosser.state.conditions import Announce, Condition, Told
    from tosser.state.holds import Hold
    from tosser.state.journal import OpenBatch
    from tosser.state.ledger import LedgerEntry
    from tosser.state.outbox import RefusedTopic, StoredEvent
    from tosser.state.pauses import Pause
    from tosser.state.totals import AreaTally, AreaTotals, LinkTally, LinkTotals

DATABASE_NAME = "tosser.db"


def ended_well(directory: Path) -> bool:
    """Tell whether whoever last had the database open closed it; SQLite leaves its log there otherwise."""
    return not (directory / f"{DATABASE_NAME}-wal").exists()


@dataclass(slots=True)
class Results:
    """What carrying out a batch came to; recorded in one transaction.

    Attributes:
        outcomes: the files that ended.
        events: (id, topic, payload), in order.
        areas: totals to add per area.
        links: totals to add per link.
        packets: packets that are staged for links.
        counters: totals to add by name.
        finished: Unix seconds.
    """

    outcomes: Sequence[FileOutcome] = ()
    events: Sequence[tuple[str, str, bytes]] = ()
    areas: Sequence[AreaTally] = ()
    links: Sequence[LinkTally] = ()
    packets: Sequence[PacketOut] = ()
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
    conditions: list[Condition]


class State:
    """The state database of one tosser. All its methods raise `StateError`, and then have changed nothing.

    Args:
        directory: the state directory.
        read_only: look only; the daemon may be at work beside.

    Raises:
        StateError: the database cannot be opened.
    """

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        self._database = Database(directory / DATABASE_NAME, read_only=read_only)

    def verify(self) -> None:
        """Look all of the database over for damage.

        Raises:
            StateError: it is damaged; the message says what to do.
        """
        self._database.verify()

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

    def commit(
        self,
        decision: Decision,
        positions: Mapping[str, Mapping[str, int] | None],
        packets: int = 0,
        intake: Mapping[LinkKey, Intake] | None = None,
    ) -> tuple[int, int]:
        """Make a decision durable before it is carried out.

        Args:
            decision: what was decided.
            positions: for each base, by path, where it stands; ``None`` for one that cannot be looked at now.
            packets: how many packets it sends on.
            intake: what it brought from links that are counted.

        Returns:
            The id of its journal entry, and the serial number of its first packet; the others follow on it.
        """
        return self._database.call(_commit, decision, positions, packets, intake or {})

    def renumber(self, batch: int, packets: int, now: float) -> int:
        """Give an open batch serial numbers for so many packets, instead of those it has; returns the first."""
        return self._database.call(journal.renumber, batch, packets, now)

    def locate(self, batch: int, path: str, position: Mapping[str, int]) -> None:
        """Note where a base stands that could not be looked at when the batch was committed."""
        self._database.call(journal.locate, batch, path, position)

    def applied(self, batch: int, results: Results) -> None:
        """Record that a batch has been carried out, with its events and totals; forgets its journal entry.

        Raises:
            StateError: also if it was recorded before; nothing is counted twice.
        """
        self._database.call(_applied, batch, results)

    def open_batches(self) -> list[OpenBatch]:
        """List the decisions still to be carried out, oldest first."""
        return self._database.call(journal.open_batches)

    def try_again(self, file: FileIn) -> int:
        """Count an attempt at a file that was left without a verdict; returns how many there were with this one."""
        return self._database.call(ledger.try_again, file)

    def outcomes_of(self, claims: Sequence[str]) -> dict[str, FileOutcome]:
        """Give the outcomes of those of the files that have reached their final state."""
        return self._database.call(ledger.outcomes_of, claims)

    # --- packets on their way out

    def outbound_identity(self) -> int:
        """Give a number by which this tosser knows what it left in an outbound."""
        return self._database.call(shipping.identity)

    def staged(self, link: LinkKey) -> list[StagedPacket]:
        """List the packets that wait for a link, in the order in which they were made."""
        return self._database.call(shipping.staged, link)

    def staged_mail(self) -> list[StagedMail]:
        """Sum up what waits, for every link that anything waits for."""
        return self._database.call(shipping.waiting)

    def staged_serials(self) -> set[int]:
        """List the serial numbers of packets that wait, and of those that open batches may have made."""
        return self._database.call(shipping.serials)

    def placed_paths(self) -> set[str]:
        """List where packets are going that are placed."""
        return self._database.call(shipping.placed_paths)

    def bundles_in(self, directory: str) -> list[BundleName]:
        """List the bundles of a directory whose names are taken, the latest last."""
        return self._database.call(shipping.bundles_in, directory)

    def place(self, link: LinkKey, placements: Sequence[Placement], now: float) -> None:
        """Note that bundles are whole beside their places."""
        self._database.call(shipping.place, link, placements, now)

    def take_back(self, serials: Iterable[int]) -> None:
        """Note that packets are not going where they were placed: they wait again."""
        self._database.call(shipping.take_back, serials)

    def shipped(self, link: LinkKey, serials: Iterable[int], file: str, now: float) -> None:
        """Forget packets that are where the mailer finds them, and count them; ``file`` is the last they are in."""
        self._database.call(shipping.shipped, link, serials, file, now)

    def packets_lost(self, serials: Iterable[int]) -> None:
        """Forget packets that somebody removed before they were shipped."""
        self._database.call(shipping.lost, serials)

    def files_sent(self, serials: Iterable[int]) -> None:
        """Forget files that flow files name."""
        self._database.call(shipping.lost, serials)

    # --- paused links

    def pause_link(self, entry: Pause) -> None:
        """Pause a link; one that is paused already stays as it is."""
        self._database.call(pauses.pause, entry)

    def resume_link(self, link: LinkKey) -> bool:
        """End the pause of a link; tells whether it was paused."""
        return self._database.call(pauses.resume, link)

    def paused_links(self) -> list[Pause]:
        """List the links that are paused at run time."""
        return self._database.call(pauses.listing)

    # --- links on hold

    def hold_link(self, entry: Hold) -> bool:
        """Put a link on hold; one that is there already stays as it is. Tells whether it was not."""
        return self._database.call(holds.hold, entry)

    def release_link(self, link: LinkKey, now: float) -> bool:
        """End the hold of a link; tells whether it was on hold. For an hour from then its limits do not count."""
        return self._database.call(holds.release, link, now)

    def held_links(self) -> list[Hold]:
        """List the links on hold."""
        return self._database.call(holds.listing)

    def intake_within_hour(self, links: Iterable[LinkKey], now: float) -> dict[LinkKey, Intake]:
        """Sum up what came from links in the last hour; nothing for those that were released within it."""
        return self._database.call(holds.within_hour, links, now)

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

    def unpublished_totals(self, limit: int) -> tuple[list[AreaTotals], list[LinkTotals]]:
        """List the totals whose last change the broker does not have, at most ``limit`` areas and as many links."""
        return self._database.call(_unpublished, limit)

    def add_events(self, events: Iterable[tuple[str, str, bytes]], created: float) -> None:
        """Append events (id, topic, payload) that belong to no batch."""
        self._database.call(outbox.add, events, created)

    def totals_published(self, areas: Sequence[tuple[str, str, int]], links: Sequence[tuple[str, str, int]]) -> None:
        """Note which version the broker has of areas (network, tag, version) and links (network, address, version)."""
        self._database.call(totals.published, areas, links)

    def touch_links(self, links: Iterable[LinkKey]) -> None:
        """Have the states of these links published again."""
        self._database.call(totals.touch, links)

    def forget_published(self, told: Iterable[Told], now: float) -> None:
        """Forget what the broker has of the totals: a new connection may be to a broker that kept nothing.

        Args:
            told: retained events that are to be published again for the same reason.
            now: Unix seconds.
        """
        self._database.call(_forget_published, told, now)

    # --- people

    def overview(self) -> Overview:
        """Give everything that is counted."""
        return self._database.call(_overview)

    def set_condition(self, subject: str, text: str, now: float, announce: Announce | None = None) -> bool:
        """Note what is wrong with a subject (``toss``, ``space``), or with an empty text that nothing is any more.

        Args:
            subject: with what.
            text: a sentence, or empty.
            now: Unix seconds.
            announce: makes the event that tells of it.

        Returns:
            Whether that is new.
        """
        return self._database.call(conditions.change, subject, text, now, announce)

    def conditions(self) -> list[Condition]:
        """List what is wrong at this moment, the oldest first."""
        return self._database.call(conditions.listing)

    def last_housekeeping(self) -> float | None:
        """Give the moment up to which `keep_house` was last asked to forget, Unix seconds."""
        return self._database.call(moments.last_housekeeping)

    def latest_files(self, limit: int) -> list[LedgerEntry]:
        """List the files that finished last, newest first."""
        return self._database.call(ledger.latest, limit)

    def keep_house(self, histories: Mapping[tuple[str, str], int], default: int, ledger_days: int, now: float) -> int:
        """Drop dupe keys and ledger lines that are too old; returns how many keys went."""
        return self._database.call(_keep_house, histories, default, now - ledger_days * 86400, now)


def _applied(connection: sqlite3.Connection, batch: int, results: Results) -> None:
    journal.forget(connection, batch)
    ledger.finish(connection, results.outcomes, results.finished)
    outbox.add(connection, results.events, results.finished)
    totals.add(connection, results.areas, results.links, results.counters)
    shipping.stage(connection, results.packets, results.finished)


def _commit(
    connection: sqlite3.Connection,
    decision: Decision,
    positions: Mapping[str, Mapping[str, int] | None],
    packets: int,
    intake: Mapping[LinkKey, Intake],
) -> tuple[int, int]:
    holds.count(connection, intake, decision.decided)
    return journal.commit(connection, decision, positions, packets)


def _forget_published(connection: sqlite3.Connection, told: Iterable[Told], now: float) -> None:
    totals.all_unpublished(connection)
    conditions.tell_again(connection, told, now)


def _unpublished(connection: sqlite3.Connection, limit: int) -> tuple[list[AreaTotals], list[LinkTotals]]:
    return totals.areas(connection, unpublished=limit), totals.links(connection, unpublished=limit)


def _overview(connection: sqlite3.Connection) -> Overview:
    depth, oldest = outbox.depth(connection)
    (batches,) = connection.execute("SELECT count(*) FROM batches").fetchone()
    (files,) = connection.execute("SELECT count(*) FROM files WHERE state IS NULL").fetchone()
    return Overview(
        totals.areas(connection), totals.links(connection), totals.counters(connection),
        depth, oldest, outbox.refused_topics(connection), batches, files,
        conditions.listing(connection),
    )  # fmt: skip


def _keep_house(
    connection: sqlite3.Connection, histories: Mapping[tuple[str, str], int], default: int, before: float, now: float
) -> int:
    ledger.prune(connection, before)
    holds.forget(connection, now)
    moments.note_housekeeping(connection, now)
    return dupes.forget(connection, histories, default, now)
