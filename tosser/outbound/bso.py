"""The Binkley-style outbound: which directory a system's mail is in, its lock, and what waits there (FTS-5005).

The default zone of a domain has the domain's directory itself, every other zone one beside it with the zone as its
extension; points have a directory in that of their boss's zone. A domain that is given no directory has those of all
its zones beside the first domain's, named after it. That is how binkd reads ``domain NAME DIRECTORY ZONE``.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.address import Address
from tosser.codec.flow import (
    boss_numbers,
    bso_stem,
    is_flavoured_packet_name,
    point_directory,
    system_numbers,
    zone_extension,
)
from tosser.errors import StoreError
from tosser.outbound.busy import STALE_SECONDS, BusyLock
from tosser.outbound.flowfile import FlowFiles, absolute_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_DOMAIN = re.compile(r"[a-z0-9_~-]{1,31}", re.ASCII)


class DomainRoot(Struct, frozen=True):
    """Where the outbound of a domain is.

    Attributes:
        path: directory of its default zone; those of other zones are named like it, with an extension.
        zone: the default zone; ``None`` when every zone has its extension.
    """

    path: Path
    zone: int | None


class Backlog(Struct, frozen=True):
    """What waits for a system.

    Attributes:
        files: how many.
        bytes: their size.
        oldest: when the oldest was last changed, Unix seconds; ``None`` when nothing waits.
    """

    files: int = 0
    bytes: int = 0
    oldest: float | None = None

    def __add__(self, other: Backlog) -> Backlog:
        """Sum up."""
        times = [time for time in (self.oldest, other.oldest) if time is not None]
        return Backlog(self.files + other.files, self.bytes + other.bytes, min(times, default=None))


class Bso:
    """An outbound with all its domains.

    Args:
        root: the outbound of the first domain.
        domain: the first domain.
        zone: its default zone.
        identity: gives what tells our locks from those of others, also after a restart.
        others: where the outbounds of other domains are, if not beside the first one.
        stale: seconds without a touch after which another's lock means nothing.
    """

    def __init__(
        self,
        root: Path,
        domain: str,
        zone: int,
        identity: Callable[[], int],
        others: Mapping[str, DomainRoot] | None = None,
        *,
        stale: float = STALE_SECONDS,
    ) -> None:
        self.root = root.absolute()
        self._domain = domain
        self._first = DomainRoot(self.root, zone)
        self._others = dict(others or {})
        self._identity = identity
        self._known_identity: int | None = None
        self._stale = stale

    def directory_of(self, address: Address) -> Path:
        """Give the directory of a system's flow files, bundles and packets; an address without domain is of the first.

        Raises:
            StoreError: its domain cannot be part of a name.
        """
        at = self._root_of(address.domain)
        extension = "" if address.zone == at.zone else zone_extension(address.zone)
        return at.path.with_name(f"{at.path.name}{extension}") / point_directory(address)

    def lock(self, address: Address) -> BusyLock:
        """Give the lock of a system; taking it raises `LinkBusy` when somebody else has it."""
        path = self.directory_of(address) / f"{bso_stem(address)}.bsy"
        if self._known_identity is None:
            self._known_identity = self._identity()
        return BusyLock(path, self.root, self._known_identity, stale=self._stale)

    def release_leftovers(self, addresses: Iterable[Address]) -> int:
        """Remove locks that a killed process of ours left; to be called at start, by whoever holds the state.

        What it was about needs no lock to be safe, and is finished with the next mail at the latest; mailers should not
        have to wait for that.

        Args:
            addresses: of the links.

        Returns:
            How many there were.

        Raises:
            OSError: one cannot be removed.
        """
        return sum(self.lock(address).release_leftover() for address in addresses)

    def backlog(self, address: Address) -> Backlog:
        """Sum up what the mailer would find for a system, whatever case and zone directory it was written in."""
        total = Backlog()
        seen: set[Path] = set()
        for directory in self._directories_read(address):
            try:
                names = os.listdir(directory)  # noqa: PTH208 - names are all that is wanted
            except (FileNotFoundError, NotADirectoryError):
                continue
            stem = bso_stem(address)
            packets = [n for n in names if is_flavoured_packet_name(n) and n.lower().startswith(stem)]
            flows = FlowFiles(directory, stem, names)
            files = {*(directory / name for name in packets), *absolute_paths(flows.waiting())}
            total += sum_up(files - seen)
            seen |= files
        return total

    def systems(self, zone: int, domain: str) -> set[Address]:
        """List the systems of a zone that the outbound has flow files or flavoured packets for, be they links or not.

        Raises:
            StoreError: the domain cannot be part of a name.
        """
        found = set()
        for path in [path for directory in self._zones_read(zone, domain) for path in _entries(directory)]:
            if numbers := system_numbers(path.name):
                found.add(Address(zone, *numbers, 0, domain))
            elif boss := boss_numbers(path.name):
                points = filter(None, (system_numbers(inner.name) for inner in _entries(path)))
                found |= {Address(zone, *boss, point, domain) for zero, point in points if point and not zero}
        return found

    def _root_of(self, domain: str) -> DomainRoot:
        if domain in {"", self._domain}:
            return self._first
        if domain in self._others:
            return self._others[domain]
        if not _DOMAIN.fullmatch(domain):
            raise StoreError(self.root, f"{domain!r} cannot name a directory")
        return DomainRoot(self.root.with_name(domain), None)

    def _directories_read(self, address: Address) -> list[Path]:
        zones = self._zones_read(address.zone, address.domain)
        points = point_directory(address)
        return [path for zone in zones for path in _entries(zone) if path.name.lower() == points] if points else zones

    def _zones_read(self, zone: int, domain: str) -> list[Path]:
        """List the directories the mail of a zone may be in: the default zone may be written with its extension too."""
        at = self._root_of(domain)
        wanted = {f"{at.path.name}{zone_extension(zone)}".lower()}
        wanted |= {at.path.name.lower()} if zone == at.zone else set()
        return [path for path in _entries(at.path.parent) if path.name.lower() in wanted]


def sum_up(paths: Iterable[Path]) -> Backlog:
    """Sum up files that wait; one that is gone or empty has been sent."""
    found = []
    for path in paths:
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISREG(status.st_mode) and status.st_size:
            found.append(status)
    return Backlog(
        len(found), sum(status.st_size for status in found), min((status.st_mtime for status in found), default=None)
    )


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
