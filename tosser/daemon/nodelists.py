"""The nodelists of the configuration: read, and read again when a newer file is there.

One that cannot be read, or does not have its checksum, is told and passed over: the list that was in force stays, and
after a start or a reload the next older file is taken.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.codec.nodelist import Nodelist
from tosser.codec.nodelist_lines import parse_list
from tosser.daemon.intake import build_archivers
from tosser.daemon.nodelist_files import find_files, newest_first, open_list
from tosser.errors import FormatError, TosserError, said

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tosser.codec.bundle import ArchiveType
    from tosser.codec.nodelist_lines import ListKind, ParsedList
    from tosser.config.model import Config
    from tosser.daemon.nodelist_files import ListFile
    from tosser.inbound.unpack import Archiver

_SETTLE_SECONDS = 2.0
"""A list that changed less than this ago may still be being written; it is looked at next time."""
_MOST_TRIED = 5
"""So many files of one list are tried, the newest first, before none can be read."""


class ListSource(Struct, frozen=True):
    """One list as the configuration has it.

    Attributes:
        path: the file, or a pattern.
        network: name of its network; empty for any.
        domain: domain of that; empty for any.
        zone: zone of what stands before its first Zone line; 0 for none.
        kind: what it is for.
        charset: character set of lines that are not ASCII or UTF-8.
        check_crc: whether it is refused without its checksum.
    """

    path: Path
    network: str
    domain: str
    zone: int
    kind: ListKind
    charset: str
    check_crc: bool


class LoadedList(Struct, frozen=True):
    """One list in force.

    Attributes:
        file: the file it is from.
        parsed: what is in it.
    """

    file: ListFile
    parsed: ParsedList


class WatchedList(Struct):
    """One list of the configuration, and what is in force of it.

    Attributes:
        source: the list as the configuration has it.
        archivers: programs for packed lists, by format.
        loaded: what is in force; ``None`` for nothing.
        trouble: what is wrong, as a sentence without full stop; empty while all is well.
    """

    source: ListSource
    archivers: Mapping[ArchiveType, Archiver]
    loaded: LoadedList | None = None
    trouble: str = ""
    _seen: list[ListFile] | None = None

    def look(self, now: float) -> bool:
        """Look for another file, and read it; tells whether another is in force now."""
        try:
            found = find_files(self.source.path)
        except OSError as error:
            self._seen, self.trouble = None, self._told(said(error))
            return False
        if found == self._seen:
            return False
        if self.loaded is not None and any(0 <= now - each.changed < _SETTLE_SECONDS for each in found):
            return False
        self._seen = found
        return self._choose(newest_first(found, self.archivers, now))

    def _choose(self, files: list[ListFile]) -> bool:
        """Put the newest list in force that can be read."""
        before = self.loaded
        wrong = [] if files else [f"{self.source.path}: there is no such file"]
        for file in files[:_MOST_TRIED]:
            if before is not None and (file == before.file or (wrong and file.day <= before.file.day)):
                break  # it is in force already, or what is in force is newer although its file can no longer be read
            try:
                self.loaded = LoadedList(file, self._read(file.path))
                break
            except OSError as error:
                self._seen = None  # the file may be as it was when it can be read: try again
                wrong.append(said(error, file.path))
            except TosserError as error:
                wrong.append(f"{file.path}: {error}")
        self.trouble = self._told("; ".join(wrong)) if wrong else ""
        return self.loaded is not before

    def _read(self, path: Path) -> ParsedList:
        source = self.source
        with open_list(path, self.archivers) as lines:
            parsed = parse_list(
                lines, kind=source.kind, domain=source.domain, zone=source.zone, charset=source.charset
            )  # fmt: skip
        if parsed.damaged and source.check_crc:
            raise FormatError(f"its checksum is {parsed.crc:05d}, and its first line states {parsed.header.crc:05d}")
        return parsed

    def _told(self, what: str) -> str:
        """Add to what is wrong what is in force nevertheless."""
        file = self.loaded.file if self.loaded else None
        return f"{what}; in force is {f'{file.path.name} of {file.day}' if file else 'nothing'}"


class Nodelists:
    """All lists of the configuration.

    Attributes:
        lists: each of them, in order.
        current: what they say together; another object once one of them is read again.
    """

    def __init__(self, lists: list[WatchedList]) -> None:
        self.lists = lists
        self.current = Nodelist()

    @property
    def trouble(self) -> str:
        """What is wrong with any of them, as a sentence without full stop; empty while all is well."""
        return "; ".join(each.trouble for each in self.lists if each.trouble)

    def look(self) -> list[LoadedList]:
        """Look for lists that are newer than those in force, and read them; gives those that were read."""
        now = time.time()
        read = [each.loaded for each in self.lists if each.look(now) and each.loaded is not None]
        if read:
            self.current = Nodelist(
                each.loaded.parsed.table(each.source.domain, str(each.loaded.file.path))
                for each in self.lists
                if each.loaded is not None
            )
        return read


def build_nodelists(config: Config) -> Nodelists:
    """Make the nodelists of a configuration, and read them."""
    archivers = build_archivers(config)
    networks = config.world.rulebook.networks
    lists: list[WatchedList] = []
    for entry in config.nodelists:
        network = networks[entry.network] if entry.network else None
        only = next(iter(network.zones)) if network and len(network.zones) == 1 else 0
        source = ListSource(
            path=entry.path,
            network=entry.network or "",
            domain=network.domain if network else "",
            zone=entry.zone or only,
            kind=entry.kind,
            charset=entry.charset,
            check_crc=entry.check_crc,
        )
        lists.append(WatchedList(source, archivers))
    found = Nodelists(lists)
    found.look()
    return found
