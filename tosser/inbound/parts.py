"""Reading archives without writing named files: windows on an open file, and one nameless file to unpack into.

Every member ends as a `Part`: bytes that were read to their end, checked and counted before anyone sees them. A name
from an archive lives on only as text for people.
"""

from __future__ import annotations

import errno
import io
import os
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from tosser.errors import ArchiveError
from tosser.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed import WriteableBuffer

    from tosser.inbound.unpack import ArchiveLimits

CHUNK = 256 * 1024
_RATIO_FLOOR = 1024 * 1024
"""Members below this many bytes are harmless whatever their ratio: short mails full of blanks pack very well."""


class Window(io.RawIOBase):
    """A read-only, seekable view of a stretch of an open file; windows on one file do not disturb each other.

    Args:
        file: the open file; it must stay open.
        start: first byte of the stretch.
        size: bytes in it.
        largest_read: refuse single reads of more bytes, for readers that believe sizes an archive states.
    """

    def __init__(self, file: io.FileIO, start: int, size: int, largest_read: int | None = None) -> None:
        super().__init__()
        self._file = file
        self._start = start
        self._size = size
        self._largest_read = largest_read
        self._at = 0

    def readable(self) -> bool:
        """Windows can be read."""
        return True

    def seekable(self) -> bool:
        """Windows can be sought in."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the place of the next read; before the start is an error, as in a real file."""
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if at < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._at = at
        return at

    def tell(self) -> int:
        """Place of the next read."""
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Read up to ``size`` bytes, or all that are left; never reserves more memory than there are bytes.

        Raises:
            ArchiveError: more than the largest allowed read.
        """
        left = max(0, self._size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        if self._largest_read is not None and wanted > self._largest_read:
            raise ArchiveError(f"the archive makes its reader take {wanted} bytes at once", Reason.ARCHIVE_LIMITS)
        data = bytearray(wanted)
        return bytes(data[: self.readinto(data)])

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer as far as there are bytes."""
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._at)]
        done = 0
        while done < len(view):
            count = os.preadv(self._file.fileno(), [view[done:]], self._start + self._at)
            if not count:
                break
            self._at += count
            done += count
        return done


class Part(Struct, frozen=True):
    """One member of an archive, whole and checked.

    Attributes:
        name: as the archive has it; for people only.
        size: bytes.
        open: opens its bytes for reading.
    """

    name: str
    size: int
    open: Callable[[], BinaryIO]


def part_of(file: io.FileIO, name: str, start: int, size: int) -> Part:
    """Make a part of a stretch of an open file."""
    return Part(name, size, lambda: io.BufferedReader(Window(file, start, size)))


class Sink:
    """Takes unpacked members, one after the other, within the limits.

    Args:
        file: an empty file that nobody else uses.
        limits: bounds; the first one passed ends the unpacking.
    """

    def __init__(self, file: io.FileIO, limits: ArchiveLimits) -> None:
        self._file = file
        self._limits = limits
        self._end = 0

    def take(self, name: str, chunks: Iterable[bytes], packed: int, most: int) -> Part:
        """Store one member.

        Args:
            name: as the archive has it.
            chunks: its bytes.
            packed: bytes it takes in the archive, for the ratio.
            most: how large it may be.

        Raises:
            ArchiveError: a limit is passed.
        """
        start = self._end
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
            self._end += len(chunk)
            size = self._end - start
            if size > most or self._end > self._limits.total_bytes:
                raise ArchiveError(f"a member unpacks to more than {size - 1} bytes", Reason.ARCHIVE_LIMITS)
            if size > _RATIO_FLOOR and size > packed * self._limits.ratio:
                raise ArchiveError(f"{packed} bytes unpack to more than {size - 1}", Reason.ARCHIVE_LIMITS)
        return part_of(self._file, name, start, self._end - start)
