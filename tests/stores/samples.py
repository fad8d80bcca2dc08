"""Invented messages for base tests, and what is in a base as far as they care."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tosser.address import Address
from tosser.codec.jam import SubfieldId
from tosser.stores.base import BaseMessage, MessageKind
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from pathlib import Path

ARRIVED = 1_709_993_166
SUFFIXES = (".jhr", ".jdt", ".jdx", ".jlr")


def sample(number: int, *, size: int = 100, to: bytes = b"All") -> BaseMessage:
    """One echomail message, different for each number; larger texts have longer control lines too."""
    return BaseMessage(
        kind=MessageKind.ECHO,
        sender=b"Ada Sample",
        to=to,
        subject=b"ours %d" % number,
        kludges=[b"MSGID: 1337:1/100 %08x" % number, b"PID: Sampler 1", b"CHRS: CP437 2", b"NOTE: " + b"-" * size],
        body=b"text %d " % number + b"." * size + b"\r--- x\r * Origin: here (1337:1/100)\r",
        seen_by=[b" 1/100 200"],
        path=[b" 1/100"],
        origin=Address(1337, 1, 100),
        dest=None,
        written=datetime.fromisoformat("2024-03-09T14:05:06"),
        arrived=ARRIVED,
        attributes=0,
    )


def samples(count: int, start: int = 0, *, size: int = 100) -> list[BaseMessage]:
    """Several of them."""
    return [sample(number, size=size) for number in range(start, start + count)]


def subjects(path: Path) -> list[str]:
    """Subjects of all messages that can be read, in the order of the index."""
    return [
        next(data for identifier, data in found.subfields if identifier == SubfieldId.SUBJECT).decode()
        for found in JamReader(path).messages()
    ]


def ours(count: int, start: int = 0) -> list[str]:
    """Subjects of the samples with these numbers."""
    return [f"ours {number}" for number in range(start, start + count)]


def file_of(path: Path, suffix: str) -> Path:
    """One file of a base."""
    return path.with_name(path.name + suffix)


def contents(path: Path) -> dict[str, bytes]:
    """All bytes of a base."""
    return {suffix: file_of(path, suffix).read_bytes() for suffix in SUFFIXES}


def lengths(path: Path) -> dict[str, int]:
    """Lengths of the files of a base."""
    return {suffix: file_of(path, suffix).stat().st_size for suffix in SUFFIXES}


def active(path: Path) -> int:
    """How many messages the header counts."""
    return JamReader(path).header().active
