"""An FTN message as a JAM record and back (JAM-001 subfields, filled in the way smapi and crashmail fill them).

Control lines become the subfield JAM has for them: MSGID, REPLY, PID, FLAGS, TZUTC, Via; all others are kept verbatim
as FTSKLUDGE. INTL, FMPT and TOPT are never stored: the addresses stand in OADDRESS and DADDRESS. File names of
attaches and requests stay in the subject, where the readers in use look for them; ENCLOSED… subfields are only read.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.address import Address
from tosser.codec.jam import (
    NONE,
    JamAttribute,
    MessageHeader,
    Subfield,
    SubfieldId,
    build_stored_header,
    build_subfield,
    jam_crc,
    parse_subfields,
)
from tosser.codec.stored import BaseMessage, MessageKind
from tosser.errors import AddressError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME_LIMIT = 100
"""Longest name or subject a subfield may hold (JAM-001); the other limits are soft and nobody keeps them."""
_CACHED_LENGTH = 255
"""Longest control line that is worth remembering: no sender may fill our memory with long ones."""
_CACHED_LINES_LENGTH = 2048
"""The same for all SEEN-BY lines of a message together."""
_EPOCH = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)

_KLUDGE = re.compile(rb"([A-Za-z][A-Za-z0-9_+-]*):?[ \t]*(.*)", re.DOTALL)
_TZUTC_VALUE = re.compile(rb"[+-]?\d{4}")
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2})")
_SUBFIELD_OF_TAG = {
    b"MSGID": SubfieldId.MSGID,
    b"REPLY": SubfieldId.REPLYID,
    b"PID": SubfieldId.PID,
    b"VIA": SubfieldId.TRACE,
    b"FLAGS": SubfieldId.FLAGS,
    b"TZUTC": SubfieldId.TZUTCINFO,
    b"TZUTCINFO": SubfieldId.TZUTCINFO,
}
_NEVER_STORED = frozenset({b"INTL", b"FMPT", b"TOPT"})
_LINES = (
    (SubfieldId.MSGID, b"MSGID: "),
    (SubfieldId.REPLYID, b"REPLY: "),
    (SubfieldId.PID, b"PID: "),
    (SubfieldId.FTSKLUDGE, b""),
    (SubfieldId.FLAGS, b"FLAGS "),
    (SubfieldId.TZUTCINFO, b"TZUTC: "),
    (SubfieldId.TRACE, b"Via "),
)
"""Subfields that are control lines, in the order they are written, with what stands before the value in the line."""
_GROUP = {int(identifier): group for group, (identifier, _) in enumerate(_LINES)}
_OTHER = _GROUP[SubfieldId.FTSKLUDGE]
_SUBFIELD_HEAD = 8
_ID_PREFIXES = {b"MSGID: ": int(SubfieldId.MSGID), b"REPLY: ": int(SubfieldId.REPLYID)}
"""Control lines that differ from message to message: not worth remembering, and recognised without a pattern."""
_ID_PREFIX_LENGTH = 7
# Plain integers: to look a member up in its enumeration costs more than to pack it.
_SENDER, _RECEIVER, _SUBJECT = int(SubfieldId.SENDERNAME), int(SubfieldId.RECEIVERNAME), int(SubfieldId.SUBJECT)
_FROM_ADDRESS, _TO_ADDRESS = int(SubfieldId.OADDRESS), int(SubfieldId.DADDRESS)
_SEEN_BY, _PATH, _FTSKLUDGE = int(SubfieldId.SEENBY2D), int(SubfieldId.PATH2D), int(SubfieldId.FTSKLUDGE)

_ATTRIBUTES = (
    (0x0001, JamAttribute.PRIVATE),
    (0x0002, JamAttribute.CRASH),
    (0x0004, JamAttribute.READ),
    (0x0008, JamAttribute.SENT),
    (0x0010, JamAttribute.FILEATTACH),
    (0x0020, JamAttribute.INTRANSIT),
    (0x0040, JamAttribute.ORPHAN),
    (0x0080, JamAttribute.KILLSENT),
    (0x0100, JamAttribute.LOCAL),
    (0x0200, JamAttribute.HOLD),
    (0x0800, JamAttribute.FILEREQUEST),
    (0x1000, JamAttribute.RECEIPTREQ),
)
"""FTS-0001 attribute bits and theirs in JAM; IsReturnReceipt, AuditRequest and FileUpdateReq have none."""
_FLAG_WORDS = {
    b"IMM": JamAttribute.IMMEDIATE,
    b"DIR": JamAttribute.DIRECT,
    b"ZON": JamAttribute.GATE,
    b"TFS": JamAttribute.TRUNCFILE,
    b"KFS": JamAttribute.KILLFILE,
    b"CFM": JamAttribute.CONFIRMREQ,
}
"""FLAGS words (FSC-0053) that have a bit and may come from outside; A/S, K/S, LOK, RCV and SNT may not."""
_ECHO = int(JamAttribute.TYPEECHO)
_NET = int(JamAttribute.TYPENET)


class JamRecord(Struct):
    """All of a JAM message that does not depend on where in the base it stands.

    Attributes:
        subfields: the subfields as they stand in ``.jhr``.
        text: the text as it stands in ``.jdt``.
        user_crc: CRC of the addressee's name, for the index.
        msgid_crc: CRC of the MSGID value or `NONE`.
        reply_crc: CRC of the REPLY value or `NONE`.
        written: JAM time on the author's clock, ``None`` to be replaced by that of arrival.
        attribute: `JamAttribute` bits.
    """

    subfields: bytes
    text: bytes
    user_crc: int
    msgid_crc: int
    reply_crc: int
    written: int | None
    attribute: int

    def header(self, number: int, text_offset: int, processed: int) -> bytes:
        """Write the message header for a place in a base.

        Args:
            number: message number.
            text_offset: offset of the text in ``.jdt``.
            processed: JAM time of arrival.
        """
        return build_stored_header(
            len(self.subfields), self.msgid_crc, self.reply_crc,
            processed if self.written is None else self.written, processed,
            number, self.attribute, text_offset, len(self.text),
        )  # fmt: skip


def build_record(message: BaseMessage) -> JamRecord:
    """Make the JAM record of a message.

    Subfields stand in the order SENDERNAME, RECEIVERNAME, SUBJECT, OADDRESS, DADDRESS, MSGID, REPLYID, PID, FTSKLUDGE
    …, FLAGS, TZUTCINFO, SEENBY2D …, PATH2D …, TRACE …. A second MSGID, REPLY or PID is kept as FTSKLUDGE.
    """
    to = _cut(message.to)
    fields = [
        build_subfield(_SENDER, _cut(message.sender)),
        build_subfield(_RECEIVER, to),
        build_subfield(_SUBJECT, _cut(message.subject)),
    ]
    if message.origin is not None:
        fields.append(_address_field(_FROM_ADDRESS, message.origin))
    if message.dest is not None:
        fields.append(_address_field(_TO_ADDRESS, message.dest))
    msgid, reply, pid, other, flags, zone, via = _kludge_groups(message.kludges)
    trail = (_line_fields(_SEEN_BY, message.seen_by), _line_fields(_PATH, message.path))
    fields += (*msgid, *reply, *pid, *other, *flags, *zone, *trail, *via)
    body = message.body
    return JamRecord(
        subfields=b"".join(fields),
        text=body.replace(b"\n", b"") if b"\n" in body else body,
        user_crc=jam_crc(to),
        msgid_crc=jam_crc(msgid[0][_SUBFIELD_HEAD:]) if msgid else NONE,
        reply_crc=jam_crc(reply[0][_SUBFIELD_HEAD:]) if reply else NONE,
        written=_jam_time(message.written),
        attribute=_attribute(message, flags),
    )


def read_message(header: MessageHeader, subfields: Sequence[Subfield], text: bytes, arrived: int) -> BaseMessage:
    """Make a message of what a base holds; the control lines come in the order in which they are exported.

    Args:
        header: the message header.
        subfields: its subfields in the order of storage.
        text: its text.
        arrived: DateProcessed as Unix time; the conversion from the local clock is the caller's.
    """
    values: dict[int, list[bytes]] = {}
    for identifier, data in subfields:
        values.setdefault(identifier, []).append(data)
    kludges = [prefix + data for identifier, prefix in _LINES for data in values.get(identifier, ())]
    attribute = header.attribute
    if attribute & JamAttribute.ESCAPED:
        text = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), text)
    return BaseMessage(
        kind=MessageKind.NETMAIL if attribute & _NET else MessageKind.ECHO,
        sender=_first(values, SubfieldId.SENDERNAME),
        to=_first(values, SubfieldId.RECEIVERNAME),
        subject=_subject(values),
        kludges=kludges,
        body=text,
        seen_by=values.get(SubfieldId.SEENBY2D, []),
        path=values.get(SubfieldId.PATH2D, []),
        origin=_address(values, SubfieldId.OADDRESS),
        dest=_address(values, SubfieldId.DADDRESS),
        written=datetime.fromtimestamp(header.written, UTC).replace(tzinfo=None) if header.written else None,
        arrived=arrived,
        attributes=sum(fts for fts, jam in _ATTRIBUTES if attribute & jam),
        in_transit=bool(attribute & JamAttribute.INTRANSIT),
    )


def kludge_subfields(kludges: Sequence[bytes]) -> list[Subfield]:
    """Make the subfields of control lines that a message did not have before."""
    return parse_subfields(b"".join(field for group in _kludge_groups(kludges) for field in group))


def _kludge_groups(kludges: Sequence[bytes]) -> tuple[list[bytes], ...]:
    """Sort control lines into the groups of `_LINES`, each as a whole subfield."""
    groups: tuple[list[bytes], ...] = ([], [], [], [], [], [], [])
    for kludge in kludges:
        identifier = _ID_PREFIXES.get(kludge[:_ID_PREFIX_LENGTH])
        if identifier is not None:
            group, field = _GROUP[identifier], build_subfield(identifier, kludge[_ID_PREFIX_LENGTH:].strip())
        elif len(kludge) > _CACHED_LENGTH:
            group, field = _kludge_field(kludge)
        else:
            group, field = _cached_kludge_field(kludge)
        if group < _OTHER and groups[group]:
            group, field = _OTHER, build_subfield(_FTSKLUDGE, kludge)
        groups[group].append(field)
    return groups


def _kludge_field(kludge: bytes) -> tuple[int, bytes]:
    """Group and subfield of one control line; an empty field for a line that is never stored."""
    match = _KLUDGE.match(kludge)
    if match is not None:
        tag, value = match[1].upper(), match[2].strip()
        if tag in _NEVER_STORED:
            return _OTHER, b""
        identifier = _SUBFIELD_OF_TAG.get(tag)
        if identifier is not None and (identifier != SubfieldId.TZUTCINFO or _TZUTC_VALUE.fullmatch(value)):
            return _GROUP[identifier], build_subfield(identifier, value)
    return _OTHER, build_subfield(_FTSKLUDGE, kludge)


_cached_kludge_field = lru_cache(maxsize=4096)(_kludge_field)


def _line_fields(identifier: int, lines: Sequence[bytes]) -> bytes:
    """Subfields of all SEEN-BY or PATH lines; the messages of an area share most of them."""
    if sum(map(len, lines)) > _CACHED_LINES_LENGTH:
        return b"".join([build_subfield(identifier, line.strip()) for line in lines])
    return _cached_line_fields(identifier, tuple(lines))


@lru_cache(maxsize=2048)
def _cached_line_fields(identifier: int, lines: tuple[bytes, ...]) -> bytes:
    return b"".join([build_subfield(identifier, line.strip()) for line in lines])


@lru_cache(maxsize=4096)
def _address_field(identifier: int, address: Address) -> bytes:
    return build_subfield(identifier, str(address).encode("ascii"))


def _cut(name: bytes) -> bytes:
    """Shorten a name to what JAM allows, at a character's start where it is UTF-8."""
    if len(name) <= _NAME_LIMIT:
        return name
    for end in range(_NAME_LIMIT, _NAME_LIMIT - 4, -1):
        if name[end] & 0xC0 != 0x80:  # noqa: PLR2004 - continuation bytes are 10xxxxxx, three at most
            return name[:end]
    return name[:_NAME_LIMIT]


def _jam_time(written: datetime | None) -> int | None:
    """Seconds from 1970 to a wall clock reading, ``None`` where JAM cannot hold them."""
    if written is None:
        return None
    since = written - _EPOCH
    seconds = since.days * 86400 + since.seconds
    return seconds if 0 < seconds < NONE else None


def _attribute(message: BaseMessage, flags: Sequence[bytes]) -> int:
    if message.kind is MessageKind.ECHO and not message.attributes and not message.in_transit:
        return _ECHO  # as it is for nearly all
    if message.kind is MessageKind.ECHO:
        attribute, words = _ECHO, []
    else:
        attribute, words = _NET, b" ".join([field[_SUBFIELD_HEAD:] for field in flags]).upper().split()
    if message.in_transit:
        attribute |= JamAttribute.INTRANSIT
    if message.attributes:
        attribute |= sum(jam for fts, jam in _ATTRIBUTES if message.attributes & fts)
    for word in words:
        attribute |= _FLAG_WORDS.get(word, 0)
    return int(attribute)


def _first(values: dict[int, list[bytes]], identifier: SubfieldId) -> bytes:
    return values[identifier][0] if identifier in values else b""


def _subject(values: dict[int, list[bytes]]) -> bytes:
    """The subject, or the file names that JAM-001 puts in its place; a password behind a NUL is left out."""
    if SubfieldId.SUBJECT in values:
        return values[SubfieldId.SUBJECT][0]
    enclosed = (SubfieldId.ENCLOSEDFILE, SubfieldId.ENCLOSEDFREQ)
    return b" ".join(name.partition(b"\0")[0] for identifier in enclosed for name in values.get(identifier, ()))


def _address(values: dict[int, list[bytes]], identifier: SubfieldId) -> Address | None:
    for data in values.get(identifier, ()):
        try:
            return Address.parse(data.decode("ascii", "replace"))
        except AddressError:
            continue
    return None
