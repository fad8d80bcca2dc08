"""The packets that a batch sends on, as bytes: drawn up from the messages and the decision alone.

What is behind the fourteen bytes that name the two systems is the same for all links that get the same SEEN-BY and
PATH, and is made once for them. A packet is closed when the next message would make it larger than the link allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tosser.address import Address
from tosser.codec.packed_message import build_message_head, build_message_tail
from tosser.codec.packet_header import PacketHeader, PacketType, build_packet_header
from tosser.rules.export import export_text, exports_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from tosser.codec.message import MessageText
    from tosser.codec.packed_message import PackedMessage
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision, PieceDecision
    from tosser.rules.export import AreaExports
    from tosser.rules.network import Link, Rulebook
    from tosser.rules.verdict import Verdict

PRODUCT = 0x00FE
"""FTSC product code: none allocated (FSC-0090)."""
REVISION = (0, 1)
_END = b"\0\0"


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

    def add(self, head: bytes, tail: bytes) -> None:
        """Append one packed message."""
        self.chunks += (head, tail)
        self.size += len(head) + len(tail)
        self.messages += 1


def draw_packets(pieces: Sequence[Piece], decision: Decision, rules: Rulebook, created: datetime) -> list[OutPacket]:
    """Compose the packets of a decision.

    Args:
        pieces: the decided pieces.
        decision: the verdicts, with the recipients of each message.
        rules: links and areas; a link that is gone meanwhile gets nothing.
        created: local time for the packet headers.
    """
    if not any(verdict.recipients for verdict in decision.verdicts):
        return []
    drawing = _Drawing(rules, created)
    by_place = {(piece.file.claim, piece.member, piece.first): piece for piece in pieces}
    for decided in decision.pieces:
        sender = _sender(decided, rules)
        piece = by_place[decided.claim, decided.member, decided.first]
        for (packed, text), index in zip(piece.messages, decided.verdicts, strict=True):
            verdict = decision.verdicts[index]
            if verdict.recipients:
                drawing.send(packed, text, verdict, sender)
    return drawing.finished()


def _sender(decided: PieceDecision, rules: Rulebook) -> Address | None:
    """Find the link that sent a piece; ``None`` for our own programs."""
    if not decided.link:
        return None
    links = rules.links_at(Address.parse(decided.sender))
    return next((link.address for link in links if link.network == decided.network), None)


class _Drawing:
    """The packets that are being filled."""

    def __init__(self, rules: Rulebook, created: datetime) -> None:
        self._rules = rules
        self._created = created
        self._exports = exports_of(rules)
        self._heads: dict[Address, bytes] = {}
        self._open: dict[Address, OutPacket] = {}
        self._closed: list[OutPacket] = []

    def send(self, packed: PackedMessage, text: MessageText, verdict: Verdict, sender: Address | None) -> None:
        area = self._area(verdict)
        if area is None:
            return
        recipients = [address for address in verdict.recipients if address in self._rules.links and area.has(address)]
        tails: dict[int, bytes] = {}
        for address, trailer in area.trailers(sender, text, recipients).items():
            tail = tails.get(id(trailer))
            if tail is None:
                tail = tails[id(trailer)] = build_message_tail(
                    date=packed.date,
                    to=packed.to,
                    sender=packed.sender,
                    subject=packed.subject,
                    text=export_text(text, trailer),
                )
            self._add(address, tail)

    def _area(self, verdict: Verdict) -> AreaExports | None:
        target = verdict.target
        area = self._rules.area_of(target.network, target.tag) if target else None
        return self._exports.of(area) if area else None

    def _add(self, address: Address, tail: bytes) -> None:
        head = self._heads.get(address)
        if head is None:
            head = self._heads[address] = _head(self._rules.links[address])
        packet = self._open.get(address)
        size = len(head) + len(tail) + len(_END)
        if packet is not None and packet.size + size > packet.link.max_packet:
            self._close([self._open.pop(address)])
            packet = None
        if packet is None:
            packet = self._open[address] = self._begin(self._rules.links[address])
        packet.add(head, tail)

    def _begin(self, link: Link) -> OutPacket:
        header = build_packet_header(
            PacketHeader(
                type=link.packet_type,
                orig=link.our_aka,
                dest=link.address,
                password=link.packet_password,
                created=None if link.packet_type is PacketType.TYPE_2_2 else self._created,
                product=PRODUCT,
                revision=REVISION,
            )
        )
        return OutPacket(link, [header], len(header))

    def _close(self, packets: Iterable[OutPacket]) -> None:
        for packet in packets:
            packet.chunks.append(_END)
            packet.size += len(_END)
            self._closed.append(packet)

    def finished(self) -> list[OutPacket]:
        """Close all that is open and give every packet."""
        self._close(self._open.values())
        self._open.clear()
        return self._closed


def _head(link: Link) -> bytes:
    """Name us and the link, as every packed message of echomail does; attributes and cost are zero."""
    ours, theirs = link.our_aka, link.address
    return build_message_head((ours.node, theirs.node, ours.net, theirs.net))
