"""The packets that are sent on, byte by byte."""

from __future__ import annotations

import struct
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.corpus import HUB, US, echo_text, message, netmail, packed
from tests.rules.world import (
    decide_batch,
    echo,
    make_area,
    make_batch,
    make_link,
    make_network,
    make_piece,
    make_pieces,
    make_rules,
)
from tosser.address import Address
from tosser.codec.packet import PacketType, parse_packet
from tosser.rules.network import AreaLink, InboundClass
from tosser.rules.outgoing import draw_packets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tosser.rules.batch import Piece
    from tosser.rules.network import Link, Network, Rulebook
    from tosser.rules.outgoing import OutPacket

NET = make_network("tqwnet", US)
PEER = "1337:1/201"
SECOND = "1337:1/202"
CREATED = datetime(2026, 12, 24, 18, 30, 5)  # noqa: DTZ001 - packets have local time


def world(*links: Link | str, network: Network = NET, tags: Sequence[str] = ("TECH",)) -> Rulebook:
    """Areas that all these links may read and write."""
    systems = [make_link(link, network) if isinstance(link, str) else link for link in links]
    full = {link.address: AreaLink() for link in systems}
    return make_rules([network], systems, [make_area(tag, network, full) for tag in tags])


def drawn(rules: Rulebook, *pieces: Piece, later: Rulebook | None = None) -> list[OutPacket]:
    """Decide on pieces, and draw up the packets, by other rules if those have changed meanwhile."""
    decision = decide_batch(make_batch(pieces), rules)
    packets = draw_packets(pieces, decision, later or rules, CREATED)
    for packet in packets:
        assert packet.size == len(packet.content())
        assert packet.messages == len(parse_packet(packet.content()).messages)
    return packets


def only(packets: list[OutPacket]) -> bytes:
    """Give the bytes of the only packet."""
    (packet,) = packets
    return packet.content()


# --- headers


def header_2(link: str, ours: str, *, plus: bool, net: int, aux: int, password: bytes = b"") -> bytes:
    """Write a header of type 2 or 2+ from the field tables of FTS-0001 and FSC-0048."""
    to, us = Address.parse(link), Address.parse(ours)
    head = struct.pack(
        "<12HBB8sHH", us.node, to.node, 2026, 11, 24, 18, 30, 5, 0, 2, net, to.net, 0xFE, 0, password, us.zone, to.zone
    )
    if not plus:
        return head + bytes(20)
    return head + struct.pack("<HHBBHHHHH4x", aux, 0x0100, 0, 1, 0x0001, us.zone, to.zone, us.point, to.point)


def header_2_2(link: str, ours: str, password: bytes = b"") -> bytes:
    """Write a header of type 2.2 from the field table of FSC-0045."""
    to, us = Address.parse(link), Address.parse(ours)
    numbers = (us.node, to.node, us.point, to.point, 2, 2, us.net, to.net, 0xFE, 0, password, us.zone, to.zone)
    front = struct.pack("<4H8xHHHHBB8sHH", *numbers)
    return front + struct.pack("<8s8s4x", b"tqwnet", b"tqwnet")


HEADERS = [
    ("1337:3/201", US, PacketType.TYPE_2, header_2("1337:3/201", US, plus=False, net=1, aux=0)),
    ("1337:3/201", US, PacketType.TYPE_2PLUS, header_2("1337:3/201", US, plus=True, net=1, aux=0)),
    ("1337:3/201", US, PacketType.TYPE_2_2, header_2_2("1337:3/201", US)),
    # a point of ours
    ("1337:1/200.5", US, PacketType.TYPE_2, header_2("1337:1/200", US, plus=False, net=1, aux=0)),
    ("1337:1/200.5", US, PacketType.TYPE_2PLUS, header_2("1337:1/200.5", US, plus=True, net=1, aux=0)),
    ("1337:1/200.5", US, PacketType.TYPE_2_2, header_2_2("1337:1/200.5", US)),
    # we are a point: type 2+ hides our net, so that nobody takes us for our boss (FSC-0048)
    ("1337:3/9", "1337:3/9.7", PacketType.TYPE_2, header_2("1337:3/9", "1337:3/9", plus=False, net=3, aux=0)),
    ("1337:3/9", "1337:3/9.7", PacketType.TYPE_2PLUS, header_2("1337:3/9", "1337:3/9.7", plus=True, net=65535, aux=3)),
    ("1337:3/9", "1337:3/9.7", PacketType.TYPE_2_2, header_2_2("1337:3/9", "1337:3/9.7")),
    # an applicant
    ("1337:3/-1", US, PacketType.TYPE_2PLUS, header_2("1337:3/-1", US, plus=True, net=1, aux=0)),
]


@pytest.mark.parametrize(("address", "ours", "kind", "expected"), HEADERS)
def test_headers(address: str, ours: str, kind: PacketType, expected: bytes) -> None:
    """Each type states zones, points and domains as far as it can; date and product are ours."""
    net = make_network("tqwnet", ours)
    link = replace(make_link(address, net), packet_type=kind)
    rules = world("1337:8/8", link, network=net)
    found = only(drawn(rules, make_piece([message("TECH", sender="1337:8/8")], sender="1337:8/8", dest=ours)))
    assert found[:58].hex(" ") == expected.hex(" ")


@pytest.mark.parametrize("kind", PacketType)
def test_passwords(kind: PacketType) -> None:
    """The password of the link stands in the header, padded with NUL; none is eight NUL."""
    for password in (b"", b"SECRET", b"EIGHT*88"):
        link = replace(make_link(PEER, NET, password), packet_type=kind)
        found = only(drawn(world(HUB, link), make_piece([echo("TECH")])))
        assert found[26:34] == password.ljust(8, b"\0")
        assert parse_packet(found).header.password == password


def test_our_aka_for_the_link() -> None:
    """Header and message name us as that link knows us, and the link as it is."""
    net = make_network("tqwnet", US, "42:9/200")
    link = replace(make_link("42:9/300", net), our_aka=net.addresses[1])
    found = parse_packet(only(drawn(world(HUB, link, network=net), make_piece([echo("TECH")]))))
    assert (str(found.header.orig), str(found.header.dest)) == ("42:9/200", "42:9/300")
    (sent,) = found.messages
    assert (sent.orig_net, sent.orig_node, sent.dest_net, sent.dest_node) == (9, 200, 9, 300)


# --- messages


def test_a_message_leaves_as_it_came() -> None:
    """Date, names, subject and text are those of the author; the numbers are ours, attributes and cost are none."""
    text = echo_text("TECH", seen_by=[], path=[])
    raw = packed(
        text,
        to_name=b"\x80ll " + b"x" * 31,
        from_name=b"",
        subject=b"s" * 71,
        date=b"Sun  1 Nov 26 08:00\0",
        attributes=0xFFFF,
        cost=77,
    )
    rules = world(HUB, PEER)
    found = only(drawn(rules, make_piece([raw])))
    lists = b"SEEN-BY: 1/100 200 201\r\x01PATH: 1/200\r"
    assert found[58:] == packed(
        text + lists,
        sender=US,
        dest=PEER,
        to_name=b"\x80ll " + b"x" * 31,
        from_name=b"",
        subject=b"s" * 71,
        date=b"Sun  1 Nov 26 08:00\0",
    ) + bytes(2)


def test_a_date_shorter_than_its_field() -> None:
    """A date is filled up with blanks, and ends with the one NUL of its twenty bytes."""
    raw = packed(echo_text("TECH"), date=b"1 Nov 26\0" + b"junk".ljust(11, b"\0"))
    assert only(drawn(world(HUB, PEER), make_piece([raw])))[58 + 14 :].startswith(b"1 Nov 26".ljust(19) + b"\0")


def test_links_share_what_they_get() -> None:
    """The bytes behind the numbers are the same object in the packets of all links that get the same lists."""
    first, second = drawn(world(HUB, PEER, SECOND), make_piece([echo("TECH"), echo("TECH", 2)]))
    ((_, _, tail, _, other, _),), ((_, _, same, _, too, _),) = first.blocks(), second.blocks()
    assert tail is same
    assert other is too
    assert [packet.link.address.node for packet in (first, second)] == [201, 202]


def test_one_packet_a_link() -> None:
    """Messages of all areas and packets of a batch go into one packet a link, in the order they came."""
    rules = world(HUB, PEER, SECOND, tags=["TECH", "TALK"])
    pieces = [
        *make_pieces([echo("TECH", 1), echo("TALK", 2), echo("TECH", 3)], 2),
        make_piece([message("TALK", number=4, sender=PEER, seen_by=[])], sender=PEER, claim="two"),
    ]
    subjects = {
        packet.link.address.node: [sent.subject for sent in parse_packet(packet.content()).messages]
        for packet in drawn(rules, *pieces)
    }
    assert subjects == {
        201: [b"Test 1", b"Test 2", b"Test 3"],
        202: [b"Test 1", b"Test 2", b"Test 3", b"Test 4"],
        100: [b"Test 4"],
    }


def test_only_what_was_accepted_is_sent_on() -> None:
    """Duplicates, refused mail and netmail go to nobody, nor does what nobody is due."""
    rules = world(HUB, PEER)
    raw = [
        echo("TECH", 1),
        echo("TECH", 1),
        echo("NO.SUCH", 2),
        netmail(),
        message("TECH", number=3, seen_by=["1/201"]),
    ]
    (found,) = drawn(rules, make_piece(raw))
    assert found.messages == 1
    assert drawn(rules, make_piece(raw[1:2], sender="1337:9/9")) == []
    assert drawn(rules, make_piece(raw[2:4])) == []


def test_our_own_programs_send_to_all() -> None:
    """What comes from the local inbound goes to every link, with us at the start of both lists."""
    piece = make_piece([message("TECH", sender=US, seen_by=[], path=[])], sender=US, cls=InboundClass.LOCAL)
    packets = drawn(world(HUB, PEER), piece)
    assert [packet.link.address.node for packet in packets] == [100, 201]
    assert all(packet.content().endswith(b"\rSEEN-BY: 1/100 200 201\r\x01PATH: 1/200\r\0\0\0") for packet in packets)


def test_a_sender_of_another_network_is_no_sender() -> None:
    """What a program of ours writes under the address of a link of another network is our own: the lists are ours."""
    fsx = make_network("fsxnet", "21:1/200")
    links = [make_link(HUB, NET), make_link(PEER, NET), make_link("21:1/100", fsx)]
    area = make_area("TECH", NET, {link.address: AreaLink() for link in links[:2]})
    raw = message("TECH", sender="21:1/100", seen_by=["1/201", "5/5"], path=["5/5"])
    piece = make_piece([raw], sender="21:1/100", dest=US, cls=InboundClass.LOCAL)
    (found,) = drawn(make_rules([NET, fsx], links, [area]), piece)
    assert found.link.address.node == 100
    assert found.content().endswith(b"\rSEEN-BY: 1/100 200 201 5/5\r\x01PATH: 5/5 1/200\r\0\0\0")


def test_the_network_of_the_packet_decides_who_sent_it() -> None:
    """Where two networks have a link of that number, the one of the network that the packet is for sent it."""
    rival = make_network("rival", "1337:9/9")
    links = [make_link(HUB, rival), make_link(HUB, NET), make_link(PEER, NET)]
    area = make_area("TECH", NET, {link.address: AreaLink() for link in links[1:]})
    rules = make_rules([rival, NET], links, [area])
    (found,) = drawn(rules, make_piece([echo("TECH")]))
    assert found.link.address.node == 201


# --- rules that changed between the decision and now


def test_a_link_that_is_gone_gets_nothing() -> None:
    """Who is no link any more, or not of that area, gets nothing and is in no list."""
    before, after = world(HUB, PEER, SECOND), world(HUB, SECOND)
    assert b"201" not in only(drawn(before, make_piece([echo("TECH")]), later=after))

    link = make_link(SECOND, NET)
    unlinked = replace(after, areas={("tqwnet", "TECH"): make_area("TECH", NET, {link.address: AreaLink()})})
    assert b"201" not in only(drawn(before, make_piece([echo("TECH")]), later=unlinked))


def test_what_is_gone_is_sent_to_nobody() -> None:
    """Without the area, or without an outbound, nothing is sent."""
    before = world(HUB, PEER)
    for after in (replace(before, areas={}), replace(before, sends=False)):
        assert drawn(before, make_piece([echo("TECH")]), later=after) == []


def test_a_packet_that_names_no_system_among_others() -> None:
    """A sender with net 0 is nobody's link; what came with that packet is sent on, and so is all the rest."""
    nobody, other = (make_piece([echo("TECH", n)], claim=f"claim{n}", cls=InboundClass.LOCAL) for n in (1, 2))
    nobody.header = replace(nobody.header, orig=Address(1337, 0, 100))
    (packet,) = drawn(world(PEER), nobody, other)
    assert packet.messages == 2


# --- size


@pytest.mark.parametrize(
    ("room", "expected"),
    [(5, [5]), (4, [4, 1]), (3, [3, 2]), (2, [2, 2, 1]), (1, [1, 1, 1, 1, 1]), (0, [1, 1, 1, 1, 1])],
)
@pytest.mark.parametrize(("spare", "less"), [(0, 0), (1, 0), (-1, 1)])
def test_packets_are_closed_in_time(room: int, expected: list[int], spare: int, less: int) -> None:
    """A packet is as large as the link allows, header and end included; a message too large for any goes alone."""
    raw = [echo("TECH", number) for number in range(1, 6)]
    one = len(only(drawn(world(HUB, PEER), make_piece(raw[:1])))) - 60
    link = replace(make_link(PEER, NET), max_packet=60 + room * one + spare)
    packets = drawn(world(HUB, link), make_piece(raw))
    if not less:
        assert [packet.messages for packet in packets] == expected
    assert max(packet.messages for packet in packets) == max(room - less, 1)
    subjects = [sent.subject for packet in packets for sent in parse_packet(packet.content()).messages]
    assert subjects == [b"Test %d" % number for number in range(1, 6)]


@pytest.mark.parametrize("size", [0, 4000, 300_000])
def test_a_packet_is_given_in_blocks(size: int) -> None:
    """However long the messages are, a block is a bounded number of pieces, and bytes as far as messages allow."""
    link = replace(make_link(PEER, NET), max_packet=1 << 30)
    raw = [message("TECH", number=number, body=b"x" * size + b"\r") for number in range(300)]
    (packet,) = drawn(world(HUB, link), make_piece(raw))
    blocks = list(packet.blocks())
    assert len(blocks) > 2
    assert max(map(len, blocks)) <= 512
    assert max(len(b"".join(block)) for block in blocks) < 256 * 1024 + 2 * (size + 1000)


@given(
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=30),
    limits=st.lists(st.integers(1024, 8192), min_size=1, max_size=4),
)
def test_each_link_gets_each_message_once(sizes: list[int], limits: list[int]) -> None:
    """Whatever the sizes and limits: in order, once, in packets within the limit unless a message alone is larger."""
    links = [replace(make_link(f"1337:1/{200 + n}", NET), max_packet=limit) for n, limit in enumerate(limits, 1)]
    raw = [message("TECH", number=number, body=b"x" * size + b"\r") for number, size in enumerate(sizes)]
    packets = drawn(world(HUB, *links), make_piece(raw))
    sent: dict[Address, list[bytes]] = {link.address: [] for link in links}
    for packet in packets:
        assert packet.size <= packet.link.max_packet or packet.messages == 1
        sent[packet.link.address] += [each.subject for each in parse_packet(packet.content()).messages]
    assert list(sent.values()) == [[b"Test %d" % number for number in range(len(sizes))]] * len(links)
    assert Counter(packet.link.address for packet in packets).keys() == sent.keys()
