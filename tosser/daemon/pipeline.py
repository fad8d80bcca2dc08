"""The way of a message, from the inbound to its base, told in one page; the design document tells the same story.

Everything here blocks and runs in one worker thread. What goes wrong with one batch never harms another: a batch whose
base is locked or broken is parked in the journal with its input kept, and is carried out again, by its recorded
verdicts, until it succeeds. Recovery after a crash is the same act.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct
from msgspec.structs import replace

from tosser.daemon.logs import tell
from tosser.daemon.passes import PassReport
from tosser.daemon.storing import Work
from tosser.daemon.suspects import MAX_ATTEMPTS, UNREADABLE_SECONDS, Suspects
from tosser.daemon.transit import find_attachments, held_messages
from tosser.errors import InputError, StateError, StoreError, said
from tosser.inbound.reading import describe, digest_of
from tosser.reason import Reason
from tosser.rules.batch import Batch, FileEnd, Refusal
from tosser.rules.decision import decide, prepare_batch
from tosser.rules.plan import draw_up
from tosser.stores.base import BasePosition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from tosser.daemon.answering import Answering
    from tosser.daemon.holding import Holding
    from tosser.daemon.posts import AcceptedPosts
    from tosser.daemon.report import Reporter
    from tosser.daemon.room import Room
    from tosser.daemon.scanning import Scanning
    from tosser.daemon.sending import Sending
    from tosser.daemon.storing import Storing
    from tosser.daemon.transit import Releasing
    from tosser.inbound.aside import AsideKeeper
    from tosser.inbound.reading import Reader
    from tosser.inbound.spool import ClaimedFile, Spool
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision, FileOutcome
    from tosser.rules.network import Rulebook
    from tosser.rules.routing import Directory
    from tosser.rules.shipping import LinkKey
    from tosser.rules.verdict import Target
    from tosser.state.journal import OpenBatch
    from tosser.state.state import State

log = structlog.get_logger()

CLAIM_FILES = 256
"""Files claimed at once: few enough that a crash leaves few to look at one by one."""
MAX_PARKED = 16
"""With this many batches waiting for their bases no new input is taken: it is safe where it is."""


class _Unsettled(Struct):
    """What was written and is not known to be on the disk yet; there is never more than one batch of it."""

    work: Work
    claims: Mapping[str, ClaimedFile]
    finished: Future[None]


class Pipeline:
    """Tosses what is ready.

    Args:
        spool: the inbound directories.
        reader: reads claimed files.
        keeper: sets files and bundle members aside.
        state: the journal and all that is counted.
        storing: appends to the message bases.
        sending: makes and ships the packets for links.
        holding: keeps apart what comes from links on hold.
        room: tells whether there is room to work.
        answering: answers netmail by itself.
        posts: has what was accepted by MQTT.
        reporter: makes events and totals of what was done.
        releasing: lets netmail go on that is held.
        scanning: finds what other programs wrote into our bases.
        rules: the sysop's world.
        appended: told what numbers the messages of an applied batch have in each base.
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
        storing: Storing,
        sending: Sending,
        holding: Holding,
        room: Room,
        answering: Answering,
        posts: AcceptedPosts,
        reporter: Reporter,
        releasing: Releasing,
        scanning: Scanning,
        rules: Rulebook,
        appended: Callable[[Target, Sequence[int]], None] = lambda _target, _numbers: None,
        beat: Callable[[], None] = lambda: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._spool = spool
        self._reader = reader
        self._keeper = keeper
        self._state = state
        self._storing = storing
        self._sending = sending
        self._holding = holding
        self._room = room
        self._answering = answering
        self._posts = posts
        self._reporter = reporter
        self._releasing = releasing
        self._scanning = scanning
        self._rules = self._configured = rules
        self._paused: set[LinkKey] = set()
        self._nodelist = rules.nodelist
        self._appended = appended
        self._beat = beat
        self._stopping = stopping
        self._parked: dict[int, frozenset[str]] = {}
        self._suspects = Suspects()
        self._report = PassReport()
        self._finisher = ThreadPoolExecutor(1, thread_name_prefix="tosser-finish")
        self._syncer = ThreadPoolExecutor(1, thread_name_prefix="tosser-bases")
        self._unsettled: _Unsettled | None = None

    def close(self) -> None:
        """End its threads."""
        self._finisher.shutdown()
        self._syncer.shutdown()

    def use_nodelist(self, nodelist: Directory) -> None:
        """Ask another nodelist who is above whom, from the next pass on; netmail that is held is judged by it anew."""
        self._nodelist = nodelist

    @property
    def parked(self) -> int:
        """How many batches wait for their bases."""
        return len(self._parked)

    @property
    def waits_for(self) -> str:
        """What these batches wait for, in a sentence; empty when there are none."""
        return f"batches wait for message bases: {self._storing.troubles}" if self._parked else ""

    # --- the way of a message

    def toss(self) -> PassReport:
        """Make one pass: finish what was begun, then take what is ready until nothing is.

        What stops the pass stands in the report's ``trouble``; the input it concerns stays where it is and is taken up
        by the next pass.
        """
        self._report = PassReport()
        self._storing.begin_pass()
        try:
            self._storing.sync_leftovers()
            self._posts.drop()
            self._heed_people()
            self._carry_out_open_batches()
            self._toss_leftovers()
            self._release_held()
            if not self._must_rest():
                self._scanning.round(self._beat)
            while not self._must_rest() and (claimed := self._spool.take(CLAIM_FILES)):
                self._toss_files(claimed)
            self._ship()
            self._report.held = self._holding.waiting()
        except (StateError, StoreError, OSError) as error:
            self._report.trouble = said(error) if isinstance(error, OSError) else str(error)
            self._storing.doubt()
            log.error("toss_stopped", error=self._report.trouble, input="kept")  # noqa: TRY400 - a sentence
        self._report.trouble = self._report.trouble or "; ".join((*self._suspects.complaints, *self._report.stuck))
        return self._report

    def _toss_files(self, files: Sequence[ClaimedFile]) -> None:
        """Read the files and toss them batch by batch; a surprise makes each a suspect, to be looked at alone."""
        claims = {file.claim: file for file in files}
        self._suspects.trust(claims)
        stormy = False
        with self._surprises(claims), self._unreadable_files():
            try:
                tossed = self._holding.keep_apart(files)
                for batch in self._reader.batches(tossed, self._state.progress_of(list(claims))):
                    stormy = self._toss_batch(batch, claims)
                    self._beat()
                    if stormy or self._must_rest():
                        break
            finally:
                self._settle()
        if stormy:
            self._toss_leftovers()

    def _toss_batch(self, batch: Batch, claims: Mapping[str, ClaimedFile]) -> bool:
        """Decide on a batch while the disk takes in the one before; commit it only when that one is settled.

        Returns:
            Whether a link was put on hold.
        """
        prepared = prepare_batch(batch, self._rules)
        known = self._state.known_dupes(prepared.all_keys())
        attachments = find_attachments(batch, self._releasing.inbounds)
        progress = self._state.progress_of(list(claims))
        decision = decide(prepared, self._rules, known, progress, time.time(), attachments=attachments)
        self._answering.choose(batch.pieces, decision)
        plan = draw_up(batch.pieces, decision, self._rules)
        packets = self._sending.draw(batch.pieces, decision)
        self._settle()
        positions = {target.path: self._storing.position(target) for target in plan.appends}
        recorded = {path: position.to_json() if position else None for path, position in positions.items()}
        intake = self._holding.count(decision)
        entry, first_packet = self._state.commit(decision, recorded, len(packets), intake)
        stormy = self._holding.watch(intake, decision.decided)
        self._carry_out(Work(entry, plan, positions, packets, first_packet), claims)
        return stormy

    def _carry_out(self, work: Work, claims: Mapping[str, ClaimedFile]) -> None:
        numbers = self._storing.store(work)
        if isinstance(numbers, StoreError):
            self._park(work, numbers)
        else:
            self._unsettled = _Unsettled(work, claims, self._finisher.submit(self._finish, work, numbers, claims))

    def _park(self, work: Work, error: StoreError) -> None:
        """Leave a batch in the journal until its bases can be had."""
        self._parked[work.entry] = frozenset(file.claim for file in work.plan.decision.files)
        log.warning("batch_parked", batch=work.entry, error=str(error), parked=len(self._parked))

    def _finish(self, work: Work, numbers: Mapping[Target, list[int]], claims: Mapping[str, ClaimedFile]) -> None:
        """Get on the disk what was written, and record that it is there; in a thread of its own.

        The bases are synced while the packets are written: the disk takes in both at once.
        """
        synced = self._syncer.submit(self._storing.sync, numbers)
        try:
            asides = work.plan.decision.set_aside
            notes = [self._keeper.keep_member(item, claims[item.claim]) for item in asides if item.member is not None]
            self._releasing.held.keep(held_messages(work.plan.held))
            self._storing.mark_sent(work, self._rules.netmail)
            staged = self._sending.stage(work.packets, work.first_packet)
            self._answering.drop(work.plan.pieces, work.plan.decision, again=work.again)
        finally:
            wait([synced])
        synced.result()
        results = self._reporter.results(work.plan, numbers, notes, staged, time.time())
        results.robot_mails = self._answering.robot_mails(work.plan.pieces, work.plan.decision)
        self._state.applied(work.entry, results)
        for target, given in numbers.items():
            self._appended(target, given)

    def _settle(self) -> None:
        """Wait until the batch that was carried out last is on the disk; then its input may go."""
        if self._unsettled is None:
            return
        last, self._unsettled = self._unsettled, None
        try:
            last.finished.result()
        except StoreError as error:
            self._storing.note(str(error.path), error)
            self._park(last.work, error)
            return
        self._parked.pop(last.work.entry, None)
        self._count(last.work.plan.decision)
        tell(last.work.plan)
        self._give_up_input(last.work.plan.decision.outcomes, last.claims)

    # --- its steps

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
            self._suspects.done(outcome.claim)
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
            self._suspects.unreadable(error)
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
            self._suspects.surprised(claims)
            self._storing.doubt()
            self._report.surprised = True

    def _must_rest(self) -> bool:
        """Tell whether no more input is to be taken in this pass."""
        return self._stopping() or len(self._parked) >= MAX_PARKED or self._is_short_of_room()

    def _is_short_of_room(self) -> bool:
        self._report.shortage = self._room.shortage()
        return bool(self._report.shortage)

    def _heed_people(self) -> None:
        """Leave links out that were paused, or let them in again, since the last pass; the same with holds."""
        self._suspects.trust(self._holding.heed())
        paused = {pause.link for pause in self._state.paused_links()}
        if paused != self._paused or self._nodelist is not self._rules.nodelist:
            self._paused = paused
            self._rules = replace(self._configured.with_paused(paused), nodelist=self._nodelist)
        self._sending.use(self._rules, self._holding.links)

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
            for index, messages in Counter(piece.verdicts).items():
                self._report.messages[decision.verdicts[index].reason] += messages
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
        positions = {path: BasePosition.from_json(at) if at else None for path, at in batch.positions.items()}
        packets, first = self._sending.draw(pieces, batch.decision), batch.first_packet
        if len(packets) > batch.packets:  # the configuration has changed since
            first = self._state.renumber(batch.id, len(packets), time.time())
        self._carry_out(Work(batch.id, plan, positions, packets, first, again=True), claims)
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
        needed, unreadable = self._needed(), self._suspects.look_again()
        files = {
            file.claim: file
            for file in self._spool.claimed()
            if file.claim not in needed and file.claim not in unreadable
        }
        finished = self._state.outcomes_of(list(files))
        self._give_up_input(finished.values(), files)
        if self._is_short_of_room():
            return
        left = [file for claim, file in files.items() if claim not in finished]
        trusted = [file for file in left if self._suspects.is_trusted(file.claim)]
        suspects = [file for file in left if not self._suspects.is_trusted(file.claim)]
        if trusted and not self._must_rest():
            self._toss_files(trusted)
        for file in suspects:
            if self._must_rest():
                break
            if file.path.exists():  # else it was finished when another one turned out to be unreadable
                self._toss_suspect(file)

    def _release_held(self) -> None:
        """Let held netmail go on; not while a batch is open, whose own held netmail may be there already."""
        if not self._parked and not self._state.open_batches():
            self._releasing.release(self._rules, time.time(), self._beat)

    def _toss_suspect(self, file: ClaimedFile) -> None:
        """Toss one file whose processing ended without a verdict before, counting the attempts.

        Whoever kills us at a bad moment makes no file poison: one that did not fail before our eyes gets a trial in a
        process of its own first.
        """
        description = describe(file)
        attempts = self._state.try_again(description)
        if attempts <= MAX_ATTEMPTS or (not self._suspects.has_failed(file.claim) and self._reader.survives(file)):
            self._toss_files([file])
            return
        what = f"processing failed {MAX_ATTEMPTS} times without a verdict; the log of those moments says more"
        refusal = Refusal(description, None, "", Reason.POISON, what)
        self._toss_batch(Batch(refusals=[refusal], ends=[FileEnd(description, digest_of(file), 0)]), {file.claim: file})
        self._settle()
