"""One message as it stands in a packet (FTS-0001.016, "packed message"): fourteen bytes of numbers, then strings.

The text is not looked into; `tosser.codec.message` does that. Over-long names and subjects are cut, and dates that are
strings of another length than 20 bytes are read. Refused with `PacketError`: a date without an end, a name or subject
without an end within four times its legal length, a text over the limit, and data that ends within the message.
"""

from __future__ import annotations

import struct

from msgspec import Struct

from tosser.errors import PacketError
from tosser.reason import Reason

MESSAGE_TYPE = 2
"""The word every packed message begins with."""
NAME_LENGTH = 35
"""Longest To and From in bytes, without the NUL."""
SUBJECT_LENGTH = 71
"""Longest subject in bytes, without the NUL."""
DATE_LENGTH = 19
"""Longest date in bytes, without the NUL."""
_FIELDS = 5
"""Strings in a packed message, each with its NUL: date, To, From, subject, text."""
_TOLERANCE = 4
"""A name or subject may be this many times as long as FTS-0001 allows before it is refused."""
_CONTINUATION = range(0x80, 0xC0)
"""Bytes that continue a code point in UTF-8."""

_HEAD = struct.Struct("<7H")
MESSAGE_HEAD_SIZE = _HEAD.size
"""Bytes of what `build_message_head` writes."""
_FIXED = struct.Struct("<7H19sB")
_SMALLEST = _FIXED.size + 4
"""Bytes of a message with a date field of 20 bytes, and NUL for everything else."""


class PackedMessage(Struct):
    """A packed message; numbers have 16 bits, strings are bytes in the charset of their author.

    Attributes:
        offset: where it begins, in bytes from the start of its packet; 0 when it was not read from one.
        orig_node: node of the system that sent it on, which need not be its author's.
        dest_node: node of the system it is sent to.
        orig_net: net of the system that sent it on.
        dest_net: net of the system it is sent to.
        attributes: attribute word.
        cost: of no use today.
        date: up to the first NUL, at most 19 bytes.
        to: at most 35 bytes.
        sender: at most 35 bytes.
        subject: at most 71 bytes.
        text: kludges, body and transport lines, without the NUL.
        truncated_fields: whether a name or the subject was longer and has been cut.
    """

    offset: int
    orig_node: int
    dest_node: int
    orig_net: int
    dest_net: int
    attributes: int
    cost: int
    date: bytes
    to: bytes
    sender: bytes
    subject: bytes
    text: bytes
    truncated_fields: bool = False


def cut_field(raw: bytes, length: int) -> bytes:
    """Cut a name or subject to at most ``length`` bytes; never inside a code point if ``raw`` is UTF-8."""
    if len(raw) <= length:
        return raw
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw[:length]
    end = length
    while raw[end] in _CONTINUATION:
        end -= 1
    return raw[:end]


def build_message_head(numbers: tuple[int, int, int, int], attributes: int = 0, cost: int = 0) -> bytes:
    """Write the first 14 bytes of a packed message, which differ from link to link.

    Args:
        numbers: origin node, destination node, origin net, destination net: the order of the wire.
        attributes: attribute word.
        cost: cost word.

    Raises:
        ValueError: a number has more than 16 bits.
    """
    try:
        return _HEAD.pack(MESSAGE_TYPE, *numbers, attributes, cost)
    except struct.error as error:
        raise ValueError(f"{numbers}, {attributes}, {cost}: a number has more than 16 bits") from error


def build_message_tail(*, date: bytes, to: bytes, sender: bytes, subject: bytes, text: bytes) -> bytes:
    """Write what follows the first 14 bytes of a packed message; names and subject are cut to their legal length.

    A short date is filled up with blanks. Some programs read 20 bytes, others up to the first NUL (crashmail): with
    more than one NUL the latter take a part of the date for the next field, and lose the rest of the packet.

    Raises:
        ValueError: a field has a NUL in it, or the date has more than 19 bytes.
    """
    to, sender, subject = cut_field(to, NAME_LENGTH), cut_field(sender, NAME_LENGTH), cut_field(subject, SUBJECT_LENGTH)
    tail = b"".join((date.ljust(DATE_LENGTH), b"\0", to, b"\0", sender, b"\0", subject, b"\0", text, b"\0"))
    if len(date) > DATE_LENGTH or tail.count(0) != _FIELDS:
        raise ValueError("a field of a packed message has a NUL in it, or the date is longer than 19 bytes")
    return tail


def forward_tail(message: PackedMessage, own: bytes, trailer: bytes) -> bytes:
    """Write what `build_message_tail` writes for a message as it was read, whose fields fit and have no NUL.

    Args:
        message: the message.
        own: the text up to its transport lines.
        trailer: these.
    """
    date = message.date.ljust(DATE_LENGTH)
    return b"".join(
        (date, b"\0", message.to, b"\0", message.sender, b"\0", message.subject, b"\0", own, trailer, b"\0")
    )


def build_packed_message(message: PackedMessage) -> bytes:
    """Write one message as it stands in a packet.

    Raises:
        ValueError: as `build_message_head` and `build_message_tail`.
    """
    numbers = (message.orig_node, message.dest_node, message.orig_net, message.dest_net)
    return build_message_head(numbers, message.attributes, message.cost) + build_message_tail(
        date=message.date, to=message.to, sender=message.sender, subject=message.subject, text=message.text
    )


def decode_usual(data: bytes, position: int, base: int, longest: int, found: list[PackedMessage]) -> int:
    """Append messages to ``found`` while they are whole and as FTS-0001 wants them; returns where the rest begins.

    This is the hot path: whatever is in any way odd is left to `MessageDecoder`.

    Args:
        data: part of a packet.
        position: where in it a message may begin.
        base: offset of ``data`` in the packet.
        longest: limit on the bytes of a text.
        found: receives the messages.
    """
    unpack, find, append = _FIXED.unpack_from, data.find, found.append
    last = len(data) - _SMALLEST
    while position <= last:
        word, orig_node, dest_node, orig_net, dest_net, attributes, cost, date, nul = unpack(data, position)
        to = position + 34
        sender = find(b"\0", to) + 1
        subject = find(b"\0", sender) + 1
        text = find(b"\0", subject) + 1
        end = find(b"\0", text)
        if not (
            word == MESSAGE_TYPE
            and nul == 0
            and 0 < sender - to <= NAME_LENGTH + 1
            and 0 < subject - sender <= NAME_LENGTH + 1
            and 0 < text - subject <= SUBJECT_LENGTH + 1
            and 0 <= end - text <= longest
        ):
            break
        if b"\0" in date:
            date = date[: date.find(b"\0")]
        numbers = (base + position, orig_node, dest_node, orig_net, dest_net, attributes, cost)
        strings = (data[to : sender - 1], data[sender : subject - 1], data[subject : text - 1], data[text:end])
        append(PackedMessage(*numbers, date, *strings))
        position = end + 1
    return position


def skip_usual(data: bytes, position: int) -> int:
    """Find the end of the messages that are whole and as FTS-0001 wants them, without taking them apart.

    Args:
        data: a packet from its beginning.
        position: where in it the first message begins.

    Returns:
        Where the first of them that is not so begins, or whatever else follows.
    """
    find, last = data.find, len(data) - _SMALLEST
    name, subject = NAME_LENGTH + 1, SUBJECT_LENGTH + 1
    while position <= last and data[position] == MESSAGE_TYPE and not data[position + 1] | data[position + 33]:
        to = position + 34
        found = find(b"\0", to, to + name) + 1
        found = found and find(b"\0", found, found + name) + 1
        found = found and find(b"\0", found, found + subject) + 1
        found = found and find(b"\0", found) + 1
        if not found:
            break
        position = found
    return position


class MessageDecoder:
    """Decodes one message with care, field by field.

    Attributes:
        text_at: where in the data its text begins; 0 until the fields before it have been read.
        short_date: whether the date is a string of another length than the 20 bytes of its field.
    """

    def __init__(self, data: bytes, position: int, base: int, longest: int, *, final: bool) -> None:
        """``final`` says that the packet ends with ``data``; the rest is as in `decode_usual`."""
        self.text_at = 0
        self.short_date = False
        self._cut = False
        self._data = data
        self._position = position
        self._base = base
        self._longest = longest
        self._final = final
        self._at = position + _HEAD.size

    def decode(self) -> tuple[PackedMessage, int]:
        """Return the message and where in the data it ends.

        Raises:
            PacketError: ``TRUNCATED`` where the data ends within it, ``DAMAGED`` where the date has no end,
                ``FIELD_TOO_LONG``, ``TEXT_TOO_LONG``.
        """
        date = self._date()
        _, orig_node, dest_node, orig_net, dest_net, attributes, cost = _HEAD.unpack_from(self._data, self._position)
        message = PackedMessage(
            offset=self._base + self._position,
            orig_node=orig_node,
            dest_node=dest_node,
            orig_net=orig_net,
            dest_net=dest_net,
            attributes=attributes,
            cost=cost,
            date=date,
            to=self._name(NAME_LENGTH),
            sender=self._name(NAME_LENGTH),
            subject=self._name(SUBJECT_LENGTH),
            text=self._text(),
        )
        message.truncated_fields = self._cut
        return message, self._at

    def _date(self) -> bytes:
        """Twenty bytes that end in NUL, or else a string within twenty bytes."""
        raw = self._data[self._at : self._at + DATE_LENGTH + 1]
        whole = len(raw) > DATE_LENGTH
        date, nul, _ = raw.partition(b"\0")
        if whole and raw[-1] == 0:
            self._at += len(raw)
            return date
        if not whole and not (nul and self._final):
            raise self._truncated()
        if not nul:
            raise PacketError("the date of a message has no end", self._base + self._at, Reason.DAMAGED)
        self.short_date = True
        self._at += len(date) + 1
        return date

    def _name(self, length: int) -> bytes:
        room = _TOLERANCE * (length + 1)
        start = self._at
        end = self._data.find(b"\0", start, start + room)
        if end < 0:
            if len(self._data) - start < room:
                raise self._truncated()
            what = f"a name or subject has no end within {room} bytes"
            raise PacketError(what, self._base + start, Reason.FIELD_TOO_LONG)
        self._at = end + 1
        self._cut = self._cut or end - start > length
        return cut_field(self._data[start:end], length)

    def _text(self) -> bytes:
        start = self.text_at = self._at
        end = self._data.find(b"\0", start)
        check_text(start, end if end >= 0 else len(self._data), self._base, self._longest)
        if end < 0:
            raise self._truncated()
        self._at = end + 1
        return self._data[start:end]

    def _truncated(self) -> PacketError:
        return truncated(self._base + self._position)


def check_text(start: int, end: int, base: int, longest: int) -> None:
    """Refuse a text from ``start`` to ``end`` that is longer than ``longest``; raises `PacketError`."""
    if end - start > longest:
        raise PacketError(f"a message text is longer than {longest} bytes", base + start, Reason.TEXT_TOO_LONG)


def truncated(offset: int) -> PacketError:
    """The error for a packet that ends within the message at ``offset``."""
    return PacketError("the packet ends inside the message", offset, Reason.TRUNCATED)
