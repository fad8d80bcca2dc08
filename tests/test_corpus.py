"""The invented mail against our own codec: two implementations of the same formats, compared."""

from __future__ import annotations

import hashlib
from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from tests.corpus import (
    HUB,
    US,
    BadInput,
    Letter,
    damaged,
    make_packets,
    message,
    netmail,
    packet,
    packet_header,
    truncations,
)
from tosser.address import Address
from tosser.codec.charset import decide_charset, decode
from tosser.codec.ftsdate import parse_date
from tosser.codec.kludge import find_value
from tosser.codec.message import msgid, origin_address, reply, split_text
from tosser.codec.packet import parse_packet
from tosser.codec.packet_header import parse_packet_header
from tosser.errors import PacketError
from tosser.reason import FileState, Reason

if TYPE_CHECKING:
    from pathlib import Path

    from tests.corpus import Kind
    from tosser.codec.packet import PackedMessage


def fate(data: bytes) -> tuple[str, int]:
    """Tell what becomes of a file by the packet codec alone, in the words of `BadInput`."""
    try:
        read = parse_packet(data)
    except PacketError as error:
        return error.reason, 0
    if read.trailing:
        return Reason.TRAILING_JUNK, len(read.messages)
    return "tolerated" if read.messages else FileState.EMPTY, len(read.messages)


def told(raw: PackedMessage, packet_name: str) -> Letter:
    """Describe a message by what our codec says about it."""
    text = split_text(raw.text)
    chrs = find_value(text.kludges, b"CHRS")
    charset = decide_charset(raw.text, chrs, None, "CP437")
    answered, written = reply(text), parse_date(raw.date).value
    assert written is not None
    return Letter(
        area=str(text.area),
        msgid=str(msgid(text) or b"", "ascii"),
        reply=None if answered is None else str(answered, "ascii"),
        from_name=decode(raw.sender, charset),
        to_name=decode(raw.to, charset),
        subject=decode(raw.subject, charset),
        date=str(raw.date, "ascii"),
        utc=written.replace(tzinfo=UTC),
        charset=None if chrs is None else str(chrs.split()[0], "ascii"),
        origin=str(origin_address(text)),
        packet=packet_name,
        body_size=len(text.body),
        body_sha256=hashlib.sha256(text.body).hexdigest(),
    )


@pytest.mark.parametrize("kind", ["2", "2+", "2.2"])
def test_codec_reads_what_the_corpus_says(kind: Kind, tmp_path: Path) -> None:
    """Every field of every message of a corpus is read as it was meant, from packets of each type."""
    corpus = make_packets(tmp_path, messages=200, packets=3, areas=7, kind=kind)

    read = [told(raw, path.name) for path in corpus.packets for raw in parse_packet(path.read_bytes()).messages]

    assert tuple(read) == corpus.letters


def test_corpus_follows_from_its_seed(tmp_path: Path) -> None:
    """The same seed gives the same bytes; another one shares no MSGID and no file name with it."""
    directories = [tmp_path / name for name in ("first", "again", "other")]
    for directory in directories:
        directory.mkdir()

    first, again, other = (
        make_packets(directory, messages=50, packets=2, areas=3, seed=seed)
        for directory, seed in zip(directories, (5, 5, 6), strict=True)
    )

    assert first.letters == again.letters
    assert [path.read_bytes() for path in first.packets] == [path.read_bytes() for path in again.packets]
    assert first.msgids & other.msgids == set()
    assert {path.name for path in first.packets} & {path.name for path in other.packets} == set()


def test_corpus_is_like_real_mail(tmp_path: Path) -> None:
    """Sizes, answers, character sets and cut subjects occur as they do in real areas."""
    letters = make_packets(tmp_path, messages=1000, packets=1, areas=20).letters

    sizes = sorted(letter.body_size for letter in letters)
    assert 300 <= sizes[0] < sizes[-1] <= 8100
    assert 1300 <= sizes[len(sizes) // 2] <= 1900
    assert {letter.charset for letter in letters} == {"CP437", "CP866", "UTF-8", None}
    assert 200 < sum(letter.reply is not None for letter in letters) < 800
    assert any(len(letter.subject.encode("utf-8")) == 71 for letter in letters)
    assert {letter.reply for letter in letters} - {None} <= {letter.msgid for letter in letters}


@pytest.mark.parametrize("bad", damaged(), ids=lambda bad: bad.name)
def test_codec_judges_damage_as_the_corpus_does(bad: BadInput) -> None:
    """What is broken in form is refused for the stated reason, or read with the stated number of messages."""
    expected = Reason.HEADER_SHORT if not bad.data else bad.expected  # an empty file never reaches the codec

    assert fate(bad.data) == (expected, bad.messages)


def test_codec_judges_a_packet_cut_anywhere() -> None:
    """Whatever byte a packet is cut at, no part of a message that was cut is read."""
    wrong = [bad.name for bad in truncations() if bad.data and fate(bad.data) != (bad.expected, bad.messages)]

    assert wrong == []


@pytest.mark.parametrize("kind", ["2", "2+", "2.2"])
@pytest.mark.parametrize("sender", [HUB, "1337:1/100.7"])
def test_codec_reads_the_headers(kind: Kind, sender: str) -> None:
    """Both addresses and the password come out of a header of each type; type 2 knows no points."""
    header = parse_packet_header(packet_header(sender, US, b"Secret", kind=kind))

    expected = Address.parse(sender)
    assert header.orig.without_domain == (expected.boss if kind == "2" else expected)
    assert header.dest.without_domain == Address.parse(US)
    assert header.password == b"SECRET"


def test_netmail_names_its_points() -> None:
    """Netmail carries INTL, and points in FMPT and TOPT."""
    (raw,) = parse_packet(packet([netmail(author="1337:1/100.7", addressee="1337:1/200.9")])).messages

    text = split_text(raw.text)
    assert text.area is None
    assert [find_value(text.kludges, tag) for tag in (b"INTL", b"FMPT", b"TOPT")] == [
        b"1337:1/200 1337:1/100",
        b"7",
        b"9",
    ]


def test_messages_differ_by_number() -> None:
    """Two numbers give two messages with different MSGIDs, dates and subjects."""
    first, second = parse_packet(packet([message("TQW_GEN", number=1), message("TQW_GEN", number=2)])).messages

    assert first.subject != second.subject
    assert first.date != second.date
    assert msgid(split_text(first.text)) != msgid(split_text(second.text))
