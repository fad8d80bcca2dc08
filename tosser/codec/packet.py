"""Packets (``*.pkt``): a header, packed messages, and a zero word (FTS-0001.016 with the extensions of its header).

A packet is read piece by piece by `PacketReader`, or in one go by `parse_packet`; both accept and refuse the same
bytes. Tolerated, each with a warning: a missing or halved terminator after a whole message, over-long names and
subjects, dates of another length than 20 bytes, a capability word whose copy differs, bytes after the terminator.
Refused with `PacketError`, and then as a whole: a packet that ends inside a message, anything but a message or the
terminator where one of them must stand, and a second packet after the first.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.codec.packed_message import (
    MESSAGE_TYPE,
    MessageDecoder,
    PackedMessage,
    build_packed_message,
    check_text,
    cut_field,
    decode_usual,
    truncated,
)
from tosser.codec.packet_header import (
    HEADER_SIZE,
    PacketHeader,
    PacketType,
    build_packet_header,
    capability_mismatch,
    looks_like_header,
    parse_packet_header,
)
from tosser.errors import PacketError
from tosser.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DEFAULT_LIMITS",
    "HEADER_SIZE",
    "TERMINATOR",
    "PackedMessage",
    "Packet",
    "PacketHeader",
    "PacketLimits",
    "PacketReader",
    "PacketType",
    "PacketWarning",
    "Tolerated",
    "build_packed_message",
    "build_packet",
    "build_packet_header",
    "cut_field",
    "parse_packet",
    "parse_packet_header",
]

TERMINATOR = b"\0\0"
_PADDING = b"\0\x1a"
"""What old file systems and transfer protocols fill a file up with."""


class Tolerated(StrEnum):
    """What was wrong with a packet that was read all the same."""

    NO_TERMINATOR = "no-terminator"
    """It ends after a whole message, or after its header."""
    HALF_TERMINATOR = "half-terminator"
    """It ends with one NUL in place of two."""
    TRAILING_JUNK = "trailing-junk"
    """More than padding follows its terminator."""
    OVERLONG_FIELD = "overlong-field"
    """A name or subject was cut."""
    CAPABILITY_MISMATCH = "capability-mismatch"
    """The two copies of its capability word differ, so that it was read as type 2."""
    SHORT_DATE = "short-date"
    """A date is a string in place of a field of 20 bytes."""


class PacketWarning(Struct, frozen=True):
    """One thing that was tolerated.

    Attributes:
        code: one of `Tolerated`.
        offset: where, in bytes from the start of the packet.
        text: the sentence for people, without full stop.
    """

    code: str
    offset: int
    text: str


class PacketLimits(Struct, frozen=True):
    """Bounds on what a packet may contain.

    Attributes:
        text: longest message text in bytes, without the NUL.
        warnings: how many warnings about single messages are kept; further ones are dropped.
    """

    text: int = 4 * 1024 * 1024
    warnings: int = 100


DEFAULT_LIMITS = PacketLimits()


class Packet(Struct):
    """A whole packet.

    Attributes:
        header: what it says about itself.
        messages: in the order of the packet.
        warnings: what was tolerated, in the order it was met.
        trailing: number of bytes after the terminator if they are more than padding (00 and 1A), else 0.
    """

    header: PacketHeader
    messages: list[PackedMessage]
    warnings: list[PacketWarning]
    trailing: int


class PacketReader:
    """Reads a packet that arrives in pieces, holding no more than one unfinished message and the newest piece.

    Feed it the bytes in their order, then call `finish`. A reader that raised is spent.

    Attributes:
        header: once its 58 bytes have arrived.
        warnings: what was tolerated so far.
        decoded: the messages of the latest call; if that raised, those that stand whole before the damage.
    """

    def __init__(self, limits: PacketLimits = DEFAULT_LIMITS) -> None:
        self.header: PacketHeader | None = None
        self.warnings: list[PacketWarning] = []
        self.decoded: list[PackedMessage] = []
        self._limits = limits
        self._held = bytearray()
        self._base = 0
        self._text_at = 0
        self._searched = 0
        self._tail: _Tail | None = None

    @property
    def trailing(self) -> int:
        """Number of bytes after the terminator if they are more than padding (00 and 1A), else 0."""
        return self._tail.length if self._tail is not None and self._tail.junk else 0

    def feed(self, data: bytes) -> list[PackedMessage]:
        """Take the next piece and return the messages that it completes.

        Raises:
            PacketError: the packet is refused; ``offset`` counts from its start.
        """
        self.decoded = []
        if self._tail is not None:
            self._tail.feed(data)
            return self.decoded
        if self._held:
            self._held += data
            if self._inside_text():
                return self.decoded
            data = bytes(self._held)
        self._read(data)
        return self.decoded

    def finish(self) -> list[PackedMessage]:
        """Say that the packet has ended, and return messages that only its end completes.

        Raises:
            PacketError: it may not end here.
        """
        self.decoded = []
        if self._tail is None:
            self._read(bytes(self._held), final=True)
        if self._tail is None:
            self._judge_missing_terminator()
        elif self.trailing:
            text = f"{self.trailing} bytes follow the end of the packet"
            self.warnings.append(PacketWarning(Tolerated.TRAILING_JUNK, self._tail.offset, text))
        return self.decoded

    def _inside_text(self) -> bool:
        """Tell whether the message held does not end in what was added to it; no byte is searched twice."""
        if not self._text_at or self._held.find(b"\0", self._searched) >= 0:
            return False
        self._searched = len(self._held)
        check_text(self._text_at, self._searched, self._base, self._limits.text)
        return True

    def _read(self, data: bytes, *, final: bool = False) -> None:
        """Decode what is whole and hold the rest."""
        position = self._text_at = 0
        if self.header is None and (final or len(data) >= HEADER_SIZE):
            self.header = parse_packet_header(data)
            position = HEADER_SIZE
            if capability_mismatch(data):
                text = "the capability word and its copy differ; read as type 2"
                self.warnings.append(PacketWarning(Tolerated.CAPABILITY_MISMATCH, 40, text))
        if self.header is not None:
            position = self._read_messages(data, position, final=final)
        self._held = bytearray(data[position:])
        self._base += position

    def _read_messages(self, data: bytes, position: int, *, final: bool) -> int:
        """Decode messages and the terminator; returns where the rest begins."""
        while True:
            position = decode_usual(data, position, self._base, self._limits.text, self.decoded)
            word = data[position : position + len(TERMINATOR)]
            if len(word) < len(TERMINATOR):
                return position
            if word == TERMINATOR:
                position += len(TERMINATOR)
                self._tail = _Tail(self._base + position)
                self._tail.feed(data[position:])
                return len(data)
            if int.from_bytes(word, "little") != MESSAGE_TYPE:
                raise _damaged(word, self._base + position)
            end = self._read_unusual(data, position, final=final)
            if end is None:
                return position
            position = end

    def _read_unusual(self, data: bytes, position: int, *, final: bool) -> int | None:
        """Decode one message with care; returns where it ends, or ``None`` when more of it must arrive first."""
        decoder = MessageDecoder(data, position, self._base, self._limits.text, final=final)
        try:
            message, end = decoder.decode()
        except PacketError as error:
            if final or error.reason is not Reason.TRUNCATED:
                raise
            self._text_at = max(decoder.text_at - position, 0)
            self._searched = len(data) - position
            return None
        self.decoded.append(message)
        if decoder.short_date:
            self._warn(Tolerated.SHORT_DATE, message.offset, "the date is a string in place of a field of 20 bytes")
        if message.truncated_fields:
            self._warn(Tolerated.OVERLONG_FIELD, message.offset, "a name or the subject was too long and has been cut")
        return end

    def _judge_missing_terminator(self) -> None:
        """Accept nothing, or one NUL, where the terminator should be."""
        rest = bytes(self._held)
        if not rest:
            text = "the packet ends without a terminator"
            self.warnings.append(PacketWarning(Tolerated.NO_TERMINATOR, self._base, text))
        elif rest == b"\0":
            text = "the packet ends with half a terminator"
            self.warnings.append(PacketWarning(Tolerated.HALF_TERMINATOR, self._base, text))
        elif rest[0] == MESSAGE_TYPE:
            raise truncated(self._base)
        else:
            raise _damaged(rest, self._base)

    def _warn(self, code: Tolerated, offset: int, text: str) -> None:
        """Note a warning about one message, unless there are enough."""
        if len(self.warnings) < self._limits.warnings:
            self.warnings.append(PacketWarning(code, offset, text))


class _Tail:
    """What follows the terminator; only its first bytes are kept."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.length = 0
        self.junk = False
        self._head = b""

    def feed(self, data: bytes) -> None:
        """Take the next piece; raises `PacketError` ``CONCATENATED`` once it is clear that this is another packet."""
        self.length += len(data)
        self.junk = self.junk or bool(data.strip(_PADDING))
        if len(self._head) < HEADER_SIZE:
            self._head += data[: HEADER_SIZE - len(self._head)]
            if looks_like_header(self._head):
                raise PacketError("a second packet follows the first", self.offset, Reason.CONCATENATED)


def parse_packet(data: bytes, limits: PacketLimits = DEFAULT_LIMITS) -> Packet:
    """Read a packet that is in memory whole.

    Raises:
        PacketError: it is refused; ``reason`` and ``offset`` say why and where.
    """
    header = parse_packet_header(data)
    reader = PacketReader(limits)
    messages = reader.feed(data)
    messages += reader.finish()
    return Packet(header, messages, reader.warnings, reader.trailing)


def build_packet(header: PacketHeader, messages: Iterable[PackedMessage]) -> bytes:
    """Write a whole packet with its terminator.

    Raises:
        ValueError: something does not fit its field; see `build_packet_header` and `build_packed_message`.
    """
    return b"".join((build_packet_header(header), *map(build_packed_message, messages), TERMINATOR))


def _damaged(found: bytes, offset: int) -> PacketError:
    what = f"{found.hex(' ')} stands where a message or the end of the packet must begin"
    return PacketError(what, offset, Reason.DAMAGED)
