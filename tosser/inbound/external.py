"""Foreign archive formats, unpacked by programs of the sysop's choice, trusted no further than their archives.

A program runs without shell, terminal and input, in a directory of its own, in a session of its own, within limits of
time, memory, file size and room; whatever of its process group is left is killed. Then only regular files are taken
from what it left, and the directory is removed. Programs that know no better than to follow ``..`` land in the upper
levels of that directory, where anything found means the archive is refused.
"""

from __future__ import annotations

import io
import math
import os
import re
import secrets
import selectors
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tosser.errors import ArchiveError
from tosser.inbound.parts import CHUNK, Part
from tosser.inbound.work import LONGEST_PATH, SCRATCH_PREFIX, remove_tree
from tosser.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tosser.codec.bundle import ArchiveType
    from tosser.inbound.unpack import ArchiveLimits, Archiver

_LAUNCHER = Path(__file__).with_name("limited.py")
_MEMORY = 4 * 1024 * 1024 * 1024
"""Bytes of address space; most programs need far less, those that run in a Java machine reserve nearly as much."""
_LEVELS = 8
"""Directories from the scratch directory down to the one that is unpacked into."""
_LOOK_INTERVAL = 0.2
"""Seconds between looks at how much room a running program has taken."""
_OUTPUT_KEPT = 400
"""Bytes of a program's output that are told when it fails, the last ones."""
_PLACEHOLDER = re.compile(r"\{(archive|directory)\}")


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
    program = shutil.which(archiver.unpack[0])
    if program is None:
        what = f"{archiver.unpack[0]}, the program of archiver {archiver.name}, is not installed"
        raise ArchiveError(what, Reason.ARCHIVE_UNKNOWN)
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=parent))
    try:
        directory = scratch.joinpath(*["d"] * _LEVELS)
        directory.mkdir(mode=0o700, parents=True)
        # A name that no archive can know, so that no member can be unpacked through the link.
        link = directory.with_name(f"{secrets.token_hex(8)}.{kind}")
        link.symlink_to(archive.absolute())
        values = {"archive": f"../{link.name}", "directory": str(directory)}
        arguments = [_PLACEHOLDER.sub(lambda match: values[match[1]], text) for text in archiver.unpack[1:]]
        _run(archiver, [program, *arguments], directory, limits)
        link.unlink()
        _refuse_strays(scratch, directory)
        parts = _harvest(directory, limits)
        if not parts:
            raise ArchiveError(f"archiver {archiver.name} found nothing in it", Reason.ARCHIVE_TOOL)
        yield parts
    finally:
        remove_tree(scratch)


def _run(archiver: Archiver, command: list[str], directory: Path, limits: ArchiveLimits) -> None:
    """Run the program to its end, and see to it that nothing of it goes on.

    Raises:
        ArchiveError: it failed, took too long, or took too much room.
    """
    bounds = (math.ceil(archiver.timeout) + 1, limits.member_bytes, _MEMORY)
    with subprocess.Popen(  # noqa: S603 - the sysop's own command, an argument list without shell
        [sys.executable, "-I", "-S", str(_LAUNCHER), *map(str, bounds), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=directory,
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"},
        start_new_session=True,
        bufsize=0,
    ) as process:
        try:
            output = _watch(process, archiver, directory, limits)
        finally:
            # Not reaped yet, so the number of the group cannot have become anybody else's.
            os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        told = output.decode("utf-8", "replace").strip()
        how = f"status {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
        raise ArchiveError(f"archiver {archiver.name} ended with {how}: {told!r}", Reason.ARCHIVE_TOOL)


def _watch(process: subprocess.Popen[bytes], archiver: Archiver, directory: Path, limits: ArchiveLimits) -> bytes:
    """Wait until the program ends, and give the end of its output; its children may still hold the pipe then."""
    deadline = time.monotonic() + archiver.timeout
    look = time.monotonic() + _LOOK_INTERVAL
    output = b""
    with ExitStack() as stack:
        pipe = stack.enter_context(process.stdout or io.BytesIO())
        os.set_blocking(pipe.fileno(), False)
        ended = os.pidfd_open(process.pid)
        stack.callback(os.close, ended)
        selector = stack.enter_context(selectors.DefaultSelector())
        selector.register(ended, selectors.EVENT_READ)
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select(max(0.0, min(look, deadline) - time.monotonic()))}
            chunk = pipe.read(CHUNK)
            if chunk == b"" and pipe.fileno() in ready:
                selector.unregister(pipe)
            output = (output + (chunk or b""))[-_OUTPUT_KEPT:]
            if ended in ready:
                return output
            if time.monotonic() >= deadline:
                what = f"archiver {archiver.name} did not end within {archiver.timeout:g} seconds"
                raise ArchiveError(what, Reason.ARCHIVE_TOOL)
            if time.monotonic() >= look:
                _check_room(directory, limits)
                look = time.monotonic() + _LOOK_INTERVAL


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
