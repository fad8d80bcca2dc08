"""What a message of another program lacks to be sent, and what of it is left as it is."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.rules.world import usual_rules
from tosser import __version__
from tosser.address import Address
from tosser.codec.message import split_text
from tosser.codec.stored import BaseMessage, MessageKind
from tosser.rules.scanning import Additions, additions_to, complete, complete_netmail, number_in, packet_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tosser.codec.packed_message import PackedMessage

MOMENT = datetime(2026, 11, 26, 14, 5, 6, tzinfo=timezone(timedelta(hours=2)))
PROGRAM = f"tosser {__version__}".encode("ascii")
TEARLINE = b"--- " + PROGRAM + b"\r"
ORIGIN = b" * Origin: Example BBS (1337:1/200)\r"
LINES = [
    b"MSGID: 1337:1/200@tqwnet 1a2b3c4d",
    b"PID: " + PROGRAM,
    b"TID: " + PROGRAM,
    b"CHRS: ASCII 1",
    b"TZUTC: 0200",
]


def written(
    body: bytes,
    kludges: Sequence[bytes] = (),
    *,
    sender: bytes = b"Bob Caller",
    to: bytes = b"All",
    subject: bytes = b"News",
) -> BaseMessage:
    """Write a message as it stands in a base."""
    return BaseMessage(
        kind=MessageKind.ECHO,
        sender=sender,
        to=to,
        subject=subject,
        kludges=list(kludges),
        body=body,
        seen_by=(),
        path=(),
        origin=None,
        dest=None,
        written=None,
        arrived=0,
        attributes=0x0101,
    )


def packed(message: BaseMessage, reply: bytes | None = None) -> PackedMessage:
    """Complete it."""
    rules = usual_rules()
    additions = Additions(0x1A2B3C4D, MOMENT, reply, b"Example BBS")
    return complete(message, rules.areas["tqwnet", "TQW_TECH"], rules, additions)


def body_of(body: bytes, kludges: Sequence[bytes] = ()) -> bytes:
    """Complete a text, and give what people read of it."""
    return split_text(packed(written(body, kludges)).text).body


def test_a_bare_message() -> None:
    """Everything it lacks is put in front of its text and behind it; its attributes are nobody's business."""
    made = packed(written(b"Hello\r"), reply=b"1337:1/300 00000007")
    lines = [LINES[0], b"REPLY: 1337:1/300 00000007", *LINES[1:]]
    assert (
        made.text
        == b"AREA:TQW_TECH\r" + b"".join(b"\x01" + each + b"\r" for each in lines) + b"Hello\r" + TEARLINE + ORIGIN
    )
    assert (made.date, made.attributes) == (b"26 Nov 26  14:05:06", 0)
    assert (made.orig_net, made.orig_node, made.dest_net, made.dest_node) == (1, 200, 1, 200)


@pytest.mark.parametrize(
    ("there", "lacking"),
    [
        (b"MSGID: 1337:1/200 1", 0),
        (b"msgid: a.board.invalid 1", 0),
        (b"PID: Board 1", 1),
        (b"TID: Board 1", 2),
        (b"CHRS: LATIN-1 2", 3),
        (b"CHARSET: LATIN-1", 3),
        (b"TZUTC: -0330", 4),
        (b"TZUTCINFO: 0100", 4),
    ],
)
def test_a_control_line_that_is_there(there: bytes, lacking: int) -> None:
    """It stays as it was written, and is not made again; so with one that was left in the text."""
    for message in (written(b"Hello\r", [there]), written(b"\x01" + there + b"\rHello\r")):
        made = split_text(packed(message).text).kludges
        assert made == [*LINES[:lacking], *LINES[lacking + 1 :], there]


@pytest.mark.parametrize("line", [b"PATH: 1/2", b"SEEN-BY: 1/2", b"Via 1337:1/1", b"INTL 1:1/1 1:1/2", b"AREA:OTHER"])
def test_control_lines_of_the_transport(line: bytes) -> None:
    """What belongs to the way of a message is not taken from its base."""
    assert split_text(packed(written(b"Hello\r", [line])).text).kludges == LINES


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        (b"plain", b"ASCII 1"),
        ("grün".encode(), b"UTF-8 4"),
        ("grün".encode("cp437"), b"CP437 2"),
    ],
)
def test_the_character_set(text: bytes, charset: bytes) -> None:
    """It is told by the bytes where they tell it, else by the area."""
    assert b"CHRS: " + charset in split_text(packed(written(text)).text).kludges


WHOLE = b"Hello\r\r--- Board 1\r * Origin: A board (1337:1/200)\r"


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        b"Hello\r---\r * Origin: A board (1337:1/200.5@tqwnet)\r",
        b"Hello\r--- \r * Origin: A board (1337:1/200)\r\r",
        b"--- Board 1\r * Origin: (1337:1/200)",
        b"> * Origin: quoted (2:5/5)\rSEEN-BY: 1/2\r--- Board 1\r * Origin: A board (1337:1/200)\r",
    ],
)
def test_a_whole_text(text: bytes) -> None:
    """A text with tearline and Origin stays byte for byte."""
    message = written(text)
    made = packed(message)
    assert made.text.endswith(text)
    assert additions_to(message, made) == (LINES, None)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (b"", TEARLINE + ORIGIN),
        (b"Hello", b"Hello\r" + TEARLINE + ORIGIN),
        (b"Hello\r\r", b"Hello\r\r" + TEARLINE + ORIGIN),
        (b"Hello\r--- Board 1\r\r", b"Hello\r--- Board 1\r" + ORIGIN),
        (b"Hello\r * Origin: A board (1337:1/200)\r", b"Hello\r" + TEARLINE + b" * Origin: A board (1337:1/200)\r"),
        (b"Hello\r--- B\r * Origin: A board\r", b"Hello\r--- B\r * Origin: A board (1337:1/200)\r"),
        (b"Hello\r * Origin: A board\r", b"Hello\r" + TEARLINE + b" * Origin: A board (1337:1/200)\r"),
        (b"Hello\r\nyou\n", b"Hello\ryou\r" + TEARLINE + ORIGIN),
    ],
)
def test_what_a_text_lacks(text: bytes, made: bytes) -> None:
    """It gets a tearline, an Origin line, or just the address in it."""
    assert body_of(text) == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (b"See:\r--- X\r * Origin: Far (2:5/5)\r", b"See:\r-+- X\r + Origin: Far (2:5/5)\r"),
        (b"SEEN-BY: 1/2\rx\r", b"SEEN+BY: 1/2\rx\r"),
        (b" * Origin: Mine (1337:1/200)\rand more\r", b" + Origin: Mine (1337:1/200)\rand more\r"),
    ],
)
def test_what_was_quoted(text: bytes, made: bytes) -> None:
    """Lines that only look like those of the transport are defused, and the message gets its own."""
    assert body_of(text) == made + TEARLINE + ORIGIN


def test_an_author_at_another_address() -> None:
    """An Origin line with the address of the MSGID is the author's."""
    text = b"Hello\r--- X\r * Origin: Elsewhere (2:5/5)\r"
    assert body_of(text, [b"MSGID: 2:5/5 00000001"]) == text


def test_names() -> None:
    """Names and subject are cut to what a packet takes; who writes to nobody writes to all."""
    made = packed(written(b"x", sender=b"B" * 50, to=b"", subject=b"two\rlines" + b"." * 90))
    assert (made.sender, made.to, made.subject[:9], len(made.subject)) == (b"B" * 35, b"All", b"twolines.", 71)


@pytest.mark.parametrize("kludges", [[], [b"MSGID: 1337:1/200 1", b"PATH: 1/2", b"NOTE: a\rb"]])
@pytest.mark.parametrize("text", [b"Hello\r", WHOLE, b"\x01PID: Board 1\rHello\r\x01NOTE: c\rmore\r"])
def test_what_the_base_gets(kludges: list[bytes], text: bytes) -> None:
    """From what was sent it can be told what the base lacks, in the order in which it stands there."""
    message = written(text, kludges)
    made = packed(message)
    lines, body = additions_to(message, made)
    new = text if body is None else body
    head = [b"\x01" + line.replace(b"\r", b"") + b"\r" for line in (*lines, *kludges) if not line.startswith(b"PATH")]
    assert made.text == b"AREA:TQW_TECH\r" + b"".join(head) + new


def test_the_name_of_a_packet() -> None:
    """It tells the number of the message, and no other name does."""
    assert number_in(f"{packet_name(0x1A2B3C4D, 4711)}.pkt") == 4711
    assert number_in("1a2b3c4d.pkt") is None


@pytest.mark.parametrize("kludges", [[], [b"MSGID: 1337:1/200 1", b"FLAGS DIR", b"INTL 1:1/1 1:1/2"]])
@pytest.mark.parametrize("text", [b"Hello\r", b"", b"\x01PID: Board 1\rHello\nyou"])
def test_what_the_netmail_base_gets(kludges: list[bytes], text: bytes) -> None:
    """Of netmail it can be told as well; its addresses come from where the base has them."""
    rules = usual_rules()
    message = replace(written(text, kludges), kind=MessageKind.NETMAIL, dest=Address(1337, 5, 5, 7))
    aka, made = complete_netmail(message, rules, Additions(0x1A2B3C4D, MOMENT, None, b""))
    lines, body = additions_to(message, made)
    kept = [line for line in kludges if not line.startswith(b"INTL")]
    assert lines[:2] == [b"INTL 1337:5/5 1337:1/200", b"TOPT 7"]
    new = text if body is None else body
    assert made.text == b"".join(b"\x01" + line + b"\r" for line in (*lines, *kept)) + new
    assert (aka, body) == (rules.akas[0], text.replace(b"\n", b"\r") if b"\n" in text else None)
