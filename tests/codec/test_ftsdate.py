from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.codec.ftsdate import DateFlaw, FtsDate, format_date, parse_date

CLEAN = [
    ("2024-03-09 14:05:06", b"09 Mar 24  14:05:06"),
    ("1980-01-01 00:00:00", b"01 Jan 80  00:00:00"),
    ("1999-12-31 23:59:59", b"31 Dec 99  23:59:59"),
    ("2000-02-29 12:00:00", b"29 Feb 00  12:00:00"),
    ("2079-07-04 01:02:03", b"04 Jul 79  01:02:03"),
]


@pytest.mark.parametrize(("moment", "raw"), CLEAN)
def test_fido_form_both_ways(moment: str, raw: bytes) -> None:
    """The Fido form is written and read back exactly, with and without its NUL."""
    value = datetime.fromisoformat(moment)
    assert format_date(value) == raw
    assert parse_date(raw) == parse_date(raw + b"\0") == FtsDate(value, DateFlaw.NONE)


@given(st.datetimes(datetime.fromisoformat("1980-01-01"), datetime.fromisoformat("2079-12-31")))
def test_every_date_of_the_window_survives(moment: datetime) -> None:
    """Any second that two year digits can mean comes back from the written form without a flaw."""
    assert parse_date(format_date(moment)) == FtsDate(moment.replace(microsecond=0), DateFlaw.NONE)


@pytest.mark.parametrize(
    ("raw", "moment"),
    [
        (b"Sat  9 Mar 24 14:05\0", "2024-03-09 14:05:00"),
        (b"Fri 31 Dec 99 23:59\0", "1999-12-31 23:59:00"),
    ],
)
def test_seadog_form_is_no_flaw(raw: bytes, moment: str) -> None:
    """The SEAdog form is a form of its own, not a damaged date."""
    assert parse_date(raw) == FtsDate(datetime.fromisoformat(moment), DateFlaw.SEADOG)


DIRTY = [
    ("missing leading zero", b"9 Mar 24  14:05:06", "2024-03-09 14:05:06"),
    ("blank-padded day", b" 9 Mar 24  14:05:06", "2024-03-09 14:05:06"),
    ("one blank before the time", b"09 Mar 24 14:05:06", "2024-03-09 14:05:06"),
    ("more blanks and a TAB", b"09  Mar   24 \t 14:05:06", "2024-03-09 14:05:06"),
    ("lower-case month", b"09 mar 24  14:05:06", "2024-03-09 14:05:06"),
    ("whole month name", b"09 March 24  14:05:06", "2024-03-09 14:05:06"),
    ("German month, CP437", b"09 M\x84rz 24  14:05:06", "2024-03-09 14:05:06"),
    ("German month, UTF-8", "09 März 24  14:05:06".encode(), "2024-03-09 14:05:06"),
    ("Dutch month", b"09 mei 24  14:05:06", "2024-05-09 14:05:06"),
    ("Swedish month", b"09 Okt 24  14:05:06", "2024-10-09 14:05:06"),
    ("three-digit year", b"09 Mar 124  14:05:06", "2024-03-09 14:05:06"),
    ("three-digit year, the first", b"09 Mar 100  14:05:06", "2000-03-09 14:05:06"),
    ("four-digit year", b"09 Mar 2024  14:05:06", "2024-03-09 14:05:06"),
    ("one-digit year", b"09 Mar 4  14:05:06", "2004-03-09 14:05:06"),
    ("colon year :0", b"09 Mar :0  14:05:06", "2000-03-09 14:05:06"),
    ("colon year :4", b"09 Mar :4  14:05:06", "2004-03-09 14:05:06"),
    ("the same bug twenty years on", b"09 Mar <6  14:05:06", "2026-03-09 14:05:06"),
    ("no seconds", b"09 Mar 24  14:05", "2024-03-09 14:05:00"),
    ("seconds cut to 3x", b"09 Mar 24  14:05:3", "2024-03-09 14:05:30"),
    ("single second", b"09 Mar 24  14:05:7", "2024-03-09 14:05:07"),
    ("no time", b"09 Mar 24", "2024-03-09 00:00:00"),
    ("hour 77", b"09 Mar 24  77:05:06", "2024-03-09 00:05:06"),
    ("minute 60", b"09 Mar 24  14:60:06", "2024-03-09 14:00:06"),
    ("second 61", b"09 Mar 24  14:05:61", "2024-03-09 14:05:00"),
    ("NUL before the end", b"09 Mar 24  14:05\0\0\0\0", "2024-03-09 14:05:00"),
    ("junk after the NUL", b"09 Mar 24  14:05:06\0" + b"9", "2024-03-09 14:05:06"),
]


@pytest.mark.parametrize(("raw", "moment"), [case[1:] for case in DIRTY], ids=[case[0] for case in DIRTY])
def test_dirty_dates_are_read_and_flagged(raw: bytes, moment: str) -> None:
    """A date that departs from the standard is read as meant and marked as flawed."""
    assert parse_date(raw) == FtsDate(datetime.fromisoformat(moment), DateFlaw.FLAWED)


@pytest.mark.parametrize(
    ("raw", "moment"),
    [
        (b"Sat 9 Mar 24 14:05\0", "2024-03-09 14:05:00"),
        (b"Saturday  9 Mar 2024 14:05:33", "2024-03-09 14:05:33"),
        (b"Sat  9 Mar 24 29:05\0", "2024-03-09 00:05:00"),
    ],
)
def test_flawed_seadog_has_both_marks(raw: bytes, moment: str) -> None:
    """A SEAdog date that is not quite one keeps the mark of its form beside that of the flaw."""
    assert parse_date(raw) == FtsDate(datetime.fromisoformat(moment), DateFlaw.SEADOG | DateFlaw.FLAWED)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        bytes(20),
        b" " * 19 + b"\0",
        b"00 Jan 00  00:00:00",
        b"31 Feb 24  14:05:06",
        b"29 Feb 23  14:05:06",
        b"09 Foo 24  14:05:06",
        b"09 Mar 200  14:05:06",
        b"09 Mar 0024  14:05:06",
        b"09 Mar 9999  14:05:06",
        b"09 Mar 20241  14:05:06",
        b"no date at all",
        b"\xff" * 20,
    ],
)
def test_without_a_date_there_is_no_value(raw: bytes) -> None:
    """What holds no date, or a day that never was, gives no value and is marked broken."""
    assert parse_date(raw) == FtsDate(None, DateFlaw.BROKEN)


DATE_LIKE = st.lists(
    st.sampled_from([b" ", b":", b"9", b"31", b"Mar", b"feb", b"Sat", b"24", b"124", b"\0", b"<", b"\xe9"]), max_size=14
).map(b"".join)


@given(st.one_of(st.binary(max_size=40), DATE_LIKE))
def test_anything_is_read_without_an_error(raw: bytes) -> None:
    """Any bytes give either a value in the years JAM can hold or the mark of a broken date, never an exception."""
    date = parse_date(raw)
    if date.value is None:
        assert date.flaws == DateFlaw.BROKEN
    else:
        assert 1970 <= date.value.year <= 2105
        assert DateFlaw.BROKEN not in date.flaws
