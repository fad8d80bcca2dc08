"""New messages of this system: a complete packed message from who, to whom, about what (FTS-0001, FTS-0004, FTS-0009).

Echomail gets AREA, MSGID, REPLY, PID, TID, CHRS, TZUTC, a tearline and an Origin line; netmail INTL, FMPT and TOPT in
front of them, and neither tearline nor Origin. SEEN-BY and PATH are added where it is sent on. Nothing is sent from
here: a packet of such messages is put into the post box, and tossed like any packet of a local program.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser import __version__
from tosser.codec.ftsdate import format_date
from tosser.codec.kludge import (
    Chrs,
    Flags,
    Intl,
    ProductId,
    build_chrs,
    build_flags,
    build_intl,
    build_kludge,
    build_msgid,
    build_number,
    build_product_id,
    build_tzutc,
)
from tosser.codec.message import build_text
from tosser.codec.packed_message import NAME_LENGTH, SUBJECT_LENGTH, PackedMessage, cut_field
from tosser.codec.packet import build_packet
from tosser.codec.packet_header import PacketHeader, PacketType
from tosser.rules.outgoing import PRODUCT, REVISION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from tosser.address import Address

PRIVATE = 0x0001
"""Attribute bit of netmail (FTS-0001)."""
PROGRAM = ProductId(b"tosser", __version__.encode("ascii")[:10])
"""What PID, TID and Via lines name."""
LONGEST_ORIGIN = 79
"""Bytes of a whole Origin line (FTS-0004)."""
_TRANSPORT_LINE = re.compile(rb"(\A|\r)(?:(---)(?=[ \r]|\Z)|( \* )(?=Origin:)|(SEEN-BY)(?=:))")
_DEFUSED = (b"-+-", b" + ", b"SEEN+BY")


class Wish(Struct, frozen=True):
    """What somebody wants to say, in their words.

    Attributes:
        text: the text.
        area: tag of the area it goes to.
        dest: address a netmail goes to; either this or the area is given.
        network: name of the area's network, where several have one of that tag.
        sender: name of who writes; ``None`` for the sysop.
        to: name of the addressee; ``None`` for All, or who is answered.
        subject: subject; ``None`` for that of the message answered, or none.
        reply: MSGID of the message that is answered.
        charset: set to write in; ``None`` for that of the area.
        split: bytes a part has at most, where a text is to be divided.
    """

    text: str = ""
    area: str | None = None
    dest: str | None = None
    network: str | None = None
    sender: str | None = None
    to: str | None = None
    subject: str | None = None
    reply: str | None = None
    charset: str | None = None
    split: int | None = None


class Post(Struct, frozen=True):
    """A message to be written.

    Attributes:
        aka: our address it is from.
        sender: name of who writes.
        to: name of the addressee.
        subject: subject.
        body: text, with CR, LF or CR LF line ends.
        charset: CHRS identifier of all the bytes above.
        serial: for MSGID; 32 bits that do not come again within three years.
        moment: when, by the local clock; aware.
        area: tag of the area; ``None`` for netmail.
        dest: where netmail goes; ``None`` for echomail.
        reply: MSGID of the message that is answered; ``None`` where that has none, or there is none.
        tearline: of echomail.
        origin: of echomail, without the address.
        attributes: of netmail.
        flags: words of FLAGS, of netmail.
        more: control paragraphs of its own.
    """

    aka: Address
    sender: bytes
    to: bytes
    subject: bytes
    body: bytes
    charset: str
    serial: int
    moment: datetime
    area: str | None = None
    dest: Address | None = None
    reply: bytes | None = None
    tearline: bytes = b""
    origin: bytes = b""
    attributes: int = PRIVATE
    flags: tuple[str, ...] = ()
    more: tuple[bytes, ...] = ()


def compose(post: Post) -> PackedMessage:
    """Write a message; names and subject are cut to what their fields hold."""
    dest = post.aka if post.dest is None else post.dest
    return PackedMessage(
        offset=0,
        orig_node=post.aka.node,
        dest_node=dest.node,
        orig_net=post.aka.net,
        dest_net=dest.net,
        attributes=post.attributes if post.area is None else 0,
        cost=0,
        date=format_date(post.moment),
        to=cut_field(post.to, NAME_LENGTH),
        sender=cut_field(post.sender, NAME_LENGTH),
        subject=cut_field(post.subject, SUBJECT_LENGTH),
        text=_text(post),
    )


def post_packet(aka: Address, messages: Iterable[PackedMessage]) -> bytes:
    """Write a packet from us to ourselves; of type 2.2, which states the domain, so that no network is mistaken."""
    header = PacketHeader(type=PacketType.TYPE_2_2, orig=aka, dest=aka, product=PRODUCT, revision=REVISION)
    return build_packet(header, messages)


def defuse(body: bytes) -> bytes:
    """Change lines of a text that would be taken for a tearline, an Origin line or SEEN-BY, as editors quote them."""

    def changed(match: re.Match[bytes]) -> bytes:
        kind = next(index for index, group in enumerate(match.groups()[1:]) if group is not None)
        return bytes(match[1]) + _DEFUSED[kind]

    return _TRANSPORT_LINE.sub(changed, body)


def origin_line(text: bytes, aka: Address) -> bytes:
    """Write what follows ``* Origin:``: the text, cut to fit its line, and the address."""
    address = f" ({aka.without_domain})".encode("ascii")
    room = LONGEST_ORIGIN - len(b" * Origin: ") - len(address)
    return cut_field(text, room) + address


def chrs_value(charset: str) -> bytes:
    """Write the value of CHRS for a set: level 1 is ASCII, 4 is UTF-8, and 2 are the others (FTS-5003)."""
    return build_chrs(Chrs(charset, {"ASCII": 1, "UTF-8": 4}.get(charset, 2)))


def _text(post: Post) -> bytes:
    body = defuse(post.body.replace(b"\r\n", b"\r").replace(b"\n", b"\r").replace(b"\0", b""))
    if post.area is None:
        return build_text(kludges=[*_addresses(post), *_kludges(post)], body=body)
    return build_text(
        area=post.area,
        kludges=_kludges(post),
        body=body,
        tearline=post.tearline or build_product_id(PROGRAM),
        origin=origin_line(post.origin, post.aka),
    )


def _addresses(post: Post) -> Sequence[bytes]:
    """INTL, always, and the points there are (FTS-4001)."""
    dest = post.aka if post.dest is None else post.dest
    lines = [build_kludge(b"INTL", build_intl(Intl(dest, post.aka)))]
    if post.aka.point:
        lines.append(build_kludge(b"FMPT", build_number(post.aka.point)))
    if dest.point:
        lines.append(build_kludge(b"TOPT", build_number(dest.point)))
    return lines


def _kludges(post: Post) -> Sequence[bytes]:
    offset = post.moment.utcoffset()
    minutes = 0 if offset is None else int(offset.total_seconds() // 60)
    values = (
        (b"MSGID", build_msgid(post.aka, post.serial)),
        (b"REPLY", post.reply),
        (b"PID", build_product_id(PROGRAM)),
        (b"TID", build_product_id(PROGRAM) if post.area is not None else None),
        (b"CHRS", chrs_value(post.charset)),
        (b"TZUTC", build_tzutc(minutes)),
        (b"FLAGS", build_flags(Flags(post.flags)) or None),
    )
    return [*(build_kludge(tag, value) for tag, value in values if value is not None), *post.more]
