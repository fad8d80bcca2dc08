"""May this packet be tossed: who sent it, is it for us, does its password prove that (FTS-0001, FSC-0039, DESIGN packet level).

The checks run in a fixed order and the first that fails names the reason: not for us, unknown sender, wrong or missing
password, insecure inbound. A packet is refused whole. Passwords are compared in constant time and appear in no text.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tosser.reason import FileState, Reason
from tosser.rules.network import InboundClass

if TYPE_CHECKING:
    from tosser.address import Address
    from tosser.codec.packet import PacketHeader
    from tosser.rules.batch import PacketSummary
    from tosser.rules.network import Link, Network, Rulebook

_STATES = {Reason.NOT_FOR_US: FileState.NTU, Reason.UNKNOWN_SENDER: FileState.UNCLAIMED}


@dataclass(frozen=True, slots=True)
class PacketVerdict:
    """What is to happen to one packet.

    Attributes:
        reason: why it is refused; ``None`` when its messages are judged one by one.
        what: the sentence for people; empty when not refused.
        sender: the sending system, zone and domain filled in as far as they are known.
        aka: our AKA it is addressed to; ``None`` when it is not for us.
        network: the network of that AKA; ``None`` when it is not for us.
        link: the sending link; ``None`` for our own programs and unknown senders.
        local: whether it comes from our own programs.
    """

    reason: Reason | None
    what: str
    sender: Address
    aka: Address | None
    network: Network | None
    link: Link | None
    local: bool

    @property
    def state(self) -> FileState:
        """The final state of a refused packet."""
        return _STATES.get(self.reason, FileState.QUARANTINED) if self.reason else FileState.TOSSED


def judge_packet(header: PacketHeader, cls: InboundClass, summary: PacketSummary, rules: Rulebook) -> PacketVerdict:
    """Decide on a packet from its header, its inbound class and what it holds."""
    sender, dest = resolve_addresses(header, rules)
    aka = rules.own_aka(dest)
    link = rules.link_at(sender)
    network = _network_of(aka, rules)
    local = cls is InboundClass.LOCAL
    reason, what = None, ""
    if aka is None:
        reason, what = Reason.NOT_FOR_US, f"addressed to {dest.without_domain}, which is none of our addresses"
    elif not local:
        reason, what = _check_sender(header, cls, summary, sender, link)
    return PacketVerdict(reason, what, link.address if link else sender, aka, network, link, local)


def _check_sender(
    header: PacketHeader, cls: InboundClass, summary: PacketSummary, sender: Address, link: Link | None
) -> tuple[Reason | None, str]:
    if link is None:
        if summary.echomail:
            return Reason.UNKNOWN_SENDER, f"echomail from {sender.without_domain}, which is not among the links"
        return None, ""
    if link.packet_password:
        if not header.password:
            return Reason.MISSING_PASSWORD, f"no packet password from {link.address.without_domain}, which has one"
        if not _same_password(header.password, link.packet_password):
            return Reason.WRONG_PASSWORD, f"wrong packet password from {link.address}"
    elif cls is InboundClass.INSECURE and summary.echomail:
        return (
            Reason.INSECURE,
            f"echomail from {link.address.without_domain} in an insecure inbound, and the link has no packet password",
        )
    return None, ""


def _same_password(given: bytes, expected: bytes) -> bool:
    """Compare without regard to case, as all tossers do, in constant time."""
    return hmac.compare_digest(given[:8].upper(), expected[:8].upper())


def _network_of(aka: Address | None, rules: Rulebook) -> Network | None:
    if aka is None:
        return None
    return next((network for network in rules.networks.values() if aka in network.addresses), None)


def resolve_addresses(header: PacketHeader, rules: Rulebook) -> tuple[Address, Address]:
    """Fill in zones and domains that the header leaves open (formats of FTS-0001 state no zone at all).

    The zone pair at 46/48 counts, where it differs from the one at 34/36, only if it gives a known link. A missing zone
    is that of the link with these numbers, or of our AKA with these numbers, or of the other side, or our main one.
    """
    sender, dest = header.orig, header.dest
    if header.zones_46 is not None:
        other = replace(sender, zone=header.zones_46[0])
        if rules.link_at(other) is not None:
            sender, dest = other, replace(dest, zone=header.zones_46[1])
    if not dest.zone:
        dest = replace(dest, zone=_own_zone(dest, sender, rules))
    if not sender.zone:
        links = rules.links_numbered(sender.net, sender.node, sender.point)
        same_zone = [link for link in links if link.address.zone == dest.zone]
        found = (same_zone or links)[:1]
        sender = replace(sender, zone=found[0].address.zone if found else dest.zone)
    return rules.with_domain(sender), rules.with_domain(dest)


def _own_zone(dest: Address, sender: Address, rules: Rulebook) -> int:
    akas = [aka for network in rules.networks.values() for aka in network.addresses]
    numbered = [aka for aka in akas if (aka.net, aka.node, aka.point) == (dest.net, dest.node, dest.point)]
    if any(aka.zone == sender.zone for aka in numbered):
        return sender.zone
    if numbered:
        return numbered[0].zone
    return sender.zone or akas[0].zone
