"""The way of a message, from the inbound to its base, told in one page; the design document tells the same story.

Everything here blocks and runs in one worker thread. What goes wrong with one batch never harms another: a batch whose
base is locked is parked in the journal with its input kept, and is carried out again, by its recorded verdicts, until
it succeeds. Recovery after a crash is the same act.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from tosser.daemon.logs import tell
from tosser.errors import InputError, StateError, StoreError, StoreLocked
from tosser.inbound.reading import describe, digest_of
from tosser.reason import FileState, Reason
from tosser.rules.batch import Batch, FileEnd, Refusal
from tosser.rules.decision import decide, prepare_batch
from tosser.rules.plan import draw_up
from tosser.stores.base import BasePosition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from tosser.codec.stored import BaseMessage
    from tosser.daemon.report import Reporter
    from tosser.daemon.sending import Sending
    from tosser.inbound.aside import AsideKeeper
    from tosser.inbound.reading import Reader
    from tosser.inbound.spool import ClaimedFile, Spool
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision, FileOutcome
    from tosser.rules.network import Rulebook
    from tosser.rules.outgoing import OutPacket
    from tosser.rules.plan import Plan
    from tosser.rules.shipping import LinkKey
    from tosser.rules.verdict import Target
    from tosser.state.journal import OpenBatch
    from tosser.state.state import State
    from tosser.stores.shelf import Shelf

log = structlog.get_logger()

CLAIM_FILES = 256
"""Files claimed at once: few enough that a crash leaves few to look at one by one."""
MAX_ATTEMPTS = 3
"""A file that was left without a verdict this often is set aside as poison."""
UNREADABLE_SECONDS = 60.0
"""How long a file that the system could not read is left alone."""
MAX_PARKED = 16
"""With this many batches waiting for their bases no new input is taken: it is safe where it is."""


@dataclass(slots=True)
class PassReport:
    """What one pass over the inbounds came to.

    Attributes:
        files: files that reached a final state.
        messages: messages by reason code.
        set_aside: files and bundle members that were kept instead of tossed.
        trouble: why the pass stopped before all was done, as a sentence; empty when it did not.
        sent: packets that were handed to the mailer.
        busy_links: links whose mail waits because another program has locked them.
        stuck: what cannot be carried out because its input is gone.
        surprised: whether something failed that should not; the files concerned are tried again by the next pass.
    """

    files: Counter[FileState] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    set_aside: int = 0
    trouble: str = ""
    sent: int = 0
    busy_links: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    surprised: bool = False


@dataclass(slots=True)
class _Work:
    """A decision to be carried out: its journal entry, the plan, where the bases stood, and what is sent on."""

    entry: int
    plan: Plan
    positions: Mapping[str, BasePosition]
    packets: Sequence[OutPacket]
    first_packet: int
    again: bool = False


@dataclass(slots=True)
class _Unsettled:
    """What was written and is not known to be on the disk yet; there is never more than one batch of it."""

    work: _Work
    claims: Mapping[str, ClaimedFile]
    finished: Future[None]


class Pipeline:
    """Tosses what is ready.

    Args:
        spool: the inbound directories.
        reader: reads claimed files.
        keeper: sets files and bundle members aside.
        state: the journal and all that is counted.
        shelf: the message bases.
        sending: makes and ships the packets for links.
        reporter: makes events and totals of what was done.
        rules: the sysop's world.
        lock_wait: seconds to wait for another program's lock on a base.
        synced: whether bases are synced before their input is given up.
        beat: called after every step; a watchdog listens.
        stopping: asked between batches; a pass ends when it says yes, with what is left recoverable.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        reader: Reader,
        keeper: AsideKeeper,
        state: State,
        shelf: Shelf,
        sending: Sending,
        reporter: Reporter,
        rules: Rulebook,
        lock_wait: float,
        synced: bool = True,
        beat: Callable[[], None] = lambda: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._spool = spool
        self._reader = reader
        self._keeper = keeper
        self._state = state
        self._shelf = shelf
        self._sending = sending
        self._reporter = reporter
        self._rules = self._configured = rules
        self._paused: set[LinkKey] = set()
        self._lock_wait = lock_wait
        self._synced = synced
        self._beat = beat
        self._stopping = stopping
        self._parked: dict[int, frozenset[str]] = {}
        self._locked: set[str] = set()
        self._trusted: set[str] = set()
        self._failed: set[str] = set()
        self._unreadable: dict[str, tuple[float, str]] = {}
        self._report = PassReport()
        self._finisher = ThreadPoolExecutor(1, thread_name_prefix="tosser-finish")
        self._unsettled: _Unsettled | None = None

    def close(self) -> None:
        """End its thread."""
        self._finisher.shutdown()

    @property
    def parked(self) -> int:
        """How many batches wait for their bases."""
        return len(self._parked)

    # --- the way of a message

    def toss(self) -> PassReport:
        """Make one pass: finish what was begun, then take what is ready until nothing is.

        What stops the pass stands in the report's ``trouble``; the input it concerns stays where it is and is taken up
        by the next pass.
        """
        self._report = PassReport()
        try:
            self._heed_pauses()
            self._carry_out_open_batches()
            self._toss_leftovers()
            while not self._stopping() and len(self._parked) < MAX_PARKED:
                claimed = self._spool.take(CLAIM_FILES)
                if not claimed:
                    break
                self._toss_files(claimed)
            self._ship()
        except (StateError, StoreError, OSError) as error:
            self._report.trouble = str(error)
            log.error("toss_stopped", error=str(error), input="kept")  # noqa: TRY400 - a sentence, not a traceback
        unreadable = [text for _, text in self._unreadable.values()]
        self._report.trouble = self._report.trouble or "; ".join((*unreadable, *self._report.stuck))
        return self._report

    def _toss_files(self, files: Sequence[ClaimedFile]) -> None:
        """Read the files and toss them batch by batch; a surprise makes each a suspect, to be looked at alone."""
        claims = {file.claim: file for file in files}
        self._trusted.update(claims)
        with self._surprises(claims), self._unreadable_files():
            try:
                for batch in self._reader.batches(files, self._state.progress_of(list(claims))):
                    self._toss_batch(batch, claims)
                    self._beat()
                    if self._stopping():
                        break
            finally:
                self._settle()

    def _toss_batch(self, batch: Batch, claims: Mapping[str, ClaimedFile]) -> None:
        """Decide on a batch while the disk takes in the one before; commit it only when that one is settled."""
        prepared = prepare_batch(batch, self._rules)
        known = self._state.known_dupes(prepared.all_keys())
        decision = decide(prepared, self._rules, known, self._state.progress_of(list(claims)), time.time())
        plan = draw_up(batch.pieces, decision, self._rules)
        packets = self._sending.draw(batch.pieces, decision)
        self._settle()
        positions = {target.path: self._shelf.base(target).position() for target in plan.appends}
        recorded = {path: position.to_json() for path, position in positions.items()}
        entry, first_packet = self._state.commit(decision, recorded, len(packets))
        self._carry_out(_Work(entry, plan, positions, packets, first_packet), claims)

    def _carry_out(self, work: _Work, claims: Mapping[str, ClaimedFile]) -> None:
        numbers = self._store(work)
        if numbers is not None:
            self._unsettled = _Unsettled(work, claims, self._finisher.submit(self._finish, work, numbers, claims))

    def _finish(self, work: _Work, numbers: Mapping[Target, list[int]], claims: Mapping[str, ClaimedFile]) -> None:
        """Get on the disk what was written, and record that it is there; in a thread of its own."""
        if self._synced:
            self._shelf.sync(numbers)
        asides = work.plan.decision.set_aside
        notes = [self._keeper.keep_member(item, claims[item.claim]) for item in asides if item.member is not None]
        staged = self._sending.stage(work.packets, work.first_packet)
        self._state.applied(work.entry, self._reporter.results(work.plan, numbers, notes, staged, time.time()))

    def _settle(self) -> None:
        """Wait until the batch that was carried out last is on the disk; then its input may go."""
        if self._unsettled is None:
            return
        last, self._unsettled = self._unsettled, None
        last.finished.result()
        self._parked.pop(last.work.entry, None)
        self._count(last.work.plan.decision)
        tell(last.work.plan)
        self._give_up_input(last.work.plan.decision.outcomes, last.claims)

    # --- its steps

    def _store(self, work: _Work) -> dict[Target, list[int]] | None:
        """Append to every base; ``None`` when some could not be had and the batch is parked."""
        numbers: dict[Target, list[int]] = {}
        failed: StoreError | None = None
        for target, entries in work.plan.appends.items():
            try:
                numbers[target] = self._append(work, target, [entry.message for entry in entries])
            except StoreLocked as error:
                self._locked.add(target.path)
                failed = failed or error
            else:
                self._locked.discard(target.path)
            self._beat()
        if failed is None:
            return numbers
        if self._synced:
            self._shelf.sync(numbers)
        self._parked[work.entry] = frozenset(file.claim for file in work.plan.decision.files)
        log.warning("batch_parked", batch=work.entry, error=str(failed), parked=len(self._parked))
        return None

    def _append(self, work: _Work, target: Target, messages: list[BaseMessage]) -> list[int]:
        base = self._shelf.base(target)
        wait = 0.0 if target.path in self._locked else self._lock_wait
        if work.again:
            return base.resume(work.positions[target.path], messages, wait=wait)
        return base.append(messages, wait=wait)

    def _give_up_input(self, outcomes: Iterable[FileOutcome], files: Mapping[str, ClaimedFile]) -> None:
        """Delete finished input, or set it aside; except what a parked batch has still to read."""
        done = []
        for outcome in outcomes:
            file = files.get(outcome.claim)
            if file is None or outcome.claim in self._needed():
                continue
            if outcome.kept:
                self._keeper.keep_file(outcome, file)
            else:
                done.append(file)
            self._trusted.discard(outcome.claim)
        self._spool.finish(*done)

    def _needed(self) -> frozenset[str]:
        """Tell which files parked batches have still to read."""
        return frozenset().union(*self._parked.values())

    @contextmanager
    def _unreadable_files(self) -> Iterator[None]:
        """Leave a file that the system cannot read where it is for a while, and go on with the others."""
        try:
            yield
        except InputError as error:
            log.error("file_unreadable", error=str(error), retry_in=UNREADABLE_SECONDS)  # noqa: TRY400 - a sentence
            self._unreadable[error.claim] = (time.monotonic(), str(error))
            self._toss_leftovers()

    @contextmanager
    def _missing_input(self, batch: OpenBatch) -> Iterator[None]:
        """Leave a batch in the journal whose input somebody took away, say so at every pass, and go on."""
        try:
            yield
        except InputError as error:
            self._report.stuck.append(f"batch {batch.id} cannot be carried out: {error}")
            log.error("batch_stuck", batch=batch.id, error=str(error))  # noqa: TRY400 - a sentence, not a traceback

    @contextmanager
    def _surprises(self, claims: Mapping[str, ClaimedFile]) -> Iterator[None]:
        """Keep a mistake of ours from stopping the others or losing a file: note it, and trust the files no more."""
        try:
            yield
        except (StateError, StoreError, OSError):
            raise
        except Exception:
            log.exception("toss_failed", files=[describe(file).name for file in claims.values()], input="kept")
            self._trusted.difference_update(claims)
            self._failed.update(claims)
            self._report.surprised = True

    def _heed_pauses(self) -> None:
        """Leave links out that were paused, or let them in again, since the last pass."""
        paused = {pause.link for pause in self._state.paused_links()}
        if paused != self._paused:
            self._paused = paused
            self._rules = self._configured.with_paused(paused)
            self._sending.use(self._rules)

    def _ship(self) -> None:
        """Hand to the mailer what is staged; what belongs to a locked link waits for the next pass."""
        report = self._sending.ship(self._beat)
        self._sending.pause_overloaded(time.time())
        self._report.sent += report.packets
        self._report.busy_links = report.busy
        self._report.trouble = "; ".join(report.failed)

    def _count(self, decision: Decision) -> None:
        for outcome in decision.outcomes:
            self._report.files[outcome.state] += 1
        for piece in decision.pieces:
            for index in piece.verdicts:
                self._report.messages[decision.verdicts[index].reason] += 1
        self._report.set_aside += len(decision.set_aside)

    # --- what an earlier pass, or an earlier life, left behind

    def _carry_out_open_batches(self) -> None:
        """Carry out what is in the journal, oldest first."""
        batches = self._state.open_batches()
        if not batches:
            return
        claims = {file.claim: file for file in self._spool.claimed()}
        self._parked = {batch.id: frozenset(file.claim for file in batch.decision.files) for batch in batches}
        for batch in batches:
            log.info("batch_taken_up_again", batch=batch.id, files=len(batch.decision.files))
            with self._surprises(claims), self._missing_input(batch):
                self._carry_out_again(batch, claims)
            self._beat()

    def _carry_out_again(self, batch: OpenBatch, claims: Mapping[str, ClaimedFile]) -> None:
        pieces = self._read_again(batch, claims)
        plan = draw_up(pieces, batch.decision, self._rules)
        positions = {path: BasePosition.from_json(position) for path, position in batch.positions.items()}
        packets, first = self._sending.draw(pieces, batch.decision), batch.first_packet
        if len(packets) > batch.packets:  # the configuration has changed since
            first = self._state.renumber(batch.id, len(packets), time.time())
        self._carry_out(_Work(batch.id, plan, positions, packets, first, again=True), claims)
        self._settle()

    def _read_again(self, batch: OpenBatch, claims: Mapping[str, ClaimedFile]) -> list[Piece]:
        pieces: list[Piece] = []
        for file in batch.decision.files:
            decided = [piece for piece in batch.decision.pieces if piece.claim == file.claim]
            if not decided:
                continue
            if file.claim not in claims:
                raise InputError(file.claim, f"{file.inbound}: {file.name}", "it was removed while it was being tossed")
            pieces += self._reader.again(claims[file.claim], decided)
        return pieces

    def _toss_leftovers(self) -> None:
        """Finish or toss what lies in the work directories; what was there before us, or surprised us, one by one."""
        now, needed = time.monotonic(), self._needed()
        self._unreadable = {c: note for c, note in self._unreadable.items() if now - note[0] < UNREADABLE_SECONDS}
        files = {
            file.claim: file
            for file in self._spool.claimed()
            if file.claim not in needed and file.claim not in self._unreadable
        }
        finished = self._state.outcomes_of(list(files))
        self._give_up_input(finished.values(), files)
        trusted = [file for claim, file in files.items() if claim in self._trusted and claim not in finished]
        suspects = [file for claim, file in files.items() if claim not in self._trusted and claim not in finished]
        if trusted:
            self._toss_files(trusted)
        for file in suspects:
            if file.path.exists():  # else it was finished when another one turned out to be unreadable
                self._toss_suspect(file)

    def _toss_suspect(self, file: ClaimedFile) -> None:
        """Toss one file whose processing ended without a verdict before, counting the attempts.

        Whoever kills us at a bad moment makes no file poison: one that did not fail before our eyes gets a trial in a
        process of its own first.
        """
        description = describe(file)
        attempts = self._state.try_again(description)
        if attempts <= MAX_ATTEMPTS or (file.claim not in self._failed and self._reader.survives(file)):
            self._toss_files([file])
            return
        what = f"processing failed {MAX_ATTEMPTS} times without a verdict; the log of those moments says more"
        refusal = Refusal(description, None, "", Reason.POISON, what)
        self._toss_batch(Batch(refusals=[refusal], ends=[FileEnd(description, digest_of(file), 0)]), {file.claim: file})
        self._settle()
