"""The files of nodelists: which of them are meant, what day each is for, and the lines of plain and packed ones.

Letter case does not count in names: lists come from systems where it never did.
"""

from __future__ import annotations

import fnmatch
import io
import os
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from tosser.codec.bundle import HEAD_SIZE, ArchiveType, identify
from tosser.codec.nodelist_header import date_of, is_day_numbered, is_named_packed, parse_header
from tosser.errors import FormatError, TosserError
from tosser.inbound.unpack import ArchiveLimits, open_members

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tosser.inbound.unpack import Archiver

_LARGEST = 64 * 1024 * 1024
"""Bytes of a list, unpacked; the largest ever were a twentieth of it."""
_PACKED_LIMITS = ArchiveLimits(members=100, member_bytes=_LARGEST, total_bytes=_LARGEST)
_LONGEST_HEADER = 1024


class ListFile(Struct, frozen=True):
    """A file that may be the list.

    Attributes:
        path: where it is.
        mark: changes whenever the file does; its time of change in nanoseconds comes first.
        changed: when content or name changed, Unix seconds.
        day: the day it is for.
    """

    path: Path
    mark: tuple[int, ...]
    changed: float
    day: date = date.min


def find_files(path: Path) -> list[ListFile]:
    """List the files that a path or pattern means, without the days they are for.

    Raises:
        OSError: the directory cannot be read.
    """
    found: list[ListFile] = []
    with os.scandir(path.parent) as entries:
        for entry in entries:
            if is_meant(entry.name.lower(), path.name.lower()) and entry.is_file():
                status = entry.stat()
                mark = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
                found.append(ListFile(Path(entry.path), mark, status.st_ctime))
    return sorted(found, key=lambda each: each.path)


def is_meant(name: str, pattern: str) -> bool:
    """Tell whether a file is meant by a pattern, both in lower case.

    Where the extension is left out, or is a pattern, it has to be a day number: indexes and the like lie beside lists.
    """
    _, dot, extension = pattern.rpartition(".")
    if not dot:
        return fnmatch.fnmatchcase(name, pattern) or (
            fnmatch.fnmatchcase(name, f"{pattern}.*") and is_day_numbered(name)
        )
    if any(char in extension for char in "*?[") and not is_day_numbered(name):
        return False
    return fnmatch.fnmatchcase(name, pattern)


def newest_first(found: list[ListFile], archivers: Mapping[ArchiveType, Archiver], now: float) -> list[ListFile]:
    """Give each file its day, and leave out those that are named as packed and are not."""
    dated = [_dated(each, archivers, now) for each in found if not _is_something_else(each.path)]
    return sorted(dated, key=lambda each: (each.day, each.mark, each.path), reverse=True)


@contextmanager
def open_list(path: Path, archivers: Mapping[ArchiveType, Archiver]) -> Iterator[BinaryIO]:
    """Open a list, or the one in an archive, for reading its lines.

    Raises:
        OSError: it cannot be read.
        FormatError: it is too large, or there is nothing in the archive.
        ArchiveError: the archive is refused.
    """
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > _LARGEST:
            raise FormatError(f"it has {size} bytes, and the limit is {_LARGEST}")
        if _archive_type(file) is None:
            yield io.BufferedReader(file)
            return
    with open_members(Path(os.path.realpath(path)), path.name, _PACKED_LIMITS, archivers) as members:
        lists = [member for member in members if is_day_numbered(member.name)] or members
        if not lists:
            raise FormatError("there is nothing in the archive")
        with max(lists, key=lambda each: each.size).open() as stream:
            yield stream


def _dated(file: ListFile, archivers: Mapping[ArchiveType, Archiver], now: float) -> ListFile:
    """Give a file its day; one that cannot be read gets it by its name and time."""
    try:
        with open_list(file.path, archivers) as lines:
            first = lines.readline(_LONGEST_HEADER)
    except (OSError, TosserError):
        first = b""
    modified = datetime.fromtimestamp(min(max(file.mark[0] / 1e9, 0), now), UTC).date()
    return replace(file, day=date_of(file.path.name, parse_header(first), modified))


def _is_something_else(path: Path) -> bool:
    """Tell whether a file is named as a packed list and is none, as ``NODELIST.R50`` for region 50."""
    if not is_named_packed(path.name):
        return False
    try:
        with _open(path) as file:
            return _archive_type(file) is None
    except OSError:
        return False


def _open(path: Path) -> io.FileIO:
    """Open a file for reading, never waiting for the other end of a pipe."""
    return io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))


def _archive_type(file: io.FileIO) -> ArchiveType | None:
    """Say what archive a file is by its first bytes; ``None`` for a list as it is."""
    head = os.pread(file.fileno(), HEAD_SIZE, 0)
    kind = None if head.startswith(b";") else identify(head)
    return None if kind is ArchiveType.PACKET else kind
