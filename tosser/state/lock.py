"""The lock of a state directory: one daemon or one ``tosser toss`` at a time."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

from tosser.errors import StateError, StateLocked

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class StateLock:
    """Holds ``tosser.lock`` in the state directory for as long as the process, or the ``with`` block, lives.

    The lock is the kernel's (flock), so it is gone when the process is, however it ended. The file names the holder.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "tosser.lock"
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            StateLocked: another process has it; the message names the process.
            StateError: the file cannot be made.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StateLocked(
                f"{self._path}: another tosser (process {holder or 'unknown'}) is at work here"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release the lock; the file stays, so that two processes never lock two files of one name."""
        os.close(self._descriptor)
        self._descriptor = -1


def holder(directory: Path) -> int | None:
    """Give the process id of the tosser at work on a state directory, or ``None`` when there is none."""
    path = directory / "tosser.lock"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(descriptor)
    return None
