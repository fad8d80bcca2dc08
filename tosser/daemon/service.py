"""The tasks that work under one configuration: watch, toss, publish, call hooks, keep house, be watched.

The event loop only coordinates; the toss runs in a worker thread and the database in its own.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import TYPE_CHECKING

import structlog

from tosser.daemon.conditions import CLOCK, COMMANDS, INBOUND, METRICS, NODELISTS, SPACE, TOSS
from tosser.daemon.metrics import MetricsServer, StateCollector
from tosser.daemon.nightly import Nightly
from tosser.daemon.parts import build_parts
from tosser.errors import TosserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tosser.config.model import Config
    from tosser.daemon.clock import ClockWatch
    from tosser.daemon.conditions import Conditions
    from tosser.daemon.notify import Notifier
    from tosser.daemon.passes import PassReport
    from tosser.inbound.helper import Helper
    from tosser.state.state import State

log = structlog.get_logger()

RETRY_SECONDS = 5.0
"""How long after trouble, or while batches wait for a lock, the next pass begins."""
SOON_SECONDS = 0.1
"""The same after a surprise, which ends after few attempts."""
HAND_ON_SECONDS = 2.0
"""Events of a longer pass are handed on meanwhile, every so often; of a shorter one after it, for both together take a
twentieth longer than one after the other."""
BASES_SECONDS = 0.2
"""At least so long is between two looks at what has changed in the message bases."""
BASES_REST = 20
"""And so many times as long as such a look takes."""
LOCKED_SECONDS = 1.0
"""How long after it was found locked a base is looked at again."""
HOUSE_SECONDS = 60.0
HOUSE_MINUTES = 60
"""How often old dupe keys and lines of the ledger are dropped."""
STALLED_SECONDS = 300.0
"""A single step of the toss that takes longer than this counts as hung: the watchdog is no longer told that we live."""
LEDGER_DAYS = 365


class Service:
    """Everything that runs under one configuration.

    Args:
        config: the configuration.
        state: the database.
        notifier: the service manager.
        helper: the process that reads backlogs.
        conditions: takes what is wrong.
        clock: tells whether the clock can be trusted.
        since: when the process started, Unix seconds.
        owns_state: asked before every pass; when it says no, the work ends.
    """

    def __init__(
        self,
        config: Config,
        state: State,
        notifier: Notifier,
        *,
        helper: Helper,
        conditions: Conditions,
        clock: ClockWatch,
        since: float,
        owns_state: Callable[[], bool] = lambda: True,
    ) -> None:
        self._config = config
        self._state = state
        self._notifier = notifier
        self._finishing = asyncio.Event()
        self._beat = time.monotonic()
        self._idle = True
        self._first_pass = asyncio.Event()
        self._conditions = conditions
        self._clock = clock
        self._owns_state = owns_state
        self._parts = build_parts(
            config,
            state,
            helper=helper,
            conditions=conditions,
            since=since,
            beat=self._touch,
            stopping=self._finishing.is_set,
            clock_trusted=lambda: not clock.look(),
        )
        self._nightly = Nightly(config, self._parts.rules, conditions)

    def finish(self) -> None:
        """End after the batch in hand."""
        self._finishing.set()
        self._parts.watcher.wake()

    async def run(self) -> None:
        """Work until `finish` is called.

        Raises:
            ExceptionGroup: a task failed that must not; the process should end and be started again.
        """
        metrics = await self._serve_metrics()
        if self._parts.receiver is None:
            await self._say({COMMANDS: ""})
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(self._parts.watcher.run(), name="watch"),
                    group.create_task(self._keep_house(), name="house"),
                    group.create_task(self._watch_bases(), name="bases"),
                    group.create_task(self._nightly.run(), name="nightly"),
                    group.create_task(self._parts.hooks.run(), name="hooks"),
                    group.create_task(self._show_life(), name="watchdog"),
                ]
                if self._parts.publisher is not None:
                    helpers.append(group.create_task(self._parts.publisher.run(), name="publish"))
                if self._parts.receiver is not None:
                    helpers.append(group.create_task(self._parts.receiver.run(), name="commands"))
                await self._toss()
                await self._parts.hooks.finish()
                for task in helpers:
                    task.cancel()
        finally:
            if metrics is not None:
                metrics.close()
            await asyncio.to_thread(self._parts.close)

    # --- the toss

    async def _toss(self) -> None:
        """Make pass after pass, each when there may be something to do; a backlog does not delay that we are ready."""
        self._notifier.ready()
        while not self._finishing.is_set() and self._owns_state():
            started = time.monotonic()
            await self._say({CLOCK: self._clock.look()})
            self._idle = False
            toss = asyncio.create_task(asyncio.to_thread(self._parts.pipeline.toss))
            while not toss.done():
                await asyncio.wait({toss}, timeout=HAND_ON_SECONDS)
                self._hand_on()
            report = toss.result()
            self._idle = True
            self._parts.robots.start()
            await self._tell(report)
            self._hand_on()
            self._first_pass.set()
            await self._pause(report, started)

    def _hand_on(self) -> None:
        """Have the broker and the hooks told what waits for them."""
        self._parts.hooks.wake()
        if self._parts.publisher is not None:
            self._parts.publisher.wake()

    async def _pause(self, report: PassReport, started: float) -> None:
        """Wait for something to do; under steady load let files gather, so that they share a batch and its syncs."""
        if self._finishing.is_set():
            return
        stopped = report.trouble or report.shortage or report.busy_links or self._parts.pipeline.parked
        if stopped or report.surprised:
            soon = report.surprised and not self._parts.pipeline.parked  # what is parked may fail without end
            await self._parts.watcher.wait(SOON_SECONDS if soon else RETRY_SECONDS)
            return
        scan = await asyncio.to_thread(self._parts.spool.scan)
        if not scan.ready:
            await self._parts.watcher.wait(scan.next_check)
        rest = started + self._config.toss.batch_delay - time.monotonic()
        if report.files and rest > 0 and not self._finishing.is_set():
            await asyncio.sleep(rest)

    async def _tell(self, report: PassReport) -> None:
        scan = await asyncio.to_thread(self._parts.spool.scan)
        wrong = {
            TOSS: report.trouble or self._parts.pipeline.waits_for,
            SPACE: report.shortage,
            INBOUND: "; ".join(scan.troubles),
        }
        await self._say(wrong)
        if not self._finishing.is_set():  # stopping is the last thing to be said
            troubles = [text for text in self._conditions.present.values() if text]
            self._notifier.status("; ".join(troubles) or f"files waiting: {len(scan.ready) + len(scan.waiting)}")

    async def _say(self, wrong: Mapping[str, str]) -> None:
        await asyncio.to_thread(self._conditions.say, wrong)

    # --- around it

    async def _watch_bases(self) -> None:
        """Have a pass made when other programs may have written into our bases."""
        watcher = self._parts.base_watcher
        if not self._parts.scanning.directories:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(watcher.run(), name="watch bases")
            await self._first_pass.wait()
            while True:
                await watcher.wait(LOCKED_SECONDS if self._parts.scanning.unfinished else None)
                started = time.monotonic()
                if await asyncio.to_thread(self._parts.scanning.look):
                    self._parts.watcher.wake()
                await asyncio.sleep(max(BASES_SECONDS, BASES_REST * (time.monotonic() - started)))

    async def _keep_house(self) -> None:
        """Bound what waits, look at backlogs and nodelists, link new messages every minute; forget the old every hour.

        What a crash left is looked at before.
        """
        await self._first_pass.wait()
        for minute in count():
            now = time.time()  # before it is judged: one that is set later does no harm
            trusted = not self._clock.look()
            await self._look_at_nodelists()
            try:
                await asyncio.to_thread(self._bound_outbox, now, by_age=trusted)
                await asyncio.to_thread(self._parts.hooks.bound)
                await asyncio.to_thread(self._parts.sending.note_standings)
                await asyncio.to_thread(self._parts.linker.round)
                if minute % HOUSE_MINUTES == 0 and trusted:
                    await asyncio.to_thread(self._forget, now)
            except (TosserError, OSError) as error:
                log.error("housekeeping_failed", error=str(error))  # noqa: TRY400 - a sentence, not a traceback
            log.debug("house_kept", by_age=trusted)
            await asyncio.sleep(HOUSE_SECONDS)

    async def _look_at_nodelists(self) -> None:
        """Take newer nodelists into use; one that is missing or broken is a condition, and the old one stays."""
        nodelists = self._parts.nodelists
        read = await asyncio.to_thread(nodelists.look)
        for each in read:
            log.info(
                "nodelist_read", file=str(each.file.path), day=str(each.file.day), entries=len(each.parsed.entries)
            )
        if read:
            self._parts.pipeline.use_nodelist(nodelists.current)
            self._parts.watcher.wake()  # held netmail may go on
        await self._say({NODELISTS: nodelists.trouble})

    def _forget(self, now: float) -> None:
        rules = self._parts.rules
        histories = {key: area.dupe_history for key, area in rules.areas.items()}
        histories["", ""] = rules.netmail.dupe_history
        default = int(self._config.area_defaults.dupe_history)
        self._state.keep_house(histories, default, LEDGER_DAYS, now)

    def _bound_outbox(self, now: float, *, by_age: bool) -> None:
        if self._config.mqtt is not None:
            bounds = self._config.mqtt.outbox
            dropped = self._state.bound_outbox(bounds.max_events, now - bounds.max_age if by_age else 0.0)
            if dropped:
                log.error(
                    "events_dropped", events=dropped, why="the broker did not take them within the outbox's bounds"
                )
                self._parts.tell_dropped(dropped, now)

    async def _show_life(self) -> None:
        """Tell the watchdog that we live, as long as the toss makes progress or has nothing to do."""
        interval = self._notifier.watchdog_interval
        if interval is None:
            return
        while True:
            if self._idle or time.monotonic() - self._beat < STALLED_SECONDS:
                self._notifier.watchdog()
            await asyncio.sleep(interval)

    def _touch(self) -> None:
        self._beat = time.monotonic()

    def _oldest_waiting(self) -> float:
        """Seconds since the oldest file in an inbound was written; 0 where there is none."""
        oldest = self._parts.spool.scan().oldest_waiting
        return 0.0 if oldest is None else max(time.time() - oldest, 0.0)

    async def _serve_metrics(self) -> MetricsServer | None:
        """Listen for scrapers; a port that cannot be had is no reason to leave mail lying."""
        if self._config.metrics is None:
            await self._say({METRICS: ""})
            return None
        host, port = self._config.metrics.listen
        publisher = self._parts.publisher
        collector = StateCollector(
            self._config.paths.state,
            present=lambda: self._conditions.present,
            connected=lambda: publisher is not None and publisher.statistics().connected,
            waiting=self._oldest_waiting,
        )
        try:
            server = MetricsServer(host, port, collector)
        except OSError as error:
            await self._say({METRICS: f"cannot listen on {host}:{port}: {error.strerror or error}"})
            return None
        await self._say({METRICS: ""})
        return server
