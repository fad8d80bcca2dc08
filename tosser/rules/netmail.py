"""Whose netmail is this: origin and destination from the header and INTL, FMPT, TOPT (FTS-0001, FTS-4001).

The message header has only net and node. INTL gives the zones and wins over the packet header; FMPT and TOPT give the
points; without INTL the zones are those of the packet. A header addressed to a zone gate keeps INTL's destination as the
final one. A kludge that breaks its grammar counts as absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosser.address import Address
from tosser.codec.kludge import find_value, parse_intl, parse_number
from tosser.errors import KludgeError
from tosser.rules.policy import resolve_addresses

if TYPE_CHECKING:
    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage, PacketHeader
    from tosser.rules.network import Rulebook


def netmail_addresses(
    header: PacketHeader, message: PackedMessage, text: MessageText, rules: Rulebook
) -> tuple[Address, Address]:
    """Find (origin, destination) of a netmail, with domains where the zone belongs to one network only."""
    sender, addressee = resolve_addresses(header, rules)
    orig = Address(sender.zone, message.orig_net, message.orig_node)
    dest = Address(addressee.zone, message.dest_net, message.dest_node)
    value = find_value(text.kludges, b"INTL")
    if value is not None:
        try:
            intl = parse_intl(value)
        except KludgeError:
            pass
        else:
            orig, dest = intl.orig, intl.dest
    orig = _with_point(orig, find_value(text.kludges, b"FMPT"))
    dest = _with_point(dest, find_value(text.kludges, b"TOPT"))
    return rules.with_domain(orig), rules.with_domain(dest)


def _with_point(address: Address, value: bytes | None) -> Address:
    if value is None:
        return address
    try:
        point = parse_number(value)
    except KludgeError:
        return address
    return Address(address.zone, address.net, address.node, point)
