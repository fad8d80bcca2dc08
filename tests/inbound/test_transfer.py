from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.bad_mail import damaged, refused
from tests.mail import echo_text, message, netmail, packed
from tests.rules.world import NOW, decide_batch, echo, make_batch, make_piece, usual_rules
from tosser.codec.jam_message import build_record
from tosser.codec.packet import parse_packet
from tosser.codec.seenby import by_net, parse_nodes
from tosser.errors import PacketError
from tosser.inbound.transfer import pack_batch, unpack_batch
from tosser.reason import Reason
from tosser.rules import trailer
from tosser.rules.batch import Batch, Piece, Refusal
from tosser.rules.outgoing import draw_packets
from tosser.rules.plan import draw_up

RULES = usual_rules()


def through(batch: Batch) -> Batch:
    """Hand a batch over."""
    return unpack_batch(*pack_batch(batch))


def without_records(piece: Piece) -> Piece:
    """Forget what was made in advance."""
    return replace(piece, records=[])


def assert_same(batch: Batch) -> None:
    """Check that a batch is the same after it was handed over, and that what it stores is too."""
    arrived = through(batch)
    assert [without_records(piece) for piece in arrived.pieces] == batch.pieces
    assert (arrived.refusals, arrived.ends) == (batch.refusals, batch.ends)
    decision = decide_batch(batch, RULES)
    assert decide_batch(arrived, RULES) == decision
    here, there = draw_up(batch.pieces, decision, RULES), draw_up(arrived.pieces, decision, RULES)
    assert [*here.appends] == [*there.appends]
    for target, entries in here.appends.items():
        expected = [entry.message for entry in entries]
        assert [entry.message for entry in there.appends[target]] == expected
        for entry in there.appends[target]:
            if entry.record is not None:
                assert entry.record == build_record(entry.message)


def test_usual_mail_is_stored_as_it_was_prepared() -> None:
    """Ordinary echomail has its record made in advance, netmail has none, and a refusal goes along."""
    piece = make_piece([echo(number=1), netmail(number=2), echo("NO_SUCH_AREA", 3), echo(number=1)])
    refusal = Refusal(piece.file, 1, "x.pkt", Reason.TRUNCATED, "it ends early", 12, None)
    batch = make_batch([piece], refusal)

    assert [record is not None for record in through(batch).pieces[0].records] == [True, False, True, True]
    assert_same(batch)


@given(st.lists(st.lists(st.integers(1, 9), max_size=9), max_size=5))
def test_seen_bys_read_in_advance(seen: list[list[int]]) -> None:
    """SEEN-BYs that were read in the other process are those of the text, and the message is sent on with them."""
    lists = [[f"{net}/{net}" for net in nets] for nets in seen]
    raw = [message("TQW_TECH", number=number, seen_by=nodes) for number, nodes in enumerate(lists, 1)]
    batch = make_batch([make_piece(raw)])
    arrived = unpack_batch(*pack_batch(batch, lists=True))
    for _, text in arrived.pieces[0].messages:
        assert text.nets == by_net(parse_nodes(text.seen_by))
    decision = decide_batch(batch, RULES)
    sent = []
    for pieces in (batch.pieces, arrived.pieces):
        trailer._seen_by.clear()  # or the second would be told what the first has found
        sent.append(draw_packets(pieces, decision, RULES, datetime.fromtimestamp(NOW, UTC)))
    assert sent[0] == sent[1]
    assert sum(packet.messages for packet in sent[0]) >= len(seen)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"AREA:TQW_TECH",
        b"AREA:TQW_TECH\nonly LF\n * Origin: x (1337:1/100)\nSEEN-BY: 1/100\n",
        b"AREA:TQW_TECH\r\nboth\r\n * Origin: x (1337:1/100)\r\nSEEN-BY: 1/100\r\n",
        b"AREA:TQW_TECH\rno origin\r",
        b"AREA:TQW_TECH\r\x01MSGID: 1337:1/100 1\rno origin\r",
        b"AREA:TQW_TECH\r * Origin: x (1337:1/100)\rSEEN-BY: 1/100\r\x01Via 1337:1/100\r\x01PATH: 1/100\r",
        b"AREA:TQW_TECH\rbefore\x8d\n * Origin: x (1337:1/100)\r\rafter\rSEEN-BY: 1/100\r",
    ],
)
def test_odd_texts(text: bytes) -> None:
    """Whatever a text looks like, it arrives as it was split."""
    assert_same(make_batch([make_piece([packed(text)])]))


def test_damaged_and_refused_mail() -> None:
    """So does every message of every odd packet that can be read at all."""
    for case in (*damaged("TQW_TECH"), *refused("TQW_TECH")):
        try:
            messages = parse_packet(case.data).messages
        except PacketError:
            continue
        assert_same(make_batch([make_piece([packed(each.text, subject=each.subject) for each in messages])]))


@given(st.lists(st.binary(max_size=300).map(lambda raw: raw.replace(b"\0", b"")), max_size=5))
def test_any_text(bodies: list[bytes]) -> None:
    """Any bytes at all may be in a body."""
    raw = [packed(echo_text("TQW_TECH", msgid=None, body=body)) for body in bodies]
    assert_same(make_batch([make_piece(raw)]))
