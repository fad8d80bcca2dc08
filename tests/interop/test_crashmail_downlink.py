"""crashmail as downlink and as uplink at once: we stand between two of them, and mail goes through all three.

Each end has a further link, whose mail is written and read here byte by byte: what one of them sends must come out at
the other with nothing changed but SEEN-BY and PATH.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.corpus import US, area_tags, echo_text, make_packets, message, packed, packet, seen_by_nodes, two_d
from tests.packets import HEADER_FIELDS, messages_in, packets_in
from tests.peers.binkd import Domain
from tests.peers.crashmail import Crashmail, CrashmailLink
from tests.peers.daemon import DONE, Node, node
from tests.peers.mailer import Mailer, Station

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.corpus import Manifest
    from tests.packets import Taken

WRITER, HUB, DOWN, FAR = (f"1337:1/{node}" for node in (211, 210, 201, 202))
"""None of them stands in any SEEN-BY of the corpus."""
AREAS = area_tags(3)
MESSAGES = 120
_SUMS = re.compile(
    r"Imported messages: +(\d+) +Routed netmails: +0\s+Bad -> +Bad messages: +(\d+) +Duplicate messages: +(\d+)"
)


def station(address: str, root: Path, inbound: Path) -> Station:
    """Describe a system to the mailer."""
    return Station((f"{address}@tqwnet",), (Domain("tqwnet", root / "out", 1337),), inbound)


@dataclass(frozen=True, slots=True)
class Chain:
    """A crashmail above us, and one below: WRITER - HUB - US - DOWN - FAR."""

    system: Node
    hub: Crashmail
    down: Crashmail
    mailer: Mailer

    def carry(self) -> int:
        """Let all mail go one system further; returns how many files it was in."""
        return len(self.mailer.carry().files)

    def toss(self) -> None:
        """Toss at our system."""
        result = self.system.toss()
        assert result.code == DONE, result.stdout


@contextmanager
def chained(root: Path, archiver: str, packet_type: str = "2+") -> Iterator[Chain]:
    """Set the three systems up; passwords are different on each wire."""
    system = node(
        root,
        areas=AREAS,
        links={HUB: "UPWARD", DOWN: "DOWNWARD"},
        link_defaults={"archiver": archiver, "packet_type": packet_type},
    )
    bundles = archiver == "zip"
    with ExitStack() as stack:
        hub = stack.enter_context(
            Crashmail(address=HUB, links={US: CrashmailLink("UPWARD", bundles), WRITER: CrashmailLink()}, areas=AREAS)
        )
        down = stack.enter_context(
            Crashmail(address=DOWN, links={US: CrashmailLink("DOWNWARD", bundles), FAR: CrashmailLink()}, areas=AREAS)
        )
        stations = [
            station(HUB, hub.root, hub.inbound),
            station(US, system.root, system.secure),
            station(DOWN, down.root, down.inbound),
        ]
        yield Chain(system, hub, down, Mailer(stations))


def sums(printed: str) -> tuple[int, ...]:
    """Read how many messages crashmail has imported, found bad and found to be duplicates."""
    match = _SUMS.search(printed)
    assert match is not None, printed
    return tuple(int(count) for count in match.groups())


def received(peer: Crashmail, link: str, directory: Path) -> dict[str, Taken]:
    """Take apart what a crashmail has for a link."""
    directory.mkdir()
    return by_msgid(packets_in(peer.collect(link, directory)))


def by_msgid(packets: list[bytes]) -> dict[str, Taken]:
    """Take packets apart; no message may be there twice."""
    found = [message for data in packets for message in messages_in(data)]
    assert len({message.msgid for message in found}) == len(found)
    return {message.msgid: message for message in found}


def in_order(nodes: set[str]) -> list[str]:
    """Sort nodes as SEEN-BY does."""
    return sorted(nodes, key=lambda item: tuple(int(part) for part in item.split("/")))


def assert_passed_on(got: dict[str, Taken], given: dict[str, Taken], corpus: Manifest, route: tuple[str, ...]) -> None:
    """Check that all that was given has come through, with the systems of the route in SEEN-BY and PATH."""
    assert set(got) == set(given) == corpus.msgids
    for msgid, after in got.items():
        before = given[msgid]
        assert after.authored == before.authored
        assert (after.to_name, after.from_name, after.subject) == (before.to_name, before.from_name, before.subject)
        assert after.fixed["date"] == before.fixed["date"]
        assert after.path == [*before.path, *map(two_d, route[1:-1])]
        assert after.seen_by == in_order({*before.seen_by, *map(two_d, route)})


@pytest.mark.parametrize(("archiver", "packet_type"), [("zip", "2+"), ("none", "2+"), ("none", "2")])
def test_mail_goes_down_and_up(tmp_path: Path, archiver: str, packet_type: str) -> None:
    """What either end sends reaches the other once; crashmail finds nothing bad and no duplicate in what we send."""
    with chained(tmp_path / "node", archiver, packet_type) as chain:
        below = make_packets(chain.hub.inbound, messages=MESSAGES, packets=2, areas=3, sender=WRITER, dest=HUB, seed=1)
        above = make_packets(chain.down.inbound, messages=MESSAGES, packets=2, areas=3, sender=FAR, dest=DOWN, seed=2)
        given = {
            name: by_msgid([path.read_bytes() for path in corpus.packets])
            for name, corpus in (("below", below), ("above", above))
        }
        assert sums(chain.hub.toss()) == sums(chain.down.toss()) == (MESSAGES, 0, 0)
        assert chain.carry() > 0
        chain.toss()
        assert chain.carry() > 0
        assert sums(chain.hub.toss()) == sums(chain.down.toss()) == (MESSAGES, 0, 0)
        far = received(chain.down, FAR, tmp_path / "far")
        writer = received(chain.hub, WRITER, tmp_path / "writer")
        assert chain.carry() == 0
        assert [path for path in (chain.system.root / "out").rglob("*") if path.is_file()] == []

    assert_passed_on(far, given["below"], below, (WRITER, HUB, US, DOWN, FAR))
    assert_passed_on(writer, given["above"], above, (FAR, DOWN, US, HUB, WRITER))


def test_it_checks_what_we_state(tmp_path: Path) -> None:
    """Our packets carry password and addresses where crashmail looks for them: with others it sets a packet aside."""
    with chained(tmp_path / "node", "none") as chain:
        make_packets(chain.hub.inbound, messages=3, packets=1, areas=1, sender=WRITER, dest=HUB)
        chain.hub.toss()
        chain.carry()
        chain.toss()
        (packet,) = chain.system.outbound.glob("*.pkt")
        data = packet.read_bytes()
        for name in ("destNode", "destNet", "password"):
            at, size = HEADER_FIELDS[name]
            (chain.down.inbound / "0000dead.pkt").write_bytes(data[:at] + b"X" * size + data[at + size :])
            with pytest.raises(AssertionError, match=r"not to me|Wrong password"):
                chain.down.toss()
            (bad,) = chain.down.inbound.glob("*.bad")
            bad.unlink()
        chain.carry()
        assert sums(chain.down.toss()) == (3, 0, 0)


def test_a_long_seen_by_comes_out_whole(tmp_path: Path) -> None:
    """A SEEN-BY of 190 nodes, sorted and broken anew by each system on the way, loses none."""
    nodes = seen_by_nodes(two_d(WRITER), count=190)
    raw = message("TQW_GEN", author="1337:5/10", sender=WRITER, dest=HUB, seen_by=nodes, path=["5/10", two_d(WRITER)])
    with chained(tmp_path / "node", "zip") as chain:
        (chain.hub.inbound / "00000001.pkt").write_bytes(packet([raw], sender=WRITER, dest=HUB))
        chain.hub.toss()
        chain.carry()
        chain.toss()
        chain.carry()
        chain.down.toss()
        (got,) = received(chain.down, FAR, tmp_path / "far").values()

    assert got.seen_by == in_order({*nodes, *map(two_d, (HUB, US, DOWN, FAR))})
    assert got.path == ["5/10", *map(two_d, (WRITER, HUB, US, DOWN))]


def test_odd_dates_lose_nothing(tmp_path: Path) -> None:
    """Crashmail reads a date up to its NUL: one that came short leaves us whole, and takes no message with it."""
    dates = (b"garbage", b"", b"20 Nov 26  10:00", b"Fri 20 Nov 26 10:00", b"20 Nov 26  10:00:00")
    texts = [echo_text(AREAS[0], msgid=f"1337:1/300 {number:08x}") for number in range(len(dates))]
    mail = [packed(text, sender=HUB, date=date.ljust(20, b"\0")) for text, date in zip(texts, dates, strict=True)]
    with chained(tmp_path / "node", "none") as chain:
        chain.system.deliver(packet(mail, sender=HUB, password=b"UPWARD"))
        chain.toss()
        chain.carry()
        assert sums(chain.down.toss()) == (len(dates), 0, 0)
        assert len(received(chain.down, FAR, tmp_path / "far")) == len(dates)
