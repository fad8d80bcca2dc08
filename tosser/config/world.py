"""From the model to the sysop's world: networks, links and areas with every default filled in.

Building it is also how cross references are checked: what does not fit becomes a `Complaint` and is left out. A
configuration that passed the check builds without any. Addresses get the domain of their network, paths become
absolute, and our AKA towards a link is the closest one (same net, same zone, main).
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec.structs import replace

from tosser.address import Address
from tosser.codec.packet_header import PacketType
from tosser.config.complaint import Complaint, Gaps, suggest
from tosser.config.derived import answer_rules
from tosser.errors import AddressError
from tosser.rules.network import Area, AreaLink, Link, NetmailRules, Network, Rulebook, StoreKind, closest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from tosser.config.model import AreaEntry, Config, LinkEntry, NetworkEntry
    from tosser.config.source import Location


_FULL = AreaLink()
_FULL_RIGHTS = (_FULL.read, _FULL.write, _FULL.mandatory)
_NONE: list[Link | None] = []


def build_rulebook(config: Config) -> Rulebook:
    """Give the world of a configuration that `tosser.config.loading.load_config` accepted; it is built only once."""
    return config.world.rulebook


def base_name(tag: str) -> str:
    """Give the default base path of an area below ``paths.bases``: its tag in lower case, safe as one file name.

    Characters outside ``[a-z0-9._-]`` are percent-encoded (RFC 3986, 2.1), and so is a leading dot, so that no tag
    names a hidden file or another directory.
    """
    name = quote(tag.lower(), safe="").replace("~", "%7E")
    return f"%2E{name[1:]}" if name.startswith(".") else name


class World:
    """The world of one configuration, built as it is made.

    Attributes:
        config: the model.
        gaps: what it lacks because it could not be read.
        complaints: what does not fit.
        rulebook: what fits.
    """

    def __init__(self, config: Config, gaps: Gaps | None = None) -> None:
        self.config = config
        self.gaps = gaps or Gaps()
        self.complaints: list[Complaint] = []
        self._networks: dict[str, Network] = {}
        self._own: dict[Address, Location] = {}
        self._links: dict[Address, Link] = {}
        self._others: list[tuple[Address, Address, Location]] = []  # links that are another one, which may follow later
        self._places: dict[Address, Location] = {}
        self._areas: dict[tuple[str, str], Area] = {}
        self._tags: dict[tuple[str, str], Location] = {}
        self._paths: dict[str, Location] = {}
        self._bases = str(config.paths.bases)
        for name, network in config.networks.items():
            self._add_network(name, network)
        self._compare_networks()
        self._systems: dict[Address, list[Link | None]] = {
            system: [None] for text in self.gaps.texts if (system := _system_in(text))
        }
        for index, link in enumerate(config.links):
            self._add_link(link, ("links", index))
        self._join_systems()
        netmail = self._netmail()
        for index, area in enumerate(config.areas):
            self._add_area(area, ("areas", index))
        sends = config.paths.outbound is not None
        self.rulebook = Rulebook(self._networks, self._links, self._areas, netmail, sends)

    def _complain(self, location: Location, what: str, hint: str = "", *, key: bool = False) -> None:
        self.complaints.append(Complaint(location, what, hint, key))

    def _complain_twice(self, location: Location, what: str, other: Location) -> None:
        self.complaints.append(Complaint(location, what, other=other))

    def _base_path(self, path: str, location: Location) -> str:
        """Make a base path absolute, and refuse one that another base has."""
        absolute = os.path.normpath(path if path.startswith("/") else f"{self._bases}/{path}")
        taken = self._paths.setdefault(absolute, location)
        if taken is not location:
            self._complain_twice(location, f"base path {absolute} is given before", taken)
        return absolute

    # --- networks

    def _add_network(self, name: str, entry: NetworkEntry) -> None:
        place: Location = ("networks", name)
        domain = entry.domain or name.lower()
        zones = frozenset(entry.zones or (address.zone for address in entry.addresses))
        addresses = tuple(replace(address, domain=domain) for address in entry.addresses)
        for index, (given, address) in enumerate(zip(entry.addresses, addresses, strict=True)):
            where = (*place, "addresses", index)
            if address.zone not in zones:
                self._complain(where, f"zone {address.zone} is not among the zones of network {name}")
            if given.domain not in {"", domain}:
                self._complain(where, f"its domain is not that of network {name}, {domain}")
            first = self._own.setdefault(address, where)
            if first != where:
                self._complain_twice(where, f"address {address} is given before", first)
        bad_area = entry.bad_area or f"BADMAIL.{name.upper()}"
        bad_path = self._base_path(base_name(bad_area), (*place, "bad_area"))
        self._networks[name] = Network(
            name, domain, addresses, zones, bad_area, bad_path, self.config.area_defaults.keep.rule
        )

    def _compare_networks(self) -> None:
        """Refuse two networks with the same zone and domain: no address could tell them apart."""
        seen: dict[tuple[int, str], str] = {}
        for name, network in self._networks.items():
            for zone in sorted(network.zones):
                first = seen.setdefault((zone, network.domain), name)
                if first != name:
                    what = f"zone {zone} with domain {network.domain} belongs to network {first} already"
                    self._complain(("networks", name), what, key=True)

    def _unsure_of(self, name: str) -> bool:
        """Tell whether the parts of a network that others refer to could not all be read."""
        return any(self.gaps.touch("networks", name, part) for part in ("addresses", "domain", "zones"))

    def _unsure_of_any(self) -> bool:
        names = {str(gap[1]) for gap in self.gaps.locations if gap[0] == "networks" and len(gap) > 1}
        return ("networks",) in self.gaps.locations or any(map(self._unsure_of, names))

    # --- links

    def _add_link(self, entry: LinkEntry, place: Location) -> None:
        given = entry.address
        own = next((aka for aka in self._own if aka.same_system(given)), None)
        if own is not None:
            self._complain((*place, "address"), f"{given} is one of our own addresses")
        network = self._network_of_link(entry, place)
        if network is None:
            self._systems.setdefault(given.without_domain, []).append(None)
            return
        address = replace(given, domain=network.domain)
        our_aka = self._aka(entry.our_aka, network, (*place, "our_aka")) or closest(network.addresses, address)
        first = self._places.setdefault(address, place)
        if first != place:
            self._complain_twice((*place, "address"), f"link {given} is given before", (*first, "address"))
            return
        link = self._link(entry, address, network.name, our_aka, place)
        if link.packet_type is PacketType.TYPE_2 and (our_aka.point or address.point):
            what = "type 2 packets do not state points, so each would be taken for its boss; use 2+"
            self._complain((*place, "address"), what)
        self._links[address] = link
        if entry.same_system_as is not None:
            self._others.append((address, entry.same_system_as, (*place, "same_system_as")))
        self._systems.setdefault(address.without_domain, []).append(link)

    def _link(self, entry: LinkEntry, address: Address, network: str, our_aka: Address, place: Location) -> Link:
        """Fill in what the link takes from the defaults."""
        defaults = self.config.link_defaults
        return Link(
            address=address,
            network=network,
            name=entry.name,
            sysop=entry.sysop,
            packet_password=entry.packet_password.get_secret_value().upper().encode("ascii"),
            our_aka=our_aka,
            paused=entry.paused,
            seen_by=entry.seen_by,
            sbadd=self._nodes(_with_zone(entry.sbadd, address.zone), {address.zone}, (*place, "sbadd")),
            sbstrip=self._nodes(_with_zone(entry.sbstrip, address.zone), {address.zone}, (*place, "sbstrip")),
            sbignore=entry.sbignore,
            packet_type=entry.packet_type or defaults.packet_type,
            archiver=entry.archiver or defaults.archiver,
            flavour=entry.flavour or defaults.flavour,
            max_packet=defaults.max_packet if entry.max_packet is None else entry.max_packet,
            max_bundle=defaults.max_bundle if entry.max_bundle is None else entry.max_bundle,
            filebox=str(entry.filebox or ""),
            pause_age=defaults.pause_age if entry.pause_age is None else entry.pause_age,
            pause_size=defaults.pause_size if entry.pause_size is None else entry.pause_size,
            max_messages_per_hour=entry.max_messages_per_hour or defaults.max_messages_per_hour,
            max_dupes_per_hour=entry.max_dupes_per_hour or defaults.max_dupes_per_hour,
            direct_netmail=entry.direct_netmail,
        )

    def _nodes(self, nodes: tuple[Address, ...], zones: AbstractSet[int], place: Location) -> tuple[Address, ...]:
        """Refuse nodes of zones whose SEEN-BY never gets there."""
        for index, node in enumerate(nodes):
            if node.zone not in zones:
                self._complain((*place, index), f"SEEN-BY of zone {node.zone} is never written here")
        return nodes

    def _join_systems(self) -> None:
        """Find the other addresses of links, once all links are known."""
        for address, given, place in self._others:
            found = self._links_at(given)
            links = [link for link in found if link]
            if not found:
                self._complain_unknown(given, place)
            elif len(found) > 1:
                networks = " and ".join(link.network for link in links)
                self._complain(place, f"link {given} is in networks {networks}; say which with its domain")
            elif address in {link.address for link in links}:
                self._complain(place, "a link is the same system as itself; name its other address")
            elif links:
                self._links[address] = replace(self._links[address], same_system_as=links[0].address)

    def _network_of_link(self, entry: LinkEntry, place: Location) -> Network | None:
        address = entry.address
        if entry.network is not None:
            network = self._network_named(entry.network, (*place, "network"))
            if network and address.zone not in network.zones and not self._unsure_of(network.name):
                what = f"zone {address.zone} is not among the zones of network {network.name}"
                self._complain((*place, "address"), what)
            elif network and address.domain not in {"", network.domain}:
                what = f"its domain is not that of network {network.name}, {network.domain}"
                self._complain((*place, "address"), what)
            return network
        found = [
            network
            for network in self._networks.values()
            if address.zone in network.zones and address.domain in {"", network.domain}
        ]
        if len(found) == 1:
            return found[0]
        if found:
            names = " and ".join(network.name for network in found)
            what = f"zone {address.zone} belongs to networks {names}; say which is meant with `network:`"
            self._complain((*place, "address"), what)
        elif not self._unsure_of_any():
            domain = f" with domain {address.domain}" if address.domain else ""
            self._complain((*place, "address"), f"zone {address.zone}{domain} belongs to no network")
        return None

    def _network_named(self, name: str, place: Location) -> Network | None:
        network = self._networks.get(name)
        if network is None and not self._unsure_of(name):
            self._complain(place, f"unknown network {name!r}", suggest(name, self._networks))
        return network

    def _aka(self, address: Address | None, network: Network, place: Location) -> Address | None:
        """Find the address among ours in the network; ``None`` when none is given, or it is not ours."""
        if address is None:
            return None
        own = next((aka for aka in network.addresses if aka.same_system(address)), None)
        if own is None and not self._unsure_of(network.name):
            known = [str(aka.without_domain) for aka in network.addresses]
            what = f"{address} is not one of our addresses in network {network.name}"
            self._complain(place, what, suggest(str(address.without_domain), known))
        return own

    def _links_at(self, address: Address) -> list[Link | None]:
        """Find the links that an address may mean."""
        found = self._systems.get(address.without_domain, _NONE)
        if address.domain:
            return [link for link in found if link is None or link.address.domain == address.domain]
        return found

    def _complain_unknown(self, address: Address, place: Location) -> None:
        known = [str(system) for system in self._systems]
        self._complain(place, f"unknown link {address}", suggest(str(address.without_domain), known))

    # --- areas

    def _add_area(self, entry: AreaEntry, place: Location) -> None:
        candidates = [self._links_at(link.address) for link in entry.links]
        if [] in candidates:
            for index, found in enumerate(candidates):
                if not found:
                    self._complain_unknown(entry.links[index].address, (*place, "links", index))
        network = self._network_of_area(entry, candidates, place)
        if network is None:
            return
        key = (network.name, entry.tag)
        first = self._tags.setdefault(key, place)
        if first != place:
            self._complain_twice((*place, "tag"), f"area {entry.tag} is given before", (*first, "tag"))
        elif entry.tag == network.bad_area:
            self._complain((*place, "tag"), f"{entry.tag} is the bad area of network {network.name} and needs no entry")
        path = ""
        kept = (entry.store or self.config.area_defaults.store) is not StoreKind.PASSTHROUGH
        if kept and first == place and entry.tag != network.bad_area:
            where = (*place, "path" if entry.path else "tag")
            path = self._base_path(str(entry.path) if entry.path else base_name(entry.tag), where)
        links = self._area_links(entry, candidates, network, place)
        self._areas[key] = self._area(entry, network, path, links, place)

    def _area(
        self, entry: AreaEntry, network: Network, path: str, links: dict[Address, AreaLink], place: Location
    ) -> Area:
        """Fill in what the area takes from the defaults and the network."""
        defaults = self.config.area_defaults
        aka = self._aka(entry.aka, network, (*place, "aka")) or network.main
        max_age = defaults.max_age if entry.max_age is None else entry.max_age
        max_future = defaults.max_future if entry.max_future is None else entry.max_future
        history = defaults.dupe_history if entry.dupe_history is None else entry.dupe_history
        store = entry.store or defaults.store
        if entry.scan and store is not StoreKind.JAM:
            self._complain((*place, "scan"), "a passthrough area has no base that anybody could write to")

        def nodes(own: Sequence[Address] | None, usual: Sequence[Address], key: str) -> tuple[Address, ...]:
            if own is None:
                return _with_zone(usual, aka.zone)
            return self._nodes(_with_zone(own, aka.zone), network.zones, (*place, key))

        return Area(
            tag=entry.tag,
            network=network.name,
            description=entry.description,
            store=store,
            path=path,
            aka=aka,
            links=links,
            dupe_history=int(history),
            max_age=None if math.isinf(max_age) else int(max_age),
            max_future=None if math.isinf(max_future) else int(max_future),
            paused=entry.paused,
            charset=entry.charset or defaults.charset,
            seen_by=entry.seen_by or defaults.seen_by,
            sbadd=nodes(entry.sbadd, defaults.sbadd, "sbadd"),
            sbstrip=nodes(entry.sbstrip, defaults.sbstrip, "sbstrip"),
            sbignore=nodes(entry.sbignore, defaults.sbignore, "sbignore"),
            keep=(entry.keep or defaults.keep).rule,
            on_message=defaults.on_message if entry.on_message is None else entry.on_message,
            scan=store is StoreKind.JAM and (defaults.scan if entry.scan is None else entry.scan),
        )

    def _network_of_area(
        self, entry: AreaEntry, candidates: list[list[Link | None]], place: Location
    ) -> Network | None:
        if entry.network is not None:
            return self._network_named(entry.network, (*place, "network"))
        if len(self._networks) == 1:
            return next(iter(self._networks.values()))
        certain = {found[0].network for found in candidates if len(found) == 1 and found[0]}
        if len(certain) == 1:
            return self._networks[certain.pop()]
        if certain:
            names = " and ".join(sorted(certain))
            self._complain(place, f"its links belong to networks {names}; say which is meant with `network:`")
        elif self._all_known(entry, candidates) and not self._unsure_of_any():
            self._complain(place, "there are several networks and no link tells which; say it with `network:`")
        return None

    def _all_known(self, entry: AreaEntry, candidates: list[list[Link | None]]) -> bool:
        """Tell whether the links of an area are all known; else that they tell no network is no mistake of its own."""
        if not entry.links and self.gaps.touch("areas"):
            return False
        return all(found and None not in found for found in candidates)

    def _area_links(
        self, entry: AreaEntry, candidates: list[list[Link | None]], network: Network, place: Location
    ) -> dict[Address, AreaLink]:
        links: dict[Address, AreaLink] = {}
        for index, (given, found) in enumerate(zip(entry.links, candidates, strict=True)):
            link = next((link for link in found if link and link.network == network.name), None)
            if link is not None:
                before = len(links)
                rights = (given.read, given.write, given.mandatory)
                links[link.address] = _FULL if rights == _FULL_RIGHTS else AreaLink(*rights)
                if len(links) == before:
                    what = f"link {given.address} is given before in this area"
                    self._complain((*place, "links", index), what)
            elif found and found[0]:
                what = f"link {given.address} belongs to network {found[0].network}, the area to {network.name}"
                self._complain((*place, "links", index), what)
        return links

    # --- netmail

    def _netmail(self) -> NetmailRules:
        netmail = self.config.netmail
        for table, routes in (("routes", netmail.routes), ("file_routes", netmail.file_routes)):
            for index, route in enumerate(routes):
                if isinstance(route.via, Address) and not self._links_at(route.via):
                    self._complain_unknown(route.via, ("netmail", table, index, "via"))
        for index, entry in enumerate(netmail.remap):
            if not entry.name and entry.match is None:
                self._complain(("netmail", "remap", index), "it needs `name` or `match`: else all mail would leave")
        path = self._base_path(str(netmail.path), ("netmail", "path"))
        if netmail.store is StoreKind.MSG and not netmail.keep.rule.everything:
            self._complain(("netmail", "keep"), "*.MSG files are not purged; it is for a JAM base")
        if netmail.store is StoreKind.MSG and netmail.scan:
            self._complain(("netmail", "scan"), "*.MSG files are not looked through; it is for a JAM base")
        system = self.config.system
        signature = ", ".join(text for text in (system.name, system.location) if text)
        answers = answer_rules(netmail.answers, netmail.robots, signature)
        return NetmailRules(
            netmail.store,
            path,
            netmail.charset,
            netmail.publish_text,
            netmail.policy,
            int(netmail.dupe_history),
            answers,
            netmail.keep.rule,
            netmail.scan,
        )


def _with_zone(nodes: Sequence[Address], zone: int) -> tuple[Address, ...]:
    """Give a zone to nodes that state none."""
    return tuple(node if node.zone else replace(node, zone=zone) for node in nodes)


def _system_in(text: str) -> Address | None:
    try:
        return Address.parse(text).without_domain
    except AddressError:
        return None
