"""Is there room to work: free space on every file system that is written to, looked at before input is taken.

Input that was not taken lies safe in the inbound, where a mailer can see the disk fill up, too. So the toss stops
before things break, and the little that is left is for finishing what was begun.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tosser.config.world import build_rulebook
from tosser.errors import said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tosser.config.model import Config

_UNITS = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


class Room:
    """Looks at the file systems of directories.

    Args:
        directories: where we write; those that are not there yet count where they will be made.
        least: bytes that are to be free.
    """

    def __init__(self, directories: Iterable[Path], least: int) -> None:
        self._directories = sorted(set(directories))
        self._least = least
        self._short: set[int] = set()

    def shortage(self) -> str:
        """Say which file systems have too little room, or cannot be written to; empty when all is well.

        One that had too little has room again only when a quarter more is free, so that this does not come and go.
        """
        sentences: list[str] = []
        short: set[int] = set()
        seen: set[int] = set()
        for directory in self._directories:
            try:
                there = _existing(directory)
                device = there.stat().st_dev
                if device in seen:
                    continue
                seen.add(device)
                found = os.statvfs(there)
            except OSError as error:
                sentences.append(said(error, directory))
                continue
            least = self._least * 5 // 4 if device in self._short else self._least
            if found.f_flag & os.ST_RDONLY:
                sentences.append(f"{directory}: its file system is mounted read-only")
            elif found.f_bavail * found.f_frsize < least:
                short.add(device)
                sentences.append(f"{directory}: less than {_size_text(self._least)} are free on its file system")
        self._short = short
        return "; ".join(sentences)


def build_room(config: Config) -> Room:
    """Say where a configuration has us write: state, bases, outbound. Of an inbound, tossing makes room."""
    rules = build_rulebook(config)
    bases = {area.path for area in rules.areas.values() if area.path}
    bases |= {network.bad_path for network in rules.networks.values()} | {rules.netmail.path}
    directories = {config.paths.state, config.paths.bases} | {Path(base).parent for base in bases}
    directories |= {Path(link.filebox).parent for link in rules.links.values() if link.filebox}
    if config.paths.outbound is not None:
        directories.add(config.paths.outbound)
    return Room(directories, config.toss.min_free)


def _existing(path: Path) -> Path:
    return next((parent for parent in (path, *path.parents) if parent.exists()), path)


def _size_text(size: int) -> str:
    return next((f"{size // unit} {name}" for unit, name in _UNITS if size and size % unit == 0), f"{size} bytes")
