"""From claimed files to batches: unpack, parse every packet whole, split every message.

A packet becomes pieces only after all of it has parsed: small ones are parsed in memory, large ones are walked once to
their end and then read again in parts, so that memory stays bounded and nothing is ever half tossed.
"""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.codec.message import split_text
from tosser.codec.packet import HEADER_SIZE, PacketLimits, PacketReader, parse_packet, parse_packet_header
from tosser.errors import ArchiveError, InputError, PacketError
from tosser.inbound.trial import try_reading
from tosser.inbound.unpack import open_members
from tosser.inbound.work import printable
from tosser.reason import Reason
from tosser.rules.batch import Batch, FileEnd, FileIn, PacketSummary, Piece, Refusal
from tosser.rules.network import InboundClass
from tosser.rules.verdict import area_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tosser.codec.bundle import ArchiveType
    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage, PacketHeader
    from tosser.inbound.spool import ClaimedFile
    from tosser.inbound.unpack import ArchiveLimits, Archiver, Member
    from tosser.rules.decision import FileProgress, PieceDecision

CHUNK = 256 * 1024
IN_MEMORY = 8 * 1024 * 1024
"""Packets up to this many bytes are parsed in one go; larger ones are streamed."""
BATCH_BYTES = 8 * 1024 * 1024
"""A batch is also cut at so many bytes of text: taken apart and put together again they take several times as much."""


class ReadingLimits(Struct, frozen=True):
    """Bounds on what is read.

    Attributes:
        file: bytes of one inbound file.
        text: bytes of one message text.
        archive: bounds on archives.
    """

    file: int
    text: int
    archive: ArchiveLimits


class _OpenPacket(Struct, frozen=True):
    """A packet that has parsed to its end."""

    header: PacketHeader
    summary: PacketSummary
    messages: Callable[[], Iterator[PackedMessage]]


class Reader:
    """Reads claimed files.

    Args:
        limits: bounds; beyond them a file or member is refused.
        archivers: programs for the archive formats that are not read in process.
        batch_messages: where a batch is cut.
        lists: whether SEEN-BYs will be asked for, so that a process that reads in advance does well to read them.
    """

    def __init__(
        self,
        limits: ReadingLimits,
        archivers: Mapping[ArchiveType, Archiver],
        batch_messages: int,
        *,
        lists: bool = False,
    ) -> None:
        self.lists = lists
        self._limits = limits
        self._archivers = archivers
        self._packet_limits = PacketLimits(text=limits.text)
        self._batch_messages = batch_messages

    def batches(
        self, files: Sequence[ClaimedFile], progress: Mapping[str, FileProgress], first: int | None = None
    ) -> Iterator[Batch]:
        """Read files in order, cut into batches; a file may span several.

        Args:
            files: what to read.
            progress: of the files of which earlier batches had a part.
            first: where the first batch is cut, if earlier than others; each may be twice as long as the one before.

        Raises:
            InputError: a file cannot be read; what was yielded before stands.
        """
        most = first or self._batch_messages
        batch, messages, size = Batch(), 0, 0
        for file in files:
            for item in self._readable(file, progress.get(file.claim)):
                if isinstance(item, Piece):
                    batch.pieces.append(item)
                    messages += len(item.messages)
                    size += sum([len(message.text) for message, _ in item.messages])
                elif isinstance(item, Refusal):
                    batch.refusals.append(item)
                else:
                    batch.ends.append(item)
                if messages >= most or size >= BATCH_BYTES:
                    most = min(2 * most, self._batch_messages)
                    yield batch
                    batch, messages, size = Batch(), 0, 0
        if not batch.empty:
            yield batch

    def first_header(self, file: ClaimedFile) -> PacketHeader | None:
        """Read the header of the first packet in a file that has one; ``None`` when none has.

        Raises:
            InputError: the file cannot be read.
        """
        if file.size > self._limits.file:
            return None
        try:
            with open_members(file.path, file.name, self._limits.archive, self._programs(file)) as members:
                return next((header for member in members if (header := _header(member)) is not None), None)
        except ArchiveError:
            return None
        except OSError as error:
            raise InputError(file.claim, printable(str(file.path)), error.strerror or str(error)) from error

    def survives(self, file: ClaimedFile) -> bool:
        """Tell whether a process of its own can read the file to its end, within a bound of memory and time."""
        return try_reading(file, self._limits, self._archivers)

    def again(self, file: ClaimedFile, pieces: Sequence[PieceDecision]) -> list[Piece]:
        """Read exactly the pieces that were decided before.

        Raises:
            InputError: the file cannot be read, or no longer holds what was decided on.
        """
        try:
            with open_members(file.path, file.name, self._limits.archive, self._programs(file)) as members:
                return [self._piece_again(describe(file), members[decided.member], decided) for decided in pieces]
        except (IndexError, ArchiveError, PacketError) as error:
            what = f"it is not what was decided on: {error}"
            raise InputError(file.claim, printable(str(file.path)), what) from error
        except OSError as error:
            raise InputError(file.claim, printable(str(file.path)), error.strerror or str(error)) from error

    def _piece_again(self, file: FileIn, member: Member, decided: PieceDecision) -> Piece:
        packet, first, count = self._open_packet(member), decided.first, len(decided.verdicts)
        messages = [(m, split_text(m.text)) for m in islice(packet.messages(), first, first + count)]
        if len(messages) != count:
            raise IndexError(f"{len(messages)} of {count} messages")
        return Piece(file, decided.member, member.name, packet.header, packet.summary, first, messages)

    def _readable(self, file: ClaimedFile, progress: FileProgress | None) -> Iterator[Piece | Refusal | FileEnd]:
        try:
            yield from self._read(file, progress)
        except OSError as error:
            raise InputError(file.claim, printable(str(file.path)), error.strerror or str(error)) from error

    def _read(self, file: ClaimedFile, progress: FileProgress | None) -> Iterator[Piece | Refusal | FileEnd]:
        description = describe(file)
        packets = 0
        if file.size > self._limits.file:
            what = f"{file.size} bytes, and the limit is {self._limits.file}"
            yield Refusal(description, None, "", Reason.FILE_TOO_LARGE, what)
        else:
            try:
                with open_members(file.path, file.name, self._limits.archive, self._programs(file)) as members:
                    packets = len(members)
                    for index, member in enumerate(members):
                        yield from self._read_member(description, index, member, progress)
            except ArchiveError as error:
                yield Refusal(description, None, "", error.reason, error.what)
        yield FileEnd(description, digest_of(file), packets)

    def _programs(self, file: ClaimedFile) -> Mapping[ArchiveType, Archiver]:
        """What anyone may have sent is unpacked in process or not at all: no program is started on it."""
        return {} if file.inbound.cls is InboundClass.INSECURE else self._archivers

    def _read_member(
        self, file: FileIn, index: int, member: Member, progress: FileProgress | None
    ) -> Iterator[Piece | Refusal]:
        first = 0
        if progress is not None:
            if index < progress.member:
                return
            first = progress.next if index == progress.member else 0
        whole = None if not member.name else index
        try:
            packet = self._open_packet(member)
        except ArchiveError as error:
            yield Refusal(file, whole, member.name, error.reason, error.what)
            return
        except PacketError as error:
            yield Refusal(file, whole, member.name, error.reason, error.what, error.offset, _sender(member))
            return
        messages = islice(packet.messages(), first, None)
        while first == 0 or first < packet.summary.messages:
            part = self._part(messages)
            yield Piece(file, index, member.name, packet.header, packet.summary, first, part)
            first += len(part)
            if not part:
                return

    def _part(self, messages: Iterator[PackedMessage]) -> list[tuple[PackedMessage, MessageText]]:
        """Take as many of the next messages as a batch may have."""
        part = []
        size = 0
        for message in messages:
            part.append((message, split_text(message.text)))
            size += len(message.text)
            if len(part) >= self._batch_messages or size >= BATCH_BYTES:
                break
        return part

    def _open_packet(self, member: Member) -> _OpenPacket:
        """Parse all of a packet before any of it is used.

        Raises:
            PacketError: some of it does not parse.
            ArchiveError: it is no packet by its looks, or larger than the limits.
        """
        if member.problem is not None:
            raise member.problem
        largest = self._limits.archive.member_bytes
        if member.size > largest:
            raise ArchiveError(f"{member.size} bytes, and the limit for a packet is {largest}", Reason.FILE_TOO_LARGE)
        with member.open() as stream:
            data = stream.read(IN_MEMORY + 1)
            if len(data) <= IN_MEMORY:
                packet = parse_packet(data, self._packet_limits)
                echomail = any(_is_echomail(message) for message in packet.messages)
                summary = PacketSummary(len(packet.messages), echomail, tuple(packet.warnings), packet.trailing)
                return _OpenPacket(packet.header, summary, lambda: iter(packet.messages))
            reader = PacketReader(self._packet_limits)
            count, echomail = 0, False
            while data:
                for message in reader.feed(data):
                    count += 1
                    echomail = echomail or _is_echomail(message)
                data = stream.read(CHUNK)
            for message in reader.finish():
                count += 1
                echomail = echomail or _is_echomail(message)
        if reader.header is None:
            raise PacketError("no packet header", 0, Reason.HEADER_SHORT)
        summary = PacketSummary(count, echomail, tuple(reader.warnings), reader.trailing)
        return _OpenPacket(reader.header, summary, lambda: self._stream(member))

    def _stream(self, member: Member) -> Iterator[PackedMessage]:
        reader = PacketReader(self._packet_limits)
        with member.open() as stream:
            while data := stream.read(CHUNK):
                yield from reader.feed(data)
            yield from reader.finish()


def _header(member: Member) -> PacketHeader | None:
    """Read the header of a packet, if it can be read."""
    if member.problem is not None:
        return None
    try:
        with member.open() as stream:
            return parse_packet_header(stream.read(HEADER_SIZE))
    except (PacketError, ArchiveError):
        return None


def _sender(member: Member) -> str | None:
    """Give the sender a damaged packet names, if its header can be read."""
    header = _header(member)
    return None if header is None else str(header.orig)


def _is_echomail(message: PackedMessage) -> bool:
    """Tell echomail without splitting: only a text that names AREA near its start is worth a proper look."""
    return b"AREA:" in message.text[:4096].upper() and area_tag(split_text(message.text)) is not None


def describe(file: ClaimedFile) -> FileIn:
    """Give a claimed file as the rules see it; bytes of names that are not UTF-8 are escaped."""
    inbound = file.inbound
    return FileIn(
        file.claim, printable(file.name), printable(str(inbound.path)), inbound.cls, file.size, file.mtime,
        inbound.again, inbound.stored,
    )  # fmt: skip


def digest_of(file: ClaimedFile) -> str:
    """Compute the SHA-256 of a file, hexadecimal."""
    with file.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
