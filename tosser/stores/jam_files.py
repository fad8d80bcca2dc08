"""The four files of a JAM base: names, descriptors, the lock, sizes (JAM-001; locking as smapi and jamlib do it).

The lock is a POSIX record lock on byte 0 of ``.jhr``. A process loses it when it closes *any* descriptor of that file,
so there is one descriptor of it in the process: all users of a base share one `JamFiles`, which `shared_files` hands
out. Between threads its guard takes the place of the lock, since POSIX locks do not keep threads apart.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tosser import disk
from tosser.codec.jam import FIXED_HEADER_LENGTH, NONE, FixedHeader, build_fixed_header, parse_fixed_header
from tosser.errors import JamError, StoreError, StoreLocked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST_PAUSE = 0.05
"""Seconds between two attempts to get a lock; other programs hold it for milliseconds."""
_CHUNK = 1024 * 1024
_USED_HEADER = 28
"""Bytes of the fixed header that mean something."""
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class Sizes(NamedTuple):
    """Lengths of the files in bytes."""

    jhr: int
    jdt: int
    jdx: int


def jam_time(unix: int) -> int:
    """The local clock at a Unix time, as seconds that look like UTC (JAM-001); kept within 32 bits."""
    return min(max(unix + time.localtime(unix).tm_gmtoff, 0), NONE)


def unix_time(jam: int) -> int:
    """The Unix time at which the local clock showed a JAM time."""
    return int(time.mktime((*time.gmtime(jam)[:8], -1)))


class JamFiles:
    """Descriptors of one base, opened when they are needed and shared by everything in this process.

    Attributes:
        path: base path without suffix.
        jhr: descriptor of the headers, -1 while closed; so with the others.
        jdt: descriptor of the texts.
        jdx: descriptor of the index.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.jhr = self.jdt = self.jdx = -1
        self._names: tuple[str, ...] = ()
        self._opened: list[tuple[int, int]] = []
        self._writable = False
        self._held = False
        self._guard = threading.RLock()
        self._unsynced = False
        self._unsynced_directories: set[Path] = set()

    # --- taking turns

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the descriptors open and keep our own threads out; other programs may write meanwhile.

        Raises:
            StoreError: there is no base, or it cannot be opened or read.
        """
        with self._guard, self._mapped():
            if not self._held and not self._is_current():
                self._open(create=False)
            yield

    @contextmanager
    def locked(self, wait: float, *, partial: bool = False) -> Iterator[None]:
        """Hold the lock of the base, creating the files if there are none.

        Args:
            wait: seconds to keep trying.
            partial: create also those that are missing beside a header: their making was ours, and was cut off.

        Raises:
            StoreLocked: another thread or program kept it for longer.
            StoreError: the files cannot be opened, or what is done under the lock fails.
        """
        deadline = time.monotonic() + wait
        if not self._guard.acquire(timeout=max(wait, 0)):
            raise StoreLocked(self.path, "another part of this program keeps the base locked")
        try:
            with self._mapped():
                self._lock(deadline, partial=partial)
                self._held = True
                try:
                    yield
                finally:
                    self._held = False
                    fcntl.lockf(self.jhr, fcntl.LOCK_UN, 1)
        finally:
            self._guard.release()

    def _lock(self, deadline: float, *, partial: bool) -> None:
        pause = 0.001
        while True:
            if not self._writable:
                self._open(create=True, partial=partial)
            try:
                fcntl.lockf(self.jhr, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
            except (BlockingIOError, PermissionError):
                if time.monotonic() >= deadline:
                    raise StoreLocked(self.path, "another program keeps the base locked") from None
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                if self._is_current():
                    return
                self._close()  # a packer has put new files in place

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """Turn what the system or a broken base raises into one sentence about the base."""
        try:
            yield
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise StoreError(self.path, f"the base cannot be used: {where}{error.strerror or error}") from error
        except JamError as error:
            raise StoreError(self.path, f"the base is broken: {error}") from error

    # --- descriptors

    def exists(self) -> bool:
        """Whether there is a base here."""
        if self._names and os.path.exists(self._names[0]):  # noqa: PTH110 - as in `_is_current`
            return True
        return _find(self.path, ".jhr").exists()

    def refuse_remains(self) -> None:
        """Where there is no header, see to it that there are no messages.

        Raises:
            StoreError: there are: somebody is at work on the base, or was.
        """
        with self._mapped():
            for name in (self.file(".jdt"), self.file(".jdx")):
                if name.exists() and name.stat().st_size:
                    raise StoreError(self.path, f"the base is broken: it has no .jhr, but {name.name}")

    @property
    def is_open(self) -> bool:
        """Whether the descriptors are open at this moment."""
        return self.jhr >= 0

    def file(self, suffix: str) -> Path:
        """Name the file of the base with this suffix, whether or not it is there."""
        return _find(self.path, suffix, upper=_find(self.path, ".jhr").suffix.isupper())

    def close(self) -> None:
        """Let go of the descriptors; that something is not synced yet stays known."""
        with self._guard:
            self._close()

    def _close(self) -> None:
        for descriptor in (self.jhr, self.jdt, self.jdx):
            if descriptor >= 0:
                os.close(descriptor)
        self.jhr = self.jdt = self.jdx = -1
        self._writable = False

    def _is_current(self) -> bool:
        """Whether we have descriptors, and of what stands under the names now: packers and sysops replace files."""
        if self.jhr < 0:
            return False
        try:
            return self._opened == [_identity(os.stat(name)) for name in self._names]  # noqa: PTH116 - twice as fast
        except FileNotFoundError:
            return False

    def _open(self, *, create: bool, partial: bool = False) -> None:
        self._close()
        jhr = _find(self.path, ".jhr")
        jdt, jdx, jlr = (self.file(suffix) for suffix in (".jdt", ".jdx", ".jlr"))
        if not jhr.exists():
            if not create:
                raise StoreError(self.path, "there is no message base here")
            disk.make_directory(jhr.parent)
        elif jhr.stat().st_size > FIXED_HEADER_LENGTH and not partial:
            for name in (jdt, jdx):
                if not name.exists():
                    raise StoreError(self.path, f"the base is broken: {name.name} is missing")
        if create and not jlr.exists():  # nobody reads it here, but crashmail makes a base anew that lacks it
            os.close(self._open_one(jlr, create=True))
        self._writable = True
        try:
            self.jdt = self._open_one(jdt, create=create)
            self.jdx = self._open_one(jdx, create=create)
            self.jhr = self._open_one(jhr, create=create)  # last, so that where it is the others are
        except OSError:
            self._close()
            raise
        self._names = (str(jhr), str(jdt), str(jdx))
        self._opened = [_identity(os.fstat(descriptor)) for descriptor in (self.jhr, self.jdt, self.jdx)]

    def _open_one(self, name: Path, *, create: bool) -> int:
        if create and not name.exists():
            self._unsynced_directories.add(name.parent)
            return disk.open_or_create(name)
        try:
            return os.open(name, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            if create or error.errno not in _READ_ONLY:
                raise
            self._writable = False
            return os.open(name, os.O_RDONLY | os.O_CLOEXEC)

    # --- what is in them

    def sizes(self) -> Sizes:
        """Lengths of the files now."""
        return Sizes(*(os.fstat(descriptor).st_size for descriptor in (self.jhr, self.jdt, self.jdx)))

    def fixed_header(self) -> FixedHeader:
        """Read the fixed header.

        Raises:
            JamError: there is none, or it has no signature.
        """
        return parse_fixed_header(os.pread(self.jhr, _USED_HEADER, 0))

    def is_blank(self, sizes: Sizes) -> bool:
        """Tell whether there is nothing in the files yet.

        Raises:
            StoreError: there are messages, and no header.
        """
        if not sizes.jhr and (sizes.jdt or sizes.jdx):
            name = self.file(".jhr").name
            raise StoreError(self.path, f"the base is broken: {name} is empty, the other files are not")
        return not sizes.jhr

    def begin(self) -> Sizes:
        """Write the fixed header of a base that has just been created; the lock is held. Returns the lengths then.

        Raises:
            StoreError: there are messages without it.
        """
        sizes = self.sizes()
        if not self.is_blank(sizes):
            return sizes
        try:
            self.write(jhr=(0, build_fixed_header(FixedHeader(jam_time(int(time.time()))))))
        except OSError:
            self.cut_back(sizes)
            raise
        return self.sizes()

    def write(
        self,
        jhr: tuple[int, bytes] | None = None,
        jdt: tuple[int, bytes] | None = None,
        jdx: tuple[int, bytes] | None = None,
    ) -> None:
        """Write at offsets, texts first and index last, so that no index record ever points to what is not there."""
        self._unsynced = True
        for descriptor, piece in ((self.jdt, jdt), (self.jhr, jhr), (self.jdx, jdx)):
            if piece is not None:
                disk.write_at(descriptor, piece[1], piece[0])

    def write_again(self, since: Sizes) -> None:
        """Write what stands behind these lengths once more; the lock is held.

        When a sync fails the system may take what it could not write for written, and the next sync succeeds without
        it. What we adopt may come from before such a sync.
        """
        sizes = self.sizes()
        for descriptor, start, end in (
            (self.jdt, since.jdt, sizes.jdt),
            (self.jhr, since.jhr, sizes.jhr),
            (self.jdx, since.jdx, sizes.jdx),
            (self.jhr, 0, min(_USED_HEADER, sizes.jhr)),
        ):
            for offset in range(start, end, _CHUNK):
                disk.write_at(descriptor, os.pread(descriptor, min(_CHUNK, end - offset), offset), offset)
        self._unsynced = True

    def cut_back(self, sizes: Sizes) -> None:
        """Cut the files to these lengths where they are longer, index first; the lock is held."""
        self._unsynced = True
        for descriptor, length in ((self.jdx, sizes.jdx), (self.jhr, sizes.jhr), (self.jdt, sizes.jdt)):
            if os.fstat(descriptor).st_size > length:
                disk.truncate(descriptor, length)

    def sync_for_all(self) -> None:
        """Sync what others wrote as well, or a process of ours that was killed: they may not have.

        Raises:
            StoreError: as `sync`.
        """
        self._unsynced = True
        self.sync()

    def sync(self) -> None:
        """Wait until everything written is on the disk.

        Raises:
            StoreError: the disk refused, or the files are gone.
        """
        with self._guard:
            if self._unsynced:
                with self.reading():
                    for descriptor in (self.jdt, self.jhr, self.jdx):
                        disk.sync_file(descriptor)
                self._unsynced = False
            with self._mapped():
                for directory in sorted(self._unsynced_directories):
                    disk.sync_directory(directory)
            self._unsynced_directories.clear()


def _identity(status: os.stat_result) -> tuple[int, int]:
    """What a file is, whatever its name."""
    return status.st_dev, status.st_ino


def _find(path: Path, suffix: str, *, upper: bool = False) -> Path:
    """The file of a base with this suffix, in whichever case it exists; a new one in the case asked for."""
    lower_name, upper_name = path.with_name(path.name + suffix), path.with_name(path.name + suffix.upper())
    if lower_name.exists():
        return lower_name
    return upper_name if upper or upper_name.exists() else lower_name


_shared: dict[str, JamFiles] = {}
_shared_guard = threading.Lock()


def shared_files(path: Path) -> JamFiles:
    """Give the one `JamFiles` that this process has for the base at a path (without suffix)."""
    key = os.path.realpath(path)
    with _shared_guard:
        files = _shared.get(key)
        if files is None:
            files = _shared[key] = JamFiles(path.absolute())
        return files
