"""The lock of one system in a Binkley-style outbound: ``.bsy`` (FTS-5005).

Who made the file has the system's flow files, packets and bundles for himself; everybody else leaves them alone and
comes back later. Nobody waits here for long. A lock of somebody who died is broken: at once when it is our own; soon
when it names a process that this machine does not have and nobody touches it (the process may live in a container, and
a living mailer touches its locks every minute); after a day in any case. Its name is read in any case of letters.
"""

from __future__ import annotations

import os
import re
import threading
import time
from typing import TYPE_CHECKING, Self

from tosser import disk
from tosser.errors import LinkBusy
from tosser.outbound.sharing import file_mode, make_shared

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

STALE_SECONDS = 24 * 3600.0
"""After so long without a touch a lock means nothing, whoever made it."""
DEAD_SECONDS = 600.0
"""After so long without a touch it means nothing when the process it names does not exist here."""
_ATTEMPTS = 4
_PAUSE = 0.01
"""Seconds between two attempts."""
_LONGEST_LINE = 70
_PROCESS = re.compile(rb"\s*([0-9]{1,7})\b")

_held: set[Path] = set()
_held_lock = threading.Lock()


class BusyLock:
    """Holds a ``.bsy`` file for as long as the ``with`` block lasts.

    Args:
        path: the file; its directory is made when absent.
        root: the outbound's root, for the mode of the directory.
        identity: what tells locks of this tosser from those of others, also after a restart.
        stale: seconds without a touch after which another's lock means nothing.
    """

    def __init__(self, path: Path, root: Path, identity: int, *, stale: float = STALE_SECONDS) -> None:
        self._path = path
        self._root = root
        self._stale = stale
        self._mark = b" tosser %012x\n" % identity
        self._line = b"%d" % os.getpid() + self._mark
        self._beside = path.with_name(f".{path.name}.{identity:x}.tmp")

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            LinkBusy: somebody else has it.
            OSError: the file cannot be made.
        """
        with _held_lock:
            if self._path in _held:
                raise LinkBusy(self._path, "this process holds it")
            _held.add(self._path)
        try:
            self._take()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release the lock, unless somebody has broken it and it is no longer ours."""
        self._release()

    def release_leftover(self) -> bool:
        """Remove a lock that an earlier process of this tosser left; tells whether there was one."""
        disk.unlink(self._beside)
        if self._path in _held or not _first_line(self._path).endswith(self._mark):
            return False
        disk.unlink(self._path)
        return True

    def _release(self) -> None:
        try:
            if _first_line(self._path) == self._line:
                disk.unlink(self._path)
        finally:
            with _held_lock:
                _held.discard(self._path)

    def _take(self) -> None:
        holder = self._path
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE)
            try:
                make_shared(self._path.parent, self._root)
                found = self._find()
                if found is None:
                    self._create()
                    return
                holder = found
                self._break_stale(found)
            except (FileNotFoundError, FileExistsError):
                continue  # a mailer removed the lock or the empty directory, or was quicker
        raise LinkBusy(self._path, f"held by {_describe(holder)}")

    def _find(self) -> Path | None:
        """Find the lock file of the system, however its name is written."""
        with os.scandir(self._path.parent) as entries:
            names = [entry.name for entry in entries if entry.name.lower() == self._path.name]
        return self._path.with_name(names[0]) if names else None

    def _create(self) -> None:
        """Make the lock, with all it says from the beginning: an empty one would not be known for ours after a crash.

        Raises:
            FileExistsError: somebody was quicker.
        """
        disk.write_new(self._path, self._line, self._beside, file_mode(self._path.parent))

    def _break_stale(self, path: Path) -> None:
        """Remove a lock that means nothing; moved away first, lest it be one that somebody makes at this moment."""
        before = path.stat()
        line = _first_line(path)
        if not line.endswith(self._mark) and not _is_stale(line, time.time() - before.st_mtime, self._stale):
            return
        disk.rename(path, self._beside)
        if self._beside.stat().st_ino == before.st_ino:
            disk.unlink(self._beside)
        else:
            disk.rename(self._beside, path)


def _is_stale(line: bytes, age: float, stale: float) -> bool:
    process = _process_in(line)
    return age > stale or (age > DEAD_SECONDS and process is not None and not _lives(process))


def _process_in(line: bytes) -> int | None:
    match = _PROCESS.match(line)
    return int(match[1]) or None if match else None


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _first_line(path: Path) -> bytes:
    """Read what a lock says; one that is gone says nothing."""
    try:
        with path.open("rb") as stream:
            return stream.read(_LONGEST_LINE)
    except FileNotFoundError:
        return b""


def _describe(path: Path) -> str:
    """Tell who holds a lock, as far as it says so."""
    process = _process_in(_first_line(path))
    return f"process {process}" if process else "another program"
