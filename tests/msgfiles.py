"""A small reader and writer of *.MSG files, by the offsets of FTS-0001 and without any code of ours."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class MsgFile(NamedTuple):
    """What a *.MSG file says; ``words`` are the thirteen numbers behind the date, in their order."""

    sender: str
    to: str
    subject: str
    date: str
    words: tuple[int, ...]
    text: bytes

    @property
    def attributes(self) -> int:
        """The attribute word."""
        return self.words[11]


def msg_files(directory: Path) -> dict[int, MsgFile]:
    """Read the messages of a directory by number; those too short to be any are passed over."""
    files = [file for file in directory.iterdir() if file.suffix.lower() == ".msg" and file.stat().st_size >= 190]
    return {int(file.stem): read_msg(file) for file in sorted(files, key=lambda file: int(file.stem))}


def read_msg(file: Path) -> MsgFile:
    """Read a message, whose text must end in NUL."""
    data = file.read_bytes()
    assert data.endswith(b"\0")
    strings = (data[at:end].split(b"\0")[0].decode("ascii") for at, end in ((0, 36), (36, 72), (72, 144), (144, 164)))
    sender, to, subject, date = strings
    return MsgFile(sender, to, subject, date, struct.unpack_from("<13H", data, 164), data[190:-1])


def subjects_in(directory: Path) -> list[str]:
    """Subjects of all messages in the order of their numbers."""
    return [file.subject for file in msg_files(directory).values()]


def foreign(file: Path, subject: str) -> None:
    """Write a message as another program does."""
    file.parent.mkdir(exist_ok=True)
    head = struct.pack("<36s36s72s20s26x", b"Ada Sample", b"Jo", subject.encode("ascii"), b"09 Mar 24  14:05:06")
    file.write_bytes(head + b"text\r\0")
