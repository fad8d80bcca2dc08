"""Whole networks of tossers, by the rules alone: each post reaches every system once, and then there is silence."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.corpus import EPOCH, message, packet
from tests.rules.world import decide_batch, make_area, make_batch, make_file, make_link, make_network, make_rules
from tosser.codec.message import split_text
from tosser.codec.packet import PacketType, parse_packet
from tosser.codec.seenby import parse_nodes
from tosser.reason import Reason
from tosser.rules.batch import PacketSummary, Piece
from tosser.rules.network import AreaLink, InboundClass, SeenByMode
from tosser.rules.outgoing import draw_packets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tosser.rules.network import Rulebook

ZONES = (1, 2, 3)
AUTHORED = b"Hello,\r\rthis is a test.\r"


@dataclass
class System:
    """One tosser: its rules, what it remembers, what it got and what it has stored."""

    address: str
    rules: Rulebook
    known: set[bytes] = field(default_factory=set)
    received: list[bytes] = field(default_factory=list)
    stored: list[bytes] = field(default_factory=list)
    verdicts: Counter[Reason] = field(default_factory=Counter)

    def toss(self, data: bytes, cls: InboundClass = InboundClass.SECURE) -> list[tuple[str, bytes]]:
        """Toss a packet; what is to be sent on, with the system it is for."""
        self.received.append(data)
        found = parse_packet(data)
        messages = [(each, split_text(each.text)) for each in found.messages]
        summary = PacketSummary(len(messages), echomail=True)
        piece = Piece(make_file("one", cls), 0, "", found.header, summary, 0, messages)
        decision = decide_batch(make_batch([piece]), self.rules, self.known)
        assert decision.set_aside == []
        self.known.update(key for _, _, key in decision.dupe_keys)
        for (packed, text), index in zip(messages, decision.pieces[0].verdicts, strict=True):
            reason = decision.verdicts[index].reason
            self.verdicts[reason] += 1
            if reason is Reason.ACCEPTED:
                assert AUTHORED in text.transit
                self.stored.append(packed.subject)
        packets = draw_packets([piece], decision, self.rules, EPOCH.replace(tzinfo=None))
        return [(str(each.link.address.without_domain), each.content()) for each in packets]


@dataclass(frozen=True)
class Settings:
    """How one system is configured."""

    seen_by: SeenByMode = SeenByMode.FULL
    packet_type: PacketType = PacketType.TYPE_2PLUS


class Network:
    """Tossers with the mail under way between them.

    Args:
        systems: their addresses; several of one system with blanks between.
        links: the pairs of addresses that exchange mail.
        settings: of each system; defaults where there are none.
    """

    def __init__(
        self, systems: Sequence[str], links: Iterable[tuple[str, str]], settings: Sequence[Settings] = ()
    ) -> None:
        self.links = list(links)
        self.sent = 0
        given = settings or [Settings()] * len(systems)
        self.systems: dict[str, System] = {}
        for akas, setting in zip(map(str.split, systems), given, strict=True):
            self.systems |= dict.fromkeys(akas, self._system(akas, setting))

    def _system(self, akas: list[str], settings: Settings) -> System:
        net = make_network("tqwnet", *akas, zones=ZONES)
        links = [
            replace(make_link(pair[1 - side], net), packet_type=settings.packet_type, our_aka=net.addresses[index])
            for pair in self.links
            for side in (0, 1)
            for index, aka in enumerate(akas)
            if pair[side] == aka
        ]
        area = make_area("TECH", net, {link.address: AreaLink() for link in links})
        return System(akas[0], make_rules([net], links, [replace(area, seen_by=settings.seen_by)]))

    def run(self, posts: Sequence[str], seed: int = 0) -> None:
        """Post a message at each of these systems, and let the mail travel, in any order, until there is none."""
        under_way = [
            sent
            for number, address in enumerate(posts)
            for sent in self.systems[address].toss(self._post(address, number), InboundClass.LOCAL)
        ]
        rng = random.Random(seed)
        while under_way:
            under_way[0], under_way[-1] = under_way[-1], under_way[0]
            address, data = under_way.pop(rng.randrange(len(under_way)))
            self.sent += 1
            assert self.sent <= 2 * len(self.links) * len(posts), "the traffic does not end"
            under_way += self.systems[address].toss(data)

    @staticmethod
    def _post(address: str, number: int) -> bytes:
        raw = message("TECH", number=number, author=address, body=AUTHORED, seen_by=[], path=[])
        return packet([raw], sender=address, dest=address)

    def check(self, posts: Sequence[str]) -> None:
        """See that every system has every post once, and never got anything but that and duplicates."""
        subjects = sorted(b"Test %d" % number for number in range(len(posts)))
        for system in self.systems.values():
            assert sorted(system.stored) == subjects, system.address
            assert system.verdicts.keys() <= {Reason.ACCEPTED, Reason.DUPLICATE}


NODES = [f"1:{10 + number}/{100 + number}" for number in range(6)]


def ring(systems: Sequence[str]) -> list[tuple[str, str]]:
    """Link each system with the next one."""
    return [*pairwise(systems), (systems[-1], systems[0])]


@pytest.mark.parametrize(
    ("links", "packets", "duplicates"),
    [
        pytest.param(ring(NODES[:3]), 2, 0, id="ring of three"),
        pytest.param(ring(NODES[:4]), 4, 1, id="ring of four"),
        pytest.param(ring(NODES[:5]), 6, 2, id="ring of five: the two at the far side send it to each other"),
        pytest.param(list(combinations(NODES[:4], 2)), 3, 0, id="mesh of four"),
        pytest.param(list(combinations(NODES, 2)), 5, 0, id="mesh of six"),
        pytest.param(list(pairwise(NODES)), 5, 0, id="chain of six"),
        pytest.param([(NODES[0], node) for node in NODES[1:]], 5, 0, id="star of six"),
    ],
)
def test_no_more_is_sent_than_must_be(links: list[tuple[str, str]], packets: int, duplicates: int) -> None:
    """Full SEEN-BY keeps duplicates off every way but those on which the message meets itself."""
    systems = sorted({node for pair in links for node in pair})
    network = Network(systems, links)
    network.run(systems[:1])
    network.check(systems[:1])
    assert network.sent == packets
    assert sum(system.verdicts[Reason.DUPLICATE] for system in network.systems.values()) == duplicates


def test_points_behind_a_mesh() -> None:
    """Points get all that is posted, and what a point posts reaches everybody, other points of its boss too."""
    points = [f"{NODES[0]}.1", f"{NODES[0]}.2", f"{NODES[1]}.1"]
    links = [*combinations(NODES[:4], 2), *((point.partition(".")[0], point) for point in points)]
    for post in (NODES[3], *points):
        network = Network([*NODES[:4], *points], links)
        network.run([post])
        network.check([post])
        assert network.sent == len(NODES[:4]) + len(points) - 1


@pytest.mark.parametrize(
    ("gate", "seen_by", "path"),
    [
        ("1:10/2", [(20, 1), (20, 2)], [(10, 1), (10, 2), (20, 1)]),
        ("1:10/2 2:20/9", [(20, 1), (20, 2), (20, 9)], [(10, 1), (20, 9), (20, 1)]),
    ],
)
def test_a_gate_between_two_zones(gate: str, seen_by: list[tuple[int, int]], path: list[tuple[int, int]]) -> None:
    """Beyond the gate SEEN-BY begins anew with systems of that zone; PATH tells the whole way."""
    links = [("1:10/1", "1:10/2"), (gate.rsplit(maxsplit=1)[-1], "2:20/1"), ("2:20/1", "2:20/2")]
    network = Network(["1:10/1", gate, "2:20/1", "2:20/2"], links)
    network.run(["1:10/1"])
    network.check(["1:10/1"])
    (last,) = network.systems["2:20/2"].received
    (sent,) = parse_packet(last).messages
    text = split_text(sent.text)
    assert list(parse_nodes(text.seen_by)) == seen_by
    assert list(parse_nodes(text.path)) == path


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Make a connected network: ring, mesh, tree or anything between, in several zones, with points here and there."""
    count = draw(st.integers(3, 6))
    zones = draw(st.lists(st.sampled_from(ZONES[: draw(st.integers(1, 3))]), min_size=count, max_size=count))
    nodes = [f"{zone}:{10 + number}/{100 + number}" for number, zone in enumerate(zones)]
    tree = [(nodes[draw(st.integers(0, number - 1))], nodes[number]) for number in range(1, count)]
    links = draw(
        st.sampled_from([ring(nodes), list(combinations(nodes, 2)), tree])
        | st.sets(st.sampled_from(list(combinations(nodes, 2)))).map(lambda more: sorted({*tree, *more}))
    )
    points = [f"{node}.{number}" for node in nodes for number in range(1, 1 + draw(st.integers(0, 2)))]
    links = [*links, *((point.partition(".")[0], point) for point in points)]
    systems = [*nodes, *points]
    one = st.builds(
        Settings, st.sampled_from(SeenByMode), st.sampled_from([PacketType.TYPE_2PLUS, PacketType.TYPE_2_2])
    )
    return Network(systems, links, draw(st.lists(one, min_size=len(systems), max_size=len(systems))))


@given(network=networks(), data=st.data(), seed=st.integers(0, 1000))
def test_every_post_reaches_everybody_once(network: Network, data: st.DataObject, seed: int) -> None:
    """Whatever the links, the settings and the order of delivery: once each, and the traffic ends."""
    posts = data.draw(st.lists(st.sampled_from(sorted(network.systems)), min_size=1, max_size=3))
    network.run(posts, seed)
    network.check(posts)
