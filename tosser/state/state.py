"""The state as the rest of the program sees it: methods that are one transaction each, and no SQL.

A hub that outgrows one machine can put the same methods on another database; nothing outside this package may assume
that it is SQLite or that this process is the only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from tosser.state import (
    answers,
    commands,
    conditions,
    dupes,
    holds,
    hooks,
    journal,
    ledger,
    moments,
    outbox,
    pauses,
    scans,
    serials,
    shipping,
    totals,
    traces,
)
from tosser.state.database import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from tosser.rules.answering import Answer, Answered
    from tosser.rules.batch import FileIn
    from tosser.rules.decision import Decision, FileOutcome, FileProgress
    from tosser.rules.hooks import Fate
    from tosser.rules.scanning import ScanPosition
    from tosser.rules.shipping import BundleName, LinkKey, PacketOut, Placement, StagedMail, StagedPacket
    from tosser.rules.storm import Intake
    from tosser.state.answers import RobotMail
    from tosser.state.commands import Carried, Command
    from tosser.state.conditions import Announce, Condition, Told
    from tosser.state.holds import Hold
    from tosser.state.hooks import HookCall, HookQueue
    from tosser.state.journal import OpenBatch
    from tosser.state.ledger import LedgerEntry
    from tosser.state.outbox import RefusedTopic, StoredEvent
    from tosser.state.pauses import Pause
    from tosser.state.scans import ScannedMail
    from tosser.state.totals import AreaTally, AreaTotals, LinkTally, LinkTotals
    from tosser.state.traces import Trace

DATABASE_NAME = "tosser.db"
TRACE_DAYS = 30
"""How long it is kept what happened to each message."""
COMMAND_DAYS = 7
"""How long the answer to a request that came by MQTT is kept."""


def ended_well(directory: Path) -> bool:
    """Tell whether whoever last had the database open closed it; SQLite leaves its log there otherwise."""
    return not (directory / f"{DATABASE_NAME}-wal").exists()


class Results(Struct):
    """What carrying out a batch came to; recorded in one transaction.

    Attributes:
        outcomes: the files that ended.
        events: (id, topic, payload), in order.
        areas: totals to add per area.
        links: totals to add per link.
        packets: packets that are staged for links.
        numbers: by path of a base, those its messages got, in order.
        robot_mails: mail for robots that are programs.
        hook_calls: (hook, event id, payload), in order.
        counters: totals to add by name.
        finished: Unix seconds.
    """

    outcomes: Sequence[FileOutcome] = ()
    events: Sequence[tuple[str, str, bytes]] = ()
    areas: Sequence[AreaTally] = ()
    links: Sequence[LinkTally] = ()
    packets: Sequence[PacketOut] = ()
    numbers: Mapping[str, Sequence[int]] = field(default_factory=dict)
    robot_mails: Sequence[RobotMail] = ()
    hook_calls: Sequence[tuple[str, str, bytes]] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    finished: float = 0.0


class Overview(Struct, frozen=True):
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
    hooks: list[HookQueue]


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

    def open_bases(self) -> set[str]:
        """List the paths of the bases that decisions which are not carried out may have been written to in part."""
        return self._database.call(journal.open_bases)

    def try_again(self, file: FileIn) -> int:
        """Count an attempt at a file that was left without a verdict; returns how many there were with this one."""
        return self._database.call(ledger.try_again, file)

    def outcomes_of(self, claims: Sequence[str]) -> dict[str, FileOutcome]:
        """Give the outcomes of those of the files that have reached their final state."""
        return self._database.call(ledger.outcomes_of, claims)

    def message_serials(self, count: int, now: float) -> int:
        """Give so many serial numbers for MSGID that nobody else gets; returns the first, the others follow on it."""
        return self._database.call(serials.hand_out, serials.Series.MESSAGES, count, now)

    # --- mail of other programs in our bases

    def scan_position(self, base: str) -> ScanPosition | None:
        """Tell how far a base, by path, was looked at; ``None`` before the first look."""
        return self._database.call(scans.position, base)

    def advance_scan(self, base: str, position: ScanPosition) -> None:
        """Note how far a base was looked at where nothing was found."""
        self._database.call(scans.advance, base, position)

    def scanned(self, base: str, position: ScanPosition, mail: Sequence[ScannedMail], now: float) -> None:
        """Note what was found in a base, and how far it was looked at."""
        self._database.call(scans.find, base, position, mail, now)

    def scanned_left(self, base: str) -> list[ScannedMail]:
        """List the mail of a base that is still to be tossed, or to be marked as sent, in the order of finding."""
        return self._database.call(scans.left, base)

    def scanned_bases_left(self) -> list[str]:
        """List the bases, by path, that there is such mail of."""
        return self._database.call(scans.paths_left)

    def scanned_done(self, serials: Collection[int]) -> None:
        """Note that messages are tossed and marked."""
        self._database.call(scans.done, serials)

    def scanned_before(self, base: str, digests: Collection[bytes]) -> set[bytes]:
        """Tell which of these messages of a base were found before."""
        return self._database.call(scans.known, base, digests)

    # --- answers

    def answered_before(self, wanted: Sequence[Answer], since: float) -> Answered:
        """Tell which of these answers were given before, and how many like them since a moment."""
        return self._database.call(answers.before, wanted, since)

    def file_names(self, inbound: str) -> set[str]:
        """List the names of all files that were claimed in an inbound directory."""
        return self._database.call(ledger.names_in, inbound)

    def begin_hand_over(self) -> RobotMail | None:
        """Give the robot mail that waits longest, and count the attempt; ``None`` when none waits."""
        return self._database.call(answers.begin_hand_over)

    def end_hand_over(self, mail: RobotMail) -> None:
        """Forget robot mail that was given, or cannot be."""
        self._database.call(answers.end_hand_over, mail)

    # --- commands

    def command_answer(self, user: str, id: str) -> tuple[bytes, str] | None:  # noqa: A002 - its name in requests
        """Give digest and answer of a request of a user that was accepted before; ``None`` where there is none."""
        return self._database.call(commands.answered, user, id)

    def record_command(self, command: Command, now: float, carry_out: Callable[[int], Carried]) -> str | None:
        """Accept a request once and for all; gives the answer, or ``None`` if the user has posted what it may."""
        return self._database.call(commands.record, command, now, carry_out)

    def waiting_commands(self) -> list[tuple[str, bytes]]:
        """List the packets (name, content) of accepted requests that are not known to be in the post box."""
        return self._database.call(commands.waiting)

    def command_dropped(self, file: str) -> None:
        """Note that the packet of an accepted request is in the post box, or was."""
        self._database.call(commands.dropped, file)

    def count_commands(self, outcomes: Mapping[str, int]) -> None:
        """Count requests by what became of them."""
        self._database.call(commands.count, outcomes)

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

    def shipped(self, link: LinkKey, files: Mapping[int, str], now: float) -> None:
        """Forget packets that are where the mailer finds them, and count them; ``files`` says what each is in."""
        self._database.call(_shipped, link, files, now)

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

    # --- hooks

    def next_hook_call(self, hook: str) -> HookCall | None:
        """Give the oldest call that waits for a hook; ``None`` when none does."""
        return self._database.call(hooks.following, hook)

    def end_hook_call(self, call: HookCall, fate: Fate) -> None:
        """Forget a call that was done, refused or given up, and count it."""
        self._database.call(hooks.end, call, fate)

    def hook_failed(self, hook: str, now: float) -> float:
        """Note that a call failed that is made again; gives the moment since which the hook has done nothing else."""
        return self._database.call(hooks.failed, hook, now)

    def bound_hooks(self, bounds: Mapping[str, int]) -> dict[str, int]:
        """Drop the oldest calls of each hook beyond its number; returns how many went, of those that lost any."""
        return self._database.call(hooks.bound, bounds)

    def forget_other_hooks(self, known: Collection[str]) -> dict[str, int]:
        """Drop the calls of all hooks but these; returns how many each of the others had."""
        return self._database.call(hooks.forget_others, known)

    # --- people

    def overview(self) -> Overview:
        """Give everything that is counted."""
        return self._database.call(_overview)

    def find_traces(self, keys: Collection[bytes], serial: bytes | None) -> list[Trace]:
        """Find what happened to messages with one of these keys, or, if not accepted, a key that begins so."""
        return self._database.call(traces.find, keys, serial)

    def traces_since(self) -> float | None:
        """Tell how far back `find_traces` looks, in Unix seconds; ``None`` when nothing is kept."""
        return self._database.call(traces.since)

    def file_entry(self, claim: str) -> LedgerEntry | None:
        """Give the line of the ledger about one file; ``None`` when it is too old."""
        return self._database.call(ledger.entry, claim)

    def waiting_event(self, event_id: str) -> bool:
        """Tell whether an event still waits for the broker."""
        return self._database.call(outbox.waits, event_id)

    def remembered(self, key: bytes) -> float | None:
        """Tell when a dupe key was seen, in Unix seconds; ``None`` when it is not remembered."""
        return self._database.call(dupes.seen, key)

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
        """Drop dupe keys, ledger lines and notes of answers that are too old; returns how many keys went."""
        self._database.call(_keep_house, now - ledger_days * 86400, now)
        gone, last = self._database.call(dupes.forget_some, histories, default, now, b"")
        while last:
            more, last = self._database.call(dupes.forget_some, histories, default, now, last)
            gone += more
        return gone


def _applied(connection: sqlite3.Connection, batch: int, results: Results) -> None:
    traces.keep(connection, batch, results.numbers, results.packets, results.finished)
    journal.forget(connection, batch)
    ledger.finish(connection, results.outcomes, results.finished)
    outbox.add(connection, results.events, results.finished)
    totals.add(connection, results.areas, results.links, results.counters)
    shipping.stage(connection, results.packets, results.finished)
    answers.hand_over(connection, results.robot_mails)
    hooks.add(connection, results.hook_calls, results.finished)


def _shipped(connection: sqlite3.Connection, link: LinkKey, files: Mapping[int, str], now: float) -> None:
    traces.shipped(connection, files, now)
    shipping.shipped(connection, link, files, now)


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
        conditions.listing(connection), hooks.queues(connection),
    )  # fmt: skip


def _keep_house(connection: sqlite3.Connection, before: float, now: float) -> None:
    ledger.prune(connection, before)
    holds.forget(connection, now)
    moments.note_housekeeping(connection, now)
    answers.forget(connection, before)
    commands.forget(connection, now - COMMAND_DAYS * 86400)
    traces.forget(connection, now - TRACE_DAYS * 86400)
    scans.forget(connection, before)
