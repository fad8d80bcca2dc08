"""The plan: a decision spelled out as what is to be written where.

Drawn up from the messages and the decision alone, so that the same input and the recorded decision give the same plan
again after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tosser.address import Address
from tosser.codec.ftsdate import parse_date
from tosser.codec.message import origin_address
from tosser.codec.stored import BaseMessage, MessageKind
from tosser.errors import AddressError
from tosser.reason import Reason
from tosser.rules.netmail import netmail_addresses
from tosser.rules.verdict import TargetKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision, PieceDecision
    from tosser.rules.network import Rulebook
    from tosser.rules.verdict import Target, Verdict

# FTS-0001 attribute bits that mean something to the receiving side; the others belong to the system they were set on.
_KEPT_ATTRIBUTES = 0x0001 | 0x0002 | 0x0010 | 0x1000 | 0x2000 | 0x4000
_PRIVATE = 0x0001
_FILE_ATTACHED = 0x0010
REASON_KLUDGE = b"TOSSER-REASON"
"""Control line that says, in the bad area, why a message is there."""


@dataclass(slots=True)
class Entry:
    """One message that is to be stored.

    Attributes:
        piece: the piece it came in.
        decision: the verdicts on that piece.
        index: of the message in the piece.
        verdict: on the message.
        message: as the base takes it.
    """

    piece: Piece
    decision: PieceDecision
    index: int
    verdict: Verdict
    message: BaseMessage

    @property
    def packed(self) -> PackedMessage:
        """The packed message as it was read."""
        return self.piece.messages[self.index][0]

    @property
    def text(self) -> MessageText:
        """Its text, split."""
        return self.piece.messages[self.index][1]


@dataclass(slots=True)
class Plan:
    """All that a batch will write.

    Attributes:
        decision: what it follows.
        pieces: the pieces in reading order.
        appends: for each base the messages to be in it, in order.
    """

    decision: Decision
    pieces: Sequence[Piece]
    appends: dict[Target, list[Entry]] = field(default_factory=dict)


def draw_up(pieces: Sequence[Piece], decision: Decision, rules: Rulebook) -> Plan:
    """Spell out a decision.

    Args:
        pieces: the decided pieces, in any order; those of refused packets are passed over.
        decision: the verdicts.
        rules: for the addresses of netmail.
    """
    plan = Plan(decision, pieces)
    arrived = int(decision.decided)
    by_place = {(piece.file.claim, piece.member, piece.first): piece for piece in pieces}
    for decided in decision.pieces:
        piece = by_place[decided.claim, decided.member, decided.first]
        for index, verdict_index in enumerate(decided.verdicts):
            verdict = decision.verdicts[verdict_index]
            if verdict.target is None:
                continue
            message = _base_message(piece, index, verdict, decided, rules, arrived)
            plan.appends.setdefault(verdict.target, []).append(Entry(piece, decided, index, verdict, message))
    return plan


def _base_message(
    piece: Piece, index: int, verdict: Verdict, decided: PieceDecision, rules: Rulebook, arrived: int
) -> BaseMessage:
    packed, text = piece.messages[index]
    target = verdict.target
    kludges: Sequence[bytes] = text.kludges
    attributes = packed.attributes & _KEPT_ATTRIBUTES
    netmail = target is not None and target.kind is TargetKind.NETMAIL
    dest: Address | None = None
    if netmail:
        origin, dest = netmail_addresses(piece.header, packed, text, rules)
    else:
        origin = origin_address(text) or _sender(decided.sender)
        attributes &= ~(_PRIVATE | _FILE_ATTACHED)
    if target is not None and target.kind is TargetKind.BAD:
        kludges = (*_bad_kludges(verdict.reason, decided.sender, text), *kludges)
    return BaseMessage(
        kind=MessageKind.NETMAIL if netmail else MessageKind.ECHO,
        sender=packed.sender,
        to=packed.to,
        subject=packed.subject,
        kludges=kludges,
        body=text.body,
        seen_by=text.seen_by,
        path=text.path,
        origin=origin,
        dest=dest,
        written=parse_date(packed.date).value,
        arrived=arrived,
        attributes=attributes,
        in_transit=verdict.reason is Reason.IN_TRANSIT,
    )


def _bad_kludges(reason: Reason, sender: str, text: MessageText) -> tuple[bytes, bytes]:
    """Say why a message is in the bad area, and keep the AREA line that storing drops, so that it can be tossed again."""
    area = (text.area or "").encode("latin-1", "replace")
    return b"AREA:" + area, b"%s: %s %s" % (REASON_KLUDGE, reason.encode(), sender.encode())


def _sender(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except AddressError:
        return None
