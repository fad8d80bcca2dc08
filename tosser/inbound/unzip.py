"""ZIP bundles, read in process (PKWARE APPNOTE; the packer of nearly every link).

Refused whole: encrypted members, links, names that lead elsewhere, members that share bytes, methods other than stored
and deflated, and anything that does not unpack to exactly the size and CRC it states.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tosser.codec.bundle import is_unsafe_member
from tosser.errors import ArchiveError
from tosser.inbound.parts import CHUNK, Window
from tosser.reason import Reason

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from tosser.inbound.parts import Part, Sink
    from tosser.inbound.unpack import ArchiveLimits

_ENCRYPTED = 0x1 | 0x40 | 0x2000
"""General purpose flags: encrypted, strongly encrypted, directory encrypted."""
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_END_SEARCH = 66_000
"""Bytes at the end of a file in which the end record can be: 22, and a comment of up to 65,535."""
_ENTRY_SIZE = 256
"""Bytes of directory allowed for a member: 46, its name, and extra fields."""
_LOCAL = struct.Struct("<26x2H")
_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s24x3H12x")


def unzip(file: io.FileIO, size: int, sink: Sink, limits: ArchiveLimits) -> list[Part]:
    """Unpack every member of a ZIP file of ``size`` bytes, or none.

    Raises:
        ArchiveError: the archive is refused, with the quarantine code.
        OSError: the disk failed.
    """
    window = Window(file, 0, size, max(_END_SEARCH, limits.members * _ENTRY_SIZE))
    with _mapped_errors(), zipfile.ZipFile(window) as archive:
        members = archive.infolist()
        _check_directory(members, limits)
        _check_layout(members, Window(file, 0, size), archive.start_dir)
        return [_unpack(archive, member, sink, limits) for member in members if not member.filename.endswith("/")]


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, sink: Sink, limits: ArchiveLimits) -> Part:
    with archive.open(member) as stream:
        chunks = iter(lambda: stream.read(CHUNK), b"")
        part = sink.take(member.filename, chunks, member.compress_size, limits.member_bytes)
    if part.size != member.file_size:
        what = f"member {member.filename!r} states {member.file_size} bytes and has {part.size}"
        raise ArchiveError(what, Reason.ARCHIVE_DAMAGED)
    return part


def _check_directory(members: list[zipfile.ZipInfo], limits: ArchiveLimits) -> None:
    """Refuse by what the directory says, before any member is touched."""
    if len(members) > limits.members:
        raise ArchiveError(f"{len(members)} members, and the limit is {limits.members}", Reason.ARCHIVE_LIMITS)
    for member in members:
        name = member.orig_filename
        if member.flag_bits & _ENCRYPTED:
            raise ArchiveError(f"member {name!r} is encrypted", Reason.ARCHIVE_ENCRYPTED)
        if is_unsafe_member(name):
            raise ArchiveError(f"the member name {name!r} leads out of the archive", Reason.ARCHIVE_UNSAFE)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ArchiveError(f"member {name!r} is a link", Reason.ARCHIVE_UNSAFE)
        if member.compress_type not in _METHODS:
            what = f"member {name!r} is packed by method {member.compress_type}, which is not read here"
            raise ArchiveError(what, Reason.ARCHIVE_UNKNOWN)
    total = sum(member.file_size for member in members)
    if total > limits.total_bytes or max((member.file_size for member in members), default=0) > limits.member_bytes:
        raise ArchiveError(f"{len(members)} members unpack to {total} bytes", Reason.ARCHIVE_LIMITS)


def _check_layout(members: list[zipfile.ZipInfo], window: Window, directory: int) -> None:
    """Refuse members that share bytes: the trick of small bombs, and no packer does it."""
    end = 0
    for member in sorted(members, key=lambda each: each.header_offset):
        if member.header_offset < end:
            raise ArchiveError(
                f"member {member.filename!r} overlaps another, or begins before the file", Reason.ARCHIVE_UNSAFE
            )
        window.seek(member.header_offset)
        name, extra = _LOCAL.unpack(window.read(_LOCAL.size))
        end = member.header_offset + _LOCAL.size + name + extra + member.compress_size
    if end > directory:
        raise ArchiveError("a member reaches into the directory of the archive", Reason.ARCHIVE_UNSAFE)


@contextmanager
def _mapped_errors() -> Iterator[None]:
    """Turn what `zipfile` raises into our error; errors of the system stay what they are."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error) as error:
        raise ArchiveError(f"not a sound ZIP file: {error}", Reason.ARCHIVE_DAMAGED) from error


def directory_is_whole(tail: bytes, size: int) -> bool:
    """Tell whether a ZIP file is complete, by its end alone.

    Args:
        tail: the last bytes of the file, enough for directory and end record.
        size: bytes of the whole file.

    Returns:
        Whether the end record is the last thing in the file, and the directory before it reads to its end. Archives
        with a comment, or a directory larger than the tail, are not told to be whole.
    """
    end = len(tail) - _END.size
    if end < 0:
        return False
    signature, disk, directory_disk, _, count, length, offset, comment = _END.unpack_from(tail, end)
    if signature != b"PK\x05\x06" or disk or directory_disk or comment or offset + length + _END.size != size:
        return False
    at = end - length
    while count and 0 <= at <= end - _ENTRY.size:
        mark, name, extra, note = _ENTRY.unpack_from(tail, at)
        if mark != b"PK\x01\x02":
            return False
        at += _ENTRY.size + name + extra + note
        count -= 1
    return not count and at == end
