"""Packets and messages built from the field tables alone, byte by byte.

Nothing here uses `tosser.codec`, so a test that compares the two compares two implementations. Right and wrong values
are written alike. Standards: FTS-0001 (type 2, packed message), FSC-0048 (type 2+), FSC-0045 (type 2.2), FTS-0004
(echomail text), FTS-0009 (MSGID), FSC-0046 (PID), FTS-4001 (INTL), FTS-4008 (TZUTC), FTS-5003 (CHRS).
"""

from __future__ import annotations

import random
import re
import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypedDict, Unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HUB: Final = "1337:1/100"
"""The uplink: sends packets, unless a test says otherwise."""
US: Final = "1337:1/200"
"""The node under test."""
DOWNLINKS: Final = tuple(f"1337:1/{node}" for node in range(201, 300))
"""Further links; `seen_by_nodes` never lists one, so each of them is due every message."""
EPOCH: Final = datetime(2026, 11, 1, 8, 0, 0, tzinfo=UTC)
"""Date of the first message; message number n is written n seconds later."""
TEARLINE: Final = "--- Mystic BBS v1.12 A47 (Linux/64)"

Kind = Literal["2", "2+", "2.2"]
_ADDRESS = re.compile(r"(\d+):(\d+)/(\d+)(?:\.(\d+))?(?:@\w+)?", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LINE = 78
"""Longest SEEN-BY or PATH line."""


def split_address(text: str) -> tuple[int, int, int, int]:
    """Split ``zone:net/node[.point]`` into its four numbers."""
    match = _ADDRESS.fullmatch(text)
    assert match is not None, text
    zone, net, node, point = match.groups("0")
    return int(zone), int(net), int(node), int(point)


def two_d(address: str) -> str:
    """Write an address as SEEN-BY and PATH do: ``net/node``."""
    _, net, node, _ = split_address(address)
    return f"{net}/{node}"


def fido_date(when: datetime) -> bytes:
    """Write the 20 byte date field: ``01 Nov 26  08:00:00`` and NUL."""
    return f"{when:%d} {_MONTHS[when.month - 1]} {when:%y  %H:%M:%S}\0".encode("ascii")


def packet_header(
    sender: str = HUB,
    dest: str = US,
    password: bytes = b"",
    *,
    kind: Kind = "2+",
    when: datetime = EPOCH,
) -> bytes:
    """Build the 58 byte packet header; a point sends 2+ with the net hidden in auxNet (FSC-0048)."""
    zone, net, node, point = split_address(sender)
    to_zone, to_net, to_node, to_point = split_address(dest)
    aux = 0
    if kind == "2+" and point:
        aux, net = net, 0xFFFF
    nodes = struct.pack("<HH", node, to_node)
    rest = struct.pack("<HHHBB8sHH", 2, net, to_net, 0xFE, 1, password.upper(), zone, to_zone)
    if kind == "2.2":
        return nodes + struct.pack("<HH8xH", point, to_point, 2) + rest + struct.pack("<8s8s4x", b"tqwnet", b"tqwnet")
    moment = (when.year, when.month - 1, when.day, when.hour, when.minute, when.second)
    front = nodes + struct.pack("<6HH", *moment, 0) + rest
    if kind == "2":
        return front + bytes(20)
    return front + struct.pack("<HHBBHHHHH4x", aux, 0x0100, 0, 0, 0x0001, zone, to_zone, point, to_point)


def packed(
    text: bytes,
    *,
    sender: str = HUB,
    dest: str = US,
    to_name: bytes = b"All",
    from_name: bytes = b"Mira Kovale",
    subject: bytes = b"Test",
    date: bytes = fido_date(EPOCH),
    attributes: int = 0,
    cost: int = 0,
) -> bytes:
    """Build one packed message (FTS-0001) around a text; the fields are written as given, right or wrong."""
    _, net, node, _ = split_address(sender)
    _, to_net, to_node, _ = split_address(dest)
    head = struct.pack("<7H", 2, node, to_node, net, to_net, attributes, cost)
    return b"".join((head, date, to_name, b"\0", from_name, b"\0", subject, b"\0", text, b"\0"))


def packet(
    messages: Iterable[bytes],
    *,
    sender: str = HUB,
    dest: str = US,
    password: bytes = b"",
    kind: Kind = "2+",
    when: datetime = EPOCH,
    end: bytes = b"\0\0",
) -> bytes:
    """Build a packet from packed messages."""
    return packet_header(sender, dest, password, kind=kind, when=when) + b"".join(messages) + end


def lines_2d(keyword: str, nodes: Iterable[str]) -> bytes:
    """Write SEEN-BY or PATH lines: the net only where it changes, at most 78 characters, each ended by CR."""
    done: list[str] = []
    line, net = keyword, ""
    for item in nodes:
        its_net, its_node = item.split("/")
        short = its_node if its_net == net else item
        if len(line) + 1 + len(short) > _LINE:
            done.append(line)
            line, short = keyword, item
        line, net = f"{line} {short}", its_net
    if line != keyword:
        done.append(line)
    return "".join(f"{text}\r" for text in done).encode("ascii")


def seen_by_nodes(*extra: str, count: int = 30, seed: int = 0) -> list[str]:
    """Choose ``net/node`` entries, sorted as SEEN-BY wants them; none of them is one of `DOWNLINKS`."""
    rng = random.Random(seed)
    pool = [f"{net}/{node}" for net in (1, 2, 3, 5) for node in (*range(100, 160), *range(300, 420))]
    chosen = {*rng.sample(pool, max(count - len(extra), 0)), *extra}
    return sorted(chosen, key=lambda item: tuple(int(number) for number in item.split("/")))


class TextParts(TypedDict, total=False):
    """The parts of an echomail text that a test may set; ``None`` or an empty list leaves a part out."""

    body: bytes
    msgid: str | None
    reply: str | None
    pid: str | None
    charset: str | None
    tzutc: str | None
    tearline: str | None
    origin: str | None
    seen_by: Sequence[str]
    path: Sequence[str]


_PARTS: Final = TextParts(
    body=b"Hello,\r\rthis is a test.\r",
    msgid="1337:1/300 00000001",
    reply=None,
    pid="Mystic 1.12 A47",
    charset="CP437 2",
    tzutc="0100",
    tearline=TEARLINE,
    origin="Invented Systems (1337:1/300)",
    seen_by=("1/100", "1/200"),
    path=("1/300", "1/100"),
)


def echo_text(area: str, **parts: Unpack[TextParts]) -> bytes:
    """Build the text of one echomail message."""
    chosen = _PARTS | parts
    lines = [f"AREA:{area}\r".encode("ascii")]
    kludges = ("MSGID", chosen["msgid"]), ("REPLY", chosen["reply"]), ("PID", chosen["pid"])
    more = ("CHRS", chosen["charset"]), ("TZUTC", chosen["tzutc"])
    lines += [f"\x01{name}: {value}\r".encode("ascii") for name, value in (*kludges, *more) if value is not None]
    lines.append(authored(chosen["body"], tearline=chosen["tearline"], origin=chosen["origin"]))
    lines += [lines_2d("SEEN-BY:", chosen["seen_by"]), lines_2d("\x01PATH:", chosen["path"])]
    return b"".join(lines)


def authored(body: bytes, *, tearline: str | None = TEARLINE, origin: str | None) -> bytes:
    """Join a body with its tearline and Origin: what must arrive everywhere byte for byte."""
    tear = b"" if tearline is None else f"{tearline}\r".encode("ascii")
    return body + tear + (b"" if origin is None else f" * Origin: {origin}\r".encode("ascii"))


def message(
    area: str,
    *,
    number: int = 1,
    author: str = "1337:1/300",
    sender: str = HUB,
    dest: str = US,
    **parts: Unpack[TextParts],
) -> bytes:
    """Build one packed echomail message, distinct by ``number``; MSGID, Origin and PATH follow the author."""
    usual = TextParts(
        msgid=f"{author} {number:08x}",
        origin=f"Invented Systems ({author})",
        path=list(dict.fromkeys((two_d(author), two_d(sender)))),
    )
    return packed(
        echo_text(area, **(usual | parts)),
        sender=sender,
        dest=dest,
        subject=f"Test {number}".encode("ascii"),
        date=fido_date(EPOCH + timedelta(seconds=number)),
    )


def netmail(
    body: bytes = b"Hello,\r\rthis is for you alone.\r",
    *,
    number: int = 1,
    author: str = HUB,
    addressee: str = US,
    to_name: bytes = b"Jane Sysop",
) -> bytes:
    """Build one packed netmail with INTL, FMPT, TOPT (FTS-4001) and MSGID, distinct by ``number``."""
    zone, net, node, point = split_address(author)
    to_zone, to_net, to_node, to_point = split_address(addressee)
    lines = [f"INTL {to_zone}:{to_net}/{to_node} {zone}:{net}/{node}"]
    lines += [f"FMPT {point}"] if point else []
    lines += [f"TOPT {to_point}"] if to_point else []
    lines += [f"MSGID: {author} {number:08x}", "CHRS: CP437 2", "TZUTC: 0100"]
    return packed(
        "".join(f"\x01{line}\r" for line in lines).encode("ascii") + body,
        sender=author,
        dest=addressee,
        to_name=to_name,
        subject=f"Letter {number}".encode("ascii"),
        date=fido_date(EPOCH + timedelta(seconds=number)),
        attributes=0x0001,
    )
