from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tosser.codec.packed_message import (
    NAME_LENGTH,
    SUBJECT_LENGTH,
    PackedMessage,
    build_message_head,
    build_message_tail,
    build_packed_message,
    cut_field,
    forward_tail,
)

HELLO = PackedMessage(0, 100, 101, 5001, 5002, 1, 0, b"09 Mar 24  14:05:06", b"All", b"Joe", b"Hello", b"AREA:T\rHi\r")
HELLO_BYTES = (
    bytes.fromhex("02 00 64 00 65 00 89 13 8a 13 01 00 00 00") + b"09 Mar 24  14:05:06\0All\0Joe\0Hello\0AREA:T\rHi\r\0"
)


def test_written_bytes() -> None:
    """A message is fourteen bytes of numbers, a date of twenty bytes and four strings."""
    assert build_packed_message(HELLO) == HELLO_BYTES


def test_head_and_tail() -> None:
    """The part that differs between links and the part that does not make up the message."""
    tail = build_message_tail(date=HELLO.date, to=b"All", sender=b"Joe", subject=b"Hello", text=HELLO.text)
    assert build_message_head((100, 101, 5001, 5002), 1) + tail == HELLO_BYTES


@pytest.mark.parametrize("date", [b"09 Mar 24  14:05:06", b"x", b""])
def test_forwarded(date: bytes) -> None:
    """What is forwarded is written as any other message, its text being put together from two parts."""
    message = replace(HELLO, date=date)
    tail = build_message_tail(date=date, to=b"All", sender=b"Joe", subject=b"Hello", text=b"AREA:T\rHi\rSEEN-BY: 1/2\r")
    assert forward_tail(message, b"AREA:T\rHi\r", b"SEEN-BY: 1/2\r") == tail


def test_short_date_is_padded() -> None:
    """The date field has twenty bytes and one NUL, whatever the length of the date."""
    assert build_packed_message(replace(HELLO, date=b"x"))[14:34] == b"x".ljust(19) + b"\0"


def test_long_fields_are_cut() -> None:
    """Names and subject never get longer than the standard allows."""
    tail = build_message_tail(date=b"", to=b"t" * 99, sender=b"s" * 36, subject=b"u" * 72, text=b"")
    assert tail[20:].split(b"\0") == [b"t" * 35, b"s" * 35, b"u" * 71, b"", b""]


@pytest.mark.parametrize(
    "message",
    [
        replace(HELLO, date=b"a\0b"),
        replace(HELLO, to=b"a\0b"),
        replace(HELLO, sender=b"a\0b"),
        replace(HELLO, subject=b"a\0b"),
        replace(HELLO, text=b"a\0b"),
    ],
)
def test_nul_in_a_field(message: PackedMessage) -> None:
    """A NUL would end the field early and damage the packet, so it is not written."""
    with pytest.raises(ValueError, match="NUL"):
        build_packed_message(message)


def test_date_of_twenty_bytes() -> None:
    """A date that leaves no room for its NUL is not written."""
    with pytest.raises(ValueError, match="longer than 19"):
        build_packed_message(replace(HELLO, date=b"x" * 20))


def test_number_of_more_than_16_bits() -> None:
    """A number that does not fit its field is not written."""
    with pytest.raises(ValueError, match="16 bits"):
        build_packed_message(replace(HELLO, dest_net=65536))


@pytest.mark.parametrize(
    ("raw", "length", "cut"),
    [
        (b"abc", 3, b"abc"),
        (b"abcd", 3, b"abc"),
        ("aé".encode(), 2, b"a"),
        ("aéb".encode(), 3, "aé".encode()),
        ("€€".encode(), 5, "€".encode()),
        ("😀".encode(), 3, b""),
        (b"ab\x82\x83", 3, b"ab\x82"),
        (b"ab\xc3", 2, b"ab"),
    ],
)
def test_cut_field(raw: bytes, length: int, cut: bytes) -> None:
    """UTF-8 is cut between code points, other charsets at the byte."""
    assert cut_field(raw, length) == cut


@given(st.text(max_size=60), st.integers(0, 80))
@example("é" * 40, NAME_LENGTH)
@example("é" * 40, SUBJECT_LENGTH)
def test_cut_utf_8_stays_utf_8(text: str, length: int) -> None:
    """UTF-8 stays a beginning of the same text, and not more than one code point shorter than need be."""
    cut = cut_field(text.encode(), length)
    assert text.startswith(cut.decode())
    assert min(length, len(text.encode())) - 3 <= len(cut) <= length
