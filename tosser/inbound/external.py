"""Foreign archive formats, unpacked by programs of the sysop's choice, trusted no further than their archives.

A program runs without shell, terminal and input, in a directory of its own, in a session of its own, within limits of
time, memory, file size and room; whatever of its process group is left is killed. Then only regular files are taken
from what it left, and the directory is removed. Programs that know no better than to follow ``..`` land in the upper
levels of that directory, where anything found means the archive is refused.
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tosser.errors import ArchiveError, ProgramError
from tosser.inbound.parts import Part
from tosser.inbound.work import LONGEST_PATH, SCRATCH_PREFIX, remove_tree
from tosser.programs import Bounds, fill_in, find_program, run_program
from tosser.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tosser.codec.bundle import ArchiveType
    from tosser.inbound.unpack import ArchiveLimits, Archiver

_LEVELS = 8
"""Directories from the scratch directory down to the one that is unpacked into."""


@contextmanager
def run_archiver(
    archiver: Archiver, kind: ArchiveType, archive: Path, parent: Path, limits: ArchiveLimits
) -> Iterator[list[Part]]:
    """Unpack an archive by a program; its members can be read until the context ends.

    The program is given a short relative path with the extension it expects: ARC takes no path of 80 bytes, ARJ adds an
    extension where it finds none.

    Args:
        archiver: the program.
        kind: type of the archive.
        archive: the file to unpack.
        parent: existing directory to make the scratch directory in.
        limits: bounds on what it may leave.

    Raises:
        ArchiveError: the program is missing, fails, takes too long or finds nothing, or what it left is refused.
        OSError: the disk failed.
    """
    role = f"archiver {archiver.name}"
    try:
        program = find_program(archiver.unpack[0], role)
    except ProgramError as error:
        raise ArchiveError(str(error), Reason.ARCHIVE_UNKNOWN) from error
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=parent))
    try:
        directory = scratch.joinpath(*["d"] * _LEVELS)
        directory.mkdir(mode=0o700, parents=True)
        # A name that no archive can know, so that no member can be unpacked through the link.
        link = directory.with_name(f"{secrets.token_hex(8)}.{kind}")
        link.symlink_to(archive.absolute())
        values = {"archive": f"../{link.name}", "directory": str(directory)}
        command = [program, *fill_in(archiver.unpack[1:], values)]
        bounds = Bounds(archiver.timeout, limits.member_bytes)
        try:
            run_program(role, command, directory, bounds, partial(_check_room, directory, limits))
        except ProgramError as error:
            raise ArchiveError(str(error), Reason.ARCHIVE_TOOL) from error
        link.unlink()
        _refuse_strays(scratch, directory)
        parts = _harvest(directory, limits)
        if not parts:
            raise ArchiveError(f"archiver {archiver.name} found nothing in it", Reason.ARCHIVE_TOOL)
        yield parts
    finally:
        remove_tree(scratch)


def _walk(directory: Path, *, unlock: bool = False) -> Iterator[os.DirEntry[str]]:
    """List everything below a directory, each directory before what is in it; links are not followed.

    Directories that cannot be read are passed over, or made readable; that is safe only when no program runs there.
    """
    pending = [str(directory)]
    while pending:
        at = pending.pop()
        with suppress(FileNotFoundError, PermissionError):
            if unlock:
                os.chmod(at, 0o700)  # noqa: PTH101 - an entry's path is text
            with os.scandir(at) as entries:
                for entry in entries:
                    yield entry
                    if entry.is_dir(follow_symlinks=False) and len(os.fsencode(entry.path)) <= LONGEST_PATH:
                        pending.append(entry.path)


def _check_room(directory: Path, limits: ArchiveLimits, *, unlock: bool = False) -> None:
    """Refuse more entries or bytes than the limits, in a directory that a program may be writing to.

    Raises:
        ArchiveError: there are more.
    """
    total = 0
    for count, entry in enumerate(_walk(directory, unlock=unlock), 1):
        with suppress(FileNotFoundError):
            total += entry.stat(follow_symlinks=False).st_size if entry.is_file(follow_symlinks=False) else 0
        if count > limits.members or total > limits.total_bytes:
            raise ArchiveError(f"the archive unpacks to {count} members of {total} bytes", Reason.ARCHIVE_LIMITS)


def _refuse_strays(scratch: Path, directory: Path) -> None:
    """Refuse an archive that made the program write above the directory it should write to.

    Raises:
        ArchiveError: something is there.
    """
    level = scratch
    while level != directory:
        if [path.name for path in level.iterdir()] != ["d"]:
            raise ArchiveError("a member was unpacked outside of its directory", Reason.ARCHIVE_UNSAFE)
        level /= "d"


def _harvest(directory: Path, limits: ArchiveLimits) -> list[Part]:
    """Take the regular files that a program left, wherever it put them; none was allowed to be larger than a member.

    Raises:
        ArchiveError: there is anything but directories and regular files, or more than the limits.
    """
    _check_room(directory, limits, unlock=True)
    parts = []
    for entry in _walk(directory):
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            if len(os.fsencode(entry.path)) > LONGEST_PATH:
                raise ArchiveError("a member lies too many directories deep", Reason.ARCHIVE_LIMITS)
            continue
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise ArchiveError(f"member {entry.name!r} is a link or a special file", Reason.ARCHIVE_UNSAFE)
        os.chmod(entry.path, 0o600)  # noqa: PTH101 - as above
        parts.append(Part(entry.name, status.st_size, partial(_open, entry.path)))
    return sorted(parts, key=lambda part: part.name)


def _open(path: str) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
