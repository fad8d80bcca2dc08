from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.codec.nodelist_header import (
    Checksum,
    NodelistHeader,
    date_of,
    is_day_numbered,
    is_named_packed,
    parse_header,
)

HEADERS: dict[bytes, tuple[date | None, int | None, int | None]] = {
    b";A FSXNET Nodelist for Friday, August 7, 2020 -- Day number 220 : 16569\r\n": (date(2020, 8, 7), 220, 16569),
    b";A tqwNet Nodelist for Friday, January 2, 2026 -- Day number 002 : 00042\n": (date(2026, 1, 2), 2, 42),
    b";A Pointlist for Fri, Jan. 2, 2026 -- Day number 2 : 42": (date(2026, 1, 2), 2, 42),
    b";A Liste fuer Freitag, 20. November 2026 -- Tag 324 : 01234\r\n": (None, 324, 1234),
    b";A Friday, February 30, 2026 -- Day number 61 : 70000": (None, 61, None),
    b";A Smarch 13, 2026 -- Day number 400 : 12345": (None, None, 12345),
    b";A made at 12:30\r\n": (None, None, None),
    b";A see http://127.0.0.1:8080\r\n": (None, None, None),
    b";\r\n": (None, None, None),
    b"Zone,1337,Day number 220 : 16569\r\n": (None, None, None),
    b"": (None, None, None),
}


@pytest.mark.parametrize(("line", "meant"), HEADERS.items())
def test_first_lines(line: bytes, meant: tuple[date | None, int | None, int | None]) -> None:
    """Date, day number and checksum are read where they are stated; a comment of another sort states none of them."""
    header = parse_header(line)
    assert (header.date, header.day, header.crc) == meant


def test_the_text_of_a_header() -> None:
    """What people see has neither the mark nor the line end."""
    assert parse_header(b";A tqwNet Nodelist\r\n").text == "tqwNet Nodelist"
    assert parse_header(b"; tqwNet \xe9\x1a").text == "tqwNet \ufffd"


def test_the_checksum_is_the_one_of_the_standard() -> None:
    """It is CRC-16/XMODEM, whose check value is 31C3 hex, whatever pieces the data comes in."""
    checksum = Checksum()
    checksum.add(b"1234")
    checksum.add(b"56789")
    assert checksum.value == 0x31C3
    assert checksum.matches(0x31C3)
    assert not checksum.matches(0x31C2)


def test_a_list_that_lost_its_carriage_returns_has_its_checksum() -> None:
    """A list that was stored with LF alone is summed as it was made; one that was made so is right as it stands."""
    made, stored = Checksum(), Checksum()
    for line in (b"Zone,1\r\n", b"Host,2\r\n", b"the end"):
        made.add(line)
        stored.add(line.replace(b"\r", b""))
    assert stored.value == made.value
    as_it_stands = Checksum()
    as_it_stands.add(b"Zone,1\nHost,2\nthe end")
    assert stored.matches(made.value)
    assert stored.matches(as_it_stands.value)
    assert not made.matches(as_it_stands.value)


@pytest.mark.parametrize(
    "name", ["NODELIST.001", "nodelist.366", "net.list.100", "NODELIST.Z27", "points.a00", "x.R50"]
)
def test_day_numbered_names(name: str) -> None:
    """A day number, or its last two digits behind the letter of an archiver, makes a list."""
    assert is_day_numbered(name)


@pytest.mark.parametrize(
    "name", ["NODELIST", "N.000", "N.367", "NODELIST.IDX", "NODELIST.1234", "NODELIST.q27", "NODELIST.27", "327"]
)
def test_names_without_a_day_number(name: str) -> None:
    """Nothing else does."""
    assert not is_day_numbered(name)


def test_packed_names() -> None:
    """Only two digits behind a letter name an archive."""
    assert [is_named_packed(name) for name in ("N.Z27", "n.j00", "N.327", "N.Z127", "N")] == [True, True, *[False] * 3]


NOTHING = NodelistHeader()
DAYS: list[tuple[str, NodelistHeader, date, date]] = [
    ("N.324", NOTHING, date(2026, 11, 20), date(2026, 11, 20)),
    ("N.324", NOTHING, date(2026, 11, 13), date(2026, 11, 20)),  # made a week ahead
    ("N.324", NOTHING, date(2026, 11, 12), date(2025, 11, 20)),
    ("N.002", NOTHING, date(2025, 12, 30), date(2026, 1, 2)),  # made in the old year for the new
    ("N.363", NOTHING, date(2026, 1, 5), date(2025, 12, 29)),  # came late, in the new year
    ("N.366", NOTHING, date(2026, 6, 1), date(2024, 12, 31)),  # only leap years have it
    ("N.Z24", NOTHING, date(2026, 11, 21), date(2026, 11, 20)),  # day 324, not 224
    ("N.Z24", NOTHING, date(2026, 9, 1), date(2026, 8, 12)),  # day 224, not 324
    ("N.Z01", NOTHING, date(2025, 12, 28), date(2026, 1, 1)),
    ("NODELIST", NOTHING, date(2026, 11, 20), date(2026, 11, 20)),
    ("NODELIST", NodelistHeader(day=2), date(2025, 12, 30), date(2026, 1, 2)),
    ("N.100", NodelistHeader(day=2), date(2026, 1, 3), date(2026, 1, 2)),  # the content knows better than the name
    ("N.100", NodelistHeader(date=date(2019, 3, 1)), date(2026, 1, 3), date(2019, 3, 1)),  # copied yesterday, old
    ("N.100", NodelistHeader(date=date(2206, 3, 1)), date(2026, 4, 11), date(2026, 4, 10)),  # a slip of the year
]


@pytest.mark.parametrize(("name", "header", "modified", "meant"), DAYS)
def test_the_day_a_list_is_for(name: str, header: NodelistHeader, modified: date, meant: date) -> None:
    """The first line tells it; else the day number, in the year that fits the time of the file; else that time."""
    assert date_of(name, header, modified) == meant


@given(st.dates(date(1987, 1, 1), date(2090, 1, 1)), st.integers(-7, 200))
def test_a_day_number_is_enough_within_half_a_year(day: date, late: int) -> None:
    """A list that is found a week early to half a year late is of the right year, whatever the day."""
    assert date_of(f"NODELIST.{day:%j}", NOTHING, day + timedelta(days=late)) == day


@given(st.binary(max_size=200), st.text(max_size=20), st.dates(date(1970, 1, 1), date(9000, 1, 1)))
def test_any_line_and_any_name_have_a_day(line: bytes, name: str, modified: date) -> None:
    """Nothing in a first line or a name is an error."""
    header = parse_header(line)
    assert header.crc is None or 0 <= header.crc <= 0xFFFF
    assert date_of(name, header, modified) <= modified + timedelta(days=60)
