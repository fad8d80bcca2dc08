"""The plan: what goes to which base, how, and the same again from the recorded decision."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import HUB, US, echo_text, message, netmail, packed
from tests.rules.world import (
    NOW,
    POINT,
    STRANGER,
    decide_batch,
    echo,
    make_batch,
    make_piece,
    make_pieces,
    usual_rules,
)
from tosser.codec.stored import MessageKind
from tosser.rules.network import InboundClass, StoreKind
from tosser.rules.plan import draw_up
from tosser.rules.verdict import TargetKind
from tosser.state.journal import read_decision, write_decision

if TYPE_CHECKING:
    from tosser.codec.stored import BaseMessage
    from tosser.rules.batch import Piece
    from tosser.rules.plan import Plan

RULES = usual_rules()
ALL_BITS = 0xFFFF


def plan(*pieces: Piece) -> Plan:
    """Decide on pieces and spell it out."""
    return draw_up(pieces, decide_batch(make_batch(pieces), RULES), RULES)


def stored(raw: bytes, sender: str = HUB) -> BaseMessage:
    """The one message of a plan."""
    ((entry,),) = plan(make_piece([raw], sender=sender)).appends.values()
    return entry.message


def test_each_message_in_its_base() -> None:
    """Messages go to the bases of their areas, in reading order; duplicates go nowhere."""
    pieces = [
        make_piece([echo("TQW_TECH", 1), echo("TQW_GEN", 2), netmail(), echo("NO_SUCH", 3), echo("TQW_TECH", 1)]),
        make_piece([echo("PAUSED", 4), echo("TQW_TECH", 5), echo("PASSED_ON", 6), netmail(number=9)], claim="two"),
    ]
    found = plan(*pieces)
    subjects = {
        (target.kind, target.tag, target.path): [entry.message.subject for entry in entries]
        for target, entries in found.appends.items()
    }
    assert subjects == {
        (TargetKind.AREA, "TQW_TECH", "/bases/tqw_tech"): [b"Test 1", b"Test 5"],
        (TargetKind.AREA, "TQW_GEN", "/bases/tqw_gen"): [b"Test 2"],
        (TargetKind.NETMAIL, "", "/bases/netmail"): [b"Letter 1", b"Letter 9"],
        (TargetKind.BAD, "BADMAIL.TQWNET", "/bases/BADMAIL.TQWNET"): [b"Test 3", b"Test 4"],
        (TargetKind.AREA, "PASSED_ON", ""): [b"Test 6"],
    }
    assert [target.store for target in found.appends] == [StoreKind.JAM] * 4 + [StoreKind.PASSTHROUGH]


def test_entries_know_where_they_come_from() -> None:
    """An entry leads back to its packed message, its text and the verdict on it."""
    pieces = make_pieces([echo(number=number) for number in range(5)], 2)
    found = draw_up(pieces[::-1], decide_batch(make_batch(pieces), RULES), RULES)
    ((target, entries),) = found.appends.items()
    assert [(entry.piece.first, entry.index) for entry in entries] == [(0, 0), (0, 1), (2, 0), (2, 1), (4, 0)]
    for entry in entries:
        assert entry.packed.subject == entry.message.subject
        assert entry.text.body == entry.message.body
        assert entry.verdict.target is target
        assert entry.decision.first == entry.piece.first


def test_refused_packets_are_passed_over() -> None:
    """Pieces without a decision do no harm."""
    pieces = [make_piece([echo()], sender=STRANGER), make_piece([echo()], claim="two")]
    assert [len(entries) for entries in plan(*pieces).appends.values()] == [1]


def test_echomail_as_stored() -> None:
    """Echomail is kept as it came: bytes, kludges without AREA, SEEN-BY and PATH apart, the author's clock."""
    text = echo_text("TQW_TECH", body=b"\x80\x8d\xff\r", reply="1337:1/301 00000002")
    message_in_base = stored(packed(text, to_name=b"T\x94m", from_name=b"Mira", subject=b"S\x81"))
    assert message_in_base.kind is MessageKind.ECHO
    assert (message_in_base.to, message_in_base.sender, message_in_base.subject) == (b"T\x94m", b"Mira", b"S\x81")
    assert [line.partition(b":")[0] for line in message_in_base.kludges] == [
        b"MSGID",
        b"REPLY",
        b"PID",
        b"CHRS",
        b"TZUTC",
    ]
    assert message_in_base.body.startswith(b"\x80\x8d\xff\r--- ")
    assert message_in_base.body.endswith(b"(1337:1/300)\r")
    assert (message_in_base.seen_by, message_in_base.path) == ((b"1/100 200",), (b"1/300 100",))
    assert (message_in_base.written, message_in_base.arrived) == (datetime(2026, 11, 1, 8), int(NOW))  # noqa: DTZ001 - the author's clock
    assert (message_in_base.dest, message_in_base.in_transit) == (None, False)


@pytest.mark.parametrize(
    ("origin", "msgid", "path", "expected"),
    [
        ("BBS (1337:5/1.2)", "1337:1/300 00000001", ["1/301"], "1337:5/1.2"),
        ("BBS", "1337:1/300 00000001", ["1/301"], "1337:1/300"),
        (None, "<x@example.invalid> 00000001", ["1/301", "1/100"], "1337:1/301"),
        (None, None, [], HUB),
    ],
)
def test_author(origin: str | None, msgid: str | None, path: list[str], expected: str) -> None:
    """The author is who Origin says, else MSGID, else the start of PATH, else the sender."""
    text = echo_text("TQW_TECH", origin=origin, msgid=msgid, path=path)
    assert str(stored(packed(text)).origin) == expected


def test_nobody_wrote_it() -> None:
    """Where not even the sender has an address, as our own programs may not, the author is unknown."""
    raw = packed(echo_text("TQW_TECH", origin=None, msgid=None, path=["1/301"]))
    ((entry,),) = plan(make_piece([raw], sender="1337:0/0", cls=InboundClass.LOCAL)).appends.values()
    assert entry.message.origin is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (packed(echo_text("TQW_TECH"), attributes=ALL_BITS), 0x7000),
        (packed(echo_text("NO_SUCH"), attributes=ALL_BITS), 0x7000),
        (packed(b"Hello.\r", attributes=ALL_BITS), 0x7011),
        (packed(b"Hello.\r", attributes=ALL_BITS, dest=POINT), 0x7011),
        (packed(b"\x01INTL 2:2/2 1337:1/100\rHello.\r", attributes=ALL_BITS), 0x7013),
        (packed(b"Hello.\r"), 0),
    ],
    ids=["echomail", "bad", "netmail", "netmail by header", "transit", "none"],
)
def test_attributes(raw: bytes, expected: int) -> None:
    """Bits of another system are cleared; so are Private and attachments in echomail, and urgency on arrival."""
    assert stored(raw).attributes == expected


@pytest.mark.parametrize(("addressee", "in_transit"), [(US, False), (POINT, True)])
def test_netmail_as_stored(addressee: str, in_transit: bool) -> None:  # noqa: FBT001 - a column of the table
    """Netmail has its addresses with points and domains, and a mark when it is for another system."""
    found = stored(netmail(author="1:123/4.5", addressee=addressee), STRANGER)
    assert found.kind is MessageKind.NETMAIL
    assert (str(found.origin), str(found.dest)) == ("1:123/4.5", f"{addressee}@tqwnet")
    assert found.in_transit is in_transit


def test_netmail_with_an_area_line_as_stored() -> None:
    """Netmail that came with an AREA line loses it, and nothing else."""
    found = stored(message("NETMAIL"))
    assert found.kind is MessageKind.NETMAIL
    assert not [line for line in found.kludges if line.upper().startswith(b"AREA")]
    assert found.body == stored(message("TQW_TECH")).body


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("No_Such", b"unknown-area"),
        ("PAUSED", b"area-paused"),
        ("TWO WORDS", b"invalid-tag"),
        ("", b"invalid-tag"),
        ("NOT_THE_HUB", b"not-linked"),
    ],
)
def test_bad_mail_says_why(tag: str, reason: bytes) -> None:
    """In the bad area a message has the reason, the sender, and its AREA line as it was, to be tossed again by."""
    found = stored(message(tag))
    area, why, *others = found.kludges
    assert area == b"AREA:" + tag.encode()
    assert why == b"TOSSER-REASON: " + reason + b" 1337:1/100"
    assert others == list(stored(message("TQW_TECH")).kludges)
    assert found.kind is MessageKind.ECHO


def test_bad_mail_with_letters_beyond_ascii() -> None:
    """A tag of any bytes is kept byte by byte."""
    raw = message("XX").replace(b"AREA:XX", b"AREA:T\xc9\xdf\xff")
    assert stored(raw).kludges[0] == b"AREA:T\xc9\xdf\xff"


# --- the same again

MESSAGES = st.one_of(
    st.builds(echo, st.sampled_from(["TQW_TECH", "TQW_GEN", "PASSED_ON", "PAUSED", "NO_SUCH", ""]), st.integers(0, 5)),
    st.builds(lambda number: netmail(number=number), st.integers(0, 5)),
    st.builds(lambda text: packed(text.replace(b"\0", b"")), st.binary(max_size=60)),
)
PACKETS = st.lists(
    st.tuples(st.lists(MESSAGES, max_size=6), st.sampled_from([HUB, STRANGER, POINT]), st.binary(max_size=3)),
    max_size=4,
)


@given(PACKETS)
def test_recorded_decision_gives_the_same_plan(packets: list[tuple[list[bytes], str, bytes]]) -> None:
    """A decision that went through the journal, and pieces read again, give the plan that was made first."""
    first, second = (
        [
            make_piece(raw, sender=sender, claim=f"claim{index}", junk=junk)
            for index, (raw, sender, junk) in enumerate(packets)
        ]
        for _ in range(2)
    )
    decision = decide_batch(make_batch(first), RULES)
    written = write_decision(decision)
    recorded = read_decision(written, 1)
    assert write_decision(recorded) == written
    before, after = draw_up(first, decision, RULES), draw_up(second, recorded, RULES)
    assert list(before.appends) == list(after.appends)
    for target, entries in before.appends.items():
        assert [entry.message for entry in entries] == [entry.message for entry in after.appends[target]]
        assert [entry.verdict for entry in entries] == [entry.verdict for entry in after.appends[target]]
    decision.dupe_keys.clear()
    decision.trace_keys = b""
    assert recorded == decision


@given(PACKETS)
def test_nothing_is_lost(packets: list[tuple[list[bytes], str, bytes]]) -> None:
    """Every message of every packet is in a base, is a duplicate, or is in a packet that is set aside."""
    pieces = [
        make_piece(raw, sender=sender, claim=f"claim{index}", junk=junk)
        for index, (raw, sender, junk) in enumerate(packets)
    ]
    decision = decide_batch(make_batch(pieces), RULES)
    entries = sum(len(found) for found in draw_up(pieces, decision, RULES).appends.values())
    aside = {item.claim for item in decision.set_aside if not item.tossed}
    kept = sum(len(piece.messages) for piece in pieces if piece.file.claim in aside)
    duplicates = sum(outcome.counts.get("duplicate", 0) for outcome in decision.outcomes)
    assert entries + kept + duplicates == sum(len(piece.messages) for piece in pieces)
    assert {outcome.claim for outcome in decision.outcomes} == {piece.file.claim for piece in pieces}
