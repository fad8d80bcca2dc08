from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.address import Address
from tosser.codec.jam import (
    NONE,
    JamAttribute,
    MessageHeader,
    Subfield,
    SubfieldId,
    jam_crc,
    parse_message_header,
    parse_subfields,
)
from tosser.codec.jam_message import build_record, read_message
from tosser.codec.stored import BaseMessage, MessageKind

WRITTEN = datetime.fromisoformat("2024-03-09T14:05:06")
WRITTEN_JAM = 0x65EC6C92
ARRIVED = 1_709_993_166


def mail(**fields: Any) -> BaseMessage:  # noqa: ANN401 - stands for any field of the message
    """An echomail message in which only what the test is about is set."""
    usual: dict[str, Any] = {
        "kind": MessageKind.ECHO,
        "sender": b"Joe",
        "to": b"All",
        "subject": b"Hello",
        "kludges": [],
        "body": b"Hi\r",
        "seen_by": [],
        "path": [],
        "origin": None,
        "dest": None,
        "written": WRITTEN,
        "arrived": ARRIVED,
        "attributes": 0,
    }
    return BaseMessage(**usual | fields)


def fields_of(message: BaseMessage) -> list[Subfield]:
    """The subfields of a message behind the three that every message has."""
    return parse_subfields(build_record(message).subfields)[3:]


def read_back(message: BaseMessage) -> BaseMessage:
    """What a base gives back of a message."""
    record = build_record(message)
    header = parse_message_header(record.header(1, 0, ARRIVED))
    return read_message(header, parse_subfields(record.subfields), record.text, ARRIVED)


ECHOMAIL = mail(
    kludges=[
        b"TZUTC: 0100",
        b"CHRS: CP437 2",
        b"MSGID: 2:5001/100.7 65ec6b92",
        b"PID: Editor 1.0",
        b"REPLY: 2:5001/101 12345678",
        b"TID: Tosser 2.0",
    ],
    body=b"Hi\r--- x\r * Origin: o (2:5001/100.7)\r",
    seen_by=[b" 5001/100 101", b" 5002/1"],
    path=[b" 5001/100"],
    origin=Address(2, 5001, 100, 7, "fidonet"),
)
ECHOMAIL_FIELDS = [
    Subfield(SubfieldId.SENDERNAME, b"Joe"),
    Subfield(SubfieldId.RECEIVERNAME, b"All"),
    Subfield(SubfieldId.SUBJECT, b"Hello"),
    Subfield(SubfieldId.OADDRESS, b"2:5001/100.7@fidonet"),
    Subfield(SubfieldId.MSGID, b"2:5001/100.7 65ec6b92"),
    Subfield(SubfieldId.REPLYID, b"2:5001/101 12345678"),
    Subfield(SubfieldId.PID, b"Editor 1.0"),
    Subfield(SubfieldId.FTSKLUDGE, b"CHRS: CP437 2"),
    Subfield(SubfieldId.FTSKLUDGE, b"TID: Tosser 2.0"),
    Subfield(SubfieldId.TZUTCINFO, b"0100"),
    Subfield(SubfieldId.SEENBY2D, b"5001/100 101"),
    Subfield(SubfieldId.SEENBY2D, b"5002/1"),
    Subfield(SubfieldId.PATH2D, b"5001/100"),
]


def test_echomail_as_a_record() -> None:
    """Subfields stand in the order other programs write, whatever order the control lines had."""
    record = build_record(ECHOMAIL)
    assert parse_subfields(record.subfields) == ECHOMAIL_FIELDS
    assert record.text == ECHOMAIL.body
    assert parse_message_header(record.header(17, 4711, ARRIVED)) == MessageHeader(
        subfield_length=len(record.subfields),
        msgid_crc=0x77F517FF,
        reply_crc=jam_crc(b"2:5001/101 12345678"),
        written=WRITTEN_JAM,
        processed=ARRIVED,
        number=17,
        attribute=JamAttribute.TYPEECHO,
        text_offset=4711,
        text_length=len(ECHOMAIL.body),
    )
    assert record.user_crc == 0xC4E78E22


def test_echomail_from_a_record() -> None:
    """What was stored comes back, the control lines in the order in which they are exported."""
    found = read_back(ECHOMAIL)
    assert found == mail(
        kludges=[
            b"MSGID: 2:5001/100.7 65ec6b92",
            b"REPLY: 2:5001/101 12345678",
            b"PID: Editor 1.0",
            b"CHRS: CP437 2",
            b"TID: Tosser 2.0",
            b"TZUTC: 0100",
        ],
        body=ECHOMAIL.body,
        seen_by=[b"5001/100 101", b"5002/1"],
        path=[b"5001/100"],
        origin=Address(2, 5001, 100, 7, "fidonet"),
    )


NETMAIL = mail(
    kind=MessageKind.NETMAIL,
    kludges=[
        b"INTL 1337:1/200 1337:1/100",
        b"FMPT 5",
        b"TOPT 7",
        b"MSGID: 1337:1/100.5 00000001",
        b"FLAGS DIR KFS XMA",
        b"Via 1337:1/100 @20240309.140506.UTC prog 1.0",
        b"Via 1337:1/1 @20240309.150506.UTC prog 1.0",
    ],
    origin=Address(1337, 1, 100, 5),
    dest=Address(1337, 1, 200, 7),
    attributes=0x0001,
    in_transit=True,
)


def test_netmail_as_a_record() -> None:
    """Addresses replace INTL, FMPT and TOPT; Via lines are kept raw behind everything; FLAGS words set their bits."""
    assert fields_of(NETMAIL) == [
        Subfield(SubfieldId.OADDRESS, b"1337:1/100.5"),
        Subfield(SubfieldId.DADDRESS, b"1337:1/200.7"),
        Subfield(SubfieldId.MSGID, b"1337:1/100.5 00000001"),
        Subfield(SubfieldId.FLAGS, b"DIR KFS XMA"),
        Subfield(SubfieldId.TRACE, b"1337:1/100 @20240309.140506.UTC prog 1.0"),
        Subfield(SubfieldId.TRACE, b"1337:1/1 @20240309.150506.UTC prog 1.0"),
    ]
    bits = JamAttribute.TYPENET | JamAttribute.PRIVATE | JamAttribute.INTRANSIT | JamAttribute.DIRECT
    assert build_record(NETMAIL).attribute == bits | JamAttribute.KILLFILE


def test_netmail_from_a_record() -> None:
    """Netmail comes back with its addresses, in transit as it was, and without INTL, FMPT and TOPT."""
    found = read_back(NETMAIL)
    assert found.kind is MessageKind.NETMAIL
    assert (found.origin, found.dest, found.in_transit) == (NETMAIL.origin, NETMAIL.dest, True)
    assert found.kludges == [NETMAIL.kludges[3], *NETMAIL.kludges[4:]]


@pytest.mark.parametrize(
    ("attributes", "bits"),
    [
        (0x0000, JamAttribute(0)),
        (0x0001, JamAttribute.PRIVATE),
        (0x0002, JamAttribute.CRASH),
        (0x0004, JamAttribute.READ),
        (0x0008, JamAttribute.SENT),
        (0x0010, JamAttribute.FILEATTACH),
        (0x0020, JamAttribute.INTRANSIT),
        (0x0040, JamAttribute.ORPHAN),
        (0x0080, JamAttribute.KILLSENT),
        (0x0100, JamAttribute.LOCAL),
        (0x0200, JamAttribute.HOLD),
        (0x0800, JamAttribute.FILEREQUEST),
        (0x1000, JamAttribute.RECEIPTREQ),
        (0xE400, JamAttribute(0)),
    ],
)
def test_attributes_both_ways(attributes: int, bits: JamAttribute) -> None:
    """Each FTS-0001 bit that JAM has goes to its place and comes back; the others are dropped."""
    message = mail(attributes=attributes)
    assert build_record(message).attribute == JamAttribute.TYPEECHO | bits
    assert read_back(message).attributes == (attributes if bits else 0)


@pytest.mark.parametrize("words", [b"A/S K/S LOK RCV SNT", b"PVT CRA HLD", b""])
def test_flags_from_outside_that_set_no_bit(words: bytes) -> None:
    """FLAGS words that only mean something where they were written, or have a bit in the header, set none."""
    message = mail(kind=MessageKind.NETMAIL, kludges=[b"FLAGS " + words])
    assert build_record(message).attribute == JamAttribute.TYPENET


def test_flags_of_echomail_set_no_bit() -> None:
    """FLAGS means nothing in echomail; it is only kept."""
    message = mail(kludges=[b"FLAGS IMM"])
    assert build_record(message).attribute == JamAttribute.TYPEECHO
    assert fields_of(message) == [Subfield(SubfieldId.FLAGS, b"IMM")]


@pytest.mark.parametrize(
    ("kludge", "field"),
    [
        (b"MSGID:  1:2/3 abcdef01 ", Subfield(SubfieldId.MSGID, b"1:2/3 abcdef01")),
        (b"MsgId: 1:2/3 abcdef01", Subfield(SubfieldId.MSGID, b"1:2/3 abcdef01")),
        (b"MSGID:1:2/3 abcdef01", Subfield(SubfieldId.MSGID, b"1:2/3 abcdef01")),
        (b"reply: x", Subfield(SubfieldId.REPLYID, b"x")),
        (b"PID " + b"long " * 20 + b"x", Subfield(SubfieldId.PID, b"long " * 20 + b"x")),
        (b"VIA: 1:2/3", Subfield(SubfieldId.TRACE, b"1:2/3")),
        (b"FLAGS: DIR", Subfield(SubfieldId.FLAGS, b"DIR")),
        (b"TZUTCINFO: -0530", Subfield(SubfieldId.TZUTCINFO, b"-0530")),
        (b"TZUTC: +0100", Subfield(SubfieldId.TZUTCINFO, b"+0100")),
        (b"TZUTC: summer", Subfield(SubfieldId.FTSKLUDGE, b"TZUTC: summer")),
        (b"RFC-Subject: =?x?", Subfield(SubfieldId.FTSKLUDGE, b"RFC-Subject: =?x?")),
        (b"REPLYADDR a@b.example", Subfield(SubfieldId.FTSKLUDGE, b"REPLYADDR a@b.example")),
        (b"\xe4: odd", Subfield(SubfieldId.FTSKLUDGE, b"\xe4: odd")),
        (b"", Subfield(SubfieldId.FTSKLUDGE, b"")),
        (b"NOTE: " + b"x" * 5000, Subfield(SubfieldId.FTSKLUDGE, b"NOTE: " + b"x" * 5000)),
        (b"PID: " + b"x" * 5000, Subfield(SubfieldId.PID, b"x" * 5000)),
    ],
)
def test_one_control_line(kludge: bytes, field: Subfield) -> None:
    """Control lines go to their subfield in every spelling; what JAM has no subfield for is kept verbatim."""
    assert fields_of(mail(kludges=[kludge])) == [field]


@pytest.mark.parametrize("kludge", [b"INTL 1:2/3 4:5/6", b"INTL: 1:2/3 4:5/6", b"FMPT 1", b"topt 1"])
def test_address_lines_are_never_stored(kludge: bytes) -> None:
    """INTL, FMPT and TOPT are dropped in every spelling."""
    assert fields_of(mail(kludges=[kludge])) == []


def test_a_second_msgid_is_kept_as_it_is() -> None:
    """JAM has room for one MSGID, REPLY and PID; a further one loses nothing but its meaning."""
    message = mail(kludges=[b"MSGID: a 1", b"MSGID: a 2", b"PID: x", b"PID: y"])
    assert fields_of(message) == [
        Subfield(SubfieldId.MSGID, b"a 1"),
        Subfield(SubfieldId.PID, b"x"),
        Subfield(SubfieldId.FTSKLUDGE, b"MSGID: a 2"),
        Subfield(SubfieldId.FTSKLUDGE, b"PID: y"),
    ]
    assert build_record(message).msgid_crc == jam_crc(b"a 1")


def test_long_names_are_cut_between_characters() -> None:
    """Names and subjects are cut at 100 bytes, never inside a UTF-8 character; the CRC is of what is stored."""
    record = build_record(mail(sender=b"x" * 101, to="ä".encode() * 60, subject=b"y" + "ä".encode() * 60))
    names = [data for _, data in parse_subfields(record.subfields)[:3]]
    assert names == [b"x" * 100, "ä".encode() * 50, b"y" + "ä".encode() * 49]
    assert record.user_crc == jam_crc("ä".encode() * 50)


def test_long_names_in_no_utf8_are_cut_at_the_limit() -> None:
    """Bytes that only look like the middle of a character do not make the cut wander."""
    record = build_record(mail(sender=b"\x84" * 120))
    assert parse_subfields(record.subfields)[0].data == b"\x84" * 100


def test_line_feeds_are_not_stored() -> None:
    """The text has CR line ends only (FTS-0001 ignores LF)."""
    assert build_record(mail(body=b"one\r\ntwo\r\n")).text == b"one\rtwo\r"


def test_long_seen_by_lists_are_stored_whole() -> None:
    """However many SEEN-BY lines there are, each is stored."""
    lines = [b" %d/1 2 3 4 5 6" % net for net in range(1, 300)]
    assert fields_of(mail(seen_by=lines)) == [Subfield(SubfieldId.SEENBY2D, line.strip()) for line in lines]


@pytest.mark.parametrize("written", [None, datetime.fromisoformat("1969-12-31"), datetime.fromisoformat("2107-01-01")])
def test_without_a_date_the_arrival_counts(written: datetime | None) -> None:
    """No date, or one that JAM cannot hold, is replaced by the time of arrival."""
    header = parse_message_header(build_record(mail(written=written)).header(1, 0, ARRIVED))
    assert (header.written, header.processed) == (ARRIVED, ARRIVED)


def test_messages_of_other_programs_are_read() -> None:
    """File names in place of a subject, escaped text, foreign addresses and a missing date are all understood."""
    header = MessageHeader(0, attribute=JamAttribute.TYPENET | JamAttribute.ESCAPED | JamAttribute.FILEATTACH)
    subfields = [
        Subfield(SubfieldId.OADDRESS, b"user@example.org"),
        Subfield(SubfieldId.OADDRESS, b"1:2/3"),
        Subfield(SubfieldId.DADDRESS, b"\xff"),
        Subfield(SubfieldId.ENCLOSEDFILE, b"A.ZIP"),
        Subfield(SubfieldId.ENCLOSEDFILE, b"B.ZIP"),
        Subfield(SubfieldId.ENCLOSEDFREQ, b"C.ZIP\0secret"),
        Subfield(60000, b"unknown"),
    ]
    found = read_message(header, subfields, b"a\\0Db\\5c\\zz", ARRIVED)
    assert (found.origin, found.dest) == (Address(1, 2, 3), None)
    assert found.subject == b"A.ZIP B.ZIP C.ZIP"
    assert found.body == b"a\rb\\\\zz"
    assert found.written is None
    assert found.attributes == 0x0010


def test_an_empty_record_is_an_empty_message() -> None:
    """A record without any subfield gives a message with empty names and no MSGID."""
    found = read_message(MessageHeader(0), [], b"", ARRIVED)
    assert (found.sender, found.to, found.subject, list(found.kludges)) == (b"", b"", b"", [])
    assert build_record(found).msgid_crc == NONE


LINE = st.binary(max_size=30).map(lambda line: line.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b""))
KLUDGES = st.lists(
    st.one_of(
        LINE,
        st.sampled_from([b"MSGID: ", b"REPLY:", b"PID ", b"FLAGS ", b"Via ", b"TZUTC: 01", b"CHRS: "]).flatmap(
            lambda tag: LINE.map(lambda line: tag + line)
        ),
    ),
    max_size=6,
)
MESSAGES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(MessageKind),
        "sender": LINE,
        "to": LINE,
        "subject": LINE,
        "kludges": KLUDGES,
        "body": st.binary(max_size=80).map(lambda body: body.replace(b"\n", b"")),
        "seen_by": st.lists(LINE.map(bytes.strip), max_size=3),
        "path": st.lists(LINE.map(bytes.strip), max_size=2),
        "origin": st.one_of(st.none(), st.builds(Address, *[st.integers(1, 32767)] * 4)),
        "dest": st.one_of(st.none(), st.builds(Address, *[st.integers(1, 32767)] * 4)),
        "written": st.one_of(
            st.none(), st.datetimes(datetime.fromisoformat("1980-01-01"), datetime.fromisoformat("2105-12-31"))
        ),
        "arrived": st.integers(0, 0xFFFFFFFF),
        "attributes": st.integers(0, 0xFFFF),
        "in_transit": st.booleans(),
    }
).map(lambda fields: BaseMessage(**fields))


@given(MESSAGES)
def test_what_was_read_back_is_stored_the_same(message: BaseMessage) -> None:
    """Storing and reading any message settles it: from then on nothing changes any more."""
    once = read_back(message)
    assert read_back(once) == once
    assert (once.sender, once.to, once.subject, once.body) == (
        message.sender,
        message.to,
        message.subject,
        message.body,
    )
    assert (once.origin, once.dest) == (message.origin, message.dest)


@given(
    st.builds(MessageHeader, *[st.integers(0, 0xFFFFFFFF)] * 17),
    st.lists(st.builds(Subfield, st.sampled_from(SubfieldId), st.binary(max_size=20))),
    st.binary(max_size=40),
)
def test_any_record_is_read(header: MessageHeader, subfields: list[Subfield], text: bytes) -> None:
    """Whatever another program may have stored becomes a message that can be stored again."""
    message = read_message(header, subfields, text, ARRIVED)
    again = read_back(message)
    assert (again.sender, again.to, again.subject) == (message.sender, message.to, message.subject)
