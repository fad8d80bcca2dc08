"""Counting the messages of packets and bundles, by walking over them (FTS-0001), with nothing of tosser in it."""

from __future__ import annotations

import mmap
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PACKET_HEADER = 58
_MESSAGE_HEADER = 34
"""14 bytes of numbers and 20 of date."""
_STRINGS = 4
"""To, from, subject, text: each ended by NUL."""


def count_messages(file: Path) -> int:
    """Count the messages in a packet, or in all packets of a ZIP bundle.

    Raises:
        ValueError: it is neither, or is cut.
    """
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as bundle:
            return sum(count_in_packet(bundle.read(name)) for name in bundle.namelist())
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return count_in_packet(data)


def count_in_packet(data: bytes | mmap.mmap) -> int:
    """Count the messages of one packet.

    Raises:
        ValueError: it is cut, or something else is where a message or the end should be.
    """
    at, count = _PACKET_HEADER, 0
    while data[at : at + 2] == b"\2\0":
        at += _MESSAGE_HEADER
        for _ in range(_STRINGS):
            at = data.find(b"\0", at) + 1
            if not at:
                raise ValueError("the packet is cut")
        count += 1
    if data[at:] != b"\0\0":
        raise ValueError(f"no message and no end of packet at {at}")
    return count
