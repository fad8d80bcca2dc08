"""Dates of packed messages (FTS-0001, two written forms; two-digit years as FRL-1011).

The Fido form ``09 Mar 24  14:05:06`` and the SEAdog form ``Sat  9 Mar 24 14:05`` are both the author's wall clock,
with no time zone. Real dates are dirty, so reading never fails: it returns what could be read and how far to trust
it. Only the Fido form is written.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import Flag

from msgspec import Struct


class DateFlaw(Flag):
    """What is remarkable about a date that was read.

    Attributes:
        NONE: exactly the Fido form.
        FLAWED: readable, but not as the standard writes it, or with a part that had to be corrected.
        BROKEN: there is no date in it.
        SEADOG: the SEAdog form; no flaw in itself.
    """

    NONE = 0
    FLAWED = 1
    BROKEN = 2
    SEADOG = 4


class FtsDate(Struct, frozen=True):
    """A date as it was read.

    Attributes:
        value: the author's local time without zone, or ``None`` when ``flaws`` has `DateFlaw.BROKEN`.
        flaws: how the text departs from the standard.
    """

    value: datetime | None
    flaws: DateFlaw


_MONTH_NAMES = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_TWO_DIGITS = {b"%02d" % number: number for number in range(100)}

_ANY_MONTHS = {name.lower(): number for name, number in _MONTHS.items()} | {
    # Months of other languages as editors have written them; each run of letters beyond ASCII counts as one "?".
    **dict.fromkeys((b"ene", b"gen"), 1),
    **dict.fromkeys((b"fev", b"f?v"), 2),
    **dict.fromkeys((b"m?r", b"mrz", b"mrt"), 3),
    **dict.fromkeys((b"avr", b"abr"), 4),
    **dict.fromkeys((b"mai", b"maj", b"mei", b"mag"), 5),
    b"giu": 6,
    b"lug": 7,
    **dict.fromkeys((b"ago", b"aou", b"ao?"), 8),
    b"set": 9,
    **dict.fromkeys((b"okt", b"ott", b"out"), 10),
    **dict.fromkeys((b"dez", b"des", b"dic", b"d?c"), 12),
}

_TOLERANT = re.compile(
    rb"\s*(?P<weekday>[^\s\d]{3,}\s+)?"
    rb"(?P<day>\d{1,2})\s+(?P<month>[^\s\d:]{3,})\s+(?P<year>[:;<=]\d|\d{1,4})(?!\d)"
    rb"(?:\s+(?P<hour>\d{1,2})(?:[:\s]+(?P<minute>\d{1,2}))?(?:[:\s]+(?P<second>\d{1,2}))?)?"
)
_SEADOG_CLEAN = re.compile(
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [ 123]\d (?:%s) \d\d (?:[01]\d|2[0-3]):[0-5]\d" % b"|".join(_MONTH_NAMES)
)
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")

_FIDO_LENGTH = 19
_WINDOW = 80
"""Two-digit years from here on are of the twentieth century (FRL-1011)."""
_YEARS = range(1970, 2106)
"""Years a date may have when it writes all four digits: those that 32-bit Unix time knows."""
_NO_FLAW = DateFlaw.NONE
_BROKEN = FtsDate(None, DateFlaw.BROKEN)


def parse_date(raw: bytes) -> FtsDate:
    """Read the dateTime field of a packed message, with or without its NUL; never raises.

    A time that cannot be is midnight in the part that cannot be (hour 77 is hour 0); a day that cannot be (31 Feb,
    day 0) leaves no date. Tolerated besides: blanks more or fewer, a missing leading zero, missing or cut seconds,
    months longer than three letters or in another language, years of one, three or four digits (four: 1970 to 2105),
    ``:4`` for 2004.
    """
    text = raw[:-1] if raw.endswith(b"\0") else raw
    if len(text) == _FIDO_LENGTH:
        clean = _parse_clean(text)
        if clean is not None:
            return clean
    return _parse_tolerant(text)


def format_date(moment: datetime) -> bytes:
    """Write the Fido form, 19 characters without the NUL; the year keeps only its last two digits."""
    month = _MONTH_NAMES[moment.month - 1]
    clock = (moment.hour, moment.minute, moment.second)
    return b"%02d %s %02d  %02d:%02d:%02d" % (moment.day, month, moment.year % 100, *clock)


def _parse_clean(text: bytes) -> FtsDate | None:
    """Read exactly the Fido form, or say that this is not it; a row of look-ups, since nearly every date goes here."""
    try:
        if text[2:3] != b" " or text[6:7] != b" " or text[9:11] != b"  " or text[13:14] != b":" or text[16:17] != b":":
            return None
        year = _TWO_DIGITS[text[7:9]]
        value = datetime(  # noqa: DTZ001 - the author's wall clock has no zone
            year + 2000 if year < _WINDOW else year + 1900,
            _MONTHS[text[3:6]],
            _TWO_DIGITS[text[0:2]],
            _TWO_DIGITS[text[11:13]],
            _TWO_DIGITS[text[14:16]],
            _TWO_DIGITS[text[17:19]],
        )
    except (KeyError, ValueError):
        return None
    return FtsDate(value, _NO_FLAW)


def _parse_tolerant(raw: bytes) -> FtsDate:
    text = raw.strip(b"\0").partition(b"\0")[0]
    match = _TOLERANT.match(text)
    if match is None:
        return _BROKEN
    month = _ANY_MONTHS.get(_BEYOND_ASCII.sub(b"?", match["month"])[:3].lower())
    year = _year(match["year"])
    if month is None or year is None:
        return _BROKEN
    clock = (_at_most(match["hour"], 23), _at_most(match["minute"], 59), _second(match["second"]))
    try:
        value = datetime(year, month, int(match["day"]), *clock)  # noqa: DTZ001 - the author's wall clock has no zone
    except ValueError:
        return _BROKEN
    form = DateFlaw.SEADOG if match["weekday"] else DateFlaw.NONE
    return FtsDate(value, form if _SEADOG_CLEAN.fullmatch(text) else form | DateFlaw.FLAWED)


def _year(digits: bytes) -> int | None:
    """Years of every length that programs have written; ``None`` for one that means nothing."""
    if not digits.isdigit():  # '0' + year // 10 beyond '9': ":4" is 104, ";0" is 110, "=9" is 139, all years since 1900
        return 1900 + (digits[0] - ord("0")) * 10 + int(digits[1:])
    year = int(digits)
    if len(digits) == 4:  # noqa: PLR2004 - a year written out
        return year if year in _YEARS else None
    if year < 100:  # noqa: PLR2004 - two digits, perhaps without or with one zero more before them
        return year + 2000 if year < _WINDOW else year + 1900
    return 1900 + year if year < 200 else None  # noqa: PLR2004 - years since 1900 go from 100 to 199


def _at_most(digits: bytes | None, highest: int) -> int:
    number = int(digits or 0)
    return number if number <= highest else 0


def _second(digits: bytes | None) -> int:
    """Seconds; a single digit is the first of two whose second was cut off, as long as it can be."""
    if digits is not None and len(digits) == 1:
        return int(digits) * 10 if digits < b"6" else int(digits)
    return _at_most(digits, 59)
