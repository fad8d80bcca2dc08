from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.config.documents import NETWORK, TWO_NETWORKS, load
from tosser.address import Address
from tosser.codec.flow import Flavour
from tosser.codec.packet_header import PacketType
from tosser.config.world import base_name, build_rulebook
from tosser.rules.answer_rules import AnswerRules, Bounces, Robot
from tosser.rules.network import AreaLink, Keep, NetmailRules, Network, SeenByMode, StoreKind, closest

if TYPE_CHECKING:
    from pathlib import Path

HUB = Address(1337, 1, 100, 0, "tqwnet")
US = Address(1337, 1, 200, 0, "tqwnet")


def test_the_least_configuration_has_its_defaults(tmp_path: Path) -> None:
    """Domain, zones and the bad area come from the network; netmail has its base."""
    rules = build_rulebook(load(tmp_path, NETWORK))

    assert rules.networks == {
        "tqwnet": Network(
            name="tqwnet",
            domain="tqwnet",
            addresses=(US,),
            zones=frozenset({1337}),
            bad_area="BADMAIL.TQWNET",
            bad_path=f"{tmp_path}/bases/badmail.tqwnet",
        )
    }
    answers = AnswerRules(Bounces.SECURE, signature="Test BBS", robots={"ping": Robot("PING")})
    assert rules.netmail == NetmailRules(
        StoreKind.JAM, f"{tmp_path}/bases/netmail", "CP437", publish_text=False, answers=answers
    )
    assert rules.links == {}
    assert rules.areas == {}


def test_a_network_may_say_everything_itself(tmp_path: Path) -> None:
    """Domain, zones and bad area are taken as given."""
    text = NETWORK.replace(
        "{addresses: [1337:1/200]}",
        "{addresses: ['2:5020/1@fidonet', 2:5020/2], domain: FidoNet, zones: [1, 2], bad_area: bad.mail}",
    )
    network = build_rulebook(load(tmp_path, text)).networks["tqwnet"]

    assert network.addresses == (Address(2, 5020, 1, 0, "fidonet"), Address(2, 5020, 2, 0, "fidonet"))
    assert (network.domain, network.zones, network.bad_area) == ("fidonet", frozenset({1, 2}), "BAD.MAIL")


def test_a_link_gets_its_domain_and_our_closest_address(tmp_path: Path) -> None:
    """Passwords are compared in upper case; the AKA is ours in the same net, else in the same zone."""
    rules = build_rulebook(
        load(
            tmp_path,
            TWO_NETWORKS
            + "  - {address: 21:2/7.3, name: Two, sysop: Somebody, packet_password: Secret}\n"
            + "  - {address: 21:3/7, our_aka: 21:2/200}\n",
        )
    )
    link = rules.links[Address(21, 2, 7, 3, "fsxnet")]

    assert (link.network, link.name, link.sysop, link.packet_password) == ("fsxnet", "Two", "Somebody", b"SECRET")
    assert link.our_aka == Address(21, 2, 200, 0, "fsxnet")
    assert rules.links[Address(21, 1, 100, 0, "fsxnet")].our_aka == Address(21, 1, 200, 0, "fsxnet")
    assert rules.links[Address(21, 3, 7, 0, "fsxnet")].our_aka == Address(21, 2, 200, 0, "fsxnet")
    assert rules.links[HUB].packet_password == b""


def test_a_link_takes_what_it_does_not_say_from_the_defaults(tmp_path: Path) -> None:
    """Every key of the link defaults may be overridden."""
    rules = build_rulebook(
        load(
            tmp_path,
            NETWORK
            + "link_defaults: {packet_type: 2, archiver: none, flavour: hold, max_packet: 1KiB, max_bundle: 2KiB}\n"
            + "links:\n"
            + "  - address: 1337:1/100\n"
            + "  - address: 1337:1/101\n"
            + "    packet_type: 2.2\n"
            + "    archiver: zip\n"
            + "    flavour: crash\n"
            + "    max_packet: 3KiB\n"
            + "    max_bundle: 4KiB\n",
        )
    )
    settings = [
        (link.packet_type, link.archiver, link.flavour, link.max_packet, link.max_bundle)
        for link in rules.links.values()
    ]

    assert settings == [
        (PacketType.TYPE_2, "none", Flavour.HOLD, 1024, 2048),
        (PacketType.TYPE_2_2, "zip", Flavour.CRASH, 3072, 4096),
    ]


def test_a_link_says_how_it_is_sent_to(tmp_path: Path) -> None:
    """Nodes of SEEN-BY are of the link's zone, and the other address of its system may be given later and short."""
    rules = build_rulebook(
        load(
            tmp_path,
            TWO_NETWORKS.replace("inbound:", "outbound: out, inbound:")
            + "    paused: true\n"
            + "    same_system_as: 1337:1/5\n"
            + "    filebox: box\n"
            + "    seen_by: tiny\n"
            + "    sbadd: [5/1, 21:5/2]\n"
            + "    sbstrip: [5/3]\n"
            + "    sbignore: true\n"
            + "  - address: 1337:1/5\n",
        )
    )
    plain, told = rules.links[HUB], rules.links[Address(21, 1, 100, 0, "fsxnet")]

    assert (told.paused, told.same_system_as, told.filebox) == (True, replace(HUB, node=5), f"{tmp_path}/box")
    assert (told.seen_by, told.sbignore) == (SeenByMode.TINY, True)
    assert (told.sbadd, told.sbstrip) == ((Address(21, 5, 1), Address(21, 5, 2)), (Address(21, 5, 3),))
    assert (plain.paused, plain.same_system_as, plain.filebox, plain.seen_by) == (False, None, "", None)
    assert (plain.sbadd, plain.sbstrip, plain.sbignore) == ((), (), False)


def test_an_area_says_what_becomes_of_seen_by(tmp_path: Path) -> None:
    """Each list overrides the default as a whole; nodes without zone are of the zone of the area's AKA."""
    rules = build_rulebook(
        load(
            tmp_path,
            NETWORK.replace("[1337:1/200]", "[1337:1/200, 2:1/200]")
            + "area_defaults: {seen_by: reduced, sbadd: [5/1, 2:5/2, 77:5/3], sbstrip: [5/4], sbignore: [5/5]}\n"
            + "areas:\n"
            + "  - tag: PLAIN\n"
            + "  - {tag: FULL, aka: 2:1/200, seen_by: full, sbadd: [6/1, 1337:6/2], sbstrip: [], sbignore: [6/3]}\n",
        )
    )
    plain, full = rules.areas["tqwnet", "PLAIN"], rules.areas["tqwnet", "FULL"]

    assert (plain.seen_by, full.seen_by) == (SeenByMode.REDUCED, SeenByMode.FULL)
    assert plain.sbadd == (Address(1337, 5, 1), Address(2, 5, 2), Address(77, 5, 3))
    assert (plain.sbstrip, plain.sbignore) == ((Address(1337, 5, 4),), (Address(1337, 5, 5),))
    assert full.sbadd == (Address(2, 6, 1), Address(1337, 6, 2))
    assert (full.sbstrip, full.sbignore) == ((), (Address(2, 6, 3),))


def test_an_area_takes_what_it_does_not_say_from_the_defaults(tmp_path: Path) -> None:
    """Every key of the area defaults may be overridden; ages may be unlimited."""
    rules = build_rulebook(
        load(
            tmp_path,
            NETWORK
            + "links: [{address: 1337:1/100}, {address: 1337:1/101}]\n"
            + "area_defaults: {dupe_history: 60d, charset: CP866}\n"
            + "areas:\n"
            + "  - {tag: plain, links: [1337:1/100]}\n"
            + "  - tag: FULL\n"
            + "    description: Everything said\n"
            + "    store: passthrough\n"
            + "    dupe_history: 90d\n"
            + "    max_age: unlimited\n"
            + "    max_future: unlimited\n"
            + "    charset: utf-8\n"
            + "    paused: true\n"
            + "    links:\n"
            + "      - {address: 1337:1/100, write: false}\n"
            + "      - {address: 1337:1/101@tqwnet, read: false, mandatory: true}\n"
            + "  - {tag: ELSEWHERE, path: deep/down}\n"
            + f"  - {{tag: ABSOLUTE, path: {tmp_path}/x/../y}}\n",
        )
    )
    plain, full = rules.areas["tqwnet", "PLAIN"], rules.areas["tqwnet", "FULL"]

    assert plain.path == f"{tmp_path}/bases/plain"
    assert (plain.store, plain.aka, plain.paused, plain.charset) == (StoreKind.JAM, US, False, "CP866")
    assert (plain.dupe_history, plain.max_age, plain.max_future) == (60 * 86400, 365 * 86400, 7 * 86400)
    assert plain.links == {HUB: AreaLink(read=True, write=True, mandatory=False)}
    assert (full.description, full.store, full.path) == ("Everything said", StoreKind.PASSTHROUGH, "")
    assert (full.dupe_history, full.max_age, full.max_future) == (90 * 86400, None, None)
    assert (full.charset, full.paused) == ("UTF-8", True)
    assert full.links == {
        HUB: AreaLink(read=True, write=False, mandatory=False),
        Address(1337, 1, 101, 0, "tqwnet"): AreaLink(read=False, write=True, mandatory=True),
    }
    assert rules.areas["tqwnet", "ELSEWHERE"].path == f"{tmp_path}/bases/deep/down"
    assert rules.areas["tqwnet", "ABSOLUTE"].path == f"{tmp_path}/y"


def test_the_network_of_an_area_is_told_or_found(tmp_path: Path) -> None:
    """A stated network wins; otherwise the links tell. The same tag may exist in two networks."""
    rules = build_rulebook(
        load(
            tmp_path,
            TWO_NETWORKS
            + "areas:\n"
            + "  - {tag: TEST, links: [1337:1/100]}\n"
            + "  - {tag: TEST, links: [21:1/100], path: fsx/test, aka: 21:2/200}\n"
            + "  - {tag: LOCAL, network: fsxnet}\n",
        )
    )

    assert set(rules.areas) == {("tqwnet", "TEST"), ("fsxnet", "TEST"), ("fsxnet", "LOCAL")}
    assert rules.areas["fsxnet", "TEST"].aka == Address(21, 2, 200, 0, "fsxnet")
    assert rules.areas["fsxnet", "LOCAL"].aka == Address(21, 1, 200, 0, "fsxnet")


def test_two_networks_may_share_a_zone_number(tmp_path: Path) -> None:
    """The domain, or the link's ``network``, tells which is meant; areas find the right one of two equal numbers."""
    text = TWO_NETWORKS.replace("[21:1/200, 21:2/200]", "[1337:1/300]").replace(
        "  - address: 1337:1/100\n  - address: 21:1/100\n",
        "  - {address: 1337:1/100@tqwnet}\n  - {address: 1337:1/100, network: fsxnet}\n",
    )
    rules = build_rulebook(
        load(
            tmp_path,
            text
            + "areas:\n"
            + "  - {tag: A, network: fsxnet, links: [1337:1/100]}\n"
            + "  - {tag: B, links: [1337:1/100@tqwnet]}\n",
        )
    )
    other = Address(1337, 1, 100, 0, "fsxnet")

    assert {address: link.network for address, link in rules.links.items()} == {HUB: "tqwnet", other: "fsxnet"}
    assert set(rules.areas["fsxnet", "A"].links) == {other}
    assert set(rules.areas["tqwnet", "B"].links) == {HUB}


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("TQW_TECH", "tqw_tech"),
        ("R50.SYSOP-1", "r50.sysop-1"),
        ("A/B", "a%2Fb"),
        ("..", "%2E."),
        (".HIDDEN", "%2Ehidden"),
        ("50%", "50%25"),
        ("A~B", "a%7Eb"),
        ("A:B*?", "a%3Ab%2A%3F"),
    ],
)
def test_the_default_base_name_is_one_safe_file_name(tag: str, name: str) -> None:
    """No tag leaves its directory, hides a file, or falls together with another."""
    assert base_name(tag) == name


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("2:5020/1", "2:5020/200"),
        ("2:5030/1", "2:5001/200"),
        ("1:1/1", "2:5001/200"),
        ("21:9/1", "21:1/200"),
    ],
)
def test_the_closest_address_is_chosen(remote: str, expected: str) -> None:
    """Same net, else same zone, else the main one."""
    akas = [Address.parse(text) for text in ("2:5001/200", "2:5020/200", "21:1/200")]

    assert closest(akas, Address.parse(remote)) == Address.parse(expected)


def test_what_is_kept(tmp_path: Path) -> None:
    """An area's own rule stands in place of the default as a whole; bad areas go by the default, netmail by its own."""
    text = (
        NETWORK
        + "area_defaults: {keep: {days: 90, messages: 500}}\n"
        + "areas: [{tag: A}, {tag: B, keep: {days: 7}}, {tag: C, keep: {}}]\n"
    )
    rules = build_rulebook(load(tmp_path, text))

    assert [area.keep for area in rules.areas.values()] == [Keep(90, 500), Keep(7, None), Keep()]
    assert rules.networks["tqwnet"].bad_keep == Keep(90, 500)
    assert rules.netmail.keep == Keep()
    rules = build_rulebook(load(tmp_path, NETWORK + "netmail: {keep: {messages: 3}}\n"))
    assert (rules.netmail.keep, rules.networks["tqwnet"].bad_keep.everything) == (Keep(None, 3), True)
