"""The nightly round of the daemon: at its time of day a process of its own purges and packs the bases.

In a process of its own it holds nothing of ours: while it works on one base the toss goes on with all others, and
mail for that one waits as it waits for any other program. Ending it at any moment leaves every base whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from tosser.daemon import upkeep
from tosser.daemon.conditions import MAINTENANCE
from tosser.daemon.upkeep import Round, bases_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tosser.config.model import Config
    from tosser.daemon.conditions import Conditions
    from tosser.rules.network import Rulebook

log = structlog.get_logger()

_LONGEST_SLEEP = 300.0
"""Seconds after which the clock is looked at again, since it may be set, and machines sleep."""


def next_round(at: str, now: datetime) -> datetime:
    """Tell when it is that time of day again, by the local clock."""
    hour, minute = map(int, at.split(":"))
    today = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


class Nightly:
    """Makes the rounds.

    Args:
        config: the configuration.
        rules: the sysop's world.
        conditions: takes what is wrong.
        clock: tells the local time.

    Attributes:
        process: that of the latest round, if there was one.
    """

    def __init__(
        self,
        config: Config,
        rules: Rulebook,
        conditions: Conditions,
        clock: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self._at = config.maintenance.at
        self._order = Round(config.paths.state, bases_of(rules), config.toss.lock_wait, config.maintenance.pack)
        self._conditions = conditions
        self._clock = clock
        self.process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Make a round each day, as long as the task lives; without a time of day do nothing."""
        if self._at is None:
            await self._tell("")
            return
        while True:
            due = next_round(self._at, self._clock())
            while (left := (due - self._clock()).total_seconds()) > 0:  # noqa: ASYNC110 - nobody tells what time it is
                await asyncio.sleep(min(left, _LONGEST_SLEEP))
            await self.round()

    async def round(self) -> None:
        """Make one round, and tell what it came to."""
        log.info("maintenance_begins", bases=len(self._order.bases))
        try:
            output, errors, code = await self._work()
        except OSError as error:
            output, errors, code = b"", str(error).encode(), 1
        lines: list[dict[str, Any]] = [json.loads(line) for line in output.rpartition(b"\n")[0].splitlines()]
        for line in lines:
            if line.get("purged") or line.get("freed"):
                log.info("base_tidied", **line)
            elif "skipped" in line:
                log.warning("base_skipped", **line)
        skipped = [line["skipped"] for line in lines if "skipped" in line]
        text = f"{len(skipped)} bases were left alone, among them {skipped[0]}" if skipped else ""
        if code:
            log.error("maintenance_failed", exit=code, error=errors.decode(errors="replace")[-2000:])
            text = f"the round ended early, with exit code {code}; the log says more"
        await self._tell(text)
        log.info("maintenance_ends", purged=_sum(lines, "purged"), freed=_sum(lines, "freed"), skipped=len(skipped))

    async def _tell(self, text: str) -> None:
        await asyncio.to_thread(self._conditions.say, {MAINTENANCE: text})

    async def _work(self) -> tuple[bytes, bytes, int]:
        """Let the process do its work; it ends when this task does."""
        self.process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", upkeep.__name__,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            output, errors = await process.communicate(self._order.to_json())
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return output, errors, process.returncode or 0


def _sum(lines: list[dict[str, Any]], key: str) -> int:
    return sum(line.get(key, 0) for line in lines)
