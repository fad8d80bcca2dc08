"""The plan: a decision spelled out as what is to be written where.

Drawn up from the messages and the decision alone, so that the same input and the recorded decision give the same plan
again after a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from tosser.address import Address
from tosser.codec.ftsdate import parse_date
from tosser.codec.jam_message import build_record
from tosser.codec.message import origin_address
from tosser.codec.seenby import parse_nodes
from tosser.codec.stored import BaseMessage, MessageKind
from tosser.errors import AddressError
from tosser.reason import Reason
from tosser.rules.netmail import netmail_addresses
from tosser.rules.verdict import TargetKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tosser.codec.jam_message import JamRecord
    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision, PieceDecision
    from tosser.rules.network import Rulebook
    from tosser.rules.verdict import Target, Verdict

# FTS-0001 attribute bits that mean something to the receiving side; the others belong to the system they were set on.
_PRIVATE, _CRASH, _FILE_ATTACHED = 0x0001, 0x0002, 0x0010
_ECHO_ATTRIBUTES = 0x1000 | 0x2000 | 0x4000
"""Requests for receipts and audits, and receipts: they have no effect on how a message is handled."""
_NETMAIL_ATTRIBUTES = _ECHO_ATTRIBUTES | _PRIVATE | _FILE_ATTACHED
_TRANSIT_ATTRIBUTES = _NETMAIL_ATTRIBUTES | _CRASH
"""How urgent a message is matters only until it is where it should be."""
REASON_KLUDGE = b"TOSSER-REASON"
"""Control line that says, in the bad area and in the netmail base, why a message is there."""


class Entry(Struct):
    """One message that is to be stored.

    Attributes:
        piece: the piece it came in.
        decision: the verdicts on that piece.
        index: of the message in the piece.
        verdict: on the message.
        composer: makes of it what a base takes.
    """

    piece: Piece
    decision: PieceDecision
    index: int
    verdict: Verdict
    composer: Composer

    @property
    def message(self) -> BaseMessage:
        """The message as a base takes it; made anew each time, for a JAM base seldom needs it."""
        return self.composer.compose(self.piece, self.index, self.verdict, self.decision.sender)

    @property
    def record(self) -> JamRecord | None:
        """What a JAM base makes of the message, where that was made when it was read."""
        return self.piece.records[self.index] if self.piece.records and self.verdict.accepted else None

    @property
    def arrived(self) -> int:
        """When it came, Unix seconds."""
        return self.composer.arrived

    @property
    def packed(self) -> PackedMessage:
        """The packed message as it was read."""
        return self.piece.messages[self.index][0]

    @property
    def text(self) -> MessageText:
        """Its text, split."""
        return self.piece.messages[self.index][1]


class Plan(Struct):
    """All that a batch will write.

    Attributes:
        decision: what it follows.
        pieces: the pieces in reading order.
        appends: for each base the messages to be in it, in order.
    """

    decision: Decision
    pieces: Sequence[Piece]
    appends: dict[Target, list[Entry]] = field(default_factory=dict)

    @property
    def gone_on(self) -> list[Entry]:
        """The netmail that was held before, and goes on now."""
        entries = [entry for entries in self.appends.values() for entry in entries]
        return [entry for entry in entries if entry.piece.file.again and not entry.verdict.reason.held]

    @property
    def held(self) -> list[Entry]:
        """The netmail that cannot go on for now."""
        return [entry for entries in self.appends.values() for entry in entries if entry.verdict.reason.held]


def draw_up(pieces: Sequence[Piece], decision: Decision, rules: Rulebook) -> Plan:
    """Spell out a decision.

    Args:
        pieces: the decided pieces, in any order; those of refused packets are passed over.
        decision: the verdicts.
        rules: for the addresses of netmail.
    """
    plan = Plan(decision, pieces)
    composer = Composer(rules, int(decision.decided))
    by_place = {(piece.file.claim, piece.member, piece.first): piece for piece in pieces}
    chosen = [(verdict, _entries_of(plan, verdict)) for verdict in decision.verdicts]
    for decided in decision.pieces:
        piece = by_place[decided.claim, decided.member, decided.first]
        for index, verdict_index in enumerate(decided.verdicts):
            verdict, entries = chosen[verdict_index]
            if entries is not None:
                entries.append(Entry(piece, decided, index, verdict, composer))
    return plan


def _entries_of(plan: Plan, verdict: Verdict) -> list[Entry] | None:
    """The list for the base of a verdict; ``None`` where nothing is stored."""
    return None if verdict.target is None else plan.appends.setdefault(verdict.target, [])


class Composer:
    """Makes messages as a base takes them.

    Attributes:
        arrived: when they came, Unix seconds.

    Args:
        rules: for the addresses of netmail.
        arrived: as above.
    """

    def __init__(self, rules: Rulebook, arrived: int) -> None:
        self._rules = rules
        self.arrived = arrived

    def compose(self, piece: Piece, index: int, verdict: Verdict, sender: str) -> BaseMessage:
        """Make one message.

        Args:
            piece: the piece it came in.
            index: of it there.
            verdict: on it.
            sender: who sent the piece, without domain.
        """
        packed, text = piece.messages[index]
        if verdict.reason is Reason.ACCEPTED:
            return _echomail(packed, text, author_of(text, sender), self.arrived)
        if verdict.target is not None and verdict.target.kind is TargetKind.NETMAIL:
            return self._netmail(piece, packed, text, verdict.reason, sender)
        message = _echomail(packed, text, author_of(text, sender), self.arrived)
        message.kludges = (*_bad_kludges(verdict.reason, sender, text), *message.kludges)
        return message

    def _netmail(
        self, piece: Piece, packed: PackedMessage, text: MessageText, reason: Reason, sender: str
    ) -> BaseMessage:
        in_transit = reason is not Reason.NETMAIL
        why = (_reason_kludge(reason, sender),) if reason.held else ()
        origin, dest = netmail_addresses(piece.header, packed, text, self._rules)
        return BaseMessage(
            kind=MessageKind.NETMAIL,
            sender=packed.sender,
            to=packed.to,
            subject=packed.subject,
            kludges=(*why, *text.kludges),
            body=text.body,
            seen_by=text.seen_by,
            path=text.path,
            origin=origin,
            dest=dest,
            written=parse_date(packed.date).value,
            arrived=self.arrived,
            attributes=packed.attributes & (_TRANSIT_ATTRIBUTES if in_transit else _NETMAIL_ATTRIBUTES),
            in_transit=in_transit,
        )


def record_in_advance(packed: PackedMessage, text: MessageText) -> JamRecord | None:
    """Make what a JAM base will keep of a message if it is accepted echomail.

    Returns:
        ``None`` for netmail, and where more has to be known than the message tells.
    """
    author = None if text.area is None else origin_address(text)
    return None if author is None else build_record(_echomail(packed, text, author, 0))


def _echomail(packed: PackedMessage, text: MessageText, author: Address | None, arrived: int) -> BaseMessage:
    return BaseMessage(
        MessageKind.ECHO,
        packed.sender,
        packed.to,
        packed.subject,
        text.kludges,
        text.body,
        text.seen_by,
        text.path,
        author,
        None,
        parse_date(packed.date).value,
        arrived,
        packed.attributes & _ECHO_ATTRIBUTES,
    )


def _bad_kludges(reason: Reason, sender: str, text: MessageText) -> tuple[bytes, bytes]:
    """Say why a message is in the bad area, and keep the AREA line, which storing drops, to toss it again by."""
    area = (text.area or "").encode("latin-1")
    return b"AREA:" + area, _reason_kludge(reason, sender)


def _reason_kludge(reason: Reason, sender: str) -> bytes:
    return b"%s: %s %s" % (REASON_KLUDGE, reason.encode(), sender.encode())


def author_of(text: MessageText, sender: str) -> Address | None:
    """Give the address of the author of echomail, as far as it is known.

    Where neither Origin nor MSGID tells, it is the start of PATH, or who sent it (``sender``), in the sender's zone.
    """
    stated = origin_address(text)
    if stated is not None:
        return stated
    try:
        system = Address.parse(sender)
    except AddressError:
        return None
    nodes = parse_nodes(text.path)
    return Address(system.zone, *nodes[0]) if nodes else system
