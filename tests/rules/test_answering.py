"""Which netmail is answered, and with what: decided and written without a system around it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.corpus import HUB, US, netmail, packed
from tests.rules.world import NOW, decide_batch, make_batch, make_piece, usual_rules
from tosser.codec.message import split_text
from tosser.codec.packet import parse_packet
from tosser.reason import Reason
from tosser.rules.answer_rules import AnswerRules, Bounces, Robot
from tosser.rules.answer_texts import compose_answers
from tosser.rules.answering import Answered, AnswerKind, Withheld, allow, find_wanted
from tosser.rules.network import InboundClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tosser.codec.packet import PackedMessage
    from tosser.rules.answering import Answer, Wanted
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision
    from tosser.rules.network import Rulebook

PING: Final = {"ping": Robot("PING")}
LOST: Final = Reason.NO_ROUTE
MOMENT: Final = datetime.fromtimestamp(NOW, UTC)


def rules_with(**answers: Any) -> Rulebook:  # noqa: ANN401 - keys of the rules
    """The usual world, with these rules on answers."""
    rules = usual_rules(b"SECRET")
    return replace(rules, netmail=replace(rules.netmail, answers=AnswerRules(**answers)))


def wanted(raw: Sequence[bytes], rules: Rulebook, reason: Reason | None = None, **parts: Any) -> Wanted:  # noqa: ANN401
    """Decide on a packet, with a reason of one's own for all its messages, and find what wants an answer."""
    pieces, decision = decided(raw, rules, reason, **parts)
    return find_wanted(pieces, decision, rules)


def decided(
    raw: Sequence[bytes],
    rules: Rulebook,
    reason: Reason | None = None,
    **parts: Any,  # noqa: ANN401 - of the piece
) -> tuple[list[Piece], Decision]:
    """Decide on a packet from the hub, with its password."""
    piece = make_piece(raw, **({"password": b"SECRET"} | parts))
    decision = decide_batch(make_batch([piece]), rules)
    if reason is not None:
        decision.verdicts = [replace(verdict, reason=reason) for verdict in decision.verdicts]
    return [piece], decision


def written(raw: bytes, rules: Rulebook, reason: Reason | None = None) -> PackedMessage:
    """Write the only answer to a message."""
    pieces, decision = decided([raw], rules, reason)
    decision.answers = find_wanted(pieces, decision, rules).answers
    decision.first_serial = 0x00C0FFEE
    ((name, packet),) = compose_answers(pieces, decision, rules, MOMENT)
    assert name == "answer-00c0ffee"
    (message,) = parse_packet(packet).messages
    return message


def test_a_bounce_tells_reason_header_and_text() -> None:
    """What cannot be delivered goes back with the reason, all of the header, and the text as a quotation."""
    letter = netmail(b"First line\rSecond line\r\x01Via 1337:1/100 @20261101.080000 p 1\r", addressee="1337:9/9.1")
    message = written(letter, rules_with(bounces=Bounces.SECURE, signature="Test BBS"), LOST)

    text = split_text(message.text)
    assert (message.sender, message.to, message.subject) == (
        b"Netmail Robot",
        b"Mira Kovale",
        b"Undeliverable: Letter 1",
    )
    assert b"TOSSER-ANSWER: bounce" in text.kludges
    assert b"REPLY: 1337:1/100 00000001" in text.kludges
    assert b"MSGID: 1337:1/200@tqwnet 00c0ffee" in text.kludges
    assert f"Reason: {LOST.text} ({LOST})\r".encode() in text.body
    for line in (
        b"  From:    Mira Kovale, 1337:1/100",
        b"  To:      Jane Sysop, 1337:9/9.1",
        b"  Subject: Letter 1",
        b"  @INTL 1337:9/9 1337:1/100",
        b"  @TOPT 1",
        b"  @Via 1337:1/100 @20261101.080000 p 1",
        b"> First line",
        b"> Second line",
    ):
        assert line + b"\r" in text.body


def test_a_long_text_goes_back_cut_at_a_line() -> None:
    """No more of a text is quoted than configured; none where that is 0."""
    letter = netmail(b"0123456789\r" * 100, addressee="1337:9/9")

    cut = written(letter, rules_with(bounces=Bounces.SECURE, quote=50), LOST).text
    none = written(letter, rules_with(bounces=Bounces.SECURE, quote=0), LOST).text

    assert cut.count(b"> 0123456789\r") == 4
    assert b"its beginning" in cut
    assert b"0123456789" not in none


@pytest.mark.parametrize(
    ("bounces", "parts", "answered"),
    [
        (Bounces.OFF, {}, False),
        (Bounces.SECURE, {}, True),
        (Bounces.SECURE, {"cls": InboundClass.LOCAL}, True),
        (Bounces.SECURE, {"cls": InboundClass.INSECURE}, True),  # the packet password proves the link
        (Bounces.SECURE, {"cls": InboundClass.INSECURE, "sender": "1337:5/5", "password": b""}, False),
        (Bounces.ALL, {"cls": InboundClass.INSECURE, "sender": "1337:5/5", "password": b""}, True),
    ],
)
def test_bounces_go_where_authors_are_proven(bounces: Bounces, parts: dict[str, Any], *, answered: bool) -> None:
    """By default a bounce is sent for local and secure mail, and for links that their password proves."""
    letter = netmail(addressee="1337:9/9")

    found = wanted([letter], rules_with(bounces=bounces), LOST, **parts)

    assert [answer.kind for answer in found.answers] == [AnswerKind.BOUNCE] * answered


def test_a_thousand_forged_letters_provoke_no_thousand_bounces() -> None:
    """Of 1,000 undeliverable letters with made-up authors no more are answered than the total, per system its share."""
    rules = rules_with(bounces=Bounces.ALL, per_system=2, total=30)
    letters = [
        netmail(number=number, author=f"1337:{number % 100 + 3}/{number % 5 + 1}.{number % 2}", addressee="1337:9/9")
        for number in range(1, 1001)
    ]
    found = wanted(letters, rules, LOST)
    assert len(found.answers) == 1000

    given, withheld = allow(found.answers, Answered(), rules)

    assert len(given) == 30
    assert max(sum(each.system == answer.system for each in given) for answer in given) <= 2
    assert sum(withheld.values()) == 970


def test_limits_count_what_was_given_before() -> None:
    """Answers of the period count, and a key that was answered at any time is answered no more."""
    rules = rules_with(robots=PING, per_system=2, total=100)
    answers = [answer for number in (1, 2) for answer in ping_answers(rules, number)]
    before = Answered({answers[0].key})
    before.systems["pong", answers[1].system] = 1

    given, withheld = allow([*answers, *ping_answers(rules, 3)], before, rules)

    assert [answer.key for answer in given] == [answers[1].key]
    assert withheld == {Withheld.REPEATED: 1, Withheld.SYSTEM_LIMIT: 1}


def ping_answers(rules: Rulebook, number: int) -> list[Answer]:
    """Answers to a PING."""
    return wanted([netmail(number=number, to_name=b"PING")], rules).answers


@pytest.mark.parametrize(
    "letter",
    [
        netmail(to_name=b"ping", number=1).replace(b"Mira Kovale\0", b" PING \0"),
        netmail(to_name=b"ping").replace(b"Mira Kovale\0", b"AreaFix\0"),
        netmail(to_name=b"ping").replace(b"Mira Kovale\0", b"weather\0"),
        netmail(to_name=b"ping").replace(b"Letter 1\0", b"Re: Pong: Letter\0"),
        netmail(to_name=b"ping").replace(b"Letter 1\0", b"Undeliverable mail\0"),
        netmail(b"\x01TOSSER-ANSWER: trace\r", to_name=b"ping"),
        netmail(b"\x01RFC-Auto-Submitted: auto-replied\r", to_name=b"ping"),
        netmail(b"\x01RFC-Precedence: bulk\r", to_name=b"ping"),
        packed(b"\x01INTL 1337:1/200 1337:1/100\r", to_name=b"Ping", attributes=0x2001),
        netmail(to_name=b"ping", author=US),
    ],
)
def test_what_is_never_answered(letter: bytes) -> None:
    """Programs, answers, receipts, automatic mail, and whoever pretends to be us, get no answer."""
    rules = rules_with(robots=PING | {"weather": Robot("Weather", ("weather",))})

    assert wanted([letter], rules).answers == []


def test_automatic_mail_that_says_no_is_answered() -> None:
    """A person's mail through a gateway has a line that says it is not automatic."""
    letter = netmail(b"\x01RFC-Auto-Submitted: no\r", to_name=b"ping")

    assert len(wanted([letter], rules_with(robots=PING)).answers) == 1


def test_a_local_author_is_answered() -> None:
    """Our own users may ping their own system."""
    letter = netmail(to_name=b"ping", author=US)

    found = wanted([letter], rules_with(robots=PING), cls=InboundClass.LOCAL, sender=US)

    assert [str(answer.to) for answer in found.answers] == ["1337:1/200@tqwnet"]


def test_a_trace_answers_what_passes_through() -> None:
    """PING for another system is answered on its way where TRACE is on, and not otherwise."""
    letter = netmail(to_name=b"PING", addressee="1337:1/201")

    assert [answer.kind for answer in wanted([letter], rules_with(trace=True)).answers] == [AnswerKind.TRACE]
    assert wanted([letter], rules_with(robots=PING)).answers == []
    assert b"goes on to its addressee" in written(letter, rules_with(trace=True)).text


@pytest.mark.parametrize(
    ("attributes", "flags", "addressee", "kind"),
    [
        (0x1001, b"", US, AnswerKind.RECEIPT),
        (0x0001, b"\x01FLAGS PVT RRQ\r", US, AnswerKind.RECEIPT),
        (0x0001, b"\x01FLAGS: CFM\r", US, AnswerKind.RECEIPT),
        (0x4001, b"", "1337:1/201", AnswerKind.AUDIT),
        (0x0001, b"\x01FLAGS ARQ\r", "1337:1/201", AnswerKind.AUDIT),
        (0x4001, b"", US, None),
        (0x1001, b"", "1337:1/201", None),
        (0x3001, b"", US, None),
    ],
)
def test_receipts_and_audits(attributes: int, flags: bytes, addressee: str, kind: AnswerKind | None) -> None:
    """A receipt is given at the end, an audit on the way, nothing for a receipt; each has the receipt bit."""
    intl = f"\x01INTL {addressee} 1337:1/100\r".encode("ascii")
    letter = packed(intl + flags + b"Hello\r", attributes=attributes)
    rules = rules_with(receipts=True)

    assert [answer.kind for answer in wanted([letter], rules).answers] == ([kind] if kind else [])
    assert wanted([letter], rules_with(robots=PING)).answers == []
    if kind:
        assert written(letter, rules).attributes == 0x2001


def test_an_answer_keeps_the_character_set() -> None:
    """What is quoted stays in its bytes, and CHRS says which they are."""
    letter = netmail(to_name=b"ping").replace(b"CP437 2", b"CP866 2").replace(b"Mira Kovale", b"\x8c\xa8\xe0\xa0")
    message = written(letter, rules_with(robots=PING))

    assert message.to == b"\x8c\xa8\xe0\xa0"
    assert b"CHRS: CP866 2" in split_text(message.text).kludges


@given(
    sender=st.binary(min_size=1, max_size=35).filter(lambda raw: b"\0" not in raw),
    subject=st.binary(max_size=71).filter(lambda raw: b"\0" not in raw),
    body=st.binary(max_size=200).filter(lambda raw: b"\0" not in raw),
)
def test_an_answer_is_a_sound_message_whatever_is_answered(sender: bytes, subject: bytes, body: bytes) -> None:
    """No hostile name, subject or text breaks the answer, or gives it control lines of its own."""
    intl = b"\x01INTL 1337:1/200 1337:1/100\r"
    rules = rules_with(robots=PING)
    letter = packed(intl + body, to_name=b"ping", from_name=sender, subject=subject)
    if not wanted([letter], rules).answers:
        return

    text = split_text(written(letter, rules).text)

    assert text.area is None
    tags = [kludge.split()[0] for kludge in text.kludges]
    assert [tag for tag in tags if tag != b"REPLY:"] == [
        b"INTL", b"MSGID:", b"PID:", b"CHRS:", b"TZUTC:", b"TOSSER-ANSWER:",
    ]  # fmt: skip
    assert text.seen_by == ()


def test_mail_for_a_program_is_handed_over_where_it_is_proven() -> None:
    """A robot that is a program gets what is secure, and what is not only where it says so."""
    letter = netmail(to_name=b"WEATHER")
    stranger: dict[str, Any] = {"cls": InboundClass.INSECURE, "sender": "1337:5/5", "password": b""}
    careful = rules_with(robots={"weather": Robot("Weather", ("w",))})
    open_to_all = rules_with(robots={"weather": Robot("Weather", ("w",), insecure=True)})

    assert [item.robot for item in wanted([letter], careful).hand_overs] == ["Weather"]
    assert wanted([letter], careful, **stranger).hand_overs == []
    assert len(wanted([letter], open_to_all, **stranger).hand_overs) == 1


def test_keys_tell_messages_apart() -> None:
    """The same message has one key, others have others; without MSGID what it says counts."""
    rules = rules_with(robots=PING)
    plain = packed(b"\x01INTL 1337:1/200 1337:1/100\rOne\r", to_name=b"ping")
    other = packed(b"\x01INTL 1337:1/200 1337:1/100\rTwo\r", to_name=b"ping")
    letters = [netmail(number=1, to_name=b"ping"), netmail(number=2, to_name=b"ping"), plain, other]

    keys, again = ([answer.key for answer in wanted(letters, rules).answers] for _ in range(2))

    assert keys == again
    assert len(set(keys)) == 4


def test_echomail_wants_no_answer() -> None:
    """PING is for netmail only."""
    rules = rules_with(robots=PING, receipts=True, trace=True, bounces=Bounces.ALL)
    letter = packed(b"AREA:TQW_TECH\rHello\r * Origin: x (1337:1/100)\r", to_name=b"ping", attributes=0x1000)

    assert wanted([letter], rules).answers == []


def test_the_author_is_answered_at_his_point() -> None:
    """The answer has the point of the author, and its system is the boss."""
    (answer,) = wanted([netmail(author=f"{HUB}.7", to_name=b"ping")], rules_with(robots=PING)).answers

    assert (str(answer.to), answer.system) == (f"{HUB}.7@tqwnet", f"{HUB}@tqwnet")
