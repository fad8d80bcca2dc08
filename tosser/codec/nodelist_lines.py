"""Reading the lines of nodelists (FTS-5000) and of point lists (FTS-5002: the Boss and the Point format).

Dirty lines are tolerated and told: one that cannot be read is passed over, and what stands below a Zone, Region or Host
that cannot be read is passed over with it, so that no system gets the address of another. Refused with `FormatError`: a
file without any entry, and one with more entries than any network has.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

from tosser.address import Address
from tosser.codec.charset import decide_charset, decode
from tosser.codec.nodelist import Key, Keyword, NodeEntry, NodeTable
from tosser.codec.nodelist_header import Checksum, NodelistHeader, parse_header
from tosser.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

_HIGHEST = 32767
_DIGITS = 5
_LONGEST_LINE = 1024
_MOST_ENTRIES = 200_000
"""No network ever had a quarter of that."""
_MOST_WARNINGS = 100
"""Warnings that are kept; of others only the number is."""
_COMMAS = 4
"""Between the five fields that stand behind the number at least."""
_END_OF_FILE = b"\x1a"
_BOSS = "boss"
_KEYWORDS = frozenset(Keyword)
_ABOVE = frozenset({Keyword.ZONE, Keyword.REGION, Keyword.HOST})


class ListKind(StrEnum):
    """What a list is for."""

    NODELIST = "nodelist"
    POINTLIST = "pointlist"


class ParsedList(Struct, frozen=True):
    """One list, read.

    Attributes:
        header: its first line.
        entries: by zone, net, node and point.
        crc: checksum of its lines, whether or not its header states one.
        damaged: whether the header states another checksum.
        warnings: number of a line and what is wrong with it, for the first so many.
        skipped: lines that are no entry although they should be.
    """

    header: NodelistHeader
    entries: dict[Key, NodeEntry]
    crc: int
    damaged: bool
    warnings: tuple[tuple[int, str], ...]
    skipped: int

    def table(self, domain: str, source: str) -> NodeTable:
        """Give what it says, for looking up."""
        return NodeTable(self.entries, domain, source)


def parse_list(
    lines: Iterable[bytes],
    *,
    kind: ListKind = ListKind.NODELIST,
    domain: str = "",
    zone: int = 0,
    charset: str = "CP437",
) -> ParsedList:
    """Read a list, line by line.

    Args:
        lines: with their line ends, as a file opened for reading bytes gives them.
        kind: of a point list only the points count; its nodes just say whose points they are.
        domain: domain of its addresses; empty where it is not known.
        zone: zone of what stands before the first Zone line; 0 for none.
        charset: character set of lines that are neither ASCII nor UTF-8.

    Raises:
        FormatError: there is no entry in it, or there are too many.
    """
    reader = _Reader(kind, domain, charset, zone)
    checksum = Checksum()
    header = NodelistHeader()
    for number, line in enumerate(lines, 1):
        whole, mark, _ = line.partition(_END_OF_FILE)
        if number == 1:
            header = parse_header(whole)
        else:
            checksum.add(whole)
        reader.take(number, whole)
        if mark:
            break
    if not reader.entries:
        raise FormatError(f"there is no entry in this {kind}")
    damaged = header.crc is not None and not checksum.matches(header.crc)
    return ParsedList(header, reader.entries, checksum.value, damaged, tuple(reader.warnings), reader.skipped)


class _Reader(Struct):
    """Entries so far, and where in the network we are."""

    kind: ListKind
    domain: str
    charset: str
    zone: int
    net: int = 0
    """0 where the line that should tell it could not be read, or there was none: no address can be made."""
    region: int = 0
    hub: int = 0
    boss: Key | None = None
    """Whose points follow."""
    of_boss: bool = False
    """Whether a Boss line named it, so that the lines of nodes are points."""
    entries: dict[Key, NodeEntry] = field(default_factory=dict)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    skipped: int = 0

    def take(self, number: int, line: bytes) -> None:
        """Read one line."""
        data = line.strip()
        if not data or data.startswith(b";"):
            return
        if len(data) > _LONGEST_LINE:
            self._skip(number, f"it has {len(data)} bytes, and the limit is {_LONGEST_LINE}")
            self.boss = None
            return
        word, _, behind = self._text(data).partition(",")
        keyword = word.strip().lower()
        if keyword == _BOSS:
            self._take_boss(number, behind)
            return
        if keyword not in _KEYWORDS:
            self._skip(number, f"{word.strip()!r} is no keyword")
            self.boss = None
            return
        digits, _, text = behind.partition(",")
        self._take_entry(number, Keyword(keyword), _number(digits), text)

    def _take_boss(self, number: int, behind: str) -> None:
        """Read whose points follow; the zone may be left out."""
        address = behind.split(",", 1)[0].strip()
        zone, colon, rest = address.rpartition(":")
        net, _, node = rest.partition("/")
        key = (_number(zone) if colon else self.zone, _number(net), _number(node), 0)
        self.of_boss = True
        self.boss = key if all(key[:3]) else None
        if self.boss is None:
            self._skip(number, f"{address!r} is no address of a boss")

    def _take_entry(self, number: int, keyword: Keyword, value: int, text: str) -> None:
        if keyword in _ABOVE or keyword is Keyword.HUB:
            self._enter(keyword, value)
        is_point = keyword is Keyword.POINT or self.of_boss
        key = self._point(value) if is_point else self._system(keyword, value)
        if not is_point:
            self.boss = key
        if key is None:
            self._skip(number, self._why_not(value, is_point=is_point))
        elif is_point:
            self._add(number, NodeEntry(Keyword.POINT, self._address(key), 0, 0, text, number), key)
        elif self.kind is ListKind.NODELIST:
            hub = 0 if keyword in _ABOVE or keyword is Keyword.HUB else self.hub
            self._add(number, NodeEntry(keyword, self._address(key), hub, self.region, text, number), key)

    def _enter(self, keyword: Keyword, value: int) -> None:
        """Go into a zone, a region, a net or below a hub; into nowhere where its number cannot be read."""
        self.of_boss = False
        self.hub = value if keyword is Keyword.HUB else 0
        if keyword is Keyword.ZONE:
            self.zone = value
        if keyword in {Keyword.ZONE, Keyword.REGION}:
            self.region = value
        if keyword in _ABOVE:
            self.net = value

    def _system(self, keyword: Keyword, value: int) -> Key | None:
        node = 0 if keyword in _ABOVE else value
        return (self.zone, self.net, node, 0) if self.zone and self.net and value else None

    def _point(self, value: int) -> Key | None:
        return (*self.boss[:3], value) if self.boss and value else None

    def _add(self, number: int, entry: NodeEntry, key: Key) -> None:
        first = self.entries.setdefault(key, entry)
        if first is not entry:
            two_offices = {first.keyword, entry.keyword} <= _ABOVE and first.keyword is not entry.keyword
            if not two_offices:  # small networks have one system as zone, region and net of one number
                self._skip(number, f"{entry.address.without_domain} is in line {first.line} already")
            return
        if entry.text.count(",") < _COMMAS:
            self._warn(number, "it has less than seven fields")
        if len(self.entries) > _MOST_ENTRIES:
            raise FormatError(f"there are more than {_MOST_ENTRIES} entries")

    def _address(self, key: Key) -> Address:
        return Address(*key, self.domain)

    def _why_not(self, value: int, *, is_point: bool) -> str:
        if not value:
            return f"its number is not one from 1 to {_HIGHEST}"
        if is_point:
            return "it is a point, and no boss is known"
        return "it is in no known net" if self.zone else "it is in no known zone"

    def _skip(self, number: int, what: str) -> None:
        self.skipped += 1
        self._warn(number, what)

    def _warn(self, number: int, what: str) -> None:
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append((number, what))

    def _text(self, data: bytes) -> str:
        if data.isascii():
            return data.decode("ascii")
        return decode(data, decide_charset(data, None, None, self.charset))


def _number(text: str) -> int:
    """Read a number from 1 to 32767; 0 for everything else."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _DIGITS:
        return 0
    return int(digits) if int(digits) <= _HIGHEST else 0
