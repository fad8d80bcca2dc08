"""Where the bundles of a link go: its directory in the outbound, or its file box; and which names are free there.

A bundle or packet is written beside its place, under a hidden name that no mailer looks at, and gets its own name when
all of it is on the disk and the state knows of it.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from tosser.codec.bundle import bundle_base, next_bundle_name, time_stamp_bundle_name
from tosser.outbound.sharing import file_mode
from tosser.rules.shipping import NAMES_KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tosser.rules.network import Link

_TEMPORARY = re.compile(r"\.([0-9a-z]{8}\.[0-9a-z]{3})\.tmp", re.ASCII)


def temporary(path: Path) -> Path:
    """Say where a file is before it gets its name."""
    return path.with_name(f".{path.name}.tmp")


def has_content(path: Path) -> bool:
    """Tell whether a file is there and not empty: mailers delete or empty what they have sent."""
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False


def local_time(moment: float) -> datetime:
    """Give the local time of a moment (Unix seconds)."""
    return datetime.fromtimestamp(moment, UTC).astimezone()


class Place(Struct):
    """A directory that takes bundles of a link, as it was found.

    Attributes:
        directory: which one.
        link: whose bundles.
        boxed: whether it is a file box, where a mailer sends whatever has a name.
        now: Unix seconds.
        mode: of the files in it.
        temporaries: files that are, or were, about to get their names.
        taken: names in lower case that no new file may have.
    """

    directory: Path
    link: Link
    boxed: bool
    now: float
    mode: int
    temporaries: list[Path] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    @classmethod
    def survey(cls, directory: Path, link: Link, now: float, *, boxed: bool) -> Place:
        """Look at a directory.

        Raises:
            OSError: it cannot be read.
        """
        place = cls(directory, link, boxed, now, file_mode(directory))
        base = place.base
        with os.scandir(directory) as entries:
            for entry in entries:
                name = entry.name.lower()
                match = _TEMPORARY.fullmatch(entry.name)
                if match:
                    place.temporaries.append(directory / match[1])
                elif not (name.startswith(base) and _is_spent(entry, now)):
                    place.taken.add(name)
        return place

    def avoid(self, paths: Iterable[str]) -> None:
        """Give no new file the name of one of these."""
        self.taken |= {Path(path).name.lower() for path in paths}

    @property
    def base(self) -> str:
        """How the names of the link's bundles begin."""
        return bundle_base(self.link.our_aka, self.link.address)

    @property
    def names_used_up(self) -> bool:
        """Whether there is no ordinary name for another bundle of today."""
        return next_bundle_name(self.base, self._weekday, self.taken) is None

    def name_bundle(self) -> Path:
        """Take the name for a new bundle; by the time, when all ordinary ones of today are taken."""
        name = next_bundle_name(self.base, self._weekday, self.taken)
        return self._take(name or time_stamp_bundle_name(int(self.now), self._weekday, self.taken))

    def name_packet(self, serial: int) -> Path:
        """Take the name for a packet on its own: its serial number, or the next that is free."""
        while f"{serial:08x}.pkt" in self.taken:
            serial = (serial + 1) % 2**32
        return self._take(f"{serial:08x}.pkt")

    def is_today(self, moment: float) -> bool:
        """Tell whether a moment (Unix seconds) is on the local day of now."""
        return local_time(moment).date() == local_time(self.now).date()

    @property
    def _weekday(self) -> int:
        return local_time(self.now).isoweekday() % 7

    def _take(self, name: str) -> Path:
        self.taken.add(name)
        return self.directory / name


def _is_spent(entry: os.DirEntry[str], now: float) -> bool:
    """Tell whether a file was sent and emptied long ago, so that its name may be used again."""
    try:
        status = entry.stat()
    except FileNotFoundError:
        return True
    return not status.st_size and now - status.st_mtime > NAMES_KEPT
