"""What was read, as values: the input of every decision.

A batch is a run of pieces. A piece is one packet, or a part of a large one, with its messages split; a refusal is a
file or a bundle member that could not be read. A packet reaches a batch only after all of it parsed, so a piece is
never the readable front of a damaged packet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from tosser.rules.network import InboundClass  # noqa: TC001 - the journal resolves annotations at run time (msgspec)

if TYPE_CHECKING:
    from tosser.codec.jam_message import JamRecord
    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage, PacketHeader, PacketWarning
    from tosser.reason import Reason


class FileIn(Struct, frozen=True):
    """One claimed inbound file.

    Attributes:
        claim: our id of it, unique and stable until the file is finished.
        name: its name in the inbound.
        inbound: the inbound directory.
        cls: class of that inbound.
        size: bytes.
        arrived: modification time, Unix seconds.
        again: whether it is netmail that was kept here and is to go on now.
        stored: whether its messages were found in the bases of their areas, and are there already.
    """

    claim: str
    name: str
    inbound: str
    cls: InboundClass
    size: int
    arrived: float
    again: bool = False
    stored: bool = False


class PacketSummary(Struct, frozen=True):
    """What a whole packet holds, known before any of its messages is judged."""

    messages: int
    echomail: bool
    warnings: tuple[PacketWarning, ...] = ()
    trailing: int = 0


class Piece(Struct):
    """A run of consecutive messages of one packet.

    Attributes:
        file: the file the packet came in.
        member: index of the packet within the file; 0 for a bare packet.
        member_name: its name in a bundle, for people only; empty for a bare packet.
        header: of the packet.
        summary: of the whole packet.
        first: index of the first message of this piece within the packet.
        messages: the packed messages, each with its text split.
        records: for each message what a JAM base keeps of it as accepted echomail, if that was made in advance, or
            ``None``; an empty list where nothing was.
    """

    file: FileIn
    member: int
    member_name: str
    header: PacketHeader
    summary: PacketSummary
    first: int
    messages: list[tuple[PackedMessage, MessageText]]
    records: list[JamRecord | None] = field(default_factory=list)

    @property
    def starts_packet(self) -> bool:
        """Whether this piece has the first message of its packet."""
        return self.first == 0


class Refusal(Struct, frozen=True):
    """A file or a bundle member that cannot be read.

    Attributes:
        file: the file.
        member: index of the member; ``None`` when the file as a whole is refused.
        member_name: for people only.
        reason: the quarantine code.
        what: a sentence.
        offset: where, in the packet or archive; ``None`` where that means nothing.
        sender: of the packet, as its header states it, if it was readable.
    """

    file: FileIn
    member: int | None
    member_name: str
    reason: Reason
    what: str
    offset: int | None = None
    sender: str | None = None


class FileEnd(Struct, frozen=True):
    """The last piece or refusal of this file has been read.

    Attributes:
        file: the file.
        digest: SHA-256 of its bytes, hexadecimal; empty when it could not be read to its end.
        packets: packets and refused members in it.
    """

    file: FileIn
    digest: str
    packets: int


class Batch(Struct):
    """All that is decided and applied together, in reading order."""

    pieces: list[Piece] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    ends: list[FileEnd] = field(default_factory=list)

    @property
    def messages(self) -> int:
        """How many messages are in it."""
        return sum(len(piece.messages) for piece in self.pieces)

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it to decide."""
        return not (self.pieces or self.refusals or self.ends)
