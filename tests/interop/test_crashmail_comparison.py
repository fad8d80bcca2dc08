"""Our packets and crashmail's for the same input, field by field: `docs/interop.md` explains every difference.

Both programs stand in the same place, with the same uplink, and what they have for the same downlink is compared. The
tables of the page are read here, so a difference that is not explained fails, and an explanation without a difference.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.corpus import HUB, TextParts, echo_text, message, packed, packet, seen_by_nodes
from tests.corpus import US as NODE
from tests.packets import HEADER_FIELDS, Taken, header_of, messages_in, number
from tests.peers.crashmail import Crashmail, CrashmailLink
from tests.peers.daemon import DONE, node

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

PAGE = (Path(__file__).parents[2] / "docs" / "interop.md").read_text("utf-8")
DOWN = "1337:1/201"
CLOCK = ("year", "month", "day", "hour", "minute", "second")
ONLY_ONE = "sent on"
LONG_LINE = b"SEEN-BY: " + b" ".join(b"1/%d" % number for number in range(300, 340)) + b"\r"
END = b"SEEN-BY: 1/100 300\r\x01PATH: 1/300 100\r"


def text(**parts: Unpack[TextParts]) -> bytes:
    """Build a text for the area of the test."""
    return echo_text("TQW_GEN", **parts)


def cut(end: bytes) -> bytes:
    """Build a text that ends with the Origin, and then with something else."""
    return text(seen_by=[], path=[]) + end


def inserted(kludge: bytes) -> bytes:
    """Build a text with one more line among its kludges."""
    return text().replace(b"\x01PID", kludge + b"\r\x01PID")


PARTS: dict[str, Callable[[Taken], object]] = {
    "names and subject": lambda one: (one.to_name, one.from_name, one.subject),
    "text": lambda one: one.authored,
    "SEEN-BY": lambda one: one.seen_by,
    "PATH": lambda one: one.path,
}
MESSAGES = {
    "ordinary": packed(text()),
    "without kludges": packed(text(msgid="1337:1/300 00000aaa", pid=None, charset=None, tzutc=None)),
    "without MSGID": packed(text(msgid=None)),
    "without SEEN-BY and PATH": packed(cut(b"")),
    "long SEEN-BY and PATH": packed(
        text(seen_by=seen_by_nodes("1/100", count=90), path=[*(f"{net}/100" for net in range(10, 40)), "1/100"])
    ),
    "unsorted SEEN-BY, nodes twice": packed(text(seen_by=["5/10", "1/300", "1/100", "2/3", "1/300"])),
    "zones and points in SEEN-BY": packed(cut(b"SEEN-BY: 1337:1/100 1/300.5 200 2/7\r\x01PATH: 1/300 100\r")),
    "attributes or cost": packed(text(), attributes=0x0119, cost=7),
    "line feeds": packed(text().replace(b"\r", b"\r\n")),
    "soft CRs": packed(text(body=b"one\x8dtwo\x8d\rthree\r")),
    "no CR at the end": packed(text().removesuffix(b"\r")),
    "no Origin": packed(text(origin=None)),
    "no tearline and no Origin": packed(text(origin=None, tearline=None)),
    "an Origin in the text": packed(text(body=b" * Origin: Another (1337:9/9)\rmore\r")),
    "an empty body": packed(text(body=b"")),
    "SEEN-BY in the text": packed(text(body=b"SEEN-BY: 9/9\rmore\r")),
    "the longest names and subject": packed(text(), to_name=b"T" * 35, from_name=b"F" * 35, subject=b"S" * 71),
    "a SEAdog date": packed(text(), date=b"Sun  1 Nov 26 08:00\0"),
    "a tag in lower case": packed(text().replace(b"TQW_GEN", b"tqw_gen")),
    "blanks around the tag": packed(text().replace(b"AREA:TQW_GEN", b"AREA: TQW_GEN ")),
    "`^A` before AREA": packed(b"\x01" + text()),
    "`area:`": packed(text().replace(b"AREA:", b"area:")),
    "a kludge before AREA": packed(b"\x01FIRST: yes\r" + text()),
    "`^A` before SEEN-BY": packed(cut(b"\x01SEEN-BY: 1/100 300\r\x01PATH: 1/300 100\r")),
    "text behind the Origin": packed(cut(b"An advertisement\r" + END)),
    "a kludge behind the Origin": packed(cut(b"\x01GATED: yes\r" + END)),
    "Via behind the Origin": packed(cut(b"\x01Via 1337:1/100 @20261101.080000.UTC X\r" + END)),
    "empty lines behind the Origin": packed(cut(b"\r\r" + END)),
    "a SEEN-BY line of 206 characters": packed(cut(LONG_LINE + b"\x01PATH: 1/300 100\r")),
    "a PATH line per system": packed(cut(b"SEEN-BY: 1/100 300\r\x01PATH: 1/300\r\x01PATH: 1/100\r")),
    "a PATH line that begins without net": packed(cut(b"SEEN-BY: 1/100 300\r\x01PATH: 1/300 400\r\x01PATH: 100\r")),
    "INTL and FMPT": packed(inserted(b"\x01INTL 1337:1/200 1337:1/100\r\x01FMPT 3")),
    "RESCANNED": packed(inserted(b"\x01RESCANNED 1337:1/100")),
    "the downlink in SEEN-BY": packed(text(seen_by=["1/100", "1/200", "1/201"])),
    "the downlink in PATH": packed(text(path=["1/201", "1/100"])),
    "the downlink in the Origin": packed(text(origin="Where it came from (1337:1/201)")),
    "we in PATH": packed(text(path=["1/300", "1/200", "1/100"])),
    "a node twice in PATH": packed(text(path=["1/300", "1/5", "1/300", "1/100"])),
}


class Place(NamedTuple):
    """Where both programs stand: their uplink, their own address, and the downlink."""

    uplink: str
    own: str
    downlink: str


PLACES = {
    "from node to node": Place(HUB, NODE, DOWN),
    "from node to point": Place(HUB, NODE, "1337:1/200.7"),
    "from point to node": Place(NODE, "1337:1/200.7", DOWN),
    "from zone to zone": Place(HUB, NODE, "1338:1/201"),
}


def sent_on(root: Path, place: Place, data: bytes) -> tuple[bytes, bytes]:
    """Give a packet to both programs, and return what each has for the downlink: crashmail's first."""
    root.mkdir()
    links = {place.uplink: CrashmailLink("UPWARD"), place.downlink: CrashmailLink("DOWNWARD")}
    with Crashmail(address=place.own, links=links) as theirs:
        (theirs.inbound / "00000001.pkt").write_bytes(data)
        theirs.toss()
        (their_packet,) = (theirs.root / "out").rglob("*.pkt")
        other = their_packet.read_bytes()
    ours = node(
        root / "node",
        areas=["TQW_GEN"],
        address=place.own,
        links={link: how.password for link, how in links.items()},
        link_defaults={"archiver": "none"},
        networks={"tqwnet": {"zones": [1337, 1338]}},
    )
    ours.deliver(data)
    assert ours.toss().code == DONE
    (our_packet,) = (path for out in ours.root.glob("out*") for path in out.rglob("*.pkt"))
    return other, our_packet.read_bytes()


def unlike(theirs: Taken | None, ours: Taken | None) -> set[str]:
    """Name what differs in a message; both absent is no difference."""
    if theirs is None or ours is None:
        return set() if theirs is ours else {ONLY_ONE}
    found = {name for name, value in theirs.fixed.items() if value != ours.fixed[name]}
    found |= {name for name, part in PARTS.items() if part(theirs) != part(ours)}
    return found or ({"layout"} if theirs.text != ours.text else set())


def explained(heading: str) -> set[tuple[str, str]]:
    """Read which differences a table of the page explains: the first two cells of every row."""
    (section,) = re.findall(rf"^## {heading}\n(.+?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    rows = [tuple(cell.strip() for cell in line.split("|")[1:3]) for line in section.splitlines() if line[:1] == "|"]
    return {(case, field) for case, field in rows[2:]}


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Taken | None], list[Taken | None]]:
    """What both programs make of every message of the table, in its order; ``None`` where one sends nothing."""
    numbered = [raw.replace(b"00000001", b"%08x" % index, 1) for index, raw in enumerate(MESSAGES.values(), 1)]
    numbered = [
        raw if b"S" * 71 in raw else raw.replace(b"\0Test\0", b"\0%d\0" % index)
        for index, raw in enumerate(numbered, 1)
    ]
    both = sent_on(
        tmp_path_factory.mktemp("messages") / "both", PLACES["from node to node"], packet(numbered, password=b"UPWARD")
    )
    subjects = [raw[34:].split(b"\0")[2] for raw in numbered]
    theirs, ours = ({one.subject: one for one in messages_in(data)} for data in both)
    return [theirs.get(subject) for subject in subjects], [ours.get(subject) for subject in subjects]


def test_messages_differ_as_explained(messages: tuple[list[Taken | None], list[Taken | None]]) -> None:
    """What is not in the page's table comes out of both programs the same to the byte, or out of neither."""
    found = {(case, field) for case, *pair in zip(MESSAGES, *messages, strict=True) for field in unlike(*pair)}
    assert found == explained("Messages that differ")


def test_messages_that_both_hold_back(messages: tuple[list[Taken | None], list[Taken | None]]) -> None:
    """Only what the downlink has already, and what was for us alone, is sent by neither."""
    held = [case for case, *pair in zip(MESSAGES, *messages, strict=True) if pair == [None, None]]
    assert held == ["RESCANNED", "the downlink in SEEN-BY"]


def test_what_we_alone_hold_back(messages: tuple[list[Taken | None], list[Taken | None]]) -> None:
    """Where one of the two sends a message on, and the other does not, it is as the page says."""
    theirs = [case for case, one, other in zip(MESSAGES, *messages, strict=True) if one and not other]
    ours = [case for case, one, other in zip(MESSAGES, *messages, strict=True) if other and not one]
    assert ours == ["`^A` before AREA", "`area:`", "a kludge before AREA"]
    assert theirs == ["the downlink in PATH", "the downlink in the Origin", "we in PATH", "a node twice in PATH"]


def test_headers_differ_as_explained(tmp_path: Path) -> None:
    """Every field of the packet header and the message header, for nodes, points and zones."""
    before = int(time.time())
    found = set()
    for case, place in PLACES.items():
        raw = message("TQW_GEN", sender=place.uplink, dest=place.own)
        data = packet([raw], sender=place.uplink, dest=place.own, password=b"UPWARD")
        both = sent_on(tmp_path / case, place, data)
        theirs, ours = map(header_of, both)
        found |= {(case, name) for name in HEADER_FIELDS if name not in CLOCK and theirs[name] != ours[name]}
        for header in (theirs, ours):
            year, month, day, hour, minute, second = (number(header[name]) for name in CLOCK)
            made = datetime(year, month + 1, day, hour, minute, second)  # noqa: DTZ001 - packet headers have local time
            assert before <= made.timestamp() <= time.time()
        (one,), (other,) = map(messages_in, both)
        found |= {(case, field) for field in unlike(one, other)}
    assert found == {
        (case, field) for shown, field in explained("Packet headers") for case in PLACES if shown in {case, "any"}
    }
