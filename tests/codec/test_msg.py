from __future__ import annotations

import struct
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tosser.address import Address
from tosser.codec.msg import (
    ATTRIBUTE_OFFSET,
    HEADER_LENGTH,
    StoredMessage,
    build_msg,
    from_stored,
    parse_msg,
    to_stored,
)
from tosser.codec.stored import BaseMessage, MessageKind
from tosser.errors import MsgError

WRITTEN = datetime.fromisoformat("2024-03-09T14:05:06")
ARRIVED = datetime.fromisoformat("2026-11-01T08:00:00")
FROM_US = StoredMessage(
    sender=b"Ada Sample",
    to=b"Joe Other",
    subject=b"Hello",
    date=b"09 Mar 24  14:05:06",
    dest_node=6,
    orig_node=4,
    orig_net=123,
    dest_net=345,
    dest_zone=2,
    orig_zone=1,
    dest_point=7,
    orig_point=5,
    attributes=0x0181,
    text=b"\x01INTL 2:345/6 1:123/4\r\x01FMPT 5\r\x01TOPT 7\rHi\r",
)
NUMBERS = {
    "times_read": 164, "dest_node": 166, "orig_node": 168, "cost": 170, "orig_net": 172, "dest_net": 174,
    "dest_zone": 176, "orig_zone": 178, "dest_point": 180, "orig_point": 182, "reply_to": 184, "attributes": 186,
    "next_reply": 188,
}  # fmt: skip


def netmail(**fields: object) -> BaseMessage:
    """A netmail in which only what the test is about is set."""
    usual = BaseMessage(
        kind=MessageKind.NETMAIL,
        sender=b"Ada Sample",
        to=b"Joe Other",
        subject=b"Hello",
        kludges=(b"MSGID: 1:123/4.5 00000001",),
        body=b"Hi\r",
        seen_by=(),
        path=(),
        origin=Address(1, 123, 4, 5),
        dest=Address(2, 345, 6, 7),
        written=WRITTEN,
        arrived=0,
        attributes=0,
    )
    return replace(usual, **fields)


def test_the_bytes_of_the_standard() -> None:
    """The fields lie where FTS-0001 has them: an example that was worked out by hand."""
    data = build_msg(FROM_US)
    assert data[0x90:0xBE] == bytes.fromhex(
        "3039204d617220323420203134 3a30353a303600 0000 0600 0400 0000 7b00 5901 0200 0100 0700 0500 0000 8101 0000"
    )
    assert (data[:11], data[36:46], data[72:78]) == (b"Ada Sample\0", b"Joe Other\0", b"Hello\0")
    assert data[HEADER_LENGTH:] == FROM_US.text + b"\0"


@pytest.mark.parametrize("field", NUMBERS)
def test_every_number_has_its_place(field: str) -> None:
    """Each field is read from, and written to, its own two bytes alone."""
    data = bytearray(HEADER_LENGTH)
    struct.pack_into("<H", data, NUMBERS[field], 0xABCD)
    assert parse_msg(bytes(data)) == replace(StoredMessage(b"", b"", b"", b""), **{field: 0xABCD})
    assert build_msg(parse_msg(bytes(data)))[:HEADER_LENGTH] == data


def test_the_attribute_word_can_be_changed_in_place() -> None:
    """The offset of the attribute word is that of its field."""
    assert NUMBERS["attributes"] == ATTRIBUTE_OFFSET


STRINGS = st.binary(max_size=35).filter(lambda raw: b"\0" not in raw)
WORDS = st.integers(0, 0xFFFF)


@given(
    names=st.tuples(STRINGS, STRINGS, STRINGS, STRINGS.map(lambda raw: raw[:19])),
    numbers=st.lists(WORDS, min_size=13, max_size=13),
    text=st.binary(max_size=300).map(lambda raw: raw.replace(b"\0", b"")),
)
def test_what_is_written_is_read(names: tuple[bytes, ...], numbers: list[int], text: bytes) -> None:
    """Every stored message comes back as it was."""
    message = StoredMessage(*names, *numbers, text)  # type: ignore[call-arg,arg-type]  # mypy does not count what is unpacked
    assert parse_msg(build_msg(message)) == message


@given(data=st.one_of(st.binary(max_size=400), st.binary(min_size=HEADER_LENGTH, max_size=HEADER_LENGTH + 60)))
def test_any_bytes(data: bytes) -> None:
    """Whatever the bytes are, they are read or refused, and what was read can be written and made mail of."""
    if len(data) < HEADER_LENGTH:
        with pytest.raises(MsgError) as refused:
            parse_msg(data)
        assert refused.value.offset == len(data)
        return
    found = parse_msg(data)
    if len(found.date) <= 19:
        assert parse_msg(build_msg(found)).text == found.text
    assert from_stored(found, 0, [1, 2]).attributes & 0x20 == 0


def test_names_that_fill_their_fields() -> None:
    """A name without NUL is read whole, and written with one."""
    data = b"a" * 36 + b"b" * 36 + b"c" * 72 + b"d" * 20 + bytes(26) + b"text without an end"
    found = parse_msg(data)
    assert (found.sender, found.to, found.subject, found.date) == (b"a" * 36, b"b" * 36, b"c" * 72, b"d" * 20)
    assert found.text == b"text without an end"
    built = build_msg(replace(found, date=b""))
    assert (built[:36], built[72:144]) == (b"a" * 35 + b"\0", b"c" * 71 + b"\0")


@pytest.mark.parametrize(
    "wrong", [{"date": b"1" * 20}, {"text": b"a\0b"}, {"sender": b"\0"}, {"cost": 0x10000}, {"dest_zone": -1}]
)
def test_what_cannot_be_written(wrong: dict[str, object]) -> None:
    """A field that would spoil the file is refused."""
    with pytest.raises(ValueError, match=r"NUL|16 bits"):
        build_msg(replace(FROM_US, **wrong))


@pytest.mark.parametrize(
    ("kludges", "text"),
    [
        ((), b"\x01INTL 2:345/6 1:123/4\r\x01FMPT 5\r\x01TOPT 7\rHi\r"),
        ((b"TOPT 7", b"INTL 2:345/6 1:123/4"), b"\x01FMPT 5\r\x01TOPT 7\r\x01INTL 2:345/6 1:123/4\rHi\r"),
        ((b"intl 9:1/1 1:123/4", b"FMPT 5", b"TOPT 7"), b"\x01intl 9:1/1 1:123/4\r\x01FMPT 5\r\x01TOPT 7\rHi\r"),
        (
            (b"INTL broken", b"FMPT 5", b"TOPT 7"),
            b"\x01INTL 2:345/6 1:123/4\r\x01INTL broken\r\x01FMPT 5\r\x01TOPT 7\rHi\r",
        ),
        (
            (b"Via 1:123/4 @x", b"PID: P", b"INTL 2:345/6 1:123/4", b"FMPT 5", b"TOPT 7"),
            b"\x01PID: P\r\x01INTL 2:345/6 1:123/4\r\x01FMPT 5\r\x01TOPT 7\rHi\r\x01Via 1:123/4 @x\r",
        ),
    ],
)
def test_control_lines(kludges: tuple[bytes, ...], text: bytes) -> None:
    """What the message lacks of INTL, FMPT and TOPT is added; Via lines stand at the end; the rest is kept."""
    stored = to_stored(netmail(kludges=kludges), ARRIVED)
    assert stored.text == text
    assert replace(stored, text=FROM_US.text, attributes=FROM_US.attributes) == FROM_US


def test_no_points_and_no_date() -> None:
    """Nodes have neither FMPT nor TOPT, and what has no date gets that of its arrival."""
    stored = to_stored(
        netmail(origin=Address(1, 123, 4), dest=Address(1, 5, 6), kludges=(), written=None, body=b"no end"), ARRIVED
    )
    assert stored.text == b"\x01INTL 1:5/6 1:123/4\rno end\r"
    assert stored.date == b"01 Nov 26  08:00:00"
    assert to_stored(netmail(origin=None, dest=None, kludges=()), ARRIVED).text == b"Hi\r"


@pytest.mark.parametrize(
    ("in_transit", "attributes", "word"), [(False, 0x0011, 0x0011), (True, 0x0003, 0x0023), (True, 0x0022, 0x0022)]
)
def test_attributes(in_transit: bool, attributes: int, word: int) -> None:  # noqa: FBT001 - a column of the table
    """Private, crash and file attach are kept as they are; what passes through is in transit."""
    stored = to_stored(netmail(in_transit=in_transit, attributes=attributes), ARRIVED)
    assert stored.attributes == word
    back = from_stored(stored, 0)
    assert (back.in_transit, back.attributes) == (in_transit, attributes & ~0x20)


PLAIN = replace(FROM_US, text=b"Hi\r")


@pytest.mark.parametrize(
    ("stored", "zones", "origin", "dest"),
    [
        (PLAIN, [3, 2, 1], "1:123/4.5", "2:345/6.7"),
        (PLAIN, [1], "1:123/4", "1:345/6"),  # zone 2 is not known, so these are no zones
        (replace(PLAIN, dest_zone=0, orig_zone=0), [0, 1], "0:123/4", "0:345/6"),
        (replace(PLAIN, orig_point=0xFFFF), [1, 2], "1:123/4", "1:345/6"),
        (replace(PLAIN, dest_zone=22633, orig_zone=28835), [5, 1], "5:123/4", "5:345/6"),  # the dates of Opus
        (replace(PLAIN, text=b"\x01INTL 2:1/1 4:3/2\rHi\r"), [1, 2], "4:3/2", "2:1/1"),
        (replace(PLAIN, text=b"\x01INTL 2:1/1 4:3/2\r\x01FMPT 8\rHi\r"), [], "4:3/2.8", "2:1/1"),
        (replace(PLAIN, text=b"\x01TOPT 9\rHi\r"), [1, 2], "1:123/4.5", "2:345/6.9"),
    ],
)
def test_addresses(stored: StoredMessage, zones: list[int], origin: str, dest: str) -> None:
    """Control lines win; the fields count where they can be zones we know; else the first zone we know is meant."""
    message = from_stored(stored, 0, zones)
    assert (str(message.origin), str(message.dest)) == (origin, dest)


def test_no_addresses() -> None:
    """Who knows no zone learns no address from a message without INTL."""
    assert (from_stored(PLAIN, 0).origin, from_stored(PLAIN, 0).dest) == (None, None)


def test_dates_of_opus() -> None:
    """The second meaning of zones and points: two DOS dates, of which the first stands in for a broken date."""
    opus = replace(PLAIN, dest_zone=22633, orig_zone=28835, dest_point=22634, orig_point=0)
    assert opus.opus_written == WRITTEN
    assert opus.opus_arrived == datetime.fromisoformat("2024-03-10T00:00:00")
    assert from_stored(replace(opus, date=b"junk"), 0, [1]).written == WRITTEN
    assert from_stored(replace(PLAIN, date=b"junk"), 0, [1, 2]).written is None
    assert FROM_US.opus_written is None


BODIES = st.lists(st.sampled_from([b"Hi", b"", b"--- x", b" * Origin: here (1:1/1)", b"SEEN-BY: 1/1"]), max_size=6)


@given(
    kludges=st.lists(
        st.sampled_from([b"MSGID: 1:1/1 00000001", b"Via 1:1/1", b"PID: P", b"INTL 2:1/1 1:2/3"]), max_size=5
    ),
    body=BODIES.map(lambda lines: b"".join(line + b"\r" for line in lines)),
    points=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    seen_by=st.lists(st.just(b"1/1 2"), max_size=2),
)
def test_netmail_comes_back(kludges: list[bytes], body: bytes, points: tuple[int, int], seen_by: list[bytes]) -> None:
    """Netmail that was stored is read back with its body, its control lines and its addresses."""
    origin, dest = Address(1, 2, 3, points[0]), Address(2, 1, 1, points[1])
    message = netmail(kludges=kludges, body=body, origin=origin, dest=dest, seen_by=seen_by)
    back = from_stored(parse_msg(build_msg(to_stored(message, ARRIVED))), 0)
    assert (back.body, back.origin, back.dest, back.written) == (body, origin, dest, WRITTEN)
    added = [line for line in back.kludges if line.split()[0] in {b"INTL", b"FMPT", b"TOPT", b"SEEN-BY:"}]
    assert sorted([*kludges, *added]) == sorted([*back.kludges, *(line for line in kludges if line[:4] == b"INTL")])
