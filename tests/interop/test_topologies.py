"""Whole networks: what is entered at one system reaches every other one once, and then there is silence.

The nodes are real ones, the mailer between them is a model (`tests.peers.mailer`), so that a round takes no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.hubs import GEN, Echo, Hubs, Wire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.peers.hubs import Entered

NORTH, EAST, SOUTH, WEST = (f"1337:1/{number}@tqwnet" for number in (100, 200, 300, 400))


def tqwnet(root: Path, *wires: Wire) -> Hubs:
    """Build systems named after their node numbers, as far as wires lead to them."""
    addresses = dict.fromkeys(end for wire in wires for end in (wire.one, wire.other))
    return Hubs(root, {address.partition("/")[2].partition("@")[0]: [address] for address in addresses}, wires)


def assert_everywhere(hubs: Hubs, *entered: Entered, echo: Echo = GEN) -> None:
    """Check that every system that carries the area has each message once and no other, and nothing is on its way."""
    assert hubs.held(echo) == hubs.everywhere(*entered, echo=echo)
    assert hubs.left() == []


def test_a_ring_of_three(tmp_path: Path) -> None:
    """A post goes to both neighbours, who know of each other by SEEN-BY: two packets carry it, whatever they are in."""
    hubs = tqwnet(
        tmp_path,
        Wire(NORTH, EAST),
        Wire(EAST, SOUTH, archiver="none", packet_type="2"),
        Wire(SOUTH, NORTH, flavour="crash", packet_type="2.2"),
    )
    first = hubs.post("100")
    assert hubs.settle() == 2
    assert_everywhere(hubs, first)
    assert hubs.trailer("200", first) == hubs.trailer("300", first) == (["1/100", "200", "300"], ["1/100"])

    more = [hubs.post("200"), hubs.post("300"), hubs.post("300", number=2)]
    assert hubs.settle() == 4
    assert_everywhere(hubs, first, *more)
    assert hubs.trailer("100", more[0]) == (["1/100", "200", "300"], ["1/200"])


def test_a_fully_meshed_four(tmp_path: Path) -> None:
    """A post goes to all three others at once, and none of them sends it on."""
    ends = (NORTH, EAST, SOUTH, WEST)
    hubs = tqwnet(tmp_path, *(Wire(one, other) for index, one in enumerate(ends) for other in ends[index + 1 :]))
    entered = hubs.post("400")

    assert hubs.settle() == 3
    assert_everywhere(hubs, entered)


def test_a_ring_of_four(tmp_path: Path) -> None:
    """Two copies meet at the far side, which keeps the first and drops the other."""
    hubs = tqwnet(tmp_path, Wire(NORTH, EAST), Wire(EAST, SOUTH), Wire(SOUTH, WEST), Wire(WEST, NORTH))
    entered = hubs.post("100")

    assert hubs.settle() == 4
    assert_everywhere(hubs, entered)
    seen_by, path = hubs.trailer("300", entered)
    assert path in (["1/100", "200"], ["1/100", "400"])
    assert seen_by == ["1/100", "200", "300", "400"]


def test_points_behind_two_hubs(tmp_path: Path) -> None:
    """What a point writes reaches the other points and all nodes, and no point stands in SEEN-BY or PATH."""
    wires = [Wire(NORTH, EAST), Wire(EAST, SOUTH), Wire(SOUTH, NORTH)]
    wires += [Wire(NORTH, f"1337:1/100.{point}@tqwnet", archiver="none") for point in (1, 2)]
    wires += [Wire(EAST, "1337:1/200.7@tqwnet", archiver="none", flavour="hold", back="normal")]
    hubs = tqwnet(tmp_path, *wires)
    entered = [hubs.post("100.1"), hubs.post("300")]
    hubs.settle()
    late = hubs.post("200.7", number=2)  # its call fetches what is held for it
    hubs.settle()

    assert_everywhere(hubs, *entered, late)
    assert hubs.trailer("200.7", entered[0]) == (["1/100", "200", "300"], ["1/100", "200"])
    assert hubs.trailer("100.2", late) == (["1/100", "200", "300"], ["1/200", "100"])


GATE = ["2:5020/100@fidonet", "1:100/100@fidonet"]
FIDO = Echo("fidonet", "FIDO_GEN")


def test_a_gate_between_two_zones(tmp_path: Path) -> None:
    """Mail crosses the gate once, with a SEEN-BY of the new zone alone and the PATH of both."""
    systems = {
        "gate": GATE,
        "east": ["2:5020/200@fidonet"],
        "far east": ["2:5020/300@fidonet"],
        "west": ["1:100/200@fidonet"],
        "namesake": ["2:5020/400@fidonet"],
        "far west": ["1:5020/400@fidonet"],
    }
    wires = [
        Wire("2:5020/200@fidonet", GATE[0]),
        Wire("2:5020/300@fidonet", "2:5020/200@fidonet"),
        Wire("1:100/200@fidonet", GATE[1]),
        Wire("2:5020/400@fidonet", "2:5020/200@fidonet"),
        Wire("1:5020/400@fidonet", "1:100/200@fidonet"),
    ]
    hubs = Hubs(tmp_path, systems, wires, [FIDO])
    eastern, western = hubs.post("far east", FIDO), hubs.post("west", FIDO)
    of_namesakes = [hubs.post("namesake", FIDO), hubs.post("far west", FIDO)]  # each has the other's numbers in PATH
    hubs.settle()

    assert_everywhere(hubs, eastern, western, *of_namesakes, echo=FIDO)
    assert hubs.trailer("west", eastern, FIDO) == (["100/100", "200"], ["5020/300", "200", "100/100"])
    assert hubs.trailer("far west", eastern, FIDO) == (
        ["100/100", "200", "5020/400"],
        ["5020/300", "200", "100/100", "200"],
    )
    assert hubs.trailer("east", western, FIDO) == (["5020/100", "200"], ["100/200", "5020/100"])


FSX, TQW, RUN = Echo("fsxnet", "GENERAL"), Echo("tqwnet", "GENERAL"), Echo("fidonet", "RU.GENERAL")


def one_system_in(networks: Sequence[str], number: str) -> list[str]:
    """Give a system the same net and node in several networks."""
    zones = {"fsxnet": 21, "tqwnet": 1337, "fidonet": 2}
    return [f"{zones[network]}:{number}@{network}" for network in networks]


@pytest.fixture
def three_networks(tmp_path: Path) -> Hubs:
    """A hub in fsxNet, tqwNet and FidoNet, with links that are in one, two or all of them; some share numbers."""
    every = ("tqwnet", "fsxnet", "fidonet")
    systems = {
        "hub": one_system_in(every, "1/100"),
        "all": one_system_in(every, "1/200"),
        "two": one_system_in(("fsxnet", "tqwnet"), "1/300"),
        "fsx": one_system_in(("fsxnet",), "1/400"),
        "tqw": one_system_in(("tqwnet",), "1/400"),
        "fido": one_system_in(("fidonet",), "1/400"),
    }
    hub = {address.partition("@")[2]: address for address in systems["hub"]}
    wires = [
        Wire(address, hub[address.partition("@")[2]])
        for name, addresses in systems.items()
        if name != "hub"
        for address in addresses
    ]
    return Hubs(tmp_path, systems, wires, [FSX, TQW, RUN])


def test_networks_do_not_leak(three_networks: Hubs) -> None:
    """Areas of one tag in two networks, systems of one number in three: each post stays in its network."""
    hubs = three_networks
    entered = {
        FSX: [hubs.post("fsx", FSX), hubs.post("all", FSX), hubs.post("two", FSX)],
        TQW: [hubs.post("tqw", TQW), hubs.post("all", TQW, 2)],
        RUN: [hubs.post("fido", RUN), hubs.post("hub", RUN)],
    }
    hubs.settle()

    for echo, messages in entered.items():
        assert_everywhere(hubs, *messages, echo=echo)
    assert hubs.trailer("tqw", entered[TQW][1], TQW) == (["1/100", "200", "300", "400"], ["1/200", "100"])
    assert hubs.trailer("fido", entered[RUN][1], RUN) == (["1/100", "200", "400"], ["1/100"])


ZONE_TWO, OTHER_TWO = Echo("fidonet", "RU.GENERAL"), Echo("othernet", "OTHER.GENERAL")


def test_two_networks_of_one_zone(tmp_path: Path) -> None:
    """Two networks may use one zone number, and one net and node in it: their outbounds are told apart by domain."""
    systems = {
        "hub": ["2:5020/100@fidonet", "2:5020/100@othernet"],
        "fido": ["2:5020/200@fidonet"],
        "other": ["2:5020/200@othernet"],
    }
    wires = [Wire(systems["fido"][0], systems["hub"][0]), Wire(systems["other"][0], systems["hub"][1])]
    hubs = Hubs(tmp_path, systems, wires, [ZONE_TWO, OTHER_TWO])
    entered = {
        ZONE_TWO: [hubs.post("hub", ZONE_TWO), hubs.post("fido", ZONE_TWO)],
        OTHER_TWO: [hubs.post("other", OTHER_TWO, 2)],
    }
    hubs.settle()

    for echo, messages in entered.items():
        assert_everywhere(hubs, *messages, echo=echo)
