"""Whose netmail is this: origin and destination from the header and INTL, FMPT, TOPT (FTS-0001, FTS-4001).

The message header has only net and node. INTL wins over it and over the zones of the packet header; FMPT and TOPT give
the points. A message to a zone gate has the gate in its header, so its final destination is that of INTL. A kludge that
breaks its grammar counts as absent; nothing is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tosser.address import Address
from tosser.codec.kludge import find_value, parse_intl, parse_number
from tosser.errors import KludgeError
from tosser.rules.policy import resolve_addresses

if TYPE_CHECKING:
    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage, PacketHeader
    from tosser.rules.network import Rulebook

_HIGHEST_POINT = 32767
"""Programs write 65535 where they mean no point (FRL-1002)."""


def netmail_addresses(
    header: PacketHeader, message: PackedMessage, text: MessageText, rules: Rulebook
) -> tuple[Address, Address]:
    """Find (origin, destination) of a netmail.

    Domains are those of the zone's network, or of the packet header where several networks share the zone; they stay
    empty where neither tells.
    """
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
    return _with_domain(orig, sender, rules), _with_domain(dest, addressee, rules)


def _with_point(address: Address, value: bytes | None) -> Address:
    if value is None:
        return address
    try:
        point = parse_number(value)
    except KludgeError:
        return address
    return replace(address, point=point) if point <= _HIGHEST_POINT else address


def _with_domain(address: Address, near: Address, rules: Rulebook) -> Address:
    named = rules.with_domain(address)
    return named if named.domain or near.zone != address.zone else replace(named, domain=near.domain)
