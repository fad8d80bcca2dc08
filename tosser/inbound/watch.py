"""Wakes the toss when something may have changed in an inbound, and says no more than that.

An event never carries truth: the queue overflows, network file systems send none, directories vanish and return. So
inotify and a timer set the same flag, and whoever waits for it looks for himself. Where inotify cannot help, the timer
is faster.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import structlog
from asyncinotify import Inotify, Mask
from msgspec import Struct

from tosser.codec.bundle import ignored_name
from tosser.inbound.mounts import is_remote
from tosser.inbound.work import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from asyncinotify import Event, Watch

log = structlog.get_logger()

_FAST_POLL = 1.0
"""Seconds between looks where changes are not told to us."""
_MASK = Mask.CREATE | Mask.CLOSE_WRITE | Mask.MOVED_TO | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.ONLYDIR
"""``CREATE`` because binkd does not rename what it has received: it links it into the inbound."""
_MISSED = Mask.Q_OVERFLOW | Mask.IGNORED | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.UNMOUNT


class Watched(NamedTuple):
    """A sort of directory: what is asked to be told of, and how the log calls what happens to it."""

    mask: Mask
    not_watched: str
    watched_again: str
    events_lost: str


INBOUNDS = Watched(_MASK, "inbound_not_watched", "inbound_watched_again", "inbound_events_lost")
BASES = Watched(_MASK | Mask.MODIFY, "bases_not_watched", "bases_watched_again", "bases_events_lost")
"""``MODIFY`` because other programs keep a base open after they have written to it."""


class _Directory(Struct):
    """One inbound.

    Attributes:
        path: the directory.
        remote: on a network file system, of which inotify tells too little.
        watch: in force, or ``None``.
        inode: device and inode that the watch is on; another directory may take the name.
        trouble: what was last logged about it; empty when all is well.
    """

    path: Path
    remote: bool
    watch: Watch | None = None
    inode: tuple[int, int] | None = None
    trouble: str = ""


class Watcher:
    """Watches inbound directories, or others in which files come and change.

    Args:
        inbounds: the directories; those that are not there yet are watched once they are.
        poll: seconds between looks in any case.
        sort: what sort of directories they are.
    """

    def __init__(self, inbounds: Sequence[Path], poll: float, sort: Watched = INBOUNDS) -> None:
        self._sort = sort
        self._directories = [_Directory(path, is_remote(path)) for path in inbounds]
        self._poll = poll
        self._changed = asyncio.Event()
        self._inotify: Inotify | None = None
        self._trouble = ""

    async def wait(self, timeout: float | None) -> None:  # noqa: ASYNC109 - ending early is its purpose
        """Wait until something may have changed since the last wait, or for ``timeout`` seconds.

        A change that happens after this returns is told by the next wait; cancelling loses nothing.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        self._changed.clear()

    def wake(self) -> None:
        """End the wait that is under way, or the next one; from the event loop's own thread."""
        self._changed.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                self._renew_watches()
                self._changed.set()
                await asyncio.sleep(self._interval)
        finally:
            self.close()

    def close(self) -> None:
        """Stop watching; `run` does so when it is cancelled."""
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None
        for directory in self._directories:
            directory.watch = directory.inode = None

    @property
    def _interval(self) -> float:
        """Seconds until the next look: fewer while any directory is not watched."""
        watched = all(directory.watch for directory in self._directories)
        return self._poll if watched else min(self._poll, _FAST_POLL)

    def _read_events(self) -> None:
        """Set the flag if any of the events that are there may mean a new file."""
        for event in self._inotify or ():
            if event.mask & _MISSED:
                self._lose_watch(event)
            if event.name is None or not ignored_name(event.name.name):
                self._changed.set()

    def _lose_watch(self, event: Event) -> None:
        """Note that the kernel watches a directory no longer; the next look watches what has its name then."""
        if event.mask & Mask.Q_OVERFLOW:
            log.info(self._sort.events_lost, effect="all are looked at")
        for directory in self._directories:
            if directory.watch is not None and directory.watch is event.watch:
                directory.inode = None

    def _renew_watches(self) -> None:
        """Watch each directory that should be watched and is not, or no longer under its name."""
        if self._inotify is None and any(not directory.remote for directory in self._directories):
            self._start_inotify()
        for directory in self._directories:
            if self._inotify is not None and not directory.remote:
                self._renew_watch(self._inotify, directory)

    def _start_inotify(self) -> None:
        try:
            inotify = Inotify(sync_timeout=0)
        except OSError as error:
            trouble = error.strerror or str(error)
            if trouble != self._trouble:
                log.warning("inotify_unavailable", error=trouble, effect=f"polling every {self._interval:g} s")
            self._trouble = trouble
        else:
            asyncio.get_running_loop().add_reader(inotify.fd, self._read_events)
            self._inotify = inotify
            self._trouble = ""

    def _renew_watch(self, inotify: Inotify, directory: _Directory) -> None:
        try:
            status = os.stat(directory.path)  # noqa: PTH116 - as below
            inode = (status.st_dev, status.st_ino)
            if directory.inode == inode:
                return
            if directory.watch is not None:
                with suppress(OSError):
                    inotify.rm_watch(directory.watch)
                directory.watch = None
            directory.watch = inotify.add_watch(directory.path, self._sort.mask)
            directory.inode = inode
        except OSError as error:
            directory.watch = directory.inode = None
            trouble = error.strerror or str(error)
        else:
            trouble = ""
        if trouble and trouble != directory.trouble:
            effect = f"polling every {self._interval:g} s"
            log.warning(self._sort.not_watched, directory=printable(str(directory.path)), error=trouble, effect=effect)
        elif directory.trouble and not trouble:
            log.info(self._sort.watched_again, directory=printable(str(directory.path)))
        directory.trouble = trouble
