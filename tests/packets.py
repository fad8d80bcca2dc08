"""Packets taken apart by the field tables alone: the other half of `tests.mail`, and as independent of `tosser.codec`.

What does not fit the tables is an assertion that fails. Standards: FTS-0001 (type 2, packed message), FSC-0048 (type
2+), FSC-0045 (type 2.2), FTS-0004 (SEEN-BY and PATH).
"""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HEADER: Final = 58
FIXED: Final = 34
STRINGS: Final = 4
"""Bytes of a packed message in front of its strings, and how many these are."""
LONGEST_LINE: Final = 79
"""Of SEEN-BY and PATH, with the keyword (FSC-0068)."""
HEADER_FIELDS: Final = {
    "origNode": (0, 2),
    "destNode": (2, 2),
    "year": (4, 2),
    "month": (6, 2),
    "day": (8, 2),
    "hour": (10, 2),
    "minute": (12, 2),
    "second": (14, 2),
    "baud": (16, 2),
    "packetType": (18, 2),
    "origNet": (20, 2),
    "destNet": (22, 2),
    "prodCode low": (24, 1),
    "revision major": (25, 1),
    "password": (26, 8),
    "origZone 34": (34, 2),
    "destZone 36": (36, 2),
    "auxNet": (38, 2),
    "capability copy": (40, 2),
    "prodCode high": (42, 1),
    "revision minor": (43, 1),
    "capability": (44, 2),
    "origZone 46": (46, 2),
    "destZone 48": (48, 2),
    "origPoint": (50, 2),
    "destPoint": (52, 2),
    "prodData": (54, 4),
}
"""Offset and length of each field of a type 2+ header (FSC-0048)."""
MESSAGE_FIELDS: Final = {
    "message type": (0, 2),
    "origNode": (2, 2),
    "destNode": (4, 2),
    "origNet": (6, 2),
    "destNet": (8, 2),
    "attributes": (10, 2),
    "cost": (12, 2),
    "date": (14, 20),
}
"""Offset and length of each fixed field of a packed message (FTS-0001)."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One packed message, in its parts.

    Attributes:
        fixed: the fixed fields, by name.
        to_name: addressee.
        from_name: author.
        subject: subject.
        text: everything behind it.
    """

    fixed: dict[str, bytes]
    to_name: bytes
    from_name: bytes
    subject: bytes
    text: bytes

    @property
    def msgid(self) -> str:
        """The value of its MSGID line."""
        return self.text.partition(b"\x01MSGID: ")[2].partition(b"\r")[0].decode("ascii")

    @property
    def area(self) -> str:
        """The tag on its AREA line."""
        return self.text.partition(b"\r")[0].removeprefix(b"AREA:").decode("ascii")

    @property
    def authored(self) -> bytes:
        """The text from AREA to the last line before SEEN-BY and PATH; line feeds mean nothing and are left out."""
        return b"".join(line + b"\r" for line in self._lines[: self._end])

    @property
    def seen_by(self) -> list[str]:
        """The nodes in SEEN-BY, each in full."""
        return list(_nodes(self._lines[self._end :], b"SEEN-BY:"))

    @property
    def path(self) -> list[str]:
        """The nodes in PATH, each in full."""
        return list(_nodes(self._lines[self._end :], b"\x01PATH:"))

    @property
    def _lines(self) -> list[bytes]:
        return self.text.replace(b"\n", b"").removesuffix(b"\r").split(b"\r")

    @property
    def _end(self) -> int:
        """Where the lines begin that are SEEN-BY and PATH to the end."""
        lines = self._lines
        while lines and lines[-1].startswith((b"SEEN-BY:", b"\x01PATH:")):
            lines.pop()
        return len(lines)


def header_of(data: bytes) -> dict[str, bytes]:
    """Take the header of a packet apart."""
    assert len(data) >= HEADER + 2, len(data)
    return {name: data[at : at + size] for name, (at, size) in HEADER_FIELDS.items()}


def messages_in(data: bytes) -> Iterator[Taken]:
    """Take the messages of a packet apart; it must end with two NULs and nothing behind them."""
    at = HEADER
    while data[at : at + 2] == b"\2\0":
        fixed = {name: data[at + offset : at + offset + size] for name, (offset, size) in MESSAGE_FIELDS.items()}
        strings = []
        at += FIXED
        for _ in range(STRINGS):
            end = data.index(b"\0", at)
            strings.append(data[at:end])
            at = end + 1
        yield Taken(fixed, *strings)
    assert data[at:] == b"\0\0", data[at : at + 20]


def packets_in(files: Iterable[Path]) -> list[bytes]:
    """Read packets, and those in ZIP bundles, in the order of the files."""
    return [packet for path in files for packet in packets_of(path.read_bytes())]


def packets_of(data: bytes) -> list[bytes]:
    """Give the packets of a ZIP bundle, or the packet itself."""
    if not data.startswith(b"PK"):
        return [data]
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        assert bundle.testzip() is None
        return [bundle.read(name) for name in bundle.namelist()]


def number(field: bytes) -> int:
    """Read a little-endian field of two bytes."""
    (value,) = struct.unpack("<H", field)
    return int(value)


def _nodes(lines: Iterable[bytes], keyword: bytes) -> Iterator[str]:
    for line in lines:
        if not line.startswith(keyword):
            continue
        assert len(line) <= LONGEST_LINE, line
        net = ""
        for item in line.removeprefix(keyword).decode("ascii").split():
            net = item.partition("/")[0] if "/" in item else net
            yield f"{net}/{item.rpartition('/')[2]}"
