"""Many messages to many links, by the real command: each link's packets hold each message once, within its limits.

What was sent is read by the field tables (`tests.packets`), by crashmail, and by our own ``packet show``.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.corpus import DOWNLINKS, HUB, US, area_tags, make_packets, two_d
from tests.mail import split_address
from tests.packets import header_of, messages_in, number, packets_in
from tests.peers.crashmail import Crashmail, CrashmailLink
from tests.peers.daemon import DONE, Node, node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus import Manifest

MESSAGES, AREAS = 10_000, 20
LINKS = DOWNLINKS[:50]
MAX_PACKET, MAX_BUNDLE = 128 * 1024, 256 * 1024
KINDS = (("zip", "2+"), ("none", "2+"), ("zip", "2"), ("zip", "2.2"), ("zip", "2+"))
"""How links are served in turn: archiver and packet type."""
KIND_COUNT = 4
"""The first links of this number are one of each kind."""
TYPES = {"2": (0, 0), "2+": (0, 1), "2.2": (2, 0)}
"""What type a packet is, by two fields of its header: ``baud``, where 2.2 has its number, and ``capability``."""
MSGID = re.compile(rb"\r\x01MSGID: ([^\r]+)\r")
SUMS = re.compile(r"Imported messages: +(\d+).+?Bad messages: +(\d+) +Duplicate messages: +(\d+)", re.DOTALL)


def kind_of(link: str) -> tuple[str, str]:
    """Tell archiver and packet type of a link."""
    return KINDS[LINKS.index(link) % len(KINDS)]


@dataclass(frozen=True, slots=True)
class Sent:
    """What lies in the outbound for one link.

    Attributes:
        files: what its flow file names.
        sizes: the bytes of each of them.
        packets: the bytes of each packet in them.
        kinds: the types of the packets.
        destinations: the node numbers in their headers.
        msgids: of all messages, in the order of files, packets and messages.
    """

    files: list[Path]
    sizes: list[int]
    packets: list[int]
    kinds: set[tuple[int, int]]
    destinations: set[int]
    msgids: list[bytes]


@dataclass(frozen=True, slots=True)
class FanOut:
    """A hub that has tossed the whole corpus, what came in, and what lies there for each link."""

    system: Node
    corpus: Manifest
    sent: dict[str, Sent]


def flow_of(system: Node, link: str) -> Path:
    """Name the flow file of a link."""
    _, net, node_number, _ = split_address(link)
    return system.outbound / f"{net:04x}{node_number:04x}.flo"


def read_sent(system: Node, link: str) -> Sent:
    """Look at what lies in the outbound for a link; everything is to be deleted when it is sent."""
    lines = flow_of(system, link).read_text("ascii").splitlines()
    assert all(line.startswith(f"^{system.outbound}/") for line in lines)
    files = [Path(line.removeprefix("^")) for line in lines]
    packets = packets_in(files)
    headers = [header_of(data) for data in packets]
    return Sent(
        files,
        [path.stat().st_size for path in files],
        [len(data) for data in packets],
        {(number(header["baud"]), number(header["capability"])) for header in headers},
        {number(header["destNode"]) for header in headers},
        [msgid for data in packets for msgid in MSGID.findall(data)],
    )


@pytest.fixture(scope="module")
def fan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FanOut]:
    """10,000 messages from the uplink, tossed once, for 50 links that are in all areas."""
    root = tmp_path_factory.mktemp("fan_out")
    system = node(
        root,
        areas=AREAS,
        links=dict.fromkeys([HUB, *LINKS], ""),
        link_defaults={"max_packet": MAX_PACKET, "max_bundle": MAX_BUNDLE},
        toss={"sync": "none"},  # nobody pulls the plug here
    )
    document = yaml.safe_load(system.config.read_text("utf-8"))
    for entry in document["links"][1:]:
        entry["archiver"], entry["packet_type"] = kind_of(entry["address"])
    system.config.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    corpus = make_packets(system.secure, messages=MESSAGES, packets=20, areas=AREAS, body_median=300)
    result = system.toss()
    assert result.code == DONE, result.stderr
    yield FanOut(system, corpus, {link: read_sent(system, link) for link in LINKS})
    shutil.rmtree(root)  # some hundred megabytes


def test_every_link_gets_every_message_once(fan: FanOut) -> None:
    """All packets of a link together hold the messages in the order in which they came, and nothing else."""
    expected = [letter.msgid.encode("ascii") for letter in fan.corpus.letters]
    assert [link for link in LINKS if fan.sent[link].msgids != expected] == []


def test_nothing_goes_back(fan: FanOut) -> None:
    """The uplink, which sent them, gets none of them, and no file lies in the outbound that no flow file names."""
    expected = {path for sent in fan.sent.values() for path in sent.files} | {
        flow_of(fan.system, link) for link in LINKS
    }
    assert {path for path in fan.system.outbound.rglob("*") if path.is_file()} == expected


def test_limits(fan: FanOut) -> None:
    """No packet is larger than the link takes, no bundle either, and neither is closed long before it is."""
    for link, sent in fan.sent.items():
        archiver, _ = kind_of(link)
        assert max(sent.packets) <= MAX_PACKET
        assert max(sent.sizes) <= MAX_BUNDLE
        if archiver == "zip":
            assert len(sent.files) < len(sent.packets)
            assert min(sent.sizes[:-1]) > MAX_BUNDLE // 2
        else:
            assert sent.sizes == sent.packets


def test_packets_are_as_configured(fan: FanOut) -> None:
    """Each link gets packets of the one type it wants, to its own address, in files that are named once."""
    for link, sent in fan.sent.items():
        archiver, packet_type = kind_of(link)
        assert sent.kinds == {TYPES[packet_type]}
        assert sent.destinations == {split_address(link)[2]}
        assert len({path.name for path in sent.files}) == len(sent.files)
        assert {path.suffix == ".pkt" for path in sent.files} == {archiver == "none"}


def test_the_messages_are_those_that_came(fan: FanOut) -> None:
    """For a link of each kind: date and text are the author's, SEEN-BY has all links, PATH has us."""
    written = {letter.msgid: letter for letter in fan.corpus.letters}
    every = {two_d(HUB), two_d(US), *map(two_d, LINKS)}
    for link in LINKS[:KIND_COUNT]:
        for message in (one for data in packets_in(fan.sent[link].files) for one in messages_in(data)):
            letter = written[message.msgid]
            assert hashlib.sha256(message.authored[-letter.body_size :]).hexdigest() == letter.body_sha256
            assert (message.area, message.fixed["date"]) == (letter.area, f"{letter.date}\0".encode("ascii"))
            assert message.fixed["attributes"] == message.fixed["cost"] == b"\0\0"
            assert every <= set(message.seen_by)
            assert message.path[-2:] == [two_d(HUB), two_d(US)]


@pytest.mark.parametrize("link", LINKS[:3])
def test_crashmail_reads_all_of_it(fan: FanOut, link: str) -> None:
    """A link that runs crashmail imports every message, and finds nothing bad and no duplicate."""
    links = {US: CrashmailLink(), "1337:1/999": CrashmailLink()}
    with Crashmail(address=link, links=links, areas=area_tags(AREAS)) as peer:
        for path in fan.sent[link].files:
            shutil.copy(path, peer.inbound)
        printed = peer.toss()

    match = SUMS.search(printed)
    assert match is not None, printed
    assert match.groups() == (str(MESSAGES), "0", "0")


def test_packet_show_reads_it(fan: FanOut) -> None:
    """Our own command finds nothing wrong with the first and the last file of a link of each kind."""
    sent = [fan.sent[link].files for link in LINKS[:KIND_COUNT]]
    result = fan.system.run("packet", "show", *(str(path) for files in sent for path in (files[0], files[-1])))

    assert (result.code, result.stderr) == (DONE, "")
    assert result.stdout.count("MSGID") > KIND_COUNT
