"""The lock of a state directory: one daemon or one ``tosser toss`` at a time."""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from tosser.disk import FILE_MODE
from tosser.errors import StateError, StateLocked

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

LOCK_NAME = "tosser.lock"
_ENDED_WELL = b"\n"
_LONGEST = 1024
"""Bytes of the file, so that it never needs a second block of the disk."""
_FLOCK = struct.Struct("@hhqqi")
"""``struct flock``: type, whence, start, length, process; a length of 0 is the whole file."""


class StateLock:
    """Holds ``tosser.lock`` in the state directory for as long as the process, or the ``with`` block, lives.

    The lock is the kernel's (an open file description lock), so it is gone when the process is, however it ended. The
    file names the holder, and holds an empty line when the last one ended well.

    Attributes:
        left_behind: whether a holder before us was killed or failed, so that changes of his may not be on the disk. So
            it is also where nobody ever ended well: somebody may have died before he could say who he is.
    """

    def __init__(self, directory: Path) -> None:
        self.left_behind = False
        self._path = directory / LOCK_NAME
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            StateLocked: another process has it; the message names the process.
            StateError: the file cannot be made, or not be locked.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}") from error
        try:
            self._take(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release the lock; the file stays, so that two processes never lock two files of one name."""
        if kind is None:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, _ENDED_WELL, 0)
        os.close(self._descriptor)
        self._descriptor = -1

    def is_in_place(self) -> bool:
        """Tell whether the file that we have locked still stands under its name: else others do not see our lock."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def tell(self, trouble: str) -> None:
        """Leave word of what keeps us from using the database, where those who look can find it; empty for nothing.

        It is written over what is there, which takes no room on a full disk. Where even that fails, nothing is told.
        """
        with suppress(OSError):
            _write(self._descriptor, trouble)

    def _take(self, descriptor: int) -> None:
        wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
            self.left_behind = os.pread(descriptor, 32, 0) != _ENDED_WELL
            _write(descriptor, "")
        except BlockingIOError as error:
            process = _process_named_in(descriptor) or "unknown"
            raise StateLocked(f"{self._path}: another tosser (process {process}) is at work here") from error
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}") from error


def holder(directory: Path) -> int | None:
    """Give the process id of the tosser at work on a state directory, or ``None`` when there is none.

    The id is 0 when the lock is held and the file does not (yet) say by whom. Asking never is in the way of a tosser
    that starts at this moment, as taking the lock to try it would be.
    """
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
        return None if _FLOCK.unpack(found)[0] == fcntl.F_UNLCK else _process_named_in(descriptor)
    finally:
        os.close(descriptor)


def trouble_told(directory: Path) -> str:
    """Read what the tosser at work says keeps it from using its database; empty where there is none, or no trouble."""
    if not holder(directory):
        return ""
    try:
        _, _, trouble = (directory / LOCK_NAME).read_text("utf-8", "replace").partition("\n")
    except OSError:
        return ""
    return " ".join(trouble.split())


def _write(descriptor: int, trouble: str) -> None:
    data = f"{os.getpid()}\n{trouble}\n".encode()[:_LONGEST] if trouble else f"{os.getpid()}\n".encode()
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))


def _process_named_in(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).partition(b"\n")[0].strip()
    return int(text) if text.isdigit() else 0
