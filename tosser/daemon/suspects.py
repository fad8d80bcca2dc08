"""What is known of the files in work: which of them to trust, which to look at alone, which to leave for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tosser.errors import InputError

MAX_ATTEMPTS = 3
"""A file that was left without a verdict this often is set aside as poison."""
UNREADABLE_SECONDS = 60.0
"""How long a file that the system could not read is left alone."""


class Suspects:
    """Remembers by claim what happened to files before our eyes; of all others nobody knows."""

    def __init__(self) -> None:
        self._trusted: set[str] = set()
        self._failed: set[str] = set()
        self._unreadable: dict[str, tuple[float, str]] = {}

    def trust(self, claims: Iterable[str]) -> None:
        """Note files that we took ourselves, or that people let in: they are tossed together."""
        self._trusted.update(claims)

    def surprised(self, claims: Iterable[str]) -> None:
        """Note files of which one led to a mistake of ours: each is a suspect, to be looked at alone."""
        failed = set(claims)
        self._trusted -= failed
        self._failed |= failed

    def unreadable(self, error: InputError) -> None:
        """Note a file that the system cannot read."""
        self._unreadable[error.claim] = (time.monotonic(), str(error))

    def done(self, claim: str) -> None:
        """Forget a file that is finished."""
        self._trusted.discard(claim)

    def is_trusted(self, claim: str) -> bool:
        """Tell whether a file may be tossed with others."""
        return claim in self._trusted

    def has_failed(self, claim: str) -> bool:
        """Tell whether a file was among those that led to a mistake before our eyes."""
        return claim in self._failed

    def look_again(self) -> Mapping[str, object]:
        """Give the files that are still to be left alone; forget those that have been for long enough."""
        now = time.monotonic()
        self._unreadable = {
            claim: note for claim, note in self._unreadable.items() if now - note[0] < UNREADABLE_SECONDS
        }
        return self._unreadable

    @property
    def complaints(self) -> list[str]:
        """Why files could not be read, as sentences."""
        return [text for _, text in self._unreadable.values()]
