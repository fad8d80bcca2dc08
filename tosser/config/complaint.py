"""Mistakes as they are found, placed in the document; `tosser.config.loading` turns them into file, line and column."""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tosser.config.source import Location

_LONGEST_WORD = 64
"""Characters of an unknown name that are compared with known ones."""


class Complaint(Struct, frozen=True):
    """One mistake.

    Attributes:
        location: where it is in the document.
        what: what is wrong, as a sentence without full stop.
        hint: a suggestion, or the empty string.
        key: whether the key is wrong rather than its value.
        other: where else it is, for what is given twice; the sentence then goes on with that place.
    """

    location: Location
    what: str
    hint: str = ""
    key: bool = False
    other: Location | None = None


class Gaps(Struct, frozen=True):
    """What is missing from a configuration because it could not be read.

    Attributes:
        locations: where something was taken out that may have mattered.
        texts: every text inside unreadable entries of `links`, so that such a link does not count as unknown elsewhere.
    """

    locations: frozenset[Location] = frozenset()
    texts: frozenset[str] = frozenset()

    def touch(self, *location: str | int) -> bool:
        """Tell whether something at, below or around a location is missing."""
        return any(gap[: len(location)] == location[: len(gap)] for gap in self.locations)


def nearest(word: str, known: Iterable[str]) -> str:
    """Find the known name that a word may have been meant for, whatever its letter case; empty when none is near."""
    return _nearest(word[:_LONGEST_WORD], tuple(known))


def suggest(word: str, known: Iterable[str]) -> str:
    """Make the hint ``did you mean ...?`` for a name that is not known; empty when none is near."""
    return hint_for(nearest(word, known))


def hint_for(meant: str) -> str:
    """Make the hint from the name that was meant; empty for none."""
    return f"did you mean {meant!r}?" if meant else ""


@lru_cache(maxsize=1024)
def _nearest(word: str, known: tuple[str, ...]) -> str:
    names = {name.casefold(): name for name in reversed(known)}
    return next((names[name] for name in get_close_matches(word.casefold(), names, 1)), "")
