"""Which netmail is answered by this system itself: undeliverable mail, PING and TRACE (FTS-5001), receipts (FTS-0001).

An answer is decided with its batch, so that a crash neither loses nor doubles it. Never answered: what robots wrote,
answers, receipts, anything twice, and more than a bounded number of messages of one system and of all. So no answer
ever starts a loop, and no forged mail a storm.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

from tosser.address import Address
from tosser.codec.kludge import find_value, parse_flags
from tosser.codec.message import msgid
from tosser.reason import Reason
from tosser.rules.answer_rules import Bounces
from tosser.rules.netmail import netmail_addresses
from tosser.rules.network import InboundClass, closest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision, PieceDecision
    from tosser.rules.network import Rulebook

PING = b"ping"
"""To whom a message is that is to be answered by every system (FTS-5001), in lower case."""
ANSWER_KLUDGE = b"TOSSER-ANSWER"
"""Control line of all answers: what kind it is. A message that has it is never answered."""
BOUNCED = frozenset(
    {
        Reason.NO_ROUTE,
        Reason.UNKNOWN_POINT,
        Reason.INSECURE_TRANSIT,
        Reason.LINK_NOT_ALLOWED,
        Reason.TOO_LARGE,
        Reason.FILE_REQUEST,
        Reason.ATTACH_NO_ROUTE,
        Reason.ATTACH_UNSAFE,
    }
)
"""Reasons that the author should know. A loop is none of them, as an answer would take the same way; nor is what goes
on by itself: once a link is no longer paused, or with a file, which mailers send after the mail."""
_RECEIPT_REQUEST, _RECEIPT, _AUDIT_REQUEST = 0x1000, 0x2000, 0x4000
_ROBOTS = frozenset(
    b"ping|ping robot|ping service|ping trace service|trace|areafix|areafix robot|areamgr|area manager|filefix|filemgr|"
    b"allfix|echomgr|faqserv|netmail robot|mailer-daemon|mailer daemon|mail delivery subsystem|postmaster|uucp|"
    b"ftn robot|robot|daemon|nobody|returned mail|bounce".split(b"|")
)
"""Names that programs write under; what they wrote wants no answer."""
_ANSWER_SUBJECTS = (
    b"bounce", b"pong", b"undeliver", b"returned mail", b"delivery", b"mail delivery", b"failure notice", b"receipt",
    b"return receipt", b"auto-reply", b"autoreply", b"automatic reply", b"out of office", b"trace:",
)  # fmt: skip
_AUTOMATIC = {b"RFC-AUTO-SUBMITTED": b"auto", b"RFC-PRECEDENCE": b""}
"""Control lines that gateways keep of mail that programs wrote, and how their values begin."""


class AnswerKind(StrEnum):
    """What an answer says."""

    BOUNCE = "bounce"
    PONG = "pong"
    TRACE = "trace"
    RECEIPT = "receipt"
    AUDIT = "audit"


class Withheld(StrEnum):
    """Why an answer is not given, though one would be due."""

    REPEATED = "repeated"
    SYSTEM_LIMIT = "system-limit"
    TOTAL_LIMIT = "total-limit"


class Answer(Struct, frozen=True):
    """An answer to one message.

    Attributes:
        kind: what it says.
        claim: id of the file the message came in.
        member: index of the packet in it.
        index: of the message in the packet.
        aka: our address that answers.
        to: the author.
        reason: of the message.
        key: tells this answer from all others, so that it is given once.
    """

    kind: AnswerKind
    claim: str
    member: int
    index: int
    aka: Address
    to: Address
    reason: Reason
    key: str

    @property
    def system(self) -> str:
        """The system that gets it; points count with their boss."""
        return str(self.to.boss)


class HandOver(Struct, frozen=True):
    """A message for a robot that is a program.

    Attributes:
        robot: its name.
        claim: as `Answer`.
        member: as `Answer`.
        index: as `Answer`.
    """

    robot: str
    claim: str
    member: int
    index: int


class Answered(Struct):
    """What was answered before.

    Attributes:
        keys: those of the answers in question that were given, however long ago it is remembered.
        systems: by kind and system, how many were given within the period.
        totals: by kind, likewise.
    """

    keys: set[str] = field(default_factory=set)
    systems: Counter[tuple[str, str]] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)


class Wanted(Struct):
    """What a batch asks for."""

    answers: list[Answer] = field(default_factory=list)
    hand_overs: list[HandOver] = field(default_factory=list)


def find_wanted(pieces: Sequence[Piece], decision: Decision, rules: Rulebook) -> Wanted:
    """Find the messages of a decided batch that want an answer, or go to a program."""
    wanted = Wanted()
    concerned = {index for index, verdict in enumerate(decision.verdicts) if verdict.reason in _concerned(rules)}
    if not concerned:
        return wanted
    by_place = {(piece.file.claim, piece.member, piece.first): piece for piece in pieces}
    for decided in decision.pieces:
        if concerned.isdisjoint(decided.verdicts):
            continue
        piece = by_place[decided.claim, decided.member, decided.first]
        for index, verdict in enumerate(decided.verdicts):
            if verdict in concerned:
                _Looking(piece, decided, index, decision.verdicts[verdict].reason, rules).look(wanted)
    return wanted


def allow(answers: Sequence[Answer], before: Answered, rules: Rulebook) -> tuple[list[Answer], dict[str, int]]:
    """Leave out what was answered before and what is too much.

    Returns:
        The answers to be given, and how many are withheld by reason.
    """
    limits = rules.netmail.answers
    given: list[Answer] = []
    withheld: Counter[str] = Counter()
    for answer in answers:
        system = (answer.kind.value, answer.system)
        if answer.key in before.keys:
            withheld[Withheld.REPEATED] += 1
        elif before.systems[system] >= limits.per_system:
            withheld[Withheld.SYSTEM_LIMIT] += 1
        elif before.totals[answer.kind] >= limits.total:
            withheld[Withheld.TOTAL_LIMIT] += 1
        else:
            before.keys.add(answer.key)
            before.systems[system] += 1
            before.totals[answer.kind] += 1
            given.append(answer)
    return given, dict(withheld)


def bounces(reason: Reason, rules: Rulebook, *, proven: bool) -> bool:
    """Tell whether netmail that ends so goes back to its author, if he is a person.

    Args:
        reason: what became of it.
        rules: the sysop's world.
        proven: whether the inbound or a password proves who sent it to us.
    """
    whose = rules.netmail.answers.bounces
    return reason in BOUNCED and (whose is Bounces.ALL or (whose is Bounces.SECURE and proven))


def wants_no_answer(packed: PackedMessage, text: MessageText, robots: Mapping[str, object]) -> bool:
    """Tell whether a program wrote a message, or it is an answer or a receipt, or from and to the same name."""
    sender, to = _name(packed.sender), _name(packed.to)
    subject = packed.subject.strip().lower().removeprefix(b"re:").strip()
    return (
        not sender
        or sender == to
        or sender in _ROBOTS
        or sender.decode("latin-1") in robots
        or bool(packed.attributes & _RECEIPT)
        or subject.startswith(_ANSWER_SUBJECTS)
        or find_value(text.kludges, ANSWER_KLUDGE) is not None
        or _automatic(text)
    )


def _automatic(text: MessageText) -> bool:
    found = ((find_value(text.kludges, tag), start) for tag, start in _AUTOMATIC.items())
    return any(value is not None and value.lower().startswith(start) for value, start in found)


def _name(raw: bytes) -> bytes:
    return b" ".join(raw.lower().split())


def _concerned(rules: Rulebook) -> frozenset[Reason]:
    """Reasons of verdicts that may lead to an answer at all."""
    answers = rules.netmail.answers
    found = {Reason.NETMAIL} if answers.robots or answers.receipts else set()
    found |= {Reason.ROUTED} if answers.trace or answers.receipts else set()
    return frozenset(found | (BOUNCED if answers.bounces is not Bounces.OFF else set()))


class _Looking:
    """A look at one message."""

    def __init__(self, piece: Piece, decided: PieceDecision, index: int, reason: Reason, rules: Rulebook) -> None:
        self._piece = piece
        self._index = index
        self._reason = reason
        self._rules = rules
        self._answers = rules.netmail.answers
        self._packed, self._text = piece.messages[index]
        self._origin, self._dest = netmail_addresses(piece.header, self._packed, self._text, rules)
        self._local = piece.file.cls is InboundClass.LOCAL
        self._proven = piece.file.cls is not InboundClass.INSECURE or self._has_password(decided)

    def _has_password(self, decided: PieceDecision) -> bool:
        links = self._rules.links_at(Address.parse(decided.sender)) if decided.link else []
        return any(link.packet_password for link in links if link.network == decided.network)

    def look(self, wanted: Wanted) -> None:
        """Add what the message asks for."""
        to = _name(self._packed.to)
        robot = self._answers.robots.get(to.decode("latin-1")) if self._reason is Reason.NETMAIL else None
        if robot is not None and self._rules.own_aka(self._dest) is None:
            robot = None  # kept here for somebody who has no mailer
        if robot is not None and robot.command:
            if self._proven or robot.insecure:
                wanted.hand_overs.append(HandOver(robot.name, self._piece.file.claim, self._piece.member, self._place))
            return
        kinds = [AnswerKind.PONG] if robot is not None else list(self._kinds(to))
        if kinds and not wants_no_answer(self._packed, self._text, self._answers.robots):
            wanted.answers.extend(self._answer(kinds[0]))

    @property
    def _place(self) -> int:
        return self._piece.first + self._index

    def _kinds(self, to: bytes) -> Iterator[AnswerKind]:
        if self._reason in BOUNCED:
            if self._piece.file.again:
                return  # it was answered when it came
            if bounces(self._reason, self._rules, proven=self._proven):
                yield AnswerKind.BOUNCE
        elif self._reason is Reason.NETMAIL:
            if self._answers.receipts and self._asks_for(_RECEIPT_REQUEST, {"RRQ", "CFM"}):
                yield AnswerKind.RECEIPT
        elif self._answers.trace and to == PING:
            yield AnswerKind.TRACE
        elif self._answers.receipts and self._asks_for(_AUDIT_REQUEST, {"ARQ"}):
            yield AnswerKind.AUDIT

    def _asks_for(self, bit: int, words: set[str]) -> bool:
        """Tell whether the attribute word or FLAGS (FSC-0053) ask."""
        if self._packed.attributes & bit:
            return True
        flags = find_value(self._text.kludges, b"FLAGS")
        return flags is not None and not words.isdisjoint(parse_flags(flags).words)

    def _answer(self, kind: AnswerKind) -> Iterator[Answer]:
        origin, dest = self._origin, self._dest
        own = self._rules.own_aka(origin) is not None
        if not origin.zone or not origin.net or (own and not self._local):
            return  # nowhere to go to, or somebody pretends to be us
        aka = self._rules.own_aka(dest) or self._nearest(origin)
        yield Answer(
            kind, self._piece.file.claim, self._piece.member, self._place, aka, origin, self._reason,
            self._key(kind, origin, dest),
        )  # fmt: skip

    def _nearest(self, origin: Address) -> Address:
        networks = self._rules.networks.values()
        known = [network for network in networks if origin.domain in {"", network.domain}]
        zoned = [network for network in known if origin.zone in network.zones]
        return closest([aka for network in (zoned or known or networks) for aka in network.addresses], origin)

    def _key(self, kind: AnswerKind, origin: Address, dest: Address) -> str:
        """Name the message by its MSGID, or by what it says where it has none."""
        packed = self._packed
        said = (packed.date, packed.sender, packed.to, packed.subject, self._text.body)
        identity = msgid(self._text) or b"\0".join(said)
        words = (kind.value.encode(), str(origin).encode(), str(dest).encode(), identity)
        return hashlib.blake2b(b"\0".join(words), digest_size=16).hexdigest()
