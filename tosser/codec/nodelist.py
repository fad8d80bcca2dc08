"""What nodelists say (FTS-5000): each system's entry, and who is above it: boss, hub, host, region, zone.

A `Nodelist` answers over any number of lists at once: nodelists of several networks, and point lists beside them. Read
from lines by `tosser.codec.nodelist_lines`. Refused: nothing; what no list says is ``None``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from tosser.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Key: TypeAlias = tuple[int, int, int, int]
"""Zone, net, node, point."""


class Keyword(StrEnum):
    """What an entry is, by its first field; the value is as in the list, in lower case."""

    ZONE = "zone"
    REGION = "region"
    HOST = "host"
    HUB = "hub"
    PVT = "pvt"
    HOLD = "hold"
    DOWN = "down"
    NODE = ""
    POINT = "point"


class NodeEntry(Struct, frozen=True):
    """One system as its list has it.

    Attributes:
        keyword: what it is.
        address: its address, with the domain of its list.
        hub: node number of its hub, in its own net; 0 where it has none, and for a hub itself.
        region: number of the region it is in; 0 where its list has none.
        text: the fields behind its number, as they stand: name, location, sysop, phone, speed, flags.
        line: number of its line in the list, from 1.
    """

    keyword: Keyword
    address: Address
    hub: int
    region: int
    text: str
    line: int

    @property
    def name(self) -> str:
        """Name of the system."""
        return self._field(0)

    @property
    def location(self) -> str:
        """Where it is."""
        return self._field(1)

    @property
    def sysop(self) -> str:
        """Name of its sysop."""
        return self._field(2)

    @property
    def phone(self) -> str:
        """Its number as it stands, or ``-Unpublished-``."""
        return self._raw(3)

    @property
    def speed(self) -> str:
        """Obsolete; ``300`` for most."""
        return self._raw(4)

    @property
    def flags(self) -> tuple[str, ...]:
        """All its flags in order; ``U`` stands before those that are not in the standard."""
        return tuple(flag.strip() for flag in self.text.split(",")[5:] if flag.strip())

    @property
    def routable(self) -> bool:
        """Whether it takes mail at all, be it through another: it does unless it is down."""
        return self.keyword is not Keyword.DOWN

    @property
    def takes_calls(self) -> bool:
        """Whether others may connect to it; private systems and those on hold get their mail from hub or host."""
        return self.keyword not in {Keyword.DOWN, Keyword.HOLD, Keyword.PVT, Keyword.POINT}

    def has_flag(self, flag: str) -> bool:
        """Tell whether it has a flag such as ``PING``, in any letter case, among its user flags too."""
        wanted = flag.upper()
        return any(each.upper() in {wanted, f"U{wanted}"} for each in self.flags)

    def _raw(self, number: int) -> str:
        fields = self.text.split(",", number + 1)
        return fields[number].strip() if number < len(fields) else ""

    def _field(self, number: int) -> str:
        return self._raw(number).replace("_", " ").strip()


class NodeTable(Struct, frozen=True, eq=False):
    """What one list says.

    Attributes:
        entries: by zone, net, node and point.
        domain: domain of its addresses; empty where it is not known.
        source: the file it is from, for people.
    """

    entries: Mapping[Key, NodeEntry]
    domain: str = ""
    source: str = ""


class Nodelist:
    """Several lists as one: of those that are of the network of an address, the first that has it counts.

    An address without domain is looked for in all lists, one with a domain in those of its domain and in those whose
    domain is not known. What is answered carries the domain of its list.

    Args:
        tables: what the lists say, in order.
    """

    def __init__(self, tables: Iterable[NodeTable] = ()) -> None:
        self.tables = tuple(tables)

    def __bool__(self) -> bool:
        return any(table.entries for table in self.tables)

    def find(self, address: Address) -> NodeEntry | None:
        """Find the entry of a system, or of a point where a list has its points."""
        return self._get(address, address.net, address.node, address.point)

    def table_of(self, address: Address) -> NodeTable | None:
        """Find the list that the entry of a system is from."""
        key = (address.zone, address.net, address.node, address.point)
        return next((table for table in self._tables(address) if key in table.entries), None)

    def boss_of(self, address: Address) -> Address | None:
        """Find the boss of a point; ``None`` for a node, and where the boss is in no list."""
        return _address(self.find(address.boss)) if address.point else None

    def hub_of(self, address: Address) -> Address | None:
        """Find the hub of a node, or of the boss of a point.

        A hub is its own hub. ``None`` for systems that are right below their host, and for those in no list.
        """
        entry = self.find(address.boss)
        if entry is None or entry.keyword is Keyword.HUB:
            return _address(entry)
        return _address(self._get(entry.address, address.net, entry.hub)) if entry.hub else None

    def host_of(self, address: Address) -> Address | None:
        """Find the host of the net that a system is in, even if that system itself is in no list.

        A host is its own host. Of systems right below a region or a zone it is the coordinator of that.
        """
        return _address(self._get(address, address.net, 0))

    def region_of(self, address: Address) -> Address | None:
        """Find the coordinator of the region that a system, or the net of one that is in no list, is in."""
        entry = self.find(address.boss) or self._get(address, address.net, 0)
        if entry is None or not entry.region:
            return None
        return _address(self._get(entry.address, entry.region, 0))

    def coordinator_of(self, zone: int, domain: str = "") -> Address | None:
        """Find the coordinator of a zone."""
        return _address(self._get(Address(zone, zone, 0, 0, domain), zone, 0))

    def above(self, address: Address) -> list[tuple[str, NodeEntry]]:
        """List who is above a system, the nearest first, each with what it is to it; nobody twice."""
        region, zone = self.region_of(address), self.coordinator_of(address.zone, address.domain)
        steps = (
            ("boss", self.boss_of(address)),
            ("hub", self.hub_of(address)),
            ("host", self.host_of(address)),
            ("region", None if region == zone else region),  # nets may come right behind the Zone line
            ("zone", zone),
        )
        seen = {address.without_domain}
        found: list[tuple[str, NodeEntry]] = []
        for role, above in steps:
            entry = None if above is None or above.without_domain in seen else self.find(above)
            if entry is not None:
                seen.add(entry.address.without_domain)
                found.append((role, entry))
        return found

    def _get(self, address: Address, net: int, node: int, point: int = 0) -> NodeEntry | None:
        """Find an entry of the zone and the network of an address."""
        key = (address.zone, net, node, point)
        return next((table.entries[key] for table in self._tables(address) if key in table.entries), None)

    def _tables(self, address: Address) -> Iterator[NodeTable]:
        domain = address.domain
        return (table for table in self.tables if not domain or not table.domain or table.domain == domain)


def _address(entry: NodeEntry | None) -> Address | None:
    return None if entry is None else entry.address
