from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import US, damaged, message, netmail, packet, truncations
from tosser.cli.hexdump import HexDump
from tosser.cli.packet_facts import packet_facts, read_packet, spans
from tosser.codec.packet import parse_packet

SOUND = packet([message("TQW_GEN", number=1), netmail(number=2)], password=b"SECRET")


def assert_tiled(data: bytes) -> None:
    """The spans of a packet follow each other without a gap, from its first byte to its last."""
    at = 0
    for start, end, _ in spans(read_packet(data)):
        assert start == at
        assert end > start
        at = end
    assert at == len(data)


def test_spans_cover_damaged_packets_too() -> None:
    """Whatever is wrong with a packet, each of its bytes is in one span."""
    for case in (*damaged(), *truncations()):
        assert_tiled(case.data)


@given(st.binary(max_size=300), st.integers(0, len(SOUND)), st.integers(0, len(SOUND)))
def test_any_bytes_are_told_of(junk: bytes, keep: int, skip: int) -> None:
    """No bytes are beyond description: a packet, something spliced into it, anything."""
    data = SOUND[:keep] + junk + SOUND[skip:]

    assert_tiled(data)
    facts = packet_facts(read_packet(data), raw=True)

    assert (facts["error"] is None) == (facts["raw"] == [] or facts["raw"][-1]["what"] != "not read")


def test_spans_name_every_part() -> None:
    """A message is divided into its fields, and its text into what it is made of."""
    names = [what for _, _, what in spans(read_packet(packet([message("TQW_GEN")])))]

    assert names == [
        "packet header",
        "message 1, numbers", "message 1, date", "message 1, to", "message 1, from", "message 1, subject",
        "message 1, text: area", *["message 1, text: kludge"] * 4, "message 1, text: body",
        "message 1, text: tearline", "message 1, text: origin", "message 1, text: seen-by", "message 1, text: path",
        "message 1, end of the text",
        "end of the packet",
    ]  # fmt: skip


def test_junk_behind_the_end_is_named() -> None:
    """What follows the terminator is no message and no damage."""
    found = [(what, end - start) for start, end, what in spans(read_packet(packet([]) + b"NO CARRIER"))]

    assert found == [("packet header", 58), ("end of the packet", 2), ("behind the end", 10)]


def test_messages_before_the_damage_are_read() -> None:
    """A packet that is cut gives its whole messages and the error, with reason and offset."""
    data = packet([message("TQW_GEN", number=1), message("TQW_GEN", number=2)])
    second = parse_packet(data).messages[1].offset

    facts = packet_facts(read_packet(data[:-40]), raw=False)

    assert [each["number"] for each in facts["messages"]] == [1]
    assert facts["error"]["reason"] == "truncated"
    assert facts["error"]["offset"] == second
    assert f"{second // 16 * 16:08x}  " in facts["error"]["excerpt"]


def test_kludges_are_decoded() -> None:
    """A kludge that has a grammar is told with what it means."""
    facts = packet_facts(read_packet(packet([netmail(number=7, addressee=f"{US}.3")])), raw=False)

    meanings = {part["tag"]: part["meaning"] for part in facts["messages"][0]["parts"] if part["kind"] == "kludge"}

    assert meanings == {
        "INTL": {"dest": "1337:1/200", "orig": "1337:1/100"},
        "TOPT": {"point": 3},
        "MSGID": {"address": "1337:1/100", "serial": "00000007"},
        "CHRS": {"id": "CP437", "level": 2},
        "TZUTC": {"minutes": 60},
    }


@pytest.mark.parametrize(
    ("kludge", "flaw"),
    [
        (b"TZUTC: noon", "'noon' is not an offset from UTC ([-]hhmm)"),
        (b"INTL 1337:1/200", "INTL has 1 of 2 words"),
        (b"FMPT 99999", "'99999' is not a number from 0 to 65535"),
    ],
)
def test_kludges_that_break_their_grammar_are_told(kludge: bytes, flaw: str) -> None:
    """A kludge that cannot be understood is shown all the same, with the reason."""
    data = packet([netmail(b"\x01" + kludge + b"\rHello\r")])
    parts = packet_facts(read_packet(data), raw=False)["messages"][0]["parts"]

    assert [part["flaw"] for part in parts if part["kind"] == "kludge" and part["flaw"]] == [flaw]


def test_unknown_kludges_have_no_meaning() -> None:
    """A kludge without a grammar is its tag and its value."""
    data = packet([netmail(b"\x01XYZZY: nothing happens\rHello\r")])
    parts = packet_facts(read_packet(data), raw=False)["messages"][0]["parts"]

    assert {
        "kind": "kludge",
        "tag": "XYZZY",
        "value": "nothing happens",
        "meaning": None,
        "flaw": None,
    } in parts


def test_the_dump_masks_a_password_whole() -> None:
    """All eight bytes of a password are masked, so that not even its length can be seen; none is not masked."""
    short, none = HexDump(packet([], password=b"AB")), HexDump(packet([]))

    assert short.digits(26, 34) == "**" * 8
    assert none.digits(26, 34) == "00" * 8
    assert all("AB" not in row for row in short.rows(0, 60))


def test_rows_are_aligned() -> None:
    """A short row keeps its text in the column of the others."""
    assert HexDump(b"0123456789ABCDEF\r\x00\xffx").rows(0, 20) == [
        "00000000  30 31 32 33 34 35 36 37 38 39 41 42 43 44 45 46  0123456789ABCDEF",
        "00000010  0d 00 ff 78                                      ...x",
    ]
