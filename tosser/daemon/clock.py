"""Notices that the clock of the machine was set, by a clock that only goes forward.

What is kept for a time (dupe keys, ledger, events that wait) must not be thrown away because a clock has jumped years
ahead, nor links be paused for mail that seems to wait for years. So after a jump nothing is done by age until the clock
has been steady for a day, or is back.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

JUMP_SECONDS = 3600.0
"""Corrections up to this are what clocks need."""
STEADY_SECONDS = 86400.0
LONG_OFF_SECONDS = 30 * 86400.0
"""A machine that was off for longer has to show, too, that its clock is steady."""


def _running() -> float:
    """Give seconds that go on while the machine sleeps, and that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ClockWatch:
    """Compares the clock with one that only goes forward.

    Args:
        last: a moment that has been, Unix seconds, from an earlier life; ``None`` for none.
        wall: the clock.
        running: the other.
    """

    def __init__(
        self,
        last: float | None = None,
        *,
        wall: Callable[[], float] = time.time,
        running: Callable[[], float] = _running,
    ) -> None:
        self._wall = wall
        self._running = running
        self._trusted = self._latest = wall() - running()
        self._since = running()
        if last is not None and not -JUMP_SECONDS < wall() - last < LONG_OFF_SECONDS:
            self._trusted = last - running()

    def look(self) -> str:
        """Say that the clock cannot be trusted; empty when it can."""
        offset = self._wall() - self._running()
        if abs(offset - self._latest) > JUMP_SECONDS:
            self._since = self._running()
            self._latest = offset
        ahead = self._latest - self._trusted
        if abs(ahead) > JUMP_SECONDS and self._running() - self._since >= STEADY_SECONDS:
            self._trusted = self._latest
        if abs(self._latest - self._trusted) <= JUMP_SECONDS:
            self._trusted = self._latest = offset
            return ""
        days = f"{abs(ahead) / 86400:.1f} days {'ahead' if ahead > 0 else 'back'}"
        return (
            f"the clock was set {days}; nothing is forgotten by age until it has been steady for a day, or is set back"
        )
