from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.address import Address
from tosser.codec.kludge import (
    Chrs,
    Domain,
    Flags,
    Intl,
    Msgid,
    ProductId,
    ReplyAddr,
    ReplyTo,
    Split,
    Via,
    build_chrs,
    build_domain,
    build_flags,
    build_intl,
    build_kludge,
    build_msgid,
    build_number,
    build_product_id,
    build_reply_addr,
    build_reply_to,
    build_rescanned,
    build_split,
    build_tzutc,
    build_via,
    find_value,
    find_values,
    parse_chrs,
    parse_domain,
    parse_flags,
    parse_intl,
    parse_msgid,
    parse_number,
    parse_product_id,
    parse_reply_addr,
    parse_reply_to,
    parse_rescanned,
    parse_split,
    parse_tzutc,
    parse_via,
    split_kludge,
)
from tosser.errors import KludgeError

if TYPE_CHECKING:
    from collections.abc import Callable

NODE = Address(2, 5001, 100)
MOMENT = datetime.fromisoformat("2024-03-09T14:05:06")

PARSERS = [
    parse_chrs,
    parse_domain,
    parse_flags,
    parse_intl,
    parse_msgid,
    parse_number,
    parse_product_id,
    parse_reply_addr,
    parse_reply_to,
    parse_rescanned,
    parse_split,
    parse_tzutc,
    parse_via,
]


@pytest.mark.parametrize(
    ("value", "raw", "parse", "build"),
    [
        (Intl(Address(2, 345, 6), Address(1, 123, 4)), b"2:345/6 1:123/4", parse_intl, build_intl),
        (5, b"5", parse_number, build_number),
        (65535, b"65535", parse_number, build_number),
        (
            Domain(Address(2, 3, 4, 0, "fidonet"), Address(21, 1, 2, 3, "fsxnet")),
            b"fidonet 2:3/4 fsxnet 21:1/2.3",
            parse_domain,
            build_domain,
        ),
        (
            ProductId(b"hpt/lnx", b"1.9.0", b"2024-03-02 x"),
            b"hpt/lnx 1.9.0 2024-03-02 x",
            parse_product_id,
            build_product_id,
        ),
        (ProductId(b"prog"), b"prog", parse_product_id, build_product_id),
        (0, b"0000", parse_tzutc, build_tzutc),
        (60, b"0100", parse_tzutc, build_tzutc),
        (-210, b"-0330", parse_tzutc, build_tzutc),
        (840, b"1400", parse_tzutc, build_tzutc),
        (Chrs("UTF-8", 4), b"UTF-8 4", parse_chrs, build_chrs),
        (Chrs("CP866"), b"CP866", parse_chrs, build_chrs),
        (Via(NODE, MOMENT, "UTC", b"prog 1.0"), b"2:5001/100 @20240309.140506.UTC prog 1.0", parse_via, build_via),
        (Via(NODE, MOMENT, "", b"prog 1.0"), b"2:5001/100 @20240309.140506 prog 1.0", parse_via, build_via),
        (Flags(("DIR", "A/S")), b"DIR A/S", parse_flags, build_flags),
        (
            Split(b"09 Mar 24 14:05:06", 5001, 100, 77, 2, 3),
            b"09 Mar 24 14:05:06 @5001/100    77    02/03 +++++++++++",
            parse_split,
            build_split,
        ),
        (ReplyAddr((b"ada@example.org",)), b"ada@example.org", parse_reply_addr, build_reply_addr),
        (ReplyTo(NODE, b"UUCP"), b"2:5001/100 UUCP", parse_reply_to, build_reply_to),
        (ReplyTo(NODE), b"2:5001/100", parse_reply_to, build_reply_to),
        (NODE, b"2:5001/100", parse_rescanned, build_rescanned),
    ],
)
def test_both_ways(value: object, raw: bytes, parse: Callable[[bytes], object], build: Callable[..., bytes]) -> None:
    """A value is read from, and written as, exactly these bytes."""
    assert parse(raw) == value
    assert build(value) == raw


@pytest.mark.parametrize("parse", PARSERS)
@given(raw=st.binary(max_size=60) | st.text('0123456789:/.@+-" aUTC', max_size=60).map(str.encode))
def test_any_bytes_are_a_value_or_an_error(parse: Callable[[bytes], object], raw: bytes) -> None:
    """Arbitrary bytes are read, or refused with our own error; nothing else happens."""
    try:
        value = parse(raw)
    except KludgeError as error:
        value = error.what
    assert value is not None


@pytest.mark.parametrize(
    ("parse", "raw"),
    [
        (parse_msgid, b" "),
        (parse_intl, b"2:345/6"),
        (parse_intl, b"2:345/6 x"),
        (parse_intl, b""),
        (parse_number, b""),
        (parse_number, b"-1"),
        (parse_number, b"65536"),
        (parse_number, b"7x"),
        (parse_number, b"9" * 5000),
        (parse_domain, b"fidonet 2:3/4 fsxnet"),
        (parse_domain, b"fido net 2:3/4 fsxnet"),
        (parse_product_id, b""),
        (parse_tzutc, b"100"),
        (parse_tzutc, b"+1500"),
        (parse_tzutc, b"0160"),
        (parse_tzutc, b"UTC"),
        (parse_chrs, b""),
        (parse_chrs, b"\xff\xfe 2"),
        (parse_chrs, b"x" * 21),
        (parse_via, b"prog 1.0"),
        (parse_via, b"70000:1/1 @20240309.140506.UTC prog 1.0"),
        (parse_split, b"09 Mar 24 14:05:06 5001/100 77 02/03"),
        (parse_reply_addr, b" "),
        (parse_reply_to, b"UUCP 2:5001/100"),
        (parse_rescanned, b"yes"),
        (parse_rescanned, b""),
    ],
)
def test_refused(parse: Callable[[bytes], object], raw: bytes) -> None:
    """A value that breaks its grammar is refused."""
    with pytest.raises(KludgeError):
        parse(raw)


@pytest.mark.parametrize(
    ("paragraph", "tag", "value"),
    [
        (b"MSGID: 2:5020/1 1a2b3c4d", b"MSGID", b"2:5020/1 1a2b3c4d"),
        (b"MSGID:   2:5020/1 1a2b3c4d ", b"MSGID", b"2:5020/1 1a2b3c4d"),
        (b"INTL 1:2/3 1:2/4", b"INTL", b"1:2/3 1:2/4"),
        (b"RFC-X-Y_Z+: v: w", b"RFC-X-Y_Z+", b"v: w"),
        (b"ENC:", b"ENC", b""),
        (b"ENC", b"ENC", b""),
        (b": x", b"", b": x"),
        (b"1:2/3", b"", b"1:2/3"),
        (b"", b"", b""),
    ],
)
def test_split_kludge(paragraph: bytes, tag: bytes, value: bytes) -> None:
    """A paragraph is a tag, with or without colon, and a value."""
    assert split_kludge(paragraph) == (tag, value)


@pytest.mark.parametrize(
    ("tag", "value", "paragraph"),
    [
        (b"MSGID", b"2:5020/1 1a2b3c4d", b"MSGID: 2:5020/1 1a2b3c4d"),
        (b"INTL", b"1:2/3 1:2/4", b"INTL 1:2/3 1:2/4"),
        (b"Via", b"1:2/3", b"Via 1:2/3"),
        (b"FLAGS", b"DIR", b"FLAGS DIR"),
    ],
)
def test_build_kludge(tag: bytes, value: bytes, paragraph: bytes) -> None:
    """Tags get a colon, but for the historical ones that have none; both come apart again."""
    assert build_kludge(tag, value) == paragraph
    assert split_kludge(paragraph) == (tag, value)


KLUDGES = [
    b"",
    b"INTL 1:2/3 1:2/4",
    b"INTLX: no",
    b"MsgId:  2:5020/1 1a2b3c4d ",
    b"MSGID: second",
    b"REPLYADDR ada@example.org",
    b"REPLY: 2:5020/2 5",
    b"PID no colon",
    b"Via 1:2/3",
    b"VIA: 1:2/4",
    b"Via",
    b"Viaduct 1:2/5",
]


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        (b"MSGID", [b"2:5020/1 1a2b3c4d", b"second"]),
        (b"REPLY", [b"2:5020/2 5"]),
        (b"REPLYADDR", [b"ada@example.org"]),
        (b"INTL", [b"1:2/3 1:2/4"]),
        (b"via", [b"1:2/3", b"1:2/4", b""]),
        (b"PID", []),
        (b"TZUTC", []),
    ],
)
def test_find_values(tag: bytes, values: list[bytes]) -> None:
    """Values are found by tag in any letter case; only historical tags do without a colon."""
    assert list(find_values(KLUDGES, tag)) == values
    assert find_value(KLUDGES, tag) == (values[0] if values else None)


@pytest.mark.parametrize(
    ("raw", "address", "serial"),
    [
        (b"2:5020/1042.7@fidonet.org 1a2b3c4d", "2:5020/1042.7@fidonet", b"1a2b3c4d"),
        (b"4768.fsx_adq@21:1/242 2d03f962", "21:1/242", b"2d03f962"),
        (b"<1f@mail.example.org> 1a2b3c4d", None, b"1a2b3c4d"),
        (b'"ada ""x"" y"  1a2b3c4d', None, b"1a2b3c4d"),
        (b'"2:5020/1" 1a2b3c4d', "2:5020/1", b"1a2b3c4d"),
        (b'"never closed', None, b"closed"),
        (b"2:5020/1", "2:5020/1", b""),
        (b"2:5020/1 12 34", "2:5020/1", b"12 34"),
        (b"\xff\xfe 1", None, b"1"),
    ],
)
def test_msgid(raw: bytes, address: str | None, serial: bytes) -> None:
    """The identity is the whole value; the address in it is found where there is one."""
    expected = None if address is None else Address.parse(address)
    assert parse_msgid(b" " + raw + b" ") == Msgid(raw, expected, serial)


def test_build_msgid() -> None:
    """A MSGID has the address with its point and domain, and eight hexadecimal digits in small letters."""
    raw = build_msgid(Address(2, 5001, 100, 7, "fidonet"), 0xAB)
    assert raw == b"2:5001/100.7@fidonet 000000ab"
    assert parse_msgid(raw) == Msgid(raw, Address(2, 5001, 100, 7, "fidonet"), b"000000ab")


def test_intl_of_others() -> None:
    """Points in INTL are read and not written, domains are dropped, and what follows the addresses is ignored."""
    intl = parse_intl(b"2:345/6.7@fidonet  1:123/4.5 x")
    assert intl == Intl(Address(2, 345, 6, 7), Address(1, 123, 4, 5))
    assert build_intl(intl) == b"2:345/6 1:123/4"


@pytest.mark.parametrize(("raw", "minutes"), [(b"+0100", 60), (b"01:30", 90), (b" -0500 ", -300), (b"-0000", 0)])
def test_tzutc_of_others(raw: bytes, minutes: int) -> None:
    """A plus sign and a colon are read, though never written."""
    assert parse_tzutc(raw) == minutes


@pytest.mark.parametrize(
    ("raw", "chrs"),
    [
        (b"cp866 2", Chrs("cp866", 2)),
        (b"UTF-8", Chrs("UTF-8")),
        (b"LATIN-1  2 ", Chrs("LATIN-1", 2)),
        (b"IBMPC two", Chrs("IBMPC")),
        (b"+7_FIDO 2 x", Chrs("+7_FIDO", 2)),
    ],
)
def test_chrs_of_others(raw: bytes, chrs: Chrs) -> None:
    """The level may be missing or be nonsense."""
    assert parse_chrs(raw) == chrs


@pytest.mark.parametrize(
    "raw",
    [
        b"ProgB 1.5 2:5001/100  03/09 14:05",
        b"ProgC/386 1.1 2:5001/100, Sat Mar 09 2024 at 14:05 UTC",
        b"ProgD/NT v4 Flag-4 2:5001/100.0, @240309140506 EDT+5",
        b"2:5001/100, Sat Mar 09 2024 at 14:05 (2.1)",
        b"2:5001/100 @20241399.140506.UTC prog 1.0",
        b"2:5001/100 @20240309.1405 prog 1.0",
        b"fidonet#2:5001/100.0",
        b"ProgE 2:5001/100 @20240309.140506.UTC 1.0",
    ],
)
def test_deprecated_via(raw: bytes) -> None:
    """From the old forms of Via, and from those with a broken time, at least the address is read."""
    assert parse_via(raw) == Via(NODE)


def test_via_with_domain_and_fraction() -> None:
    """A conforming Via may name the domain, fractions of a second, and a zone of any name."""
    via = parse_via(b"2:5001/100@fidonet @20240309.140506.12.CEST  ProgA 2.1  0815 ")
    assert via == Via(Address(2, 5001, 100, 0, "fidonet"), MOMENT, "CEST", b"ProgA 2.1  0815")


def test_via_needs_the_time_to_be_written() -> None:
    """What was read from a deprecated form cannot be written in the standard one."""
    with pytest.raises(ValueError, match="needs the time"):
        build_via(Via(NODE))


def test_flags_of_others() -> None:
    """Flags are read in any letter case, and what is not ASCII is left out."""
    assert parse_flags(b" dir  K/s \xff ") == Flags(("DIR", "K/S"))


def test_split_columns() -> None:
    """SPLIT has its values in the columns of its standard, counted with 01 as column 1."""
    line = b"\x01" + build_kludge(b"SPLIT", build_split(Split(b"09 Mar 24 14:05:06", 5001, 100, 77, 2, 3)))
    assert (line[40:45], line[46:48], line[49:51]) == (b"77   ", b"02", b"03")


addresses = st.builds(
    Address,
    st.integers(1, 32767),
    st.integers(1, 32767),
    st.integers(0, 32767),
    st.integers(0, 32767),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789_~-", max_size=8),
)


@given(addresses, st.integers(0, 0xFFFFFFFF), st.datetimes(), st.integers(-840, 840))
def test_built_values_come_back(address: Address, serial: int, moment: datetime, minutes: int) -> None:
    """Values of the kludges that we create are still there after writing and reading them."""
    assert parse_msgid(build_msgid(address, serial)).address == address
    assert int(parse_msgid(build_msgid(address, serial)).serial, 16) == serial
    via = Via(address, moment.replace(microsecond=0), "UTC", b"prog 1.0")
    assert parse_via(build_via(via)) == via
    assert parse_tzutc(build_tzutc(minutes)) == minutes
    assert parse_rescanned(build_rescanned(address)) == address
    intl = Intl(address.boss.without_domain, NODE)
    assert parse_intl(build_intl(intl)) == intl
