"""Bundle (ARCmail) and packet file names, and what a file is by its first bytes (FTS-0001, FTS-0004, FTS-5005).

A name says only whether a file in an inbound is meant for a tosser; what it is, its bytes say: mailers rename files and
packers lie. Refused: nothing; what matches no table is simply unknown (``None`` or ``False``).
"""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from tosser.address import Address

HEAD_SIZE = 512
"""Bytes that `identify` wants to see; fewer are fine when the file has no more."""

DAYS = ("su", "mo", "tu", "we", "th", "fr", "sa")
"""How the extension of a bundle begins, by the local day it was begun on, Sunday first."""
_SEQUENCE = "0123456789abcdefghijklmnopqrstuvwxyz"
"""How it ends: one after the other, so that no two bundles of a day have one name."""
_STAMPS_PER_SECOND = 256

_PACKET_NAME = re.compile(r".+\.pkt", re.ASCII | re.IGNORECASE | re.DOTALL)
_BUNDLE_NAME = re.compile(
    r"(?:[0-9a-z]{8}|\d+\.\d+\.\d+\.\d+)\.(?:su|mo|tu|we|th|fr|sa)[0-9a-z]", re.ASCII | re.IGNORECASE
)
_IGNORED_NAME = re.compile(r"\..*|.*\.(?:hr|dt|tmp|\$\$\$|bad|bsy|csy|part)", re.ASCII | re.IGNORECASE | re.DOTALL)
_UNSAFE_MEMBER = re.compile(r"[/\\].*|[A-Za-z]:.*|(?:.*[/\\])?\.\.(?:[/\\].*)?|.*\x00.*", re.DOTALL)


class ArchiveType(StrEnum):
    """What a file is by its content; the value is the name used in the configuration."""

    PACKET = "packet"
    ZIP = "zip"
    GZIP = "gzip"
    TAR = "tar"
    ARC = "arc"
    ARJ = "arj"
    LZH = "lzh"
    RAR = "rar"
    ZOO = "zoo"
    SEVENZIP = "7z"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTD = "zstd"
    SQZ = "sqz"
    ACE = "ace"
    UC2 = "uc2"
    HYP = "hyp"
    CAB = "cab"


_SIGNATURES: tuple[tuple[ArchiveType, int, tuple[bytes, ...]], ...] = (
    (ArchiveType.ZIP, 0, (b"PK\x03\x04", b"PK00PK\x03\x04", b"PK\x05\x06")),
    (ArchiveType.RAR, 0, (b"Rar!\x1a\x07", b"RE~^")),
    (ArchiveType.ZOO, 0, (b"ZOO ",)),
    (ArchiveType.ZOO, 20, (b"\xdc\xa7\xc4\xfd",)),
    (ArchiveType.SEVENZIP, 0, (b"7z\xbc\xaf\x27\x1c",)),
    (ArchiveType.GZIP, 0, (b"\x1f\x8b",)),
    (ArchiveType.BZIP2, 0, (b"BZh",)),
    (ArchiveType.XZ, 0, (b"\xfd7zXZ\x00",)),
    (ArchiveType.ZSTD, 0, (b"\x28\xb5\x2f\xfd",)),
    (ArchiveType.SQZ, 0, (b"HLSQZ",)),
    (ArchiveType.ACE, 7, (b"**ACE**",)),
    (ArchiveType.UC2, 0, (b"UC2\x1a",)),
    (ArchiveType.CAB, 0, (b"MSCF",)),
    (ArchiveType.ARJ, 0, (b"\x60\xea",)),
    (ArchiveType.LZH, 2, (*(b"-lh%c-" % method for method in range(256)), b"-lz")),
    # Node numbers of a packet header hardly ever spell one of the above. Those below are weaker than a packet's mark:
    # ARC's two bytes are nodes 282, 538 and so on, and the text of a message may stand where a tar has its mark.
    (ArchiveType.PACKET, 18, (b"\x02\x00",)),
    (ArchiveType.TAR, 257, (b"ustar",)),
    (ArchiveType.HYP, 0, (b"\x1aHP", b"\x1aST")),
    (ArchiveType.ARC, 0, tuple(b"\x1a%c" % method for method in range(1, 12))),
)
"""What stands where in a file of each type, in the order in which they are tried."""


def is_packet_name(name: str) -> bool:
    """Tell whether a file is named as a packet: ``*.pkt`` in any case."""
    return _PACKET_NAME.fullmatch(name) is not None


def is_bundle_name(name: str) -> bool:
    """Tell whether a file is named as a bundle: eight alphanumerics (or four dotted numbers), day of week, one more."""
    return _BUNDLE_NAME.fullmatch(name) is not None


def ignored_name(name: str) -> bool:
    """Tell whether a name is one that mailers and tossers use for what is not, or not yet, a received file."""
    return _IGNORED_NAME.fullmatch(name) is not None


def is_unsafe_member(name: str) -> bool:
    """Tell whether the name of an archive's member points out of the archive: absolute, a drive, ``..``, or with a NUL.

    Both slashes separate, as both do somewhere. No name is used as a path here, yet who writes such a one means harm.
    """
    return _UNSAFE_MEMBER.fullmatch(name) is not None


def identify(head: bytes) -> ArchiveType | None:
    """Tell what a file is by its first `HEAD_SIZE` bytes, or ``None``."""
    for kind, offset, signatures in _SIGNATURES:
        if head.startswith(signatures, offset):
            return kind
    return None


def bundle_base(ours: Address, theirs: Address) -> str:
    """Name the bundles from one of our AKAs to a link, without extension: how far apart the addresses are.

    Net and node; node and point where either is a point.
    """
    if ours.point or theirs.point:
        first, second = ours.node - theirs.node, ours.point - theirs.point
    else:
        first, second = ours.net - theirs.net, ours.node - theirs.node
    return f"{first % 0x10000:04x}{second % 0x10000:04x}"


def next_bundle_name(base: str, weekday: int, taken: Container[str]) -> str | None:
    """Name the next bundle of a day: the one behind the last that is taken, or the first that is free.

    Args:
        base: from `bundle_base`.
        weekday: local day, 0 for Sunday.
        taken: names in lower case that are in use or have been a short while ago.

    Returns:
        The name, or ``None`` when all 36 of the day are taken.
    """
    names = [f"{base}.{DAYS[weekday]}{char}" for char in _SEQUENCE]
    used = [index for index, name in enumerate(names) if name in taken]
    behind = used[-1] + 1 if used else 0
    return next((name for name in names[behind:] + names[:behind] if name not in taken), None)


def time_stamp_bundle_name(now: int, weekday: int, taken: Container[str]) -> str:
    """Name a bundle when all ordinary names of the day are taken: by the time, and by a count within it.

    Args:
        now: Unix seconds.
        weekday: local day, 0 for Sunday.
        taken: as for `next_bundle_name`.
    """
    names = (
        f"{(now + number // _STAMPS_PER_SECOND) % 0x1000000:06x}{number % _STAMPS_PER_SECOND:02x}.{DAYS[weekday]}0"
        for number in count()
    )
    return next(name for name in names if name not in taken)
