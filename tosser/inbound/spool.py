"""The inbound as a queue: find files that are complete, claim them by a rename, finish them when all is on the disk.

The work directory is inside each inbound, so that a claim is one rename, also where inbounds are bind mounts or file
systems of their own. What is in it is ours; after a crash it is all there, under the same claims. Links, directories
and special files in an inbound are counted and never touched, nor is a file named neither as packet nor as bundle.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser import disk
from tosser.codec.bundle import ignored_name, is_bundle_name, is_packet_name
from tosser.errors import said
from tosser.inbound.completeness import Settling
from tosser.inbound.mounts import is_remote
from tosser.inbound.work import SCRATCH_PREFIX, WORK_DIRECTORY, decoded, encoded, remove_tree
from tosser.rules.shipping import LinkKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tosser.rules.network import InboundClass

_WORK_NAME = re.compile(r"([0-9a-f]{14}-[0-9a-f]{6})\.(.+)", re.DOTALL)
"""What is in a work directory: the claim, and the original name, or ``d`` for a directory with the file in it."""
_HELD = "held"
"""In a work directory: the files of links on hold, in a directory for each network, and in that one for each link."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_OWN_DIRECTORY = "d"
_RETRY_AFTER = 60.0
"""Seconds until a file that could not be claimed is tried again."""


class Inbound(Struct, frozen=True):
    """A directory that a mailer puts files in.

    Attributes:
        path: the directory.
        cls: what the mailer knew about the sender of its files.
        again: whether its files are netmail that was kept here and is to go on now.
        own: whether it is ours, and made on demand: that it is not there is no trouble.
        stored: whether the messages in its files were found in the bases of their areas, and are there already.
    """

    path: Path
    cls: InboundClass
    again: bool = False
    own: bool = False
    stored: bool = False


class Candidate(Struct, frozen=True):
    """A file in an inbound that is named as a packet or a bundle.

    Attributes:
        inbound: where it is.
        name: as the mailer named it; bytes that are not UTF-8 are surrogates (PEP 383).
        size: bytes.
        mtime: modification time, Unix seconds.
    """

    inbound: Inbound
    name: str
    size: int
    mtime: float

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.inbound.path / self.name


class ClaimedFile(Struct, frozen=True):
    """A file that is ours to toss.

    Attributes:
        claim: id, unique and stable until the file is finished; ids sort in the order of claiming.
        name: as the mailer named it; bytes that are not UTF-8 are surrogates (PEP 383).
        inbound: where it was.
        path: where it is now, in the work directory.
        size: bytes.
        mtime: modification time, Unix seconds.
    """

    claim: str
    name: str
    inbound: Inbound
    path: Path
    size: int
    mtime: float


class HeldFile(Struct, frozen=True):
    """A claimed file that waits because its link is on hold.

    Attributes:
        link: whose hold it waits for.
        file: the file, where it is now.
    """

    link: LinkKey
    file: ClaimedFile


class Scan(Struct, frozen=True):
    """What one look at all inbounds found.

    Attributes:
        ready: files that are complete, oldest first, then by name.
        waiting: files that may still be written to, or could not be claimed a short while ago; in the same order.
        next_check: seconds until the first of these may be ready; ``None`` when none waits.
        foreign: how many files, directories, links and others are none of ours (TIC files, requests ...).
        oldest_waiting: modification time of the oldest file, ready or not, in Unix seconds; ``None`` if there is none.
        troubles: sentences: inbounds and work directories that cannot be read, files that could not be claimed.
    """

    ready: list[Candidate]
    waiting: list[Candidate]
    next_check: float | None
    foreign: int
    oldest_waiting: float | None
    troubles: list[str]


class Spool:
    """All inbounds as one queue.

    Args:
        inbounds: the directories, in any order.
        settle: seconds a file must lie still that its own content does not prove complete.
    """

    def __init__(self, inbounds: Sequence[Inbound], settle: float = 2.0) -> None:
        self._inbounds = tuple(inbounds)
        self._scanning = threading.Lock()
        self._ready: deque[Candidate] = deque()
        self._settling = Settling(settle)
        self._refused: dict[Candidate, tuple[float, str]] = {}
        self._blind: list[str] = []
        self._unsynced: set[Path] = set()
        self._last_claim = 0

    def prepare(self) -> None:
        """Make the work directories, and clear what a killed process left in them that is no mail.

        To be called at start, by whoever holds the state: nobody else may be working on these inbounds. With the
        directory in place, no mailer can be made to receive a file of that name.

        Raises:
            OSError: a work directory cannot be made, or scratch not be removed.
        """
        for inbound in self._inbounds:
            if not inbound.path.is_dir():
                continue
            work = inbound.path / WORK_DIRECTORY
            disk.make_directory(work)
            for path in _listing(work):
                if path.is_symlink() or not path.is_dir():
                    continue
                if path.name.startswith(SCRATCH_PREFIX):
                    remove_tree(path)
                else:
                    disk.remove_empty_directory(path)
            self._unsynced |= {work, inbound.path}  # whoever was killed may not have come to it

    def scan(self) -> Scan:
        """Look at all inbounds; changes nothing in them. May be called from any thread."""
        with self._scanning:
            self._settling.next_round()
            return self._scan()

    def _scan(self) -> Scan:
        ready: list[Candidate] = []
        waiting: list[Candidate] = []
        delays: list[float] = []
        refused = dict(self._refused)
        troubles = list(self._blind)
        foreign = 0
        for inbound in self._inbounds:
            remote = is_remote(inbound.path)
            try:
                found = [(e, _mail_status(e)) for e in os.scandir(inbound.path) if not ignored_name(e.name)]
            except OSError as error:
                if not (inbound.own and isinstance(error, FileNotFoundError)):
                    troubles.append(f"{inbound.path}: {error.strerror}")
                continue
            for entry, status in found:
                if status is None:
                    foreign += 1
                    continue
                candidate = Candidate(inbound, entry.name, status.st_size, status.st_mtime)
                delay = self._settling.delay(entry.path, status, remote=remote)
                if candidate in refused:
                    since, why = refused[candidate]
                    troubles.append(why)
                    delay = max(delay, since + _RETRY_AFTER - time.monotonic())
                if delay > 0:
                    delays.append(delay)
                (waiting if delay > 0 else ready).append(candidate)
        ready.sort(key=_by_age)
        waiting.sort(key=_by_age)
        oldest = min((candidate.mtime for candidate in (*ready[:1], *waiting[:1])), default=None)
        return Scan(ready, waiting, min(delays, default=None), foreign, oldest, troubles)

    def take(self, limit: int) -> list[ClaimedFile]:
        """Claim the next files that are ready, oldest first; an empty list means that none is.

        The inbounds are looked at again only when all files of the last look are taken, so that a long backlog is not
        listed over and over.

        Raises:
            OSError: as `claim`.
        """
        claimed: list[ClaimedFile] = []
        while not claimed:
            if not self._ready:
                self._ready.extend(self.scan().ready)
            if not self._ready:
                break
            claimed = self.claim([self._ready.popleft() for _ in range(min(limit, len(self._ready)))])
        return claimed

    def claim(self, candidates: Iterable[Candidate]) -> list[ClaimedFile]:
        """Take files out of their inbounds, in the order given.

        A file that is gone or was changed meanwhile is left out; so is one that cannot be moved, which the next scans
        report.

        Raises:
            OSError: the disk failed; the files moved so far are among the `claimed`.
        """
        claimed = []
        now = time.monotonic()
        self._refused = {
            candidate: refusal for candidate, refusal in self._refused.items() if now - refusal[0] < _RETRY_AFTER
        }
        for candidate in candidates:
            try:
                file = self._claim(candidate)
            except OSError as error:
                self._refused[candidate] = (now, f"{candidate.path}: {error.strerror}")
                continue
            if file is not None:
                claimed.append(file)
        self._unsynced.update(_directories(claimed))
        self._sync()
        return claimed

    def _sync(self) -> None:
        """Have all claims on the disk before anything is built on them; what failed stays due.

        The innermost directories are first, so that no name leads nowhere after a crash.
        """
        for directory in sorted(self._unsynced, key=lambda path: -len(path.parts)):
            with suppress(FileNotFoundError):
                disk.sync_directory(directory)
            self._unsynced.discard(directory)

    def _claim(self, candidate: Candidate) -> ClaimedFile | None:
        self._last_claim = max(self._last_claim + 1, time.time_ns() // 1000)
        claim = f"{self._last_claim:014x}-{secrets.token_hex(3)}"
        work = candidate.inbound.path / WORK_DIRECTORY
        plain = _PLAIN_NAME.fullmatch(candidate.name)
        target = work / f"{claim}.{candidate.name}" if plain else work / f"{claim}.{_OWN_DIRECTORY}" / candidate.name
        disk.make_directory(target.parent)
        try:
            disk.rename(candidate.path, target)
            status = target.lstat()
        except FileNotFoundError:
            _remove_own_directory(target)
            return None
        if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime) != (candidate.size, candidate.mtime):
            place(target, candidate.inbound.path, candidate.name)
            _remove_own_directory(target)
            return None
        return ClaimedFile(claim, candidate.name, candidate.inbound, target, status.st_size, status.st_mtime)

    def claimed(self) -> list[ClaimedFile]:
        """List what is in the work directories, in the order of claiming: at start, what an earlier process left.

        A work directory that cannot be read is passed over, and the next scans report it.

        Raises:
            OSError: the disk failed: it is not certain that they stay claimed.
        """
        self._sync()
        found: list[ClaimedFile] = []
        blind: list[str] = []
        for inbound in self._inbounds:
            try:
                found += _work_files(inbound, inbound.path / WORK_DIRECTORY)
            except OSError as error:
                blind.append(said(error, inbound.path))
        self._blind = blind
        return sorted(found, key=_by_claim)

    def hold(self, file: ClaimedFile, link: LinkKey) -> None:
        """Put a claimed file where the files of a link on hold wait, under its claim.

        Raises:
            OSError: it cannot be moved.
        """
        work = file.inbound.path / WORK_DIRECTORY
        target = work / _HELD / encoded(link.network) / encoded(link.address) / file.path.relative_to(work)
        _move_within(file, target)

    def held(self) -> list[HeldFile]:
        """List what waits for links on hold, in the order of claiming.

        Raises:
            OSError: a work directory cannot be read.
        """
        found = [
            HeldFile(LinkKey(decoded(network.name), decoded(link.name)), file)
            for inbound in self._inbounds
            for network in _listing(inbound.path / WORK_DIRECTORY / _HELD)
            for link in _listing(network)
            for file in _work_files(inbound, link)
        ]
        return sorted(found, key=lambda held: held.file.claim)

    def unhold(self, held: HeldFile) -> None:
        """Put a file back among the claimed ones.

        Raises:
            OSError: it cannot be moved.
        """
        file = held.file
        work = file.inbound.path / WORK_DIRECTORY
        place_of_link = work / _HELD / encoded(held.link.network) / encoded(held.link.address)
        _move_within(file, work / file.path.relative_to(place_of_link))
        for directory in (place_of_link, place_of_link.parent):
            with suppress(FileNotFoundError):
                disk.remove_empty_directory(directory)

    def finish(self, *files: ClaimedFile) -> None:
        """Remove files whose mail is where it belongs; one that is gone already is fine.

        Raises:
            OSError: a file cannot be removed.
        """
        for file in files:
            disk.unlink(file.path)
            _remove_own_directory(file.path)
        for directory in {file.inbound.path / WORK_DIRECTORY for file in files}:
            disk.sync_directory(directory)

    def release(self, file: ClaimedFile) -> Path | None:
        """Put a file back into its inbound, under a variant of its name if another file has that now.

        Returns:
            Where it is; ``None`` when it had been put back or finished before.

        Raises:
            OSError: it cannot be moved.
        """
        try:
            path = place(file.path, file.inbound.path, file.name)
        except FileNotFoundError:
            return None
        disk.sync_directory(file.inbound.path)
        leave_work(file)
        return path


def place(source: Path, directory: Path, name: str) -> Path:
    """Rename a file into an inbound on its own file system, without replacing another one there.

    The extension says whose a file is, so a variant of a name has another base.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be moved.
    """
    target = directory / name
    while True:
        try:
            disk.claim(source, target)
        except FileExistsError:
            target = directory / f"{secrets.token_hex(4)}.{name.rpartition('.')[2]}"
        else:
            return target


def leave_work(file: ClaimedFile) -> None:
    """Tidy up after a file was moved out of the work directory, and sync that.

    Raises:
        OSError: the disk failed.
    """
    _remove_own_directory(file.path)
    disk.sync_directory(file.inbound.path / WORK_DIRECTORY)


def _by_claim(file: ClaimedFile) -> str:
    return file.claim


def _move_within(file: ClaimedFile, target: Path) -> None:
    """Move a file within its work directory, durably: its new name is on the disk before we go on."""
    work = file.inbound.path / WORK_DIRECTORY
    disk.make_directory(target.parent)
    disk.rename(file.path, target)
    if file.path.parent.name.endswith(f".{_OWN_DIRECTORY}"):
        disk.remove_empty_directory(file.path.parent)
    directories = {target.parent, *target.parent.parents, file.path.parent, *file.path.parent.parents}
    for directory in sorted(directories, key=lambda path: -len(path.parts)):
        if directory.is_relative_to(work) and directory.is_dir():
            disk.sync_directory(directory)


def _by_age(candidate: Candidate) -> tuple[float, str]:
    return candidate.mtime, candidate.name


def _mail_status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Stat an entry if it is a regular file with the name of a packet or bundle; links are not followed."""
    if not (is_packet_name(entry.name) or is_bundle_name(entry.name)):
        return None
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _work_files(inbound: Inbound, directory: Path) -> Iterator[ClaimedFile]:
    """Find the claimed files of one inbound in a directory; their names tell all there is to know of them."""
    for path in _listing(directory):
        match = _WORK_NAME.fullmatch(path.name)
        if match is None:
            continue
        for file in _listing(path) if match[2] == _OWN_DIRECTORY else [path]:
            status = file.lstat()
            if stat.S_ISREG(status.st_mode):
                name = match[2] if file is path else file.name
                yield ClaimedFile(match[1], name, inbound, file, status.st_size, status.st_mtime)


def _listing(directory: Path) -> list[Path]:
    """List a directory; one that is not there has nothing in it."""
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []


def _directories(files: Iterable[ClaimedFile]) -> set[Path]:
    """List the directories that a claim changed."""
    found = set()
    for file in files:
        found |= {file.path.parent, file.inbound.path / WORK_DIRECTORY, file.inbound.path}
    return found


def _remove_own_directory(path: Path) -> None:
    """Remove the directory that was made for a single file, once the file has left it."""
    if path.parent.name != WORK_DIRECTORY:
        disk.remove_empty_directory(path.parent)
