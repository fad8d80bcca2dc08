"""The first line of a nodelist, its checksum, and which of several lists is the newest (FTS-5000).

``;A <network> Nodelist for <weekday>, <month> <day>, <year> -- Day number <nnn> : <crc>``. Files are named by the day
of the year, ``NODELIST.327``, or ``.Z27``, ``.J27`` and so on when they are packed. Refused: nothing; a line that is no
such header has neither date nor checksum.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from datetime import date, timedelta

from msgspec import Struct

_DATE = re.compile(r"\b([A-Za-z]{3})[a-z]*\.? +(\d{1,2}), *(\d{4})\b")
_CHECKSUM = re.compile(r"\b(\d{1,3})\s*:\s*(\d{1,5})\s*$")
_DAY_WORD = re.compile(r"\bday\b", re.IGNORECASE)
_CRC_DIGITS = 5
_HIGHEST_CRC = 0xFFFF
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = 366
_LEAP_YEAR = 5
"""Among so many years there is one with day 366."""
_EXTENSION = re.compile(r".*\.(?:(?P<day>\d{3})|[ajlrz](?P<last>\d{2}))", re.ASCII | re.IGNORECASE | re.DOTALL)
_AHEAD = timedelta(days=7)
"""Lists are made up to a week before the day they are for."""
_FAR_AHEAD = timedelta(days=60)
"""A header that is further ahead of the time of its file has a wrong year."""


class NodelistHeader(Struct, frozen=True):
    """What the first line says.

    Attributes:
        text: the line without its mark, for people; empty when there is no such line.
        date: the day the list is for, where it is stated.
        day: the same as day of the year, from 1.
        crc: checksum of everything after the line.
    """

    text: str = ""
    date: date | None = None
    day: int | None = None
    crc: int | None = None


class Checksum:
    """CRC-16 (polynomial 1021 hex, from 0) over the lines after the first, with their line ends.

    Lists that were stored with LF alone are summed as they were made, with CR LF.
    """

    def __init__(self) -> None:
        self._plain = 0
        self._restored = 0

    def add(self, line: bytes) -> None:
        """Take the next line with its line end."""
        self._plain = crc_hqx(line, self._plain)
        restored = line if line.endswith(b"\r\n") or not line.endswith(b"\n") else line[:-1] + b"\r\n"
        self._restored = crc_hqx(restored, self._restored)

    @property
    def value(self) -> int:
        """The checksum, of the lines as they were made."""
        return self._restored

    def matches(self, stated: int) -> bool:
        """Tell whether the lines are those that a header speaks of."""
        return stated in {self._plain, self._restored}


def parse_header(line: bytes) -> NodelistHeader:
    """Read a first line."""
    if not line.startswith(b";"):
        return NodelistHeader()
    text = re.sub(r"^;[A-Z]?\s*", "", line.decode("ascii", "replace").strip("\r\n\x1a"))
    match = _CHECKSUM.search(text)
    day = crc = None
    if match is not None and (len(match[2]) == _CRC_DIGITS or _DAY_WORD.search(text)):  # "made at 12:30" is none
        day = int(match[1]) if 1 <= int(match[1]) <= _DAYS else None
        crc = int(match[2]) if int(match[2]) <= _HIGHEST_CRC else None
    return NodelistHeader(text, _stated_date(text), day, crc)


def is_day_numbered(name: str) -> bool:
    """Tell whether a file is named by the day of the year, or by its last two digits when it is packed."""
    return bool(_days_in(name))


def is_named_packed(name: str) -> bool:
    """Tell whether a file is named as a packed list."""
    match = _EXTENSION.fullmatch(name)
    return match is not None and match["day"] is None


def date_of(name: str, header: NodelistHeader, modified: date) -> date:
    """Say what day a list is for: as its header states, else by its day number, else when its file was changed.

    A day number is of the year that brings it closest to the time of the file: that day or before, or at most a week
    ahead. So day 1 follows day 365.

    Args:
        name: of the file.
        header: its first line.
        modified: day on which the file was changed last.
    """
    if header.date is not None and header.date <= modified + _FAR_AHEAD:
        return header.date
    days = (header.day,) if header.day is not None else _days_in(name)
    latest = modified + _AHEAD
    found = (_date(latest.year - back, day) for back in range(_LEAP_YEAR) for day in days)
    return max((day for day in found if day is not None and day <= latest), default=modified)


def _days_in(name: str) -> tuple[int, ...]:
    """Give the days of the year that the extension of a name may mean; none where it is no day."""
    match = _EXTENSION.fullmatch(name)
    if match is None:
        return ()
    days = (int(match["day"]),) if match["day"] else range(int(match["last"]), _DAYS + 1, 100)
    return tuple(day for day in days if 1 <= day <= _DAYS)


def _date(year: int, day: int) -> date | None:
    """Give a day of a year; nothing for day 366 of a year without it."""
    found = date(year, 1, 1) + timedelta(days=day - 1)
    return found if found.year == year else None


def _stated_date(text: str) -> date | None:
    match = _DATE.search(text)
    if match is None or match[1].lower() not in _MONTHS:
        return None
    try:
        return date(int(match[3]), _MONTHS.index(match[1].lower()) + 1, int(match[2]))
    except ValueError:
        return None
