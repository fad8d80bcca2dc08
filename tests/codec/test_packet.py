from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.bad_mail import TOLERATED, BadInput, damaged, truncations
from tests.mail import packet_header
from tosser.address import Address
from tosser.codec.packed_message import skip_usual
from tosser.codec.packet import (
    PackedMessage,
    Packet,
    PacketHeader,
    PacketLimits,
    PacketReader,
    PacketType,
    PacketWarning,
    build_packed_message,
    build_packet,
    parse_packet,
)
from tosser.errors import PacketError
from tosser.reason import FileState, Reason

HEADER = PacketHeader(PacketType.TYPE_2PLUS, Address(1337, 1, 100), Address(1337, 1, 200))
FIRST = PackedMessage(58, 100, 200, 1, 1, 0, 0, b"09 Mar 24  14:05:06", b"All", b"Ada", b"One", b"AREA:T\rHi\r")
SECOND = replace(FIRST, offset=115, subject=b"Two")
HEAD = b"\2\0" + b"\1\0" * 6
DATE = b"09 Mar 24  14:05:06\0"
WHOLE = build_packet(HEADER, [FIRST, SECOND])
GOOD = WHOLE[:-2]
SMALL = PacketLimits(text=300, warnings=3)


def read_in_pieces(data: bytes, sizes: list[int], limits: PacketLimits = SMALL) -> Packet:
    """Read a packet with pieces of these sizes, over and over."""
    reader = PacketReader(limits)
    messages: list[PackedMessage] = []
    at = 0
    while at < len(data):
        size = sizes[0]
        sizes = [*sizes[1:], size]
        messages += reader.feed(data[at : at + size])
        at += size
    messages += reader.finish()
    assert reader.header is not None
    return Packet(reader.header, messages, reader.warnings, reader.trailing)


def refusal(data: bytes, limits: PacketLimits = SMALL) -> tuple[Reason, int | None]:
    """Reason and offset with which a packet is refused."""
    with pytest.raises(PacketError) as caught:
        parse_packet(data, limits)
    return caught.value.reason, caught.value.offset


def outcome(data: bytes, sizes: list[int] | None) -> Packet | tuple[Reason, int | None, str]:
    """The packet or why it was refused; read in pieces, or whole without sizes."""
    try:
        return parse_packet(data, SMALL) if sizes is None else read_in_pieces(data, sizes)
    except PacketError as error:
        return error.reason, error.offset, error.what


def test_worked_example() -> None:
    """A message of a point to its boss is read from these bytes, and written as them."""
    message = bytes.fromhex(
        "02 00 64 00 64 00 89 13 89 13 00 00 00 00 30 39 20 4d 61 72 20 32 34 20 20 31 34 3a 30 35 3a 30"
        "36 00 41 6c 6c 00 4a 6f 65 00 48 65 6c 6c 6f 00"
    )
    text = (
        b"AREA:TEST.LOCAL\r\x01MSGID: 2:5001/100.7 65ec6b92\rHi\r--- x\r * Origin: o (2:5001/100.7)\r"
        b"SEEN-BY: 5001/100\r\x01PATH: 5001/100\r"
    )
    data = packet_header("2:5001/100.7", "2:5001/100", b"SECRET") + message + text + b"\0\0\0"
    packet = parse_packet(data)
    expected = PackedMessage(58, 100, 100, 5001, 5001, 0, 0, b"09 Mar 24  14:05:06", b"All", b"Joe", b"Hello", text)
    assert packet.messages == [expected]
    assert (packet.warnings, packet.trailing) == ([], 0)
    assert build_packed_message(expected) == data[58:-2]


numbers = st.integers(0, 65535)
strings = st.binary(max_size=35).filter(lambda raw: b"\0" not in raw)
messages = st.builds(
    PackedMessage,
    offset=st.just(0),
    orig_node=numbers,
    dest_node=numbers,
    orig_net=numbers,
    dest_net=numbers,
    attributes=numbers,
    cost=numbers,
    date=st.binary(max_size=19).filter(lambda raw: b"\0" not in raw),
    to=strings,
    sender=strings,
    subject=st.binary(max_size=71).filter(lambda raw: b"\0" not in raw),
    text=st.binary(max_size=300).filter(lambda raw: b"\0" not in raw),
    truncated_fields=st.just(value=False),
)


@given(st.lists(messages, max_size=4), st.lists(st.integers(1, 90), min_size=1, max_size=5))
def test_built_packets_come_back(written: list[PackedMessage], sizes: list[int]) -> None:
    """Whatever messages a packet is built from are read from it, each with its offset, in pieces of any size.

    Only a date that is short comes back with blanks behind it.
    """
    data = build_packet(HEADER, written)
    packet = parse_packet(data, SMALL)
    assert packet == read_in_pieces(data, sizes)
    assert (packet.header, packet.warnings, packet.trailing) == (HEADER, [], 0)
    padded = [replace(message, date=message.date.ljust(19)) for message in written]
    assert [replace(message, offset=0) for message in packet.messages] == padded
    for message in packet.messages:
        assert data.startswith(build_packed_message(message), message.offset)


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    """Packets with some bytes overwritten, inserted, cut off or added."""
    data = bytearray(build_packet(HEADER, draw(st.lists(messages, max_size=3))))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(20, len(data)))
        new = draw(
            st.sampled_from([b"\0", b"\2\0", b"\0\0", b"x" * 40, b"x" * 150, HEAD, DATE]) | st.binary(max_size=4)
        )
        data[at : at + draw(st.sampled_from([0, len(new)]))] = new
    end = draw(st.just(len(data)) | st.integers(58, len(data)))
    return bytes(data[:end]) + draw(st.sampled_from([b"", b"\0", b"\x1a\x1a", b"junk", bytes(70), WHOLE]))


@given(mutilated(), st.lists(st.integers(1, 90), min_size=1, max_size=5))
def test_pieces_make_no_difference(data: bytes, sizes: list[int]) -> None:
    """A damaged packet is read with the same result, warnings or error, however it is cut into pieces."""
    assert outcome(data, sizes) == outcome(data, None)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_packet_or_an_error(rest: bytes) -> None:
    """Arbitrary bytes behind a header are messages, or refused with a reason and an offset within the file."""
    data = WHOLE[:58] + rest
    try:
        packet = parse_packet(data, SMALL)
    except PacketError as error:
        offset = error.offset
    else:
        offset = 58 + packet.trailing
    assert offset is not None
    assert 58 <= offset <= len(data)


@pytest.mark.parametrize("case", [*damaged(), *truncations()], ids=lambda case: case.name)
def test_fates_of_damaged_packets(case: BadInput) -> None:
    """Each damaged packet is accepted, or refused as a whole, with the reason that is expected of it."""
    refused = case.expected not in {TOLERATED, FileState.EMPTY, Reason.TRAILING_JUNK}
    if refused or not case.data:
        reason = Reason(case.expected) if refused else Reason.HEADER_SHORT
        assert refusal(case.data, PacketLimits())[0] is reason
    else:
        packet = parse_packet(case.data)
        assert len(packet.messages) == case.messages
        assert bool(packet.trailing) is (case.expected == Reason.TRAILING_JUNK)


@pytest.mark.parametrize(
    ("data", "count", "codes", "trailing"),
    [
        (WHOLE, 2, [], 0),
        (GOOD, 2, ["no-terminator"], 0),
        (GOOD + b"\0", 2, ["half-terminator"], 0),
        (GOOD[:58], 0, ["no-terminator"], 0),
        (GOOD[:58] + b"\0\0", 0, [], 0),
        (WHOLE + b"\0\0", 2, [], 0),
        (WHOLE + b"\x1a", 2, [], 0),
        (WHOLE + b"\0\x1a" * 64, 2, [], 0),
        (WHOLE + b"\x1aX\0", 2, ["trailing-junk"], 3),
        (WHOLE + b"NO CARRIER" * 9, 2, ["trailing-junk"], 90),
        (WHOLE + WHOLE[:57], 2, ["trailing-junk"], 57),
    ],
)
def test_ends_of_packets(data: bytes, count: int, codes: list[str], trailing: int) -> None:
    """A packet may end without its terminator, and with anything behind it that is not another packet."""
    packet = parse_packet(data)
    assert packet == read_in_pieces(data, [1])
    assert len(packet.messages) == count
    assert [warning.code for warning in packet.warnings] == codes
    assert packet.trailing == trailing


def test_warning_says_where() -> None:
    """A warning has a code, an offset from the start of the packet, and a sentence."""
    assert parse_packet(WHOLE + b"junk").warnings == [
        PacketWarning("trailing-junk", len(WHOLE), "4 bytes follow the end of the packet")
    ]


@pytest.mark.parametrize(
    ("data", "reason", "offset"),
    [
        (b"", Reason.HEADER_SHORT, 0),
        (WHOLE[:57], Reason.HEADER_SHORT, 0),
        (WHOLE[:18] + b"\3\0" + WHOLE[20:], Reason.PACKET_TYPE, 18),
        (GOOD + b"\2", Reason.TRUNCATED, len(GOOD)),
        (GOOD + b"\1", Reason.DAMAGED, len(GOOD)),
        (GOOD + b"\x1a\x1a", Reason.DAMAGED, len(GOOD)),
        (GOOD + b"\0\2", Reason.DAMAGED, len(GOOD)),
        (GOOD[:-1], Reason.TRUNCATED, SECOND.offset),
        (GOOD + HEAD, Reason.TRUNCATED, len(GOOD)),
        (GOOD + HEAD + DATE[:-1], Reason.TRUNCATED, len(GOOD)),
        (GOOD + HEAD + b"x" * 20, Reason.DAMAGED, len(GOOD) + 14),
        (GOOD + HEAD + DATE + b"x" * 143, Reason.TRUNCATED, len(GOOD)),
        (GOOD + HEAD + DATE + b"x" * 144, Reason.FIELD_TOO_LONG, len(GOOD) + 34),
        (GOOD + HEAD + DATE + b"\0\0" + b"x" * 288 + b"\0", Reason.FIELD_TOO_LONG, len(GOOD) + 36),
        (GOOD + HEAD + DATE + b"\0\0\0" + b"x" * 300, Reason.TRUNCATED, len(GOOD)),
        (GOOD + HEAD + DATE + b"\0\0\0" + b"x" * 301, Reason.TEXT_TOO_LONG, len(GOOD) + 37),
        (GOOD + HEAD + DATE + b"\0\0\0" + b"x" * 301 + b"\0\0\0", Reason.TEXT_TOO_LONG, len(GOOD) + 37),
        (GOOD.replace(b"Hi", b"H\0i"), Reason.DAMAGED, SECOND.offset - 2),
        (WHOLE * 2, Reason.CONCATENATED, len(WHOLE)),
    ],
)
def test_refusals(data: bytes, reason: Reason, offset: int) -> None:
    """A packet is refused with the reason and the place, and alike when its bytes come one by one."""
    assert refusal(data) == (reason, offset)
    reader = PacketReader(SMALL)
    with pytest.raises(PacketError) as caught:
        [reader.feed(data[at : at + 1]) for at in range(len(data))].append(reader.finish())
    assert (caught.value.reason, caught.value.offset) == (reason, offset)


def test_longest_text() -> None:
    """A text as long as the limit is read."""
    longest = replace(FIRST, text=b"x" * 300)
    assert parse_packet(build_packet(HEADER, [longest]), SMALL).messages == [longest]


def test_messages_before_the_damage() -> None:
    """A reader that refuses a packet still has the messages that stand whole before the damage."""
    reader = PacketReader()
    with pytest.raises(PacketError):
        reader.feed(GOOD + b"NO CARRIER")
    assert reader.decoded == [FIRST, SECOND]


def test_messages_before_a_sudden_end() -> None:
    """The whole messages before a sudden end come from feeding; ending raises."""
    reader = PacketReader()
    assert reader.feed(GOOD + HEAD) == [FIRST, SECOND]
    with pytest.raises(PacketError):
        reader.finish()
    assert reader.decoded == []


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ((b"x" * 36, b"Ada", b"One"), (b"x" * 35, b"Ada", b"One")),
        ((b"x" * 143, b"Ada", b"One"), (b"x" * 35, b"Ada", b"One")),
        ((b"All", b"x" * 36, b"One"), (b"All", b"x" * 35, b"One")),
        ((b"All", b"Ada", b"x" * 72), (b"All", b"Ada", b"x" * 71)),
        ((b"All", b"Ada", b"x" * 287), (b"All", b"Ada", b"x" * 71)),
        (("é".encode() * 18, b"Ada", b"One"), ("é".encode() * 17, b"Ada", b"One")),
    ],
)
def test_overlong_fields(raw: tuple[bytes, ...], read: tuple[bytes, ...]) -> None:
    """A name or subject up to four times too long is cut, in UTF-8 between code points, and said to be."""
    packet = parse_packet(WHOLE[:58] + HEAD + DATE + b"\0".join(raw) + b"\0Hi\r\0" + GOOD[58:] + b"\0\0")
    first = packet.messages[0]
    assert (first.to, first.sender, first.subject, first.text) == (*read, b"Hi\r")
    assert [message.truncated_fields for message in packet.messages] == [True, False, False]
    assert [(warning.code, warning.offset) for warning in packet.warnings] == [("overlong-field", 58)]


@pytest.mark.parametrize(
    ("field", "date", "codes"),
    [
        (b"Sat  9 Mar 24 14:05\0", b"Sat  9 Mar 24 14:05", []),
        (b"09 Mar 124  14:05\0\0\0", b"09 Mar 124  14:05", []),
        (b"1 Nov 26 8:00\0", b"1 Nov 26 8:00", ["short-date"]),
        (b"\0", b"", ["short-date"]),
    ],
)
def test_dates_of_other_lengths(field: bytes, date: bytes, codes: list[str]) -> None:
    """A date that does not fill its field is read, whether the field has twenty bytes or ends with it."""
    packet = parse_packet(WHOLE[:58] + HEAD + field + b"All\0Ada Example, Sysop\0One\0Hi\r\0" + GOOD[58:] + b"\0\0")
    assert [message.date for message in packet.messages] == [date, FIRST.date, FIRST.date]
    assert packet.messages[0].to == b"All"
    assert [warning.code for warning in packet.warnings] == codes


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("cut", range(59, 210))
def test_messages_come_as_soon_as_they_are_whole(cut: int, size: int) -> None:
    """A message is returned with the piece in which its last byte is, wherever the packet is cut."""
    written = [replace(FIRST, text=b"x" * 100), replace(SECOND, offset=58 + 47 + 100)]
    data = build_packet(HEADER, written)
    ends = [written[1].offset, len(data) - 2]
    reader = PacketReader()
    for start, end in ((0, cut), (cut, cut + size), (cut + size, len(data))):
        expected = [message for message, its_end in zip(written, ends, strict=True) if start < its_end <= end]
        assert reader.feed(data[start:end]) == expected


def test_text_without_an_end() -> None:
    """A text that never ends is refused once it is over the limit, not held until the end of the packet."""
    reader = PacketReader(SMALL)
    reader.feed(WHOLE[:58] + HEAD + DATE + b"\0\0\0")
    assert [reader.feed(b"x" * 100) for _ in range(3)] == [[], [], []]
    with pytest.raises(PacketError) as caught:
        reader.feed(b"x")
    assert (caught.value.reason, caught.value.offset) == (Reason.TEXT_TOO_LONG, 58 + 37)


def test_last_message_shorter_than_a_date_field() -> None:
    """A message of a few bytes at the end of a packet is complete only when the packet has ended."""
    reader = PacketReader()
    assert reader.feed(WHOLE[:58] + HEAD + b"x\0\0\0\0Hi\r\0\0\0") == []
    (message,) = reader.finish()
    assert (message.date, message.to, message.text) == (b"x", b"", b"Hi\r")
    assert [warning.code for warning in reader.warnings] == ["short-date"]


def test_capability_mismatch() -> None:
    """A header read as type 2 because its capability word is spoilt is warned about."""
    packet = parse_packet(WHOLE[:40] + b"\0\3" + WHOLE[42:])
    assert packet.header.type is PacketType.TYPE_2
    assert [(warning.code, warning.offset) for warning in packet.warnings] == [("capability-mismatch", 40)]


def test_warnings_are_bounded() -> None:
    """A packet full of oddities yields no more warnings about single messages than the limit, yet all its messages."""
    odd = HEAD + DATE + b"x" * 36 + b"\0\0\0\0"
    packet = parse_packet(WHOLE[:58] + odd * 50, SMALL)
    assert len(packet.messages) == 50
    assert [warning.code for warning in packet.warnings] == ["overlong-field"] * 3 + ["no-terminator"]


def test_reader_holds_one_message_and_one_piece() -> None:
    """Reading a packet of many messages piece by piece takes memory for a piece and a message, not for the packet."""
    piece = b"".join(build_packed_message(replace(FIRST, text=b"x" * 1000)) for _ in range(60))
    reader = PacketReader()
    reader.feed(WHOLE[:58])
    tracemalloc.start()
    try:
        for _ in range(200):
            assert len(reader.feed(piece)) == 60
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * len(piece)


def test_long_text_in_small_pieces() -> None:
    """A text of megabytes that comes in pieces of a few bytes is found without searching it again for each piece."""
    text = b"x" * 1_000_000
    reader = PacketReader()
    data = build_packet(HEADER, [replace(FIRST, text=text)])
    searched = 0
    for at in range(0, len(data), 100):
        before = reader._searched
        if reader.feed(data[at : at + 100]):
            break
        searched += max(reader._searched - before, 0)
    (message,) = reader.decoded
    assert message.text == text
    assert searched < 2 * len(data)


@given(st.binary(min_size=1, max_size=100))
def test_anything_behind_the_terminator(tail: bytes) -> None:
    """What follows the terminator never changes the messages; more than padding is counted."""
    assume(len(tail) < 58 or tail[18:20] != b"\2\0")
    packet = parse_packet(WHOLE + tail)
    assert packet.messages == [FIRST, SECOND]
    assert packet.trailing == (len(tail) if tail.strip(b"\0\x1a") else 0)


def test_skipping_stops_before_what_is_not_whole() -> None:
    """At every cut of a packet, skipping ends where the last whole message does."""
    ends = [FIRST.offset, SECOND.offset, len(GOOD)]
    for length in range(FIRST.offset, len(WHOLE) + 1):
        assert skip_usual(WHOLE[:length], FIRST.offset) == max(end for end in ends if end <= length)


@pytest.mark.parametrize("odd", [b"\3\0" + GOOD[60:], b"\2\1" + GOOD[60:], b"\2\0" + HEAD[2:] + b"9 Mar\0" + GOOD[92:]])
def test_skipping_stops_before_what_is_odd(odd: bytes) -> None:
    """Another type of message, or a date of another length, is left to those who read with care."""
    assert skip_usual(GOOD + odd, FIRST.offset) == len(GOOD)
