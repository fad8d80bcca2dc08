from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from tosser.codec.jam import (
    COUNTERS_OFFSET,
    FIXED_HEADER_LENGTH,
    MESSAGE_HEADER_LENGTH,
    NONE,
    FixedHeader,
    IndexRecord,
    JamAttribute,
    MessageHeader,
    Subfield,
    SubfieldId,
    build_counters,
    build_fixed_header,
    build_index_record,
    build_message_header,
    build_subfields,
    jam_crc,
    parse_fixed_header,
    parse_index,
    parse_message_header,
    parse_subfields,
    subfields_length,
)
from tosser.errors import JamError

FIXED = FixedHeader(created=0x65EC6C92, mod_counter=1, active=1)
FIXED_BYTES = bytes.fromhex("4a414d00 926cec65 01000000 01000000 ffffffff 01000000").ljust(FIXED_HEADER_LENGTH, b"\0")

SUBFIELDS = [
    Subfield(SubfieldId.SENDERNAME, b"Joe"),
    Subfield(SubfieldId.RECEIVERNAME, b"All"),
    Subfield(SubfieldId.SUBJECT, b"Hello"),
    Subfield(SubfieldId.MSGID, b"2:5001/100.7 65ec6b92"),
    Subfield(SubfieldId.OADDRESS, b"2:5001/100.7"),
    Subfield(SubfieldId.SEENBY2D, b"5001/100"),
    Subfield(SubfieldId.PATH2D, b"5001/100"),
]
HEADER = MessageHeader(
    subfield_length=0x74,
    msgid_crc=0x77F517FF,
    written=0x65EC6C92,
    processed=0x65EC6CCE,
    number=1,
    attribute=JamAttribute.TYPEECHO,
    text_length=37,
)
HEADER_BYTES = bytes.fromhex("""
    4a 41 4d 00 01 00 00 00 74 00 00 00 00 00 00 00
    ff 17 f5 77 ff ff ff ff 00 00 00 00 00 00 00 00
    00 00 00 00 92 6c ec 65 00 00 00 00 ce 6c ec 65
    01 00 00 00 00 00 00 01 00 00 00 00 00 00 00 00
    25 00 00 00 ff ff ff ff 00 00 00 00
""")
SUBFIELD_BYTES = bytes.fromhex("""
                                        02 00 00 00
    03 00 00 00 4a 6f 65 03 00 00 00 03 00 00 00 41
    6c 6c 06 00 00 00 05 00 00 00 48 65 6c 6c 6f 04
    00 00 00 15 00 00 00 32 3a 35 30 30 31 2f 31 30
    30 2e 37 20 36 35 65 63 36 62 39 32 00 00 00 00
    0c 00 00 00 32 3a 35 30 30 31 2f 31 30 30 2e 37
    d1 07 00 00 08 00 00 00 35 30 30 31 2f 31 30 30
    d2 07 00 00 08 00 00 00 35 30 30 31 2f 31 30 30
""")
INDEX = [IndexRecord(0xC4E78E22, 1024)]
INDEX_BYTES = bytes.fromhex("22 8e e7 c4 00 04 00 00")


def test_fixed_header_both_ways() -> None:
    """The fixed header of the worked example is written and read byte for byte."""
    assert build_fixed_header(FIXED) == FIXED_BYTES
    assert parse_fixed_header(FIXED_BYTES) == FIXED


def test_message_header_both_ways() -> None:
    """The message header of the worked example is written and read byte for byte."""
    assert build_message_header(HEADER) == HEADER_BYTES
    assert len(HEADER_BYTES) == MESSAGE_HEADER_LENGTH
    assert parse_message_header(b"before" + HEADER_BYTES + b"behind", 6) == HEADER


def test_subfields_both_ways() -> None:
    """The subfields of the worked example are written and read byte for byte."""
    assert build_subfields(SUBFIELDS) == SUBFIELD_BYTES
    assert subfields_length(SUBFIELDS) == len(SUBFIELD_BYTES)
    assert len(SUBFIELD_BYTES) == HEADER.subfield_length
    assert parse_subfields(SUBFIELD_BYTES) == SUBFIELDS


def test_index_both_ways() -> None:
    """The index record of the worked example is written and read byte for byte."""
    assert b"".join(build_index_record(*record) for record in INDEX) == INDEX_BYTES
    assert parse_index(INDEX_BYTES) == INDEX


def test_counters_replace_those_of_the_fixed_header() -> None:
    """The counters stand where the fixed header has them, and wrap at 32 bits."""
    counters = build_counters(0x100000002, 7)
    patched = FIXED_BYTES[:COUNTERS_OFFSET] + counters + FIXED_BYTES[COUNTERS_OFFSET + len(counters) :]
    assert parse_fixed_header(patched) == FixedHeader(created=0x65EC6C92, mod_counter=2, active=7)


@pytest.mark.parametrize(
    ("text", "crc"),
    [
        (b"", NONE),
        (b"All", 0xC4E78E22),
        (b"all", 0xC4E78E22),
        (b"Joe", 0x9A438AA4),
        (b"123456789", 0x340BC6D9),
        (b"2:5001/100.7 65ec6b92", 0x77F517FF),
    ],
)
def test_crc(text: bytes, crc: int) -> None:
    """The CRC is that of the lower-case text, not inverted."""
    assert jam_crc(text) == crc


def test_crc_leaves_letters_beyond_ascii_alone() -> None:
    """Only ASCII letters are folded, so names that differ in another script's case differ."""
    assert jam_crc("Ж".encode("cp866")) != jam_crc("ж".encode("cp866"))


@pytest.mark.parametrize(("cut", "offset"), [(FIXED_BYTES[:27], 27), (b"", 0), (b"JAM\1" + FIXED_BYTES[4:], 0)])
def test_fixed_header_refused(cut: bytes, offset: int) -> None:
    """A fixed header that is cut or has no signature is refused, with the place."""
    with pytest.raises(JamError) as refusal:
        parse_fixed_header(cut)
    assert refusal.value.offset == offset


@pytest.mark.parametrize("at", [-1, 1, 4, 77, 1 << 40])
def test_message_header_refused(at: int) -> None:
    """Where no whole message header stands it is refused, whatever the offset is."""
    with pytest.raises(JamError):
        parse_message_header(HEADER_BYTES + b"\0", at)


def test_index_refused() -> None:
    """An index that ends inside a record is refused."""
    with pytest.raises(JamError) as refusal:
        parse_index(INDEX_BYTES + b"\0")
    assert refusal.value.offset == 9


def test_subfields_end_at_an_overrun() -> None:
    """A subfield that would reach beyond the data ends the reading; those before it are kept."""
    assert parse_subfields(SUBFIELD_BYTES[:-1]) == SUBFIELDS[:-1]
    assert parse_subfields(SUBFIELD_BYTES + b"\0\0\0\0\xff\xff\xff\xff") == SUBFIELDS
    assert parse_subfields(SUBFIELD_BYTES + b"\0\0\0") == SUBFIELDS


def test_subfields_end_at_the_next_header() -> None:
    """Where a length stated too large takes in the next message header, that is not read as a subfield."""
    assert parse_subfields(SUBFIELD_BYTES + HEADER_BYTES + SUBFIELD_BYTES) == SUBFIELDS


WORD = st.integers(0, 0xFFFFFFFF)
SUBFIELD_LISTS = st.lists(st.builds(Subfield, st.integers(0, 0xFFFF), st.binary(max_size=40)))


@given(st.builds(FixedHeader, *[WORD] * 6))
def test_any_fixed_header_survives(header: FixedHeader) -> None:
    """What is built of any fixed header reads back as it."""
    assert parse_fixed_header(build_fixed_header(header)) == header


@given(st.builds(MessageHeader, *[WORD] * len(astuple(HEADER))))
def test_any_message_header_survives(header: MessageHeader) -> None:
    """What is built of any message header reads back as it."""
    assert parse_message_header(build_message_header(header)) == header


@given(SUBFIELD_LISTS)
def test_any_subfields_survive(fields: list[Subfield]) -> None:
    """What is built of any subfields reads back as them."""
    assert parse_subfields(build_subfields(fields)) == fields


@given(st.one_of(st.binary(max_size=120), st.binary(max_size=120).map(lambda tail: b"JAM\0\1\0\0\0" + tail)))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever the bytes are, the parsers read them or raise JamError."""
    for parse in (parse_fixed_header, parse_message_header, parse_index):
        with suppress(JamError):
            parse(data)
    assert len(build_subfields(parse_subfields(data))) <= len(data)
