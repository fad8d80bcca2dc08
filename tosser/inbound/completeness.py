"""Is a file in an inbound all there? Told by its own end, or by its lying still.

A packet ends in a zero word exactly at the end of the file (FTS-0001), a ZIP in the record that ends its directory;
such files are complete the moment they look so. All others, damaged ones among them, have to lie still for a while, and
nobody may have them open for writing: a transfer may stall. An empty file is deleted once it is taken, and with it what
a slow writer has still to write; so where we cannot learn of writers it waits for an hour.
"""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.codec.bundle import HEAD_SIZE, ArchiveType, identify
from tosser.codec.packed_message import skip_usual
from tosser.codec.packet import HEADER_SIZE, TERMINATOR, PacketReader, Tolerated
from tosser.errors import PacketError
from tosser.inbound.unzip import directory_is_whole

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 8 * 1024 * 1024
"""Packets of more bytes are not walked: that would take as long as they take to settle."""
_PACKET_TAIL = 16 * 1024
_SURELY_TEXT = 512
"""Bytes without NUL; no field of a message that is not its text has as many, even where software writes too much."""
_END_OF_TEXT = b"\0" + TERMINATOR
_ZIP_TAIL = 256 * 1024
EMPTY_SECONDS = 3600.0
"""How long an empty file has to lie still whose writers are not to be known."""
_LOOK_AGAIN = 1.0
"""Seconds after which a file that is being written is looked at again, at least."""


def looks_complete(path: Path | str) -> bool:
    """Tell whether a file is surely complete; ``False`` means that its content does not tell.

    Raises:
        OSError: it cannot be read, or is a link.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return False
        kind = identify(os.pread(descriptor, HEAD_SIZE, 0))
        if kind is ArchiveType.PACKET:
            return _packet_is_whole(descriptor, status.st_size)
        if kind is ArchiveType.ZIP:
            tail = os.pread(descriptor, _ZIP_TAIL, max(0, status.st_size - _ZIP_TAIL))
            return directory_is_whole(tail, status.st_size)
        return False
    finally:
        os.close(descriptor)


def being_written(path: str) -> bool | None:
    """Tell whether anybody has a file open for writing; ``None`` where we may not ask, because it is another user's.

    The kernel grants a read lease only on a file that nobody writes. Whoever opens it while we have the lease makes the
    kernel send us a signal, which is to be one that means nothing.

    Raises:
        OSError: the file cannot be read, or is a link.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except PermissionError:
        return None
    except OSError:
        return False  # this file system has no leases
    else:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False
    finally:
        os.close(descriptor)


def _packet_is_whole(descriptor: int, size: int) -> bool:
    """Look at the end of a packet, and if that does not tell, at all of it."""
    if _ends_after_a_text(os.pread(descriptor, _PACKET_TAIL, max(0, size - _PACKET_TAIL))):
        return True
    return size <= LARGEST and _walk(descriptor, size)


def _ends_after_a_text(tail: bytes) -> bool:
    """Tell whether bytes end with a text, its NUL and the terminator.

    So many bytes without NUL can only be in a text. What follows the NUL of a text is the next message, which begins
    with 02 hex, or the terminator. Room that a writer has reserved is not mistaken for that: it has more zeros.
    """
    end = len(tail) - len(_END_OF_TEXT)
    return tail.endswith(_END_OF_TEXT) and end - tail.rfind(b"\0", 0, end) > _SURELY_TEXT


def _walk(descriptor: int, size: int) -> bool:
    """Walk a packet without its last word: only if the terminator is that word is there none before it.

    Writers that reserve room fill it with zeros, so a terminator further up proves nothing.
    """
    end = size - len(TERMINATOR)
    data = os.pread(descriptor, size, 0)
    if len(data) != size or not data.endswith(TERMINATOR):
        return False
    if skip_usual(data, HEADER_SIZE) == end:
        return True
    reader = PacketReader()
    try:
        reader.feed(data[:end])
        reader.finish()
    except PacketError:
        return False
    return [warning.code for warning in reader.warnings] == [Tolerated.NO_TERMINATOR]


class _Look(Struct):
    """What we saw of a file when it had last changed.

    Attributes:
        signature: what changes with every change of the file.
        since: when we first saw it so, by our monotonic clock.
        looks_complete: what its content said, once it was asked.
    """

    signature: tuple[int, int, int, int]
    since: float
    looks_complete: bool | None = None

    def is_complete(self, path: str) -> bool:
        """Tell whether its content proves it complete; read once for all looks at the same file."""
        if self.looks_complete is None:
            self.looks_complete = _examine(path)
        return self.looks_complete


class Settling:
    """Remembers files between looks, and tells how long each has yet to lie still.

    How long it has done so already is the age of its last change (ctime), if the clock that stamped it is ours. On a
    network file system, or where that time is ahead of the clock, only the time between our own looks counts.

    Args:
        settle: seconds a file must lie still that its own content does not prove complete.
    """

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._before: dict[str, _Look] = {}
        self._now: dict[str, _Look] = {}

    def next_round(self) -> None:
        """Begin a look at all files; those not seen in the round before are forgotten."""
        self._before, self._now = self._now, {}

    def delay(self, path: str, status: os.stat_result, *, remote: bool) -> float:
        """Tell in how many seconds a file may be taken; 0 means now.

        Args:
            path: the file.
            status: of the file, just taken.
            remote: whether another machine's clock stamps its changes.
        """
        signature = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        look = self._before.get(path)
        if look is None or look.signature != signature:
            look = _Look(signature, time.monotonic())
        self._now[path] = look
        still = time.monotonic() - look.since
        if not remote:
            still = max(still, time.time() - status.st_ctime)
        if still < self._settle:
            return 0.0 if look.is_complete(path) else self._settle - still
        return 0.0 if remote or not self._settle else self._patience(look, path, status.st_size, still)

    def _patience(self, look: _Look, path: str, size: int, still: float) -> float:
        """Tell how long a file is left alone although it has lain still."""
        try:
            written = being_written(path)
        except OSError:
            return 0.0  # whoever claims it meets the error again
        if written:
            return 0.0 if look.is_complete(path) else max(self._settle, _LOOK_AGAIN)
        return max(0.0, EMPTY_SECONDS - still) if written is None and not size else 0.0


def _examine(path: str) -> bool:
    """Ask the content. A file that cannot be read now says nothing; whoever claims it meets the error again."""
    try:
        return looks_complete(path)
    except OSError:
        return False
