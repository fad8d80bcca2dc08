"""SEEN-BY and PATH of what is sent on, byte by byte."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.corpus import HUB, US, authored, echo_text
from tests.rules.world import make_area, make_link, make_network, make_rules
from tosser.address import Address
from tosser.codec.message import split_text
from tosser.codec.seenby import format_path, format_seen_by, parse_nodes
from tosser.rules.export import exports_of
from tosser.rules.network import AreaLink, SeenByMode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tosser.rules.network import Area, Link, Network, Rulebook

NET = make_network("tqwnet", US, "42:9/200", zones=[1337, 42, 7])
PEER = "1337:1/201"
SECOND = "1337:1/202"
ABROAD = "42:9/300"
NOWHERE = "7:7/7"
"""A link in a zone we have no address in."""
POINT = "1337:1/200.5"


def full(text: str, network: Network = NET) -> Address:
    """Read an address of a network."""
    return replace(Address.parse(text), domain=network.domain)


def linked(text: str, network: Network = NET, our_aka: str = "") -> Link:
    """Make a link; our AKA is the one of its zone, else the main one."""
    link = make_link(text, network)
    same_zone = [aka for aka in network.addresses if aka.zone == link.address.zone]
    return replace(link, our_aka=full(our_aka, network) if our_aka else (same_zone or [network.main])[0])


def world(*links: Link | str, network: Network = NET, aka: str = "") -> Rulebook:
    """One area, TECH, with these links."""
    systems = [linked(link, network) if isinstance(link, str) else link for link in links]
    area = make_area("TECH", network, {link.address: AreaLink() for link in systems})
    return make_rules([network], systems, [replace(area, aka=full(aka, network) if aka else area.aka)])


def of_area(rules: Rulebook, change: Callable[[Area], Area]) -> Rulebook:
    """Change the area of a world."""
    return replace(rules, areas={key: change(area) for key, area in rules.areas.items()})


def trailers(rules: Rulebook, sender: str | None, raw: bytes) -> dict[str, bytes]:
    """Tell what each recipient gets behind the Origin line."""
    (area,) = rules.areas.values()
    (network,) = rules.networks.values()
    link = None if sender is None else full(sender, network)
    text, known = split_text(raw), exports_of(rules).of(area)
    groups = known.groups(link, known.recipients(link, text))
    return {str(link.address.without_domain): group.trailer(text) for group in groups for link in group.links}


def written(seen_by: Sequence[str] = ("1/100", "1/200"), path: Sequence[str] = ("1/300", "1/100")) -> bytes:
    """Write a message from a system that is no link."""
    return echo_text("TECH", seen_by=seen_by, path=path)


# --- within a zone


def test_everybody_in_the_zone_is_added() -> None:
    """SEEN-BY gets us and all that get the message, PATH gets us."""
    found = trailers(world(HUB, PEER, SECOND), HUB, written(["1/100", "1/200", "1/300", "5/1"]))
    expected = b"SEEN-BY: 1/100 200 201 202 300 5/1\r\x01PATH: 1/300 100 200\r"
    assert found == {PEER: expected, SECOND: expected}


def test_what_our_own_programs_wrote_begins_with_us() -> None:
    """The first SEEN-BY is us and our links, the first PATH is us."""
    expected = b"SEEN-BY: 1/100 200 201\r\x01PATH: 1/200\r"
    assert trailers(world(HUB, PEER), None, written([], [])) == {HUB: expected, PEER: expected}


def test_we_are_in_path_once() -> None:
    """A PATH that ends with us, as that of our own programs may, does not get us again."""
    assert trailers(world(HUB), None, written([], ["1/200"])) == {HUB: b"SEEN-BY: 1/100 200\r\x01PATH: 1/200\r"}


def test_the_sender_is_added() -> None:
    """A sender that writes no SEEN-BY has the message all the same (FTS-0004)."""
    assert trailers(world(HUB, PEER), HUB, written([], []))[PEER] == b"SEEN-BY: 1/100 200 201\r\x01PATH: 1/200\r"


def test_foreign_lists_are_put_in_order() -> None:
    """Lists may come unsorted, doubled, with zones, points and odd separators; they leave sorted. PATH keeps order."""
    raw = written([], []) + (
        b"SEEN-BY: 5/20 1/300 300\rseen-by: 42:2/9\xfe10.3\r\x01SEEN-BY: 1/200 nonsense 6/6\r"
        b"\x01PATH: 5/20 1337:1/300\r\x01path: 100.0\r"
    )
    assert trailers(world(HUB, PEER), HUB, raw) == {
        PEER: b"SEEN-BY: 1/100 200 201 300 2/9 10 5/20\r\x01PATH: 5/20 1/300 100 200\r"
    }


def test_older_paths_are_dropped() -> None:
    """Of several groups of PATH lines only the last one is true."""
    raw = written([], []) + b"\x01PATH: 8/8\rSEEN-BY: 1/100\r\x01PATH: 1/300\r"
    assert trailers(world(HUB, PEER), HUB, raw)[PEER] == b"SEEN-BY: 1/100 200 201\r\x01PATH: 1/300 200\r"


def test_lines_are_short() -> None:
    """No line is longer than 78 characters, and each begins with a whole node."""
    nodes = [f"{net}/{node}" for net in (1, 5020, 5030) for node in range(1000, 1050)]
    lines = trailers(world(HUB, PEER), HUB, written(nodes, nodes))[PEER].split(b"\r")
    assert lines.pop() == b""
    assert 70 < max(map(len, lines)) <= 78
    assert all(b"/" in line.split(b":")[1].split()[0] for line in lines)
    listed = [line for line in lines if line.startswith(b"SEEN-BY: ")]
    path = [line for line in lines if line.startswith(b"\x01PATH: ")]
    assert lines == listed + path
    assert parse_nodes(line[8:] for line in listed) == tuple(
        sorted({*parse_nodes([" ".join(nodes).encode()]), (1, 100), (1, 200), (1, 201)})
    )
    assert parse_nodes(line[6:] for line in path) == (*parse_nodes([" ".join(nodes).encode()]), (1, 200))


# --- points


def test_points_stand_in_neither() -> None:
    """A point gets the list of the others and is not in it; nor is one that sends."""
    expected = b"SEEN-BY: 1/100 200 201\r\x01PATH: 1/300 100 200\r"
    assert trailers(world(HUB, PEER, POINT), HUB, written()) == {PEER: expected, POINT: expected}
    assert trailers(world(PEER, POINT), POINT, written([], [])) == {PEER: b"SEEN-BY: 1/200 201\r\x01PATH: 1/200\r"}


def test_a_point_that_passes_on_is_not_listed() -> None:
    """When we are a point, our boss stands in both if it had the message; we stand in neither."""
    net = make_network("tqwnet", "1337:1/100.7")
    rules = world(linked(HUB, net), linked(PEER, net), network=net)
    assert trailers(rules, HUB, written(["1/100"], ["1/300", "1/100"])) == {
        PEER: b"SEEN-BY: 1/100 201\r\x01PATH: 1/300 100\r"
    }
    assert trailers(rules, None, written([], [])) == dict.fromkeys((HUB, PEER), b"SEEN-BY: 1/100 201\r")


def test_a_point_with_a_point() -> None:
    """Nobody is listed where nobody is a node; lists without nodes are not written."""
    net = make_network("tqwnet", "1337:1/100.7")
    rules = world(linked("1337:1/100.8", net), network=net)
    assert trailers(rules, None, written([], [])) == {"1337:1/100.8": b""}


# --- across zones


def test_another_zone_gets_its_own_list() -> None:
    """Beyond the zone SEEN-BY is of us and those who get it there; PATH is kept, with our AKA of that zone."""
    assert trailers(world(HUB, PEER, ABROAD, "42:9/301"), HUB, written()) == {
        PEER: b"SEEN-BY: 1/100 200 201\r\x01PATH: 1/300 100 200\r",
        ABROAD: b"SEEN-BY: 9/200 300 301\r\x01PATH: 1/300 100 9/200\r",
        "42:9/301": b"SEEN-BY: 9/200 300 301\r\x01PATH: 1/300 100 9/200\r",
    }


def test_from_another_zone() -> None:
    """What comes from abroad has the full list for those abroad, and a new one at home."""
    assert trailers(world(HUB, PEER, ABROAD, "42:9/301"), ABROAD, written(["9/300", "9/500"], ["9/500", "9/300"])) == {
        HUB: b"SEEN-BY: 1/100 200 201\r\x01PATH: 9/500 300 1/200\r",
        PEER: b"SEEN-BY: 1/100 200 201\r\x01PATH: 9/500 300 1/200\r",
        "42:9/301": b"SEEN-BY: 9/200 300 301 500\r\x01PATH: 9/500 300 200\r",
    }


def test_a_zone_without_an_address_of_ours() -> None:
    """Where we have no address, we are known by the one we use towards the link."""
    links = [linked(HUB), linked(NOWHERE), linked("7:7/8", our_aka="42:9/200")]
    assert trailers(world(*links), HUB, written()) == {
        NOWHERE: b"SEEN-BY: 1/200 7/7 8\r\x01PATH: 1/300 100 200\r",
        "7:7/8": b"SEEN-BY: 7/7 8 9/200\r\x01PATH: 1/300 100 9/200\r",
    }


def test_the_aka_of_the_area_counts_at_home() -> None:
    """In the zone of the area's AKA we are that AKA, and in SEEN-BY also those that links of the area know."""
    net = make_network("tqwnet", US, "1337:2/200", "1337:3/200")
    links = [linked(HUB, net, US), linked(PEER, net, "1337:2/200")]
    found = trailers(world(*links, network=net, aka="1337:3/200"), HUB, written(["1/100"]))
    assert found == {PEER: b"SEEN-BY: 1/100 200 201 2/200 3/200\r\x01PATH: 1/300 100 3/200\r"}


def test_addresses_towards_other_zones_are_not_listed_at_home() -> None:
    """An AKA that a link of another zone knows us by says nothing in the list of ours."""
    net = make_network("tqwnet", US, "1337:2/200", zones=[1337, 42])
    links = [linked(HUB, net), linked(PEER, net), linked(ABROAD, net, our_aka="1337:2/200")]
    assert trailers(world(*links, network=net), HUB, written()) == {
        PEER: b"SEEN-BY: 1/100 200 201\r\x01PATH: 1/300 100 200\r",
        ABROAD: b"SEEN-BY: 2/200 9/300\r\x01PATH: 1/300 100 2/200\r",
    }


# --- settings


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (SeenByMode.FULL, b"SEEN-BY: 1/100 200 201 300 5/1\r"),
        (SeenByMode.REDUCED, b"SEEN-BY: 1/100 200 201 300\r"),
        (SeenByMode.TINY, b"SEEN-BY: 1/200 201\r"),
    ],
)
def test_less_of_seen_by(mode: SeenByMode, expected: bytes) -> None:
    """Reduced is PATH, us and those who get it (FSC-0093); tiny is us and those who get it. PATH is always whole."""
    raw = written(["1/100", "1/200", "1/300", "5/1"], ["1/300"])
    of_links = world(HUB, replace(linked(PEER), seen_by=mode))
    of_areas = of_area(world(HUB, PEER), lambda area: replace(area, seen_by=mode))
    overridden = of_area(of_links, lambda area: replace(area, seen_by=SeenByMode.TINY))
    for rules in (of_areas, of_links, overridden):
        assert trailers(rules, HUB, raw) == {PEER: expected + b"\x01PATH: 1/300 200\r"}


def test_links_with_settings_of_their_own() -> None:
    """What is added to or taken from one link's list does not show in the others'; all recipients are in all."""
    tiny = replace(linked(SECOND), seen_by=SeenByMode.TINY)
    more = replace(linked("1337:1/203"), sbadd=(Address(1337, 6, 6),))
    less = replace(linked("1337:1/204"), sbstrip=(Address(1337, 1, 100),))
    path = b"\x01PATH: 1/300 100 200\r"
    assert trailers(world(HUB, PEER, tiny, more, less), HUB, written()) == {
        PEER: b"SEEN-BY: 1/100 200 201 202 203 204\r" + path,
        SECOND: b"SEEN-BY: 1/200 201 202 203 204\r" + path,
        "1337:1/203": b"SEEN-BY: 1/100 200 201 202 203 204 6/6\r" + path,
        "1337:1/204": b"SEEN-BY: 1/200 201 202 203 204\r" + path,
    }


def test_additions_of_an_area_are_of_their_zone() -> None:
    """Nodes that an area adds or strips concern the lists of their zone only."""
    rules = of_area(
        world(HUB, PEER, ABROAD),
        lambda area: replace(
            area,
            sbadd=(Address(1337, 6, 6), Address(42, 7, 7)),
            sbstrip=(Address(1337, 9, 300), Address(42, 9, 200), Address(1337, 8, 8)),
        ),
    )
    assert trailers(rules, HUB, written(["8/8"])) == {
        PEER: b"SEEN-BY: 1/100 200 201 6/6\r\x01PATH: 1/300 100 200\r",
        ABROAD: b"SEEN-BY: 7/7 9/300\r\x01PATH: 1/300 100 9/200\r",
    }


def test_links_that_left_are_not_listed() -> None:
    """Recipients that were decided on, and are no links of the area any more, get nothing and are in no list."""
    rules = world(HUB, PEER)
    text = split_text(written())
    (area,) = rules.areas.values()
    groups = exports_of(rules).of(area).groups(full(HUB), (full(PEER), full(SECOND)))
    assert [[str(link.address) for link in group.links] for group in groups] == [["1337:1/201@tqwnet"]]
    assert b"202" not in groups[0].trailer(text)


def test_links_that_get_the_same_are_one_group() -> None:
    """Fifty links alike are one group."""
    rules = world(HUB, *(f"1337:1/{node}" for node in range(201, 251)), ABROAD)
    (area,) = rules.areas.values()
    known = exports_of(rules).of(area)
    groups = known.groups(full(HUB), known.recipients(full(HUB), split_text(written())))
    assert [len(group.links) for group in groups] == [1, 50]


# --- the whole text

HEAD = b"AREA:TECH\r\x01MSGID: 1337:1/300 00000001\r"
ORIGIN = b" * Origin: Invented Systems (1337:1/300)\r"
LISTS = b"SEEN-BY: 1/100 200\r\x01PATH: 1/300 100\r"
SENT = b"SEEN-BY: 1/100 200 201\r\x01PATH: 1/300 100 200\r"
USUAL = HEAD + b"Hello\r" + ORIGIN


@pytest.mark.parametrize(
    ("raw", "forwarded"),
    [
        pytest.param(USUAL + LISTS, USUAL, id="usual"),
        pytest.param(
            b"area: tech\r" + USUAL[10:] + LISTS,
            b"AREA:tech\r" + USUAL[10:],
            id="the AREA line alone takes its usual form, with the tag as it is",
        ),
        pytest.param(b"\x01AREA:TECH\r" + USUAL[10:] + LISTS, b"AREA:TECH\r" + USUAL[10:], id="without 01"),
        pytest.param(
            b"\x01PID: x\r" + USUAL + LISTS,
            USUAL[:10] + b"\x01PID: x\r" + USUAL[10:],
            id="in front of the control lines",
        ),
        pytest.param(
            USUAL.replace(b"\r", b"\r\n") + LISTS.replace(b"\r", b"\r\n"),
            USUAL.replace(b"\r", b"\r\n")[:-1],
            id="CR LF line ends stay up to the Origin's CR",
        ),
        pytest.param((USUAL + LISTS).replace(b"\r", b"\n"), USUAL, id="LF instead of CR becomes CR"),
        pytest.param(
            USUAL.replace(b"Hello", b"Hel\x8d\nlo\x8dall\x01\xff\x8d") + LISTS,
            USUAL.replace(b"Hello", b"Hel\x8d\nlo\x8dall\x01\xff\x8d"),
            id="soft returns and odd bytes",
        ),
        pytest.param(
            USUAL + b"\x01Via 1337:1/100\r\x01X-Gate: kept\r" + LISTS + b"An advert\r",
            USUAL + b"\x01X-Gate: kept\r",
            id="kludges after the Origin are kept, Via and adverts are not",
        ),
        pytest.param(HEAD + b"Hello\r" + LISTS, HEAD + b"Hello\r", id="no Origin"),
        pytest.param(HEAD + b"Hello\r\r\r" + LISTS, HEAD + b"Hello\r\r\r", id="no Origin, empty lines"),
        pytest.param(
            HEAD + b"SEEN-BY: 7/7\rHello\r" + ORIGIN + LISTS,
            HEAD + b"SEEN-BY: 7/7\rHello\r" + ORIGIN,
            id="a list quoted in the body",
        ),
        pytest.param(
            HEAD + ORIGIN + b"Hello\r" + ORIGIN.replace(b"300", b"301") + LISTS,
            HEAD + ORIGIN + b"Hello\r" + ORIGIN.replace(b"300", b"301"),
            id="two Origins",
        ),
        pytest.param(
            HEAD + authored(b"", origin="long " * 30 + "(1337:1/300)") + LISTS,
            HEAD + authored(b"", origin="long " * 30 + "(1337:1/300)"),
            id="a long Origin",
        ),
    ],
)
def test_everything_up_to_the_origin_is_sent_on_as_it_came(raw: bytes, forwarded: bytes) -> None:
    """Byte for byte, whatever it is; save for an AREA line that not all programs know."""
    text = split_text(raw)
    assert text.transit + trailers(world(HUB, PEER), HUB, raw)[PEER] == forwarded + SENT


def test_a_text_without_lists_or_line_end() -> None:
    """A line that has no end gets one before the lists."""
    raw = HEAD + b"Hello"
    text = split_text(raw)
    sent = b"SEEN-BY: 1/100 200 201\r\x01PATH: 1/200\r"
    assert text.transit + trailers(world(HUB, PEER), HUB, raw)[PEER] == raw + b"\r" + sent


NODES = st.tuples(st.integers(1, 65535), st.integers(0, 65535))
LINES = st.one_of(
    st.sampled_from(
        [
            b"Hello",
            b"",
            b"SEEN-BY: 1/2 3",
            b"seen-by:9/9",
            b"\x01PATH: 1/2",
            b"\x01PATH: 1/200",
            b"\x01Via 1:2/3",
            b"\x01MSGID: 1337:1/201 1",
            b"\x01RESCANNED 1:2/3",
            b" * Origin: x (1337:1/300)",
            b"* Origin:",
            b"> * Origin: quoted (1:2/3)",
            b"---",
            b"... tagline",
            b"AREA:OTHER",
            b"\x8d\xfe",
        ]
    ),
    st.lists(NODES, max_size=40).map(lambda nodes: b"\r".join(format_seen_by(nodes))),
    st.lists(NODES, max_size=40).map(lambda nodes: b"\r".join(format_path(nodes))),
    st.binary(max_size=20).map(lambda raw: raw.replace(b"\0", b"")),
)
TEXTS = st.lists(st.tuples(LINES, st.sampled_from([b"\r", b"\r", b"\r\n", b"\n"])), max_size=12).map(
    lambda lines: b"AREA:TECH\r" + b"".join(itertools.chain.from_iterable(lines))
)
ALL = world(HUB, PEER, SECOND, ABROAD, POINT)


@given(raw=TEXTS, sender=st.sampled_from([None, HUB, PEER, ABROAD, POINT]), cut=st.integers(0, 3))
def test_what_is_sent_on_reads_as_it_should(raw: bytes, sender: str | None, cut: int) -> None:
    """Whatever comes in, what goes out has the same author's part, and lists that are right, sorted and short."""
    raw = raw[: len(raw) - cut]
    text = split_text(raw)
    (area,) = ALL.areas.values()
    known = exports_of(ALL).of(area)
    link = None if sender is None else full(sender)
    groups = known.groups(link, known.recipients(link, text))
    for group in groups:
        sent = split_text(text.transit + group.trailer(text))
        getting = [each.address for other in groups for each in other.links]
        zone = group.links[0].address.zone
        listed, path = parse_nodes(sent.seen_by), parse_nodes(sent.path)
        assert sent.transit == text.transit
        assert list(listed) == sorted(set(listed))
        assert {(at.net, at.node) for at in getting if at.zone == zone and not at.point} <= set(listed)
        assert path[-1] == group.own
        assert group.own in listed
        came = parse_nodes(text.path)
        assert path == (came if came[-1:] == (group.own,) else (*came, group.own))
        assert all(len(line) <= 78 for line in group.trailer(text).split(b"\r"))
