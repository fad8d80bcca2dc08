from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.mail import Kind, packet_header
from tosser.address import Address
from tosser.codec.packet_header import (
    HEADER_SIZE,
    PacketHeader,
    PacketType,
    build_packet_header,
    capability_mismatch,
    looks_like_header,
    parse_packet_header,
)
from tosser.errors import PacketError
from tosser.reason import Reason

POINT_TO_BOSS = bytes.fromhex(
    "64 00 64 00 e8 07 02 00 09 00 0e 00 05 00 06 00 00 00 02 00 ff ff 89 13 34 01 53 45 43 52 45 54"
    "00 00 02 00 02 00 89 13 00 01 12 02 01 00 02 00 02 00 07 00 00 00 00 00 00 00"
)
"""Type 2+ of FSC-0048: 2:5001/100.7 to its boss, March, product 0x1234 revision 1.2."""
WITH_DOMAINS = bytes.fromhex(
    "64 00 64 00 07 00 00 00 00 00 00 00 00 00 00 00 02 00 02 00 89 13 89 13 34 01 53 45 43 52 45 54"
    "00 00 02 00 02 00 66 69 64 6f 6e 65 74 00 66 69 64 6f 6e 65 74 00 00 00 00 00"
)
"""Type 2.2, the same systems in fidonet."""
PLAIN = bytes.fromhex(
    "64 00 65 00 e8 07 0b 00 1f 00 17 00 3b 00 3b 00 00 00 02 00 89 13 8a 13 fe 01 00 00 00 00 00 00"
    "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
)
"""Type 2 without zones or a password, written in the last second of 2024."""

CASES = [
    (
        PacketHeader(
            PacketType.TYPE_2PLUS,
            Address(2, 5001, 100, 7),
            Address(2, 5001, 100),
            b"SECRET",
            datetime.fromisoformat("2024-03-09T14:05:06"),
            0x1234,
            (1, 2),
        ),
        POINT_TO_BOSS,
    ),
    (
        PacketHeader(
            PacketType.TYPE_2_2,
            Address(2, 5001, 100, 7, "fidonet"),
            Address(2, 5001, 100, 0, "fidonet"),
            b"SECRET",
            product=0x34,
            revision=(1, 0),
        ),
        WITH_DOMAINS,
    ),
    (
        PacketHeader(
            PacketType.TYPE_2,
            Address(0, 5001, 100),
            Address(0, 5002, 101),
            created=datetime.fromisoformat("2024-12-31T23:59:59"),
            product=0xFE,
            revision=(1, 0),
        ),
        PLAIN,
    ),
]


def patched(data: bytes, *changes: tuple[int, bytes]) -> bytes:
    """The header with other bytes at some offsets."""
    copy = bytearray(data)
    for offset, value in changes:
        copy[offset : offset + len(value)] = value
    return bytes(copy)


@pytest.mark.parametrize(("header", "data"), CASES, ids=["2+", "2.2", "2"])
def test_both_ways(header: PacketHeader, data: bytes) -> None:
    """A header of each type is read from, and written as, exactly these bytes."""
    assert parse_packet_header(data) == header
    assert build_packet_header(header) == data


@pytest.mark.parametrize("kind", ["2", "2+", "2.2"])
def test_reads_what_the_field_tables_say(kind: Kind) -> None:
    """Headers built from the field tables alone say the same sender, recipient and password."""
    header = parse_packet_header(packet_header("1337:1/100", "1337:1/200", b"SECRET", kind=kind))
    domain = "tqwnet" if kind == "2.2" else ""
    assert header.type == kind
    assert (header.orig, header.dest) == (Address(1337, 1, 100, 0, domain), Address(1337, 1, 200, 0, domain))
    assert header.password == b"SECRET"


words = st.integers(1, 32767)
passwords = st.binary(max_size=8).filter(lambda raw: b"\0" not in raw)
moments = st.datetimes(datetime.fromisoformat("1980-01-01"), datetime.fromisoformat("2107-12-31")).map(
    lambda moment: moment.replace(microsecond=0)
)
product_data = st.binary(max_size=4).map(lambda raw: raw.rstrip(b"\0"))
domains = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-~", max_size=8)


@st.composite
def headers(draw: st.DrawFn) -> PacketHeader:
    """Headers that say nothing their type has no place for."""
    kind = draw(st.sampled_from(PacketType))
    plus, named = kind is PacketType.TYPE_2PLUS, kind is PacketType.TYPE_2_2
    points = words | st.just(0) if kind is not PacketType.TYPE_2 else st.just(0)
    zones = st.integers(0, 32767)
    orig, dest = (
        Address(draw(zones), draw(words), draw(st.integers(0, 65535)), draw(points), draw(domains) if named else "")
        for _ in range(2)
    )
    pairs = st.none() | st.tuples(words, words).filter(lambda pair: pair != (orig.zone, dest.zone))
    return PacketHeader(
        kind,
        orig,
        dest,
        draw(passwords),
        None if named else draw(st.none() | moments),
        draw(st.integers(0, 0xFFFF if plus else 0xFF)),
        (draw(st.integers(0, 255)), draw(st.integers(0, 255)) if plus else 0),
        draw(pairs) if plus and orig.zone and dest.zone else None,
        b"" if kind is PacketType.TYPE_2 else draw(product_data),
        fsc48=draw(st.booleans()) if plus and orig.point else True,
    )


@given(headers())
def test_built_headers_come_back(header: PacketHeader) -> None:
    """Whatever a header may say is still there after writing and reading it."""
    data = build_packet_header(header)
    assert len(data) == HEADER_SIZE
    assert parse_packet_header(data) == header
    assert not capability_mismatch(data)


@given(st.binary(max_size=80) | st.binary(min_size=56, max_size=60).map(lambda raw: raw[:18] + b"\2\0" + raw[18:]))
def test_any_bytes_are_a_header_or_an_error(data: bytes) -> None:
    """Arbitrary bytes are read, or refused as too short or as another packet type; nothing else happens."""
    reason = Reason.HEADER_SHORT if len(data) < HEADER_SIZE else Reason.PACKET_TYPE
    if len(data) < HEADER_SIZE or data[18:20] != b"\2\0":
        with pytest.raises(PacketError) as caught:
            parse_packet_header(data)
        assert caught.value.reason is reason
    else:
        assert len(build_packet_header(parse_packet_header(data))) == HEADER_SIZE


@pytest.mark.parametrize("size", [0, 1, 57])
def test_short_header(size: int) -> None:
    """Fewer than 58 bytes are no header."""
    with pytest.raises(PacketError) as caught:
        parse_packet_header(PLAIN[:size])
    assert (caught.value.reason, caught.value.offset) == (Reason.HEADER_SHORT, 0)


def test_other_version() -> None:
    """A packet version other than 2 is refused where it stands."""
    with pytest.raises(PacketError, match="version 3") as caught:
        parse_packet_header(patched(PLAIN, (18, b"\3\0")))
    assert (caught.value.reason, caught.value.offset) == (Reason.PACKET_TYPE, 18)


def test_capability_copies_that_differ() -> None:
    """A header whose capability word and copy differ is plain type 2, and that can be told."""
    spoilt = patched(POINT_TO_BOSS, (40, b"\0\3"))
    header = parse_packet_header(spoilt)
    assert header.type is PacketType.TYPE_2
    assert header.orig == Address(2, 5001, 100)
    assert capability_mismatch(spoilt)
    assert not capability_mismatch(WITH_DOMAINS)


def test_rfc_bit_of_the_capability_word() -> None:
    """Bit 15 announces RFC-822 packets and plays no part in the comparison of the two copies."""
    assert parse_packet_header(patched(POINT_TO_BOSS, (44, b"\1\x80"))).type is PacketType.TYPE_2PLUS


def test_capability_word_without_type_2plus() -> None:
    """A writer that announces other types but not 2+ has written type 2."""
    assert parse_packet_header(patched(POINT_TO_BOSS, (40, b"\0\2"), (44, b"\2\0"))).type is PacketType.TYPE_2


def test_domain_that_looks_like_a_capability_word() -> None:
    """A type 2.2 header is not taken for 2+ where the letters of its domain form a capability word with its copy."""
    header = PacketHeader(PacketType.TYPE_2_2, Address(1, 2, 3, 0, "aaaaaaaa"), Address(1, 2, 4, 0, "b"))
    assert parse_packet_header(build_packet_header(header)) == header


@pytest.mark.parametrize("domain", [b"a b", b"a/b", b"\xff\xfe", b"../x"])
def test_domain_with_illegal_bytes(domain: bytes) -> None:
    """Bytes that no domain may have make it unknown."""
    assert parse_packet_header(patched(WITH_DOMAINS, (38, domain.ljust(8, b"\0")))).orig.domain == ""


def test_domain_is_its_first_label_in_lower_case() -> None:
    """A dotted domain in capitals is the same network as its first label."""
    assert parse_packet_header(patched(WITH_DOMAINS, (38, b"FidoN.et"))).orig.domain == "fidon"


@pytest.mark.parametrize(
    ("pairs", "zones", "second"),
    [
        ((2, 3, 2, 3), (2, 3), None),
        ((0, 0, 2, 3), (2, 3), None),
        ((2, 3, 0, 0), (2, 3), None),
        ((2, 0, 4, 3), (2, 3), None),
        ((2, 3, 4, 5), (2, 3), (4, 5)),
        ((40000, 50000, 2, 3), (2, 3), None),
        ((0, 0, 0, 0), (0, 0), None),
    ],
)
def test_zones(pairs: tuple[int, ...], zones: tuple[int, int], second: tuple[int, int] | None) -> None:
    """The zones at 34 win over those at 46 where they are plausible; disagreement is reported."""
    low, high = (b"".join(zone.to_bytes(2, "little") for zone in pair) for pair in (pairs[:2], pairs[2:]))
    header = parse_packet_header(patched(POINT_TO_BOSS, (34, low), (46, high)))
    assert (header.orig.zone, header.dest.zone) == zones
    assert header.zones_46 == second


def test_dirty_fill_of_type_2() -> None:
    """What type 2 leaves as fill is not believed, nor are impossible zones."""
    header = parse_packet_header(patched(PLAIN, (34, b"\xcd\xab" * 12)))
    assert header == CASES[2][0]


def test_point_without_its_mark() -> None:
    """A point that writes by FSC-0039 leaves its net where it is, and can be written so."""
    header = replace(CASES[0][0], fsc48=False)
    data = patched(POINT_TO_BOSS, (20, b"\x89\x13"), (38, b"\0\0"))
    assert parse_packet_header(data) == header
    assert build_packet_header(header) == data


@pytest.mark.parametrize(
    ("data", "orig"),
    [
        (patched(POINT_TO_BOSS, (38, b"\0\0")), Address(2, 5001, 100, 7)),
        (patched(POINT_TO_BOSS, (38, b"\xff\xff")), Address(2, 5001, 100, 7)),
        (patched(POINT_TO_BOSS, (50, b"\0\0")), Address(2, 5001, 100)),
        (patched(PLAIN, (20, b"\xff\xff")), Address(0, 5002, 100)),
        (patched(WITH_DOMAINS, (20, b"\xff\xff")), Address(2, 5001, 100, 7, "fidonet")),
    ],
)
def test_mark_without_net(data: bytes, orig: Address) -> None:
    """Where the net behind a point mark is missing, the sender is in the net it sends to."""
    assert parse_packet_header(data).orig == orig


@pytest.mark.parametrize(
    ("date", "created"),
    [
        ((2024, 11, 31, 23, 59, 59), "2024-12-31T23:59:59"),
        ((2024, 12, 31, 1, 2, 3), "2024-12-31T01:02:03"),
        ((24, 0, 1, 0, 0, 0), "2024-01-01T00:00:00"),
        ((99, 0, 1, 0, 0, 0), "1999-01-01T00:00:00"),
        ((124, 0, 1, 0, 0, 0), "2024-01-01T00:00:00"),
        ((2023, 1, 29, 0, 0, 0), None),
        ((2024, 13, 1, 0, 0, 0), None),
        ((0, 0, 0, 0, 0, 0), None),
        ((65535, 65535, 65535, 65535, 65535, 65535), None),
    ],
)
def test_dates(date: tuple[int, ...], created: str | None) -> None:
    """Years and months of odd writers are understood, and what is no date is none."""
    raw = b"".join(number.to_bytes(2, "little") for number in date)
    expected = None if created is None else datetime.fromisoformat(created)
    assert parse_packet_header(patched(PLAIN, (4, raw))).created == expected


def test_password_of_eight_bytes() -> None:
    """A password may fill its field; one that is longer is cut on writing."""
    assert parse_packet_header(patched(PLAIN, (26, b"abcdEFGH"))).password == b"abcdEFGH"
    assert build_packet_header(replace(CASES[2][0], password=b"abcdEFGHI"))[26:36] == b"abcdEFGH\0\0"


def test_password_is_not_shown() -> None:
    """The text form of a header, which may get into a log, leaves the password out."""
    assert "SECRET" not in repr(CASES[0][0])


def test_what_a_type_cannot_say_is_left_out() -> None:
    """A full address can be written in every type; what has no place is not written."""
    full = replace(CASES[1][0], type=PacketType.TYPE_2, revision=(1, 9), product=0x1234, product_data=b"XPKT")
    header = parse_packet_header(build_packet_header(full))
    assert (header.orig, header.dest) == (Address(2, 5001, 100), Address(2, 5001, 100))
    assert (header.product, header.revision, header.product_data) == (0x34, (1, 0), b"")


def test_number_that_does_not_fit() -> None:
    """A number of more than 16 bits cannot be written."""
    with pytest.raises(ValueError, match="does not fit"):
        build_packet_header(replace(CASES[0][0], dest=Address(2, 70000, 1)))


@pytest.mark.parametrize("data", [POINT_TO_BOSS, WITH_DOMAINS, PLAIN])
def test_headers_look_like_headers(data: bytes) -> None:
    """Each type of header is recognised where none is expected, and only when it is there whole."""
    assert looks_like_header(data)
    assert not looks_like_header(data[:57])


@pytest.mark.parametrize(
    "change", [(18, b"\3\0"), (20, b"\0\0"), (22, b"\0\0"), (6, b"\x0d\0"), (8, b" \0"), (10, b"\x18\0"), (12, b"<\0")]
)
def test_junk_does_not_look_like_a_header(change: tuple[int, bytes]) -> None:
    """Another version, a missing net or an impossible date shows that bytes are no header."""
    assert not looks_like_header(patched(PLAIN, change))
