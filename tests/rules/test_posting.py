from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

import pytest
from msgspec.structs import replace

from tosser import __version__
from tosser.address import Address
from tosser.codec.message import split_text
from tosser.codec.packet import PacketType, build_packed_message, parse_packet
from tosser.rules.posting import Post, compose, defuse, origin_line, post_packet

US: Final = Address.parse("1337:1/200@tqwnet")
MOMENT: Final = datetime(2026, 11, 26, 14, 5, 6, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
ECHO: Final = Post(
    aka=US,
    sender=b"Jane Sysop",
    to=b"All",
    subject=b"News",
    body=b"One line\nand another\n",
    charset="CP437",
    serial=0x1A2B3C4D,
    moment=MOMENT,
    area="TQW_TECH",
    origin=b"Example BBS",
)
NETMAIL: Final = replace(ECHO, area=None, dest=Address.parse("1337:2/300.7@tqwnet"), to=b"Mira Kovale")
PROGRAM: Final = f"tosser {__version__}".encode("ascii")


def test_echomail_is_complete() -> None:
    """A posted echomail has AREA, all control lines of FTS-0004 and FTS-0009, a tearline and an Origin line."""
    message = compose(ECHO)

    assert message.text == b"".join(
        line + b"\r"
        for line in (
            b"AREA:TQW_TECH",
            b"\x01MSGID: 1337:1/200@tqwnet 1a2b3c4d",
            b"\x01PID: " + PROGRAM,
            b"\x01TID: " + PROGRAM,
            b"\x01CHRS: CP437 2",
            b"\x01TZUTC: -0330",
            b"One line",
            b"and another",
            b"--- " + PROGRAM,
            b" * Origin: Example BBS (1337:1/200)",
        )
    )
    assert (message.date, message.attributes) == (b"26 Nov 26  14:05:06", 0)


def test_netmail_names_both_addresses() -> None:
    """A posted netmail has INTL, and FMPT and TOPT where there are points, and no Origin."""
    message = compose(replace(NETMAIL, aka=replace(US, point=5), flags=("CFM",)))

    assert message.text == b"".join(
        line + b"\r"
        for line in (
            b"\x01INTL 1337:2/300 1337:1/200",
            b"\x01FMPT 5",
            b"\x01TOPT 7",
            b"\x01MSGID: 1337:1/200.5@tqwnet 1a2b3c4d",
            b"\x01PID: " + PROGRAM,
            b"\x01CHRS: CP437 2",
            b"\x01TZUTC: -0330",
            b"\x01FLAGS CFM",
            b"One line",
            b"and another",
        )
    )
    assert (message.orig_net, message.orig_node, message.dest_net, message.dest_node) == (1, 200, 2, 300)
    assert message.attributes == 0x0001


def test_an_answer_names_what_it_answers() -> None:
    """REPLY has the MSGID of the parent, byte by byte."""
    text = split_text(compose(replace(ECHO, reply=b"1337:1/300 0000ffff")).text)

    assert b"REPLY: 1337:1/300 0000ffff" in text.kludges


@pytest.mark.parametrize(
    ("line", "defused"),
    [
        (b"--- Golded", b"-+- Golded"),
        (b"---", b"-+-"),
        (b" * Origin: elsewhere (1:2/3)", b" + Origin: elsewhere (1:2/3)"),
        (b"SEEN-BY: 1/2", b"SEEN+BY: 1/2"),
        (b"---- no tearline", b"---- no tearline"),
        (b"text --- in the middle", b"text --- in the middle"),
    ],
)
def test_lines_that_would_command_the_transport_are_changed(line: bytes, defused: bytes) -> None:
    """What would be taken for a tearline, an Origin line or SEEN-BY is quoted; all else stays."""
    assert defuse(b"Hello\r" + line + b"\rBye") == b"Hello\r" + defused + b"\rBye"
    assert defuse(line) == defused


def test_control_characters_of_the_body_do_not_become_control_lines() -> None:
    """A line that begins with 01 is no control line, and NUL does not end the message."""
    message = compose(replace(ECHO, body=b"\x01PATH: 1/2\r\0rest"))

    assert b"@PATH: 1/2\rrest\r" in message.text


def test_an_origin_line_fits() -> None:
    """The text is cut so that the line has at most 79 bytes, and the address is whole."""
    line = b" * Origin: " + origin_line(b"x" * 200, US)

    assert len(line) == 79
    assert line.endswith(b"xx (1337:1/200)")


@pytest.mark.parametrize(("charset", "value"), [("ASCII", b"ASCII 1"), ("CP866", b"CP866 2"), ("UTF-8", b"UTF-8 4")])
def test_the_level_of_a_character_set_is_that_of_the_standard(charset: str, value: bytes) -> None:
    """FTS-5003 gives each set its level."""
    assert b"CHRS: " + value in split_text(compose(replace(ECHO, charset=charset)).text).kludges


def test_a_packet_is_from_us_to_us() -> None:
    """The packet names our AKA twice, with its domain, and reads back."""
    message = compose(ECHO)
    packet = parse_packet(post_packet(US, [message]))

    assert (packet.header.orig, packet.header.dest, packet.header.type) == (US, US, PacketType.TYPE_2_2)
    assert [build_packed_message(found) for found in packet.messages] == [build_packed_message(message)]
