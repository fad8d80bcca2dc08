"""Stored messages, ``*.MSG`` (FTS-0001.016): 190 bytes of fields, then the text, one message a file.

Eight bytes of the fields have two meanings: zones and points, as FTS-0001 has them, or two DOS dates, as Opus writes
there. So the control lines win, and the numbers are believed only where they can be zones we know. We write zones and
points, and INTL, FMPT and TOPT besides: other programs do not read the fields.
"""

from __future__ import annotations

import struct
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import astuple, replace

from tosser.address import Address
from tosser.codec.ftsdate import format_date, parse_date
from tosser.codec.kludge import Intl, build_intl, build_kludge, build_number, find_intl, find_point, split_kludge
from tosser.codec.message import split_text
from tosser.codec.packed_message import DATE_LENGTH, NAME_LENGTH, SUBJECT_LENGTH, cut_field
from tosser.codec.stored import BaseMessage, MessageKind
from tosser.errors import MsgError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

HEADER_LENGTH = 190
ATTRIBUTE_OFFSET = 186
"""Where the attribute word stands, which is changed in place."""
SENT, IN_TRANSIT = 0x0008, 0x0020
"""Attribute bits (FTS-0001) that say what became of a message that passes through."""

_HEADER = struct.Struct("<36s36s72s20s13H")
_NET_LIMIT = 0x7FFF
"""Highest zone and point that is believed without INTL; 65535 stands for none in some programs."""


class StoredMessage(Struct, frozen=True):
    """All fields of a stored message, in their order; numbers have 16 bits, strings are bytes without their NUL.

    Attributes:
        sender: name of the author, at most 35 bytes.
        to: name of the addressee, at most 35 bytes.
        subject: or a list of files; at most 71 bytes.
        date: when it was written, as in a packed message; at most 19 bytes.
        times_read: how often it was read.
        dest_node: node of the addressee.
        orig_node: node of the author.
        cost: of no use today.
        orig_net: net of the author.
        dest_net: net of the addressee.
        dest_zone: zone of the addressee; or the day of ``opus_written``.
        orig_zone: zone of the author; or the time of ``opus_written``.
        dest_point: point of the addressee; or the day of ``opus_arrived``.
        orig_point: point of the author; or the time of ``opus_arrived``.
        reply_to: number of the message that it answers; 0 for none.
        attributes: attribute word.
        next_reply: number of the first answer to it; 0 for none.
        text: control lines and body up to its NUL.
    """

    sender: bytes
    to: bytes
    subject: bytes
    date: bytes
    times_read: int = 0
    dest_node: int = 0
    orig_node: int = 0
    cost: int = 0
    orig_net: int = 0
    dest_net: int = 0
    dest_zone: int = 0
    orig_zone: int = 0
    dest_point: int = 0
    orig_point: int = 0
    reply_to: int = 0
    attributes: int = 0
    next_reply: int = 0
    text: bytes = b""

    @property
    def opus_written(self) -> datetime | None:
        """When it was written, if the zones are a DOS date; ``None`` where they cannot be one."""
        return _dos_time(self.dest_zone, self.orig_zone)

    @property
    def opus_arrived(self) -> datetime | None:
        """When it arrived, if the points are a DOS date; ``None`` where they cannot be one."""
        return _dos_time(self.dest_point, self.orig_point)

    def states_zones(self, zones: Collection[int]) -> bool:
        """Tell whether the fields can be zones and points, and not dates: both zones have to be among those known."""
        return (
            self.dest_zone in zones
            and self.orig_zone in zones
            and min(self.dest_zone, self.orig_zone) >= 1
            and max(self.dest_zone, self.orig_zone, self.dest_point, self.orig_point) <= _NET_LIMIT
        )


def parse_msg(data: bytes) -> StoredMessage:
    """Read a stored message. A name without NUL has all of its field, and a text without NUL ends with the data.

    Raises:
        MsgError: the data ends within the fields.
    """
    if len(data) < HEADER_LENGTH:
        what = f"a stored message has at least {HEADER_LENGTH} bytes; there are {len(data)}"
        raise MsgError(what, len(data))
    sender, to, subject, date, *numbers = _HEADER.unpack_from(data)
    text = data[HEADER_LENGTH:].partition(b"\0")[0]
    strings = [field.partition(b"\0")[0] for field in (sender, to, subject, date)]
    return StoredMessage(*strings, *numbers, text)  # type: ignore[call-arg]  # mypy does not count what is unpacked


def build_msg(message: StoredMessage) -> bytes:
    """Write a stored message; names and subject are cut to their legal length.

    Raises:
        ValueError: a number has more than 16 bits, the date more than 19 bytes, or a string has a NUL in it.
    """
    sender, to, subject, date, *numbers, text = astuple(message)
    if len(date) > DATE_LENGTH or b"\0" in b"".join((sender, to, subject, date, text)):
        raise ValueError("a string of a stored message has a NUL in it, or the date is longer than 19 bytes")
    names = (cut_field(sender, NAME_LENGTH), cut_field(to, NAME_LENGTH), cut_field(subject, SUBJECT_LENGTH))
    try:
        return b"".join((_HEADER.pack(*names, date, *numbers), text, b"\0"))
    except struct.error as error:
        raise ValueError(f"{numbers}: a number has more than 16 bits") from error


def to_stored(message: BaseMessage, arrived: datetime) -> StoredMessage:
    """Make the stored message of a netmail: control lines, body, and Via lines at the end.

    Args:
        message: the netmail.
        arrived: the local wall clock when it arrived, for a message without a date.
    """
    origin, dest = message.origin or Address(0, 0, 0), message.dest or Address(0, 0, 0)
    return StoredMessage(
        sender=cut_field(message.sender, NAME_LENGTH),
        to=cut_field(message.to, NAME_LENGTH),
        subject=cut_field(message.subject, SUBJECT_LENGTH),
        date=format_date(message.written or arrived),
        dest_node=dest.node,
        orig_node=origin.node,
        orig_net=origin.net,
        dest_net=dest.net,
        dest_zone=dest.zone,
        orig_zone=origin.zone,
        dest_point=dest.point,
        orig_point=origin.point,
        attributes=message.attributes | (IN_TRANSIT if message.in_transit else 0),
        text=_text(message),
    )


def from_stored(stored: StoredMessage, arrived: int, zones: Sequence[int] = ()) -> BaseMessage:
    """Make a netmail of a stored message.

    Args:
        stored: the stored message.
        arrived: Unix time of its arrival.
        zones: those that are known; the first is that of a message that states none. Without any, such a message has
            no addresses.
    """
    text = split_text(stored.text)
    kludges = tuple(text.kludges)
    origin, dest = _addresses(stored, kludges, zones)
    written = parse_date(stored.date).value
    if written is None and not stored.states_zones(zones):
        written = stored.opus_written
    return BaseMessage(
        kind=MessageKind.NETMAIL,
        sender=stored.sender,
        to=stored.to,
        subject=stored.subject,
        kludges=kludges,
        body=text.body,
        seen_by=text.seen_by,
        path=text.path,
        origin=origin,
        dest=dest,
        written=written,
        arrived=arrived,
        attributes=stored.attributes & ~IN_TRANSIT,
        in_transit=bool(stored.attributes & IN_TRANSIT),
    )


def _text(message: BaseMessage) -> bytes:
    """The text: what netmail has of SEEN-BY and PATH are control lines like any other."""
    trail = [b"SEEN-BY: " + line for line in message.seen_by] + [b"PATH: " + line for line in message.path]
    top: list[bytes] = []
    vias: list[bytes] = []
    for kludge in (*_addressing(message), *message.kludges, *trail):
        (vias if split_kludge(kludge)[0].upper() == b"VIA" else top).append(b"\x01%s\r" % kludge)
    body = message.body if not message.body or message.body.endswith(b"\r") else message.body + b"\r"
    return b"".join((*top, body, *vias))


def _addressing(message: BaseMessage) -> list[bytes]:
    """The control lines that state the addresses, as far as the message lacks them."""
    origin, dest, kludges = message.origin, message.dest, message.kludges
    if origin is None or dest is None:
        return []
    lines = [] if find_intl(kludges) else [build_kludge(b"INTL", build_intl(Intl(dest, origin)))]
    for tag, point in ((b"FMPT", origin.point), (b"TOPT", dest.point)):
        if point and find_point(kludges, tag) is None:
            lines.append(build_kludge(tag, build_number(point)))
    return lines


def _addresses(
    stored: StoredMessage, kludges: Sequence[bytes], zones: Sequence[int]
) -> tuple[Address | None, Address | None]:
    """Origin and destination; what the control lines state wins."""
    intl = find_intl(kludges)
    if intl is not None:
        origin, dest = intl.orig, intl.dest
    elif stored.states_zones(zones):
        origin = Address(stored.orig_zone, stored.orig_net, stored.orig_node, stored.orig_point)
        dest = Address(stored.dest_zone, stored.dest_net, stored.dest_node, stored.dest_point)
    elif zones:
        origin = Address(zones[0], stored.orig_net, stored.orig_node)
        dest = Address(zones[0], stored.dest_net, stored.dest_node)
    else:
        return None, None
    return _with_point(origin, find_point(kludges, b"FMPT")), _with_point(dest, find_point(kludges, b"TOPT"))


def _with_point(address: Address, point: int | None) -> Address:
    return address if point is None else replace(address, point=point)


def _dos_time(day: int, clock: int) -> datetime | None:
    """A date of MS-DOS: the local wall clock, to two seconds, from 1980 on."""
    try:
        return datetime(  # noqa: DTZ001 - a wall clock without zone
            1980 + (day >> 9), day >> 5 & 15, day & 31, clock >> 11, clock >> 5 & 63, 2 * (clock & 31)
        )
    except ValueError:
        return None
