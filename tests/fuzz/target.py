"""What is fuzzed: a check that takes any bytes, with inputs to begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

Check: TypeAlias = Callable[[bytes], None]
"""Takes any bytes; raises nothing unless something is wrong with the code."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that takes bytes from outside.

    Attributes:
        name: as on the command line.
        make: gives the check; its argument is an empty directory that nobody else uses.
        seeds: inputs to begin with, good ones above all.
        longest: bytes of an input.
    """

    name: str
    make: Callable[[Path], Check]
    seeds: Callable[[], Iterable[bytes]]
    longest: int = 2048


def pure(name: str, check: Check, seeds: Callable[[], Iterable[bytes]], longest: int = 2048) -> Target:
    """Make a target of a check that needs no directory."""
    return Target(name, lambda _: check, seeds, longest)
