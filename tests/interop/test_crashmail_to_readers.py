"""From one foreign program through ours to another: crashmail exports, we toss, jamnntpd shows it to readers.

What must come out is taken from crashmail's packets by a few lines of their own, not by the code under test.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.corpus import HUB, US, area_tags, make_packets
from tests.peers.crashmail import Crashmail, CrashmailLink, crashwrite
from tests.peers.daemon import DONE, node
from tests.peers.jamnntpd import Jamnntpd
from tests.peers.programs import require_own

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.corpus import Letter, Manifest
    from tests.peers.jamnntpd import NewsSession

WRITER = "1337:1/300"
AREAS = area_tags(3)
MESSAGES = 1_000
OPTIONS = ("-noencode", "-def_showto", "off")
"""Header fields as bytes, and the author alone in From."""
HEADER, FIXED = 58, 34


@dataclass(frozen=True, slots=True)
class Expected:
    """One message as crashmail sent it: names, subject and lines as bytes that were read as Latin-1."""

    from_name: str
    to_name: str
    subject: str
    kludges: dict[str, str]
    lines: list[str]
    seen_by: list[str]
    path: list[str]

    @property
    def body(self) -> bytes:
        """What the author wrote, with tearline and Origin."""
        return "".join(f"{line}\r" for line in self.lines).encode("latin-1")


def read_packet(path: Path) -> Iterator[Expected]:
    """Take a packet apart: after 58 bytes, messages of 34 fixed bytes and four strings that end in NUL (FTS-0001)."""
    data, at = path.read_bytes(), HEADER
    while struct.unpack_from("<H", data, at) == (2,):
        to_name, from_name, subject, text, _ = data[at + FIXED :].split(b"\0", 4)
        at += FIXED + sum(len(field) + 1 for field in (to_name, from_name, subject, text))
        lines = text.decode("latin-1").removesuffix("\r").split("\r")[1:]
        kludges = dict(line[1:].split(": ", 1) for line in lines if line.startswith("\x01") and line[1:5] != "PATH")
        yield Expected(
            from_name.decode("latin-1"),
            to_name.decode("latin-1"),
            subject.decode("latin-1"),
            kludges,
            [line for line in lines if not line.startswith(("\x01", "SEEN-BY: "))],
            [line.removeprefix("SEEN-BY: ") for line in lines if line.startswith("SEEN-BY: ")],
            [line.removeprefix("\x01PATH: ") for line in lines if line.startswith("\x01PATH: ")],
        )


def unflow(lines: list[str]) -> list[str]:
    """Undo format=flowed (RFC 3676): a line that ends in a blank goes on in the next, one blank in front is padding."""
    joined = [""]
    for line in lines:
        joined[-1] += line.removeprefix(" ")
        if not line.endswith(" "):
            joined.append("")
    return joined[:-1]


@dataclass(frozen=True, slots=True)
class Read:
    """What went in and what came out.

    Attributes:
        corpus: what the first system wrote.
        sent: what crashmail sent us, by MSGID.
        articles: header fields and lines of each article, by MSGID.
    """

    corpus: Manifest
    sent: dict[str, Expected]
    articles: dict[str, tuple[list[tuple[str, str]], list[str]]]

    def field(self, msgid: str, name: str) -> list[str]:
        """All values of a header field of one article."""
        return [value for each, value in self.articles[msgid][0] if each == name]


def fetch_all(news: NewsSession, group: str) -> Iterator[tuple[list[tuple[str, str]], list[str]]]:
    """Fetch every article of a group."""
    count, first, last = news.group(group)
    assert (first, last) == (1, count)
    for number in range(first, last + 1):
        yield news.whole_article(number)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """1,000 messages that another system sent to crashmail, which exported them to us, read over NNTP."""
    root = tmp_path_factory.mktemp("readers")
    system = node(root / "node", areas=AREAS)
    links = {US: CrashmailLink(), WRITER: CrashmailLink()}
    with Crashmail(links=links, areas=AREAS) as hub:
        corpus = make_packets(hub.inbound, messages=MESSAGES, packets=4, areas=len(AREAS), sender=WRITER, dest=HUB)
        hub.toss()
        packets = hub.collect(US, system.secure)
    sent = {message.kludges["MSGID"]: message for path in packets for message in read_packet(path)}
    assert system.toss().code == DONE
    articles = {}
    groups = {tag: system.bases / tag.lower() for tag in AREAS}
    with Jamnntpd(root / "news", groups, require_own("jamnntpd-i386"), OPTIONS) as server, server.session() as news:
        for group in groups:
            for headers, lines in fetch_all(news, group):
                articles[dict(headers)["x-jam-msgid"]] = (headers, lines)
    return Read(corpus, sent, articles)


def test_every_message_is_there(read: Read) -> None:
    """Each message that was written is an article of its own."""
    assert len(read.corpus.letters) == MESSAGES
    assert set(read.articles) == set(read.sent) == read.corpus.msgids


def shown(line: str) -> str:
    """What jamnntpd leaves of a line: it drops the byte 0x8D wherever it stands, and then blanks at the end."""
    return line.replace("\x8d", "").rstrip(" ")


def test_names_and_subjects(read: Read) -> None:
    """X-JAM-From, X-JAM-To and Subject are as crashmail sent them, 8-bit bytes too, with the author's address."""
    for letter in read.corpus.letters:
        sent = read.sent[letter.msgid]
        assert read.field(letter.msgid, "x-jam-from") == [f"{sent.from_name} <{letter.origin}>"]
        assert read.field(letter.msgid, "x-jam-to") == [sent.to_name]
        assert read.field(letter.msgid, "subject") == [sent.subject]
        assert read.field(letter.msgid, "newsgroups") == [letter.area]
    assert sum(not sent.subject.isascii() for sent in read.sent.values()) > MESSAGES // 10


def test_dates(read: Read) -> None:
    """Date is when the author wrote it, in his zone."""
    found = {letter.msgid: read.field(letter.msgid, "date") for letter in read.corpus.letters}
    assert found == {
        letter.msgid: [f"{letter.utc:%a}, {letter.utc.day} {letter.utc:%b %Y %H:%M:%S} +0000"]
        for letter in read.corpus.letters
    }


def test_kludges(read: Read) -> None:
    """MSGID, REPLY, PID, TZUTC and CHRS come out of their subfields."""
    for letter in read.corpus.letters:
        kludges = dict(read.sent[letter.msgid].kludges)
        assert read.field(letter.msgid, "x-jam-msgid") == [kludges.pop("MSGID")]
        assert read.field(letter.msgid, "x-jam-replyid") == ([kludges.pop("REPLY")] if letter.reply else [])
        assert read.field(letter.msgid, "x-jam-pid") == [kludges.pop("PID")]
        assert read.field(letter.msgid, "x-jam-tzutcinfo") == [kludges.pop("TZUTC")]
        assert read.field(letter.msgid, "x-jam-ftskludge") == [f"{name}: {value}" for name, value in kludges.items()]
        assert read.field(letter.msgid, "x-jam-attributes") == ["TypeEcho"]
    assert sum(letter.reply is not None for letter in read.corpus.letters) > MESSAGES // 10


def test_seen_by_and_path(read: Read) -> None:
    """SEEN-BY and PATH are those that crashmail wrote when it sent the message on, line by line."""
    for msgid, sent in read.sent.items():
        assert read.field(msgid, "x-jam-seenby2d") == sent.seen_by
        assert read.field(msgid, "x-jam-path2d") == sent.path
        assert len(sent.seen_by) > 1
        assert sent.path[-1].endswith(" 1/300 100")


def test_bodies(read: Read) -> None:
    """The text is what the author wrote, to the last byte, as far as jamnntpd shows it."""
    written: dict[str, Letter] = {letter.msgid: letter for letter in read.corpus.letters}
    for msgid, sent in read.sent.items():
        assert hashlib.sha256(sent.body).hexdigest() == written[msgid].body_sha256
        assert unflow(read.articles[msgid][1]) == [shown(line) for line in sent.lines], msgid
    assert sum(not sent.body.isascii() for sent in read.sent.values()) > MESSAGES // 10


def test_what_crashwrite_makes(tmp_path: Path) -> None:
    """Messages straight from crashmail's writer, without SEEN-BY and PATH, are read as they were written."""
    system = node(tmp_path, areas=AREAS)
    packets = crashwrite(
        system.secure, "First line\n\nand the last.\n", "Another\n", subject="From afar", area="TQW_GEN"
    )
    sent = [message for path in packets for message in read_packet(path)]
    assert system.toss().code == DONE
    program = require_own("jamnntpd-i386")
    groups = {"TQW_GEN": system.bases / "tqw_gen"}
    with Jamnntpd(tmp_path / "news", groups, program, OPTIONS) as server, server.session() as news:
        articles = [(dict(headers), unflow(lines)) for headers, lines in fetch_all(news, "TQW_GEN")]
    assert len(sent) == 2
    for message, (headers, lines) in zip(sent, articles, strict=True):
        assert headers["x-jam-from"] == f"Ada Quillfeather <{HUB}>"
        assert headers["x-jam-to"] == "All"
        assert headers["subject"] == "From afar"
        assert headers["x-jam-msgid"] == message.kludges["MSGID"]
        assert "x-jam-path2d" not in headers
        assert lines == message.lines
