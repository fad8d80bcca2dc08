"""Who an echomail message is sent on to: a table of cases for every reason not to."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.corpus import HUB, US, echo_text
from tests.rules.world import make_area, make_link, make_network, make_rules
from tosser.address import Address
from tosser.codec.message import split_text
from tosser.rules.export import Skip, exports_of
from tosser.rules.network import AreaLink

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tosser.rules.export import AreaExports
    from tosser.rules.network import Area, Link, Network, Rulebook

NET = make_network("tqwnet", US, "42:1/200", zones=[1337, 42, 7])
PEER = "1337:1/201"
OTHER_ZONE = "42:1/201"
POINT = "1337:1/200.5"
FOREIGN_POINT = "1337:1/201.7"
LINKS = (HUB, PEER, OTHER_ZONE, POINT, FOREIGN_POINT)


def full(text: str, network: Network = NET) -> Address:
    """Read an address of a network."""
    return replace(Address.parse(text), domain=network.domain)


def world(
    links: Iterable[Link] | None = None, rights: Mapping[str, AreaLink] | None = None, network: Network = NET
) -> Rulebook:
    """One area, TECH, with these links, or else the usual ones."""
    systems = [make_link(text, network) for text in LINKS] if links is None else list(links)
    given = {full(text, network): right for text, right in (rights or {}).items()}
    area = make_area("TECH", network, {link.address: given.get(link.address, AreaLink()) for link in systems})
    return make_rules([network], systems, [area])


def with_area(rules: Rulebook, area: Area) -> Rulebook:
    """Change the area of a world."""
    return replace(rules, areas={(area.network, area.tag): area})


def exports(rules: Rulebook) -> AreaExports:
    """Look at the only area of a world."""
    (area,) = rules.areas.values()
    return exports_of(rules).of(area)


def skips(rules: Rulebook, sender: str | None, text: bytes, network: str = "tqwnet") -> dict[str, Skip | None]:
    """Tell for each link why it does not get a message, and see that recipients are exactly the others."""
    split = split_text(text)
    link = None if sender is None else replace(Address.parse(sender), domain=rules.networks[network].domain)
    fates = exports(rules).fates(link, split)
    assert exports(rules).recipients(link, split) == tuple(fate.link for fate in fates if fate.skip is None)
    assert [fate.link for fate in fates] == sorted(next(iter(rules.areas.values())).links)
    return {str(fate.link.without_domain): fate.skip for fate in fates}


def written(
    seen_by: Sequence[str] = ("1/100", "1/200"),
    path: Sequence[str] = ("1/300", "1/100"),
    origin: str | None = "Invented Systems (1337:1/300)",
    msgid: str | None = "1337:1/300 00000001",
) -> bytes:
    """Write a message."""
    return echo_text("TECH", seen_by=seen_by, path=path, origin=origin, msgid=msgid)


# --- each reason


def test_everybody_else_gets_it() -> None:
    """A message from a link goes to all other links."""
    assert skips(world(), HUB, written()) == {
        HUB: Skip.SENDER,
        PEER: None,
        OTHER_ZONE: None,
        POINT: None,
        FOREIGN_POINT: None,
    }


def test_our_own_programs_send_to_all() -> None:
    """What our own programs write goes to every link."""
    assert set(skips(world(), None, written(seen_by=[], path=[])).values()) == {None}


@pytest.mark.parametrize("sender", [PEER, FOREIGN_POINT, POINT, OTHER_ZONE])
def test_the_sender_gets_nothing_back(sender: str) -> None:
    """The sender is one 4D address: its boss, its points and its namesake of another zone are others."""
    found = skips(world(), sender, written(seen_by=[], path=[]))
    assert {link for link, skip in found.items() if skip is Skip.SENDER} == {sender}


@pytest.mark.parametrize(
    ("origin", "msgid", "author"),
    [
        ("Somewhere (1337:1/201)", None, PEER),
        ("Somewhere (1337:1/201@tqwnet)", None, PEER),
        ("Somewhere (1337:1/201@othernet.org)", None, PEER),
        ("Somewhere (1337:1/200.5)", None, POINT),
        ("Somewhere (42:1/201)", None, OTHER_ZONE),
        (None, "1337:1/201@tqwnet 12345678", PEER),
        ("No address", "1337:1/201.7 12345678", FOREIGN_POINT),
        ("Somewhere (1337:1/300)", "1337:1/201 12345678", None),
        ("Somewhere (1/201)", None, None),
        (None, None, None),
    ],
)
def test_the_author_gets_nothing_back(origin: str | None, msgid: str | None, author: str | None) -> None:
    """Who wrote it, by its Origin or else its MSGID, has it; not so the author's boss or points."""
    found = skips(world(), HUB, written(origin=origin, msgid=msgid))
    assert {link for link, skip in found.items() if skip is Skip.AUTHOR} == ({author} if author else set())


def test_seen_by_counts_for_nodes_of_its_zone() -> None:
    """Who stands in SEEN-BY has the message; the list has no zones and no points, so it tells nothing of others."""
    assert skips(world(), HUB, written(seen_by=["1/100", "1/200", "1/201"])) == {
        HUB: Skip.SENDER,
        PEER: Skip.SEEN_BY,
        OTHER_ZONE: None,
        POINT: None,
        FOREIGN_POINT: None,
    }


def test_path_counts_as_seen_by_does() -> None:
    """Who stands in PATH had the message, though a system in between may have lost it from SEEN-BY."""
    assert skips(world(), HUB, written(path=["1/300", "1/201", "1/100"])) == {
        HUB: Skip.SENDER,
        PEER: Skip.PATH,
        OTHER_ZONE: None,
        POINT: None,
        FOREIGN_POINT: None,
    }


def test_path_of_an_author_in_another_zone() -> None:
    """Behind a gate PATH still has the nodes of the author's zone, which may have a link's numbers; SEEN-BY has not."""
    raw = written(path=["1/201", "1/100"], origin="Far away (42:1/201)", msgid="42:1/201 00000001")
    assert skips(world(), HUB, raw)[PEER] is None
    seen = written(["1/201"], ["1/201", "1/100"], origin="Far away (42:1/201)", msgid="42:1/201 00000001")
    assert skips(world(), HUB, seen)[PEER] is Skip.SEEN_BY


def test_lists_are_of_the_zone_of_the_sender() -> None:
    """From another zone, the lists tell of the links there, and of none at home."""
    found = skips(world(), "42:1/100", written(seen_by=["1/201"], path=["1/201"]))
    assert found == {HUB: None, PEER: None, OTHER_ZONE: Skip.SEEN_BY, POINT: None, FOREIGN_POINT: None}


@pytest.mark.parametrize(("aka", "listed"), [(US, PEER), ("42:1/200", OTHER_ZONE)])
def test_lists_of_our_own_programs_are_of_our_zone(aka: str, listed: str) -> None:
    """What our own programs write has the lists of the zone of our AKA in the area."""
    rules = world()
    rules = with_area(rules, replace(rules.areas["tqwnet", "TECH"], aka=full(aka)))
    found = skips(rules, None, written(seen_by=["1/201"], path=[]))
    assert {link for link, skip in found.items() if skip} == {listed}


def test_all_lines_of_a_list_count() -> None:
    """Foreign lists may be unsorted, have several lines, zones, points and odd separators."""
    raw = written(seen_by=[], path=[]) + b"SEEN-BY: 5/1 1/300\r\x01SEEN-BY: 9/9 1337:1/100\xfe201.3\r"
    assert skips(world(), HUB, raw)[PEER] is Skip.SEEN_BY


def test_only_the_last_path_counts() -> None:
    """Bad rescans leave older PATHs in front of the real one."""
    raw = written(seen_by=[], path=[]) + b"\x01PATH: 1/201\rSEEN-BY: 1/300\r\x01PATH: 1/300 100\r"
    assert skips(world(), HUB, raw)[PEER] is None


@pytest.mark.parametrize("kludge", [b"RESCANNED 1337:1/100", b"RESCANNED: 1337:1/100", b"rescanned 1337:1/100"])
def test_rescanned_mail_stays_here(kludge: bytes) -> None:
    """The answer to a rescan was for us alone."""
    raw = written().replace(b"\x01PID:", b"\x01" + kludge + b"\r\x01PID:")
    assert set(skips(world(), HUB, raw).values()) == {Skip.SENDER, Skip.RESCANNED}


def test_paused_links_wait() -> None:
    """A paused link gets nothing; the others do."""
    links = [replace(make_link(text, NET), paused=text == PEER) for text in LINKS]
    assert skips(world(links), HUB, written())[PEER] is Skip.PAUSED


def test_who_may_not_read_gets_nothing() -> None:
    """A link that may only write gets nothing; one that may only read gets all."""
    rules = world(rights={PEER: AreaLink(read=False), OTHER_ZONE: AreaLink(write=False)})
    found = skips(rules, HUB, written())
    assert (found[PEER], found[OTHER_ZONE]) == (Skip.MAY_NOT_READ, None)


def test_nothing_is_sent_without_an_outbound() -> None:
    """Without an outbound nobody gets anything; who would not have got it anyway has its own reason."""
    found = skips(replace(world(), sends=False), HUB, written(seen_by=["1/201"]))
    assert found == {
        HUB: Skip.SENDER,
        PEER: Skip.SEEN_BY,
        OTHER_ZONE: Skip.NO_OUTBOUND,
        POINT: Skip.NO_OUTBOUND,
        FOREIGN_POINT: Skip.NO_OUTBOUND,
    }


def test_every_reason_has_its_sentence() -> None:
    """People are told what each code means."""
    assert all(skip.text for skip in Skip)
    assert len({skip.text for skip in Skip}) == len(Skip)


# --- settings


@pytest.mark.parametrize("sender", [HUB, PEER, "1337:5/5"])
@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_one_machine_under_several_addresses(sender: str, order: tuple[int, ...]) -> None:
    """What one address of a system sent goes to none of its others, whichever of them names which."""
    links = [
        make_link(HUB, NET),
        replace(make_link(PEER, NET), same_system_as=full(HUB)),
        replace(make_link("1337:5/5", NET), same_system_as=full(PEER)),
        make_link("1337:7/7", NET),
    ]
    same = dict.fromkeys((HUB, PEER, "1337:5/5"), Skip.SENDER)
    assert skips(world(links[index] for index in order), sender, written(seen_by=[], path=[])) == {
        **same,
        "1337:7/7": None,
    }


def test_one_author_under_several_addresses() -> None:
    """What a system wrote is not sent to its other addresses, even those it is not linked under in the area."""
    hub, peer = make_link(HUB, NET), replace(make_link(PEER, NET), same_system_as=full(HUB))
    other = make_link("1337:7/7", NET)
    area = make_area("TECH", NET, {hub.address: AreaLink(), other.address: AreaLink()})
    rules = make_rules([NET], [hub, peer, other], [area])
    raw = written(seen_by=[], path=[], origin="Peer (1337:1/201)")
    assert skips(rules, "1337:7/7", raw) == {HUB: Skip.AUTHOR, "1337:7/7": Skip.SENDER}


def test_sbignore_of_a_link() -> None:
    """A link whose presence in SEEN-BY does not count gets the message; PATH counts all the same."""
    links = [replace(make_link(text, NET), sbignore=text == PEER) for text in LINKS]
    assert skips(world(links), HUB, written(seen_by=["1/201"]))[PEER] is None
    assert skips(world(links), HUB, written(seen_by=["1/201"], path=["1/201"]))[PEER] is Skip.PATH


@pytest.mark.parametrize(("ignored", "skip"), [("1337:1/201", None), ("42:1/201", Skip.SEEN_BY)])
def test_sbignore_of_an_area(ignored: str, skip: Skip | None) -> None:
    """An area may name nodes whose presence in SEEN-BY does not count, each of its zone."""
    rules = world()
    rules = with_area(rules, replace(rules.areas["tqwnet", "TECH"], sbignore=(Address.parse(ignored),)))
    assert skips(rules, HUB, written(seen_by=["1/201"]))[PEER] is skip


# --- networks, memory


def test_two_networks_with_the_same_numbers() -> None:
    """The same net and node in two networks are two systems; each area knows its own only."""
    fsx = make_network("fsxnet", "21:1/200")
    links = [make_link(text, net) for net, text in ((NET, HUB), (NET, PEER), (fsx, "21:1/100"), (fsx, "21:1/201"))]
    areas = [
        make_area("TECH", net, {link.address: AreaLink() for link in links if link.network == net.name})
        for net in (NET, fsx)
    ]
    rules = make_rules([NET, fsx], links, areas)
    text = split_text(written(origin="Somewhere (1337:1/201)"))
    known = exports_of(rules)

    at_home = known.of(areas[0]).fates(full(HUB), text)
    abroad = known.of(areas[1]).fates(full("21:1/100", fsx), text)

    assert [(str(fate.link), fate.skip) for fate in at_home] == [
        ("1337:1/100@tqwnet", Skip.SENDER),
        ("1337:1/201@tqwnet", Skip.AUTHOR),
    ]
    assert [(str(fate.link), fate.skip) for fate in abroad] == [
        ("21:1/100@fsxnet", Skip.SENDER),
        ("21:1/201@fsxnet", None),
    ]


def test_two_networks_in_one_zone() -> None:
    """Where two networks share a zone, the domain of the sender tells which of two equal addresses sent it."""
    rival = make_network("rival", "1337:9/9")
    links = [make_link(HUB, NET), make_link(PEER, NET), make_link(HUB, rival)]
    area = make_area("TECH", NET, {link.address: AreaLink() for link in links[:2]})
    rules = make_rules([NET, rival], links, [area])
    assert skips(rules, HUB, written(seen_by=[], path=[])) == {HUB: Skip.SENDER, PEER: None}
    assert skips(rules, HUB, written(seen_by=[], path=[]), network="rival") == {HUB: None, PEER: None}


def test_equal_answers_are_one_tuple() -> None:
    """A thousand messages for the same links share one tuple, which is cheap to compare."""
    area = exports(world())
    first = area.recipients(full(HUB), split_text(written(seen_by=["1/100", "5/1"], path=["5/1"])))
    second = area.recipients(full(HUB), split_text(written(seen_by=["1/100", "5/2"], path=["5/2"])))
    assert first is second
    assert len(first) == 4


def test_an_area_without_other_links() -> None:
    """An area of the sender alone, or of nobody, has no recipients."""
    assert skips(world([make_link(HUB, NET)]), HUB, written()) == {HUB: Skip.SENDER}
    assert skips(world([]), HUB, written()) == {}


def test_the_same_rules_are_prepared_once() -> None:
    """What is known of a rulebook is kept as long as it is in use."""
    rules = world()
    assert exports_of(rules) is exports_of(rules)
    assert exports(rules) is exports(rules)
