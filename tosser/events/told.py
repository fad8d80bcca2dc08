"""Bounds what strangers write into the log: so many lines a minute, then how many more there were."""

from __future__ import annotations

import time

import structlog

_LINES = 20
_SECONDS = 60.0

_log = structlog.get_logger()


class Told:
    """Counts the lines of one kind.

    Args:
        summary: event that says how many lines were left out.
    """

    def __init__(self, summary: str) -> None:
        self._summary = summary
        self._lines = 0
        self._since = time.monotonic()

    def may(self) -> bool:
        """Tell whether the log is to have one more line."""
        now = time.monotonic()
        if now - self._since >= _SECONDS:
            if self._lines > _LINES:
                _log.warning(self._summary, more=self._lines - _LINES)
            self._lines, self._since = 0, now
        self._lines += 1
        return self._lines <= _LINES
