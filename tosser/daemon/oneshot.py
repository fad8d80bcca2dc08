"""``tosser toss``: the pipeline without the daemon around it."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from tosser.daemon import collector, heap, logs
from tosser.daemon.conditions import NODELISTS, SPACE, TOSS
from tosser.daemon.parts import build_parts, make_directories, sync_leftovers
from tosser.daemon.passes import PassReport
from tosser.daemon.suspects import MAX_ATTEMPTS
from tosser.inbound.helper import Helper
from tosser.state.lock import StateLock
from tosser.state.state import State, ended_well

if TYPE_CHECKING:
    from tosser.config.model import Config
    from tosser.daemon.parts import Parts
    from tosser.events.publisher import PublisherStatistics

PUBLISH_SECONDS = 30.0
"""How long a single toss waits for the broker to take its events; what it does not take waits for the next run."""
HOOK_SECONDS = 30.0
"""How long it goes on calling hooks; one that has failed once is left to the next run."""
RECONNECT_SECONDS = 2.0
"""How long it may take to connect, for the first time or again."""


def toss_once(config: Config, *, link: bool = False, helper: Helper | None = None) -> PassReport:
    """Toss until the inbounds hold nothing that is or becomes ready, then hand the events to the broker and call hooks.

    Args:
        config: a configuration that passed its check.
        link: whether to make the reply links of what came in, too.
        helper: one that was started before, else there is one of its own.

    Raises:
        StateLocked: a daemon or another toss is at work.
        StateError: the state database cannot be used.
    """
    logs.configure(config.log.level, config.log.format)
    collector.spare()
    heap.keep()
    make_directories(config)
    with nullcontext(helper) if helper else Helper() as reading, StateLock(config.paths.state) as lock:
        reading.post(collector.spare)
        reading.post(heap.keep)
        sync_leftovers(config, lock)
        clean = ended_well(config.paths.state)
        state = State(config.paths.state)
        try:
            if not clean:
                state.verify()
            parts = build_parts(config, state, helper=reading, link=link)
            if config.nodelists:
                parts.conditions.say({NODELISTS: parts.nodelists.trouble})
            try:
                parts.scanning.look()
                report = _toss(parts)
                parts.conditions.say({TOSS: "" if report.shortage else report.trouble, SPACE: report.shortage})
                parts.robots.start()
                parts.linker.round(sys.maxsize)
            finally:
                parts.close()
            if parts.publisher is not None:
                asyncio.run(_publish(parts))
            asyncio.run(parts.hooks.drain(HOOK_SECONDS))
        finally:
            state.close()
    return report


def _toss(parts: Parts) -> PassReport:
    total = PassReport()
    surprises = 0
    while True:
        report = parts.pipeline.toss()
        total.files.update(report.files)
        total.messages.update(report.messages)
        total.set_aside += report.set_aside
        total.held = report.held
        if report.trouble or report.shortage or parts.pipeline.parked:
            total.shortage = report.shortage
            total.trouble = report.trouble or report.shortage or f"{parts.pipeline.parked} {parts.pipeline.waits_for}"
            return total
        if report.surprised and surprises <= MAX_ATTEMPTS:
            surprises += 1
            continue
        scan = parts.spool.scan()
        if not scan.ready and not scan.waiting:
            return total
        if not scan.ready:
            time.sleep(min(scan.next_check or 0.1, 1.0))


def _is_hopeless(statistics: PublisherStatistics) -> bool:
    """Tell a broker that is away from one that hung up just now, as mosquitto does after it has said no."""
    away = time.time() - statistics.since
    return bool(statistics.last_error) and not statistics.connected and away > RECONNECT_SECONDS


async def _publish(parts: Parts) -> None:
    """Run the publisher until the outbox is empty, or as long as there is hope."""
    if parts.publisher is None:
        return
    async with asyncio.TaskGroup() as group:
        running = group.create_task(parts.publisher.run())
        drained = group.create_task(parts.publisher.drained())
        deadline = time.monotonic() + PUBLISH_SECONDS
        while time.monotonic() < deadline:
            await asyncio.wait([drained], timeout=0.2)
            if drained.done() or _is_hopeless(parts.publisher.statistics()):
                break
        drained.cancel()
        running.cancel()
