"""A reader of JAM bases that never rests: reads what is new and what is old, over and over, and tells what was wrong.

Run as a program it reads beside those who write, without any lock, as readers do::

    python -m tests.peers.jam_watch BASE ...     until standard input ends; then print a JSON object

Every message here has a first line that follows from its subject, so that a reader sees a message that is not whole, or
a text of another one.
"""

from __future__ import annotations

import json
import random
import select
import sys
from pathlib import Path
from typing import TypedDict

from tosser.stores.jam_reader import JamReader, Unreadable

_PAUSE = 0.01
"""Seconds between two looks."""


class Account(TypedDict):
    """What a watch came to: how many messages it read, and what was wrong."""

    read: int
    faults: list[str]


def first_line(subject: str) -> str:
    """Tell the first line of a message with this subject: ``mail text 17`` for ``mail 17``."""
    tag, _, number = subject.partition(" ")
    return f"{tag} text {number}"


class Watch:
    """Looks at one base; what was at a place once stays there."""

    def __init__(self, path: Path) -> None:
        """Take a base that is there."""
        self._path = path
        self._reader = JamReader(path)
        self._seen: dict[int, str] = {}
        self._places = random.Random(1)
        self.account = Account(read=0, faults=[])

    def look(self) -> None:
        """Read what is new and some of what was there before."""
        start = self._places.randint(max(0, len(self._seen) - 40), len(self._seen))
        for record in self._reader.records(start):
            if isinstance(record, Unreadable):
                self._complain(record.position, record.reason)
                continue
            message = record.message
            subject, text = message.subject.decode("latin-1"), message.body.decode("latin-1")
            if text.splitlines()[:1] != [first_line(subject)]:
                self._complain(record.position, f"{subject!r} has the text {text[:60]!r}")
            before = self._seen.setdefault(record.position, subject)
            if before != subject:
                self._complain(record.position, f"{subject!r} stands where {before!r} was")
            self.account["read"] += 1

    def _complain(self, position: int, what: str) -> None:
        self.account["faults"].append(f"{self._path.name}[{position}]: {what}")


def main() -> None:
    """Watch until standard input ends."""
    watches = [Watch(Path(argument)) for argument in sys.argv[1:]]
    while not select.select([sys.stdin], [], [], _PAUSE)[0]:
        for watch in watches:
            watch.look()
    json.dump([watch.account for watch in watches], sys.stdout)


if __name__ == "__main__":
    main()
