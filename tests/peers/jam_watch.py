"""A reader of JAM bases that never rests: reads what is new and what is old, over and over, and tells what was wrong.

Run as a program it reads beside those who write, without any lock, as readers do::

    python -m tests.peers.jam_watch BASE ...     until standard input ends; then print a JSON object

Every message here has a first line that follows from its subject, so that a reader sees a message that is not whole, or
a text of another one. Other programs write their index before their headers, so one of theirs may be seen half written,
if it is whole later; one of ours may never be.
"""

from __future__ import annotations

import json
import random
import select
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from tosser.stores.jam_reader import JamReader, Unreadable

if TYPE_CHECKING:
    from tosser.stores.jam_reader import JamMessage

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

    def __init__(self, path: Path, ours: str = "mail ") -> None:
        """Take a base that is there, and how the subjects begin of what we write ourselves."""
        self._path = path
        self._ours = ours
        self._reader = JamReader(path)
        self._seen: dict[int, str] = {}
        self._doubts: dict[int, str] = {}
        self._places = random.Random(1)
        self.account = Account(read=0, faults=[])

    def look(self) -> None:
        """Read what is new, what was in doubt, and some of what was there before."""
        start = self._places.randint(max(0, len(self._seen) - 40), len(self._seen))
        for record in self._reader.records(min([start, *self._doubts])):
            subject, fault = _judge(record)
            if fault:
                self._doubts.setdefault(record.position, fault)
                continue
            doubt = self._doubts.pop(record.position, None)
            if doubt is not None and subject.startswith(self._ours):
                self._complain(record.position, f"{subject!r} was seen half written: {doubt}")
            before = self._seen.setdefault(record.position, subject)
            if before != subject:
                self._complain(record.position, f"{subject!r} stands where {before!r} was")
            self.account["read"] += 1

    def settle(self) -> None:
        """Look for the last time, now that nobody writes: what is in doubt still is wrong."""
        self.look()
        for position, doubt in self._doubts.items():
            self._complain(position, doubt)

    def _complain(self, position: int, what: str) -> None:
        self.account["faults"].append(f"{self._path.name}[{position}]: {what}")


def _judge(record: JamMessage | Unreadable) -> tuple[str, str]:
    """Tell the subject of what was read, and what is wrong with it, if anything is."""
    if isinstance(record, Unreadable):
        return "", record.reason
    subject, text = record.message.subject.decode("latin-1"), record.message.body.decode("latin-1")
    wrong = text.splitlines()[:1] != [first_line(subject)]
    return subject, f"{subject!r} has the text {text[:60]!r}" if wrong else ""


def main() -> None:
    """Watch until standard input ends."""
    watches = [Watch(Path(argument)) for argument in sys.argv[1:]]
    while not select.select([sys.stdin], [], [], _PAUSE)[0]:
        for watch in watches:
            watch.look()
    for watch in watches:
        watch.settle()
    json.dump([watch.account for watch in watches], sys.stdout)


if __name__ == "__main__":
    main()
