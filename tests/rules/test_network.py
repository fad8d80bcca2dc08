"""Look-ups in the sysop's world, with domains known and unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.corpus import HUB, US
from tests.rules.world import DOWNLINK, POINT, make_link, make_network, make_rules, usual_rules
from tosser.address import Address

if TYPE_CHECKING:
    from tosser.rules.network import Rulebook


def twin_rules() -> Rulebook:
    """Two networks with the same zone; we and the hub have the same numbers in both."""
    one, two = make_network("one", "21:1/200"), make_network("two", "21:1/200", "21:3/4")
    return make_rules([one, two], [make_link("21:1/100", one), make_link("21:1/100", two)], [])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (US, [f"{US}@tqwnet"]),
        (f"{US}@tqwnet", [f"{US}@tqwnet"]),
        (f"{US}@TQWNET.example", [f"{US}@tqwnet"]),
        (f"{US}@othernet", []),
        (POINT, []),
        ("1:1/200", []),
    ],
)
def test_own_address(text: str, found: list[str]) -> None:
    """An address is ours by its numbers, and by its domain where it has one."""
    rules = usual_rules()
    address = Address.parse(text)
    assert [str(aka) for aka in rules.own_akas(address)] == found
    assert str(rules.own_aka(address) or "") == "".join(found)


def test_networks_may_share_all_numbers() -> None:
    """Without a domain an address may be ours, or a link, in several networks; with one it is in one."""
    rules = twin_rules()
    ours, hub = Address.parse("21:1/200"), Address.parse("21:1/100")
    assert [aka.domain for aka in rules.own_akas(ours)] == ["one", "two"]
    assert [link.network for link in rules.links_at(hub)] == ["one", "two"]
    assert [aka.domain for aka in rules.own_akas(Address.parse("21:1/200@two"))] == ["two"]
    assert [link.network for link in rules.links_at(Address.parse("21:1/100@two"))] == ["two"]
    assert rules.links_at(Address.parse("21:1/100@three")) == []


def test_akas_in_order() -> None:
    """Our AKAs are listed network by network, the main one of each first."""
    assert [str(aka) for aka in twin_rules().akas] == ["21:1/200@one", "21:1/200@two", "21:3/4@two"]
    assert str(twin_rules().networks["two"].main) == "21:1/200@two"


def test_links_by_numbers_in_any_zone() -> None:
    """A packet without zones finds the links of all zones with its numbers, and no point of theirs."""
    fido, tqw = make_network("fidonet", "2:5001/1"), make_network("tqwnet", US)
    rules = make_rules([fido, tqw], [make_link("2:1/100", fido), make_link(HUB, tqw), make_link(POINT, tqw)], [])
    assert [link.address.zone for link in rules.links_numbered(1, 100, 0)] == [2, 1337]
    assert [link.address.point for link in rules.links_numbered(1, 200, 5)] == [5]
    assert list(rules.links_numbered(1, 200, 0)) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [("2:5001/100", "2:5001/100@fidonet"), ("2:5001/100@x", "2:5001/100@x"), ("21:1/1", "21:1/1"), ("9:9/9", "9:9/9")],
)
def test_domain_of_a_zone(given: str, expected: str) -> None:
    """The domain of a zone is filled in where there is none and only one network has the zone."""
    networks = [
        make_network("fido", "2:5001/1", zones=range(1, 7), domain="fidonet"),
        make_network("one", "21:1/1"),
        make_network("two", "21:1/2"),
    ]
    assert str(make_rules(networks, [], []).with_domain(Address.parse(given))) == expected


def test_area_of_a_network() -> None:
    """An area is found by its upper-case tag in its own network only."""
    rules = usual_rules()
    area = rules.area_of("tqwnet", "TQW_TECH")
    assert area is not None
    assert area.links[rules.links_at(Address.parse(DOWNLINK))[0].address].write
    assert rules.area_of("tqwnet", "tqw_tech") is None
    assert rules.area_of("fidonet", "TQW_TECH") is None
