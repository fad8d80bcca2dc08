"""The sysop's world as frozen values: networks, links, areas. Built by `tosser.config`, used by every decision.

Nothing here is validated again: `tosser.config.check` has done that before these values exist.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct, field
from msgspec.structs import replace

from tosser.codec.flow import Flavour
from tosser.codec.packet_header import PacketType
from tosser.discreet import Discreet
from tosser.rules.answer_rules import AnswerRules
from tosser.rules.routing import NetmailPolicy

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tosser.address import Address
    from tosser.rules.routing import Directory


class InboundClass(StrEnum):
    """How much the mailer knew about who sent the files of an inbound directory."""

    SECURE = "secure"
    INSECURE = "insecure"
    LOCAL = "local"


class StoreKind(StrEnum):
    """How messages are kept; *.MSG is for netmail only."""

    JAM = "jam"
    MSG = "msg"
    PASSTHROUGH = "passthrough"


class SeenByMode(StrEnum):
    """How much of SEEN-BY is sent on (FSC-0093)."""

    FULL = "full"
    REDUCED = "reduced"
    TINY = "tiny"


class Keep(Struct, frozen=True):
    """What a base has to keep when it is purged; nothing stated keeps everything.

    Attributes:
        days: messages that came in within so many days; ``None`` for any age.
        messages: so many of the latest; ``None`` for any number.
    """

    days: int | None = None
    messages: int | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is ever purged."""
        return self.days is None and self.messages is None


class Network(Struct, frozen=True):
    """One FTN network and our place in it.

    Attributes:
        name: as in the configuration and in topics.
        domain: lower-case domain of its addresses.
        addresses: our AKAs in it, the main one first; each carries the domain.
        zones: the zone numbers that belong to it.
        bad_area: tag of the area that takes rejected mail.
        bad_path: base path of that area, without suffix.
        bad_keep: what that base has to keep.
    """

    name: str
    domain: str
    addresses: tuple[Address, ...]
    zones: frozenset[int]
    bad_area: str
    bad_path: str
    bad_keep: Keep = Keep()

    @property
    def main(self) -> Address:
        """Our main AKA in this network."""
        return self.addresses[0]


class Link(Discreet, frozen=True):
    """A system we exchange mail with.

    Attributes:
        address: its address, with the domain of its network.
        network: name of the network it belongs to.
        name: what the sysop calls it.
        sysop: its sysop's name.
        packet_password: at most 8 bytes, upper case; empty means none is set.
        our_aka: the AKA we use towards it.
        paused: it gets nothing for now; what it sends is tossed all the same.
        same_system_as: another link that is the same machine: neither gets back what the other sent.
        seen_by: how much of SEEN-BY it gets; ``None`` as the area says.
        sbadd: nodes of its zone added to the SEEN-BY it gets.
        sbstrip: nodes of its zone taken out of the SEEN-BY it gets.
        sbignore: whether its being in SEEN-BY does not count: it gets the message all the same.
        packet_type: type of the packets it gets.
        archiver: ``zip``, ``none``, or the name of a configured archiver.
        flavour: how urgently the mailer is to send its mail.
        max_packet: bytes beyond which a packet is closed.
        max_bundle: bytes beyond which a bundle is closed.
        pause_age: seconds; it is paused when a file has waited for it longer than that; ``None`` for never.
        pause_size: bytes; it is paused when more than that waits for it; ``None`` for never.
        max_messages_per_hour: it is put on hold when it sends more; ``None`` for never.
        max_dupes_per_hour: the same with duplicates.
        filebox: directory that takes its packets and bundles instead of the outbound; empty for none.
        direct_netmail: whether netmail for it and its points goes straight to it, whatever the routes say.
        known: whether it is in the configuration; to others only netmail is sent.
    """

    HIDDEN: ClassVar = frozenset({"packet_password"})

    address: Address
    network: str
    name: str
    sysop: str
    packet_password: bytes
    our_aka: Address
    paused: bool = False
    same_system_as: Address | None = None
    seen_by: SeenByMode | None = None
    sbadd: tuple[Address, ...] = ()
    sbstrip: tuple[Address, ...] = ()
    sbignore: bool = False
    packet_type: PacketType = PacketType.TYPE_2PLUS
    archiver: str = "zip"
    flavour: Flavour = Flavour.NORMAL
    max_packet: int = 512 * 1024
    max_bundle: int = 2 * 1024 * 1024
    filebox: str = ""
    pause_age: float | None = None
    pause_size: int | None = None
    max_messages_per_hour: int | None = None
    max_dupes_per_hour: int | None = None
    direct_netmail: bool = True
    known: bool = True


class AreaLink(Struct, frozen=True):
    """What one link may do in one area."""

    read: bool = True
    write: bool = True
    mandatory: bool = False


class Area(Struct, frozen=True):
    """One echomail area.

    Attributes:
        tag: upper case.
        network: name of the network it is carried in.
        description: for lists.
        store: where its messages are kept.
        path: base path without suffix; empty for passthrough.
        aka: our AKA in this area.
        links: what each linked system may do, by its address with domain.
        dupe_history: seconds a message's key is remembered.
        max_age: seconds; older messages are refused; ``None`` accepts any age.
        max_future: seconds a message may be dated ahead of now; ``None`` accepts any.
        paused: nothing is accepted while it is.
        charset: CHRS identifier assumed for messages that state none.
        seen_by: how much of SEEN-BY is sent on.
        sbadd: nodes added to SEEN-BY lists of their zone.
        sbstrip: nodes taken out of SEEN-BY lists of their zone.
        sbignore: nodes whose presence in SEEN-BY does not count when it is decided who gets a message.
        keep: what its base has to keep.
        on_message: names of the hooks that are called for each of its messages.
        scan: whether mail that other programs write into its base is sent.
    """

    tag: str
    network: str
    description: str
    store: StoreKind
    path: str
    aka: Address
    links: Mapping[Address, AreaLink]
    dupe_history: int
    max_age: int | None
    max_future: int | None
    paused: bool
    charset: str
    seen_by: SeenByMode = SeenByMode.FULL
    sbadd: tuple[Address, ...] = ()
    sbstrip: tuple[Address, ...] = ()
    sbignore: tuple[Address, ...] = ()
    keep: Keep = Keep()
    on_message: tuple[str, ...] = ()
    scan: bool = False


class NetmailRules(Struct, frozen=True):
    """Where netmail is kept, and where it goes.

    Attributes:
        store: kind of its base.
        path: base path without suffix.
        charset: CHRS identifier assumed for messages that state none.
        publish_text: whether the event of a netmail carries its text; off keeps netmail private.
        policy: where it goes.
        dupe_history: seconds for which netmail is remembered.
        answers: what is answered by the system itself.
        keep: what its base has to keep.
        scan: whether netmail that other programs write into its base is sent.
    """

    store: StoreKind
    path: str
    charset: str
    publish_text: bool
    policy: NetmailPolicy = field(default_factory=NetmailPolicy)
    dupe_history: int = 7 * 86400
    answers: AnswerRules = field(default_factory=AnswerRules)
    keep: Keep = Keep()
    scan: bool = False


class Rulebook(Struct, frozen=True, eq=False, dict=True):
    """Everything a decision needs to know, indexed for look-up.

    Attributes:
        networks: by name, in the order of the configuration.
        links: by address with domain.
        areas: by network name and tag.
        netmail: where netmail is kept.
        sends: whether there is an outbound; without one nothing is sent on.
        nodelist: who is above whom, as far as that is known.
    """

    networks: Mapping[str, Network]
    links: Mapping[Address, Link]
    areas: Mapping[tuple[str, str], Area]
    netmail: NetmailRules
    sends: bool = True
    nodelist: Directory | None = None

    @cached_property
    def _zones(self) -> Mapping[int, Sequence[Network]]:
        zones: dict[int, list[Network]] = {}
        for network in self.networks.values():
            for zone in network.zones:
                zones.setdefault(zone, []).append(network)
        return zones

    @cached_property
    def _links_by_node(self) -> Mapping[tuple[int, int, int], Sequence[Link]]:
        by_node: dict[tuple[int, int, int], list[Link]] = {}
        for link in self.links.values():
            at = link.address
            by_node.setdefault((at.net, at.node, at.point), []).append(link)
        return by_node

    def with_paused(self, paused: Collection[tuple[str, str]]) -> Rulebook:
        """Give a rulebook in which these links, by network and address without domain, are paused as well."""
        links = {
            address: replace(link, paused=True) if (link.network, str(address.without_domain)) in paused else link
            for address, link in self.links.items()
        }
        return replace(self, links=links)

    def with_domain(self, address: Address) -> Address:
        """Add the domain of the zone's network where the address has none and the zone belongs to one network only."""
        networks = self._zones.get(address.zone, ())
        if address.domain or len(networks) != 1:
            return address
        return replace(address, domain=networks[0].domain)

    @property
    def akas(self) -> list[Address]:
        """All our AKAs, those of the first network first."""
        return [aka for network in self.networks.values() for aka in network.addresses]

    def own_akas(self, address: Address) -> list[Address]:
        """List our AKAs that are this system: several where networks share numbers and the address has no domain."""
        return [aka for aka in self.akas if aka.same_system(address)]

    def own_aka(self, address: Address) -> Address | None:
        """Find our AKA that is this system (domains count only where both are known), or ``None``."""
        return next(iter(self.own_akas(address)), None)

    def links_at(self, address: Address) -> list[Link]:
        """List the links that are this system: several where networks share numbers and the address has no domain."""
        numbered = self.links_numbered(address.net, address.node, address.point)
        return [link for link in numbered if link.address.same_system(address)]

    def links_numbered(self, net: int, node: int, point: int) -> Sequence[Link]:
        """List the links with these numbers in any zone, for packets that state no zone."""
        return self._links_by_node.get((net, node, point), ())

    def stranger(self, address: Address) -> Link | None:
        """Describe a system that is no link, so that netmail can be sent to it; ``None`` if it is in no network."""
        at = self.with_domain(address)
        found = [network for network in self._zones.get(at.zone, ()) if network.domain == at.domain]
        if not found:
            return None
        our_aka = closest(found[0].addresses, at)
        return Link(at, found[0].name, "", "", b"", our_aka, archiver="none", flavour=Flavour.DIRECT, known=False)

    def area_of(self, network: str, tag: str) -> Area | None:
        """Find an area by network name and tag (upper case), or ``None``."""
        return self.areas.get((network, tag))


def closest(akas: Sequence[Address], remote: Address) -> Address:
    """Choose among our AKAs of one network the one towards a system: same net, else same zone, else the first."""
    same_zone = [aka for aka in akas if aka.zone == remote.zone]
    same_net = [aka for aka in same_zone if aka.net == remote.net]
    return (same_net or same_zone or akas)[0]
