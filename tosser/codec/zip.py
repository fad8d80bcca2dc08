"""ZIP archives written member by member, without the archive ever being in memory (PKWARE APPNOTE 6.3).

Members are deflated before they are put together, so that many can be at the same time, and those of an archive that is
added to are copied as they are. Written: local headers with sizes, methods 0 (stored) and 8 (deflated), one central
directory, no comment. Refused with `FormatError`: adding to what is damaged, has its parts on several disks, needs
ZIP64, or has anything before its first member or behind its end.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from tosser.discreet import Discreet
from tosser.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_quick: Callable[[bytes, int, int], bytes] | None = None
"""Deflates bytes at a level with a window; there is no wheel of ISA-L for every machine."""
try:
    from isal import isal_zlib
except ImportError:
    _checksum = zlib.crc32
else:
    _quick, _checksum = isal_zlib.compress, isal_zlib.crc32

MOST_MEMBERS = 0xFFFF - 1
MOST_BYTES = 0x7FFF_FFFF
"""The format goes up to twice as much; old programs count with a sign."""
END_SIZE = 22
_STORED, _DEFLATED = 0, 8
_VERSION = 20
_MADE_BY = 3 << 8 | _VERSION
"""On Unix, where the upper half of the external attributes is the mode of the file."""
_ATTRIBUTES = 0o100644 << 16
_RAW_DEFLATE = -15
_FASTEST_ZLIB = 4
"""Levels below are ISA-L's, which are many times as fast and pack hardly worse than zlib's of the same number."""

_LOCAL = struct.Struct("<I5H3I2H")
_CENTRAL = struct.Struct("<I6H3I5H2I")
_END = struct.Struct("<I4H2IH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = 0x04034B50, 0x02014B50, 0x06054B50


class ZipMember(Discreet, frozen=True):
    """A member ready to be written.

    Attributes:
        name: ASCII, without directories.
        method: how the data is packed: 0 or 8.
        crc: CRC-32 of the bytes unpacked.
        size: bytes unpacked.
        data: the bytes as they stand in the archive.
        stamp: time and date, each in the 16 bits of MS-DOS.
    """

    HIDDEN: ClassVar = frozenset({"data"})

    name: bytes
    method: int
    crc: int
    size: int
    data: bytes
    stamp: tuple[int, int]

    @property
    def room(self) -> int:
        """Bytes it takes in an archive, its place in the directory included."""
        return _LOCAL.size + _CENTRAL.size + 2 * len(self.name) + len(self.data)


def pack_member(name: str, data: bytes, modified: datetime, level: int) -> ZipMember:
    """Deflate a file; what does not get smaller is stored.

    Args:
        name: ASCII, without directories.
        data: the file.
        modified: local time; years before 1980 become 1980.
        level: 0 stores, 1 to 3 are quick (ISA-L's where there is a wheel of it, else zlib's), 4 to 9 are zlib's.
    """
    stamp = (
        modified.hour << 11 | modified.minute << 5 | modified.second // 2,
        max(modified.year - 1980, 0) << 9 | modified.month << 5 | modified.day,
    )
    packed = deflate(data, level) if level else data
    crc = _checksum(data)
    if len(packed) < len(data):
        return ZipMember(name.encode("ascii"), _DEFLATED, crc, len(data), packed, stamp)
    return ZipMember(name.encode("ascii"), _STORED, crc, len(data), data, stamp)


def deflate(data: bytes, level: int) -> bytes:
    """Deflate without header or checksum, at a level from 1 to 9; other threads go on meanwhile."""
    if _quick is not None and level < _FASTEST_ZLIB:
        return _quick(data, level, _RAW_DEFLATE)
    packer = zlib.compressobj(level, zlib.DEFLATED, _RAW_DEFLATE)
    return packer.compress(data) + packer.flush()


class Directory(Struct, frozen=True):
    """Where the central directory of an archive is.

    Attributes:
        offset: bytes from the start of the archive, which is also where its members end.
        size: bytes of it.
        count: members.
    """

    offset: int
    size: int
    count: int


def find_directory(tail: bytes, size: int) -> Directory:
    """Read the end of an archive.

    Args:
        tail: its last `END_SIZE` bytes.
        size: bytes of the whole archive.

    Raises:
        FormatError: it is none that can be added to.
    """
    at = size - END_SIZE
    if len(tail) != END_SIZE or at < 0:
        raise FormatError("too short for a ZIP archive", 0)
    mark, disk, first_disk, here, count, length, offset, comment = _END.unpack(tail)
    if mark != _END_MARK or comment:
        raise FormatError("no ZIP directory ends where the file does", at)
    if disk or first_disk or here != count or count > MOST_MEMBERS:
        raise FormatError("a ZIP archive of several parts, or of more than the format counts", at)
    if offset + length != at:
        raise FormatError("the ZIP directory is not between the members and the end", at)
    return Directory(offset, length, count)


def parse_directory(data: bytes, directory: Directory) -> list[bytes]:
    """Read a central directory and list the names in it.

    Raises:
        FormatError: it is damaged, or needs ZIP64.
    """
    names = []
    at = 0
    for _ in range(directory.count):
        if len(data) - at < _CENTRAL.size:
            raise FormatError("the ZIP directory is cut", directory.offset + at)
        entry = _CENTRAL.unpack_from(data, at)
        name_size, extra, comment, offset = entry[10], entry[11], entry[12], entry[16]
        if entry[0] != _CENTRAL_MARK or offset >= directory.offset:
            raise FormatError("the ZIP directory is damaged", directory.offset + at)
        start = at + _CENTRAL.size
        names.append(data[start : start + name_size])
        at = start + name_size + extra + comment
    if at != len(data) or at != directory.size:
        raise FormatError("the ZIP directory is not as long as it says", directory.offset)
    return names


class ZipWriter:
    """Puts an archive together: gives the bytes to write next, and keeps the directory.

    Args:
        existing: the directory of the archive that is added to, whose members have been copied; ``None`` begins one.
        entries: the bytes of that directory.

    Raises:
        FormatError: the directory is damaged.
    """

    def __init__(self, existing: Directory | None = None, entries: bytes = b"") -> None:
        self.names = set(parse_directory(entries, existing)) if existing else set()
        self._offset = existing.offset if existing else 0
        self._count = existing.count if existing else 0
        self._entries = bytearray(entries)

    @property
    def size(self) -> int:
        """Bytes of the archive if it ended here."""
        return self._offset + len(self._entries) + END_SIZE

    @property
    def empty(self) -> bool:
        """Whether there is no member yet."""
        return not self._count

    def takes(self, member: ZipMember, limit: int) -> bool:
        """Tell whether a member fits: not beyond the limit (bytes of the whole archive), nor two of one name."""
        within = self.size + member.room <= min(limit, MOST_BYTES) and self._count < MOST_MEMBERS
        return within and member.name not in self.names

    def add(self, member: ZipMember) -> tuple[bytes, bytes]:
        """Add a member; give the two pieces to be written where the members written so far end."""
        facts = (_VERSION, 0, member.method, *member.stamp, member.crc, len(member.data), member.size)
        header = _LOCAL.pack(_LOCAL_MARK, *facts, len(member.name), 0) + member.name
        self._entries += _CENTRAL.pack(
            _CENTRAL_MARK, _MADE_BY, *facts, len(member.name), 0, 0, 0, 0, _ATTRIBUTES, self._offset
        )
        self._entries += member.name
        self._offset += len(header) + len(member.data)
        self._count += 1
        self.names.add(member.name)
        return header, member.data

    def end(self) -> bytes:
        """Give what follows the last member: the directory and its end."""
        size = len(self._entries)
        end = _END.pack(_END_MARK, 0, 0, self._count, self._count, size, self._offset, 0)
        return bytes(self._entries) + end
