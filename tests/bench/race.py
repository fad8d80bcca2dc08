"""Cases in which programs toss the same mail in turn: A B A B, each run a whole process.

Before the rounds that are timed, each contestant tosses once under strace: its syncs are counted then, and what it
stored and sent is counted message by message. A run that did not do all of the work is no run.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.measure import BenchError
from tests.bench.outcome import DISK, TOSSER, Bench, Outcome, Row
from tests.bench.systems import disk_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.mail import Mail, Post
    from tests.bench.measure import Usage
    from tests.bench.systems import System

_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Entry:
    """One contestant.

    Attributes:
        label: as it is shown.
        build: makes a fresh system.
        prefill: messages its bases hold before; such a system is filled once and then kept from run to run.
    """

    label: str
    build: Callable[[Bench], System]
    prefill: int = 0


@dataclass(frozen=True, slots=True)
class Race:
    """One case.

    Attributes:
        name: on the command line.
        title: what it does, in a line.
        mail: what is tossed in one round; rounds count from 0, and the counted run is the first.
        entries: the contestants, in turn.
        copies: how many links every message is due to.
        disk: whether the disk alone writes the same bytes in each round.
        long: whether it is left out unless it is asked for.
    """

    name: str
    title: str
    mail: Callable[[Post, int], Mail]
    entries: tuple[Entry, ...]
    copies: int = 0
    disk: bool = False
    long: bool = False

    def run(self, bench: Bench) -> Outcome:
        """Run it.

        Raises:
            BenchError: a program failed, or lost mail.
        """
        kept = {entry.label: _prefilled(entry, bench) for entry in self.entries if entry.prefill}
        try:
            return self._run(bench, kept)
        finally:
            for system in kept.values():
                system.close()

    def _run(self, bench: Bench, kept: dict[str, System]) -> Outcome:
        usages: dict[str, list[Usage]] = {entry.label: [] for entry in self.entries}
        mail = self.mail(bench.post, 0)
        counted = {entry.label: self._counted(entry, kept.get(entry.label), mail, bench) for entry in self.entries}
        for number in range(1, bench.runs + 1):
            mail = self.mail(bench.post, number)
            for entry in self.entries:
                usage, left = self._timed(entry, kept.get(entry.label), mail, bench, number)
                usages[entry.label].append(usage)
                if self.copies:
                    _check_size(entry.label, sum(left), sum(counted[entry.label].left))
            if self.disk:
                os.sync()
                usages.setdefault(DISK, []).append(disk_alone(bench.root, counted[TOSSER].left))
        rows = [
            Row(label, mail.messages, tuple(taken), counted[label].syncs if label in counted else None)
            for label, taken in usages.items()
        ]
        return Outcome(self.name, self.title, rows)

    def _counted(self, entry: Entry, kept: System | None, mail: Mail, bench: Bench) -> _Counted:
        with _at_work(entry, kept, bench) as system:
            system.take(mail.files)
            syncs = system.run_counting()
            _check(entry.label, "stored", system.stored(), mail.distinct + entry.prefill)
            if self.copies:
                _check(entry.label, "sent", system.sent(), mail.distinct * self.copies)
            return _Counted(syncs, system.left())

    def _timed(
        self, entry: Entry, kept: System | None, mail: Mail, bench: Bench, number: int
    ) -> tuple[Usage, list[int]]:
        """Time one run; before, the disk gets rid of what others have left to be written."""
        with _at_work(entry, kept, bench) as system:
            system.take(mail.files)
            os.sync()
            usage = system.run()
            before = entry.prefill + mail.distinct * number if kept else 0
            _check(entry.label, "stored", system.stored(), mail.distinct + before)
            return usage, system.left()


@dataclass(frozen=True, slots=True)
class _Counted:
    """What the run before the timed ones showed: its syncs, and the sizes of the files it left."""

    syncs: int | None
    left: list[int]


@contextmanager
def _at_work(entry: Entry, kept: System | None, bench: Bench) -> Iterator[System]:
    """Give the system that is kept, or a fresh one for the length of the block."""
    if kept is not None:
        yield kept
        return
    system = entry.build(bench)
    try:
        yield system
    finally:
        system.close()


def _prefilled(entry: Entry, bench: Bench) -> System:
    system = entry.build(bench)
    system.take(bench.post.prefill(entry.prefill).files)
    system.run()
    _check(entry.label, "stored", system.stored(), entry.prefill)
    return system


def _check(label: str, what: str, found: int, expected: int) -> None:
    if found != expected:
        raise BenchError(f"{label} {what} {found:,} messages of {expected:,}")


def _check_size(label: str, found: int, expected: int) -> None:
    """Sizes differ a little with clocks and names; lost mail shows."""
    if abs(found - expected) > expected * _TOLERANCE:
        raise BenchError(f"{label} left {found:,} bytes, and {expected:,} the first time")
