"""Nodes joined by real binkd systems: what is entered at one of them arrives at the others, once, through sessions.

Each node runs as the daemon it is; binkd polls its outbound and fills its inbound, and nobody tells either to.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.peers.hubs import GEN, Echo, Hubs, Wire

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.peers.hubs import Entered

SECONDS = 45
ONE, TWO, THREE = (f"1337:1/{number}@tqwnet" for number in (100, 200, 300))


def exchange(hubs: Hubs, posts: Mapping[Echo, list[tuple[str, int]]]) -> dict[Echo, list[Entered]]:
    """Enter messages while everything runs, wait until they are everywhere and nothing is under way, and stop.

    Raises:
        AssertionError: they do not arrive in the time a test may wait, or something did not end well.
    """
    with hubs.daemons() as daemons, hubs.binkds() as mailers:
        entered = {echo: [hubs.post(name, echo, number) for name, number in each] for echo, each in posts.items()}
        deadline = time.monotonic() + SECONDS
        while hubs.left() or any(
            hubs.held(echo) != hubs.everywhere(*each, echo=echo) for echo, each in entered.items()
        ):
            assert time.monotonic() < deadline, "\n".join(
                [str(hubs.left()), *(f"{n}\n{daemons[n].log}\n{mailers[n].log}" for n in hubs.nodes)]
            )
            time.sleep(0.1)
        for daemon in daemons.values():
            assert daemon.stop() == 0, daemon.log
        for mailer in mailers.values():
            mailer.stop()
            assert mailer.partial == []
    return entered


def assert_everywhere(hubs: Hubs, entered: Mapping[Echo, list[Entered]]) -> None:
    """Check that each message is once in every base of its area, and that no outbound or inbound holds a file."""
    for echo, messages in entered.items():
        assert hubs.held(echo) == hubs.everywhere(*messages, echo=echo)
    assert hubs.left() == []


@pytest.mark.parametrize("flavour", ["normal", "crash"])
@pytest.mark.parametrize("archiver", ["zip", "none"])
def test_two_nodes(tmp_path: Path, archiver: str, flavour: str) -> None:
    """Messages cross in both directions, in bundles and in bare packets, from both kinds of flow file."""
    hubs = Hubs(tmp_path, {"one": [ONE], "two": [TWO]}, [Wire(ONE, TWO, archiver=archiver, flavour=flavour)])
    entered = exchange(hubs, {GEN: [("one", 1), ("two", 2), ("two", 3)]})

    assert_everywhere(hubs, entered)
    assert hubs.trailer("two", entered[GEN][0]) == (["1/100", "200"], ["1/100"])


def test_three_nodes_in_a_row(tmp_path: Path) -> None:
    """The node in the middle passes on what either side enters, in the form that the other side wants."""
    wires = [Wire(ONE, TWO, flavour="crash"), Wire(TWO, THREE, archiver="none", packet_type="2.2")]
    hubs = Hubs(tmp_path, {"one": [ONE], "two": [TWO], "three": [THREE]}, wires)
    entered = exchange(hubs, {GEN: [("one", 1), ("two", 1), ("three", 1)]})

    assert_everywhere(hubs, entered)
    assert hubs.trailer("three", entered[GEN][0]) == (["1/100", "200", "300"], ["1/100", "200"])


def test_networks_zones_and_points(tmp_path: Path) -> None:
    """Binkd finds what is for another domain, for another zone and for a point."""
    fsx = Echo("fsxnet", "FSX_GEN")
    systems = {
        "hub": [ONE, "21:1/100@fsxnet"],
        "both": ["1338:1/200@tqwnet", "21:1/200@fsxnet"],
        "point": ["1337:1/100.9@tqwnet"],
    }
    wires = [
        Wire(ONE, "1338:1/200@tqwnet"),
        Wire("21:1/100@fsxnet", "21:1/200@fsxnet", archiver="none"),
        Wire(ONE, "1337:1/100.9@tqwnet", flavour="direct"),
    ]
    hubs = Hubs(tmp_path, systems, wires, [GEN, fsx])
    entered = exchange(hubs, {GEN: [("hub", 1), ("both", 1), ("point", 1)], fsx: [("hub", 1), ("both", 1)]})

    assert_everywhere(hubs, entered)
