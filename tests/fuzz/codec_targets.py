"""Every parser of the codec, and what must hold whatever it is given."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from tests.corpus import damaged, echo_text, message, netmail, packet, packet_header
from tests.fuzz.target import pure
from tests.nodelists import LINES, POINT_LINES, body_of, nodelist
from tosser.address import Address, AddressPattern
from tosser.cli.packet_facts import packet_facts, read_packet, spans
from tosser.codec import kludge
from tosser.codec.bundle import (
    ArchiveType,
    identify,
    ignored_name,
    is_bundle_name,
    is_packet_name,
    is_unsafe_member,
    next_bundle_name,
)
from tosser.codec.charset import decide_charset, decode, display_text
from tosser.codec.flow import FlowLine, missing_lines, parse_flow
from tosser.codec.ftsdate import parse_date
from tosser.codec.jam import (
    build_fixed_header,
    build_index_record,
    build_message_header,
    build_subfields,
    parse_fixed_header,
    parse_index,
    parse_message_header,
    parse_subfields,
)
from tosser.codec.jam_message import build_record, read_message
from tosser.codec.message import _split_any, _split_usual, build_text, msgid, origin_address, reply, split_text
from tosser.codec.message_parts import PartKind, clean_text, join_text, text_parts
from tosser.codec.msg import StoredMessage, build_msg, from_stored, parse_msg, to_stored
from tosser.codec.nodelist import Nodelist
from tosser.codec.nodelist_flags import services_of
from tosser.codec.nodelist_lines import ListKind, parse_list
from tosser.codec.packed_message import DATE_LENGTH, MessageDecoder
from tosser.codec.packet import PacketReader, build_packet, parse_packet
from tosser.codec.packet_header import build_packet_header, parse_packet_header
from tosser.codec.seenby import circular, format_path, format_seen_by, parse_nodes
from tosser.codec.zip import END_SIZE, ZipWriter, find_directory, pack_member, parse_directory
from tosser.errors import AddressError, FormatError, JamError, KludgeError, MsgError, PacketError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOMENT = datetime(2026, 11, 1, 8)  # noqa: DTZ001 - a local clock


# --- packets


def check_packet(data: bytes) -> None:
    """A packet is the same in pieces; its messages come back when written, and both ways of reading them agree."""
    try:
        found = parse_packet(data)
    except PacketError as error:
        assert error.offset in range(len(data) + 1)
        assert _in_pieces(data) == (error.reason, error.offset)
        return
    assert _in_pieces(data) == (found.messages, found.trailing)
    for each in found.messages:
        decoder = MessageDecoder(data, each.offset, 0, len(data), final=True)
        assert decoder.decode()[0] == each
    again = parse_packet(build_packet(found.header, found.messages))
    for each, written in zip(found.messages, again.messages, strict=True):
        written.offset, written.truncated_fields = each.offset, each.truncated_fields
        each.date = each.date.ljust(DATE_LENGTH)
    assert again.messages == found.messages
    assert (again.warnings, again.trailing) == ([], 0)


def _in_pieces(data: bytes) -> tuple[object, object]:
    reader = PacketReader()
    size = 17 + data[-1] if data else 1
    messages = []
    try:
        for at in range(0, len(data), size):
            messages += reader.feed(data[at : at + size])
        messages += reader.finish()
    except PacketError as error:
        return error.reason, error.offset
    return messages, reader.trailing


def check_packet_shown(data: bytes) -> None:
    """Each byte is in one span of what is shown of a packet, and all that is told of it is JSON."""
    reading = read_packet(data)
    at = 0
    for start, end, _ in spans(reading):
        assert start == at < end
        at = end
    assert at == len(data)
    json.dumps(packet_facts(reading, raw=True))


def check_packet_header(data: bytes) -> None:
    """What a header says, it says again when it is written."""
    with suppress(PacketError):
        header = parse_packet_header(data)
        if max(header.orig.zone, header.dest.zone) <= 0x7FFF:  # others are read, and never written
            assert parse_packet_header(build_packet_header(header)) == header


# --- texts


def check_text(raw: bytes) -> None:
    """No byte gets lost, both ways of splitting agree, and what is sent on reads as it did."""
    assert join_text(text_parts(raw)) == raw
    text = clean_text(raw)
    usual = _split_usual(text)
    assert usual is None or usual == _split_any(text)
    found = split_text(raw)
    assert found.raw == (raw if b"\r" in raw else text)
    own = found.transit[: len(found.transit) - len(found.moved)].removesuffix(b"\r")
    if not found.raw.startswith(own):  # its AREA line is moved to the front and written anew
        area, _, rest = own.partition(b"\r")
        assert area == b"AREA:%b" % (found.area or "").encode("latin-1")
        assert join_text([part for part in text_parts(text) if part.kind is not PartKind.AREA]).startswith(rest)
    origin_address(found), msgid(found), reply(found)
    if found.area is None:
        return
    lists = (*format_seen_by(parse_nodes(found.seen_by)), *format_path(parse_nodes(found.path)))
    again = split_text(found.transit + b"".join(line + b"\r" for line in lists))
    assert again.transit == found.transit
    assert (again.area, again.origin, again.tearline) == (found.area, found.origin, found.tearline)


def check_built_text(data: bytes) -> None:
    """A text that is composed comes apart into what it was composed of."""
    paragraphs = data.replace(b"\0", b"").split(b"\xff")
    kludges = [line for line in paragraphs[:-1] if not set(b"\r\n\x01") & set(line)]
    kludges = [b"K: " + line for line in kludges]
    raw = build_text(area="TAG", kludges=kludges, body=paragraphs[-1], tearline=b"x", origin=b"y")
    found = split_text(raw)
    assert found.area == "TAG"
    assert found.kludges[: len(kludges)] == kludges
    assert (found.tearline, found.origin) == (b"x", b"y")
    assert found.transit == raw


# --- values of control lines and header fields

KLUDGES: tuple[tuple[Callable[[bytes], object], Callable[..., bytes] | None], ...] = (
    (kludge.parse_msgid, None),
    (kludge.parse_intl, kludge.build_intl),
    (kludge.parse_number, kludge.build_number),
    (kludge.parse_domain, kludge.build_domain),
    (kludge.parse_product_id, kludge.build_product_id),
    (kludge.parse_tzutc, kludge.build_tzutc),
    (kludge.parse_chrs, kludge.build_chrs),
    (kludge.parse_via, kludge.build_via),
    (kludge.parse_flags, kludge.build_flags),
    (kludge.parse_split, kludge.build_split),
    (kludge.parse_reply_addr, kludge.build_reply_addr),
    (kludge.parse_reply_to, kludge.build_reply_to),
    (kludge.parse_rescanned, kludge.build_rescanned),
)


def check_kludge(data: bytes) -> None:
    """A value is refused, or means the same after it was written in the form of its standard and read again."""
    tag, value = kludge.split_kludge(data)
    assert not tag or kludge.find_value([data], tag) in {None, value}
    for parse, build in KLUDGES:
        try:
            meaning = parse(value)
        except KludgeError:
            continue
        if build is None or (isinstance(meaning, kludge.Via) and meaning.stamp is None):
            continue
        once = parse(build(meaning))
        assert parse(build(once)) == once


def check_address(data: bytes) -> None:
    """An address is the same when it is written and read again; a mask takes no longer than it should."""
    text = data.decode("latin-1")
    with suppress(AddressError):
        address = Address.parse(text)
        assert Address.parse(str(address)) == address
        assert AddressPattern.parse(str(address.without_domain)).matches(address)
    with suppress(AddressError):
        pattern = AddressPattern.parse(text)
        pattern.matches(Address(1337, 111, 111, 111))
        assert AddressPattern.parse(str(pattern)) == pattern


def check_date(data: bytes) -> None:
    """Any field is read."""
    assert (parse_date(data).value is None) == (parse_date(data + b"\0").value is None)


def check_nodes(data: bytes) -> None:
    """A list of systems is the same when it is written and read again."""
    nodes = parse_nodes(data.split(b"\n"))
    assert parse_nodes(line[6:] for line in format_path(nodes)) == nodes
    assert parse_nodes(line[8:] for line in format_seen_by(nodes)) == tuple(sorted(set(nodes)))
    circular(nodes)


def check_charset(data: bytes) -> None:
    """Any bytes under any name are shown without a control character."""
    name, _, text = data.partition(b"\r")
    page, _, text = text.partition(b"\r")
    charset = decide_charset(text, name, page, page.decode("latin-1"))
    decode(text, charset)
    shown = display_text(text, charset)
    assert not [char for char in shown if ord(char) < 32 and char not in "\t\n"]


# --- JAM records


def check_jam(data: bytes) -> None:
    """Records are the same when they are written and read again; a message settles when it is stored once more."""
    with suppress(JamError):
        fixed = parse_fixed_header(data)
        assert parse_fixed_header(build_fixed_header(fixed)) == fixed
    with suppress(JamError):
        index = parse_index(data)
        assert b"".join(build_index_record(*record) for record in index) == data
    with suppress(JamError):
        header = parse_message_header(data)
        assert parse_message_header(build_message_header(header)) == header
        fields = parse_subfields(data[76:])
        assert parse_subfields(build_subfields(fields)) == fields
        stored = build_record(read_message(header, fields, data[-40:], 0))
        again = parse_message_header(stored.header(1, 0, 0))
        settled = build_record(read_message(again, parse_subfields(stored.subfields), stored.text, 0))
        assert settled == stored


# --- stored messages


def check_msg(data: bytes) -> None:
    """What is read can be written and is the same then; a message settles when it is stored once more."""
    with suppress(MsgError):
        stored = parse_msg(data)
        if len(stored.date) <= DATE_LENGTH:
            settled = parse_msg(build_msg(stored))
            assert parse_msg(build_msg(settled)) == settled
        again = to_stored(from_stored(stored, 0, (1, 2)), MOMENT)
        assert parse_msg(build_msg(again)) == again


# --- files of the outbound and names


def check_flow(data: bytes) -> None:
    """Whatever is in a flow file stays, what it should name it names then, and adding it again adds nothing."""
    names = [line.path for line in parse_flow(data)]
    lines = [FlowLine(line.directive, b"/" + line.path) for line in parse_flow(data[: len(data) // 2])]
    with suppress(FormatError):
        whole = data + missing_lines(data, lines)
        found = [line.path for line in parse_flow(whole)]
        assert found[: len(names)] == names
        assert {line.path for line in lines} <= set(found)
        assert missing_lines(whole, lines) == b""


def check_names(data: bytes) -> None:
    """Any name is of one kind at most, and any head of a file is of a known type or of none."""
    name = data.decode("utf-8", "surrogateescape")
    assert not (is_packet_name(name) and is_bundle_name(name))
    ignored_name(name), is_unsafe_member(name)
    assert identify(data) in {None, *ArchiveType}
    following = next_bundle_name("0000ffff", len(data) % 7, {name.lower()})
    assert following is not None
    assert following != name.lower()


def check_zip_directory(data: bytes) -> None:
    """An archive cannot be added to, or has the old names and the new one then."""
    with suppress(FormatError):
        directory = find_directory(data[-END_SIZE:], len(data))
        entries = data[directory.offset : directory.offset + directory.size]
        names = parse_directory(entries, directory)
        writer = ZipWriter(directory, entries)
        member = pack_member("new.pkt", b"x" * 100, MOMENT, 1)
        if writer.takes(member, 1 << 20):
            grown = data[: directory.offset] + b"".join(writer.add(member)) + writer.end()
            found = find_directory(grown[-END_SIZE:], len(grown))
            assert parse_directory(grown[found.offset : -END_SIZE], found) == [*names, b"new.pkt"]


# --- nodelists


def check_nodelist(data: bytes) -> None:
    """A list is refused, or each system in it is found by its address, and nobody stands above himself."""
    for kind in ListKind:
        with suppress(FormatError):
            parsed = parse_list(data.splitlines(keepends=True), kind=kind, zone=1337)
            lists = Nodelist([parsed.table("", "x")])
            for entry in parsed.entries.values():
                assert lists.find(entry.address) is entry
                above = [each.address for _, each in lists.above(entry.address)]
                assert len({entry.address, *above}) == len(above) + 1
                assert all(1 <= service.port <= 0xFFFF for service in services_of(entry))


# --- inputs to begin with


def _packets() -> Iterator[bytes]:
    yield packet([message("TQW_GEN", number=1), netmail(number=2)], password=b"SECRET")
    for kind in ("2", "2+", "2.2"):
        yield packet([netmail(number=3)], kind=kind)
    for case in damaged():
        if len(case.data) < 2000:  # short ones are changed sooner in the place that matters
            yield case.data


def _texts() -> Iterator[bytes]:
    yield echo_text("TQW_GEN")
    yield echo_text("TQW_GEN", origin=None, tearline=None)
    yield echo_text("TQW_GEN").replace(b"\r", b"\r\n")
    yield b"AREA:X\r\x01MSGID: 1:2/3 1\rHi\r * Origin: a\r * Origin: b\rSEEN-BY: 1/2\r\x01PATH: 1/2\r\x01Via x\r"
    yield b"\x01INTL 1:2/3 1:2/4\r\x01FMPT 5\rHello\n\r--- \r # Origin: x\r * Origin: y\rSEEN-BY: 1/2\r\x01Via 1:2/3\r"


def _values() -> Iterator[bytes]:
    yield from (
        b'MSGID: "a ""b"" c" 12345678', b"MSGID: 1:2/3.4@net 1a2b3c4d", b"INTL 1:2/3 4:5/6", b"FMPT 12",
        b"DOMAIN a 1:2/3 b 4:5/6", b"PID: Prog 1.0 serial", b"TZUTC: -0330", b"CHRS: UTF-8 4",
        b"Via 1:2/3@net @20260102.030405.67.UTC Prog 1", b"FLAGS DIR A/S", b"REPLYADDR a@b.example",
        b"SPLIT: 09 Mar 24 14:05:06 @5001/100    77    02/03 +++++++++++", b"REPLYTO 1:2/3 UUCP", b"RESCANNED 1:2/3",
    )  # fmt: skip


def _jam() -> Iterator[bytes]:
    header = parse_message_header(b"JAM\0" + bytes(72))
    stored = build_record(read_message(header, [], b"text\r", 0))
    yield stored.header(1, 0, 0) + stored.subfields
    fields = b"".join(
        len(value).to_bytes(4, "little").join((number.to_bytes(4, "little"), value))
        for number, value in (
            (0, b"1:2/3"),
            (2, b"From"),
            (3, b"To"),
            (4, b"1:2/3 1"),
            (6, b"Subject"),
            (2000, b"K: v"),
        )
    )
    yield stored.header(1, 0, 0) + fields
    yield bytes(range(64))


def _stored() -> Iterator[bytes]:
    text = b"\x01INTL 2:345/6 1:123/4\r\x01FMPT 5\rHi\r\x01Via 1:2/3 @20260102.030405.UTC Prog 1\r"
    numbers = (0, 6, 4, 0, 123, 345, 2, 1, 7, 5, 0, 0x181, 0)
    yield build_msg(StoredMessage(b"From", b"To", b"Subject", b"09 Mar 24  14:05:06", *numbers, text))
    yield bytes(190) + b"text"


def _archive() -> Iterator[bytes]:
    writer = ZipWriter()
    pieces = [piece for name in ("a.pkt", "b.pkt") for piece in writer.add(pack_member(name, b"data" * 9, MOMENT, 6))]
    yield b"".join(pieces) + writer.end()


def _lines(*lines: bytes) -> Callable[[], tuple[bytes, ...]]:
    return partial(tuple, lines)


TARGETS = (
    pure("packet", check_packet, _packets),
    pure("packet-shown", check_packet_shown, _packets, 1000),
    pure("packet-header", check_packet_header, lambda: [packet_header("1:2/3", "4:5/6", b"PW")], 64),
    pure("text", check_text, _texts),
    pure("built-text", check_built_text, _lines(b"one\xfftwo\xffbody\r\x01x\r--- y\r * Origin: z")),
    pure("kludge", check_kludge, _values, 200),
    pure("address", check_address, _lines(b"2:5020/1042.1@fidonet.org", b"2:502?/*.*", b"1:*"), 80),
    pure("date", check_date, _lines(b"09 Mar 24  14:05:06", b"Sat  9 Mar 24 14:05", b"1 Dez 126 8:05"), 24),
    pure("nodes", check_nodes, _lines(b"1/2 3 4/5.6 7:8/9\n10 \xfe 65535/65535"), 400),
    pure(
        "charset", check_charset, _lines(b"CP437 2\r850\rtext \x8d\x80", b"+7 FIDO\r\r\xd0\x9f", b"IBMPC 2\r866\r\xe1")
    ),
    pure("jam", check_jam, _jam, 600),
    pure("msg", check_msg, _stored, 400),
    pure("flow", check_flow, _lines(b"^/out/a.mo0\n#/out/b.pkt\r\n~/sent\n\n@keep\n"), 400),
    pure("nodelist", check_nodelist, lambda: [nodelist(LINES[5:9]), b"".join(body_of(POINT_LINES))], 600),
    pure("names", check_names, _lines(b"0000FFFF.MO0", b"1.2.3.4.su1", b"a.pkt", b"..\\x", b"PK\3\4"), 600),
    pure("zip-directory", check_zip_directory, _archive, 600),
)
