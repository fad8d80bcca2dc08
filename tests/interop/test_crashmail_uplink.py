"""crashmail as our uplink: what it writes and exports, the real command tosses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.corpus import HUB, US, make_packets
from tests.peers.crashmail import Crashmail, CrashmailLink, crashwrite
from tests.peers.daemon import DONE, node

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node

WRITER = "1337:1/300"
AREAS = ("TQW_GEN", "TQW_TECH")


def stored(system: Node) -> dict[str, int]:
    """Return how many messages each area holds by the node's own account."""
    return {area["tag"]: area["stored"] for area in system.status()["areas"]}


def test_packets_of_crashwrite_are_tossed(system: Node) -> None:
    """Messages without PID, CHRS, SEEN-BY and PATH, as crashmail's own writer makes them, reach their area."""
    crashwrite(system.secure, "First\n", "Second\n", "Third\n")

    assert system.toss().code == DONE
    assert stored(system)["TQW_GEN"] == 3


def test_what_crashmail_exports_is_tossed(tmp_path: Path) -> None:
    """Every message that another system sent through crashmail arrives here once, from packets with a password."""
    system = node(tmp_path, areas=AREAS, links={HUB: "OURS"})
    with Crashmail(links={US: CrashmailLink("OURS"), WRITER: CrashmailLink()}, areas=AREAS) as hub:
        corpus = make_packets(hub.inbound, messages=200, packets=4, areas=2, sender=WRITER, dest=HUB)
        hub.toss()
        hub.collect(US, system.secure)

    assert system.toss().code == DONE
    assert stored(system) == {tag: len(letters) for tag, letters in corpus.by_area().items()}


def test_bundles_of_crashmail_are_tossed(tmp_path: Path) -> None:
    """The same, packed into ZIP archives by the program zip."""
    system = node(tmp_path, areas=AREAS)
    with Crashmail(links={US: CrashmailLink(bundles=True), WRITER: CrashmailLink()}, areas=AREAS) as hub:
        corpus = make_packets(hub.inbound, messages=50, packets=2, areas=2, sender=WRITER, dest=HUB)
        hub.toss()
        hub.collect(US, system.secure)

    assert system.toss().code == DONE
    assert stored(system) == {tag: len(letters) for tag, letters in corpus.by_area().items()}


def test_crashmail_may_send_the_same_mail_again(tmp_path: Path) -> None:
    """When its outbound was sent but not removed, the second copy is recognised whole."""
    system = node(tmp_path, areas=AREAS)
    with Crashmail(links={US: CrashmailLink(), WRITER: CrashmailLink()}, areas=AREAS) as hub:
        corpus = make_packets(hub.inbound, messages=50, packets=2, areas=2, sender=WRITER, dest=HUB)
        hub.toss()
        (packet,) = hub.collect(US, tmp_path)
        system.deliver(packet.read_bytes(), "00000001.pkt")
        assert system.toss().code == DONE
        system.deliver(packet.read_bytes(), "00000002.pkt")
        assert system.toss().code == DONE

    assert stored(system) == {tag: len(letters) for tag, letters in corpus.by_area().items()}
