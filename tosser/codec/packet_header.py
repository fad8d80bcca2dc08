"""The 58 bytes a packet starts with, in the three types in use (FTS-0001.016, FSC-0039/FSC-0048, FSC-0045).

All numbers are little-endian and unsigned, 16 bit unless stated. Type 2+ is type 2 with zones, points and a capability
word in what type 2 leaves as fill; type 2.2 has points and domains instead of a date. Refused with `PacketError`: fewer
than 58 bytes, and a packet version other than 2. Anything else is read, because only addresses and password decide
what may happen to a packet, and those are not judged here.
"""

from __future__ import annotations

import re
import struct
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from tosser.address import Address
from tosser.discreet import Discreet
from tosser.errors import PacketError
from tosser.reason import Reason

HEADER_SIZE = 58
_VERSION = 2
_VERSION_AT = 18
_HIGHEST_ZONE = 32767
_POINT_MARK = 0xFFFF
"""origNet of a packet from a point whose writer follows FSC-0048; the real net is in auxNet."""
_CAPABILITY = 0x0001
"""Capability word of one that reads type 2+ and nothing newer."""
_CAPABILITY_BITS = 0x7FFF
"""Bit 15 announces RFC-822 packets and takes no part in the comparison of the two copies (FSC-0039)."""
_DOMAIN = re.compile(rb"[A-Za-z0-9_~-]{1,8}")

_LAYOUT_2 = struct.Struct("<12H2B8s3H2s2BH4H4s")
_LAYOUT_2_2 = struct.Struct("<4H8x4H2B8s2H8s8s4s")


class PacketType(StrEnum):
    """How a packet header states its addresses."""

    TYPE_2 = "2"
    """FTS-0001: net/node, at most zones."""
    TYPE_2PLUS = "2+"
    """FSC-0039 and FSC-0048: zones and points."""
    TYPE_2_2 = "2.2"
    """FSC-0045: zones, points and domains, no date."""


class PacketHeader(Discreet, frozen=True):
    """What a packet says about itself.

    Attributes:
        type: layout of the header.
        orig: sender. Zone 0 where the packet does not state it; a domain only in type 2.2.
        dest: recipient, likewise.
        password: at most 8 bytes, up to the first NUL, in the letter case of the wire.
        created: local time of the writer; ``None`` in type 2.2 and where the date is no date.
        product: FTSC product code, 16 bits in type 2+, 8 bits otherwise.
        revision: major and minor revision of the product; the minor one only in type 2+.
        zones_46: the second pair of zones (origin, destination) of a type 2+ header, where both pairs are stated and
            disagree; ``orig`` and ``dest`` then have the first pair.
        product_data: at most 4 bytes, without trailing NULs; never in type 2.
        fsc48: whether a type 2+ header marks a sending point by origNet 65535 (FSC-0048). ``True`` where it cannot
            be told: in the other types, and when the sender is no point.
    """

    HIDDEN: ClassVar = frozenset({"password"})

    type: PacketType
    orig: Address
    dest: Address
    password: bytes = b""
    created: datetime | None = None
    product: int = 0
    revision: tuple[int, int] = (0, 0)
    zones_46: tuple[int, int] | None = None
    product_data: bytes = b""
    fsc48: bool = True


def parse_packet_header(data: bytes) -> PacketHeader:
    """Read the header at the start of ``data``.

    Raises:
        PacketError: ``HEADER_SHORT`` below 58 bytes, ``PACKET_TYPE`` where the packet version is not 2.
    """
    if len(data) < HEADER_SIZE:
        raise PacketError(f"a packet header has {HEADER_SIZE} bytes, here are {len(data)}", 0, Reason.HEADER_SHORT)
    version = int.from_bytes(data[_VERSION_AT : _VERSION_AT + 2], "little")
    if version != _VERSION:
        raise PacketError(f"packet version {version} where 2 is expected", _VERSION_AT, Reason.PACKET_TYPE)
    return _parse_2_2(data) if _is_2_2(data) else _parse_2(data)


def capability_mismatch(data: bytes) -> bool:
    """Tell whether a header states capabilities in a way that spoils them: the two copies differ (FSC-0039)."""
    word, copy = _capabilities(data)
    return word != copy and not _is_2_2(data)


def looks_like_header(data: bytes) -> bool:
    """Tell whether bytes that should be no header can hardly be anything else: version, nets and date fit."""
    if len(data) < HEADER_SIZE or int.from_bytes(data[_VERSION_AT : _VERSION_AT + 2], "little") != _VERSION:
        return False
    month, day, hour, minute, second = struct.unpack_from("<5H", data, 6)
    orig_net, dest_net = struct.unpack_from("<2H", data, 20)
    dated = month <= 12 and day <= 31 and hour <= 23 and minute <= 59 and second <= 59  # noqa: PLR2004 - the calendar
    return bool(orig_net and dest_net and (dated or _is_2_2(data)))


def build_packet_header(header: PacketHeader) -> bytes:
    """Write the 58 bytes of a header.

    What the type has no place for is left out: points, minor revision and product data in type 2, domains in 2 and 2+,
    the date in 2.2. Passwords and domains are cut at 8 bytes.

    Raises:
        ValueError: a number does not fit its field.
    """
    try:
        if header.type is PacketType.TYPE_2_2:
            return _build_2_2(header)
        return _build_2(header, plus=header.type is PacketType.TYPE_2PLUS)
    except struct.error as error:
        raise ValueError(f"a number in {header} does not fit a packet header") from error


def _capabilities(data: bytes) -> tuple[int, int]:
    """The capability word and its byte-swapped copy, comparable."""
    word = int.from_bytes(data[44:46], "little") & _CAPABILITY_BITS
    return word, int.from_bytes(data[40:42], "big") & _CAPABILITY_BITS


def _is_2_2(data: bytes) -> bool:
    """Recognise type 2.2 by sub-version 2 and all its reserved bytes.

    Asked before type 2+, since a domain such as ``aaaaaaaa`` lies where a capability word with its copy would. A 2+
    header is not taken for 2.2: day 0 at 2 baud does not occur.
    """
    return data[8:18] == b"\0\0\0\0\0\0\0\0\2\0"


def _zone(*stated: int) -> int:
    """The first plausible zone; old compilers left the fill bytes dirty."""
    return next((zone for zone in stated if 0 < zone <= _HIGHEST_ZONE), 0)


def _until_nul(raw: bytes) -> bytes:
    return raw.partition(b"\0")[0]


def _parse_2(data: bytes) -> PacketHeader:
    """Types 2 and 2+, which differ in whether the bytes from 38 mean anything."""
    values = _LAYOUT_2.unpack_from(data)
    orig_node, dest_node, *date, _baud, _version, orig_net, dest_net, product, major, password = values[:15]
    orig_zone, dest_zone, aux_net, _copy, product_high, minor = values[15:21]
    word, orig_zone_46, dest_zone_46, orig_point, dest_point, product_data = values[21:]
    plus = bool(word & _CAPABILITY) and not capability_mismatch(data)
    if not plus:
        aux_net = product_high = minor = orig_zone_46 = dest_zone_46 = orig_point = dest_point = 0
        product_data = b""
    marked = orig_net == _POINT_MARK
    if marked:
        orig_net = aux_net if orig_point and aux_net not in {0, _POINT_MARK} else dest_net
    pairs = (_zone(orig_zone), _zone(dest_zone)), (_zone(orig_zone_46), _zone(dest_zone_46))
    disagree = all(pairs[0]) and all(pairs[1]) and pairs[0] != pairs[1]
    return PacketHeader(
        type=PacketType.TYPE_2PLUS if plus else PacketType.TYPE_2,
        orig=Address(_zone(orig_zone, orig_zone_46), orig_net, orig_node, orig_point),
        dest=Address(_zone(dest_zone, dest_zone_46), dest_net, dest_node, dest_point),
        password=_until_nul(password),
        created=_created(date),
        product=product_high << 8 | product,
        revision=(major, minor),
        zones_46=pairs[1] if disagree else None,
        product_data=product_data.rstrip(b"\0"),
        fsc48=marked or not orig_point,
    )


def _parse_2_2(data: bytes) -> PacketHeader:
    values = _LAYOUT_2_2.unpack_from(data)
    orig_node, dest_node, orig_point, dest_point, _sub, _version, orig_net, dest_net = values[:8]
    product, revision, password, orig_zone, dest_zone, orig_domain, dest_domain, product_data = values[8:]
    if orig_net == _POINT_MARK:
        orig_net = dest_net
    return PacketHeader(
        type=PacketType.TYPE_2_2,
        orig=Address(_zone(orig_zone), orig_net, orig_node, orig_point, _domain(orig_domain)),
        dest=Address(_zone(dest_zone), dest_net, dest_node, dest_point, _domain(dest_domain)),
        password=_until_nul(password),
        product=product,
        revision=(revision, 0),
        product_data=product_data.rstrip(b"\0"),
    )


def _domain(raw: bytes) -> str:
    """The first label in lower case; empty where it has bytes no domain may have (FRL-1028)."""
    label = _until_nul(raw).partition(b".")[0]
    return label.decode("ascii").lower() if _DOMAIN.fullmatch(label) else ""


def _created(stated: list[int]) -> datetime | None:
    """The date of a packet, as far as it is one.

    Months count from 0; a 12 can only be the December of a writer that counts from 1. Years below 80 are of this
    century, other years below 200 count from 1900 (FRL-1011, and writers that store ``tm_year``).
    """
    year, month, day, hour, minute, second = stated
    if year < 200:  # noqa: PLR2004 - see the docstring
        year += 1900 if year >= 80 else 2000  # noqa: PLR2004 - FRL-1011
    if month == 12:  # noqa: PLR2004 - see the docstring
        month = 11
    try:
        return datetime(year, month + 1, day, hour, minute, second)  # noqa: DTZ001 - a packet states no time zone
    except ValueError:
        return None


def _build_2(header: PacketHeader, *, plus: bool) -> bytes:
    orig, dest, at = header.orig, header.dest, header.created
    date = (at.year, at.month - 1, at.day, at.hour, at.minute, at.second) if at else (0, 0, 0, 0, 0, 0)
    marked = plus and header.fsc48 and orig.point != 0
    nets = (_POINT_MARK if marked else orig.net, dest.net)
    zones = (orig.zone, dest.zone)
    baud = 0
    major, minor = header.revision
    common = (orig.node, dest.node, *date, baud, _VERSION, *nets, header.product & 0xFF, major, header.password, *zones)
    if not plus:
        return _LAYOUT_2.pack(*common, 0, b"", 0, 0, 0, 0, 0, 0, 0, b"")
    return _LAYOUT_2.pack(
        *common,
        orig.net if marked else 0,
        _CAPABILITY.to_bytes(2, "big"),
        header.product >> 8,
        minor,
        _CAPABILITY,
        *(header.zones_46 or zones),
        orig.point,
        dest.point,
        header.product_data,
    )


def _build_2_2(header: PacketHeader) -> bytes:
    orig, dest = header.orig, header.dest
    sub_version = 2
    return _LAYOUT_2_2.pack(
        orig.node,
        dest.node,
        orig.point,
        dest.point,
        sub_version,
        _VERSION,
        orig.net,
        dest.net,
        header.product & 0xFF,
        header.revision[0],
        header.password,
        orig.zone,
        dest.zone,
        orig.domain.encode("ascii"),
        dest.domain.encode("ascii"),
        header.product_data,
    )
