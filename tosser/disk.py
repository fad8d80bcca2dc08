"""The one place for file changes that must survive: renames, appends, truncations, syncs and unlinks of mail.

Having one place makes the order of writes reviewable, and lets the crash suite stop the process at each of them: every
function in the first half is one system call that changes something, or has it on the disk, and those in the second
half are made of them. All raise `OSError` as the system gives it; callers map it where they know what the file was for.

What goes past it: the state database, which SQLite writes; the lock file beside that; and scratch directories, whose
content is a copy of something that is kept until a result is whole.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

FILE_MODE = 0o640
DIRECTORY_MODE = 0o750
_COPY_SIZE = 1024 * 1024
_AT_ONCE = 128 * 1024
"""Bytes written in one call: for 256 KiB or more ext4 wants so much memory in one piece, and may look long for it."""
_NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})
"""What a file system says that is another one, or knows no second names."""


# --- single steps


def make_one_directory(path: Path, mode: int = DIRECTORY_MODE) -> None:
    """Create a directory.

    Raises:
        FileExistsError: there is something of that name.
    """
    path.mkdir(mode)


def rename(source: Path, target: Path) -> None:
    """Rename within one file system; an existing target is replaced."""
    os.rename(source, target)  # noqa: PTH104 - os.rename never falls back to copying


def link(source: Path, target: Path) -> None:
    """Give a file a second name on its file system, refusing to replace an existing one."""
    os.link(source, target)


def set_mode(path: Path, mode: int) -> None:
    """Set the permissions of a file or directory."""
    path.chmod(mode)


def unlink(path: Path) -> None:
    """Remove a file; one that is gone already is fine, so that a repeated step does no harm."""
    path.unlink(missing_ok=True)


def remove_empty_directory(path: Path) -> None:
    """Remove a directory; one that is gone already, or is not empty, is left as it is."""
    try:
        path.rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTEMPTY}:
            raise


def create(path: Path, mode: int = FILE_MODE) -> int:
    """Open a file for writing, emptied if it was there; returns the descriptor.

    A mode other than the usual one is set whatever the umask: who shares a directory with us must be able to work in
    it.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        if mode != FILE_MODE:
            os.fchmod(descriptor, mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_or_create(path: Path) -> int:
    """Open a file for reading and writing, as it is, or empty where there was none; returns the descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)


def write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of the data at the offset (bytes from the start of the file)."""
    view = memoryview(data)
    with _named(descriptor):
        while view:
            written = os.pwrite(descriptor, view[:_AT_ONCE], offset)
            view = view[written:]
            offset += written


def write_pieces(descriptor: int, blocks: Iterable[Sequence[bytes]]) -> None:
    """Write many pieces one behind the other from the start of the file, without putting them together first.

    Args:
        descriptor: the file.
        blocks: the pieces, those together that are written in one call; the system takes 1,024 at once (IOV_MAX), and
            the limit for bytes is good for them too.
    """
    offset = 0
    with _named(descriptor):
        for some in blocks:
            size, written = sum(map(len, some)), os.pwritev(descriptor, some, offset)
            if written < size:
                write_at(descriptor, memoryview(b"".join(some))[written:], offset + written)
            offset += size


def truncate(descriptor: int, length: int) -> None:
    """Cut or extend an open file to ``length`` bytes."""
    with _named(descriptor):
        os.ftruncate(descriptor, length)


def sync_file(descriptor: int) -> None:
    """Wait until the data of an open file, and the length needed to read it back, are on the disk."""
    with _named(descriptor):
        os.fdatasync(descriptor)


@contextmanager
def _named(descriptor: int) -> Iterator[None]:
    """Tell in an error which file it is about: the system does not for what was open already."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            with suppress(OSError):
                error.filename = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - a path as text
        raise


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_everything() -> None:
    """Wait until all that any process has written is on its disk.

    A killed process leaves changes that are seen by all and are not yet on the disk. Whoever builds on what he found
    has to have it there first: otherwise a power cut takes the foundation and leaves what stands on it.
    """
    os.sync()


# --- what is made of them


def make_directory(path: Path) -> None:
    """Create a directory and its parents, if absent, readable by the group only; their names are on the disk."""
    if path.is_dir():
        return
    if not path.parent.exists():
        make_directory(path.parent)
    try:
        make_one_directory(path)
    except FileExistsError:
        if not path.is_dir():
            raise
    sync_directory(path.parent)


def claim(source: Path, target: Path) -> None:
    """Rename, refusing to replace an existing target.

    Raises:
        FileExistsError: the target exists; the source is untouched.
    """
    if target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    rename(source, target)


def duplicate(source: Path, target: Path, mode: int = FILE_MODE, *, sync: bool = True) -> None:
    """Give a file that is on the disk a second name, or a copy where that cannot be; an existing target is replaced.

    The new name is on the disk once its directory is synced.
    """
    unlink(target)
    try:
        link(source, target)
        if stat.S_IMODE(target.stat().st_mode) != mode:
            set_mode(target, mode)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with source.open("rb") as stream:
            _write(target, iter(lambda: stream.read(_COPY_SIZE), b""), mode, sync=sync)


def write_whole(path: Path, chunks: Iterable[bytes], *, mode: int = FILE_MODE, sync: bool = True) -> None:
    """Write a file so that its name only ever shows the whole content: temporary name, sync, rename, directory sync."""
    temporary = path.with_name(f".{path.name}.tmp")
    _write(temporary, chunks, mode, sync=sync)
    rename(temporary, path)
    if sync:
        sync_directory(path.parent)


def write_new(path: Path, data: bytes, temporary: Path, mode: int = FILE_MODE) -> None:
    """Write a small file that appears whole, or not at all where one of its name is there.

    Args:
        path: the file.
        data: its bytes.
        temporary: a name on the same file system that nobody else uses; it is free afterwards.
        mode: of the file.

    Raises:
        FileExistsError: there is such a file; it is untouched.
    """
    _write(temporary, [data], mode, sync=True)
    try:
        link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        claim(temporary, path)
    finally:
        unlink(temporary)


def _write(temporary: Path, chunks: Iterable[bytes], mode: int, *, sync: bool) -> None:
    descriptor = create(temporary, mode)
    try:
        offset = 0
        for chunk in chunks:
            write_at(descriptor, chunk, offset)
            offset += len(chunk)
        if sync:
            sync_file(descriptor)
    except BaseException:
        unlink(temporary)
        raise
    finally:
        os.close(descriptor)


def move(source: Path, target: Path) -> None:
    """Move a file durably, also between file systems; a source that is gone while the target is there was moved."""
    try:
        rename(source, target)
    except FileNotFoundError:
        if target.exists():
            return
        raise
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with source.open("rb") as stream:
            write_whole(target, iter(lambda: stream.read(_COPY_SIZE), b""))
        unlink(source)
    sync_directory(target.parent)
