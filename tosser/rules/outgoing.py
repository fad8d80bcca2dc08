"""The packets that a batch sends on, as bytes: drawn up from the messages and the decision alone.

What is behind the fourteen bytes that name the two systems is the same for all links that get the same SEEN-BY and
PATH, and is made once for them. A packet is closed when the next message would make it larger than the link allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from tosser.address import Address
from tosser.codec.packed_message import build_message_head, build_message_tail
from tosser.codec.packet import TERMINATOR
from tosser.codec.packet_header import PacketHeader, build_packet_header
from tosser.rules.export import exports_of
from tosser.rules.trailer import export_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tosser.codec.message import MessageText
    from tosser.codec.packed_message import PackedMessage
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision, PieceDecision
    from tosser.rules.network import Link, Rulebook
    from tosser.rules.trailer import Group
    from tosser.rules.verdict import Verdict

PRODUCT = 0x00FE
"""FTSC product code: none allocated (FSC-0090)."""
REVISION = (0, 1)


@dataclass(slots=True)
class OutPacket:
    """A packet for a link.

    Attributes:
        link: who gets it.
        chunks: its bytes, in pieces; the same message in packets of several links is the same object.
        size: bytes in all.
        messages: how many are in it.
    """

    link: Link
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0
    messages: int = 0


def draw_packets(pieces: Sequence[Piece], decision: Decision, rules: Rulebook, created: datetime) -> list[OutPacket]:
    """Compose the packets of a decision; those of one link are in the order of its messages.

    Args:
        pieces: the decided pieces.
        decision: the verdicts, with the recipients of each message.
        rules: links and areas; a link that is gone meanwhile gets nothing.
        created: local time for the packet headers.
    """
    if not rules.sends or not any(verdict.recipients for verdict in decision.verdicts):
        return []
    drawing = _Drawing(rules, created)
    by_place = {(piece.file.claim, piece.member, piece.first): piece for piece in pieces}
    for decided in decision.pieces:
        sender = _sender(decided, rules)
        ways = {index: drawing.way(decision.verdicts[index], sender) for index in set(decided.verdicts)}
        piece = by_place[decided.claim, decided.member, decided.first]
        for (packed, text), index in zip(piece.messages, decided.verdicts, strict=True):
            _send(packed, text, ways[index])
    return drawing.finished()


def _sender(decided: PieceDecision, rules: Rulebook) -> Address | None:
    """Find the link that sent a piece; ``None`` where none of the network did."""
    links = rules.links_at(Address.parse(decided.sender))
    return next((link.address for link in links if link.network == decided.network), None)


def _send(packed: PackedMessage, text: MessageText, way: _Way) -> None:
    for group, lanes in way:
        tail = build_message_tail(
            date=packed.date,
            to=packed.to,
            sender=packed.sender,
            subject=packed.subject,
            text=export_text(text, group.trailer(text)),
        )
        for lane in lanes:
            lane.add(tail)


class _Lane:
    """The packets of one link, of which the last one is being filled."""

    __slots__ = ("_head", "_header", "_link", "_open", "_packets")

    def __init__(self, link: Link, created: datetime, packets: list[OutPacket]) -> None:
        """``packets`` receives each packet as it is begun."""
        self._link = link
        self._packets = packets
        self._open: OutPacket | None = None
        self._head = _message_head(link)
        self._header = _packet_header(link, created)

    def add(self, tail: bytes) -> None:
        """Append a message to the open packet, or to a new one where it would grow too large."""
        packet = self._open
        size = len(self._head) + len(tail)
        if packet is None or packet.size + size > self._link.max_packet:
            packet = self._begin()
        packet.chunks += (self._head, tail)
        packet.size += size
        packet.messages += 1

    def _begin(self) -> OutPacket:
        packet = self._open = OutPacket(self._link, [self._header], len(self._header) + len(TERMINATOR))
        self._packets.append(packet)
        return packet


class _Drawing:
    """The packets that are being filled."""

    def __init__(self, rules: Rulebook, created: datetime) -> None:
        self._rules = rules
        self._created = created
        self._exports = exports_of(rules)
        self._lanes: dict[Address, _Lane] = {}
        self._packets: list[OutPacket] = []

    def way(self, verdict: Verdict, sender: Address | None) -> _Way:
        """Find the groups that get the messages of a verdict."""
        target = verdict.target
        area = self._rules.area_of(target.network, target.tag) if target and verdict.recipients else None
        if area is None:
            return []
        groups = self._exports.of(area).groups(sender, verdict.recipients)
        return [(group, [self._lane(link) for link in group.links]) for group in groups]

    def _lane(self, link: Link) -> _Lane:
        lane = self._lanes.get(link.address)
        if lane is None:
            lane = self._lanes[link.address] = _Lane(link, self._created, self._packets)
        return lane

    def finished(self) -> list[OutPacket]:
        """Close every packet."""
        for packet in self._packets:
            packet.chunks.append(TERMINATOR)
        return self._packets


_Way: TypeAlias = "list[tuple[Group, list[_Lane]]]"


def _packet_header(link: Link, created: datetime) -> bytes:
    return build_packet_header(
        PacketHeader(
            type=link.packet_type,
            orig=link.our_aka,
            dest=link.address,
            password=link.packet_password,
            created=created,
            product=PRODUCT,
            revision=REVISION,
        )
    )


def _message_head(link: Link) -> bytes:
    """Name us and the link, as every packed message of echomail does; attributes and cost are zero."""
    ours, theirs = link.our_aka, link.address
    return build_message_head((ours.node, theirs.node, ours.net, theirs.net))
