"""Whose netmail is this: origin and destination from the header and INTL, FMPT, TOPT (FTS-0001, FTS-4001).

The message header has only net and node. INTL wins over it and over the zones of the packet header; FMPT and TOPT give
the points. A message to a zone gate has the gate in its header, so its final destination is that of INTL; until it has
reached the gate, it is routed by the gate's address. A kludge that breaks its grammar counts as absent; nothing is
refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from tosser.address import Address
from tosser.codec.kludge import find_intl, find_point
from tosser.rules.policy import resolve_addresses

if TYPE_CHECKING:
    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage, PacketHeader
    from tosser.rules.network import Rulebook


class Envelope(Struct, frozen=True):
    """The addresses of a netmail.

    Attributes:
        orig: where it is from.
        dest: where it is going.
        gate: the zone gate it has to go through first; ``None`` for most, and where we are the gate.
        stated: whether it has INTL, so that its zones are certain to every system.
    """

    orig: Address
    dest: Address
    gate: Address | None
    stated: bool

    @property
    def stop(self) -> Address:
        """By which address it is routed."""
        return self.gate or self.dest


def read_envelope(header: PacketHeader, message: PackedMessage, text: MessageText, rules: Rulebook) -> Envelope:
    """Find the addresses of a netmail.

    Domains are those of the zone's network, or of the packet header where several networks share the zone; they stay
    empty where neither tells.
    """
    sender, addressee = resolve_addresses(header, rules)
    orig = Address(sender.zone, message.orig_net, message.orig_node)
    dest = header_dest = Address(addressee.zone, message.dest_net, message.dest_node)
    intl = find_intl(text.kludges)
    if intl is not None:
        orig, dest = intl.orig, intl.dest
    gate = None
    if orig.zone != dest.zone and (header_dest.net, header_dest.node) == (orig.zone, dest.zone):
        gate = _with_domain(Address(orig.zone, header_dest.net, header_dest.node), sender, rules)
    orig = _with_point(orig, find_point(text.kludges, b"FMPT"))
    dest = _with_point(dest, find_point(text.kludges, b"TOPT"))
    return Envelope(
        _with_domain(orig, sender, rules),
        _with_domain(dest, addressee, rules),
        None if gate is None or rules.own_aka(gate) else gate,
        intl is not None,
    )


def netmail_addresses(
    header: PacketHeader, message: PackedMessage, text: MessageText, rules: Rulebook
) -> tuple[Address, Address]:
    """Find (origin, destination) of a netmail."""
    envelope = read_envelope(header, message, text, rules)
    return envelope.orig, envelope.dest


def _with_point(address: Address, point: int | None) -> Address:
    return address if point is None else replace(address, point=point)


def _with_domain(address: Address, near: Address, rules: Rulebook) -> Address:
    named = rules.with_domain(address)
    return named if named.domain or near.zone != address.zone else replace(named, domain=near.domain)
