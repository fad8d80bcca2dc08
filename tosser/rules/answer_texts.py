"""What the answers of this system say (FTS-5001 asks for the Via lines; the rest is our own).

What is quoted of a message stays in its bytes and its character set; our own words are ASCII. Control lines are shown
with ``@``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.codec.charset import decide_charset
from tosser.codec.kludge import build_kludge, build_product_id, find_value
from tosser.codec.message import msgid
from tosser.rules.answering import ANSWER_KLUDGE, AnswerKind
from tosser.rules.netmail import netmail_addresses
from tosser.rules.posting import PRIVATE, PROGRAM, Post, compose, post_packet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tosser.address import Address
    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage
    from tosser.rules.answering import Answer
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision
    from tosser.rules.network import Rulebook

_FROM = {
    AnswerKind.BOUNCE: b"Netmail Robot",
    AnswerKind.PONG: b"Ping Robot",
    AnswerKind.TRACE: b"Ping Trace Service",
    AnswerKind.RECEIPT: b"Netmail Robot",
    AnswerKind.AUDIT: b"Netmail Robot",
}
_SUBJECT = {
    AnswerKind.BOUNCE: b"Undeliverable: ",
    AnswerKind.PONG: b"Pong: ",
    AnswerKind.TRACE: b"Trace: ",
    AnswerKind.RECEIPT: b"Receipt: ",
    AnswerKind.AUDIT: b"Receipt: ",
}
_RECEIPT_BIT = 0x2000
_LONGEST_LINE = 200
"""Bytes of a control line that are shown."""
_MOST_VIA_LINES = 100


class _Original(Struct, frozen=True):
    """The message that is answered."""

    packed: PackedMessage
    text: MessageText
    origin: Address
    dest: Address


def compose_answers(
    pieces: Sequence[Piece], decision: Decision, rules: Rulebook, moment: datetime
) -> Iterator[tuple[str, bytes]]:
    """Write the answers of a decision.

    Args:
        pieces: the decided pieces.
        decision: with the answers, and the serial number of the first.
        rules: for addresses and the signature.
        moment: when it was decided, local time, aware.

    Yields:
        A name that is always the same for the same answer, and a packet.
    """
    by_packet: dict[tuple[str, int], list[Piece]] = {}
    for piece in pieces:
        by_packet.setdefault((piece.file.claim, piece.member), []).append(piece)
    for serial, answer in enumerate(decision.answers, decision.first_serial):
        candidates = by_packet[answer.claim, answer.member]
        piece = next(p for p in candidates if p.first <= answer.index < p.first + len(p.messages))
        packed, text = piece.messages[answer.index - piece.first]
        original = _Original(packed, text, *netmail_addresses(piece.header, packed, text, rules))
        message = _compose(answer, original, rules, serial, moment)
        yield f"answer-{serial:08x}", post_packet(answer.aka, [message])


def _compose(answer: Answer, original: _Original, rules: Rulebook, serial: int, moment: datetime) -> PackedMessage:
    packed = original.packed
    receipt = answer.kind in {AnswerKind.RECEIPT, AnswerKind.AUDIT}
    return compose(
        Post(
            aka=answer.aka,
            sender=_FROM[answer.kind],
            to=packed.sender,
            subject=_SUBJECT[answer.kind] + packed.subject,
            body=b"\r".join([*_body(answer, original, rules, moment), b""]),
            charset=_charset(original, rules),
            serial=serial,
            moment=moment,
            dest=answer.to,
            reply=msgid(original.text),
            attributes=PRIVATE | _RECEIPT_BIT if receipt else PRIVATE,
            more=(build_kludge(ANSWER_KLUDGE, answer.kind.encode()),),
        )
    )


def _charset(original: _Original, rules: Rulebook) -> str:
    """The set of what is quoted."""
    packed, kludges = original.packed, original.text.kludges
    data = b"\0".join((packed.sender, packed.to, packed.subject, original.text.body))
    chrs = find_value(kludges, b"CHRS") or find_value(kludges, b"CHARSET")
    return decide_charset(data, chrs, find_value(kludges, b"CODEPAGE") if chrs else None, rules.netmail.charset).name


def _body(answer: Answer, original: _Original, rules: Rulebook, moment: datetime) -> Iterator[bytes]:
    here = f"{answer.aka.without_domain} ({rules.netmail.answers.signature})".encode("ascii", "replace")
    when = moment.strftime("%Y-%m-%d %H:%M:%S %z").encode("ascii")
    yield b"Hello %s," % (original.packed.sender or b"there")
    yield b""
    match answer.kind:
        case AnswerKind.BOUNCE:
            yield b"your message could not be delivered. It is kept at %s." % here
            yield b""
            yield b"Reason: %s (%s)" % (answer.reason.text.encode("ascii"), answer.reason.encode())
        case AnswerKind.PONG:
            yield b"your message arrived at %s on %s." % (here, when)
        case AnswerKind.TRACE:
            yield b"your message came by %s on %s and goes on to its addressee." % (here, when)
        case AnswerKind.RECEIPT:
            yield b"your message was delivered at %s on %s." % (here, when)
            yield b"Whether it has been read is not known here."
        case AnswerKind.AUDIT:
            yield b"your message came by %s on %s and goes on to its addressee." % (here, when)
    yield b""
    yield from _header(original)
    yield from _via_lines(original.text)
    if answer.kind is AnswerKind.BOUNCE:
        yield from _quoted(original.text.body, rules.netmail.answers.quote)
    yield b""
    yield b"This was written by %s; answers to it are read by nobody." % build_product_id(PROGRAM)


def _header(original: _Original) -> Iterator[bytes]:
    packed = original.packed
    yield b"Message header:"
    yield b"  From:    %s, %s" % (packed.sender, str(original.origin.without_domain).encode())
    yield b"  To:      %s, %s" % (packed.to, str(original.dest.without_domain).encode())
    yield b"  Subject: %s" % packed.subject
    yield b"  Date:    %s" % packed.date
    for kludge in original.text.kludges:
        if kludge[:3].lower() != b"via":
            yield b"  @%s" % kludge[:_LONGEST_LINE]


def _via_lines(text: MessageText) -> Iterator[bytes]:
    lines = [kludge for kludge in text.kludges if kludge[:3].lower() == b"via"]
    yield b""
    if not lines:
        yield b"It has no Via lines."
        return
    yield b"Via lines:"
    for line in lines[:_MOST_VIA_LINES]:
        yield b"  @%s" % line[:_LONGEST_LINE]
    if len(lines) > _MOST_VIA_LINES:
        yield b"  and %d more" % (len(lines) - _MOST_VIA_LINES)


def _quoted(body: bytes, longest: int) -> Iterator[bytes]:
    """The text, cut at the end of a line."""
    if not longest or not body.strip():
        return
    shown = body.removesuffix(b"\r")
    cut = len(shown) > longest
    if cut:
        shown = shown[:longest].rpartition(b"\r")[0]
    yield b""
    yield b"Message text:" if not cut else b"Message text, its beginning:"
    for line in shown.split(b"\r"):
        yield b"> " + line
