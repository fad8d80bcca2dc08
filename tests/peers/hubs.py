"""Several nodes, and the wires between them: configured to each other, with a mailer to join them.

A system is described by its addresses; the networks it is in, its links, their rights and passwords follow from the
wires. Every area is carried by every system of its network, and linked over every wire of that network; networks may
have areas of the same tag.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from tests.mail import authored, message, packet, split_address
from tests.observe import nothing_waits, stored
from tests.peers.binkd import NO_DEFAULT_ZONE, Binkd, Domain, Remote
from tests.peers.daemon import DONE, Node, node
from tests.peers.mailer import Mailer, Station
from tosser.codec.kludge import find_value
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.peers.daemon import Daemon, Result

ROUNDS = 12
"""After so many rounds of tossing and carrying, traffic that has not died out never will."""
BODY = b"Hello,\r\rthis is to go everywhere.\r"
_WORKERS = 2


@dataclass(frozen=True, slots=True)
class Wire:
    """Two systems that exchange mail.

    Attributes:
        one: address of one end, with domain.
        other: address of the other end, of the same domain.
        archiver: as in the configuration, at both ends.
        flavour: how urgent mail is that goes to the other end.
        back: how urgent mail is that comes from there; as ``flavour`` when empty.
        packet_type: type of its packets, at both ends.
    """

    one: str
    other: str
    archiver: str = "zip"
    flavour: str = "normal"
    back: str = ""
    packet_type: str = "2+"

    @property
    def network(self) -> str:
        """The network it is part of."""
        return domain_of(self.one)

    def far_end(self, addresses: Sequence[str]) -> str | None:
        """Give the other end of the wire, for a system with these addresses."""
        ends = {self.one: self.other, self.other: self.one}
        return next((far for near, far in ends.items() if near in addresses), None)


class Echo(NamedTuple):
    """An area."""

    network: str
    tag: str

    @property
    def base(self) -> str:
        """Where its message base is, below the directory of the bases and without suffix."""
        return f"{self.network}/{self.tag.lower()}"


class Entered(NamedTuple):
    """A message that was written somewhere: its MSGID, and the digest of what no tosser may change."""

    msgid: str
    digest: str


GEN = Echo("tqwnet", "TQW_GEN")


def domain_of(address: str) -> str:
    """Give the domain of an address, which is the name of its network."""
    return address.partition("@")[2]


def plain(address: str) -> str:
    """Give an address without its domain."""
    return address.partition("@")[0]


class Hubs:
    """Nodes that are configured to each other.

    Args:
        root: an existing directory.
        systems: the addresses of each system, with domains, by a name of its own; the first is its main one.
        wires: between which addresses mail is exchanged.
        areas: all areas.
        sections: laid over the configuration of every node.
    """

    def __init__(
        self,
        root: Path,
        systems: Mapping[str, Sequence[str]],
        wires: Sequence[Wire],
        areas: Sequence[Echo] = (GEN,),
        **sections: Any,  # noqa: ANN401 - parts of the configuration file
    ) -> None:
        self.addresses = {name: tuple(addresses) for name, addresses in systems.items()}
        self.wires = tuple(wires)
        self.areas = tuple(areas)
        self.nodes = {name: self._node(root / name, addresses, sections) for name, addresses in self.addresses.items()}
        self.mailer = Mailer([self.station(name) for name in self.nodes])

    def _node(self, root: Path, addresses: tuple[str, ...], sections: Mapping[str, Any]) -> Node:
        networks: dict[str, list[str]] = {}
        for address in addresses:
            networks.setdefault(domain_of(address), []).append(plain(address))
        links: list[dict[str, str]] = []
        linked: dict[str, list[str]] = {network: [] for network in networks}
        for number, wire in enumerate(self.wires):
            far = wire.far_end(addresses)
            if far is not None:
                links.append(self._link(wire, far, number))
                linked[wire.network].append(far)
        carried = [echo for echo in self.areas if echo.network in networks]
        system = node(root, areas=[echo.tag for echo in carried], **sections)
        document = yaml.safe_load(system.config.read_text("utf-8"))
        document["networks"] = {
            network: {"addresses": own, "zones": self._zones(network)} for network, own in networks.items()
        }
        document["links"] = links
        document["areas"] = [
            {"tag": echo.tag, "network": echo.network, "path": echo.base, "links": linked[echo.network]}
            for echo in carried
        ]
        system.config.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
        return system

    def _zones(self, network: str) -> list[int]:
        """List the zones of a network, wherever its systems are."""
        every = [own for addresses in self.addresses.values() for own in addresses]
        return sorted({split_address(own)[0] for own in every if domain_of(own) == network})

    @staticmethod
    def _link(wire: Wire, far: str, number: int) -> dict[str, str]:
        outward = far == wire.other
        return {
            "address": far,
            "our_aka": plain(wire.one if outward else wire.other),
            "packet_password": f"WIRE{number}",
            "archiver": wire.archiver,
            "flavour": wire.flavour if outward else wire.back or wire.flavour,
            "packet_type": wire.packet_type,
        }

    # --- mailers

    def domains(self, name: str) -> tuple[Domain, ...]:
        """Tell where the outbounds of a system's networks are."""
        first, *others = dict.fromkeys(map(domain_of, self.addresses[name]))
        root = self.nodes[name].root
        zone = split_address(self.addresses[name][0])[0]
        return (
            Domain(first, root / "out", zone),
            *(Domain(domain, root / domain, NO_DEFAULT_ZONE) for domain in others),
        )

    def station(self, name: str) -> Station:
        """Describe a system to the model mailer."""
        return Station(self.addresses[name], self.domains(name), self.nodes[name].secure)

    @contextmanager
    def binkds(self) -> Iterator[dict[str, Binkd]]:
        """Run a binkd for every system; they know each other along the wires."""
        mailers = {
            name: Binkd(
                system.root,
                addresses=self.addresses[name],
                domains=self.domains(name),
                secure=system.secure,
                insecure=system.insecure,
            )
            for name, system in self.nodes.items()
        }
        for wire in self.wires:
            for name, mailer in mailers.items():
                far = wire.far_end(self.addresses[name])
                if far is not None:
                    other = self.owner(far)
                    password = "_".join(sorted((name, other)))  # binkd wants one for all addresses of a system
                    mailer.know({far: Remote(password, mailers[other].port)})
        with ExitStack() as stack:
            yield {name: stack.enter_context(mailer) for name, mailer in mailers.items()}

    def owner(self, address: str) -> str:
        """Find the system that has an address."""
        return next(name for name, addresses in self.addresses.items() if address in addresses)

    # --- mail

    def post(self, name: str, echo: Echo = GEN, number: int = 1) -> Entered:
        """Enter a message at a system, as an editor there would."""
        aka = next(plain(own) for own in self.addresses[name] if domain_of(own) == echo.network)
        raw = message(echo.tag, number=number, author=aka, sender=aka, dest=aka, body=BODY, seen_by=[], path=[])
        system = self.nodes[name]
        serial = sum(1 for _ in system.local.iterdir())
        system.deliver(packet([raw], sender=aka, dest=aka), f"{serial:08x}.pkt", system.local)
        text = authored(BODY, origin=f"Invented Systems ({aka})")
        return Entered(f"{aka} {number:08x}", hashlib.sha256(text).hexdigest())

    def toss(self) -> int:
        """Toss at every system that has something in an inbound; returns how many have.

        Raises:
            AssertionError: one did not end well, or set something aside.
        """
        busy = [system for system in self.nodes.values() if not nothing_waits(system)]
        with ThreadPoolExecutor(_WORKERS) as pool:
            for result in pool.map(_toss, busy):
                assert result.code == DONE, f"{result.code}: {result.stdout}{result.stderr}"
        return len(busy)

    def settle(self) -> int:
        """Toss and carry by turns until nothing is left to do, and return how many files were carried.

        Raises:
            AssertionError: traffic does not die out, or a toss did not end well.
        """
        carried = 0
        for _ in range(ROUNDS):
            tossed = self.toss()
            traffic = self.mailer.carry()
            if not tossed and not traffic.files:
                return carried
            carried += len(traffic.files)
        raise AssertionError(f"still traffic after {ROUNDS} rounds: {carried} files, and {self.left()} is left")

    @contextmanager
    def daemons(self) -> Iterator[dict[str, Daemon]]:
        """Run every node's daemon."""
        with ExitStack() as stack:
            running = {name: stack.enter_context(system.start(wait=False)) for name, system in self.nodes.items()}
            for daemon in running.values():
                daemon.wait_until_ready()
            yield running

    # --- what became of it

    def carriers(self, echo: Echo = GEN) -> list[str]:
        """Name the systems that carry an area."""
        return [name for name, own in self.addresses.items() if echo.network in map(domain_of, own)]

    def held(self, echo: Echo = GEN) -> dict[str, Counter[tuple[str, str]]]:
        """Count the messages of an area at every system that carries it."""
        return {name: stored(self.nodes[name].bases / echo.base) for name in self.carriers(echo)}

    def everywhere(self, *entered: Entered, echo: Echo = GEN) -> dict[str, Counter[tuple[str, str]]]:
        """Give what `held` is when every system of the area's network has each message once."""
        return {name: Counter((one.msgid, one.digest) for one in entered) for name in self.carriers(echo)}

    def trailer(self, name: str, entered: Entered, echo: Echo = GEN) -> tuple[list[str], list[str]]:
        """Read the SEEN-BY and the PATH that a message has in a base."""
        for entry in JamReader(self.nodes[name].bases / echo.base).messages():
            found = entry.message
            if find_value(found.kludges, b"MSGID") == entered.msgid.encode("ascii"):
                return _words(found.seen_by), _words(found.path)
        raise AssertionError(f"{name} has no {entered.msgid}")

    def left(self) -> list[Path]:
        """List the files that lie in any outbound, staging included, or in any inbound."""
        found: list[Path] = []
        for name, system in self.nodes.items():
            roots = [domain.outbound for domain in self.domains(name)]
            for root in roots:
                found += [path for path in root.parent.glob(f"{root.name}*/**/*") if path.is_file()]
            found += [
                path for inbound in (system.secure, system.local) for path in inbound.rglob("*") if path.is_file()
            ]
        return sorted(found)


def _toss(system: Node) -> Result:
    return system.toss()


def _words(lines: Iterable[bytes]) -> list[str]:
    return b" ".join(lines).decode("ascii").split()
