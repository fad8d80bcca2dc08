"""Records of a JAM message base (JAM-001 revision 1): fixed header, message header, subfields, index, CRC.

All integers are unsigned 32-bit little-endian unless stated. Times are JAM times: seconds since 1970 of the *local*
clock, taken as if it were UTC. Refused with `JamError`: a record without the signature ``JAM`` NUL, or shorter than
it must be.
"""

from __future__ import annotations

import struct
from binascii import crc32
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from tosser.errors import JamError

if TYPE_CHECKING:
    from collections.abc import Iterable

SIGNATURE = b"JAM\0"
NONE = 0xFFFFFFFF
"""A CRC field that stands for nothing; also both words of the index record of a deleted message."""
FIXED_HEADER_LENGTH = 1024
MESSAGE_HEADER_LENGTH = 76
INDEX_RECORD_LENGTH = 8
COUNTERS_OFFSET = 8
"""Offset in ``.jhr`` of ModCounter and ActiveMsgs, the eight bytes that `build_counters` makes."""
DELETED_INDEX_RECORD = b"\xff" * INDEX_RECORD_LENGTH

_FIELD = struct.Struct("<I")
_FIXED = struct.Struct("<4s6I")
_COUNTERS = struct.Struct("<2I")
_MESSAGE = struct.Struct("<4s2H17I")
_SUBFIELD = struct.Struct("<2I")  # LoID and HiID together make one little-endian identifier; then the length
_INDEX = struct.Struct("<2I")
_REVISION = 1
_HIGHEST_ID = 0xFFFF


class HeaderField(IntEnum):
    """Offsets within a message header of the 32-bit fields that are changed after it was written."""

    SUBFIELD_LENGTH = 8
    MSGID_CRC = 16
    REPLY_CRC = 20
    REPLY_TO = 24
    REPLY_FIRST = 28
    REPLY_NEXT = 32
    NUMBER = 48
    ATTRIBUTE = 52
    TEXT_OFFSET = 60
    TEXT_LENGTH = 64


class SubfieldId(IntEnum):
    """Identifiers of subfields; numbers not listed occur and are kept."""

    OADDRESS = 0
    DADDRESS = 1
    SENDERNAME = 2
    RECEIVERNAME = 3
    MSGID = 4
    REPLYID = 5
    SUBJECT = 6
    PID = 7
    TRACE = 8
    ENCLOSEDFILE = 9
    ENCLOSEDFILEWALIAS = 10
    ENCLOSEDFREQ = 11
    ENCLOSEDFILEWCARD = 12
    ENCLOSEDINDIRECTFILE = 13
    FTSKLUDGE = 2000
    SEENBY2D = 2001
    PATH2D = 2002
    FLAGS = 2003
    TZUTCINFO = 2004


class JamAttribute(IntFlag):
    """Bits of the Attribute word of a message header."""

    LOCAL = 0x00000001
    INTRANSIT = 0x00000002
    PRIVATE = 0x00000004
    READ = 0x00000008
    SENT = 0x00000010
    KILLSENT = 0x00000020
    ARCHIVESENT = 0x00000040
    HOLD = 0x00000080
    CRASH = 0x00000100
    IMMEDIATE = 0x00000200
    DIRECT = 0x00000400
    GATE = 0x00000800
    FILEREQUEST = 0x00001000
    FILEATTACH = 0x00002000
    TRUNCFILE = 0x00004000
    KILLFILE = 0x00008000
    RECEIPTREQ = 0x00010000
    CONFIRMREQ = 0x00020000
    ORPHAN = 0x00040000
    ENCRYPT = 0x00080000
    COMPRESS = 0x00100000
    ESCAPED = 0x00200000
    FPU = 0x00400000
    TYPELOCAL = 0x00800000
    TYPEECHO = 0x01000000
    TYPENET = 0x02000000
    NODISP = 0x20000000
    LOCKED = 0x40000000
    DELETED = 0x80000000


class FixedHeader(Struct, frozen=True):
    """The first 1024 bytes of ``.jhr``.

    Attributes:
        created: JAM time of creation.
        mod_counter: goes up with each change of the base, and wraps.
        active: messages that are not deleted, as programs have counted them.
        password_crc: CRC of the base's password, `NONE` for none.
        base_number: number of the message of the first index record.
        highwater: number of the last message that was scanned for export (a custom of smapi and GoldED, not of
            JAM-001).
    """

    created: int
    mod_counter: int = 0
    active: int = 0
    password_crc: int = NONE
    base_number: int = 1
    highwater: int = 0


def parse_fixed_header(data: bytes) -> FixedHeader:
    """Read the fixed header from the first bytes of ``.jhr`` (at least 28 of the 1024).

    Raises:
        JamError: too short, or without the signature.
    """
    if len(data) < _FIXED.size:
        raise JamError("a JAM base header is cut", len(data))
    signature, *fields = _FIXED.unpack_from(data)
    if signature != SIGNATURE:
        raise JamError("a JAM base header has no signature", 0)
    return FixedHeader(*fields)


def build_fixed_header(header: FixedHeader) -> bytes:
    """Write the fixed header, all 1024 bytes of it."""
    fields = (header.created, header.mod_counter, header.active, header.password_crc, header.base_number)
    return _FIXED.pack(SIGNATURE, *fields, header.highwater).ljust(FIXED_HEADER_LENGTH, b"\0")


def build_counters(mod_counter: int, active: int) -> bytes:
    """Write the two fields that each change of a base changes, to stand at `COUNTERS_OFFSET`; both wrap at 32 bits."""
    return _COUNTERS.pack(mod_counter & NONE, active & NONE)


class MessageHeader(Struct):
    """The 76 bytes before the subfields of a message.

    Attributes:
        subfield_length: bytes of all subfields together.
        times_read: how often it was read.
        msgid_crc: CRC of the MSGID value, `NONE` without one.
        reply_crc: CRC of the REPLY value, `NONE` without one.
        reply_to: number of the message this one answers, 0 for none.
        reply_first: number of the first answer to this one.
        reply_next: number of the next answer to the same message.
        written: JAM time on the author's clock.
        received: JAM time at which the addressee read it, 0 for not yet.
        processed: JAM time at which it was tossed or scanned, 0 for not yet.
        number: message number; where it disagrees with the position in the index, the index is right.
        attribute: `JamAttribute` bits, a plain integer.
        attribute2: reserved, 0.
        text_offset: offset of the text in ``.jdt``.
        text_length: bytes of text.
        password_crc: CRC of the message's password, `NONE` for none.
        cost: cost of sending it.
    """

    subfield_length: int
    times_read: int = 0
    msgid_crc: int = NONE
    reply_crc: int = NONE
    reply_to: int = 0
    reply_first: int = 0
    reply_next: int = 0
    written: int = 0
    received: int = 0
    processed: int = 0
    number: int = 0
    attribute: int = 0
    attribute2: int = 0
    text_offset: int = 0
    text_length: int = 0
    password_crc: int = NONE
    cost: int = 0


def parse_message_header(data: bytes, offset: int = 0) -> MessageHeader:
    """Read a message header.

    Raises:
        JamError: it is cut, or has no signature.
    """
    if offset < 0 or len(data) - offset < MESSAGE_HEADER_LENGTH:
        raise JamError("a JAM message header is cut", offset)
    signature, _revision, _reserved, *fields = _MESSAGE.unpack_from(data, offset)
    if signature != SIGNATURE:
        raise JamError("a JAM message header has no signature", offset)
    return MessageHeader(*fields)


def build_message_header(header: MessageHeader) -> bytes:
    """Write a message header, 76 bytes."""
    return _MESSAGE.pack(
        SIGNATURE,
        _REVISION,
        0,
        header.subfield_length,
        header.times_read,
        header.msgid_crc,
        header.reply_crc,
        header.reply_to,
        header.reply_first,
        header.reply_next,
        header.written,
        header.received,
        header.processed,
        header.number,
        header.attribute,
        header.attribute2,
        header.text_offset,
        header.text_length,
        header.password_crc,
        header.cost,
    )


def build_field(value: int) -> bytes:
    """Write one 32-bit field, to stand at a `HeaderField`."""
    return _FIELD.pack(value)


def build_stored_header(  # noqa: PLR0917 - names would cost a tenth of what it takes
    subfield_length: int, msgid_crc: int, reply_crc: int, written: int, processed: int,
    number: int, attribute: int, text_offset: int, text_length: int,
) -> bytes:  # fmt: skip
    """Write the header of a message that is stored for the first time: the fields not named are as in `MessageHeader`.

    A message costs a third of what it does through `build_message_header`.
    """
    return _MESSAGE.pack(
        SIGNATURE, _REVISION, 0, subfield_length, 0, msgid_crc, reply_crc, 0, 0, 0, written, 0, processed,
        number, attribute, 0, text_offset, text_length, NONE, 0,
    )  # fmt: skip


class Subfield(NamedTuple):
    """One subfield: LoID, 16 bits, and data without terminator."""

    id: int
    data: bytes


def parse_subfields(data: bytes) -> list[Subfield]:
    """Read subfields up to the end of the data, or to the first that cannot be one.

    That is one that would reach beyond the data, or one with a HiID, of which JAM-001 has none: 64-bit builds of
    jamlib state the length of all subfields too large, so that the next header follows where another should begin.
    """
    fields: list[Subfield] = []
    at = 0
    while at + _SUBFIELD.size <= len(data):
        identifier, length = _SUBFIELD.unpack_from(data, at)
        at += _SUBFIELD.size
        if at + length > len(data) or identifier > _HIGHEST_ID:
            break
        fields.append(Subfield(identifier, data[at : at + length]))
        at += length
    return fields


def find_subfield(data: bytes, identifier: int) -> bytes:
    """Give the data of the first subfield of a kind, by the rules of `parse_subfields`; empty where there is none."""
    at = 0
    while at + _SUBFIELD.size <= len(data):
        found, length = _SUBFIELD.unpack_from(data, at)
        at += _SUBFIELD.size
        if found == identifier or at + length > len(data) or found > _HIGHEST_ID:
            return data[at : at + length] if found == identifier and at + length <= len(data) else b""
        at += length
    return b""


def build_subfield(identifier: int, data: bytes) -> bytes:
    """Write one subfield."""
    return _SUBFIELD.pack(identifier, len(data)) + data


def subfields_length(fields: Iterable[Subfield]) -> int:
    """How many bytes subfields take up in ``.jhr``."""
    return sum(_SUBFIELD.size + len(data) for _, data in fields)


def build_subfields(fields: Iterable[Subfield]) -> bytes:
    """Write subfields one behind the other."""
    return b"".join([build_subfield(identifier, data) for identifier, data in fields])


class IndexRecord(NamedTuple):
    """One record of ``.jdx``.

    Attributes:
        user_crc: CRC of the addressee's name; GoldED deletes a message by setting it to `NONE`.
        header_offset: offset of the message header in ``.jhr``; `NONE` as well when there is no message any more.
    """

    user_crc: int
    header_offset: int


def parse_index(data: bytes) -> list[IndexRecord]:
    """Read index records.

    Raises:
        JamError: the length is not a multiple of eight.
    """
    if len(data) % INDEX_RECORD_LENGTH:
        raise JamError("a JAM index does not end at the end of a record", len(data))
    return [IndexRecord(*fields) for fields in _INDEX.iter_unpack(data)]


def build_index_record(user_crc: int, header_offset: int) -> bytes:
    """Write one index record, 8 bytes."""
    return _INDEX.pack(user_crc, header_offset)


def jam_crc(text: bytes) -> int:
    """CRC-32 of a name or MSGID value: ASCII letters in lower case, no inversion at the end (JAM-001, "CRC")."""
    return crc32(text.lower()) ^ NONE
