"""Mail that other programs wrote into our bases: what it lacks to be sent, and where it was looked for.

A BBS or an editor leaves a message with names, a subject and a text. To be sent it gets what FTS-0004 and FTS-0009 ask
for and it has not got: MSGID, REPLY, PID, TID, CHRS, TZUTC, a tearline and an Origin line with our address. What is
there stays as it is, byte for byte. Lines of the text that only look like a tearline, an Origin line or SEEN-BY are
defused, as in every new message of this system, unless an Origin line of the author stands below them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.address import Address
from tosser.codec.charset import decide_charset
from tosser.codec.ftsdate import format_date
from tosser.codec.kludge import (
    Flags,
    Intl,
    build_flags,
    build_intl,
    build_kludge,
    build_msgid,
    build_number,
    build_product_id,
    build_tzutc,
    find_value,
    parse_msgid,
    split_kludge,
)
from tosser.codec.message import address_in_origin, split_text
from tosser.codec.packed_message import NAME_LENGTH, SUBJECT_LENGTH, PackedMessage, cut_field
from tosser.codec.stored import MessageKind
from tosser.rules.network import closest
from tosser.rules.posting import PROGRAM, chrs_value, defuse, origin_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from tosser.codec.stored import BaseMessage
    from tosser.rules.network import Area, Rulebook

_TRANSPORT = frozenset({b"AREA", b"SEEN-BY", b"PATH", b"INTL", b"FMPT", b"TOPT", b"VIA"})
"""Control lines that belong to the way of a message, and not to the message."""
_NETMAIL_ATTRIBUTES = 0x0001 | 0x0002 | 0x0010 | 0x0200 | 0x0800 | 0x1000
"""Of netmail: private, crash, file attached, hold, file request, receipt asked for."""
_ALIASES = {b"CHRS": b"CHARSET", b"TZUTC": b"TZUTCINFO"}
_ORIGIN = re.compile(rb"[ ]?\*[ ]?Origin:")
_TEARLINE = re.compile(rb"---(?: |\Z)")
_NAME = re.compile(r"[0-9a-f]{8}-(\d{1,10})\.pkt", re.ASCII)


class ScanPosition(Struct, frozen=True):
    """How far a base was looked at.

    Attributes:
        since: when it was looked at first, Unix seconds; what was there before is none of ours to send.
        created: when the base says that it was made (JAM time); 0 where there was none.
        next: number of the first message that was not looked at.
        mark: what tells the message before that from any other; 0 where there was none.
        waiting: numbers of earlier messages that are not to be sent yet: they are locked, or on hold.
    """

    since: float
    created: int
    next: int
    mark: int
    waiting: tuple[int, ...] = ()


NOWHERE = ScanPosition(since=0.0, created=0, next=1, mark=0)
"""Where a base is looked at from that is not there yet, but for the moment."""


class Additions(Struct, frozen=True):
    """What a message gets that it lacks.

    Attributes:
        serial: for MSGID; 32 bits that do not come again within three years.
        moment: when it was written, by the local clock; aware.
        reply: MSGID of the message that it answers, as far as the base tells.
        origin: what Origin says, without the address.
        flags: words of FLAGS, of netmail.
    """

    serial: int
    moment: datetime
    reply: bytes | None
    origin: bytes
    flags: tuple[str, ...] = ()


def complete(message: BaseMessage, area: Area, rules: Rulebook, additions: Additions) -> PackedMessage:
    """Make a packed message of what stands in the base of an area."""
    body, kludges = _plain(message.body), _kept(message)
    head = f"AREA:{area.tag}\r".encode("ascii") + b"".join(b"\x01" + line + b"\r" for line in kludges)
    known = split_text(head + body).kludges  # programs leave control lines in the text, too
    added = list(_lacking(known, message, area.aka, area.charset, additions))
    body = _with_trailer(body, area.aka, additions.origin, lambda address: _is_theirs(address, known, rules))
    tag_end = head.index(b"\r") + 1
    lines = b"".join(b"\x01" + line + b"\r" for line in added)
    return PackedMessage(
        offset=0,
        orig_node=area.aka.node,
        dest_node=area.aka.node,
        orig_net=area.aka.net,
        dest_net=area.aka.net,
        attributes=0,
        cost=0,
        date=format_date(additions.moment),
        to=_field(message.to, NAME_LENGTH) or b"All",
        sender=_field(message.sender, NAME_LENGTH),
        subject=_field(message.subject, SUBJECT_LENGTH),
        text=head[:tag_end] + lines + head[tag_end:] + body,
    )


def complete_netmail(message: BaseMessage, rules: Rulebook, additions: Additions) -> tuple[Address, PackedMessage]:
    """Make a packed message of what stands in the netmail base; gives our address that it is from, too."""
    body = _plain(message.body)
    orig, dest = _author(message, rules), message.dest or Address(0, 0, 0)
    known = split_text(b"".join(b"\x01" + line + b"\r" for line in _kept(message)) + body).kludges
    addresses = [build_kludge(b"INTL", build_intl(Intl(dest, orig)))]
    addresses += [build_kludge(b"FMPT", build_number(orig.point))] if orig.point else []
    addresses += [build_kludge(b"TOPT", build_number(dest.point))] if dest.point else []
    lacking = _lacking(known, message, orig, rules.netmail.charset, additions)
    lines = [*addresses, *(line for line in lacking if not line.startswith(b"TID:")), *_kept(message)]
    aka = rules.own_aka(orig) or rules.own_aka(orig.boss) or orig
    return aka, PackedMessage(
        offset=0,
        orig_node=orig.node,
        dest_node=dest.node,
        orig_net=orig.net,
        dest_net=dest.net,
        attributes=message.attributes & _NETMAIL_ATTRIBUTES,
        cost=0,
        date=format_date(additions.moment),
        to=_field(message.to, NAME_LENGTH),
        sender=_field(message.sender, NAME_LENGTH),
        subject=_field(message.subject, SUBJECT_LENGTH),
        text=b"".join(b"\x01" + line + b"\r" for line in lines) + body,
    )


def is_for_others(message: BaseMessage, rules: Rulebook) -> bool:
    """Whether netmail that was written here is to leave: what is for one of our own addresses is where it should be."""
    dest = message.dest
    if dest is None or rules.own_aka(dest) is not None:
        return False
    return not any(each.matches(dest) for each in rules.netmail.policy.here)


def additions_to(message: BaseMessage, packed: PackedMessage) -> tuple[Sequence[bytes], bytes | None]:
    """Tell what a packed message has that the one in the base lacks: control lines, and the text if that differs."""
    area = b"AREA:X\r" if message.kind is MessageKind.ECHO else b""
    kludges = split_text(packed.text).kludges
    above = len(kludges) - len(split_text(area + message.body).kludges)
    body = packed.text.split(b"\r", above + bool(area))[-1]
    return kludges[: above - len(_kept(message))], None if body == message.body else body


def packet_name(serial: int, number: int) -> str:
    """Name the packet of a message, without extension."""
    return f"{serial:08x}-{number}"


def number_in(name: str) -> int | None:
    """Read the number of a message in its base out of the name of its packet."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def _kept(message: BaseMessage) -> list[bytes]:
    """List the control lines that are sent on."""
    return [line for line in map(_one_line, message.kludges) if split_kludge(line)[0].upper() not in _TRANSPORT]


def _plain(body: bytes) -> bytes:
    """Give a text the line ends of a packed message."""
    return body.replace(b"\0", b"").replace(b"\r\n", b"\r").replace(b"\n", b"\r")


def _author(message: BaseMessage, rules: Rulebook) -> Address:
    """Say from which address a netmail is: the one it states if that is ours or a point's, else the closest of ours."""
    given, dest = message.origin, message.dest
    if given is not None and (rules.own_aka(given) or rules.own_aka(given.boss)):
        return given
    networks = rules.networks.values()
    suitable = [each for each in networks if dest and dest.zone in each.zones and dest.domain in {"", each.domain}]
    network = (suitable or list(networks))[0]
    return closest(network.addresses, dest) if dest else network.main


def _lacking(
    known: Sequence[bytes], message: BaseMessage, aka: Address, charset: str, additions: Additions
) -> Iterator[bytes]:
    """Make the control lines that are not there."""
    offset = additions.moment.utcoffset()
    minutes = 0 if offset is None else int(offset.total_seconds() // 60)
    program = build_product_id(PROGRAM)
    data = b"\0".join((message.body, message.sender, message.to, message.subject))
    name = decide_charset(data, None, None, charset).name
    for tag, value in (
        (b"MSGID", build_msgid(aka, additions.serial)),
        (b"REPLY", additions.reply),
        (b"PID", program),
        (b"TID", program),
        (b"CHRS", chrs_value(name)),
        (b"TZUTC", build_tzutc(minutes)),
        (b"FLAGS", build_flags(Flags(additions.flags)) or None),
    ):
        if value is not None and not find_value(known, tag) and not find_value(known, _ALIASES.get(tag, tag)):
            yield build_kludge(tag, value)


def _with_trailer(body: bytes, aka: Address, origin: bytes, is_theirs: Callable[[Address], bool]) -> bytes:
    """Give a text a tearline and an Origin line where it lacks them.

    Args:
        body: the text.
        aka: our address.
        origin: what Origin is to say.
        is_theirs: tells whether an Origin line with some address is the author's, or was quoted.
    """
    head, last = _last_line(body)
    stated = _ORIGIN.match(last)
    address = address_in_origin(last) if stated else None
    if stated and (address is None or is_theirs(address)):
        line = last if address else b" * Origin: " + origin_line(last[stated.end() :].strip(), aka)
        if _TEARLINE.match(_last_line(head)[1]):
            return body if address else head + line + b"\r"
        return head + _tearline() + line + b"\r"
    above, tearline = _last_line(body)
    if not _TEARLINE.match(tearline):
        above, tearline = _ended(body), _tearline().rstrip(b"\r")
    return defuse(above) + tearline + b"\r * Origin: " + origin_line(origin, aka) + b"\r"


def _last_line(text: bytes) -> tuple[bytes, bytes]:
    """Divide off the last line that is not blank."""
    end = text.rstrip(b"\r ")
    at = end.rfind(b"\r") + 1
    line_end = text.find(b"\r", at)
    return text[:at], text[at : line_end if line_end >= 0 else len(text)]


def _ended(text: bytes) -> bytes:
    return text if text.endswith(b"\r") or not text else text + b"\r"


def _tearline() -> bytes:
    return b"--- " + build_product_id(PROGRAM) + b"\r"


def _is_theirs(address: Address, kludges: Sequence[bytes], rules: Rulebook) -> bool:
    """Whether an address in an Origin line is ours, or that of one of our points, or the one in MSGID."""
    if any(rules.own_aka(each) is not None for each in (address, address.boss)):
        return True
    stated = find_value(kludges, b"MSGID")
    author = parse_msgid(stated).address if stated else None
    return author is not None and author.same_system(address)


def _one_line(kludge: bytes) -> bytes:
    """Take out of a control line what would end it."""
    return kludge.translate(None, b"\0\x01\r\n")


def _field(raw: bytes, length: int) -> bytes:
    return cut_field(raw.translate(None, b"\0\r\n"), length)
