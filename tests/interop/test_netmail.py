"""Netmail through real programs: three nodes and a point joined by binkd, and crashmail on either side of us."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.mail import US, packet
from tests.netmail import change, in_base, letter
from tests.peers.binkd import Domain
from tests.peers.crashmail import Crashmail, CrashmailLink
from tests.peers.daemon import DONE, node
from tests.peers.hubs import Hubs, Wire, plain
from tests.peers.mailer import Mailer, Station
from tosser.codec.kludge import find_value, find_values
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tosser.stores.jam_reader import JamMessage

SECONDS = 60
ONE, TWO, THREE, POINT = ("1337:1/100@tqwnet", "1337:1/200@tqwnet", "1337:1/300@tqwnet", "1337:1/200.5@tqwnet")
ADDRESSES = {"one": ONE, "two": TWO, "three": THREE, "point": POINT}
WIRES = (
    Wire(ONE, TWO),
    Wire(TWO, THREE, archiver="none", flavour="crash"),
    Wire(TWO, POINT, archiver="none", flavour="direct"),
)


def trails(messages: Iterable[JamMessage]) -> dict[str, list[str]]:
    """Give the systems in the Via lines of each message, by its MSGID; each message is there once."""
    found = {}
    for entry in messages:
        kludges = entry.message.kludges
        msgid = (find_value(kludges, b"MSGID") or b"").decode("ascii")
        assert msgid not in found
        found[msgid] = [value.split()[0].decode("ascii") for value in find_values(kludges, b"Via")]
    return found


def test_three_nodes_and_a_point(tmp_path: Path) -> None:
    """The node in the middle routes for the others and for its point; a file goes along; Via lines tell the way."""
    hubs = Hubs(tmp_path, {name: [address] for name, address in ADDRESSES.items()}, WIRES)
    for name in ("one", "three", "point"):
        routes = [{"match": "1337:*", "via": plain(TWO)}]
        change(hubs.nodes[name], routes=routes, file_routes=routes)
    trips = [("one", "three"), ("three", "one"), ("one", "point"), ("point", "three"), ("two", "one"), ("one", "two")]
    expected: dict[str, dict[str, list[str]]] = {name: {} for name in ADDRESSES}
    for start, end in trips:
        way = [start] if "two" in {start, end} else [start, "two"]
        msgid = f"{plain(ADDRESSES[start])} {list(ADDRESSES).index(end):08x}"
        expected[end][msgid] = [plain(ADDRESSES[name]) for name in way]
    with hubs.daemons() as daemons, hubs.binkds() as mailers:
        (hubs.nodes["one"].local / "game.zip").write_bytes(b"a game")
        for start, end in trips:
            own = plain(ADDRESSES[start])
            with_file = (start, end) == ("one", "three")
            raw = letter(
                number=list(ADDRESSES).index(end),
                author=own,
                addressee=plain(ADDRESSES[end]),
                subject=b"GAME.ZIP" if with_file else b"Hello",
                attributes=0x0011 if with_file else 0x0001,
            )
            system = hubs.nodes[start]
            system.deliver(packet([raw], sender=own, dest=own), f"{end}.pkt", system.local)
        arrived = hubs.nodes["three"].secure / "game.zip"
        deadline = time.monotonic() + SECONDS

        def found() -> dict[str, dict[str, list[str]]]:
            return {
                name: {msgid: way for msgid, way in trails(in_base(system)).items() if msgid in expected[name]}
                for name, system in hubs.nodes.items()
            }

        while found() != expected or not arrived.exists():
            assert time.monotonic() < deadline, "\n".join(
                [str(found()), str(hubs.left()), *(f"{n}\n{daemons[n].log}\n{mailers[n].log}" for n in hubs.nodes)]
            )
            time.sleep(0.2)
        for daemon in daemons.values():
            assert daemon.stop() == 0, daemon.log
        for mailer in mailers.values():
            mailer.stop()
    assert arrived.read_bytes() == b"a game"
    for name, system in hubs.nodes.items():
        assert system.status()["netmail"]["in_transit"] == 0, name


WRITER, ABOVE, BELOW, FAR = (f"1337:1/{number}" for number in (211, 210, 201, 202))


def test_crashmail_above_and_below(tmp_path: Path) -> None:
    """What one crashmail sends to the other through us arrives with its text, and all three stand in the Via lines."""
    system = node(
        tmp_path, areas=1, links={ABOVE: "UPWARD", BELOW: "DOWNWARD"}, link_defaults={"archiver": "none"},
        netmail={"routes": [{"match": "1337:1/21?", "via": ABOVE}, {"match": "1337:1/20?", "via": BELOW}]},
    )  # fmt: skip
    with ExitStack() as stack:
        above = stack.enter_context(
            Crashmail(
                address=ABOVE,
                links={US: CrashmailLink("UPWARD"), WRITER: CrashmailLink()},
                routes={"1337:1/20?.*": US, "1337:1/211.*": WRITER},
            )
        )
        below = stack.enter_context(
            Crashmail(
                address=BELOW,
                links={US: CrashmailLink("DOWNWARD"), FAR: CrashmailLink()},
                routes={"1337:1/21?.*": US, "1337:1/200.*": US, "1337:1/202.*": FAR},
            )
        )
        stations = [
            Station((f"{address}@tqwnet",), (Domain("tqwnet", root / "out", 1337),), inbound)
            for address, root, inbound in (
                (ABOVE, above.root, above.inbound),
                (US, system.root, system.secure),
                (BELOW, below.root, below.inbound),
            )
        ]
        mailer = Mailer(stations)
        down = [letter(author=WRITER, addressee=BELOW), letter(number=2, author=WRITER, addressee=US)]
        up = [letter(author=FAR, addressee=ABOVE), letter(number=2, author=FAR, addressee=f"{US}")]
        (above.inbound / "00000001.pkt").write_bytes(packet(down, sender=WRITER, dest=ABOVE))
        (below.inbound / "00000001.pkt").write_bytes(packet(up, sender=FAR, dest=BELOW))
        printed = [above.toss(), below.toss()]
        assert mailer.carry().files, printed
        result = system.toss()
        assert result.code == DONE, result.stdout
        assert mailer.carry().files, result.stdout
        printed += [above.toss(), below.toss()]
        assert mailer.carry().files == []
        at_us = trails(in_base(system))
        at_above, at_below = trails(JamReader(above.netmail).messages()), trails(JamReader(below.netmail).messages())
        (body,) = (entry.message.body for entry in JamReader(below.netmail).messages())
    assert at_us == {f"{WRITER} 00000002": [ABOVE], f"{FAR} 00000002": [BELOW]}
    assert at_below == {f"{WRITER} 00000001": [ABOVE, US]}, printed
    assert at_above == {f"{FAR} 00000001": [BELOW, US]}, printed
    assert body == b"This is for you alone.\r"
