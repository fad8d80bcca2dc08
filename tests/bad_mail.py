"""Damaged, odd and refused input, each with what must become of it.

The rules are those of FTS-0001 as real software bends them, with one difference: a packet that does not parse is
refused whole. Every packet here begins with sound messages, so that a test sees whether the rest was held back.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from tests.mail import EPOCH, HUB, US, echo_text, fido_date, message, packed, packet, packet_header, two_d
from tosser.reason import FileState, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLERATED = "tolerated"
_HEADER = 58
_NAME_LIMIT = 4 * 36
_SUBJECT_LIMIT = 4 * 72


@dataclass(frozen=True, slots=True)
class BadInput:
    """One input and its fate.

    Attributes:
        name: what is wrong with it, as a test id.
        data: the file.
        expected: a `Reason` value when the file or its last message is refused; ``empty`` when the file is done with
            and held nothing; ``tolerated`` when every message in it is accepted.
        messages: how many messages are accepted into their areas.
        whole: whether ``expected`` is about the file; if not, it is the verdict on its last message.
    """

    name: str
    data: bytes = field(repr=False)
    expected: str
    messages: int
    whole: bool = True


def damaged(area: str = "TQW_GEN", sender: str = HUB, dest: str = US, password: bytes = b"") -> tuple[BadInput, ...]:
    """Make every kind of input that is broken in its form; all of it is addressed properly."""
    header = packet_header(sender, dest, password)
    sound = b"".join(message(area, number=number, sender=sender, dest=dest) for number in (1, 2))
    groups = _headers(header, sound), _ends(header, sound), _fields(header, sound, area), _texts(header, sound, area)
    return tuple(chain.from_iterable(groups))


def truncations(area: str = "TQW_GEN", sender: str = HUB, dest: str = US, password: bytes = b"") -> Iterator[BadInput]:
    """Yield one packet of two messages cut at every byte."""
    header = packet_header(sender, dest, password)
    first, second = (message(area, number=number, sender=sender, dest=dest) for number in (1, 2))
    complete = {_HEADER: 0, _HEADER + len(first): 1, _HEADER + len(first + second): 2}
    data = header + first + second + b"\0\0"
    for length in range(len(data)):
        name = f"cut at {length}"
        if length == 0:
            yield BadInput(name, b"", FileState.EMPTY, 0)
        elif length < _HEADER:
            yield BadInput(name, data[:length], Reason.HEADER_SHORT, 0)
        elif length in complete:
            count = complete[length]
            yield BadInput(name, data[:length], TOLERATED if count else FileState.EMPTY, count)
        elif length == len(data) - 1:
            yield BadInput(name, data[:length], TOLERATED, 2)
        else:
            yield BadInput(name, data[:length], Reason.TRUNCATED, 0)


def refused(area: str = "TQW_GEN", sender: str = HUB, dest: str = US, password: bytes = b"") -> tuple[BadInput, ...]:
    """Make sound packets that must not be tossed, or whose last message must not be accepted.

    The receiver is taken to be ``dest``, linked to ``sender`` in the area. Password cases come only with a password.
    """
    sound = message(area, number=1, sender=sender, dest=dest)

    def sent(name: str, last: bytes, reason: Reason) -> BadInput:
        data = packet([sound, last], sender=sender, dest=dest, password=password)
        return BadInput(name, data, reason, 1, whole=False)

    def whole(name: str, reason: Reason, *, sender: str = sender, dest: str = dest, password: bytes = b"") -> BadInput:
        return BadInput(name, packet([sound], sender=sender, dest=dest, password=password), reason, 0)

    own = message(area, number=2, path=("1/300", two_d(dest), two_d(sender)))
    cases = [
        whole("to another system", Reason.NOT_FOR_US, dest="1337:9/8", password=password),
        whole("from a stranger", Reason.UNKNOWN_SENDER, sender="1337:9/9"),
        sent("unknown area", message("NO.SUCH.AREA", number=2), Reason.UNKNOWN_AREA),
        sent("blank area tag", message("", number=2), Reason.INVALID_TAG),
        sent("area tag that is no path", message("../UP", number=2), Reason.UNKNOWN_AREA),
        sent("own address in PATH", own, Reason.LOOP),
        sent("the same message twice", sound, Reason.DUPLICATE),
    ]
    if password:
        cases.append(whole("wrong password", Reason.WRONG_PASSWORD, password=b"WRONG!"))
        cases.append(whole("missing password", Reason.MISSING_PASSWORD))
    return tuple(cases)


def _headers(header: bytes, sound: bytes) -> Iterator[BadInput]:
    yield BadInput("zero bytes", b"", FileState.EMPTY, 0)
    yield BadInput("one byte", header[:1], Reason.HEADER_SHORT, 0)
    yield BadInput("57 bytes", header[:57], Reason.HEADER_SHORT, 0)
    yield BadInput("a header and nothing else", header, FileState.EMPTY, 0)
    yield BadInput("an empty packet", header + b"\0\0", FileState.EMPTY, 0)
    yield BadInput("garbage", random.Random(1).randbytes(4096), Reason.PACKET_TYPE, 0)
    letter = b"Dear sysop, please find my packet enclosed.\r\n" * 4
    yield BadInput("text instead of a packet", letter, Reason.PACKET_TYPE, 0)
    yield BadInput("zeros", bytes(4096), Reason.PACKET_TYPE, 0)
    for kind in (0, 1, 3, 0x0200):
        data = header[:18] + struct.pack("<H", kind) + header[20:] + sound + b"\0\0"
        yield BadInput(f"packet type {kind}", data, Reason.PACKET_TYPE, 0)


def _ends(header: bytes, sound: bytes) -> Iterator[BadInput]:
    good = header + sound
    yield BadInput("no terminator", good, TOLERATED, 2)
    yield BadInput("half a terminator", good + b"\0", TOLERATED, 2)
    yield BadInput("the terminator doubled", good + bytes(4), TOLERATED, 2)
    yield BadInput("zeros to the end of a block", good + bytes(128), TOLERATED, 2)
    yield BadInput("end-of-file marks after the end", good + b"\0\0" + b"\x1a" * 20, TOLERATED, 2)
    yield BadInput("junk after the end", good + b"\0\0" + b"NO CARRIER", Reason.TRAILING_JUNK, 2)
    yield BadInput("two packets in one file", (good + b"\0\0") * 2, Reason.CONCATENATED, 0)
    yield BadInput("junk where a message should begin", good + b"NO CARRIER", Reason.DAMAGED, 0)
    yield BadInput("cut in a message header", good + sound[:20], Reason.TRUNCATED, 0)
    yield BadInput("cut in a text", good + sound[:200], Reason.TRUNCATED, 0)


def _fields(header: bytes, sound: bytes, area: str) -> Iterator[BadInput]:
    text = echo_text(area, msgid="1337:1/300 00000003")

    def last(
        *, to_name: bytes = b"All", from_name: bytes = b"Ada", subject: bytes = b"Hi", date: bytes = fido_date(EPOCH)
    ) -> bytes:
        raw = packed(text, to_name=to_name, from_name=from_name, subject=subject, date=date)
        return header + sound + raw + b"\0\0"

    for name, limit in (("to_name", _NAME_LIMIT), ("from_name", _NAME_LIMIT), ("subject", _SUBJECT_LIMIT)):
        over = limit // 4
        yield BadInput(f"{name} of {over} bytes, one too many", last(**{name: b"x" * over}), TOLERATED, 3)
        yield BadInput(f"{name} of {limit + 1} bytes", last(**{name: b"x" * (limit + 1)}), Reason.FIELD_TOO_LONG, 0)
        yield BadInput(f"{name} empty", last(**{name: b""}), TOLERATED, 3)
        yield BadInput(f"{name} of control characters", last(**{name: b"\x01\x02\r\n\x1b[2J\x7f\xff"}), TOLERATED, 3)
    dates = {
        "all zeros, the day too": b"00 Jan 00  00:00:00\0",
        "no such month": b"99 Xyz 99  99:99:99\0",
        "blank": b" " * 19 + b"\0",
        "all NUL": bytes(20),
        "8-bit characters": b"\xff" * 19 + b"\0",
        "of three digits in the year": b"01 Nov 126 08:00:00\0",
        "in the SEAdog form": b"Sun  1 Nov 26 08:00\0",
        "short, ended by NUL": b"1 Nov 26 8:00\0",
    }
    for what, date in dates.items():
        yield BadInput(f"date {what}", last(date=date), TOLERATED, 3)
    yield BadInput("date without an end", last(date=b"01 Nov 26  08:00:000"), Reason.DAMAGED, 0)


def _texts(header: bytes, sound: bytes, area: str) -> Iterator[BadInput]:
    def last(raw: bytes) -> bytes:
        return header + sound + raw + b"\0\0"

    text = echo_text(area, msgid="1337:1/300 00000003")
    yield BadInput("NUL in a body", last(message(area, number=3, body=b"Hello\0 world\r")), Reason.DAMAGED, 0)
    yield BadInput("CRLF line ends", last(packed(text.replace(b"\r", b"\r\n"))), TOLERATED, 3)
    yield BadInput("LF line ends", last(packed(text.replace(b"\r", b"\n"))), TOLERATED, 3)
    yield BadInput("no CR at the end of the text", last(packed(text[:-1])), TOLERATED, 3)
    yield BadInput("nothing but the area line", last(packed(f"AREA:{area}\r".encode("ascii"))), TOLERATED, 3)
    yield BadInput("no MSGID", last(message(area, number=3, msgid=None)), TOLERATED, 3)
    yield BadInput("an empty MSGID", last(message(area, number=3, msgid="")), TOLERATED, 3)
    yield BadInput("no Origin", last(message(area, number=3, origin=None)), TOLERATED, 3)
    yield BadInput("no tearline", last(message(area, number=3, tearline=None)), TOLERATED, 3)
    yield BadInput("no SEEN-BY", last(message(area, number=3, seen_by=())), TOLERATED, 3)
    yield BadInput("no PATH", last(message(area, number=3, path=())), TOLERATED, 3)
    yield BadInput("area tag in lower case", last(message(area.lower(), number=3)), TOLERATED, 3)
    yield BadInput("a line of 40 kB", last(message(area, number=3, body=b"x" * 40_000 + b"\r")), TOLERATED, 3)
    lines = b"All work and no play makes the sysop a dull node.\r" * 12_000
    yield BadInput("a text of 600 kB", last(message(area, number=3, body=lines)), TOLERATED, 3)
    yield BadInput("a text of 10 MB", last(message(area, number=3, body=lines * 17)), Reason.TEXT_TOO_LONG, 0)
    seen_by = [f"1/{node}" for node in range(300, 5300)]
    yield BadInput("5,000 SEEN-BYs", last(message(area, number=3, seen_by=seen_by)), TOLERATED, 3)
    yield BadInput("high attribute bits", last(packed(text, attributes=0xFFFF)), TOLERATED, 3)
