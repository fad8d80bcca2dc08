"""What is put around every durable step of a process: `tosser.disk`, and the transactions of the state database.

It is put there after the program was imported and before its command line is read, in a process that was forked for
that; nothing in tosser knows of it. A step can be written down with its bytes, and the process can be killed before
it, after it, or half way through a write.
"""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosser import disk
from tosser.state import database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STEPS = (
    "make_one_directory",
    "rename",
    "link",
    "set_mode",
    "unlink",
    "remove_empty_directory",
    "create",
    "open_or_create",
    "write_at",
    "write_pieces",
    "truncate",
    "sync_file",
    "sync_directory",
    "sync_everything",
)
"""The functions of `tosser.disk` that are one system call; everything else there is made of them."""
_WRITES = {"write_at", "write_pieces"}
COMMIT = "commit"
"""A transaction of the state database that changed something, its being opened for the first time, or its closing."""
DATABASE_FILES = ("tosser.db", "tosser.db-wal")


class Moment(StrEnum):
    """When in a step a process dies."""

    BEFORE = "before"
    HALF = "half way"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Death:
    """At which step a process dies, counted from 0, and when."""

    step: int
    moment: Moment


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it was taken.

    Attributes:
        name: a name of `STEPS`, or `COMMIT`.
        path: what it was about; empty for `COMMIT` and ``sync_everything``.
        target: the second path of a rename or link.
        data: the bytes of a write.
        offset: where they go, or the length of a truncation.
        changed: whether anything was changed; so it is not when a file to remove was gone already.
        database: the files of the database after a commit, by name.
    """

    name: str
    path: str = ""
    target: str = ""
    data: bytes = b""
    offset: int = 0
    changed: bool = True
    database: tuple[tuple[str, bytes], ...] = ()


class Seam:
    """Counts the steps of this process.

    Args:
        state: the state directory.
        death: when the process dies, if it does.
        trace: file that every step is appended to, if wanted.
    """

    def __init__(self, state: Path, death: Death | None, trace: Path | None) -> None:
        self._state = state
        self._death = death
        self._count = 0
        self._lock = threading.RLock()
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) if trace else -1

    def install(self) -> None:
        """Put this around everything."""
        for name in STEPS:
            setattr(disk, name, self._around(name, getattr(disk, name)))
        _Connection.seam = self
        database.sqlite3.connect = _connect  # type: ignore[attr-defined]

    def _around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - those of any function
            with self._lock:
                number = self._begin()
                if name == "write_pieces":
                    arguments = (arguments[0], list(arguments[1]))
                if name in _WRITES and self._death == Death(number, Moment.HALF):
                    descriptor, data, *offset = arguments
                    half = [[_half(chain(*data))]] if name == "write_pieces" else _half([data])
                    function(descriptor, half, *offset)
                    if self._trace >= 0:
                        self._write(self._describe(name, (descriptor, half, *offset)))
                    die()
                note = self._describe(name, arguments) if self._trace >= 0 else None
                # Everything here is in memory; the real one would wait for the disk of whoever else is at work.
                result = None if name == "sync_everything" else function(*arguments, **options)
                if note is not None:
                    self._write(note)
                self._end(number)
                return result

        return step

    def transaction(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the work returns
        """Take a step of the database."""
        with self._lock:
            number = self._begin()
            result = work()
            if self._trace >= 0:
                files = (self._state / name for name in DATABASE_FILES)
                content = tuple((path.name, path.read_bytes()) for path in files if path.exists())
                self._write(Step(COMMIT, database=content))
            self._end(number)
            return result

    def _begin(self) -> int:
        number = self._count
        self._count += 1
        if self._death == Death(number, Moment.BEFORE):
            die()
        return number

    def _end(self, number: int) -> None:
        if self._death is not None and self._death.step == number:
            die()

    @staticmethod
    def _describe(name: str, arguments: tuple[Any, ...]) -> Step:
        if name == "sync_everything":
            return Step(name)
        first, second = (*arguments, None)[:2]
        path = str(first) if isinstance(first, Path) else os.readlink(f"/proc/self/fd/{first}")  # noqa: PTH115 - text
        note = Step(name, path)
        if name in {"rename", "link"}:
            note = replace(note, target=str(second))
        elif name == "write_at":
            note = replace(note, data=bytes(second), offset=arguments[2])
        elif name == "write_pieces":
            note = replace(note, data=b"".join(chain(*second)))
        elif name == "truncate":
            note = replace(note, offset=second)
        elif name == "open_or_create":
            note = replace(note, changed=not os.path.lexists(path))
        elif name == "unlink":
            note = replace(note, changed=os.path.lexists(path))
        elif name == "remove_empty_directory":
            note = replace(note, changed=Path(path).is_dir() and not any(Path(path).iterdir()))
        return note

    def _write(self, note: Step) -> None:
        data = pickle.dumps(note)
        os.write(self._trace, len(data).to_bytes(4, "big") + data)


def _half(pieces: Iterable[bytes]) -> bytes:
    whole = b"".join(pieces)
    return whole[: len(whole) // 2]


class _Connection(sqlite3.Connection):
    """A connection whose changes of the disk are steps."""

    seam: Seam

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as it is called
        super().__init__(*arguments, **options)
        self._noted = -1

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as it is called
        if sql.startswith("PRAGMA journal_mode"):
            return self.seam.transaction(lambda: super(_Connection, self).execute(sql, *arguments))  # type: ignore[no-any-return]
        if sql != "COMMIT" or self.total_changes == self._noted:
            return super().execute(sql, *arguments)
        self._noted = self.total_changes
        return self.seam.transaction(lambda: super(_Connection, self).execute(sql, *arguments))  # type: ignore[no-any-return]

    def close(self) -> None:
        self.seam.transaction(super().close)


_real_connect = sqlite3.connect


def _connect(*arguments: Any, **options: Any) -> sqlite3.Connection:  # noqa: ANN401 - as it is called
    return _real_connect(*arguments, factory=_Connection, **options)


def die() -> None:
    """Be killed."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("alive after SIGKILL")


def read_trace(path: Path) -> list[Step]:
    """Read what a process wrote down before it ended."""
    steps: list[Step] = []
    with path.open("rb") as stream:
        while size := stream.read(4):
            steps.append(pickle.loads(stream.read(int.from_bytes(size, "big"))))  # noqa: S301 - we wrote it
    return steps
