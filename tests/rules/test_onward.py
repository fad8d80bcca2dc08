"""What a netmail looks like when it is sent on: every byte of its text, a Via line behind it, INTL in front."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest

from tests.corpus import HUB, US
from tests.mail import packed
from tests.packets import Taken, messages_in, number
from tests.rules.world import STRANGER, make_piece, usual_rules
from tosser.address import Address
from tosser.rules.netmail import read_envelope
from tosser.rules.onward import compose
from tosser.rules.routing import Onward

RULES: Final = usual_rules()
MOMENT: Final = datetime(2026, 11, 1, 9, 5, 7, tzinfo=UTC)
VIA: Final = b"\x01Via 1337:1/200 @20261101.090507.UTC tosser 0.1.0\r"
LINK: Final = Address.parse(HUB)


def sent_on(raw: bytes, onward: Onward | None = None, sender: str = HUB) -> Taken:
    """Send a packed message on, and take it apart."""
    piece = make_piece([raw], sender=sender)
    message, text = piece.messages[0]
    envelope = read_envelope(piece.header, message, text, RULES)
    head, tail = compose(message, text, envelope, onward or Onward(LINK), aka=Address.parse(US), moment=MOMENT)
    (found,) = messages_in(bytes(58) + head + tail + b"\0\0")
    return found


@pytest.mark.parametrize(
    "text",
    [
        b"\x01INTL 1337:1/5 1337:1/100\rHello.\r",
        b"\x01INTL 1337:1/5 1337:1/100\r\nHello,\r\n\r\nwith line feeds.\r\n",
        b"\x01INTL 1337:1/5 1337:1/100\r\x01FMPT 3\r\x01TOPT 4\r\x01FLAGS DIR\rSoft\x8d breaks \x80\xff\r",
        b"\x01INTL 1337:1/5 1337:1/100\rHello.\r--- Prog\r * Origin: Here (1337:1/100)\rSEEN-BY: 1/2\r\x01PATH: 1/2\r",
        b"\x01INTL 1337:1/5 1337:1/100\rHello.\r\x01Via 1337:1/100 @20261101.080000.UTC Prog 1\r\x01Recd 1337:1/3\r",
    ],
)
def test_text(text: bytes) -> None:
    """The text stays as it is, whatever is in it, and the Via line is the last one."""
    assert sent_on(packed(text, dest="1337:1/5")).text == text + VIA


def test_text_without_line_end() -> None:
    """A text that ends in the middle of a line gets a line end first; an empty one needs none."""
    text = b"\x01INTL 1337:1/5 1337:1/100\rHello."
    assert sent_on(packed(text)).text == text + b"\r" + VIA
    assert sent_on(packed(b"", dest="1337:1/5")).text == b"\x01INTL 1337:1/5 1337:1/100\r" + VIA


def test_missing_intl() -> None:
    """Without INTL the zones are those of the packet, and the next system is told so; points stay what they were."""
    text = b"\x01FMPT 3\r\x01TOPT 4\rHello.\r"
    found = sent_on(packed(text, dest="1337:1/5"))
    assert found.text == b"\x01INTL 1337:1/5 1337:1/100\r" + text + VIA


def test_area_line() -> None:
    """An AREA line, which would make echomail of it, is left out."""
    text = b"\x01INTL 1337:1/5 1337:1/100\rHello.\r"
    assert sent_on(packed(b"AREA:NETMAIL\r" + text)).text == text + VIA


def test_readdressed() -> None:
    """What has another address gets INTL and TOPT of that, and keeps all else."""
    text = b"\x01INTL 1337:1/5 1337:1/100\r\x01FMPT 3\r\x01TOPT 4\r\x01MSGID: 1337:1/100.3 1\rINTL is a word.\r"
    found = sent_on(packed(text, dest="1337:1/5"), Onward(LINK, dest=Address.parse("1337:7/8.9")))
    head = b"\x01INTL 1337:7/8 1337:1/100\r\x01TOPT 9\r\x01FMPT 3\r"
    assert found.text == head + b"\x01MSGID: 1337:1/100.3 1\rINTL is a word.\r" + VIA
    assert (number(found.fixed["destNet"]), number(found.fixed["destNode"])) == (7, 8)


def test_header() -> None:
    """The header has author and addressee, not those between; what INTL says counts more than the header did."""
    raw = packed(b"\x01INTL 1337:7/8 1337:5/6\rHello.\r", sender=STRANGER, dest=US)
    fields = ("origNet", "origNode", "destNet", "destNode", "cost")
    assert [number(sent_on(raw).fixed[field]) for field in fields] == [5, 6, 7, 8, 0]


def test_zone_gate() -> None:
    """Until it is at the gate between zones, a message keeps the gate in its header."""
    raw = packed(b"\x01INTL 2:5/6 1337:1/100\rHello.\r", dest="1337:1337/2")
    piece = make_piece([raw])
    envelope = read_envelope(piece.header, *piece.messages[0], RULES)
    assert (str(envelope.dest), str(envelope.stop)) == ("2:5/6", "1337:1337/2@tqwnet")
    found = sent_on(raw)
    assert (number(found.fixed["destNet"]), number(found.fixed["destNode"])) == (1337, 2)
    assert found.text == b"\x01INTL 2:5/6 1337:1/100\rHello.\r" + VIA


@pytest.mark.parametrize(("direct", "files", "expected"), [(False, (), 0x7001), (True, ("/in/a",), 0x7013)])
def test_attributes(direct: bool, files: tuple[str, ...], expected: int) -> None:  # noqa: FBT001 - columns of the table
    """Bits of other systems go; Crash stays on the last hop, File Attached as long as the files go along."""
    raw = packed(b"\x01INTL 1337:1/5 1337:1/100\rHello.\r", attributes=0xFFFF)
    assert number(sent_on(raw, Onward(LINK, direct=direct, files=files)).fixed["attributes"]) == expected
