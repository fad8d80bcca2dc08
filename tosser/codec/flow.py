"""Binkley-style outbound: names of directories and files, and the lines in flow files (FTS-5005).

Names are written in lower case and recognised in any. A flow file lists files to be sent, one absolute path a line,
with a directive before it that says what becomes of the file afterwards; the mailer strikes out what it has sent.
Refused with `FormatError`: writing a path that a reader could not get back whole. Reading refuses nothing.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tosser.address import Address


class Flavour(StrEnum):
    """How urgently the mailer is to send what waits for a link (FTS-5005)."""

    NORMAL = "normal"
    HOLD = "hold"
    DIRECT = "direct"
    CRASH = "crash"
    IMMEDIATE = "immediate"


class Directive(StrEnum):
    """What becomes of a file once it is sent; the value is the character written before its path."""

    DELETE = "^"
    TRUNCATE = "#"
    KEEP = ""
    DONE = "~"
    """It has been sent, or is to be passed over."""


class FlowLine(Struct, frozen=True):
    """One line of a flow file.

    Attributes:
        directive: what becomes of the file.
        path: as it stands there, in the bytes of the file system.
    """

    directive: Directive
    path: bytes


_FLOW_LETTERS = {
    Flavour.NORMAL: "f",
    Flavour.HOLD: "h",
    Flavour.DIRECT: "d",
    Flavour.CRASH: "c",
    Flavour.IMMEDIATE: "i",
}
_DIRECTIVES = {
    b"^": Directive.DELETE,
    b"-": Directive.DELETE,
    b"#": Directive.TRUNCATE,
    b"@": Directive.KEEP,
    b"~": Directive.DONE,
    b"!": Directive.DONE,
    b"$": Directive.DONE,
}
"""Those of FTS-5005 with its optional alternates, and the ``$`` that some mailers pass over."""
_FLOW_NAME = re.compile(r"[0-9a-f]{8}\.[icdfnh]lo", re.ASCII | re.IGNORECASE)
_PACKET_NAME = re.compile(r"[0-9a-f]{8}\.[icdoh]ut", re.ASCII | re.IGNORECASE)
_POINT_DIRECTORY = re.compile(r"[0-9a-f]{8}\.pnt", re.ASCII | re.IGNORECASE)
_BLANKS = b" \t\v\f\r"
_UNWRITABLE = re.compile(rb"[^/].*|.*[\n\0].*|.*[ \t\v\f\r]", re.DOTALL)


def zone_extension(zone: int) -> str:
    """Give the extension of the directory of a zone that is not the default one: three hex digits, or four."""
    return f".{zone:03x}"


def point_directory(address: Address) -> str:
    """Name the directory of a boss's points, inside that of its zone; empty for an address that is no point."""
    return f"{address.net:04x}{address.node:04x}.pnt" if address.point else ""


def bso_stem(address: Address) -> str:
    """Name the files of a system inside its directory, without extension."""
    return f"{address.point:08x}" if address.point else f"{address.net:04x}{address.node:04x}"


def system_numbers(name: str) -> tuple[int, int] | None:
    """Tell whose a flow file or flavoured packet is: the two numbers in its name, or ``None`` if it is neither.

    They are net and node; in a directory of points zero and the point.
    """
    if not is_flow_name(name) and not is_flavoured_packet_name(name):
        return None
    return int(name[:4], 16), int(name[4:8], 16)


def boss_numbers(name: str) -> tuple[int, int] | None:
    """Tell whose points a directory is for: net and node of their boss, or ``None`` if it is named otherwise."""
    return (int(name[:4], 16), int(name[4:8], 16)) if _POINT_DIRECTORY.fullmatch(name) else None


def flow_extension(flavour: Flavour) -> str:
    """Give the extension of the flow file of a flavour, without dot."""
    return f"{_FLOW_LETTERS[flavour]}lo"


def is_flow_name(name: str) -> bool:
    """Tell whether a file in an outbound is named as a flow file of any flavour; ``.nlo`` is an old ``.flo``."""
    return _FLOW_NAME.fullmatch(name) is not None


def is_flavoured_packet_name(name: str) -> bool:
    """Tell whether a file in an outbound is named as a packet that the mailer sends by its name alone (``.?ut``)."""
    return _PACKET_NAME.fullmatch(name) is not None


def parse_flow(data: bytes) -> list[FlowLine]:
    """Read a flow file; lines end in LF or CR LF, trailing blanks and empty lines do not count."""
    lines = []
    for line in data.split(b"\n"):
        text = line.rstrip(_BLANKS)
        directive = _DIRECTIVES.get(text[:1])
        path = text if directive is None else text[1:]
        if path:
            lines.append(FlowLine(directive or Directive.KEEP, path))
    return lines


def build_flow(lines: Iterable[FlowLine]) -> bytes:
    """Write the lines of a flow file.

    Raises:
        FormatError: a path is relative, or has a line end, a NUL or a trailing blank.
    """
    return b"".join(_build_line(line) for line in lines)


def missing_lines(data: bytes, lines: Iterable[FlowLine]) -> bytes:
    """Give what is to be appended to a flow file so that it has the lines whose paths it does not name yet.

    A path that is struck out is named: the file has been sent.

    Args:
        data: the flow file as it is; it stays as it is.
        lines: what it should name.

    Raises:
        FormatError: as `build_flow`.
    """
    named = {line.path for line in parse_flow(data)}
    added = build_flow(line for line in lines if line.path not in named)
    return b"\n" + added if added and data and not data.endswith(b"\n") else added


def without_debris(data: bytes, lines: Iterable[FlowLine]) -> bytes:
    """Give a flow file without what a power cut has left of lines that were being added: zeros, or a first part.

    Args:
        data: the flow file as it is.
        lines: those that were being added, as they will be again.
    """
    whole = data.rstrip(b"\0")
    stump = whole[whole.rfind(b"\n") + 1 :]
    if stump and any(_build_line(line).startswith(stump) for line in lines):
        return whole[: -len(stump)]
    return whole


def _build_line(line: FlowLine) -> bytes:
    if _UNWRITABLE.fullmatch(line.path) or not line.path:
        raise FormatError(f"{line.path!r} cannot stand in a flow file: it is relative or has a line end or end blank")
    return line.directive.encode("ascii") + line.path + b"\n"
