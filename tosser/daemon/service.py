"""The tasks that work under one configuration: watch, toss, publish, keep house, be watched.

The event loop only coordinates; the toss runs in a worker thread and the database in its own.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import TYPE_CHECKING

import structlog

from tosser.daemon.metrics import MetricsServer, StateCollector
from tosser.daemon.parts import build_parts
from tosser.errors import StateError, TosserError

if TYPE_CHECKING:
    from tosser.config.model import Config
    from tosser.daemon.notify import Notifier
    from tosser.daemon.pipeline import PassReport
    from tosser.inbound.ahead import Helper
    from tosser.state.state import State

log = structlog.get_logger()

TOSS = "toss"
INBOUND = "inbound"
METRICS = "metrics"
"""Subjects of conditions: what stops the toss, what is wrong with inbound directories, or with serving figures."""
RETRY_SECONDS = 5.0
"""How long after trouble, or while batches wait for a lock, the next pass begins."""
SOON_SECONDS = 0.1
"""The same after a surprise, which ends after few attempts."""
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
        since: when the process started, Unix seconds.
    """

    def __init__(self, config: Config, state: State, notifier: Notifier, helper: Helper, since: float) -> None:
        self._config = config
        self._state = state
        self._notifier = notifier
        self._finishing = asyncio.Event()
        self._beat = time.monotonic()
        self._idle = True
        self._first_pass = asyncio.Event()
        self._conditions: dict[str, str] = {}
        self._parts = build_parts(
            config, state, helper=helper, since=since, beat=self._touch, stopping=self._finishing.is_set
        )

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
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(self._parts.watcher.run(), name="watch"),
                    group.create_task(self._keep_house(), name="house"),
                    group.create_task(self._show_life(), name="watchdog"),
                ]
                if self._parts.publisher is not None:
                    helpers.append(group.create_task(self._parts.publisher.run(), name="publish"))
                await self._toss()
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
        while not self._finishing.is_set():
            started = time.monotonic()
            self._idle = False
            report = await asyncio.to_thread(self._parts.pipeline.toss)
            self._idle = True
            if self._parts.publisher is not None and (report.files or report.messages):
                self._parts.publisher.wake()
            await self._tell(report)
            self._first_pass.set()
            await self._pause(report, started)

    async def _pause(self, report: PassReport, started: float) -> None:
        """Wait for something to do; under steady load let files gather, so that they share a batch and its syncs."""
        if self._finishing.is_set():
            return
        if report.trouble or report.surprised or report.busy_links or self._parts.pipeline.parked:
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
        parked = self._parts.pipeline.parked
        waiting = f"{parked} batches wait for message bases that are locked" if parked else ""
        await self._condition(TOSS, report.trouble or waiting)
        await self._condition(INBOUND, "; ".join(scan.troubles))
        if not self._finishing.is_set():  # stopping is the last thing to be said
            self._notifier.status(report.trouble or waiting or f"{len(scan.ready) + len(scan.waiting)} files waiting")

    async def _condition(self, subject: str, text: str) -> None:
        """Note what is wrong, or that it no longer is, when that changed."""
        if self._conditions.get(subject) == text:
            return
        self._conditions[subject] = text
        if text:
            log.warning("condition", subject=subject, text=text)
        try:
            await asyncio.to_thread(self._state.set_condition, subject, text, time.time())
        except StateError as error:
            log.error("state_unusable", error=str(error))  # noqa: TRY400 - a sentence, not a traceback

    # --- around it

    async def _keep_house(self) -> None:
        """Bound the outbox and look at backlogs every minute, forget what is old every hour.

        What a crash left is looked at before.
        """
        await self._first_pass.wait()
        for minute in count():
            try:
                await asyncio.to_thread(self._bound_outbox, time.time())
                await asyncio.to_thread(self._parts.sending.note_standings)
                if minute % HOUSE_MINUTES == 0:
                    await asyncio.to_thread(self._forget, time.time())
            except TosserError as error:
                log.error("housekeeping_failed", error=str(error))  # noqa: TRY400 - a sentence, not a traceback
            await asyncio.sleep(60)

    def _forget(self, now: float) -> None:
        rules = self._parts.rules
        histories = {key: area.dupe_history for key, area in rules.areas.items()}
        default = int(self._config.area_defaults.dupe_history)
        self._state.keep_house(histories, default, LEDGER_DAYS, now)

    def _bound_outbox(self, now: float) -> None:
        if self._config.mqtt is not None:
            bounds = self._config.mqtt.outbox
            dropped = self._state.bound_outbox(bounds.max_events, now - bounds.max_age)
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
            await self._condition(METRICS, "")
            return None
        host, port = self._config.metrics.listen
        publisher = self._parts.publisher
        collector = StateCollector(
            self._state,
            connected=lambda: publisher is not None and publisher.statistics().connected,
            waiting=self._oldest_waiting,
        )
        try:
            server = MetricsServer(host, port, collector)
        except OSError as error:
            await self._condition(METRICS, f"cannot listen on {host}:{port}: {error.strerror or error}")
            return None
        await self._condition(METRICS, "")
        return server
