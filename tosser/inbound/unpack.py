"""Bundles: from one claimed file to the packets in it, never trusting a name, a size or a type that the file states.

What a file is, its first bytes say. ZIP, tar and tar.gz are read in process, other formats by the programs of the
configuration. An archive is unpacked whole before any member is handed out, so one that is damaged at its end leaves
nothing half tossed; a member that is merely no packet is told as such, and the good packets beside it are handed out.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import tempfile
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from msgspec import Struct

from tosser.codec.bundle import HEAD_SIZE, ArchiveType, identify, is_packet_name
from tosser.discreet import Discreet
from tosser.errors import ArchiveError
from tosser.inbound.external import run_archiver
from tosser.inbound.parts import Sink, part_of
from tosser.inbound.untar import gunzip, is_empty_tar, untar
from tosser.inbound.unzip import unzip
from tosser.inbound.work import printable, scratch_parent
from tosser.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tosser.inbound.parts import Part

_LONGEST_NAME = 200
_IN_PROCESS = frozenset({ArchiveType.ZIP, ArchiveType.GZIP, ArchiveType.TAR})


class ArchiveLimits(Struct, frozen=True):
    """Bounds on archives; a bundle that passes one is refused whole.

    Attributes:
        members: how many, directories included.
        member_bytes: bytes of one member, unpacked.
        total_bytes: bytes of all members, unpacked.
        ratio: unpacked bytes per packed byte, for a member of more than a MiB.
    """

    members: int = 10_000
    member_bytes: int = 512 * 1024 * 1024
    total_bytes: int = 1024 * 1024 * 1024
    ratio: int = 250


class Archiver(Struct, frozen=True):
    """A program that unpacks a foreign archive format.

    Attributes:
        name: of its entry in the configuration.
        unpack: the program and its arguments; ``{archive}`` stands for the file, ``{directory}`` for the directory to
            unpack into. The program runs in that directory, so one that unpacks where it is needs no ``{directory}``.
        timeout: seconds it may take.
    """

    name: str
    unpack: tuple[str, ...]
    timeout: float


class Member(Discreet, frozen=True):
    """One packet of a file, or what should have been one.

    Attributes:
        name: without directories, for people only; empty when the file is a packet itself, never empty otherwise.
        size: bytes, unpacked.
        problem: why it must not be read as a packet, or ``None``.
        open: opens its bytes for reading, as often as wanted while `open_members` is in force.
    """

    HIDDEN: ClassVar = frozenset({"open"})

    name: str
    size: int
    problem: ArchiveError | None
    open: Callable[[], BinaryIO]


@contextmanager
def open_members(
    path: Path, name: str, limits: ArchiveLimits, archivers: Mapping[ArchiveType, Archiver]
) -> Iterator[list[Member]]:
    """Open a packet or bundle, and give its members in the order in which they are to be tossed: by name.

    Args:
        path: the file; never followed if it is a link.
        name: as it was received: an unknown file is a bad packet by the one name and a bad archive by the other.
        limits: bounds on archives.
        archivers: programs for the formats that are not read in process.

    Raises:
        ArchiveError: the file as a whole is refused, with the quarantine code.
        OSError: the file cannot be read, or there is no room to unpack it.
    """
    with ExitStack() as stack:
        file = stack.enter_context(_open_regular(path))
        size = os.fstat(file.fileno()).st_size
        if not size:
            yield []
            return
        whole = part_of(file, "", 0, size)
        kind = _identify(whole)
        if kind is ArchiveType.PACKET or (kind is None and is_packet_name(name)):
            yield [Member("", size, None, whole.open)]
        elif kind is not None and kind in _IN_PROCESS:
            scratch = stack.enter_context(tempfile.TemporaryFile(dir=scratch_parent(path), buffering=0))
            yield _unpack(kind, file, size, scratch, limits)
        elif kind is None:
            raise ArchiveError("the file is of no known type", Reason.ARCHIVE_UNKNOWN)
        elif kind not in archivers:
            raise ArchiveError(f"no program is configured for files of type {kind}", Reason.ARCHIVE_UNKNOWN)
        else:
            parts = run_archiver(archivers[kind], kind, path, scratch_parent(path), limits)
            yield _members(stack.enter_context(parts))


def _open_regular(path: Path) -> io.FileIO:
    """Open a regular file for reading.

    Raises:
        ArchiveError: it is a link or a special file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise ArchiveError("the file is a link", Reason.ARCHIVE_UNSAFE) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ArchiveError("the file is not a regular file", Reason.ARCHIVE_UNSAFE)
    return io.FileIO(descriptor)


def _unpack(kind: ArchiveType, file: io.FileIO, size: int, sink_file: io.FileIO, limits: ArchiveLimits) -> list[Member]:
    """Unpack the formats that are read in process."""
    if kind is ArchiveType.TAR:
        return _members(untar(file, 0, size, limits))
    sink = Sink(sink_file, limits)
    if kind is ArchiveType.ZIP:
        return _members(unzip(file, size, sink, limits))
    inner = gunzip(file, size, sink, limits)
    if not inner.size:
        return []
    if _identify(inner) is ArchiveType.TAR or is_empty_tar(inner):
        return _members(untar(sink_file, 0, inner.size, limits))
    return [Member("", inner.size, _problem(inner), inner.open)]


def _members(parts: list[Part]) -> list[Member]:
    """Judge each part by its content, in the order of names; equal names stay in the order of the archive."""
    named = sorted(((_base_name(part.name), part) for part in parts), key=lambda each: each[0].casefold())
    return [Member(printable(name[:_LONGEST_NAME]), part.size, _problem(part), part.open) for name, part in named]


def _base_name(name: str) -> str:
    return re.split(r"[/\\]", name)[-1]


def _problem(part: Part) -> ArchiveError | None:
    """Say why a part must not be read as a packet. One that is named as a packet gets a packet reader's own answer."""
    kind = _identify(part)
    if kind is ArchiveType.PACKET or (kind is None and is_packet_name(_base_name(part.name))):
        return None
    if kind is None:
        return ArchiveError("it is neither a packet nor named as one", Reason.NOT_A_PACKET)
    return ArchiveError(f"it is itself an archive of type {kind}", Reason.ARCHIVE_NESTED)


def _identify(part: Part) -> ArchiveType | None:
    with part.open() as stream:
        return identify(stream.read(HEAD_SIZE))
