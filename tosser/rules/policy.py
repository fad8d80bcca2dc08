"""May this packet be tossed: is it for us, who sent it, does its password prove that (FTS-0001, FSC-0039, FSC-0045).

The checks run in a fixed order and the first that fails names the reason: not for us, unknown sender, missing or wrong
password, insecure inbound. A packet is refused whole. Passwords are compared in constant time and appear in no text.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from tosser.reason import FileState, Reason
from tosser.rules.network import InboundClass

if TYPE_CHECKING:
    from tosser.address import Address
    from tosser.codec.packet import PacketHeader
    from tosser.rules.batch import PacketSummary
    from tosser.rules.network import Link, Network, Rulebook

_STATES = {Reason.NOT_FOR_US: FileState.NTU, Reason.UNKNOWN_SENDER: FileState.UNCLAIMED}
_PASSWORD_LENGTH = 8
"""Bytes a packet header has for a password; longer ones are compared up to there (FTS-0001)."""
_DOMAIN_LENGTH = 8
"""Bytes a type 2.2 header has for a domain (FSC-0045)."""


class PacketVerdict(Struct, frozen=True):
    """What is to happen to one packet.

    Attributes:
        reason: why it is refused; ``None`` when its messages are judged one by one.
        what: the sentence for people; empty when not refused.
        sender: the sending system, zone and domain filled in as far as they are known.
        aka: our AKA it is addressed to; ``None`` when it is not for us.
        network: the network of that AKA; ``None`` when it is not for us.
        link: the sending link; ``None`` for our own programs and unknown senders.
        local: whether it comes from our own programs.
        proven: whether something proves that the sender is who it says: the inbound, or the packet password.
    """

    reason: Reason | None
    what: str
    sender: Address
    aka: Address | None
    network: Network | None
    link: Link | None
    local: bool
    proven: bool = False

    @property
    def echo_link(self) -> Address | None:
        """The link whose echomail it has; ``None`` where its sender is no link of the network it is for."""
        link = self.link
        return link.address if link and self.network and link.network == self.network.name else None

    @property
    def state(self) -> FileState:
        """The final state of a refused packet."""
        return _STATES.get(self.reason, FileState.QUARANTINED) if self.reason else FileState.TOSSED


def judge_packet(header: PacketHeader, cls: InboundClass, summary: PacketSummary, rules: Rulebook) -> PacketVerdict:
    """Decide on a packet from its header, its inbound class and what it holds."""
    sender, dest = resolve_addresses(header, rules)
    aka, link = _find_parties(sender, dest, header.password, rules)
    network = next((network for network in rules.networks.values() if aka in network.addresses), None)
    local = cls is InboundClass.LOCAL
    reason, what = None, ""
    if aka is None:
        shown = dest if header.dest.domain else dest.without_domain
        reason, what = Reason.NOT_FOR_US, f"addressed to {shown}, which is none of our addresses"
    elif not local:
        reason, what = _check_sender(header, cls, summary, sender, link)
    proven = cls is not InboundClass.INSECURE or (link is not None and bool(link.packet_password))
    return PacketVerdict(reason, what, link.address if link else sender, aka, network, link, local, proven)


def _find_parties(
    sender: Address, dest: Address, password: bytes, rules: Rulebook
) -> tuple[Address | None, Link | None]:
    """Find our AKA and the link, of one network if possible; of several such pairs the one the password proves.

    There are several where networks share zone numbers and the header states no domain.
    """
    akas, links = rules.own_akas(dest), rules.links_at(sender)
    pairs = [(aka, link) for aka in akas for link in links if aka.domain == link.address.domain]
    proven = [pair for pair in pairs if pair[1].packet_password and _same_password(password, pair[1].packet_password)]
    if pairs:
        return (proven or pairs)[0]
    return (akas[0] if akas else None), (links[0] if links else None)


def _check_sender(
    header: PacketHeader, cls: InboundClass, summary: PacketSummary, sender: Address, link: Link | None
) -> tuple[Reason | None, str]:
    if link is None:
        if summary.echomail:
            return Reason.UNKNOWN_SENDER, f"echomail from {sender.without_domain}, which is not among the links"
        return None, ""
    name = link.address.without_domain
    if link.packet_password:
        if not header.password:
            return Reason.MISSING_PASSWORD, f"no packet password from {name}, which has one"
        if not _same_password(header.password, link.packet_password):
            return Reason.WRONG_PASSWORD, f"wrong packet password from {name}"
    elif cls is InboundClass.INSECURE and summary.echomail:
        return (
            Reason.INSECURE,
            f"echomail from {name} in an insecure inbound, and the link has no packet password to prove it",
        )
    return None, ""


def _same_password(given: bytes, expected: bytes) -> bool:
    """Compare without regard to case, as all tossers do, in constant time."""
    return hmac.compare_digest(given[:_PASSWORD_LENGTH].upper(), expected[:_PASSWORD_LENGTH].upper())


def resolve_addresses(header: PacketHeader, rules: Rulebook) -> tuple[Address, Address]:
    """Give sender and destination of a packet, with zones and domains that the header leaves open as far as possible.

    The zone pair at 46/48 counts, where it differs from the one at 34/36, only if it gives a known link. A missing zone
    is that of a link (of our AKA) with these numbers, one that both sides can have before others; or that of the other
    side; or that of our main AKA.
    """
    sender, dest = _whole_domain(header.orig, rules), _whole_domain(header.dest, rules)
    if header.zones_46 is not None and rules.links_at(replace(sender, zone=header.zones_46[0])):
        sender, dest = replace(sender, zone=header.zones_46[0]), replace(dest, zone=header.zones_46[1])
    if not (sender.zone and dest.zone):
        sender, dest = _fill_zones(sender, dest, rules)
    return rules.with_domain(sender), rules.with_domain(dest)


def _fill_zones(sender: Address, dest: Address, rules: Rulebook) -> tuple[Address, Address]:
    links = [link.address for link in rules.links_numbered(sender.net, sender.node, sender.point)]
    akas = [aka for aka in rules.akas if (aka.net, aka.node, aka.point) == (dest.net, dest.node, dest.point)]
    senders = [sender.zone] if sender.zone else [address.zone for address in links]
    dests = [dest.zone] if dest.zone else [address.zone for address in akas]
    common = [zone for zone in senders if zone in dests]
    known = common or senders or dests or [rules.akas[0].zone]
    sender_zone, dest_zone = (common or senders or known)[0], (common or dests or known)[0]
    return replace(sender, zone=sender_zone), replace(dest, zone=dest_zone)


def _whole_domain(address: Address, rules: Rulebook) -> Address:
    """Give back what a type 2.2 header had no room for, if a network of ours has a domain that begins like this one."""
    if len(address.domain) != _DOMAIN_LENGTH:
        return address
    domains = [network.domain for network in rules.networks.values() if network.domain.startswith(address.domain)]
    return replace(address, domain=min(domains, key=len, default=address.domain))
